/* tests/unit/smtp/field_drop_test.c - promises of smtp/field_drop.h */
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "smtp/field_drop.h"
#include "smtp/header.h"

enum {
    LINE_MOST = 998, /* without its end: RFC 5322 section 2.1.1 */
    MESSAGE_MOST = 1100,
};

/* What smtp/header.h, which sees the whole message, makes of it. */
static size_t drop_whole(struct span message, const char *name, char *out)
{
    struct smtp_field field;
    size_t len = 0;

    while (smtp_header_next(&message, &field)) {
        if (smtp_field_is(&field, name))
            continue;
        memcpy(out + len, field.whole.data, field.whole.len);
        len += field.whole.len;
    }
    if (message.len > 0)
        memcpy(out + len, message.data, message.len);
    return len + message.len;
}

static size_t append(char *out, size_t len, struct span part)
{
    if (part.len > 0)
        memcpy(out + len, part.data, part.len);
    return len + part.len;
}

static size_t drop_in_pieces(struct span message, const char *name, size_t piece, char *out)
{
    struct smtp_field_drop drop;
    size_t len = 0;

    smtp_field_drop_init(&drop, name);
    while (message.len > 0) {
        struct span input = span_take_front(&message, piece);

        while (input.len > 0)
            len = append(out, len, smtp_field_drop_next(&drop, &input));
    }
    return append(out, len, smtp_field_drop_end(&drop));
}

static void check(struct span message, const char *name)
{
    char wanted[MESSAGE_MOST], kept[MESSAGE_MOST];
    size_t wanted_len = drop_whole(message, name, wanted);

    for (size_t piece = 1; piece <= message.len; piece++) {
        size_t len = drop_in_pieces(message, name, piece, kept);

        if (len != wanted_len || memcmp(kept, wanted, len) != 0)
            fail_msg("in pieces of %zu \"%.*s\" becomes \"%.*s\"", piece, (int)message.len,
                     message.data, (int)len, kept);
    }
}

static void drops_the_fields_that_the_whole_header_shows(void **state)
{
    static const char *const messages[] = {
        "",
        "Ab: x\n",
        "aB : x\r\n fold\r\n\t\r\nC: y\r\n\r\nAb: body\r\n",
        "Ab",
        "Ab ",
        "Ab x\nAb: y\n",
        "A: 1\nAb: 2\nAbc: 3\n Ab: 4\nAb:\n\nAb: 5\n",
        " Ab: fold of nothing\nAb: x\n",
        ": no name\nAb: x\n",
        "From here\nAb: x\n",
        "C:\rAb: x\nAb: y",
        "\nAb: x\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        check(span_of(messages[i]), "Ab");
}

/* Few octets, so that all of their neighbourhoods come up. */
static void agrees_with_the_whole_header_on_any_octets(void **state)
{
    static const char octets[] = {
        'A', 'b', 'a', 'B', 'c', ':', ' ', '\t', '\n', '\n', '\r', '\xff'
    };
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[24];

        for (size_t j = 0; j < sizeof text; j++) {
            seed = seed * 1103515245 + 12345;
            text[j] = octets[(seed >> 16) % sizeof octets];
        }
        check((struct span){ text, sizeof text }, "Ab");
    }
}

static void blanks_that_a_line_has_room_for_hide_no_field(void **state)
{
    char message[MESSAGE_MOST] = "Ab";

    (void)state;
    memset(message + 2, ' ', LINE_MOST - 3);
    memcpy(message + LINE_MOST - 1, ":\r\nC: d\n", 8);
    check(span_of(message), "Ab");
}

/* Its memory is bounded: what does not fit is no name to it, and is all there. */
static void leaves_in_what_has_too_many_blanks(void **state)
{
    char message[MESSAGE_MOST] = "Ab", kept[MESSAGE_MOST];

    (void)state;
    memset(message + 2, ' ', SMTP_FIELD_DROP_HELD);
    memcpy(message + 2 + SMTP_FIELD_DROP_HELD, ": x\n", 5);
    for (size_t piece = 1; piece <= strlen(message); piece++) {
        size_t len = drop_in_pieces(span_of(message), "Ab", piece, kept);

        assert_int_equal(len, strlen(message));
        assert_memory_equal(kept, message, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_the_fields_that_the_whole_header_shows),
        cmocka_unit_test(agrees_with_the_whole_header_on_any_octets),
        cmocka_unit_test(blanks_that_a_line_has_room_for_hide_no_field),
        cmocka_unit_test(leaves_in_what_has_too_many_blanks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
