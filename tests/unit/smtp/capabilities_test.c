/* tests/unit/smtp/capabilities_test.c - promises of smtp/capabilities.h */
#include "../test.h"

#include "base/compiler.h"
#include "smtp/capabilities.h"

enum {
    STARTTLS = SMTP_EXTENSION_STARTTLS,
    SIZE = SMTP_EXTENSION_SIZE,
    PIPELINING = SMTP_EXTENSION_PIPELINING,
    AUTH = SMTP_EXTENSION_AUTH,
};

static struct smtp_capabilities parse(const char *wire)
{
    char storage[2048];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;
    struct span input = span_of(wire);
    struct smtp_capabilities capabilities;

    smtp_reply_init(&parser, storage, sizeof storage);
    if (smtp_reply_feed(&parser, &input, &reply) != SMTP_REPLY_WHOLE)
        fail_msg("no whole reply: %s", wire);
    smtp_capabilities_parse(&capabilities, &reply);
    return capabilities;
}

static void reads_every_keyword_in_any_case(void **state)
{
    struct smtp_capabilities all = parse(
        "250-mx.example.org\r\n250-STARTTLS\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
        "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n"
        "250-BINARYMIME\r\n250-REQUIRETLS\r\n250-LIMITS RCPTMAX=100 MAILMAX=5 RCPTDOMAINMAX=1\r\n"
        "250-AUTH PLAIN\r\n250 HELP\r\n");
    struct smtp_capabilities lower = parse("250-mx.example.org\r\n250-starttls\r\n250 Size 7\r\n");

    (void)state;
    assert_int_equal(all.extensions, (1 << 12) - 1);
    assert_int_equal(all.size_most, 52428800);
    assert_int_equal(all.limit_recipients, 100);
    assert_int_equal(all.limit_mails, 5);
    assert_int_equal(all.limit_domains, 1);
    assert_int_equal(all.starttls_line, 1);
    assert_false(all.is_lower_case);
    assert_false(all.starttls_has_parameter);
    assert_int_equal(all.on_greeting_line, 0);
    assert_int_equal(all.masked_line, 0);
    assert_int_equal(lower.extensions, STARTTLS | SIZE);
    assert_int_equal(lower.size_most, 7);
    assert_true(lower.is_lower_case);
}

/* What the first line says, and whether it holds a keyword that is lost there. */
static void tells_a_keyword_from_a_host_name_on_the_first_line(void **state)
{
    static const struct {
        const char *wire;
        uint32_t on_greeting_line;
    } rows[] = {
        { "250-STARTTLS\r\n250 mx.example.org\r\n", STARTTLS },
        { "250 STARTTLS\r\n", STARTTLS },
        { "250-starttls\r\n250 SIZE\r\n", STARTTLS },
        { "250-STARTTLS \r\n250 SIZE\r\n", STARTTLS },
        { "250-SIZE 1000\r\n250 STARTTLS\r\n", SIZE },
        { "250-SIZE\r\n250 STARTTLS\r\n", SIZE },
        { "250-PIPELINING\r\n250-mx.example.org Hello\r\n250 SIZE\r\n", PIPELINING },
        { "250-AUTH PLAIN LOGIN\r\n250 SIZE\r\n", AUTH },
        { "250-AUTH=LOGIN\r\n250 SIZE\r\n", AUTH },
        { "250-mx.example.org STARTTLS ready\r\n250 SIZE\r\n", 0 },
        { "250-mx.example.org\r\n250 STARTTLS\r\n", 0 },
        { "250-size.example\r\n250 STARTTLS\r\n", 0 },
        { "250-starttls.example.org Hello\r\n250 SIZE\r\n", 0 },
        { "250-size Hello client.example [192.0.2.1]\r\n250 STARTTLS\r\n", 0 },
        { "250-dsn greets client.example\r\n250 STARTTLS\r\n", 0 },
        { "250-auth Hello\r\n250 STARTTLS\r\n", 0 },
        { "250-STARTTLS-mx.example.org\r\n250 SIZE\r\n", 0 },
        { "250-[192.0.2.1]\r\n250 SIZE\r\n", 0 },
        { "250-Hello STARTTLS\r\n250 SIZE\r\n", 0 },
        { "250-\r\n250 STARTTLS\r\n", 0 },
        { "250\r\n", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (parse(rows[i].wire).on_greeting_line != rows[i].on_greeting_line)
            fail_msg("%s", rows[i].wire);
}

static void never_counts_what_stands_on_the_first_line(void **state)
{
    (void)state;
    assert_int_equal(parse("250-STARTTLS\r\n250-mx.example.org\r\n250 SIZE\r\n").extensions, SIZE);
    assert_int_equal(parse("250 STARTTLS\r\n").extensions, 0);
    assert_int_equal(parse("250-STARTTLS\r\n250 STARTTLS\r\n").extensions, STARTTLS);
}

static void counts_only_a_whole_keyword(void **state)
{
    static const char *const wires[] = {
        "250-mx\r\n250 STARTTLS2\r\n",  "250-mx\r\n250 XSTARTTLS\r\n",
        "250-mx\r\n250 STARTTLS=1\r\n", "250-mx\r\n250 X STARTTLS\r\n",
        "250-mx\r\n250 START TLS\r\n",  "250-mx\r\n250 STARTTLX\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wires); i++)
        if (parse(wires[i]).extensions != 0)
            fail_msg("%s", wires[i]);
}

static void notes_a_parameter_of_starttls(void **state)
{
    (void)state;
    assert_true(parse("250-mx\r\n250 STARTTLS required\r\n").starttls_has_parameter);
    assert_int_equal(parse("250-mx\r\n250 STARTTLS required\r\n").extensions, STARTTLS);
    assert_false(parse("250-mx\r\n250 STARTTLS \t\r\n").starttls_has_parameter);
    assert_int_equal(parse("250-mx\r\n250 STARTTLS\r\r\n").extensions, STARTTLS);
}

static void finds_what_a_firewall_overwrote(void **state)
{
    static const struct {
        const char *line;
        uint16_t masked_line;
    } rows[] = {
        { "XXXXXXXA", 1 },       { "XXXXXXXX", 1 }, { "********", 1 },
        { "*******", 1 },        { "STARTTLX", 1 }, { "STARXXXX", 1 },
        { "XTARTTLS", 1 },       { "xxxxxxxa", 1 }, { "XXXXXXXXXXXXXXXXXXB", 1 },
        { "########", 1 },       { "STARTTLQ", 1 }, { "XXX PARAM", 1 },
        { "XCLIENT", 0 },        { "X-EXPS", 0 },   { "XEXCH50", 0 },
        { "XFORWARD", 0 },       { "X", 0 },        { "XX", 0 },
        { "CHUNKING", 0 },       { "8BITMIME", 0 }, { "SMTPUTF8", 0 },
        { "HELP", 0 },           { "STARTTLS", 0 }, { "starttls", 0 },
        { "X-ANONYMOUSTLS", 0 }, { "VRFY", 0 },     { "DELIVERBY", 0 },
        { "X-LINK2STATE", 0 },   { "ETRN", 0 },     { "XXXpress", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char wire[128] = "250-mx.example.org\r\n250 ";

        strncat(wire, rows[i].line, 64);
        strncat(wire, "\r\n", 3);
        if (parse(wire).masked_line != rows[i].masked_line)
            fail_msg("%s", rows[i].line);
    }
}

static void prefers_the_masked_line_that_has_the_length_of_starttls(void **state)
{
    (void)state;
    assert_int_equal(parse("250-mx\r\n250-XXXB\r\n250-XXXXXXXA\r\n250 XXXXXXXC\r\n").masked_line,
                     2);
    assert_int_equal(parse("250-mx\r\n250-XXXXXXXXXXXX\r\n250 XXXX\r\n").masked_line, 1);
}

static void takes_no_number_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(parse("250-mx\r\n250 SIZE 99999999999999999999999\r\n").size_most, 0);
    assert_int_equal(parse("250-mx\r\n250 SIZE x\r\n").size_most, 0);
    assert_int_equal(parse("250-mx\r\n250 SIZE\r\n").size_most, 0);
    assert_int_equal(parse("250-mx\r\n250 LIMITS RCPTMAX=x MAILMAX\r\n").limit_recipients, 0);
}

static void reads_auth_as_old_servers_write_it(void **state)
{
    (void)state;
    assert_int_equal(parse("250-mx\r\n250-AUTH=LOGIN\r\n250 SIZE\r\n").extensions, AUTH | SIZE);
}

static void names_each_extension(void **state)
{
    (void)state;
    assert_string_equal(smtp_extension_name(SMTP_EXTENSION_STARTTLS), "STARTTLS");
    assert_string_equal(smtp_extension_name(SMTP_EXTENSION_AUTH), "AUTH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_keyword_in_any_case),
        cmocka_unit_test(tells_a_keyword_from_a_host_name_on_the_first_line),
        cmocka_unit_test(never_counts_what_stands_on_the_first_line),
        cmocka_unit_test(counts_only_a_whole_keyword),
        cmocka_unit_test(notes_a_parameter_of_starttls),
        cmocka_unit_test(finds_what_a_firewall_overwrote),
        cmocka_unit_test(prefers_the_masked_line_that_has_the_length_of_starttls),
        cmocka_unit_test(takes_no_number_that_is_none),
        cmocka_unit_test(reads_auth_as_old_servers_write_it),
        cmocka_unit_test(names_each_extension),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
