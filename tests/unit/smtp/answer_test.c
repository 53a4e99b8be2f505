/* tests/unit/smtp/answer_test.c - promises of smtp/answer.h */
#include "../test.h"

#include <string.h>

#include "base/compiler.h"
#include "smtp/answer.h"

static void writes_one_line(void **state)
{
    static const struct {
        struct smtp_answer answer;
        const char *line;
    } rows[] = {
        { { 250, "2.1.5", "fine" }, "250 2.1.5 fine\r\n" },
        { { 220, NULL, "mx.example.org ESMTP" }, "220 mx.example.org ESMTP\r\n" },
        { { 354, "", "go on" }, "354 go on\r\n" },
        { { 550, "5.1.1", NULL }, "550 5.1.1 \r\n" },
        { { 250, NULL, NULL }, "250 \r\n" },
        { { 550, "5.1.1", "no user a\r\n250 b" }, "550 5.1.1 no user a??250 b\r\n" },
        { { 550, "5.1.1", "\xc3\xb6\t\x7f\x01" }, "550 5.1.1 ?????\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char line[SMTP_ANSWER_BYTES + 1];

        line[smtp_answer_format(line, rows[i].answer)] = '\0';
        assert_string_equal(line, rows[i].line);
    }
}

static void cuts_off_what_does_not_fit(void **state)
{
    char text[2 * SMTP_ANSWER_BYTES], line[SMTP_ANSWER_BYTES];

    (void)state;
    for (size_t len = SMTP_ANSWER_BYTES - 20; len < sizeof text; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        size_t written = smtp_answer_format(line, (struct smtp_answer){ 550, "5.1.1", text });

        assert_true(written <= sizeof line && written >= SMTP_ANSWER_BYTES - 20);
        assert_memory_equal(line + written - 3, "x\r\n", 3);
        assert_true(memchr(line, '\r', written - 2) == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_line),
        cmocka_unit_test(cuts_off_what_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
