/* tests/unit/settings/fault_test.c - tests that faults are printed in order, safely, and bounded. */
#include "settings/fault.h"

#include <string.h>

#include "unit/test.h"

static void expect_text(struct settings_faults *faults, const char *expected)
{
    struct buffer text;

    buffer_init(&text, 1 << 16);
    settings_fault_sort(faults);
    assert_true(settings_fault_format(faults, &text));
    assert_true(buffer_append(&text, (struct span){ "", 1 }));
    assert_string_equal(text.data, expected);
    buffer_clear(&text);
}

static void prints_file_line_and_text_in_the_order_of_lines(void **state)
{
    struct settings_faults faults;

    (void)state;
    settings_fault_init(&faults, "a.conf");
    settings_fault_add(&faults, 7, "seven %d", 7);
    settings_fault_add(&faults, 3, "three");
    settings_fault_warn(&faults, 7, "seven again");
    settings_fault_warn(&faults, 0, "all of it");
    assert_int_equal(faults.fault_count, 2);
    expect_text(&faults, "a.conf: warning: all of it\na.conf:3: three\na.conf:7: seven 7\n"
                         "a.conf:7: warning: seven again\n");
    settings_fault_clear(&faults);
}

static void counts_what_is_too_much_to_print(void **state)
{
    struct settings_faults faults;
    struct buffer text;

    (void)state;
    settings_fault_init(&faults, "a.conf");
    for (unsigned i = 0; i < SETTINGS_FAULTS_MOST + 3; i++)
        settings_fault_add(&faults, i, "x");
    assert_int_equal(faults.fault_count, SETTINGS_FAULTS_MOST + 3);
    assert_int_equal(faults.left_out, 3);
    buffer_init(&text, 1 << 16);
    assert_true(settings_fault_format(&faults, &text));
    assert_non_null(memmem(text.data, text.len, "a.conf: and 3 more\n", 19));
    buffer_clear(&text);
    buffer_init(&text, 10);
    assert_false(settings_fault_format(&faults, &text));
    buffer_clear(&text);
    settings_fault_clear(&faults);
}

static void what_stands_in_a_file_is_quoted_safely(void **state)
{
    struct settings_faults faults;
    char wide[200];

    (void)state;
    settings_fault_init(&faults, "a.conf");
    assert_string_equal(settings_fault_quote(&faults, span_of("\x1b[31m")), "\\x1b[31m");
    memset(wide, 'a', sizeof wide);
    assert_int_equal(strlen(settings_fault_quote(&faults, (struct span){ wide, sizeof wide })), 83);
    settings_fault_clear(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_file_line_and_text_in_the_order_of_lines),
        cmocka_unit_test(counts_what_is_too_much_to_print),
        cmocka_unit_test(what_stands_in_a_file_is_quoted_safely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
