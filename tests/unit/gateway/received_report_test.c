/* tests/unit/gateway/received_report_test.c - promises of gateway/received_report.h */
#include "../test.h"
#include "gateway/received_report.h"

#include <string.h>

#include "base/buffer.h"
#include "base/gzip.h"
#include "base/text.h"

#define JSON                                                                                       \
    "{\"organization-name\":\"Company-X\",\"report-id\":\"one\",\"contact-info\":\"a@x.example\"," \
    "\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\",\"end-datetime\":"                \
    "\"2016-04-01T23:59:59Z\"},\"policies\":[]}"
#define HEAD "From: <tls@x.example>\r\nSubject: Report\r\nMIME-Version: 1.0\r\n"
#define OPEN(parts)                                                                                \
    HEAD "Content-Type: multipart/report; report-type=tlsrpt; boundary=b\r\n\r\n" parts
#define MIXED(parts) OPEN(parts) "\r\n--b--\r\n"
#define WORDS        "--b\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n"
#define GZIP         "Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n"

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, RECEIVED_REPORT_ARENA_BYTES);
    return 0;
}

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct span packed(struct span bytes)
{
    struct buffer out;
    struct error err;
    struct span copy;

    buffer_init(&out, 8 << 20);
    assert_true(gzip_write(bytes, &out, &err));
    copy = arena_copy_bytes(&arena, buffer_span(&out));
    buffer_clear(&out);
    return copy;
}

/* The text with %s for the report, packed and in base64 with lines of 76. */
static struct span with_packed(const char *before, const char *behind)
{
    struct span digits = span_of(text_base64(&arena, packed(span_of(JSON))));
    const char *text = before;

    while (digits.len > 0) {
        struct span line = span_take_front(&digits, 76);

        text = arena_format(&arena, "%s%.*s\r\n", text, (int)line.len, line.data);
    }
    return span_of(arena_format(&arena, "%s%s", text, behind));
}

static void reads(struct span bytes, const char *place)
{
    struct received_report received;
    struct error err = { .kind = ERROR_NONE };

    if (!received_report_read(bytes, &arena, &received, &err))
        fail_msg("%s: %s", place, err.text);
    assert_string_equal(received.report.organization, "Company-X");
    assert_string_equal(received.report.id, "one");
    assert_true(span_equal(received.json, span_of(JSON)));
    assert_string_equal(received.place, place);
}

static void refuses(struct span bytes, const char *reason)
{
    struct received_report received;
    struct error err = { .kind = ERROR_NONE };

    if (received_report_read(bytes, &arena, &received, &err))
        fail_msg("was read, and not refused because %s", reason);
    assert_string_equal(err.text, reason);
    assert_int_equal(err.kind, ERROR_FORMAT);
}

static void reads_json_packed_or_not(void **state)
{
    (void)state;
    reads(span_of(JSON), "");
    reads(packed(span_of(JSON)), "");
    reads(span_of(MIXED("--b\r\nContent-Type: application/tlsrpt+json\r\n\r\n" JSON)),
          "part 1 (application/tlsrpt+json)");
    assert_true(received_report_read(span_of("\xef\xbb\xbf \r\n" JSON), &arena,
                                     &(struct received_report){ .place = "" }, NULL));
}

static void reads_the_mail_that_senders_make(void **state)
{
    (void)state;
    reads(with_packed(OPEN(WORDS "--b\r\n" GZIP), "\r\n--b--\r\n"),
          "part 2 (application/tlsrpt+gzip)");
    reads(with_packed(HEAD GZIP, ""), "its body (application/tlsrpt+gzip)");
    reads(with_packed("From someone Fri Apr  1 00:00:00 2016\n" HEAD GZIP, ""),
          "its body (application/tlsrpt+gzip)");
    reads(with_packed(HEAD
                      "Content-Type: application/octet-stream;\r\n name=\"x!y!1!2.json.gz\"\r\n"
                      "Content-Transfer-Encoding: base64\r\n\r\n",
                      ""),
          "its body (application/octet-stream)");
    reads(with_packed(HEAD "Content-Type: application/x-gzip\r\n"
                           "Content-Transfer-Encoding: base64\r\n\r\n",
                      ""),
          "its body (application/x-gzip)");
}

static void prefers_the_part_that_says_what_it_is(void **state)
{
    (void)state;
    reads(with_packed(OPEN("--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n" GZIP), ""),
          "part 2 (application/tlsrpt+gzip)");
}

static void finds_it_in_parts_of_parts_and_in_what_was_forwarded(void **state)
{
    (void)state;
    reads(
        with_packed(OPEN(WORDS "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n"
                               "\r\n--c\r\n" GZIP),
                    "\r\n--c--\r\n--b--\r\n"),
        "part 2.2 (application/tlsrpt+gzip)");
    reads(with_packed(OPEN(WORDS "--b\r\nContent-Type: message/rfc822\r\n\r\n" HEAD
                                 "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" GZIP),
                      "\r\n--c--\r\n--b--\r\n"),
          "part 2.1 (application/tlsrpt+gzip)");
}

static void says_where_it_is_damaged(void **state)
{
    static const char place[] = "part 2 (application/tlsrpt+gzip): ";
    struct span whole = with_packed(OPEN(WORDS "--b\r\n" GZIP), "\r\n--b--\r\n");
    char *text = (char *)(uintptr_t)arena_copy(&arena, whole);
    char *digits = strstr(text, "base64\r\n\r\n") + 10;
    char kept;

    (void)state;
    kept = digits[100];
    digits[100] = '!';
    refuses(span_of(text), arena_format(&arena,
                                        "%sline 2 of its base64 has \"!\", which does not "
                                        "belong there",
                                        place));
    digits[100] = kept;
    digits[100] = digits[100] == 'A' ? 'B' : 'A';
    {
        struct received_report received;
        struct error err;

        assert_false(received_report_read(span_of(text), &arena, &received, &err));
        assert_true(span_starts_with(span_of(err.text), place));
    }
    digits[100] = kept;
    digits[101] = '\0';
    refuses(span_of(text), arena_format(&arena, "%sits base64 is cut off in line 2", place));
    digits[98] = '\0'; /* 96 digits and a line end: whole groups */
    refuses(span_of(text), arena_format(&arena, "%sits gzip data are cut off", place));
    digits[0] = '\0';
    refuses(span_of(text), arena_format(&arena, "%sit is empty", place));
}

static void says_why_it_is_no_report(void **state)
{
    (void)state;
    refuses(span_of(""), "it is empty");
    refuses(span_of("%PDF-1.4\n"), "it is neither JSON, nor gzip data, nor a message");
    refuses(span_of("{\"policies\":[]}"), "date-range is not an object");
    refuses(packed(span_of("<html>")), "what its gzip data unpack to is no JSON");
    refuses(packed(packed(span_of(JSON))), "what its gzip data unpack to is no JSON");
    refuses(span_of("\x1f\x8b\x08"), "its gzip data are cut off");
    refuses(span_of(HEAD "\r\nHello.\r\n"), "the message has no TLS report, but text/plain");
    refuses(span_of(MIXED(WORDS "--b\r\nContent-Type: image/\x1b[2Jpng\r\n\r\n")),
            "the message has no TLS report, but text/plain, image/\\x1b");
    refuses(span_of(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing"),
            "the message has no TLS report, but no parts at all");
    refuses(span_of(HEAD "Content-Type: application/tlsrpt+gzip\r\n\r\nplain"),
            "its body (application/tlsrpt+gzip): it is neither gzip data nor JSON");
    refuses(span_of(HEAD "Content-Type: application/tlsrpt+gzip\r\n"
                         "Content-Transfer-Encoding: x-uuencode\r\n\r\nplain"),
            "its body (application/tlsrpt+gzip): its Content-Transfer-Encoding is none that is "
            "known");
    refuses(span_of(MIXED("--b\r\nContent-Type: application/tlsrpt+json\r\n\r\n{\"a\":")),
            "part 1 (application/tlsrpt+json): no JSON: unexpected token near end of file (line 1, "
            "column 5)");
}

static void is_not_impressed_by_bombs(void **state)
{
    static char zeros[RECEIVED_REPORT_BYTES_MOST + 1];

    (void)state;
    refuses((struct span){ zeros, sizeof zeros }, "it is larger than 8 MiB");
    refuses(packed((struct span){ zeros, sizeof zeros }),
            "its gzip data unpack to more than 200 times their size: a bomb, not text");
    for (size_t i = 0; i < sizeof zeros; i++) /* of what packs badly, more than a report may have */
        zeros[i] = (char)(i * i / 7 + i % 251);
    refuses(packed((struct span){ zeros, TLS_REPORT_BYTES_MOST + 1 }),
            "its gzip data unpack to more than the 2097152 octets that are allowed");
}

static void gives_up_on_parts_without_end(void **state)
{
    const char *nested = "", *many = HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

    (void)state;
    for (int i = 0; i < 12; i++)
        nested = arena_format(
            &arena, "%sContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", nested, i, i);
    refuses(span_of(nested), "the message has parts in parts more than 8 deep");
    for (int i = 0; i < RECEIVED_REPORT_PARTS_MOST; i++)
        many = arena_format(&arena, "%s--b\r\n\r\nx\r\n", many);
    refuses(span_of(many), "the message has more than 100 parts");
    nested = "";
    for (int i = 0; i < 12; i++)
        nested = arena_format(&arena, "%sContent-Type: message/rfc822\r\n\r\n", nested);
    refuses(span_of(nested), "the message has parts in parts more than 8 deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_json_packed_or_not),
        cmocka_unit_test(reads_the_mail_that_senders_make),
        cmocka_unit_test(prefers_the_part_that_says_what_it_is),
        cmocka_unit_test(finds_it_in_parts_of_parts_and_in_what_was_forwarded),
        cmocka_unit_test(says_where_it_is_damaged),
        cmocka_unit_test(says_why_it_is_no_report),
        cmocka_unit_test(is_not_impressed_by_bombs),
        cmocka_unit_test(gives_up_on_parts_without_end),
    };

    return cmocka_run_group_tests(tests, open_arena, clear_arena);
}
