/* tests/unit/gateway/maildir_test.c - promises of gateway/maildir.h */
#include "../test.h"
#include "gateway/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing_disk.h"

enum { CONTENT_BYTES = 256 * 1024 };

static char root[64], pattern[128];
static char content[CONTENT_BYTES];

static const int64_t now_us = 1795219200000123;

static struct gateway_maildir_settings settings_of(bool creates_mailboxes)
{
    return (struct gateway_maildir_settings){ pattern, "mx.example.org", creates_mailboxes };
}

static const struct gateway_maildir_envelope envelope = { { "from@example.net", 16 },
                                                          { "User@example.org", 16 },
                                                          now_us };
static const char fields[] = "Return-Path: <from@example.net>\nDelivered-To: User@example.org\n";

static int make_root(void **state)
{
    (void)state;
    failing_disk_set(FAILING_DISK_SOUND, 0, 0);
    snprintf(root, sizeof root, "/tmp/postern-maildir-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(pattern, sizeof pattern, "%s/{domain}/{user}", root);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    failing_disk_set(FAILING_DISK_SOUND, 0, 0);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* How many files a folder holds; the name of the last is kept in `last`. */
static size_t count_in(const char *folder, char last[NAME_MAX + 1])
{
    DIR *files = opendir(path_of(folder));
    size_t count = 0;

    for (struct dirent *file; files != NULL && (file = readdir(files)) != NULL;)
        if (file->d_name[0] != '.') {
            count++;
            if (last != NULL)
                snprintf(last, NAME_MAX + 1, "%s", file->d_name);
        }
    if (files != NULL)
        closedir(files);
    return count;
}

static struct span read_only_message(void)
{
    char name[NAME_MAX + 1], place[NAME_MAX + 64];
    FILE *file;
    size_t len;

    assert_int_equal(count_in("example.org/user/new", name), 1);
    snprintf(place, sizeof place, "example.org/user/new/%s", name);
    file = fopen(path_of(place), "rb");
    assert_non_null(file);
    len = fread(content, 1, sizeof content, file);
    fclose(file);
    return (struct span){ content, len };
}

static bool deliver_to(const struct gateway_maildir_settings *settings, struct span recipient,
                       struct span message, size_t piece, struct gateway_maildir_failure *failure)
{
    AUTO(gateway_maildir_close) struct gateway_maildir_delivery *delivery = NULL;
    struct gateway_maildir_envelope to = envelope;

    to.recipient = recipient;
    if (!gateway_maildir_open(settings, &to, &delivery, failure))
        return false;
    while (message.len > 0)
        if (!gateway_maildir_feed(delivery, span_take_front(&message, piece), failure))
            return false;
    return gateway_maildir_commit(delivery, failure);
}

static bool deliver(struct span message, size_t piece, struct gateway_maildir_failure *failure)
{
    struct gateway_maildir_settings settings = settings_of(true);

    return deliver_to(&settings, envelope.recipient, message, piece, failure);
}

static void must_deliver(struct span message, size_t piece)
{
    struct gateway_maildir_failure failure;

    if (!deliver(message, piece, &failure))
        fail_msg("%s", failure.err.text);
}

static void keeps_every_byte_but_the_cr_of_a_line_end(void **state)
{
    static const struct {
        const char *sent, *kept;
    } cases[] = {
        { "", "" },
        { "Subject: x\r\n\r\nbody\r\n", "Subject: x\n\nbody\n" },
        { "no end of line", "no end of line" },
        { ".\r\n..\r\n.dot\r\n", ".\n..\n.dot\n" },
        { "8 bit \xff\x80\xfe\r\n", "8 bit \xff\x80\xfe\n" },
        { "a\rb\r\r\nc\r", "a\rb\r\nc\r" },
        { "a\nb\n\r\n", "a\nb\n\n" },
        { "\r\n\r\n\r\n", "\n\n\n" },
        { "From here\r\n>From there\r\n", "From here\n>From there\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t piece = 1; piece <= strlen(cases[i].sent) + 1; piece++) {
            struct span kept;

            assert_int_equal(remove_root(state), 0);
            assert_int_equal(make_root(state), 0);
            must_deliver(span_of(cases[i].sent), piece);
            kept = read_only_message();
            assert_true(span_starts_with(kept, fields));
            assert_true(
                span_equal(span_part(kept, sizeof fields - 1, kept.len), span_of(cases[i].kept)));
        }
}

/* RFC 5321 section 4.4: whoever delivers writes the only one, in front. */
static void a_return_path_that_came_along_is_gone_and_the_body_untouched(void **state)
{
    static const char sent[] =
        "Received: here\r\nReturn-Path: <old@example.com>\r\nreturn-path : <a@b.test>\r\n (folded\r\n\tonce more)\r\n"
        "Subject: x\r\n Return-Path: <c@d.test>\r\nX-Return-Path: y\r\nReturn-Path:\r\n\r\n"
        "Return-Path: <of@the.body>\r\n";
    static const char kept[] =
        "Received: here\nSubject: x\n Return-Path: <c@d.test>\nX-Return-Path: y\n\n"
        "Return-Path: <of@the.body>\n";

    for (size_t piece = 1; piece <= 2 * sizeof sent; piece *= 2) {
        struct span message;

        assert_int_equal(remove_root(state), 0);
        assert_int_equal(make_root(state), 0);
        must_deliver(span_of(sent), piece);
        message = read_only_message();
        assert_true(span_starts_with(message, fields));
        assert_true(span_equal(span_part(message, sizeof fields - 1, message.len), span_of(kept)));
    }
}

static struct span long_message(char *storage, size_t len)
{
    for (size_t i = 0; i < len; i++)
        storage[i] = i % 1000 == 998 ? '\r' : i % 1000 == 999 ? '\n' : (char)('a' + i % 26);
    return (struct span){ storage, len };
}

static void long_messages_come_whole_in_any_pieces(void **state)
{
    static char storage[CONTENT_BYTES / 2];
    static const size_t pieces[] = { 997, 16384, 65536, sizeof storage };

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct span kept;
        size_t at = 0;

        assert_int_equal(remove_root(state), 0);
        assert_int_equal(make_root(state), 0);
        must_deliver(long_message(storage, sizeof storage), pieces[i]);
        kept = read_only_message();
        kept = span_part(kept, sizeof fields - 1, kept.len);
        assert_int_equal(kept.len, sizeof storage - sizeof storage / 1000);
        for (size_t j = 0; j < sizeof storage; j++)
            if (storage[j] != '\r')
                assert_int_equal(kept.data[at++], storage[j]);
    }
}

static void the_null_sender_is_an_empty_path(void **state)
{
    AUTO(gateway_maildir_close) struct gateway_maildir_delivery *delivery = NULL;
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_envelope bounce = envelope;
    struct gateway_maildir_failure failure;

    (void)state;
    bounce.sender = (struct span){ NULL, 0 };
    assert_true(gateway_maildir_open(&settings, &bounce, &delivery, &failure));
    assert_true(gateway_maildir_commit(delivery, &failure));
    assert_true(span_starts_with(read_only_message(), "Return-Path: <>\nDelivered-To: "));
}

static void no_sender_writes_fields_of_its_own(void **state)
{
    AUTO(gateway_maildir_close) struct gateway_maildir_delivery *delivery = NULL;
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_envelope forged = envelope;
    struct gateway_maildir_failure failure;

    (void)state;
    forged.sender = span_of("a@example.net>\nBcc: <b@example.net");
    assert_false(gateway_maildir_open(&settings, &forged, &delivery, &failure));
    assert_true(failure.is_permanent);
    assert_string_equal(failure.enhanced, "5.1.7");
    assert_null(delivery);
    assert_int_equal(count_in("", NULL), 0);
}

static unsigned mode_of(const char *name)
{
    struct stat status;

    assert_int_equal(stat(path_of(name), &status), 0);
    return status.st_mode & 07777;
}

static void folders_and_files_are_for_their_owner_alone(void **state)
{
    static const char *const folders[] = { "example.org", "example.org/user",
                                           "example.org/user/tmp", "example.org/user/new",
                                           "example.org/user/cur" };
    char name[NAME_MAX + 1], place[NAME_MAX + 64];
    mode_t before = umask(0);

    (void)state;
    must_deliver(span_of("x\r\n"), 3);
    umask(before);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        assert_int_equal(mode_of(folders[i]), 0700);
    assert_int_equal(count_in("example.org/user/new", name), 1);
    snprintf(place, sizeof place, "example.org/user/new/%s", name);
    assert_int_equal(mode_of(place), 0600);
}

static void names_are_those_of_the_maildir_convention(void **state)
{
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;
    char name[NAME_MAX + 1], expected[64];

    (void)state;
    settings.hostname = "odd/host:name";
    assert_true(deliver_to(&settings, envelope.recipient, span_of("x\r\n"), 3, &failure));
    assert_int_equal(count_in("example.org/user/new", name), 1);
    snprintf(expected, sizeof expected, "1795219200.M000123P%ldQ", (long)getpid());
    assert_memory_equal(name, expected, strlen(expected));
    assert_non_null(strstr(name, ".odd\\057host\\072name"));
    assert_null(strchr(name, ':')); /* a reader puts its flags behind one */
}

static void a_long_host_name_still_makes_a_name(void **state)
{
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;
    char host[512];

    (void)state;
    memset(host, ':', sizeof host);
    host[sizeof host - 1] = '\0';
    settings.hostname = host;
    if (!deliver_to(&settings, envelope.recipient, span_of("x\r\n"), 3, &failure))
        fail_msg("%s", failure.err.text);
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

enum { THREADS = 4, EACH = 8 };

static void *deliver_many(void *failures)
{
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;

    for (int i = 0; i < EACH; i++)
        if (!deliver_to(&settings, envelope.recipient, span_of("x\r\n"), 3, &failure))
            ++*(int *)failures;
    return NULL;
}

/* All within the same microsecond, into a mailbox that none of them has made yet. */
static void deliveries_at_once_share_a_mailbox_and_no_name(void **state)
{
    pthread_t threads[THREADS];
    int failures[THREADS] = { 0 };

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, deliver_many, &failures[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
    assert_int_equal(count_in("example.org/user/new", NULL), THREADS * EACH);
    assert_int_equal(count_in("example.org/user/tmp", NULL), 0);
}

static void without_leave_to_create_only_folders_that_exist_are_mailboxes(void **state)
{
    struct gateway_maildir_settings settings = settings_of(false);
    struct gateway_maildir_failure failure;

    (void)state;
    assert_false(deliver_to(&settings, envelope.recipient, span_of("x"), 1, &failure));
    assert_true(failure.is_permanent);
    assert_string_equal(failure.enhanced, "5.1.1");
    assert_int_equal(count_in("", NULL), 0);
    assert_int_equal(mkdir(path_of("example.org"), 0700), 0);
    assert_false(deliver_to(&settings, envelope.recipient, span_of("x"), 1, &failure));
    assert_true(failure.is_permanent);
    assert_int_equal(mkdir(path_of("example.org/user"), 0700), 0);
    assert_true(deliver_to(&settings, envelope.recipient, span_of("x"), 1, &failure));
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

static void an_address_that_can_be_no_folder_has_no_mailbox(void **state)
{
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;

    (void)state;
    assert_false(deliver_to(&settings, span_of("\"../x\"@example.org"), span_of("x"), 1, &failure));
    assert_true(failure.is_permanent);
    assert_string_equal(failure.enhanced, "5.1.1");
    assert_int_equal(count_in("", NULL), 0);
}

/* The disk of all mailboxes is not mounted: that is no reason to bounce, nor to make folders. */
static void a_missing_root_defers(void **state)
{
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;
    char missing[128];

    (void)state;
    snprintf(missing, sizeof missing, "%s/disk/{domain}/{user}", root);
    settings.path = missing;
    for (int i = 0; i < 2; i++) {
        settings.creates_mailboxes = i == 0;
        assert_false(deliver_to(&settings, envelope.recipient, span_of("x"), 1, &failure));
        assert_false(failure.is_permanent);
        assert_string_equal(failure.enhanced, "4.3.5");
        assert_non_null(strstr(failure.err.text, "is to be there, and is never made"));
        assert_non_null(strstr(failure.err.text, "/disk failed: No such file"));
    }
    assert_int_equal(count_in("", NULL), 0);
}

static void a_mailbox_may_be_elsewhere_but_its_parts_may_not(void **state)
{
    struct gateway_maildir_failure failure;

    (void)state;
    assert_int_equal(mkdir(path_of("example.org"), 0700), 0);
    assert_int_equal(mkdir(path_of("elsewhere"), 0700), 0);
    assert_int_equal(symlink("../elsewhere", path_of("example.org/user")), 0);
    must_deliver(span_of("x"), 1);
    assert_int_equal(count_in("elsewhere/new", NULL), 1);
    assert_int_equal(rmdir(path_of("elsewhere/tmp")), 0);
    assert_int_equal(symlink("new", path_of("elsewhere/tmp")), 0);
    assert_false(deliver(span_of("x"), 1, &failure));
    assert_false(failure.is_permanent);
    assert_string_equal(failure.enhanced, "4.3.5");
    assert_int_equal(count_in("elsewhere/new", NULL), 1);
}

static void what_is_closed_without_a_commit_was_never_there(void **state)
{
    struct gateway_maildir_delivery *delivery = NULL;
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;

    (void)state;
    assert_true(gateway_maildir_open(&settings, &envelope, &delivery, &failure));
    assert_true(gateway_maildir_feed(delivery, span_of("half"), &failure));
    assert_int_equal(count_in("example.org/user/tmp", NULL), 1);
    gateway_maildir_close(&delivery);
    assert_null(delivery);
    gateway_maildir_close(&delivery);
    assert_int_equal(count_in("example.org/user/tmp", NULL), 0);
    assert_int_equal(count_in("example.org/user/new", NULL), 0);
}

/* What a power cut needs: the bytes before the name, every folder before what is in it counts. */
static void each_step_is_durable_before_the_next_counts(void **state)
{
    char expected[1024];
    const char *name = strrchr(root, '/') + 1;

    (void)state;
    failing_disk_set(FAILING_DISK_TELLS, 0, 0);
    must_deliver(span_of("x\r\n"), 3);
    snprintf(expected, sizeof expected,
             "mkdir example.org\nsync %s\nmkdir user\nsync example.org\nmkdir cur\nsync user\n"
             "mkdir tmp\nsync user\nmkdir new\nsync user\nwrite file\nsync file\nclose file\n"
             "rename into new\nsync new\n",
             name);
    assert_string_equal(failing_disk.log, expected);
    failing_disk_set(FAILING_DISK_TELLS, 0, 0);
    must_deliver(span_of("x\r\n"), 3);
    assert_string_equal(failing_disk.log, "write file\nsync file\nclose file\n"
                                          "rename into new\nsync new\n");
}

/* Another process may have been killed between making a folder and flushing it. */
static void the_way_to_a_mailbox_is_durable_whoever_made_it(void **state)
{
    static const char *const made[] = { "example.org", "example.org/user", "example.org/user/cur",
                                        "example.org/user/tmp", "example.org/user/new" };
    char expected[1024];

    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        assert_int_equal(mkdir(path_of(made[i]), S_IRWXU), 0);
    failing_disk_set(FAILING_DISK_TELLS, 0, 0);
    must_deliver(span_of("x\r\n"), 3);
    snprintf(expected, sizeof expected,
             "sync %s\nsync example.org\nsync user\nsync user\nsync user\nwrite file\nsync file\n"
             "close file\nrename into new\nsync new\n",
             strrchr(root, '/') + 1);
    assert_string_equal(failing_disk.log, expected);
}

static size_t open_descriptors(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(descriptors);
    while (readdir(descriptors) != NULL)
        count++;
    closedir(descriptors);
    return count;
}

/* Each call of a delivery of several pieces fails in turn, until one comes through. */
static void whichever_call_fails_the_mail_waits_and_nothing_is_left(void **state)
{
    static char storage[40000];
    struct span message = long_message(storage, sizeof storage);
    size_t before = open_descriptors();
    struct gateway_maildir_failure failure;
    unsigned at = 0;

    for (bool is_delivered = false; !is_delivered;) {
        assert_int_equal(remove_root(state), 0);
        assert_int_equal(make_root(state), 0);
        failing_disk_set(FAILING_DISK_FAILS, ++at, EIO);
        is_delivered = deliver(message, 1000, &failure);
        failing_disk.kind = FAILING_DISK_SOUND;
        if (!is_delivered) {
            assert_false(failure.is_permanent);
            assert_string_equal(failure.enhanced, "4.3.0");
            assert_non_null(strstr(failure.err.text, root));
            assert_int_equal(count_in("example.org/user/new", NULL), 0);
            assert_int_equal(count_in("example.org/user/tmp", NULL), 0);
        }
        assert_int_equal(open_descriptors(), before);
    }
    assert_in_range(at, 15, 40); /* five folders, three writes, two syncs, close, rename */
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

static void the_code_tells_a_full_disk_from_a_quota_and_from_the_rest(void **state)
{
    static const struct {
        int number;
        const char *enhanced;
    } cases[] = {
        { ENOSPC, "4.3.1" }, { EFBIG, "4.3.1" },  { EDQUOT, "4.2.2" }, { EIO, "4.3.0" },
        { EROFS, "4.3.5" },  { EACCES, "4.3.5" }, { EPERM, "4.3.5" },  { ENOMEM, "4.3.0" },
    };

    (void)state;
    must_deliver(span_of("x"), 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned at = 1; at <= 5; at++) { /* write, sync, close, rename, sync */
            struct gateway_maildir_failure failure;

            failing_disk_set(FAILING_DISK_FAILS, at, cases[i].number);
            assert_false(deliver(span_of("x"), 1, &failure));
            assert_false(failure.is_permanent);
            assert_string_equal(failure.enhanced, cases[i].enhanced);
            assert_non_null(strstr(failure.err.text, strerror(cases[i].number)));
        }
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

static void a_failed_write_is_final_for_its_delivery(void **state)
{
    static char storage[40000];
    AUTO(gateway_maildir_close) struct gateway_maildir_delivery *delivery = NULL;
    struct gateway_maildir_settings settings = settings_of(true);
    struct gateway_maildir_failure failure;

    (void)state;
    must_deliver(span_of("x"), 1);
    failing_disk_set(FAILING_DISK_FAILS, 1, ENOSPC);
    assert_true(gateway_maildir_open(&settings, &envelope, &delivery, &failure));
    assert_false(gateway_maildir_feed(delivery, long_message(storage, sizeof storage), &failure));
    failure.enhanced = "";
    assert_false(gateway_maildir_feed(delivery, span_of("more"), &failure)); /* there is room now */
    assert_string_equal(failure.enhanced, "4.3.1");
    assert_false(gateway_maildir_commit(delivery, &failure));
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

static void interrupted_and_short_writes_lose_nothing(void **state)
{
    static char storage[40000];
    size_t len = long_message(storage, sizeof storage).len;
    struct span kept;

    (void)state;
    failing_disk_set(FAILING_DISK_INTERRUPTS, 0, 0);
    must_deliver((struct span){ storage, len }, 1000);
    kept = read_only_message();
    assert_int_equal(kept.len, sizeof fields - 1 + len - len / 1000);
    assert_int_equal(kept.data[kept.len - 1], '\n');
}

/* Runs a delivery in a process of its own; its exit status: 0 delivered, 1 deferred, or death. */
static int deliver_apart(struct span message, void (*prepare)(unsigned), unsigned at)
{
    struct gateway_maildir_failure failure;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        prepare(at);
        if (deliver(message, 1000, &failure))
            _exit(0);
        _exit(failure.is_permanent || strcmp(failure.enhanced, "4.3.1") != 0 ? 2 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void die_at(unsigned at)
{
    failing_disk_set(FAILING_DISK_DIES, at, 0);
}

static void killed_at_any_call_leaves_all_of_a_message_or_none(void **state)
{
    static char storage[40000];
    struct span message = long_message(storage, sizeof storage);
    size_t whole = sizeof fields - 1 + message.len - message.len / 1000;
    unsigned at = 0;
    int status;

    do {
        size_t found;

        assert_int_equal(remove_root(state), 0);
        assert_int_equal(make_root(state), 0);
        status = deliver_apart(message, die_at, ++at);
        assert_true(status == FAILING_DISK_DEATH || status == 0);
        found = count_in("example.org/user/new", NULL);
        assert_true(found == 1 || (found == 0 && status != 0));
        if (found == 1)
            assert_int_equal(read_only_message().len, whole);
        must_deliver(span_of("the next"), 8); /* what the dead one left is in nobody's way */
        assert_int_equal(count_in("example.org/user/new", NULL), found + 1);
    } while (status != 0);
    assert_in_range(at, 15, 40);
}

static void limit_files(unsigned most)
{
    struct rlimit limit = { most, most };

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(3);
}

static void a_file_that_may_not_grow_defers(void **state)
{
    static char storage[40000];

    (void)state;
    assert_int_equal(deliver_apart(long_message(storage, sizeof storage), limit_files, 20000), 1);
    assert_int_equal(count_in("example.org/user/new", NULL), 0);
    assert_int_equal(count_in("example.org/user/tmp", NULL), 0);
    assert_int_equal(deliver_apart(span_of("small"), limit_files, 20000), 0);
    assert_int_equal(count_in("example.org/user/new", NULL), 1);
}

#define IN_A_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_ROOT(keeps_every_byte_but_the_cr_of_a_line_end),
        IN_A_ROOT(a_return_path_that_came_along_is_gone_and_the_body_untouched),
        IN_A_ROOT(long_messages_come_whole_in_any_pieces),
        IN_A_ROOT(the_null_sender_is_an_empty_path),
        IN_A_ROOT(no_sender_writes_fields_of_its_own),
        IN_A_ROOT(folders_and_files_are_for_their_owner_alone),
        IN_A_ROOT(names_are_those_of_the_maildir_convention),
        IN_A_ROOT(a_long_host_name_still_makes_a_name),
        IN_A_ROOT(deliveries_at_once_share_a_mailbox_and_no_name),
        IN_A_ROOT(without_leave_to_create_only_folders_that_exist_are_mailboxes),
        IN_A_ROOT(an_address_that_can_be_no_folder_has_no_mailbox),
        IN_A_ROOT(a_missing_root_defers),
        IN_A_ROOT(a_mailbox_may_be_elsewhere_but_its_parts_may_not),
        IN_A_ROOT(what_is_closed_without_a_commit_was_never_there),
        IN_A_ROOT(each_step_is_durable_before_the_next_counts),
        IN_A_ROOT(the_way_to_a_mailbox_is_durable_whoever_made_it),
        IN_A_ROOT(whichever_call_fails_the_mail_waits_and_nothing_is_left),
        IN_A_ROOT(the_code_tells_a_full_disk_from_a_quota_and_from_the_rest),
        IN_A_ROOT(a_failed_write_is_final_for_its_delivery),
        IN_A_ROOT(interrupted_and_short_writes_lose_nothing),
        IN_A_ROOT(killed_at_any_call_leaves_all_of_a_message_or_none),
        IN_A_ROOT(a_file_that_may_not_grow_defers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
