/* tests/unit/smtp/command_parse_test.c - promises of smtp/command.h about the lines of a client */
#include "../test.h"

#include <string.h>

#include "base/compiler.h"
#include "smtp/command.h"

#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10
#define X100 X50 X50

static const uint32_t all = SMTP_EXTENSION_SIZE | SMTP_EXTENSION_8BITMIME |
                            SMTP_EXTENSION_SMTPUTF8 | SMTP_EXTENSION_DSN |
                            SMTP_EXTENSION_REQUIRETLS;

static struct smtp_command parse(const char *line)
{
    struct smtp_command command;
    struct smtp_answer answer;

    if (!smtp_command_parse(span_of(line), all, &command, &answer))
        fail_msg("%s: %u %s", line, (unsigned)answer.code, answer.text);
    return command;
}

static void assert_span(struct span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    if (span.len > 0)
        assert_memory_equal(span.data, text, span.len);
}

static void knows_each_command_in_any_case(void **state)
{
    static const struct {
        const char *line;
        enum smtp_command_verb verb;
        const char *argument;
    } rows[] = {
        { "EHLO mx.example.org", SMTP_COMMAND_EHLO, "mx.example.org" },
        { "ehlo [192.0.2.1]", SMTP_COMMAND_EHLO, "[192.0.2.1]" },
        { "HELO my_host", SMTP_COMMAND_HELO, "my_host" },
        { "STARTTLS", SMTP_COMMAND_STARTTLS, "" },
        { "starttls  ", SMTP_COMMAND_STARTTLS, "" },
        { "MAIL FROM:<>", SMTP_COMMAND_MAIL, "" },
        { "DATA", SMTP_COMMAND_DATA, "" },
        { "Rset", SMTP_COMMAND_RSET, "" },
        { "NOOP", SMTP_COMMAND_NOOP, "" },
        { "NOOP are you there", SMTP_COMMAND_NOOP, "are you there" },
        { "VRFY someone", SMTP_COMMAND_VRFY, "someone" },
        { "HELP", SMTP_COMMAND_HELP, "" },
        { "QUIT ", SMTP_COMMAND_QUIT, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_command command = parse(rows[i].line);

        assert_int_equal(command.verb, rows[i].verb);
        assert_span(command.argument, rows[i].argument);
    }
}

static void reads_a_mailbox_between_its_brackets(void **state)
{
    static const struct {
        const char *line, *argument, *local_part, *domain;
    } rows[] = {
        { "MAIL FROM:<a@example.org>", "a@example.org", "a", "example.org" },
        { "mail from:<a@example.org>", "a@example.org", "a", "example.org" },
        { "MAIL  FROM:  <a@example.org>", "a@example.org", "a", "example.org" },
        { "RCPT TO:<\"a> b\"@example.org>", "\"a> b\"@example.org", "\"a> b\"", "example.org" },
        { "RCPT TO:<\"a\\\">\"@example.org>", "\"a\\\">\"@example.org", "\"a\\\">\"",
          "example.org" },
        { "RCPT TO:<a%b.example@example.org>", "a%b.example@example.org", "a%b.example",
          "example.org" },
        { "RCPT TO:<b.example!a@example.org>", "b.example!a@example.org", "b.example!a",
          "example.org" },
        { "RCPT TO:<a@[IPv6:::1]>", "a@[IPv6:::1]", "a", "[IPv6:::1]" },
        { "RCPT TO:<\xc3\xb6@example.org>", "\xc3\xb6@example.org", "\xc3\xb6", "example.org" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_command command = parse(rows[i].line);

        assert_span(command.argument, rows[i].argument);
        assert_span(command.address.local_part, rows[i].local_part);
        assert_span(command.address.domain, rows[i].domain);
        assert_false(command.is_postmaster);
    }
    assert_true(parse("RCPT TO:<postMASTER>").is_postmaster);
    assert_true(parse("RCPT TO:<\xc3\xb6@example.org>").address.is_utf8);
}

static void reads_each_parameter_of_mail(void **state)
{
    struct smtp_command plain = parse("MAIL FROM:<a@example.org>");
    struct smtp_command full = parse("MAIL FROM:<\xc3\xb6@example.org> size=18446744073709551615 "
                                     "BODY=8bitmime  SMTPUTF8 requiretls RET=HDRS ENVID=a+2Bb ");

    (void)state;
    assert_true(!plain.has_size && !plain.is_8bit && !plain.is_utf8 && plain.envelope_id.len == 0);
    assert_int_equal(plain.parts, SMTP_COMMAND_RETURN_NONE);
    assert_true(full.has_size && full.is_8bit && full.is_utf8 && full.requires_tls);
    assert_false(plain.requires_tls);
    assert_true(full.size == UINT64_MAX);
    assert_int_equal(full.parts, SMTP_COMMAND_RETURN_HDRS);
    assert_span(full.envelope_id, "a+2Bb");
    assert_int_equal(parse("MAIL FROM:<> RET=full").parts, SMTP_COMMAND_RETURN_FULL);
    assert_false(parse("MAIL FROM:<> BODY=7BIT").is_8bit);
    assert_true(parse("MAIL FROM:<> SIZE=0").has_size);
    assert_true(parse("MAIL FROM:<> SIZE=18446744073709551616").size == UINT64_MAX);
    assert_true(parse("MAIL FROM:<> SIZE=99999999999999999999").size == UINT64_MAX);
    assert_true(parse("MAIL FROM:<> SIZE=00000000000000000001").size == 1);
    assert_span(parse("MAIL FROM:<> ENVID=" X100).envelope_id, X100);
}

static void reads_each_parameter_of_rcpt(void **state)
{
    struct smtp_command command =
        parse("RCPT TO:<b@example.org> NOTIFY=success,FAILURE,Delay ORCPT=rfc822;b+2B@x.example");

    (void)state;
    assert_int_equal(command.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
    assert_span(command.original, "rfc822;b+2B@x.example");
    assert_int_equal(parse("RCPT TO:<b@example.org> NOTIFY=NEVER").notify, SMTP_NOTIFY_NEVER);
    assert_span(parse("RCPT TO:<b@example.org> ORCPT=utf-8;\xc3\xb6@x.example").original,
                "utf-8;\xc3\xb6@x.example");
    assert_span(parse("RCPT TO:<b@example.org> ORCPT=utf-8;\\x{F6}+2Bt@x.example").original,
                "utf-8;\\x{F6}+2Bt@x.example");
    assert_int_equal(parse("RCPT TO:<b@example.org>").notify, 0);
}

static void reads_the_length_of_a_chunk(void **state)
{
    struct smtp_command command = parse("BDAT 1000");

    (void)state;
    assert_true(command.verb == SMTP_COMMAND_BDAT && command.size == 1000 && !command.is_last);
    command = parse("bdat 0 last");
    assert_true(command.size == 0 && command.is_last);
    assert_true(parse("BDAT 9223372036854775807 LAST").size == INT64_MAX);
}

static const struct refusal {
    const char *line;
    unsigned code;
    const char *enhanced, *text;
} refusals[] = {
    { "", 500, "5.5.1", "not known" },
    { " QUIT", 500, "5.5.1", "not known" },
    { "MAILFROM:<a@example.org>", 500, "5.5.1", "not known" },
    { "\xff\xfe", 500, "5.5.1", "not known" },
    { "STARTTLS x", 501, "5.5.4", "no argument" },
    { "DATA now", 501, "5.5.4", "no argument" },
    { "RSET 1", 501, "5.5.4", "no argument" },
    { "QUIT please", 501, "5.5.4", "no argument" },
    { "EHLO", 501, "5.5.4", "your name" },
    { "HELO  ", 501, "5.5.4", "your name" },
    { "EHLO a b", 501, "5.5.4", "one name" },
    { "EHLO b\xc3\xbc", 501, "5.5.4", "one name" },
    { "EHLO " X100 X100 X50 "123456", 501, "5.5.4", "255" },
    { "VRFY", 501, "5.5.4", "whom" },
    { "EXPN list", 502, "5.5.1", "not implemented" },
    { "AUTH PLAIN AGEAYg==", 502, "5.5.1", "not implemented" },
    { "GET / HTTP/1.1", 500, "5.5.1", "HTTP" },
    { "NOOP a\tb", 500, "5.5.2", "control" },
    { "NO\x01OP", 500, "5.5.2", "control" },
    { "NOOP\x7f", 500, "5.5.2", "control" },
    { "SITE a\x1b", 500, "5.5.2", "control" },
    { "MAIL FROM:<\"a\x01\"@example.org>", 500, "5.5.2", "control" },
    { "MAIL", 501, "5.5.4", "MAIL FROM:" },
    { "MAIL TO:<a@example.org>", 501, "5.5.4", "MAIL FROM:" },
    { "RCPT FROM:<a@example.org>", 501, "5.5.4", "RCPT TO:" },
    { "MAIL FROM:", 501, "5.1.7", "brackets" },
    { "MAIL FROM:a@example.org", 501, "5.1.7", "brackets" },
    { "RCPT TO:a@example.org", 501, "5.1.3", "brackets" },
    { "RCPT TO:<a@example.org", 501, "5.1.3", "brackets" },
    { "RCPT TO:<\"a>@example.org>", 501, "5.1.3", "brackets" },
    { "RCPT TO:<a@example.org>>", 501, "5.5.4", "blank" },
    { "RCPT TO:<a@example.org>NOTIFY=NEVER", 501, "5.5.4", "blank" },
    { "RCPT TO:<>", 501, "5.1.3", "needs an address" },
    { "MAIL FROM:<Postmaster>", 501, "5.1.7", "@ is missing" },
    { "RCPT TO:<someone>", 501, "5.1.3", "@ is missing" },
    { "RCPT TO:<a@example.org.>", 501, "5.1.3", "label" },
    { "RCPT TO:<a b@example.org>", 501, "5.1.3", "quotes" },
    { "RCPT TO:<a..b@example.org>", 501, "5.1.3", "dot" },
    { "RCPT TO:<a@b@example.org>", 501, "5.1.3", "domain" },
    { "RCPT TO:< a@example.org>", 501, "5.1.3", "quotes" },
    { "RCPT TO:<@a.example:b@example.org>", 553, "5.1.3", "Source routes" },
    { "RCPT TO:<@a.example,@c.example:b@example.org>", 553, "5.1.3", "Source routes" },
    { "MAIL FROM:<@a.example:b@example.org>", 553, "5.1.7", "Source routes" },
    { "MAIL FROM:<\xc3\xb6@example.org>", 553, "5.6.7", "SMTPUTF8" },
    { "MAIL FROM:<a@b\xc3\xbc"
      "cher.example>",
      553, "5.6.7", "SMTPUTF8" },
    { "MAIL FROM:<\xff@example.org> SMTPUTF8", 501, "5.1.7", "UTF-8" },
    { "MAIL FROM:<> SIZE", 501, "5.5.4", "SIZE" },
    { "MAIL FROM:<> SIZE=", 501, "5.5.4", "SIZE" },
    { "MAIL FROM:<> SIZE=-1", 501, "5.5.4", "SIZE" },
    { "MAIL FROM:<> SIZE=9999999999999999999x", 501, "5.5.4", "SIZE" },
    { "MAIL FROM:<> SIZE=000000000000000000001", 501, "5.5.4", "SIZE" },
    { "MAIL FROM:<> SIZE=1 size=2", 501, "5.5.4", "twice" },
    { "MAIL FROM:<> BODY=BINARYMIME", 501, "5.5.4", "BODY" },
    { "MAIL FROM:<> SMTPUTF8=1", 501, "5.5.4", "SMTPUTF8" },
    { "MAIL FROM:<> RET=ALL", 501, "5.5.4", "RET" },
    { "MAIL FROM:<> ENVID=", 501, "5.5.4", "ENVID" },
    { "MAIL FROM:<> ENVID=a+2", 501, "5.5.4", "ENVID" },
    { "MAIL FROM:<> ENVID=a+2b", 501, "5.5.4", "ENVID" },
    { "MAIL FROM:<> ENVID=a=b", 501, "5.5.4", "ENVID" },
    { "MAIL FROM:<> ENVID=" X100 "x", 501, "5.5.4", "ENVID" },
    { "MAIL FROM:<> AUTH=<>", 555, "5.5.4", "not known" },
    { "MAIL FROM:<> NOTIFY=NEVER", 555, "5.5.4", "not known" },
    { "MAIL FROM:<> =", 555, "5.5.4", "not known" },
    { "RCPT TO:<a@example.org> SIZE=1", 555, "5.5.4", "not known" },
    { "RCPT TO:<a@example.org> NOTIFY=", 501, "5.5.4", "NOTIFY" },
    { "RCPT TO:<a@example.org> NOTIFY=NEVER,DELAY", 501, "5.5.4", "NOTIFY" },
    { "RCPT TO:<a@example.org> NOTIFY=DELAY,DELAY", 501, "5.5.4", "NOTIFY" },
    { "RCPT TO:<a@example.org> NOTIFY=DELAY,", 501, "5.5.4", "NOTIFY" },
    { "RCPT TO:<a@example.org> NOTIFY=SOON", 501, "5.5.4", "NOTIFY" },
    { "RCPT TO:<a@example.org> ORCPT=rfc822", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=;a", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=rfc822;", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=rfc822;\xc3\xb6", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=utf-8;\xff", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=utf-8;a=b@x.example", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=utf-8;\xc3\xb6+tag@x.example", 501, "5.5.4", "ORCPT" },
    { "RCPT TO:<a@example.org> ORCPT=rfc822;" X100 X100 X100 X100 X100, 501, "5.5.4", "ORCPT" },
    { "BDAT", 501, "5.5.4", "BDAT" },
    { "BDAT x", 501, "5.5.4", "BDAT" },
    { "BDAT -1", 501, "5.5.4", "BDAT" },
    { "BDAT 9223372036854775808", 501, "5.5.4", "BDAT" },
    { "BDAT 1 FIRST", 501, "5.5.4", "LAST" },
    { "BDAT 1 LAST x", 501, "5.5.4", "LAST" },
};

static void refuses_with_a_code_and_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct smtp_command command;
        struct smtp_answer answer;

        if (smtp_command_parse(span_of(row->line), all, &command, &answer))
            fail_msg("taken: %s", row->line);
        if (answer.code != row->code || strcmp(answer.enhanced, row->enhanced) != 0 ||
            strstr(answer.text, row->text) == NULL)
            fail_msg("%s: %u %s %s", row->line, (unsigned)answer.code, answer.enhanced,
                     answer.text);
    }
}

static void refuses_a_nul_wherever_it_stands(void **state)
{
    static const char line[] = "MAIL FROM:<a@example.org> SIZE=1 ENVID=x";

    (void)state;
    for (size_t i = 0; i < sizeof line - 1; i++) {
        char copy[sizeof line];
        struct smtp_command command;
        struct smtp_answer answer;

        memcpy(copy, line, sizeof line);
        copy[i] = '\0';
        assert_false(
            smtp_command_parse((struct span){ copy, sizeof line - 1 }, all, &command, &answer));
    }
}

static void knows_no_parameter_of_what_is_not_offered(void **state)
{
    static const char *const lines[] = { "MAIL FROM:<> SIZE=1",
                                         "MAIL FROM:<> BODY=8BITMIME",
                                         "MAIL FROM:<> SMTPUTF8",
                                         "MAIL FROM:<> REQUIRETLS",
                                         "MAIL FROM:<> RET=FULL",
                                         "MAIL FROM:<> ENVID=x",
                                         "RCPT TO:<a@example.org> NOTIFY=NEVER",
                                         "RCPT TO:<a@example.org> ORCPT=rfc822;a" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct smtp_command command;
        struct smtp_answer answer;

        assert_true(smtp_command_parse(span_of(lines[i]), all, &command, &answer));
        assert_false(smtp_command_parse(span_of(lines[i]), 0, &command, &answer));
        assert_int_equal(answer.code, 555);
    }
}

/* The caller must know of a refused BDAT that bytes follow it, of HTTP that nothing will do. */
static void names_the_verb_of_a_line_that_it_refuses(void **state)
{
    static const struct {
        const char *line;
        enum smtp_command_verb verb;
    } rows[] = { { "BDAT x", SMTP_COMMAND_BDAT },      { "BDAT 1\x01", SMTP_COMMAND_BDAT },
                 { "post / x", SMTP_COMMAND_FOREIGN }, { "EXPN", SMTP_COMMAND_KNOWN },
                 { "XYZZY", SMTP_COMMAND_UNKNOWN },    { "MAIL x", SMTP_COMMAND_MAIL } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_command command;
        struct smtp_answer answer;

        assert_false(smtp_command_parse(span_of(rows[i].line), all, &command, &answer));
        assert_int_equal(command.verb, rows[i].verb);
    }
}

/* What our client writes, our server reads. */
static void reads_what_the_client_writes(void **state)
{
    const struct smtp_client_message message = { .sender = "\"a b\"@example.org",
                                                 .size_bytes = 77,
                                                 .is_8bit = true,
                                                 .is_utf8 = true,
                                                 .requires_tls = true,
                                                 .envelope_id = "x+20y",
                                                 .return_part = "FULL" };
    const struct smtp_client_recipient recipient = { "b@example.org", "rfc822;c", 14 };
    char line[SMTP_COMMAND_BYTES];
    size_t len = smtp_command_format_mail(line, &message, UINT32_MAX);

    (void)state;
    line[len - 2] = '\0';
    struct smtp_command command = parse(line);

    assert_span(command.argument, message.sender);
    assert_true(command.size == 77 && command.is_8bit && command.is_utf8 && command.requires_tls);
    assert_span(command.envelope_id, message.envelope_id);
    len = smtp_command_format_rcpt(line, &recipient, UINT32_MAX);
    line[len - 2] = '\0';
    command = parse(line);
    assert_span(command.argument, recipient.address);
    assert_span(command.original, recipient.original);
    assert_int_equal(command.notify, recipient.notify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_each_command_in_any_case),
        cmocka_unit_test(reads_a_mailbox_between_its_brackets),
        cmocka_unit_test(reads_each_parameter_of_mail),
        cmocka_unit_test(reads_each_parameter_of_rcpt),
        cmocka_unit_test(reads_the_length_of_a_chunk),
        cmocka_unit_test(refuses_with_a_code_and_a_reason),
        cmocka_unit_test(refuses_a_nul_wherever_it_stands),
        cmocka_unit_test(knows_no_parameter_of_what_is_not_offered),
        cmocka_unit_test(names_the_verb_of_a_line_that_it_refuses),
        cmocka_unit_test(reads_what_the_client_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
