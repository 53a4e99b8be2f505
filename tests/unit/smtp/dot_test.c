/* tests/unit/smtp/dot_test.c - promises of smtp/dot.h */
#include "../test.h"

#include "base/compiler.h"
#include "smtp/dot.h"

static const struct {
    const char *body;
    size_t len;
    const char *wire;
    enum smtp_dot_flaw flaw;
} cases[] = {
#define CASE(body, wire, flaw)                                                                     \
    {                                                                                              \
        body, sizeof body - 1, wire, flaw                                                          \
    }
    CASE("", ".\r\n", SMTP_DOT_FINE),
    CASE("a\r\n", "a\r\n.\r\n", SMTP_DOT_FINE),
    CASE("a", "a\r\n.\r\n", SMTP_DOT_FINE),
    CASE("\r\n", "\r\n.\r\n", SMTP_DOT_FINE),
    CASE(".", "..\r\n.\r\n", SMTP_DOT_FINE),
    CASE(".\r\n", "..\r\n.\r\n", SMTP_DOT_FINE),
    CASE("..\r\n.x\r\na.b\r\n", "...\r\n..x\r\na.b\r\n.\r\n", SMTP_DOT_FINE),
    CASE("a\r\n.\r\nMAIL FROM:<x>\r\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n", SMTP_DOT_FINE),
    CASE("\xff\x80\r\n", "\xff\x80\r\n.\r\n", SMTP_DOT_FINE),
    CASE("a\n.\r\n", "a", SMTP_DOT_BARE_LF),
    CASE("a\n", "a", SMTP_DOT_BARE_LF),
    CASE("a\rb", "a", SMTP_DOT_BARE_CR),
    CASE("a\r", "a", SMTP_DOT_BARE_CR),
    CASE("a\r\r\n", "a", SMTP_DOT_BARE_CR),
    CASE("a\r.\r\n", "a", SMTP_DOT_BARE_CR),
    CASE("a\0b", "a", SMTP_DOT_NUL),
    CASE("\n", "", SMTP_DOT_BARE_LF),
#undef CASE
};

static void check_case(size_t i, size_t piece, size_t room)
{
    struct smtp_dot_encoder encoder;
    struct span rest = { cases[i].body, cases[i].len };
    char wire[256];
    size_t used = 0;

    smtp_dot_init(&encoder);
    while (rest.len > 0 && encoder.flaw == SMTP_DOT_FINE) {
        struct span part = span_part(rest, 0, piece);
        size_t offered = part.len;
        size_t written = smtp_dot_feed(&encoder, &part, wire + used, room);

        assert_true(written <= room);
        used += written;
        span_take_front(&rest, offered - part.len);
    }
    used += smtp_dot_finish(&encoder, wire + used);
    if (encoder.flaw != cases[i].flaw ||
        !span_equal((struct span){ wire, used }, span_of(cases[i].wire)))
        fail_msg("case %zu, pieces of %zu, room %zu: flaw %d, \"%.*s\"", i, piece, room,
                 (int)encoder.flaw, (int)used, wire);
}

static void gives_the_same_bytes_however_body_and_room_are_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t piece = 1; piece <= cases[i].len + 1; piece++)
            for (size_t room = 2; room <= 16; room++)
                check_case(i, piece, room);
}

static void sends_nothing_behind_a_flaw(void **state)
{
    struct smtp_dot_encoder encoder;
    struct span body = span_of("a\nb");
    char wire[16];

    (void)state;
    smtp_dot_init(&encoder);
    assert_int_equal(smtp_dot_feed(&encoder, &body, wire, sizeof wire), 1);
    body = span_of("fine\r\n");
    assert_int_equal(smtp_dot_feed(&encoder, &body, wire, sizeof wire), 0);
    assert_int_equal(body.len, 6);
    assert_int_equal(smtp_dot_finish(&encoder, wire), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_bytes_however_body_and_room_are_split),
        cmocka_unit_test(sends_nothing_behind_a_flaw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
