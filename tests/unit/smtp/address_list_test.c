/* tests/unit/smtp/address_list_test.c - promises of smtp/address_list.h */
#include "../test.h"

#include <stdio.h>

#include "base/compiler.h"
#include "smtp/address_list.h"

static const struct sound {
    const char *list, *addresses; /* a '|' behind each */
} sound[] = {
    { "", "" },
    { " \r\n\t (nobody) ", "" },
    { "a@example.org", "a@example.org|" },
    { "a@b.example, c@d.example", "a@b.example|c@d.example|" },
    { ", ,a@b.example,,c@d.example,", "a@b.example|c@d.example|" },
    { "root", "root|" },
    { "root (Cron Daemon)", "root|" },
    { "<root>", "root|" },
    { "Ann Example <ann@example.org>", "ann@example.org|" },
    { "\"Example, Ann\" <ann@example.org>", "ann@example.org|" },
    { "\"A \\\"quoted\\\" name\" <a@b.example>", "a@b.example|" },
    { "John Q. Public <john@b.example>", "john@b.example|" },
    { "=?utf-8?q?J=C3=BCrgen?= <j@b.example>", "j@b.example|" },
    { "J\xc3\xbcrgen <j\xc3\xbcrgen@b.example>", "j\xc3\xbcrgen@b.example|" },
    { "\"a b\"@example.org", "\"a b\"@example.org|" },
    { "\"a@b,c\"@example.org", "\"a@b,c\"@example.org|" },
    { "a@[192.0.2.1]", "a@[192.0.2.1]|" },
    { "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]|" },
    /* RFC 5322 appendices A.1.3, A.5 and A.6 */
    { "A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;",
      "joe@where.test|joe@where.test|jdoe@one.test|" },
    { "Undisclosed recipients:;", "" },
    { "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete@silly.test|" },
    { "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
      "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
      "c@public.example|joe@example.org|jdoe@one.test|" },
    { "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "" },
    { "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
      "mary@example.net|jdoe@test.example|" },
    { "<@a.test,@b.test:x@c.test>", "x@c.test|" },
    { "g1: a@b.example;, g2: c@d.example; , e@f.example", "a@b.example|c@d.example|e@f.example|" },
    { "g: a@b.example; c@d.example", "a@b.example|c@d.example|" },
    { "ann\r\n @\r\n example.org", "ann@example.org|" },
    { "<>", "|" },
    { "Nobody <>", "|" },
};

static const struct broken {
    const char *list, *flaw;
    size_t at;
} broken[] = {
    { "a@b.example c@d.example", "a comma is missing between two addresses", 12 },
    { "Ann Example", "several words stand there and no address in brackets", 0 },
    { "a@b.example (never ends", "a comment does not end", 12 },
    { "<@a.test,(never\\", "a comment does not end", 9 },
    { "x, \"never ends", "a quote does not end", 3 },
    { "a@[192.0.2.1", "a bracket does not end", 2 },
    { "Ann <ann@example.org", "an address in brackets does not end in >", 20 },
    { "Ann <ann smith@example.org>", "several words stand where an address should be", 14 },
    { "a@", "there is no domain behind the @", 2 },
    { "@example.org", "there is no local part", 0 },
    { ">", "an address is missing there", 0 },
    { "a@b.example;", "a semicolon stands outside a group", 11 },
    { "g: a@b.example", "a group does not end in a semicolon", 14 },
    { "g: h: a@b.example;;", "a comma is missing between two addresses", 4 },
    { "<@a.test x@b.test>", "a route before an address does not end in a colon", 9 },
    { "a..b@example.org", "a dot stands at the start of the local part or behind another dot", 0 },
    { "a@-b.example", "a label of the domain begins with a hyphen", 0 },
    { "a]b@example.org", "a character stands there that only quotes allow", 1 },
};

static void check_sound(const struct sound *row)
{
    struct smtp_address_list list;
    struct smtp_listed listed;
    enum smtp_address_list_status status;
    char found[1024] = "";

    smtp_address_list_init(&list, span_of(row->list));
    while ((status = smtp_address_list_next(&list, &listed)) == SMTP_LISTED_ADDRESS) {
        size_t len = strlen(found);

        assert_int_equal(strlen(listed.text), listed.len);
        assert_int_equal(listed.has_domain, strchr(listed.text, '@') != NULL);
        snprintf(found + len, sizeof found - len, "%s|", listed.text);
    }
    if (status != SMTP_LISTED_END)
        fail_msg("%s: %s at %zu", row->list, list.flaw, list.flaw_at);
    assert_string_equal(found, row->addresses);
}

static void finds_the_addresses_of_a_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sound); i++)
        check_sound(&sound[i]);
}

static void says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        struct smtp_address_list list;
        struct smtp_listed listed;
        enum smtp_address_list_status status;

        smtp_address_list_init(&list, span_of(broken[i].list));
        while ((status = smtp_address_list_next(&list, &listed)) == SMTP_LISTED_ADDRESS)
            ;
        if (status != SMTP_LISTED_BROKEN)
            fail_msg("%s is not broken", broken[i].list);
        assert_string_equal(list.flaw, broken[i].flaw);
        if (list.flaw_at != broken[i].at)
            fail_msg("%s: at %zu, not %zu", broken[i].list, list.flaw_at, broken[i].at);
        assert_int_equal(smtp_address_list_next(&list, &listed), SMTP_LISTED_BROKEN);
    }
}

static void says_where_a_domain_would_go(void **state)
{
    static const struct {
        const char *list;
        size_t end;
    } rows[] = {
        { "root", 4 }, { " root (Cron Daemon)", 5 }, { "Root <root> (x)", 10 }, { "\"a b\" , x", 5 }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_address_list list;
        struct smtp_listed listed;

        smtp_address_list_init(&list, span_of(rows[i].list));
        assert_int_equal(smtp_address_list_next(&list, &listed), SMTP_LISTED_ADDRESS);
        assert_false(listed.has_domain);
        assert_int_equal(listed.end, rows[i].end);
    }
}

static void refuses_an_address_that_is_too_long(void **state)
{
    char text[1000];
    struct smtp_address_list list;
    struct smtp_listed listed;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "a@", 2);
    smtp_address_list_init(&list, (struct span){ text, sizeof text });
    assert_int_equal(smtp_address_list_next(&list, &listed), SMTP_LISTED_BROKEN);
    assert_string_equal(list.flaw, "an address is too long");
    memset(text, 'a', 2);
    smtp_address_list_init(&list, (struct span){ text, sizeof text });
    assert_int_equal(smtp_address_list_next(&list, &listed), SMTP_LISTED_BROKEN);
    assert_string_equal(list.flaw, "an address is too long");
}

static void takes_a_display_name_of_any_length(void **state)
{
    char text[1000];
    struct smtp_address_list list;
    struct smtp_listed listed;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 14, " <b@c.example>", 14);
    smtp_address_list_init(&list, (struct span){ text, sizeof text });
    assert_int_equal(smtp_address_list_next(&list, &listed), SMTP_LISTED_ADDRESS);
    assert_string_equal(listed.text, "b@c.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_addresses_of_a_list),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(says_where_a_domain_would_go),
        cmocka_unit_test(refuses_an_address_that_is_too_long),
        cmocka_unit_test(takes_a_display_name_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
