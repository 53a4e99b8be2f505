/* tests/unit/gateway/tls_report_mail_test.c - promises of gateway/tls_report_mail.h */
#include "gateway/tls_report_mail.h"

#include <string.h>

#include "../test.h"
#include "base/gzip.h"
#include "base/text.h"

static struct arena arena;

static const struct tls_report_policy policy = {
    .type = TLS_REPORT_NO_POLICY, .domain = "a.example", .successes = 7, .failures = 2
};
static const struct tls_report report = { .organization = "Org",
                                          .contact = "tls@b.example",
                                          .id = "0.00ff.a.example",
                                          .start_s = 0,
                                          .end_s = 86399,
                                          .policies = &policy,
                                          .policy_count = 1 };

static struct tls_report_mail mail = { .report = &report,
                                       .domain = "a.example",
                                       .submitter = "b.example",
                                       .instance = "00ff",
                                       .from = "tls@b.example",
                                       .to = "t@a.example",
                                       .boundary = "==b==",
                                       .now_s = 90000 };

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_false(arena.exhausted);
    arena_clear(&arena);
    return 0;
}

/* The message as a text; the file's octets are in mail.file. */
static const char *compose(struct buffer *file)
{
    AUTO(buffer_clear) struct buffer out;
    struct error err = { 0 };

    buffer_init(file, 1 << 20);
    buffer_init(&out, 1 << 20);
    assert_true(tls_report_pack(&report, &arena, file, &err));
    mail.file = buffer_span(file);
    assert_true(tls_report_compose(&mail, &arena, &out));
    return arena_copy(&arena, buffer_span(&out));
}

static void every_line_is_ascii_ends_in_crlf_and_is_short(void **state)
{
    AUTO(buffer_clear) struct buffer file;
    const char *text = compose(&file);
    size_t line = 0;

    (void)state;
    assert_true(text_is_ascii(span_of(text)));
    for (const char *c = text; *c != '\0'; c++) {
        assert_true(*c != '\n' || c[-1] == '\r');
        assert_true(*c != '\r' || c[1] == '\n');
        line = *c == '\n' ? 0 : line + 1;
        assert_true(line <= 79);
    }
    assert_int_equal(line, 0);
}

static void the_header_has_all_that_the_rfc_asks_for(void **state)
{
    static const char *const fields[] = {
        "Date: Fri, 2 Jan 1970 01:00:00 +0000\r\n",
        "\r\nFrom: <tls@b.example>\r\n",
        "\r\nTo: <t@a.example>\r\n",
        "\r\nSubject: Report Domain: a.example\r\n Submitter: b.example\r\n",
        "\r\n Submitter: b.example\r\n Report-ID: <0.00ff.a.example@b.example>\r\n",
        "\r\nTLS-Report-Domain: a.example\r\n",
        "\r\nTLS-Report-Submitter: b.example\r\n",
        "\r\nTLS-Required: No\r\n",
        "\r\nAuto-Submitted: auto-generated\r\n",
        "\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"==b==\"\r\n",
    };
    AUTO(buffer_clear) struct buffer file;
    const char *text = compose(&file);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strstr(text, fields[i]) == NULL)
            fail_msg("%s is not in\n%s", fields[i], text);
}

static void the_file_in_it_is_the_report(void **state)
{
    AUTO(buffer_clear) struct buffer file, json;
    const char *text = compose(&file), *start, *end;
    struct tls_report read;
    struct span packed;
    struct error err = { 0 };

    (void)state;
    assert_non_null(strstr(text, "\r\nContent-Type: application/tlsrpt+gzip;\r\n name=\"b.example!"
                                 "a.example!0!86399!00ff.json.gz\"\r\n"));
    start = strstr(text, "Content-Transfer-Encoding: base64\r\n\r\n");
    assert_non_null(start);
    start += strlen("Content-Transfer-Encoding: base64\r\n\r\n");
    end = strstr(start, "--==b==--\r\n");
    assert_non_null(end);
    assert_true(text_from_base64(&arena, (struct span){ start, (size_t)(end - start) }, &packed));
    buffer_init(&json, 1 << 20);
    assert_true(gzip_read(packed, &json, &err));
    assert_true(tls_report_read(buffer_span(&json), &arena, &read, &err));
    assert_string_equal(read.id, report.id);
    assert_int_equal(read.policies[0].successes, 7);
}

static const struct {
    const char *uri, *mailbox;
} uris[] = {
    { "mailto:t@a.example", "t@a.example" },
    { "MAILTO:t@a.example", "t@a.example" },
    { "mailto:t@a.example?subject=x", "t@a.example" },
    { "mailto:a%2Bb@a.example", "a+b@a.example" },
    { "mailto:a%2bb%40a.example", "a+b@a.example" },
    { "mailto:a%0d%0aRcpt@a.example", NULL },
    { "mailto:a%20b@a.example", NULL },
    { "mailto:a%@a.example", NULL },
    { "mailto:a%4", NULL },
    { "mailto:a%zz@a.example", NULL },
    { "mailto:", NULL },
    { "mailto:t", NULL },
    { "mailto:t@a.example,u@a.example", NULL },
    { "mailto:t@[192.0.2.1]", NULL },
    { "mailto:t>@a.example", NULL },
    { "https://a.example/", NULL },
    { "", NULL },
};

static void only_one_plain_mailbox_is_taken_from_a_uri(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        const char *mailbox = tls_report_mailbox(uris[i].uri, &arena);

        if (uris[i].mailbox == NULL && mailbox != NULL)
            fail_msg("%s: %s", uris[i].uri, mailbox);
        if (uris[i].mailbox != NULL)
            assert_string_equal(mailbox, uris[i].mailbox);
    }
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(every_line_is_ascii_ends_in_crlf_and_is_short),
        PROMISE(the_header_has_all_that_the_rfc_asks_for),
        PROMISE(the_file_in_it_is_the_report),
        PROMISE(only_one_plain_mailbox_is_taken_from_a_uri),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
