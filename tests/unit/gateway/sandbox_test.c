/* tests/unit/gateway/sandbox_test.c - promises of gateway/sandbox.h: what it says is refused is tried in a child. */
#include "gateway/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "gateway/sandbox_parts.h"

enum { PATH_BYTES = 256, SKIPPED = 77 };

/* A folder of the test's own: state/, mail/ and other/ in it. */
struct place {
    char folder[PATH_BYTES], state[PATH_BYTES], mail[PATH_BYTES], other[PATH_BYTES];
    char pattern[PATH_BYTES];
    struct gateway_profile_domain domains[2];
    struct gateway_profile profile;
    struct log log;
    struct clock clock;
    struct sandbox *sandbox;
};

static void join(char path[PATH_BYTES], const char *folder, const char *name)
{
    assert_true(snprintf(path, PATH_BYTES, "%.200s/%s", folder, name) < PATH_BYTES);
}

static void make_place(struct place *place)
{
    *place = (struct place){ .folder = "/tmp/postern-sandbox-XXXXXX" };
    assert_non_null(mkdtemp(place->folder));
    join(place->state, place->folder, "state");
    join(place->mail, place->folder, "mail");
    join(place->other, place->folder, "other");
    assert_int_equal(mkdir(place->mail, 0700) | mkdir(place->other, 0700), 0);
    join(place->pattern, place->mail, "{domain}/{user}");
    place->domains[0] = (struct gateway_profile_domain){ .name = "one.test",
                                                         .kind = GATEWAY_DELIVER_MAILDIR,
                                                         .path = place->pattern };
    place->profile.domains = place->domains;
    place->profile.domain_count = 1;
    place->clock = clock_system();
    log_init(&place->log, LOG_TEXT, LOG_ERROR, STDERR_FILENO, &place->clock);
}

static void remove_place(struct place *place)
{
    char command[PATH_BYTES + 16];

    snprintf(command, sizeof command, "rm -r '%s'", place->folder);
    assert_int_equal(system(command), 0);
}

static bool enter(struct place *place)
{
    const struct sandbox_settings settings = { place->state, &place->profile, &place->log };
    struct error err;

    return sandbox_enter(&settings, &place->sandbox, &err);
}

static bool has_landlock(void)
{
    struct sandbox_ruleset ruleset;
    struct error err;
    bool is_open = sandbox_ruleset_open(&ruleset, &err);

    sandbox_ruleset_close(&ruleset);
    return is_open;
}

/* What a child does inside; its exit status is 0, SKIPPED or the line where it was not as promised. */
typedef int attempt(struct place *place);

#define MUST(holds)                                                                                \
    do {                                                                                           \
        if (!(holds))                                                                              \
            return __LINE__ % 256 == 0 || __LINE__ % 256 == SKIPPED ? 1 : __LINE__ % 256;          \
    } while (0)

/* True where it was tried. */
static bool in_child(struct place *place, attempt *what)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(what(place));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (place != NULL)
        remove_place(place);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        return false;
    if (WEXITSTATUS(status) != 0)
        fail_msg("line %d modulo 256", WEXITSTATUS(status));
    return true;
}

static bool is_refused(long result, int number)
{
    return result == -1 && errno == number;
}

static int make_file(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    int file;

    join(path, folder, name);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
    return file < 0 ? -1 : 0;
}

/* ---- files -------------------------------------------------------------------------------- */

static int write_elsewhere(struct place *place)
{
    char there[PATH_BYTES], gone[PATH_BYTES], inside[PATH_BYTES];
    int file;

    MUST(make_file(place->folder, "there") == 0);
    MUST(enter(place));
    if (!has_landlock())
        return SKIPPED;
    join(there, place->folder, "there"); /* from before */
    join(gone, place->other, "gone");
    join(inside, place->state, "inside");
    MUST(is_refused(make_file(place->other, "new"), EACCES));
    MUST(is_refused(open(there, O_WRONLY | O_CLOEXEC), EACCES));
    MUST(is_refused(open(there, O_RDONLY | O_TRUNC | O_CLOEXEC), EACCES));
    MUST(is_refused(truncate(there, 0), EACCES) ||
         syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 3);
    MUST(is_refused(unlink(there), EACCES));
    MUST(is_refused(rename(there, gone), EACCES) || errno == EXDEV);
    MUST(is_refused(mkdir(gone, 0700), EACCES));
    MUST(is_refused(rmdir(place->other), EACCES));
    MUST(is_refused(symlink("/", gone), EACCES));
    MUST(is_refused(mkfifo(gone, 0600), EACCES) || errno == EPERM);
    MUST(make_file(place->state, "inside") == 0);
    MUST(rename(inside, gone) == -1);
    MUST(link(inside, gone) == -1);
    file = open(there, O_RDONLY | O_CLOEXEC);
    MUST(file >= 0); /* reading is left to the permissions */
    close(file);
    return 0;
}

static void nothing_is_written_elsewhere(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    if (!in_child(&place, write_elsewhere))
        skip();
}

/* What a Maildir, SQLite and the control socket do. */
static int work_inside(struct place *place)
{
    char folder[PATH_BYTES], other[PATH_BYTES], from[PATH_BYTES], to[PATH_BYTES];
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), device;

    MUST(enter(place));
    join(folder, place->mail, "tmp");
    join(other, place->mail, "new");
    MUST(mkdir(folder, 0700) == 0 && mkdir(other, 0700) == 0);
    MUST(make_file(folder, "one") == 0);
    join(from, folder, "one");
    join(to, other, "two");
    MUST(rename(from, to) == 0);
    MUST(truncate(to, 100) == 0);
    MUST(unlink(to) == 0 && rmdir(other) == 0);
    MUST(make_file(place->state, "queue.db") == 0);
    join(to, place->state, "control");
    memcpy(local.sun_path, to, strlen(to) + 1);
    MUST(made >= 0 && bind(made, (struct sockaddr *)&local, sizeof local) == 0);
    MUST(listen(made, 1) == 0 && chmod(to, 0666) == 0 && unlink(to) == 0);
    device = open("/dev/null", O_RDWR | O_CLOEXEC);
    MUST(device >= 0 && write(device, "x", 1) == 1);
    return 0;
}

static void state_and_maildirs_are_written_as_before(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    assert_true(in_child(&place, work_inside));
}

/* ---- system calls ------------------------------------------------------------------------- */

static int run_programs(struct place *place)
{
    char program[] = "/bin/true";
    char *const arguments[] = { program, NULL };

    MUST(enter(place));
    MUST(is_refused(execv(program, arguments), EPERM));
    MUST(is_refused(syscall(SYS_execveat, AT_FDCWD, program, arguments, arguments + 1, 0), EPERM));
    return 0;
}

static void no_program_is_run(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    assert_true(in_child(&place, run_programs));
}

static int run_by_landlock_alone(struct place *place)
{
    struct sandbox_ruleset ruleset;
    char program[] = "/bin/true";
    char *const arguments[] = { program, NULL };
    struct error err;

    (void)place;
    if (!sandbox_ruleset_open(&ruleset, &err))
        return SKIPPED;
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0);
    MUST(sandbox_ruleset_enforce(&ruleset, &err));
    MUST(is_refused(execv(program, arguments), EACCES));
    return 0;
}

static void no_program_is_run_where_there_is_landlock_alone(void **state)
{
    (void)state;
    if (!in_child(NULL, run_by_landlock_alone))
        skip();
}

/* Each would fail otherwise, too, but not like this: with arguments that are wrong. */
static int make_odd_calls(struct place *place)
{
    MUST(enter(place));
    MUST(is_refused(syscall(SYS_bpf, -1, NULL, 0), EPERM));
    MUST(is_refused(syscall(SYS_io_uring_setup, 0, NULL), EPERM));
    MUST(is_refused(syscall(SYS_keyctl, -1, 0, 0, 0, 0), EPERM));
    MUST(is_refused(syscall(SYS_kexec_load, 0, 0, NULL, ~0UL), EPERM));
    MUST(is_refused(syscall(SYS_clock_settime, -1, NULL), EPERM));
    MUST(is_refused(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, ~0UL), EPERM));
    MUST(is_refused(syscall(SYS_setresuid, -1, -1, -1), EPERM)); /* which changes nothing */
    MUST(is_refused(syscall(SYS_personality, 0xffffffff), EPERM));
    MUST(is_refused(syscall(SYS_unshare, 0), EPERM));
    MUST(is_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM));
    MUST(is_refused(syscall(SYS_clone3, NULL, 0), ENOSYS));
    MUST(is_refused(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT));
    MUST(is_refused(socket(38, SOCK_SEQPACKET, 0), EAFNOSUPPORT)); /* AF_ALG */
    return 0;
}

static void calls_that_no_gateway_makes_are_refused(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    assert_true(in_child(&place, make_odd_calls));
}

static void *bump(void *number)
{
    ++*(int *)number;
    return NULL;
}

static int make_usual_calls(struct place *place)
{
    int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK }, number = 0;
    pthread_t thread;

    MUST(enter(place));
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        int made = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);

        MUST(made >= 0 || errno != EPERM);
        if (made >= 0)
            close(made);
    }
    MUST(pthread_create(&thread, NULL, bump, &number) == 0); /* by clone, not clone3 */
    MUST(pthread_join(thread, NULL) == 0 && number == 1);
    MUST(prctl(PR_GET_SECCOMP) == 2 && prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1);
    return 0;
}

static void threads_and_sockets_of_mail_are_made_as_before(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    assert_true(in_child(&place, make_usual_calls));
}

/* Of another machine, or from before; any other name would be a slip of the pen. */
static void every_name_of_a_call_is_known(void **state)
{
    const char *name;
    size_t count = 0;

    (void)state;
    for (; (name = sandbox_calls_name(count)) != NULL; count++)
        if (seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
            fail_msg("%s is no system call", name);
    assert_true(count > 50);
}

/* ---- a reload ----------------------------------------------------------------------------- */

static int ask_for_others(struct place *place)
{
    struct gateway_profile_domain *second = &place->domains[1];
    char path[PATH_BYTES];
    struct error err;

    MUST(enter(place));
    if (!has_landlock())
        return SKIPPED;
    MUST(sandbox_permits(place->sandbox, &place->profile, &err));
    place->profile.domain_count = 2;
    *second =
        (struct gateway_profile_domain){ .name = "two.test", .kind = GATEWAY_DELIVER_MAILDIR };
    second->path = path;
    join(path, place->mail, "deeper/than/{user}"); /* not there, and below what is */
    MUST(sandbox_permits(place->sandbox, &place->profile, &err));
    join(path, place->other, "{user}");
    MUST(!sandbox_permits(place->sandbox, &place->profile, &err));
    MUST(strstr(err.text, "two.test") != NULL && strstr(err.text, place->other) != NULL &&
         strstr(err.text, "restart") != NULL);
    join(path, place->other, "missing/{user}");
    MUST(!sandbox_permits(place->sandbox, &place->profile, &err));
    second->path = "/{user}";
    MUST(!sandbox_permits(place->sandbox, &place->profile, &err));
    second->kind = GATEWAY_DELIVER_LMTP_SOCKET; /* which is connected to, and not written */
    MUST(sandbox_permits(place->sandbox, &place->profile, &err));
    return 0;
}

static void a_maildir_elsewhere_is_not_permitted_to_a_reload(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    if (!in_child(&place, ask_for_others))
        skip();
}

static void without_a_sandbox_all_is_permitted(void **state)
{
    struct place place;
    struct error err;

    (void)state;
    make_place(&place);
    assert_true(sandbox_permits(NULL, &place.profile, &err));
    remove_place(&place);
}

/* ---- folders that are not there ----------------------------------------------------------- */

static int write_what_was_missing(struct place *place)
{
    char path[PATH_BYTES];

    MUST(enter(place));
    join(path, place->other, "missing");
    MUST(mkdir(path, 0700) == 0); /* somebody mounts the disk */
    MUST(make_file(path, "one") == 0);
    return 0;
}

static void a_folder_that_is_missing_at_the_start_can_be_written_when_it_is_there(void **state)
{
    struct place place;
    char pattern[PATH_BYTES];

    (void)state;
    make_place(&place);
    join(pattern, place.other, "missing/{user}");
    place.domains[0].path = pattern;
    assert_true(in_child(&place, write_what_was_missing));
}

static int write_to_the_root(struct place *place)
{
    MUST(enter(place));
    if (!has_landlock())
        return SKIPPED;
    MUST(is_refused(make_file(place->other, "new"), EACCES));
    return 0;
}

static void what_is_missing_below_the_root_opens_nothing(void **state)
{
    struct place place;

    (void)state;
    make_place(&place);
    place.domains[0].path = "/postern-is-never-here/{user}";
    if (!in_child(&place, write_to_the_root))
        skip();
}

/* ---- users -------------------------------------------------------------------------------- */

static void root_and_nobody_known_are_no_users_to_become(void **state)
{
    struct error err;

    (void)state;
    assert_false(sandbox_user_find("no-such-user-here", &err));
    assert_non_null(strstr(err.text, "no-such-user-here"));
    assert_false(sandbox_user_find("root", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(sandbox_become("root", NULL, &err));
    if (geteuid() == 0)
        assert_string_equal(sandbox_user_name(), "root");
}

static int become_nobody(struct place *place)
{
    struct error err;

    (void)place;
    MUST(sandbox_become("nobody", NULL, &err));
    MUST(geteuid() != 0 && getuid() == geteuid());
    MUST(is_refused(setuid(0), EPERM) && is_refused(seteuid(0), EPERM));
    MUST(is_refused(setgid(0), EPERM));
    MUST(strcmp(sandbox_user_name(), "nobody") == 0);
    MUST(sandbox_become("nobody", NULL, &err)); /* who is that user already */
    MUST(!sandbox_become("daemon", NULL, &err) && strstr(err.text, "only root") != NULL);
    return 0;
}

static void who_was_root_cannot_be_it_again(void **state)
{
    struct error err;

    (void)state;
    if (geteuid() != 0 || !sandbox_user_find("nobody", &err))
        skip();
    assert_true(in_child(NULL, become_nobody));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_elsewhere),
        cmocka_unit_test(state_and_maildirs_are_written_as_before),
        cmocka_unit_test(no_program_is_run),
        cmocka_unit_test(no_program_is_run_where_there_is_landlock_alone),
        cmocka_unit_test(calls_that_no_gateway_makes_are_refused),
        cmocka_unit_test(threads_and_sockets_of_mail_are_made_as_before),
        cmocka_unit_test(every_name_of_a_call_is_known),
        cmocka_unit_test(a_maildir_elsewhere_is_not_permitted_to_a_reload),
        cmocka_unit_test(without_a_sandbox_all_is_permitted),
        cmocka_unit_test(a_folder_that_is_missing_at_the_start_can_be_written_when_it_is_there),
        cmocka_unit_test(what_is_missing_below_the_root_opens_nothing),
        cmocka_unit_test(root_and_nobody_known_are_no_users_to_become),
        cmocka_unit_test(who_was_root_cannot_be_it_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
