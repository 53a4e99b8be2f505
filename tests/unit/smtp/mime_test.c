/* tests/unit/smtp/mime_test.c - promises of smtp/mime.h */
#include "../test.h"
#include "smtp/mime.h"

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void reads_what_a_header_says_of_the_body(void **state)
{
    static const struct {
        const char *text, *type, *boundary, *name;
        enum smtp_mime_encoding encoding;
    } rows[] = {
        { "\r\nbody", "text/plain", NULL, "", SMTP_MIME_PLAIN },
        { "Content-Type: Multipart/Mixed; boundary=abc\r\n\r\n", "Multipart/Mixed", "abc", "",
          SMTP_MIME_PLAIN },
        { "content-type:\r\n multipart/report (of (ours)) ;\r\n\tReport-Type=\"tlsrpt\";\r\n"
          " BOUNDARY=\"a b\\\"c\"\r\n\r\n",
          "multipart/report", "a b\"c", "", SMTP_MIME_PLAIN },
        { "Content-Type: application/tlsrpt+gzip; name=a.json.gz\nContent-Transfer-Encoding:"
          "BASE64 (as ever)\n\n",
          "application/tlsrpt+gzip", NULL, "a.json.gz", SMTP_MIME_BASE64 },
        { "Content-Type: application/x; name=\"one\"\r\nContent-Disposition: attachment;\r\n"
          " filename=\"google.com!example.org!1!2!001.json.gz\"\r\n\r\n",
          "application/x", NULL, "google.com!example.org!1!2!001.json.gz", SMTP_MIME_PLAIN },
        { "Content-Type: text/html;;; ; =x; boundary=\r\nContent-Type: text/x\r\n"
          "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n",
          "text/html", NULL, "", SMTP_MIME_QUOTED_PRINTABLE },
        { "Content-Transfer-Encoding: x-uuencode\r\n\r\n", "text/plain", NULL, "",
          SMTP_MIME_UNKNOWN },
        { "Content-Type: a/b; name=\"never ends", "a/b", NULL, "never ends", SMTP_MIME_PLAIN },
        { "Content-Type: (never ends", "text/plain", NULL, "", SMTP_MIME_PLAIN },
        { "Content-Type:\r\n ; boundary=b\r\n\r\n", "text/plain", "b", "", SMTP_MIME_PLAIN },
        { "Content-Type: a/b; name=\"never ends\\", "a/b", NULL, "never ends\\", SMTP_MIME_PLAIN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_mime mime = smtp_mime_read(span_of(rows[i].text), &arena);

        if (!span_equal(mime.type, span_of(rows[i].type)) || mime.encoding != rows[i].encoding ||
            strcmp(mime.name, rows[i].name) != 0 ||
            (mime.boundary == NULL) != (rows[i].boundary == NULL) ||
            (mime.boundary != NULL && strcmp(mime.boundary, rows[i].boundary) != 0))
            fail_msg("row %zu: type \"%.*s\", boundary %s, name \"%s\", encoding %d", i,
                     (int)mime.type.len, mime.type.data, mime.boundary, mime.name,
                     (int)mime.encoding);
    }
}

/* The parts, each between "<" and ">". */
static const char *parts_of(const char *text)
{
    struct smtp_mime mime = smtp_mime_read(span_of(text), &arena);
    struct span rest, part;
    const char *parts = "";

    if (!smtp_mime_is_multipart(&mime))
        return "none";
    rest = smtp_mime_parts(&mime);
    while (smtp_mime_next(&mime, &rest, &part))
        parts = arena_format(&arena, "%s<%.*s>", parts, (int)part.len, part.data);
    return parts;
}

static void takes_a_message_apart(void **state)
{
    static const char head[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    static const struct {
        const char *body, *parts;
    } rows[] = {
        { "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", "<\r\none><\r\ntwo>" },
        { "before\r\n--b \t\r\none\r\n\r\n--b--\r\nbehind\r\n--b\r\nno part\r\n", "<one\r\n>" },
        { "--b\none\n--b\ntwo\n--b--", "<one><two>" },
        { "--b\r\n--b\r\n--b--\r\n", "<><>" },
        { "--b\r\none\r\n--bb\r\n -b\r\n--b x\r\n--b--", "<one\r\n--bb\r\n -b\r\n--b x>" },
        { "--b\r\none\r\n--b\r\nits end is missing", "<one><its end is missing>" },
        { "no boundary anywhere\r\n", "" },
        { "--b--\r\n--b\r\none", "" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *parts = parts_of(arena_format(&arena, "%s%s", head, rows[i].body));

        if (strcmp(parts, rows[i].parts) != 0)
            fail_msg("row %zu: %s", i, parts);
    }
    assert_string_equal(parts_of("Content-Type: text/plain; boundary=b\r\n\r\n--b\r\n"), "none");
    assert_string_equal(parts_of("Content-Type: multipart/mixed\r\n\r\n--b\r\n"), "none");
}

static void decodes_bodies(void **state)
{
    static const struct {
        const char *encoding, *body, *decoded;
    } rows[] = {
        { "7bit", "as it is =20\r\n", "as it is =20\r\n" },
        { "base64", "", "" },
        { "base64", "aGVs\r\nbG8K\r\n", "hello\n" },
        { "base64", "a Q = =\n", "i" },
        { "base64", "aGk=", "hi" },
        { "quoted-printable", "a=20b=\r\nc \t\r\nd=3d=3D=", "a bc\r\nd==" },
        { "quoted-printable", "x=\nno escape: =zz =4\nend", "xno escape: =zz =4\r\nend" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_mime mime =
            smtp_mime_read(span_of(arena_format(&arena, "Content-Transfer-Encoding: %s\r\n\r\n%s",
                                                rows[i].encoding, rows[i].body)),
                           &arena);
        struct buffer out;
        const char *flaw;

        buffer_init(&out, 1000);
        if (!smtp_mime_decode(&mime, &out, &arena, &flaw))
            fail_msg("row %zu: %s", i, flaw);
        if (!span_equal(buffer_span(&out), span_of(rows[i].decoded)))
            fail_msg("row %zu: %.*s", i, (int)out.len, out.data);
        buffer_clear(&out);
    }
}

static void says_what_is_damaged(void **state)
{
    static const struct {
        const char *encoding, *body, *flaw;
    } rows[] = {
        { "base64", "aGVs\r\nbG8", "its base64 is cut off in line 2" },
        { "base64", "aGVs\r\n*", "line 2 of its base64 has \"*\", which does not belong there" },
        { "base64", "aGk=\r\naGk=", "line 2 of its base64 has \"a\", which does not belong there" },
        { "base64", "aG=k", "line 1 of its base64 has \"k\", which does not belong there" },
        { "base64", "a===", "line 1 of its base64 has \"=\", which does not belong there" },
        { "base64", "\x1b", "line 1 of its base64 has \"?\", which does not belong there" },
        { "base64", "aGVsbG8gYWdhaW4h", "it has more than the 10 octets that are allowed" },
        { "7bit", "eleven octets", "it has more than the 10 octets that are allowed" },
        { "quoted-printable", "eleven octets", "it has more than the 10 octets that are allowed" },
        { "x-uuencode", "x", "its Content-Transfer-Encoding is none that is known" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_mime mime =
            smtp_mime_read(span_of(arena_format(&arena, "Content-Transfer-Encoding: %s\r\n\r\n%s",
                                                rows[i].encoding, rows[i].body)),
                           &arena);
        struct buffer out;
        const char *flaw;

        buffer_init(&out, 10);
        assert_false(smtp_mime_decode(&mime, &out, &arena, &flaw));
        assert_string_equal(flaw, rows[i].flaw);
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_header_says_of_the_body),
        cmocka_unit_test(takes_a_message_apart),
        cmocka_unit_test(decodes_bodies),
        cmocka_unit_test(says_what_is_damaged),
    };

    return cmocka_run_group_tests(tests, open_arena, clear_arena);
}
