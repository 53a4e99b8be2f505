/* tests/unit/smtp/content_test.c - promises of smtp/content.h */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "smtp/content.h"

enum { BYTES = 4096 };

struct result {
    struct smtp_content content;
    enum smtp_content_status status;
    char decoded[BYTES];
    size_t len, left; /* of the input, that was not taken */
};

static void decode(struct result *result, struct span wire, size_t piece, bool is_data, bool mends)
{
    *result = (struct result){ .status = SMTP_CONTENT_MORE };
    smtp_content_init(&result->content, is_data, mends);
    while (wire.len > 0 && result->status == SMTP_CONTENT_MORE) {
        struct span part = span_part(wire, 0, piece), decoded;
        size_t offered = part.len;

        result->status = smtp_content_feed(&result->content, &part, &decoded);
        assert_true(part.len < offered || result->status == SMTP_CONTENT_FALSE_END);
        assert_true(decoded.len < sizeof result->decoded - result->len);
        if (decoded.len > 0)
            memcpy(result->decoded + result->len, decoded.data, decoded.len);
        result->len += decoded.len;
        span_take_front(&wire, offered - part.len);
    }
    if (result->status == SMTP_CONTENT_MORE && !is_data)
        smtp_content_finish(&result->content);
    result->left = wire.len;
    assert_true(result->content.octets == result->len);
}

static void check_same(const struct result *split, const struct result *whole)
{
    assert_int_equal(split->status, whole->status);
    assert_int_equal(split->content.flaw, whole->content.flaw);
    assert_int_equal(split->len, whole->len);
    assert_int_equal(split->left, whole->left);
    assert_memory_equal(split->decoded, whole->decoded, whole->len);
}

/* Every split gives the same. */
static struct result decode_anyhow(struct span wire, bool is_data, bool mends)
{
    static struct result whole, split;

    decode(&whole, wire, SIZE_MAX, is_data, mends);
    for (size_t piece = 1; piece < wire.len; piece++) {
        decode(&split, wire, piece, is_data, mends);
        check_same(&split, &whole);
    }
    return whole;
}

static const struct row {
    const char *wire, *decoded;
    enum smtp_content_status status;
    enum smtp_content_flaw flaw;
} rows[] = {
    { ".\r\n", "", SMTP_CONTENT_ENDED, SMTP_CONTENT_FINE },
    { "\r\n.\r\n", "\r\n", SMTP_CONTENT_ENDED, SMTP_CONTENT_FINE },
    { "a\r\n.\r\n", "a\r\n", SMTP_CONTENT_ENDED, SMTP_CONTENT_FINE },
    { "..\r\n...\r\n..a\r\na.b.\r\n.\r\n", ".\r\n..\r\n.a\r\na.b.\r\n", SMTP_CONTENT_ENDED,
      SMTP_CONTENT_FINE },
    { ".a\r\n.\r\n", "a\r\n", SMTP_CONTENT_ENDED, SMTP_CONTENT_FINE },
    { "\xff\x80\t\x01\r\n.\r\n", "\xff\x80\t\x01\r\n", SMTP_CONTENT_ENDED, SMTP_CONTENT_FINE },
    { "a\r\n.", "a\r\n", SMTP_CONTENT_MORE, SMTP_CONTENT_FINE },
    { "a\r\n.\r", "a\r\n", SMTP_CONTENT_MORE, SMTP_CONTENT_FINE },
    { "a\r", "a", SMTP_CONTENT_MORE, SMTP_CONTENT_FINE },
    { "a\nb\r\n.\r\n", "a", SMTP_CONTENT_ENDED, SMTP_CONTENT_BARE_LF },
    { "a\n\r\n.\r\n", "a", SMTP_CONTENT_ENDED, SMTP_CONTENT_BARE_LF },
    { "a\rb\r\n.\r\n", "a", SMTP_CONTENT_ENDED, SMTP_CONTENT_BARE_CR },
    { "a\r\r\n.\r\n", "a", SMTP_CONTENT_ENDED, SMTP_CONTENT_BARE_CR },
    { "..\nb\r\n.\r\n", ".", SMTP_CONTENT_ENDED, SMTP_CONTENT_BARE_LF },
    { "a\nb", "a", SMTP_CONTENT_MORE, SMTP_CONTENT_BARE_LF },
    { "a\n.x\n..\n.\r\r", "a", SMTP_CONTENT_FALSE_END, SMTP_CONTENT_BARE_LF },
};

static void takes_the_dots_off_and_knows_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct result result = decode_anyhow(span_of(rows[i].wire), true, false);

        assert_int_equal(result.status, rows[i].status);
        assert_int_equal(result.content.flaw, rows[i].flaw);
        assert_int_equal(result.len, strlen(rows[i].decoded));
        assert_memory_equal(result.decoded, rows[i].decoded, result.len);
    }
}

/* What has been taken for line ends, or is left out, by somebody. The first is the only one. */
static const struct span ends[] = {
    { "\r\n", 2 },   { "\n", 1 },     { "\r", 1 },     { "\r\r\n", 3 }, { "\n\r", 2 },
    { "\0\r\n", 3 }, { "\r\0\n", 3 }, { "\r\n\0", 3 }, { "\0", 1 },     { "", 0 },
    { "\x0b", 1 },   { "\x0c", 1 },   { "\x85", 1 },   { " \r\n", 3 },  { "\r \n", 3 },
};
static const struct span dots[] = {
    { ".", 1 }, { "\0.", 2 }, { ".\0", 2 }, { "..", 2 }, { ". ", 2 }
};

/* Every pair of ends around every dot: CRLF.CRLF ends the data, and nothing else does. */
static void nothing_but_crlf_dot_crlf_ends_the_data(void **state)
{
    static const char behind[] = "MAIL FROM:<evil@example.org>\r\n";
    size_t ended = 0, tried = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends) * ARRAY_SIZE(ends) * ARRAY_SIZE(dots) * 2; i++) {
        struct span before = ends[i % ARRAY_SIZE(ends)];
        struct span after = ends[i / ARRAY_SIZE(ends) % ARRAY_SIZE(ends)];
        struct span dot = dots[i / ARRAY_SIZE(ends) / ARRAY_SIZE(ends) % ARRAY_SIZE(dots)];
        bool mends = i >= ARRAY_SIZE(ends) * ARRAY_SIZE(ends) * ARRAY_SIZE(dots);
        char wire[128] = "a";
        size_t len = 1;

        memcpy(wire + len, before.data, before.len);
        memcpy(wire + len + before.len, dot.data, dot.len);
        memcpy(wire + len + before.len + dot.len, after.data, after.len);
        len += before.len + dot.len + after.len;
        memcpy(wire + len, behind, sizeof behind - 1);
        struct span whole = { wire, len + sizeof behind - 1 };
        bool is_true = memmem(wire, len, "\r\n.\r\n", 5) != NULL;
        struct result result = decode_anyhow(whole, true, mends);

        tried++;
        ended += result.status == SMTP_CONTENT_ENDED;
        if ((result.status == SMTP_CONTENT_ENDED) != is_true)
            fail_msg("row %zu: status %d", i, (int)result.status);
    }
    assert_int_equal(tried, 15 * 15 * 5 * 2);
    assert_int_equal(ended, 16); /* whatever stood before that CRLF or behind this one */
}

/* One text behind another, padded to where it is to stand. */
static struct span stand_at(char *wire, size_t at, bool in_lines, struct span awkward)
{
    for (size_t i = 0; i < at; i++)
        wire[i] = !in_lines ? 'x' : (at - i) % 20 == 2 ? '\r' : (at - i) % 20 == 1 ? '\n' : 'y';
    memcpy(wire + at, awkward.data, awkward.len);
    memset(wire + at + awkward.len, 'z', 80);
    memcpy(wire + at + awkward.len + 80, "\r\n.\r\n", 5);
    return (struct span){ wire, at + awkward.len + 85 };
}

/* Long runs are looked at in blocks, short ones octet by octet: both must see the same. */
static void sees_the_same_wherever_it_stands_in_a_long_text(void **state)
{
    static const struct span awkward[] = {
        { "\r\n.\r\n", 5 },    { "\r\n..\r\n", 6 }, { "\r\n.", 3 },   { ".\r\n", 3 },
        { "..", 2 },           { "\n", 1 },         { "\r", 1 },      { "\0", 1 },
        { "\r\0", 2 },         { "\r\r\n", 3 },     { "\n\r", 2 },    { "\r\n\n", 3 },
        { "\r\n\r\n", 4 },     { "\n.\r\n", 4 },    { "\r\n.\n", 4 }, { "\r\n\0", 3 },
        { "\x8a\xae\x8d", 3 },
    };
    static const size_t pieces[] = { 1, 63, 64, 65, 66, 67, 100, 129 };
    static struct result whole, split;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(awkward) * 150 * 8; i++) {
        char wire[256];
        bool is_data = i & 1, mends = i & 2, in_lines = i & 4;
        struct span text =
            stand_at(wire, i / 8 % 150, in_lines, awkward[i / 8 / 150 % ARRAY_SIZE(awkward)]);

        decode(&whole, text, SIZE_MAX, is_data, mends);
        for (size_t j = 0; j < ARRAY_SIZE(pieces); j++) {
            decode(&split, text, pieces[j], is_data, mends);
            check_same(&split, &whole);
        }
    }
}

/* Mended or not, what is handed on holds no bare line end and no NUL. */
static void hands_on_no_bare_line_end(void **state)
{
    char wire[8];

    (void)state;
    for (size_t i = 0; i < 6 * 6 * 6 * 6 * 6 * 6; i++) {
        size_t rest = i;

        for (size_t k = 0; k < 6; k++, rest /= 6)
            wire[k] = "a.\r\n\0\xff"[rest % 6];
        for (unsigned way = 0; way < 4; way++) {
            struct result result = decode_anyhow((struct span){ wire, 6 }, way & 1, way & 2);

            for (size_t k = 0; k < result.len; k++) {
                char c = result.decoded[k];

                assert_true(c != '\0');
                assert_true(c != '\n' || (k > 0 && result.decoded[k - 1] == '\r'));
                assert_true(c != '\r' || (k + 1 < result.len && result.decoded[k + 1] == '\n'));
            }
        }
    }
}

static void mends_a_bare_lf_where_that_is_set(void **state)
{
    static const struct {
        const char *wire, *decoded;
        enum smtp_content_status status;
    } mended[] = {
        { "a\nb\r\n.\r\n", "a\r\nb\r\n", SMTP_CONTENT_ENDED },
        { "\n\n\r\n.\r\n", "\r\n\r\n\r\n", SMTP_CONTENT_ENDED },
        { "a\n.\r\n.\r\n", "a\r\n.\r\n", SMTP_CONTENT_ENDED },
        { "a\r\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", SMTP_CONTENT_ENDED },
        { "a\n.\n.\n..\n", "a\r\n.\r\n.\r\n.\r\n", SMTP_CONTENT_MORE },
        { "a\n..b\n.c\r\n.\r\n", "a\r\n.b\r\nc\r\n", SMTP_CONTENT_ENDED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mended); i++) {
        struct result result = decode_anyhow(span_of(mended[i].wire), true, true);

        assert_int_equal(result.status, mended[i].status);
        assert_int_equal(result.content.flaw, SMTP_CONTENT_FINE);
        assert_int_equal(result.len, strlen(mended[i].decoded));
        assert_memory_equal(result.decoded, mended[i].decoded, result.len);
    }
}

static void takes_chunks_as_they_are(void **state)
{
    static const char wire[] = ".\r\n..\r\n.\r\n\r\nno end";
    struct result result = decode_anyhow(span_of(wire), false, false);

    (void)state;
    assert_int_equal(result.content.flaw, SMTP_CONTENT_FINE);
    assert_int_equal(result.len, strlen(wire));
    assert_memory_equal(result.decoded, wire, result.len);
    assert_int_equal(decode_anyhow(span_of("a\r"), false, false).content.flaw,
                     SMTP_CONTENT_BARE_CR);
    assert_int_equal(decode_anyhow(span_of("a\nb"), false, false).content.flaw,
                     SMTP_CONTENT_BARE_LF);
    result = decode_anyhow(span_of("a\nb"), false, true);
    assert_memory_equal(result.decoded, "a\r\nb", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_dots_off_and_knows_the_end),
        cmocka_unit_test(nothing_but_crlf_dot_crlf_ends_the_data),
        cmocka_unit_test(sees_the_same_wherever_it_stands_in_a_long_text),
        cmocka_unit_test(hands_on_no_bare_line_end),
        cmocka_unit_test(mends_a_bare_lf_where_that_is_set),
        cmocka_unit_test(takes_chunks_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
