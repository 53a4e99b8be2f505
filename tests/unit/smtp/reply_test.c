/* tests/unit/smtp/reply_test.c - promises of smtp/reply.h */
#include "../test.h"

#include <stdio.h>

#include "base/compiler.h"
#include "smtp/reply.h"

static const struct {
    const char *name, *wire;
    enum smtp_reply_status status;
    uint16_t code, line_count;
    uint32_t flaws;
    size_t left; /* bytes that stay in the input */
} cases[] = {
    { "one line", "220 mx.example.org ESMTP\r\n", SMTP_REPLY_WHOLE, 220, 1, 0, 0 },
    { "three lines", "250-a\r\n250-b\r\n250 c\r\n", SMTP_REPLY_WHOLE, 250, 3, 0, 0 },
    { "empty middle line", "250-a\r\n250-\r\n250 c\r\n", SMTP_REPLY_WHOLE, 250, 3, 0, 0 },
    { "tab in the text", "250 a\tb\r\n", SMTP_REPLY_WHOLE, 250, 1, 0, 0 },
    { "next reply stays", "250 a\r\n250 b\r\n", SMTP_REPLY_WHOLE, 250, 1, 0, 7 },
    { "TLS record stays", "220 go\r\n\x16\x03\x01", SMTP_REPLY_WHOLE, 220, 1, 0, 3 },
    { "no text", "250\r\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_NO_TEXT, 0 },
    { "no text, bare LF", "250\n", SMTP_REPLY_WHOLE, 250, 1,
      SMTP_REPLY_FLAW_NO_TEXT | SMTP_REPLY_FLAW_BARE_LF, 0 },
    { "no text ends a reply", "250-a\r\n250\r\n", SMTP_REPLY_WHOLE, 250, 2, SMTP_REPLY_FLAW_NO_TEXT,
      0 },
    { "no text, but a space", "250 \r\n", SMTP_REPLY_WHOLE, 250, 1, 0, 0 },
    { "bare LF", "250 ok\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_BARE_LF, 0 },
    { "bare LF amid", "250-a\n250 b\r\n", SMTP_REPLY_WHOLE, 250, 2, SMTP_REPLY_FLAW_BARE_LF, 0 },
    { "bare CR", "250 a\rb\r\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_BARE_CR, 0 },
    { "two CRs", "250 a\r\r\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_BARE_CR, 0 },
    { "8 bit", "250 gr\xc3\xbc\xc3\x9f\r\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_EIGHT_BIT,
      0 },
    { "control", "250 \x1b[31m\r\n", SMTP_REPLY_WHOLE, 250, 1, SMTP_REPLY_FLAW_CONTROL, 0 },
    { "codes change", "250-a\r\n550 b\r\n", SMTP_REPLY_WHOLE, 550, 2, SMTP_REPLY_FLAW_CODE_CHANGE,
      0 },
    { "unknown code", "571 no\r\n", SMTP_REPLY_WHOLE, 571, 1, SMTP_REPLY_FLAW_UNKNOWN_CODE, 0 },
    { "highest code", "559 no\r\n", SMTP_REPLY_WHOLE, 559, 1, 0, 0 },
    { "first digit 1", "150 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_NOT_A_CODE, 0 },
    { "first digit 6", "650 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_NOT_A_CODE, 0 },
    { "two digits", "25 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_NOT_A_CODE, 0 },
    { "four digits", "2500 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_SEPARATOR, 0 },
    { "no separator", "250ok\r\n250 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_SEPARATOR, 7 },
    { "HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n", SMTP_REPLY_BROKEN, 0, 1,
      SMTP_REPLY_FLAW_NOT_A_CODE, 11 },
    { "second line without code", "250-a\r\nSTARTTLS\r\n250 b\r\n", SMTP_REPLY_BROKEN, 250, 2,
      SMTP_REPLY_FLAW_NOT_A_CODE, 7 },
    { "empty line", "\r\n220 x\r\n", SMTP_REPLY_BROKEN, 0, 1, SMTP_REPLY_FLAW_NOT_A_CODE, 7 },
    { "TLS alert", "\x15\x03\x03", SMTP_REPLY_BROKEN, 0, 1,
      SMTP_REPLY_FLAW_NOT_A_CODE | SMTP_REPLY_FLAW_CONTROL, 2 },
    { "unfinished", "250-a\r\n250 b\r", SMTP_REPLY_PARTIAL, 0, 0, 0, 0 },
    { "more lines to come", "250-a\r\n", SMTP_REPLY_PARTIAL, 0, 0, 0, 0 },
};

static void check_case(size_t i, size_t piece)
{
    char storage[512];
    struct smtp_reply_parser parser;
    struct smtp_reply reply = { 0 };
    struct span rest = span_of(cases[i].wire);
    enum smtp_reply_status status = SMTP_REPLY_PARTIAL;

    smtp_reply_init(&parser, storage, sizeof storage);
    while (status == SMTP_REPLY_PARTIAL && rest.len > 0) {
        struct span part = span_part(rest, 0, piece);
        size_t offered = part.len;

        status = smtp_reply_feed(&parser, &part, &reply);
        span_take_front(&rest, offered - part.len);
    }
    if (status != cases[i].status || reply.code != cases[i].code ||
        reply.line_count != cases[i].line_count || reply.flaws != cases[i].flaws ||
        rest.len != cases[i].left)
        fail_msg("%s, pieces of %zu: status %d, code %u, lines %u, flaws %#x, left %zu",
                 cases[i].name, piece, (int)status, (unsigned)reply.code,
                 (unsigned)reply.line_count, (unsigned)reply.flaws, rest.len);
    if (status != SMTP_REPLY_PARTIAL)
        assert_memory_equal(reply.raw.data, cases[i].wire, reply.raw.len);
    if (status != SMTP_REPLY_PARTIAL)
        assert_int_equal(reply.raw.len, strlen(cases[i].wire) - rest.len);
}

static void gives_the_same_result_however_input_is_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t piece = 1; piece <= strlen(cases[i].wire); piece++)
            check_case(i, piece);
}

static struct smtp_reply read_reply(struct smtp_reply_parser *parser, struct span wire)
{
    struct smtp_reply reply = { 0 };

    (void)!smtp_reply_feed(parser, &wire, &reply);
    return reply;
}

static void reads_one_reply_after_another(void **state)
{
    char storage[64];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;
    struct span input = span_of("250-a\n571 b\r\n354 go\r\n");

    (void)state;
    smtp_reply_init(&parser, storage, sizeof storage);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_WHOLE);
    assert_int_equal(reply.code, 571);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_WHOLE);
    assert_int_equal(reply.code, 354);
    assert_int_equal(reply.flaws, 0);
    assert_int_equal(reply.line_count, 1);
}

static void stays_broken_until_init(void **state)
{
    char storage[64];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;
    struct span input = span_of("x\n250 fine\r\n");

    (void)state;
    smtp_reply_init(&parser, storage, sizeof storage);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_BROKEN);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_BROKEN);
    assert_int_equal(input.len, strlen("250 fine\r\n"));
    smtp_reply_init(&parser, storage, sizeof storage);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_WHOLE);
}

static void tolerates_a_long_line_and_refuses_an_endless_one(void **state)
{
    static char storage[2 * SMTP_REPLY_LINE_REFUSED], wire[SMTP_REPLY_LINE_REFUSED + 8];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;

    (void)state;
    memset(wire, 'x', sizeof wire);
    memcpy(wire, "250 ", 4);
    memcpy(wire + SMTP_REPLY_LINE_LIMIT - 2, "\r\n", 2);
    smtp_reply_init(&parser, storage, sizeof storage);
    reply = read_reply(&parser, (struct span){ wire, sizeof wire });
    assert_int_equal(reply.flaws, 0);
    memcpy(wire + SMTP_REPLY_LINE_LIMIT - 2, "x\r\n", 3);
    reply = read_reply(&parser, (struct span){ wire, sizeof wire });
    assert_int_equal(reply.flaws, SMTP_REPLY_FLAW_LONG_LINE);
    memcpy(wire + SMTP_REPLY_LINE_LIMIT - 2, "xxx", 3);
    reply = read_reply(&parser, (struct span){ wire, sizeof wire });
    assert_int_equal(reply.flaws, SMTP_REPLY_FLAW_ENDLESS_LINE);
    assert_int_equal(reply.raw.len, SMTP_REPLY_LINE_REFUSED);
}

static void bounds_a_reply_by_lines_and_by_storage(void **state)
{
    static char storage[16 * 1024];
    struct smtp_reply_parser parser;
    struct smtp_reply reply = { 0 };
    size_t lines = 0;

    (void)state;
    smtp_reply_init(&parser, storage, sizeof storage);
    while (reply.flaws == 0 && lines < 2 * SMTP_REPLY_LINES_MOST) {
        reply = read_reply(&parser, span_of("250-a\r\n"));
        lines++;
    }
    assert_int_equal(lines, SMTP_REPLY_LINES_MOST);
    assert_int_equal(reply.flaws, SMTP_REPLY_FLAW_TOO_LARGE);
    smtp_reply_init(&parser, storage, 16);
    reply = read_reply(&parser, span_of("250-aaaaaaaaaaaaaaaaaaaaaaaaa\r\n"));
    assert_int_equal(reply.flaws, SMTP_REPLY_FLAW_TOO_LARGE);
    assert_int_equal(reply.raw.len, 16);
}

static void shows_the_bytes_of_an_unfinished_reply(void **state)
{
    char storage[64];
    struct smtp_reply_parser parser;

    (void)state;
    smtp_reply_init(&parser, storage, sizeof storage);
    assert_int_equal(smtp_reply_unfinished(&parser).len, 0);
    read_reply(&parser, span_of("250-a\r\n25"));
    assert_true(span_equal(smtp_reply_unfinished(&parser), span_of("250-a\r\n25")));
}

static void gives_each_line_without_code_and_line_end(void **state)
{
    char storage[64];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;

    (void)state;
    smtp_reply_init(&parser, storage, sizeof storage);
    reply = read_reply(&parser, span_of("250-one\r\n250-\n250-a\rb\r\r\n250\r\n"));
    assert_true(span_equal(smtp_reply_line(&reply, 0), span_of("one")));
    assert_int_equal(smtp_reply_line(&reply, 1).len, 0);
    assert_true(span_equal(smtp_reply_line(&reply, 2), span_of("a\rb\r")));
    assert_int_equal(smtp_reply_line(&reply, 3).len, 0);
    assert_int_equal(smtp_reply_line(&reply, 4).len, 0);
    assert_null(smtp_reply_line(&reply, 4).data);
    smtp_reply_init(&parser, storage, sizeof storage);
    reply = read_reply(&parser, span_of("SSH-2.0-x\r\n"));
    assert_true(span_equal(smtp_reply_line(&reply, 0), span_of("SSH-2.0-x")));
}

static void finds_an_enhanced_status_that_fits_the_code(void **state)
{
    static const struct {
        const char *wire, *status;
    } rows[] = {
        { "554 5.7.1 no\r\n", "5.7.1" },
        { "250 2.0.0\r\n", "2.0.0" },
        { "450 4.123.999 x\r\n", "4.123.999" },
        { "550-5.1.1 a\r\n550 5.1.1 b\r\n", "5.1.1" },
        { "554 4.7.1 no\r\n", "" },
        { "354 3.0.0 go\r\n", "" },
        { "554 5.7.1x\r\n", "" },
        { "554 5.7. x\r\n", "" },
        { "554 5.7\r\n", "" },
        { "554 5.1234.1 x\r\n", "" },
        { "554\r\n", "" },
        { "250 2\r\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char storage[64];
        struct smtp_reply_parser parser;
        struct smtp_reply reply;

        smtp_reply_init(&parser, storage, sizeof storage);
        reply = read_reply(&parser, span_of(rows[i].wire));
        if (!span_equal(smtp_reply_enhanced_status(&reply), span_of(rows[i].status)))
            fail_msg("%s", rows[i].wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_result_however_input_is_split),
        cmocka_unit_test(reads_one_reply_after_another),
        cmocka_unit_test(stays_broken_until_init),
        cmocka_unit_test(tolerates_a_long_line_and_refuses_an_endless_one),
        cmocka_unit_test(bounds_a_reply_by_lines_and_by_storage),
        cmocka_unit_test(shows_the_bytes_of_an_unfinished_reply),
        cmocka_unit_test(gives_each_line_without_code_and_line_end),
        cmocka_unit_test(finds_an_enhanced_status_that_fits_the_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
