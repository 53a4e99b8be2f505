/* tests/unit/base/log_sink_test.c - promises of base/log_sink.h on syslog; those on descriptors are in log_test.c */
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

enum { SENT = 20000, FILLERS_MOST = 200, DESCRIPTORS_SEEN = 256 };

static const char front[] = "<22>Nov 21 20:05:00 postern[";

static struct clock noon;
static struct log out;
static char folder[] = "/tmp/postern-log-XXXXXX", path[64];
static char line[LOG_LINE_MOST * 2];
static char numbered[SENT]; /* which lines have come */

/* ---- a daemon ---- */

struct daemon {
    int listening, reading; /* of datagrams they are one */
};

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", name) <
                sizeof address.sun_path);
    return address;
}

/* In place of another at once, where one is. */
static struct daemon start_daemon(int kind)
{
    char fresh[sizeof path + 4];
    struct sockaddr_un address;
    struct daemon made = { socket(AF_UNIX, kind | SOCK_NONBLOCK, 0), -1 };

    snprintf(fresh, sizeof fresh, "%s.new", path);
    address = address_of(fresh);
    assert_int_equal(bind(made.listening, (struct sockaddr *)&address, sizeof address), 0);
    if (kind == SOCK_STREAM)
        assert_int_equal(listen(made.listening, 8), 0);
    else
        made.reading = made.listening;
    assert_int_equal(rename(fresh, path), 0);
    return made;
}

static void stop_daemon(struct daemon *daemon)
{
    close(daemon->listening);
    if (daemon->reading >= 0 && daemon->reading != daemon->listening)
        close(daemon->reading);
    unlink(path);
}

/* What one recv gives: a datagram, or lines that each end in a NUL; 0: nothing is there. */
static size_t take(struct daemon *daemon)
{
    ssize_t len;

    if (daemon->reading < 0)
        daemon->reading = accept(daemon->listening, NULL, NULL);
    len = recv(daemon->reading, line, sizeof line - 1, MSG_DONTWAIT);
    line[len < 0 ? 0 : len] = '\0';
    return len < 0 ? 0 : (size_t)len;
}

/* The text of the one line that is there. */
static const char *take_text(struct daemon *daemon)
{
    assert_true(take(daemon) > 0);
    assert_non_null(strstr(line, "]: "));
    return strstr(line, "]: ") + 3;
}

/* ---- the worlds of the tests ---- */

static int set_up(void **state)
{
    (void)state;
    noon = clock_fixed(1795287900, 0);
    snprintf(folder, sizeof folder, "/tmp/postern-log-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(out.sink.descriptor);
    unlink(path);
    return rmdir(folder);
}

static void open_log(void)
{
    log_init_syslog(&out, LOG_TEXT, LOG_DETAIL, path, &noon);
}

/* ---- promises ---- */

static void sends_what_the_c_library_would(void **state)
{
    static const struct {
        enum log_level level;
        const char *front;
    } cases[] = {
        { LOG_ERROR, "<19>Nov 21 20:05:00" },
        { LOG_WARN, "<20>Nov 21 20:05:00" },
        { LOG_NOTE, "<22>Nov 21 20:05:00" },
        { LOG_DETAIL, "<23>Nov 21 20:05:00" },
    };
    struct daemon daemon = start_daemon(SOCK_DGRAM);
    char expected[128];

    (void)state;
    open_log();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        log_event(&out, cases[i].level, "starttls-refused", "mx=%s what=%s", "mx", "%n%s\n");
        snprintf(expected, sizeof expected,
                 "%s postern[%ld]: starttls-refused mx=mx what=%%n%%s\\n", cases[i].front,
                 (long)getpid());
        assert_int_equal(take(&daemon), strlen(expected)); /* no line feed, and no NUL */
        assert_string_equal(line, expected);
    }
    out.most = LOG_NOTE;
    log_event(&out, LOG_DETAIL, "refused", "code=%d", 500); /* more than was asked for */
    assert_int_equal(take(&daemon), 0);
    out.form = LOG_JSON;
    noon.fixed_wall_s = 1793487600; /* 2026-10-31T23:00:00Z: here it is November by now */
    log_event(&out, LOG_NOTE, "started", "pid=%d", 1);
    assert_string_equal(take_text(&daemon),
                        "{\"time\":\"2026-10-31T23:00:00Z\",\"level\":\"note\",\"event\":"
                        "\"started\",\"pid\":1}");
    assert_memory_equal(line, "<22>Nov  1 00:00:00 postern[", 28);
    stop_daemon(&daemon);
}

static void ends_a_line_with_nul_where_the_daemon_reads_a_stream(void **state)
{
    struct daemon daemon = start_daemon(SOCK_STREAM);

    (void)state;
    open_log();
    log_event(&out, LOG_NOTE, "one", "id=%d", 1);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    for (int i = 1; i <= 2; i++) {
        char expected[128];
        int len = snprintf(expected, sizeof expected, "%s%ld]: %s id=%d", front, (long)getpid(),
                           i == 1 ? "one" : "two", i);

        if (daemon.reading < 0)
            daemon.reading = accept(daemon.listening, NULL, NULL);
        assert_int_equal(recv(daemon.reading, line, (size_t)len + 1, MSG_DONTWAIT), len + 1);
        assert_memory_equal(line, expected, (size_t)len + 1);
    }
    stop_daemon(&daemon);
}

static void bounds_a_line_with_all_that_stands_in_front(void **state)
{
    static char many[LOG_VALUE_MOST];
    struct daemon daemon = start_daemon(SOCK_DGRAM);

    (void)state;
    open_log();
    memset(many, 'y', sizeof many - 1);
    log_event(&out, LOG_NOTE, "seen", "a=%s b=%s c=%s d=%s e=%d", many, many, many, many, 1);
    assert_in_range(take(&daemon), 3 * LOG_VALUE_MOST, LOG_LINE_MOST - 1);
    assert_non_null(strstr(line, " e=1 cut=true"));
    stop_daemon(&daemon);
}

/* Lines in what was taken, each ended by a NUL or the end of a datagram; their numbers are marked. */
static size_t mark(size_t len)
{
    size_t count = 0;

    for (size_t at = 0; at < len; at += strlen(line + at) + 1, count++) {
        const char *number = strstr(line + at, "number=");

        assert_memory_equal(line + at, front, sizeof front - 1);
        assert_non_null(number);
        numbered[strtoul(number + 7, NULL, 10)]++;
    }
    return count;
}

/* As `mark`, of a stream, whose lines may be cut by the end of what was taken. */
static size_t mark_stream(struct daemon *daemon)
{
    size_t count = 0, len = 0;
    ssize_t more;

    daemon->reading = accept(daemon->listening, NULL, NULL);
    while ((more = recv(daemon->reading, line + len, 1, MSG_DONTWAIT)) > 0)
        if (line[len++] == '\0') {
            count += mark(len);
            len = 0;
        }
    assert_int_equal(len, 0);
    return count;
}

static void check_daemon_who_hangs(int kind)
{
    struct daemon daemon = start_daemon(kind);
    size_t came = 0;
    char text[64];

    memset(numbered, 0, sizeof numbered);
    open_log();
    for (size_t i = 0; i < SENT; i++)
        log_event(&out, LOG_NOTE, "one", "number=%zu", i);
    if (kind == SOCK_STREAM)
        came = mark_stream(&daemon);
    for (size_t len; kind == SOCK_DGRAM && (len = take(&daemon)) > 0;)
        came += mark(len);
    assert_in_range(came, 1, SENT - 1);
    for (size_t i = 0; i < SENT; i++)
        assert_int_equal(numbered[i], i < came);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    snprintf(text, sizeof text, "two lost=%zu id=2", (size_t)SENT - came);
    assert_string_equal(take_text(&daemon), text);
    log_event(&out, LOG_NOTE, "three", "id=%d", 3);
    assert_string_equal(take_text(&daemon), "three id=3");
    stop_daemon(&daemon);
}

static void waits_for_no_daemon_who_has_stopped_and_counts_what_is_lost(void **state)
{
    (void)state;
    check_daemon_who_hangs(SOCK_DGRAM);
    close(out.sink.descriptor);
    check_daemon_who_hangs(SOCK_STREAM);
}

/* By others, until it takes not one more from anybody. */
static void fill(void)
{
    struct sockaddr_un address = address_of(path);

    for (int i = 0; i < FILLERS_MOST; i++) {
        int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), sent = 0;

        while (sendto(other, "x", 1, 0, (struct sockaddr *)&address, sizeof address) == 1)
            sent++;
        assert_int_equal(errno, EAGAIN);
        close(other);
        if (sent == 0)
            return;
    }
    fail_msg("it takes more and more");
}

static void *read_late(void *daemon)
{
    usleep(50000);
    assert_int_equal(take(daemon), 1);
    return NULL;
}

/* Was the line waited for? */
static bool is_late_and_waited_for(void)
{
    struct daemon daemon = start_daemon(SOCK_DGRAM);
    pthread_t reader;

    open_log();
    fill();
    assert_int_equal(pthread_create(&reader, NULL, read_late, &daemon), 0);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    assert_int_equal(pthread_join(reader, NULL), 0);
    stop_daemon(&daemon);
    return atomic_load(&out.lost) == 0;
}

/* Where this machine has much to do the reader may come later than anybody waits: once is enough. */
static void waits_for_a_daemon_who_is_late(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        if (is_late_and_waited_for())
            return;
        close(out.sink.descriptor);
    }
    fail_msg("no line was waited for");
}

static void finds_a_daemon_that_comes_later_than_we_do(void **state)
{
    struct daemon daemon;

    (void)state;
    open_log();
    log_event(&out, LOG_NOTE, "one", "id=%d", 1);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    daemon = start_daemon(SOCK_DGRAM);
    log_event(&out, LOG_NOTE, "three", "id=%d", 3);
    assert_string_equal(take_text(&daemon), "three lost=2 id=3");
    stop_daemon(&daemon);
}

/* Of whatever kind it is then. A stream that is cut ends no process. */
static void finds_a_daemon_that_was_started_again(void **state)
{
    static const int kinds[] = { SOCK_DGRAM, SOCK_DGRAM, SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM };
    struct daemon daemon = start_daemon(SOCK_DGRAM);
    int number;

    (void)state;
    open_log();
    number = out.sink.descriptor;
    log_event(&out, LOG_NOTE, "one", "id=%d", 1);
    assert_string_equal(take_text(&daemon), "one id=1");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        stop_daemon(&daemon);
        if (i % 2 == 1)
            log_event(&out, LOG_NOTE, "nobody", "id=%d", 1);
        daemon = start_daemon(kinds[i]);
        log_event(&out, LOG_NOTE, "again", "id=%d", 2);
        assert_string_equal(take_text(&daemon), i % 2 == 1 ? "again lost=1 id=2" : "again id=2");
        assert_int_equal(out.sink.descriptor, number);
    }
    stop_daemon(&daemon);
}

static int count_descriptors(void)
{
    int count = 0;

    for (int i = 0; i < DESCRIPTORS_SEEN; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void takes_no_descriptor_with_each_try(void **state)
{
    int before;

    (void)state;
    open_log();
    before = count_descriptors();
    for (int i = 0; i < 4; i++) {
        struct daemon daemon;

        log_event(&out, LOG_NOTE, "nobody", "id=%d", 1);
        daemon = start_daemon(i % 2 == 0 ? SOCK_DGRAM : SOCK_STREAM);
        log_event(&out, LOG_NOTE, "again", "id=%d", 2);
        assert_int_equal(atomic_load(&out.lost), 0);
        stop_daemon(&daemon);
    }
    assert_int_equal(count_descriptors(), before);
}

enum { WRITERS = 4, LINES = 2000, RESTARTS = 20 };

static void *write_lines(void *writer)
{
    for (int i = 0; i < LINES; i++)
        log_event(&out, LOG_NOTE, "turn", "writer=%d again=%d", *(int *)writer, *(int *)writer);
    return NULL;
}

/* All lines that are there: how many, with those that they say were lost. */
static unsigned long count_lines(struct daemon *daemon)
{
    unsigned long count = 0;

    while (take(daemon) > 0) {
        const char *writer = strstr(line, "writer="), *lost = strstr(line, "lost=");
        char expected[64];

        assert_memory_equal(line, front, sizeof front - 1);
        assert_non_null(writer);
        snprintf(expected, sizeof expected, "writer=%c again=%c", writer[7], writer[7]);
        assert_string_equal(writer, expected);
        count += 1 + (lost == NULL ? 0 : strtoul(lost + 5, NULL, 10));
    }
    return count;
}

static void accounts_for_each_line_of_threads_while_the_daemon_is_started_again(void **state)
{
    struct daemon daemon = start_daemon(SOCK_DGRAM);
    pthread_t writers[WRITERS];
    int numbers[WRITERS];
    unsigned long count = 0;

    (void)state;
    open_log();
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < RESTARTS; i++) {
        struct daemon before = daemon;

        count += count_lines(&before);
        daemon = start_daemon(SOCK_DGRAM);
        shutdown(before.reading, SHUT_RD); /* what it has taken is read, and no more comes */
        count += count_lines(&before);
        close(before.listening);
    }
    while (count + atomic_load(&out.lost) < WRITERS * LINES)
        count += count_lines(&daemon);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    count += count_lines(&daemon);
    assert_int_equal(count + atomic_load(&out.lost), WRITERS * LINES);
    stop_daemon(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_what_the_c_library_would, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_a_line_with_nul_where_the_daemon_reads_a_stream,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_a_line_with_all_that_stands_in_front, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(waits_for_no_daemon_who_has_stopped_and_counts_what_is_lost,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_a_daemon_who_is_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_a_daemon_that_comes_later_than_we_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(finds_a_daemon_that_was_started_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_no_descriptor_with_each_try, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            accounts_for_each_line_of_threads_while_the_daemon_is_started_again, set_up, tear_down),
    };

    setenv("TZ", "CET-1", 1); /* the time of syslog is that of the machine */
    signal(SIGPIPE, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
