/* tests/unit/base/log_test.c - promises of base/log.h */
#include "../test.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static struct clock noon;
static struct log out;
static int ends[2];
static char line[LOG_LINE_MOST * 2];

static int set_up(void **state)
{
    (void)state;
    noon = clock_fixed(1795287900, 0);
    assert_int_equal(pipe(ends), 0);
    log_init(&out, LOG_TEXT, LOG_DETAIL, ends[1], &noon);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    if (out.sink.own >= 0)
        close(out.sink.own);
    return 0;
}

/* What lies in the pipe. */
static const char *take_line(void)
{
    ssize_t len;

    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    len = read(ends[0], line, sizeof line - 1);
    line[len < 0 ? 0 : len] = '\0';
    return line;
}

static json_t *take_json(void)
{
    json_t *json = json_loads(take_line(), 0, NULL);

    assert_non_null(json);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    return json;
}

static const char *json_text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void writes_time_level_name_and_values(void **state)
{
    (void)state;
    log_event(&out, LOG_WARN, "starttls-refused", "mx=%s code=%u", "mx.example.org", 454U);
    assert_string_equal(take_line(),
                        "2026-11-21T19:05:00Z warn starttls-refused mx=mx.example.org code=454\n");
}

static void takes_every_conversion_that_it_names(void **state)
{
    (void)state;
    log_event(&out, LOG_NOTE, "sent", "a=%d b=%ld c=%lld d=%zu e=%ju f=0x%04x g=%c h=%.3s i=%.*s",
              -7, -8L, (long long)INT64_MIN, (size_t)9, UINTMAX_MAX, 0x2aU, 'x', "abcdef", 2,
              "wxyz");
    assert_string_equal(take_line(),
                        "2026-11-21T19:05:00Z note sent a=-7 b=-8 c=-9223372036854775808 d=9 "
                        "e=18446744073709551615 f=0x002a g=x h=abc i=wx\n");
    log_event(&out, LOG_NOTE, "sent", "relay=%s[%s]:%u part=%u%% to=<%s>", "mx", "::1", 25U, 50U,
              "a=b@c");
    assert_string_equal(take_line(),
                        "2026-11-21T19:05:00Z note sent relay=mx[::1]:25 part=50% to=<a=b@c>\n");
}

/* A peer that puts a line end, a blank or a quote into what it sends forges neither line nor field. */
static void keeps_a_value_in_its_field(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        { "a b", "v=\"a b\" next=1\n" },
        { "x\r\n2026 error forged", "v=\"x\\r\\n2026 error forged\" next=1\n" },
        { "a\" next=2 \"", "v=\"a\\\" next=2 \\\"\" next=1\n" },
        { "back\\slash", "v=back\\\\slash next=1\n" },
        { "ends in \\", "v=\"ends in \\\\\" next=1\n" },
        { "\x1b[31m\x7f\xff", "v=\\x1b[31m\\x7f\\xff next=1\n" },
        { "j\xc3\xbcrgen@\xe2\x80\xae"
          "vil",
          "v=j\xc3\xbcrgen@\\xe2\\x80\\xaevil next=1\n" },
        { "", "v=\"\" next=1\n" },
        { NULL, "v=\"\" next=1\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        log_event(&out, LOG_NOTE, "seen", "v=%s next=%d", cases[i].value, 1);
        assert_string_equal(strstr(take_line(), "seen ") + 5, cases[i].text);
    }
}

/* What is shown in a page as "\r\n" is so in the log; no field is forged by what claims to be escaped. */
static void escapes_once_what_was_made_printable_before(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        { "GET\\r\\n", "v=GET\\r\\n next=1\n" },
        { "said \"a\\tb\"", "v=\"said \\\"a\\tb\\\"\" next=1\n" },
        { "x\nforged", "v=x\\nforged next=1\n" },
        { "a\\\" next=2 \\", "v=\"a\\\\\\\" next=2 \\\\\" next=1\n" },
    };
    json_t *json;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        log_event(&out, LOG_NOTE, "seen", "v=%-s next=%d", cases[i].value, 1);
        assert_string_equal(strstr(take_line(), "seen ") + 5, cases[i].text);
    }
    log_event(&out, LOG_NOTE, "seen", "v=%-.*s w=%s", 6, "ab\\r\\n", "ab\\r");
    assert_string_equal(strstr(take_line(), "seen ") + 5, "v=ab\\r\\n w=ab\\\\r\n");
    out.form = LOG_JSON;
    log_event(&out, LOG_NOTE, "seen", "v=%-s", "said \"a\\tb\"");
    json = take_json();
    assert_string_equal(json_text(json, "v"), "said \"a\\tb\"");
    json_decref(json);
}

static void writes_one_json_object_a_line(void **state)
{
    json_t *json;

    (void)state;
    out.form = LOG_JSON;
    log_event(&out, LOG_ERROR, "queue-full", "left=%zu path=%s code=%u.%u.%u hex=%x bad=%s",
              (size_t)0, "/var/\"q\"\n\\", 4U, 3U, 1U, 255U, "\xff");
    json = take_json();
    assert_string_equal(json_text(json, "time"), "2026-11-21T19:05:00Z");
    assert_string_equal(json_text(json, "level"), "error");
    assert_string_equal(json_text(json, "event"), "queue-full");
    assert_true(json_is_integer(json_object_get(json, "left")));
    assert_string_equal(json_text(json, "path"), "/var/\"q\"\\n\\\\");
    assert_string_equal(json_text(json, "code"), "4.3.1");
    assert_string_equal(json_text(json, "hex"), "ff");
    assert_string_equal(json_text(json, "bad"), "\\xff");
    json_decref(json);
}

static void leaves_out_what_is_more_detailed_than_asked_for(void **state)
{
    (void)state;
    out.most = LOG_WARN;
    assert_true(log_wants(&out, LOG_WARN));
    assert_false(log_wants(&out, LOG_NOTE));
    log_event(&out, LOG_NOTE, "sent", "id=%s", "x");
    assert_string_equal(take_line(), "");
    log_event(&out, LOG_ERROR, "broken", "id=%s", "x");
    assert_string_equal(take_line(), "2026-11-21T19:05:00Z error broken id=x\n");
}

/* A value that no line could hold is cut; fields that find no room are left out; both in one piece. */
static void bounds_a_line_and_stays_well_formed(void **state)
{
    static char many[LOG_VALUE_MOST * 3];
    json_t *json;

    (void)state;
    memset(many, 'y', sizeof many - 1);
    log_event(&out, LOG_NOTE, "seen", "v=%s", many);
    assert_int_equal(strlen(take_line()),
                     strlen("2026-11-21T19:05:00Z note seen v=\n") + LOG_VALUE_MOST);
    memset(many, '\x01', sizeof many - 1);
    out.form = LOG_JSON;
    log_event(&out, LOG_NOTE, "seen", "a=%d v=%s b=%d", 1, many, 2);
    json = take_json();
    assert_true(json_is_true(json_object_get(json, "cut")));
    assert_null(json_object_get(json, "v"));
    assert_int_equal(json_integer_value(json_object_get(json, "b")), 2);
    json_decref(json);
    out.form = LOG_TEXT;
    log_event(&out, LOG_NOTE, "seen", "a=%d v=%s b=%d", 1, many, 2);
    assert_string_equal(take_line(), "2026-11-21T19:05:00Z note seen a=1 b=2 cut=true\n");
}

static void tells_how_many_lines_were_lost(void **state)
{
    int own = out.sink.own;

    (void)state;
    out.sink.own = ends[0]; /* the end for reading takes no bytes */
    log_event(&out, LOG_NOTE, "one", "id=%d", 1);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    out.sink.own = own;
    log_event(&out, LOG_NOTE, "three", "id=%d", 3);
    assert_string_equal(take_line(), "2026-11-21T19:05:00Z note three lost=2 id=3\n");
    log_event(&out, LOG_NOTE, "four", "id=%d", 4);
    assert_string_equal(take_line(), "2026-11-21T19:05:00Z note four id=4\n");
}

/* Writes more lines than there is room for, has them read, and writes one more; how many were lost. */
static size_t lines_lost_to(int reading, int writing)
{
    enum { UNREAD = 20000 };
    char text[64] = "2026-11-21T19:05:00Z note one number=00000\n";
    size_t read_count = 0, number;

    for (size_t i = 0; i < UNREAD; i++)
        log_event(&out, LOG_NOTE, "one", "number=%05zu", i);
    assert_false(fcntl(writing, F_GETFL) & O_NONBLOCK); /* it is not ours alone */
    fcntl(reading, F_SETFL, O_NONBLOCK);
    for (; read(reading, line, strlen(text)) > 0; read_count++) {
        line[strlen(text)] = '\0';
        snprintf(text, sizeof text, "2026-11-21T19:05:00Z note one number=%05zu\n", read_count);
        assert_string_equal(line, text);
    }
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    number = read(reading, line, sizeof line) > 0 ? UNREAD - read_count : 0;
    snprintf(text, sizeof text, "two lost=%zu", number);
    assert_non_null(strstr(line, text));
    return number;
}

static void waits_for_no_reader_who_has_stopped_and_counts_what_is_lost(void **state)
{
    int pair[2];

    (void)state;
    assert_true(out.sink.own >= 0);
    assert_in_range(lines_lost_to(ends[0], ends[1]), 1, 20000);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(out.sink.own);
    log_init(&out, LOG_TEXT, LOG_DETAIL, pair[1], &noon);
    assert_in_range(lines_lost_to(pair[0], pair[1]), 1, 20000);
    close(pair[0]);
    close(pair[1]);
}

static void *read_late(void *unused)
{
    (void)unused;
    usleep(50000);
    assert_true(read(ends[0], line, sizeof line) > 0);
    return NULL;
}

static void waits_for_a_reader_who_is_late(void **state)
{
    pthread_t reader;

    (void)state;
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, LOG_LINE_MOST) > 0);
    while (write(out.sink.own, "x", 1) == 1)
        ;
    assert_int_equal(pthread_create(&reader, NULL, read_late, NULL), 0);
    log_event(&out, LOG_NOTE, "two", "id=%d", 2);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(atomic_load(&out.lost), 0);
}

enum { WRITERS = 4, LINES = 200 };

static void *write_lines(void *number)
{
    for (int i = 0; i < LINES; i++)
        log_event(&out, LOG_NOTE, "turn", "writer=%d again=%d", *(int *)number, *(int *)number);
    return NULL;
}

static void keeps_lines_of_threads_whole(void **state)
{
    pthread_t writers[WRITERS];
    int numbers[WRITERS], seen = 0;
    FILE *reader = fdopen(dup(ends[0]), "r");

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS * LINES; i++) {
        char expected[128];
        int number;

        assert_non_null(fgets(line, sizeof line, reader));
        assert_non_null(strstr(line, "writer="));
        number = strstr(line, "writer=")[7] - '0';
        snprintf(expected, sizeof expected, "2026-11-21T19:05:00Z note turn writer=%d again=%d\n",
                 number, number);
        assert_string_equal(line, expected);
        seen++;
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    fclose(reader);
    assert_int_equal(seen, WRITERS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_time_level_name_and_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_every_conversion_that_it_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_a_value_in_its_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_once_what_was_made_printable_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(writes_one_json_object_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_more_detailed_than_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bounds_a_line_and_stays_well_formed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_how_many_lines_were_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_no_reader_who_has_stopped_and_counts_what_is_lost,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_a_reader_who_is_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_lines_of_threads_whole, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
