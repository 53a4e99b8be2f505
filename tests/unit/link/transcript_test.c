/* tests/unit/link/transcript_test.c - promises of link/transcript.h */
#include "../test.h"

#include "link/transcript.h"

#include <string.h>

static struct arena arena;
static struct transcript transcript;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 4 * 1024 * 1024);
    transcript_init(&transcript, &arena, 1000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void splits_bytes_into_lines_with_times(void **state)
{
    (void)state;
    transcript_bytes(&transcript, 1005, TRANSCRIPT_RECEIVED, false,
                     span_of("250-a\r\n250 b\nrest"));
    transcript_bytes(&transcript, 1007, TRANSCRIPT_SENT, true, span_of("QUIT\r\n"));
    assert_int_equal(transcript.count, 4);
    assert_string_equal(transcript.lines[0].text, "250-a");
    assert_string_equal(transcript.lines[1].text, "250 b");
    assert_string_equal(transcript.lines[2].text, "rest");
    assert_int_equal(transcript.lines[0].kind, TRANSCRIPT_RECEIVED);
    assert_int_equal(transcript.lines[0].at_ms, 5);
    assert_false(transcript.lines[0].is_encrypted);
    assert_string_equal(transcript.lines[3].text, "QUIT");
    assert_int_equal(transcript.lines[3].kind, TRANSCRIPT_SENT);
    assert_true(transcript.lines[3].is_encrypted);
}

static void shows_no_control_character(void **state)
{
    (void)state;
    transcript_bytes(&transcript, 1000, TRANSCRIPT_RECEIVED, false,
                     (struct span){ "a\0b\x1b[2J\r\r\n", 10 });
    transcript_note(&transcript, 1000, "of %s", "\x07");
    assert_string_equal(transcript.lines[0].text, "a\\x00b\\x1b[2J\\r");
    assert_string_equal(transcript.lines[1].text, "of \\x07");
}

static void says_when_it_left_lines_out(void **state)
{
    (void)state;
    for (int i = 0; i < TRANSCRIPT_LINES_MOST * 2; i++)
        transcript_bytes(&transcript, 1000 + i, TRANSCRIPT_RECEIVED, false, span_of("250 x\r\n"));
    transcript_note(&transcript, 9999, "the end");
    assert_true(transcript.was_cut);
    assert_int_equal(transcript.count, TRANSCRIPT_LINES_MOST);
    assert_non_null(strstr(transcript.lines[TRANSCRIPT_LINES_MOST - 1].text, "left out"));
    assert_string_equal(transcript.lines[TRANSCRIPT_LINES_MOST - 2].text, "250 x");
}

static void cuts_a_line_that_is_too_long(void **state)
{
    char text[20000];

    (void)state;
    memset(text, 'x', sizeof text);
    transcript_bytes(&transcript, 1000, TRANSCRIPT_RECEIVED, false,
                     (struct span){ text, sizeof text });
    text[sizeof text - 1] = '\0';
    transcript_note(&transcript, 1000, "%s", text);
    assert_int_equal(transcript.count, 2);
    assert_in_range(strlen(transcript.lines[0].text), 500, 2000);
    assert_in_range(strlen(transcript.lines[1].text), 500, 2000);
}

static void survives_an_arena_that_is_full(void **state)
{
    (void)state;
    arena_clear(&arena);
    arena_init(&arena, 16);
    transcript_init(&transcript, &arena, 0);
    transcript_bytes(&transcript, 0, TRANSCRIPT_SENT, false, span_of("EHLO\r\n"));
    assert_int_equal(transcript.count, 0);
    assert_true(arena.exhausted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(splits_bytes_into_lines_with_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shows_no_control_character, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_when_it_left_lines_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_a_line_that_is_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_an_arena_that_is_full, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
