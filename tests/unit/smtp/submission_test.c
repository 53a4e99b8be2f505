/* tests/unit/smtp/submission_test.c - promises of smtp/submission.h */
#include "../test.h"

#include "base/compiler.h"
#include "smtp/submission.h"

#define ADDED "From: Me <me@host.example>\r\nDate: now\r\nMessage-ID: <new@host.example>\r\n"
#define HAVE  "From: a@b.example\r\nDate: then\r\nMessage-ID: <old@b.example>\r\n"

static struct smtp_submission_settings usual(void)
{
    return (struct smtp_submission_settings){ .hostname = "host.example",
                                              .from = "Me <me@host.example>",
                                              .date = "now",
                                              .message_id = "<new@host.example>",
                                              .recipients_most = 4 };
}

struct made {
    struct arena arena;
    struct smtp_submission submission;
    struct error err;
    bool is_made;
};

static void make(struct made *made, struct smtp_submission_settings settings, struct span input)
{
    *made = (struct made){ 0 };
    arena_init(&made->arena, 65536);
    made->is_made =
        smtp_submission_make(&settings, input, 4096, &made->arena, &made->submission, &made->err);
}

static void drop(struct made *made)
{
    smtp_submission_clear(&made->submission);
    arena_clear(&made->arena);
}

static void check(struct smtp_submission_settings settings, const char *input, const char *header,
                  const char *body)
{
    struct made made;

    make(&made, settings, span_of(input));
    if (!made.is_made)
        fail_msg("%s: %s", input, made.err.text);
    assert_int_equal(made.submission.header.len, strlen(header));
    assert_memory_equal(made.submission.header.data, header, strlen(header));
    assert_int_equal(made.submission.body.len, strlen(body));
    if (body[0] != '\0')
        assert_memory_equal(made.submission.body.data, body, strlen(body));
    drop(&made);
}

static void refuses(struct smtp_submission_settings settings, struct span input,
                    enum error_kind kind, const char *text)
{
    struct made made;

    make(&made, settings, input);
    assert_false(made.is_made);
    assert_int_equal(made.err.kind, kind);
    assert_string_equal(made.err.text, text);
    drop(&made);
}

static void adds_what_is_missing_and_no_more(void **state)
{
    (void)state;
    check(usual(), "", ADDED "\r\n", "");
    check(usual(), HAVE "\r\nx\r\n", HAVE "\r\n", "x\r\n");
    check(usual(), "Subject: x\nMESSAGE-ID: <i@d>\n\nbody\n",
          "Subject: x\r\nMESSAGE-ID: <i@d>\r\nFrom: Me <me@host.example>\r\nDate: now\r\n\r\n",
          "body\r\n");
    check(usual(), "Message-Id:\nDate: \nFrom: \n\n", ADDED "\r\n", "");
}

static void begins_a_body_where_no_field_is(void **state)
{
    (void)state;
    check(usual(), "hello\nworld\n", ADDED "\r\n", "hello\r\nworld\r\n");
    check(usual(), "\nhello: x\n", ADDED "\r\n", "hello: x\r\n");
    check(usual(), "To: b@c.example\nno field\nX: y\n", "To: b@c.example\r\n" ADDED "\r\n",
          "no field\r\nX: y\r\n");
}

static void ends_every_line_with_crlf(void **state)
{
    (void)state;
    check(usual(), HAVE "\na\r\nb\nc", HAVE "\r\n", "a\r\nb\r\nc\r\n");
    check(usual(), HAVE "\n\n\r\n\n", HAVE "\r\n", "\r\n\r\n\r\n");
}

static void makes_blanks_of_stray_crs(void **state)
{
    struct made made;

    (void)state;
    check(usual(), HAVE "\n10%\r20%\r\r\nx\r", HAVE "\r\n", "10% 20% \r\nx\r\n");
    make(&made, usual(), span_of("\na\rb\r\rc\r\n"));
    assert_int_equal(made.submission.mended, 3);
    drop(&made);
}

static void ends_at_a_dot_alone_unless_told_not_to(void **state)
{
    struct smtp_submission_settings settings = usual();

    (void)state;
    check(settings, HAVE "\na\n.\nb\n", HAVE "\r\n", "a\r\n");
    check(settings, HAVE "\na\r\n.\r\nb\n", HAVE "\r\n", "a\r\n");
    check(settings, HAVE "\na\n..\n.b\n.", HAVE "\r\n", "a\r\n..\r\n.b\r\n");
    settings.ignores_dots = true;
    check(settings, HAVE "\na\n.\nb\n", HAVE "\r\n", "a\r\n.\r\nb\r\n");
}

static void drops_what_must_not_be_seen(void **state)
{
    (void)state;
    check(
        usual(),
        "From bob Sat Nov 21 19:05:00 2026\n"
        "Bcc: x@y.example,\n z@y.example\nReturn-Path: <q@y.example>\nResent-Bcc: w@y.example\n" HAVE
        "\nFrom here on\n",
        HAVE "\r\n", "From here on\r\n");
}

static void gives_addresses_without_domain_ours(void **state)
{
    (void)state;
    check(usual(),
          "From: root (Cron Daemon)\nTo: root, Ann <ann>,\n bob@c.example\nSubject: root\n"
          "Reply-To: a b c\nDate: then\nMessage-ID: <i@d>\n\nTo: root\n",
          "From: root@host.example (Cron Daemon)\r\n"
          "To: root@host.example, Ann <ann@host.example>,\r\n bob@c.example\r\nSubject: root\r\n"
          "Reply-To: a b c\r\nDate: then\r\nMessage-ID: <i@d>\r\n\r\n",
          "To: root\r\n");
}

static void check_recipients(const char *input, const char *const *wanted, size_t count)
{
    struct smtp_submission_settings settings = usual();
    struct made made;

    settings.takes_recipients = true;
    make(&made, settings, span_of(input));
    assert_true(made.is_made);
    assert_int_equal(made.submission.recipient_count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(made.submission.recipients[i], wanted[i]);
    drop(&made);
    settings.takes_recipients = false;
    make(&made, settings, span_of(input));
    assert_int_equal(made.submission.recipient_count, 0);
    drop(&made);
}

static void takes_recipients_from_the_header(void **state)
{
    static const char *const all[] = { "a@b.example", "root@host.example", "c@d.example" };
    static const char *const resent[] = { "e@f.example", "g@h.example" };

    (void)state;
    check_recipients("To: Ann <a@b.example>\nCc: root, a@b.example\nBcc: team: c@d.example;\n\n",
                     all, 3);
    check_recipients(
        "Resent-To: e@f.example\nResent-Bcc: g@h.example\nTo: a@b.example\nBcc: x@y.z\n\n", resent,
        2);
    check_recipients("Subject: none\n\nTo: a@b.example\n", NULL, 0);
}

static void refuses_recipients_that_are_none(void **state)
{
    struct smtp_submission_settings settings = usual();

    (void)state;
    settings.takes_recipients = true;
    refuses(settings, span_of("To: a@b.example c@d.example\n\n"), ERROR_FORMAT,
            "the To field: a comma is missing between two addresses, at \"c@d.example\"");
    refuses(settings, span_of("Cc: <>\n\n"), ERROR_FORMAT,
            "the Cc field: <> is an address to send from, not to");
    refuses(settings, span_of("Bcc: a,b,c,d,e\n\n"), ERROR_FORMAT,
            "the Bcc field: there are more than 4 recipients");
}

static void refuses_what_no_mail_may_hold(void **state)
{
    static const char with_nul[] = "Subject: x\n\na\0b\n";
    char circle[100 * 13 + 1] = "";

    (void)state;
    refuses(usual(), (struct span){ with_nul, sizeof with_nul - 1 }, ERROR_FORMAT,
            "line 3 holds a NUL, which no mail may (RFC 5322 section 3.5): encode the content as "
            "quoted-printable or base64");
    for (size_t i = 0; i < 100; i++)
        memcpy(circle + 13 * i, "Received: x\r\n", 13);
    refuses(usual(), (struct span){ circle, 13 * 100 }, ERROR_FORMAT,
            "the message has 100 Received fields: it goes in a circle");
}

static void has_a_limit(void **state)
{
    static char large[5000];

    (void)state;
    memset(large, 'x', sizeof large);
    refuses(usual(), (struct span){ large, sizeof large }, ERROR_MEMORY,
            "the message is too large");
    refuses(usual(), (struct span){ large, 4090 }, ERROR_MEMORY, "the message is too large");
}

static void tells_of_octets_beyond_ascii(void **state)
{
    struct made made;

    (void)state;
    make(&made, usual(), span_of("Subject: x\n\nplain\n"));
    assert_false(made.submission.is_8bit);
    assert_string_equal(made.submission.message_id, "<new@host.example>");
    drop(&made);
    make(&made, usual(), span_of("Message-ID:  <i@d> \n\ngr\xc3\xbc\xc3\x9f\n"));
    assert_true(made.submission.is_8bit);
    assert_string_equal(made.submission.message_id, "<i@d>");
    drop(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_what_is_missing_and_no_more),
        cmocka_unit_test(begins_a_body_where_no_field_is),
        cmocka_unit_test(ends_every_line_with_crlf),
        cmocka_unit_test(makes_blanks_of_stray_crs),
        cmocka_unit_test(ends_at_a_dot_alone_unless_told_not_to),
        cmocka_unit_test(drops_what_must_not_be_seen),
        cmocka_unit_test(gives_addresses_without_domain_ours),
        cmocka_unit_test(takes_recipients_from_the_header),
        cmocka_unit_test(refuses_recipients_that_are_none),
        cmocka_unit_test(refuses_what_no_mail_may_hold),
        cmocka_unit_test(has_a_limit),
        cmocka_unit_test(tells_of_octets_beyond_ascii),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
