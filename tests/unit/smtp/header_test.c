/* tests/unit/smtp/header_test.c - promises of smtp/header.h */
#include "../test.h"

#include <stdint.h>

#include "base/compiler.h"
#include "smtp/header.h"

static void check(struct span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.data, text, span.len);
}

static void gives_fields_with_their_folds(void **state)
{
    struct span message =
        span_of("Subject: one\r\n two\r\n\tthree\r\nTo : a@b\nX:\n\r\nbody: x\r\n");
    struct smtp_field field;

    (void)state;
    assert_int_equal(smtp_header_len(message), 40);
    assert_true(smtp_header_next(&message, &field));
    check(field.name, "Subject");
    check(field.value, " one\r\n two\r\n\tthree");
    check(field.whole, "Subject: one\r\n two\r\n\tthree\r\n");
    assert_true(smtp_field_is(&field, "sUBJECT"));
    assert_false(smtp_field_is(&field, "Subjects"));
    assert_true(smtp_header_next(&message, &field));
    check(field.name, "To");
    check(field.value, " a@b");
    assert_true(smtp_header_next(&message, &field));
    check(field.name, "X");
    check(field.value, "");
    assert_false(smtp_header_next(&message, &field));
    assert_true(smtp_header_take_end(&message));
    check(message, "body: x\r\n");
}

static void stops_at_what_is_no_field(void **state)
{
    static const char *const texts[] = { "hello\n",
                                         ": value\n",
                                         " folded: x\n",
                                         "a b: c\n",
                                         "no colon",
                                         "\001name: x\n",
                                         "n\xc3\xa4me: x\n",
                                         "" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct span message = span_of(texts[i]);
        struct smtp_field field;

        assert_false(smtp_header_next(&message, &field));
        check(message, texts[i]);
        assert_false(smtp_header_take_end(&message));
        assert_int_equal(smtp_header_len(message), 0);
    }
}

static void takes_a_last_field_without_line_end(void **state)
{
    struct span message = span_of("A: b\r");
    struct smtp_field field;

    (void)state;
    assert_true(smtp_header_next(&message, &field));
    check(field.value, " b");
    assert_int_equal(message.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_fields_with_their_folds),
        cmocka_unit_test(stops_at_what_is_no_field),
        cmocka_unit_test(takes_a_last_field_without_line_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
