/* tests/unit/smtp/address_test.c - promises of smtp/address.h, and how they fare on is_email's set */
#include "../test.h"

#include "base/compiler.h"
#include "isemail.h"
#include "smtp/address.h"

#define X10     "xxxxxxxxxx"
#define X60     X10 X10 X10 X10 X10 X10
#define LABEL63 X60 "xxx"

static bool is_address(const char *text)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;
    bool is_good = smtp_address_parse(span_of(text), &address, &flaw);

    assert_true(is_good == (flaw.text == NULL));
    return is_good;
}

static void accepts_every_form_of_a_mailbox(void **state)
{
    static const char *const good[] = {
        "a@example.org",
        "a@localhost",
        "a.b.c@example.org",
        "!#$%&'*+-/=?^_`{|}~@example.org",
        "\"a b\"@example.org",
        "\"\"@example.org",
        "\"a\\\"b\\\\ c\"@example.org",
        "\"a@b\"@example.org",
        "a@xn--bcher-kva.example",
        "a@1.example",
        "a@a-b.example",
        "j\xc3\xb6rg@b\xc3\xbc"
        "cher.example",
        "\"j\xc3\xb6rg x\"@example.org",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@[ipv6:::]",
        "a@[IPv6:::1]",
        "a@[IPv6:1::]",
        "a@[IPv6:1:2:3:4:5:6:7:8]",
        "a@[IPv6:1:2:3:4:5:6:192.0.2.1]",
        "a@[IPv6:::ffff:192.0.2.1]",
        "a@[IPv6:1:2:3:4:5:6::]",
        X60 "xxxx@example.org",
        "a@" LABEL63 ".example",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!is_address(good[i]))
            fail_msg("%s", good[i]);
}

static const struct {
    const char *text, *flaw;
    size_t at;
} bad[] = {
    { "", "there is no local part", 0 },
    { "a", "an @ is missing", 1 },
    { "@example.org", "there is no local part", 0 },
    { "a@", "there is no domain", 2 },
    { ".a@example.org", "a dot stands at the start", 0 },
    { "a..b@example.org", "a dot stands at the start of the local part or behind another dot", 2 },
    { "a.@example.org", "the local part ends in a dot", 1 },
    { "a b@example.org", "only quotes allow", 1 },
    { "a@b@example.org", "other than letters", 3 },
    { "<a@example.org>", "only quotes allow", 0 },
    { "a(x)@example.org", "only quotes allow", 1 },
    { "a@example.org(x)", "other than letters", 13 },
    { "@a.example:b@example.org", "there is no local part", 0 },
    { "\"a@example.org", "does not end", 14 },
    { "\"a\\\"@example.org", "does not end", 16 },
    { "\"a\\", "does not end", 3 },
    { "\"a\"b@example.org", "an @ is missing", 3 },
    { "\"a\r\n b\"@example.org", "a control character", 2 },
    { "\"a\tb\"@example.org", "a control character", 2 },
    { "\"\\\x01\"@example.org", "a control character", 2 },
    { "\"\\\xc3\xb6\"@example.org", "a backslash", 2 },
    { "a\r@example.org", "only quotes allow", 1 },
    { "a@example..org", "a label of the domain is empty", 10 },
    { "a@.org", "a label of the domain is empty", 2 },
    { "a@example.org.", "a label of the domain is empty", 14 },
    { "a@-a.example", "begins with a hyphen", 2 },
    { "a@a-.example", "ends in a hyphen", 3 },
    { "a@a_b.example", "other than letters", 3 },
    { "a@exa mple", "other than letters", 5 },
    { "a@example.org\n", "other than letters", 13 },
    { "a@[192.0.2.256]", "neither", 3 },
    { "a@[192.0.2]", "neither", 3 },
    { "a@[192.0.2.1.1]", "neither", 3 },
    { "a@[192.0.2.]", "neither", 3 },
    { "a@[0192.0.2.1]", "neither", 3 },
    { "a@[192.0.2.1", "does not end in a bracket", 12 },
    { "a@[", "does not end in a bracket", 3 },
    { "a@[2001:db8::1]", "neither", 3 },
    { "a@[IPv6:]", "neither", 3 },
    { "a@[IPv6:1::2::3]", "neither", 3 },
    { "a@[IPv6:1:2:3:4:5:6:7]", "neither", 3 },
    { "a@[IPv6:1:2:3:4:5:6:7:8:9]", "neither", 3 },
    { "a@[IPv6:1:2:3:4:5:6:7::]", "neither", 3 },
    { "a@[IPv6:12345::]", "neither", 3 },
    { "a@[IPv6::1]", "neither", 3 },
    { "a@[IPv6:1:]", "neither", 3 },
    { "a@[IPv6:::1:]", "neither", 3 },
    { "a@[IPv6::::]", "neither", 3 },
    { "a@[IPv6:g::]", "neither", 3 },
    { "a@[IPv6:192.0.2.1::]", "neither", 3 },
    { "a@[x:y]", "neither", 3 },
    { "a@[192.0.2.1]x", "does not end in a bracket", 14 },
    { X60 "xxxxx@example.org", "longer than 64", 64 },
    { "a@" LABEL63 "x.example", "longer than 63", 65 },
    { "\xff@example.org", "the local part is not valid UTF-8", 0 },
    { "a@\xc3.example", "the domain is not valid UTF-8", 2 },
    { "a@" LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "."
      "x",
      "longer than 255", 257 },
    { "a@" LABEL63 "." LABEL63 "." LABEL63 "." X60 "xx", "longer than 254", 254 },
};

static void says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct smtp_address address;
        struct smtp_address_flaw flaw;

        if (smtp_address_parse(span_of(bad[i].text), &address, &flaw))
            fail_msg("accepted: %s", bad[i].text);
        if (strstr(flaw.text, bad[i].flaw) == NULL || flaw.at != bad[i].at)
            fail_msg("%s: %s, at %zu", bad[i].text, flaw.text, flaw.at);
    }
}

static void refuses_a_nul_anywhere(void **state)
{
    static const char text[] = "a@example.org";

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char copy[sizeof text];
        struct smtp_address address;
        struct smtp_address_flaw flaw;

        memcpy(copy, text, sizeof text);
        copy[i] = '\0';
        assert_false(smtp_address_parse((struct span){ copy, sizeof text - 1 }, &address, &flaw));
    }
}

static void splits_an_address_into_its_parts(void **state)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    (void)state;
    assert_true(smtp_address_parse(span_of("\"a@b\"@[192.0.2.1]"), &address, &flaw));
    assert_true(span_equal(address.local_part, span_of("\"a@b\"")));
    assert_true(span_equal(address.domain, span_of("[192.0.2.1]")));
    assert_true(address.is_quoted && address.is_literal && !address.is_utf8);
    assert_true(smtp_address_parse(span_of("a@b\xc3\xbc"
                                           "cher.example"),
                                   &address, &flaw));
    assert_true(!address.is_quoted && !address.is_literal && address.is_utf8);
}

static void reads_a_domain_alone(void **state)
{
    struct smtp_address_flaw flaw;

    (void)state;
    assert_true(smtp_domain_parse(span_of("example.org"), &flaw));
    assert_null(flaw.text);
    assert_true(smtp_domain_parse(span_of("[192.0.2.1]"), &flaw));
    assert_null(flaw.text);
    assert_false(smtp_domain_parse(span_of(""), &flaw));
    assert_false(smtp_domain_parse((struct span){ "a\0b", 3 }, &flaw));
}

static bool is_mailbox(struct span text)
{
    struct smtp_address parsed;
    struct smtp_address_flaw flaw;

    return smtp_address_parse(text, &parsed, &flaw);
}

static void agrees_with_the_set_of_is_email(void **state)
{
    (void)state;
    isemail_check(is_mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_form_of_a_mailbox),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(refuses_a_nul_anywhere),
        cmocka_unit_test(splits_an_address_into_its_parts),
        cmocka_unit_test(reads_a_domain_alone),
        cmocka_unit_test(agrees_with_the_set_of_is_email),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
