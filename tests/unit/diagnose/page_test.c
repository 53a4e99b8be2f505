/* tests/unit/diagnose/page_test.c - promises of diagnose/page.h */
#include "../test.h"

#include "diagnose/page.h"

static void check(void (*write)(struct page *page), int columns, bool with_colour, const char *want)
{
    struct buffer out;
    struct page page;

    buffer_init(&out, 4096);
    page_init(&page, &out, columns, with_colour);
    write(&page);
    assert_false(page.has_failed);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.data, want, out.len);
    buffer_clear(&out);
}

static void write_item(struct page *page)
{
    page_item(page, 2, "Proof", 9, PAGE_PLAIN, "one two three four five six\nseven");
}

static void wraps_words_under_a_hanging_label(void **state)
{
    (void)state;
    check(write_item, 23, false,
          "  Proof  one two three\n         four five six\n         seven\n");
}

static void write_long_label(struct page *page)
{
    page_item(page, 2, "A label of its own", 4, PAGE_PLAIN, "text");
}

static void gives_a_long_label_its_own_line(void **state)
{
    (void)state;
    check(write_long_label, 40, false, "  A label of its own\n    text\n");
}

static void write_long_word(struct page *page)
{
    page_paragraph(page, 2, PAGE_PLAIN, "x 0123456789012345678901234");
}

static void write_address(struct page *page)
{
    page_item(page, 2, "Proof", 11, PAGE_PLAIN, "https://mta-sts.example.org/ at 127.0.0.1");
    page_item(page, 2, "To do", 11, PAGE_PLAIN, "curl -v https://mta-sts.example.org/");
}

static void moves_a_word_left_that_is_whole_there(void **state)
{
    (void)state;
    check(write_address, 30, false,
          "  Proof\n"
          "  https://mta-sts.example.org/\n"
          "           at 127.0.0.1\n"
          "  To do    curl -v\n"
          "  https://mta-sts.example.org/\n");
}

static void cuts_a_word_longer_than_a_line(void **state)
{
    (void)state;
    check(write_long_word, 22, false, "  x\n  01234567890123456789\n  01234\n");
}

static void write_umlauts(struct page *page)
{
    page_paragraph(
        page, 0, PAGE_PLAIN,
        "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc");
}

static void counts_columns_and_not_bytes(void **state)
{
    (void)state;
    check(write_umlauts, 10, false,
          "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\n\xc3\xbc\n");
}

static void write_red(struct page *page)
{
    page_put(page, PAGE_RED, "red");
    page_put(page, PAGE_PLAIN, "plain");
}

static void colours_only_when_asked(void **state)
{
    (void)state;
    check(write_red, 80, false, "redplain");
    check(write_red, 80, true, "\033[1;31mred\033[0mplain");
}

static void says_at_the_end_that_it_did_not_fit(void **state)
{
    struct buffer out;
    struct page page;

    (void)state;
    buffer_init(&out, 8);
    page_init(&page, &out, 80, false);
    page_put(&page, PAGE_PLAIN, "more than eight");
    assert_true(page.has_failed);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_words_under_a_hanging_label),
        cmocka_unit_test(gives_a_long_label_its_own_line),
        cmocka_unit_test(moves_a_word_left_that_is_whole_there),
        cmocka_unit_test(cuts_a_word_longer_than_a_line),
        cmocka_unit_test(counts_columns_and_not_bytes),
        cmocka_unit_test(colours_only_when_asked),
        cmocka_unit_test(says_at_the_end_that_it_did_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
