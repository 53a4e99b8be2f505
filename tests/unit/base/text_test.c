/* tests/unit/base/text_test.c - promises of base/text.h */
#include "../test.h"

#include "base/text.h"

static int make_arena(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int clear_arena(void **state)
{
    arena_clear(*state);
    return 0;
}

static void shows_no_control_character(void **state)
{
    static const struct {
        const char *bytes, *plain, *utf8;
    } cases[] = {
        { "250 ok\r\n", "250 ok\\r\\n", "250 ok\\r\\n" },
        { "\x1b[2J\x07", "\\x1b[2J\\x07", "\\x1b[2J\\x07" },
        { "back\\slash", "back\\\\slash", "back\\\\slash" },
        { "b\xc3\xbc", "b\\xc3\\xbc", "b\xc3\xbc" },
        { "\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m", "\\xc2\\x9b31m" }, /* C1 CSI */
        { "\xe2\x80\xae"
          "evil",
          "\\xe2\\x80\\xaeevil", "\\xe2\\x80\\xaeevil" },         /* U+202E */
        { "\xc0\xaf\xff", "\\xc0\\xaf\\xff", "\\xc0\\xaf\\xff" }, /* not UTF-8 */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_string_equal(text_printable(*state, span_of(cases[i].bytes), false), cases[i].plain);
        assert_string_equal(text_printable(*state, span_of(cases[i].bytes), true), cases[i].utf8);
    }
}

static void escapes_nothing_a_second_time(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        { "250 ok\\r\\n", "250 ok\\r\\n" },
        { "\\x1b[2J\\t\\\\", "\\x1b[2J\\t\\\\" },
        { "a\nb", "a\\nb" }, /* it was none of that: once */
        { "\\", "\\\\" },    /* cut in an escape */
        { "\\x", "\\\\x" },
        { "\\x1", "\\\\x1" },
        { "\\x1G", "\\\\x1G" },
        { "\\xAB", "\\\\xAB" },
        { "\\q\\\"", "\\\\q\\\\\"" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *once = text_printable_again(*state, span_of(cases[i].bytes), false);

        assert_string_equal(once, cases[i].text);
        assert_string_equal(text_printable_again(*state, span_of(once), false), once);
    }
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        const char *once = text_printable(*state, (struct span){ &byte, 1 }, false);

        assert_string_equal(text_printable_again(*state, span_of(once), false), once);
    }
}

/* RFC 4648 section 10 */
static void carries_base64_both_ways(void **state)
{
    static const char *const pairs[][2] = { { "", "" },
                                            { "f", "Zg==" },
                                            { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" },
                                            { "fooba", "Zm9vYmE=" },
                                            { "foobar", "Zm9vYmFy" } };
    struct span back;

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        assert_string_equal(text_base64(*state, span_of(pairs[i][0])), pairs[i][1]);
        assert_true(text_from_base64(*state, span_of(pairs[i][1]), &back));
        assert_true(span_equal(back, span_of(pairs[i][0])));
    }
    assert_true(text_from_base64(*state, span_of("Zm9v\r\nYmFy\n"), &back));
    assert_true(span_equal(back, span_of("foobar")));
    assert_false(text_from_base64(*state, span_of("Zm9"), &back));
    assert_false(text_from_base64(*state, span_of("Zg=a"), &back));
    assert_false(text_from_base64(*state, span_of("Zm9v!"), &back));
}

static void carries_hex_both_ways(void **state)
{
    struct span back;

    assert_string_equal(text_hex(*state, span_of("\x01\xab")), "01ab");
    assert_true(text_from_hex(*state, span_of("01 Ab"), &back));
    assert_true(span_equal(back, span_of("\x01\xab")));
    assert_false(text_from_hex(*state, span_of("012"), &back));
    assert_false(text_from_hex(*state, span_of("0g"), &back));
}

static void tells_dates_without_a_time_zone(void **state)
{
    int64_t seconds;

    assert_string_equal(text_time(*state, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(text_time(*state, 1582934400), "2020-02-29T00:00:00Z");
    assert_string_equal(text_time(*state, -1), "1969-12-31T23:59:59Z");
    assert_string_equal(text_time(*state, 253402300799), "9999-12-31T23:59:59Z");
    assert_string_equal(text_date(*state, 1795287900), "21 November 2026");
    assert_string_equal(text_mail_date(*state, 1795287900), "Sat, 21 Nov 2026 19:05:00 +0000");
    assert_string_equal(text_mail_date(*state, 0), "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_string_equal(text_mail_date(*state, -1), "Wed, 31 Dec 1969 23:59:59 +0000");
    assert_string_equal(text_mail_date(*state, 951782400), "Tue, 29 Feb 2000 00:00:00 +0000");
    assert_true(text_to_time(span_of("2020-02-29T00:00:01Z"), &seconds));
    assert_int_equal(seconds, 1582934401);
    assert_true(text_to_time(span_of("2026-11-21"), &seconds));
    assert_string_equal(text_date(*state, seconds), "21 November 2026");
    assert_true(text_to_time(span_of("12345"), &seconds));
    assert_int_equal(seconds, 12345);
    assert_false(text_to_time(span_of("2026-13-01"), &seconds));
    assert_false(text_to_time(span_of("2026-02-29"), &seconds));
    assert_false(text_to_time(span_of("2026-04-31T00:00:00Z"), &seconds));
    assert_false(text_to_time(span_of("2026-11-21T25:00:00Z"), &seconds));
    assert_false(text_to_time(span_of("yesterday"), &seconds));
}

static void reads_only_whole_numbers_in_range(void **state)
{
    uint64_t number;

    (void)state;
    assert_true(text_to_number(span_of("65535"), 65535, &number));
    assert_int_equal(number, 65535);
    assert_false(text_to_number(span_of("65536"), 65535, &number));
    assert_true(text_to_number(span_of("18446744073709551615"), UINT64_MAX, &number));
    assert_false(text_to_number(span_of("18446744073709551616"), UINT64_MAX, &number));
    assert_false(text_to_number(span_of(""), 9, &number));
    assert_false(text_to_number(span_of("-1"), 9, &number));
    assert_false(text_to_number(span_of("7"), 5, &number));
}

static void knows_the_numbers_that_end_an_address(void **state)
{
    static const char *const numbers[] = { "7", "0177", "0x", "0x7f", "0XA" };
    static const char *const words[] = { "a1", "0x7g", "x7f", "1x7", "-1", "1_", "0-x7" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        assert_true(text_is_number_in_host(span_of(numbers[i])));
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        assert_false(text_is_number_in_host(span_of(words[i])));
}

static void names_a_duration_by_its_largest_unit(void **state)
{
    assert_string_equal(text_duration(*state, 0), "0 seconds");
    assert_string_equal(text_duration(*state, 60), "1 minute");
    assert_string_equal(text_duration(*state, 3 * 86400 + 5), "3 days");
    assert_string_equal(text_duration(*state, -7200), "2 hours");
    assert_string_equal(text_duration(*state, 400LL * 86400), "400 days");
    assert_string_equal(text_duration(*state, 3LL * 365 * 86400), "3 years");
}

static void tells_ascii_from_all_else(void **state)
{
    char bytes[100];

    (void)state;
    memset(bytes, '\x7f', sizeof bytes);
    assert_true(text_is_ascii((struct span){ bytes, 0 }));
    assert_true(text_is_ascii((struct span){ bytes, sizeof bytes }));
    assert_true(text_is_ascii((struct span){ "\0\r\n", 3 }));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = '\x80';
        assert_false(text_is_ascii((struct span){ bytes, sizeof bytes }));
        assert_true(text_is_ascii((struct span){ bytes, i }));
        bytes[i] = 0;
    }
}

static void knows_the_controls_of_ascii(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        char bytes[] = { 'a', (char)i, 'b' };

        assert_int_equal(text_holds_control((struct span){ bytes, 3 }), i < 0x20 || i == 0x7f);
    }
    assert_false(text_holds_control((struct span){ "\n", 0 }));
}

static void letters_and_digits_are_those_of_ascii(void **state)
{
    static const char all[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (int c = 1; c < 256; c++)
        assert_int_equal(text_is_letter_or_digit((char)c), strchr(all, c) != NULL);
    assert_false(text_is_letter_or_digit('\0'));
}

static void makes_the_letters_of_ascii_small_and_no_other_octet(void **state)
{
    char all[256], small[256];
    const char *copy;

    for (int c = 0; c < 256; c++) {
        bool is_capital = c >= 0x41 && c <= 0x5a;

        all[c] = (char)c;
        small[c] = (char)(is_capital ? c + 0x20 : c);
        assert_int_equal(text_lower(all[c]), small[c]);
    }
    copy = text_lower_copy(*state, (struct span){ all, sizeof all });
    assert_memory_equal(copy, small, sizeof small);
    assert_int_equal(copy[sizeof small], '\0');
    assert_string_equal(text_lower_copy(*state, (struct span){ NULL, 0 }), "");
}

/* Wherever a locale has other pairs of letters than ASCII, or the same ones. */
static void compares_without_case_the_letters_of_ascii_alone(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char left = (char)a, right = (char)b;
            bool is_letter = (a >= 0x41 && a <= 0x5a) || (a >= 0x61 && a <= 0x7a);

            assert_int_equal(
                span_equal_nocase((struct span){ &left, 1 }, (struct span){ &right, 1 }),
                a == b || (is_letter && (a ^ b) == 0x20));
        }
}

/* Wherever it is cut, and however long the characters are; what is no UTF-8 is cut as well. */
static void a_text_is_never_cut_within_a_character(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t ends[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

    (void)state;
    for (size_t most = 0; most < ARRAY_SIZE(ends); most++)
        assert_int_equal(text_front(span_of(text), most).len, ends[most]);
    assert_int_equal(text_front(span_of("\x80\x80\x80\x80\x80\x80"), 4).len, 4);
    assert_int_equal(text_front(span_of("\x80\x80\x80"), 2).len, 2);
    assert_int_equal(text_front(span_of("ab\xff\xff"), 3).len, 2);
    assert_int_equal(text_front((struct span){ NULL, 0 }, 4).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_and_digits_are_those_of_ascii),
        cmocka_unit_test(makes_the_letters_of_ascii_small_and_no_other_octet),
        cmocka_unit_test(compares_without_case_the_letters_of_ascii_alone),
        cmocka_unit_test(shows_no_control_character),
        cmocka_unit_test(escapes_nothing_a_second_time),
        cmocka_unit_test(carries_base64_both_ways),
        cmocka_unit_test(carries_hex_both_ways),
        cmocka_unit_test(tells_dates_without_a_time_zone),
        cmocka_unit_test(reads_only_whole_numbers_in_range),
        cmocka_unit_test(knows_the_numbers_that_end_an_address),
        cmocka_unit_test(names_a_duration_by_its_largest_unit),
        cmocka_unit_test(tells_ascii_from_all_else),
        cmocka_unit_test(knows_the_controls_of_ascii),
        cmocka_unit_test(a_text_is_never_cut_within_a_character),
    };

    return cmocka_run_group_tests(tests, make_arena, clear_arena);
}
