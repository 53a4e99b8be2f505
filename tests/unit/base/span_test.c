/* tests/unit/base/span_test.c - promises of base/span.h */
#include "../test.h"

#include "base/span.h"

static void takes_until_a_separator_and_drops_it(void **state)
{
    struct span rest = span_of("mail from:<a>");
    struct span word = span_take_until(&rest, ' ');

    (void)state;
    assert_true(span_equal(word, span_of("mail")));
    assert_true(span_equal(rest, span_of("from:<a>")));
    assert_true(span_equal(span_take_until(&rest, '!'), span_of("from:<a>")));
    assert_int_equal(rest.len, 0);
}

static void cuts_a_part_to_what_is_there(void **state)
{
    struct span text = span_of("abc");

    (void)state;
    assert_true(span_equal(span_part(text, 1, 99), span_of("bc")));
    assert_int_equal(span_part(text, 3, 1).len, 0);
    assert_int_equal(span_part(text, 99, 1).len, 0);
}

static void compares_letters_of_either_case_only_when_asked(void **state)
{
    (void)state;
    assert_true(span_equal_nocase(span_of("StartTLS"), span_of("STARTTLS")));
    assert_false(span_equal(span_of("StartTLS"), span_of("STARTTLS")));
    assert_true(span_starts_with_nocase(span_of("250-size"), "250-SIZE"));
    assert_false(span_starts_with(span_of("25"), "250"));
}

static void compares_all_octets_whatever_they_are(void **state)
{
    (void)state;
    assert_false(span_equal_nocase((struct span){ "a\0b", 3 }, (struct span){ "A\0c", 3 }));
    assert_true(span_equal_nocase((struct span){ "a\0b", 3 }, (struct span){ "A\0B", 3 }));
    assert_false(span_equal_nocase(span_of("@["), span_of("`{")));
    assert_false(span_equal_nocase(span_of("\xc3\x84"), span_of("\xc3\xa4")));
    assert_true(span_equal_nocase((struct span){ NULL, 0 }, span_of("")));
}

static void trims_blanks_at_both_ends(void **state)
{
    (void)state;
    assert_true(span_equal(span_trim(span_of(" \t x y \t")), span_of("x y")));
    assert_int_equal(span_trim(span_of(" \t")).len, 0);
    assert_int_equal(span_trim((struct span){ NULL, 0 }).len, 0);
}

static void takes_lines_without_their_ends(void **state)
{
    struct span text = span_of("one\r\ntwo\n\r\r\n\nlast\r");

    (void)state;
    assert_true(span_equal(span_take_line(&text), span_of("one")));
    assert_true(span_equal(span_take_line(&text), span_of("two")));
    assert_true(span_equal(span_take_line(&text), span_of("\r")));
    assert_int_equal(span_take_line(&text).len, 0);
    assert_true(span_equal(span_take_line(&text), span_of("last")));
    assert_int_equal(text.len, 0);
    assert_int_equal(span_take_line(&text).len, 0);
}

static void drops_one_line_end(void **state)
{
    (void)state;
    assert_true(span_equal(span_without_line_end(span_of("a\n\r\n")), span_of("a\n")));
    assert_true(span_equal(span_without_line_end(span_of("a\n")), span_of("a")));
    assert_true(span_equal(span_without_line_end(span_of("a")), span_of("a")));
    assert_int_equal(span_without_line_end(span_of("\r\n")).len, 0);
    assert_int_equal(span_without_line_end((struct span){ NULL, 0 }).len, 0);
}

static void drops_the_final_dot_of_a_name_and_leaves_the_root(void **state)
{
    (void)state;
    assert_true(
        span_equal(span_without_final_dot(span_of("example.org.")), span_of("example.org")));
    assert_true(span_equal(span_without_final_dot(span_of("example.org")), span_of("example.org")));
    assert_true(span_equal(span_without_final_dot(span_of("a..")), span_of("a.")));
    assert_true(span_equal(span_without_final_dot(span_of(".")), span_of(".")));
    assert_int_equal(span_without_final_dot((struct span){ NULL, 0 }).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_until_a_separator_and_drops_it),
        cmocka_unit_test(cuts_a_part_to_what_is_there),
        cmocka_unit_test(compares_letters_of_either_case_only_when_asked),
        cmocka_unit_test(compares_all_octets_whatever_they_are),
        cmocka_unit_test(trims_blanks_at_both_ends),
        cmocka_unit_test(takes_lines_without_their_ends),
        cmocka_unit_test(drops_one_line_end),
        cmocka_unit_test(drops_the_final_dot_of_a_name_and_leaves_the_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
