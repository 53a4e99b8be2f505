/* tests/unit/gateway/relay_test.c - promises of gateway/relay.h */
#include "../test.h"
#include "gateway/relay.h"

#include <string.h>

#include "base/compiler.h"
#include "trust/names.h"

static const struct gateway_relay_domain domains[] = {
    { "behind.example", true }, /* LMTP or SMTP to a server of ours */
    { "example.org", false },   /* a Maildir */
    { "xn--bcher-kva.example", false },
};

static struct gateway_relay_network networks[4];

static struct net_address address_of(const char *text)
{
    struct net_address address = { .port = 40000 };

    assert_true(net_address_parse(span_of(text), &address));
    return address;
}

static struct gateway_relay_rules rules_of(void)
{
    static const struct {
        const char *base;
        unsigned bits;
    } trusted[] = {
        { "127.0.0.0", 8 }, { "::1", 128 }, { "10.1.0.0", 17 }, { "2001:db8:1::", 47 }
    };

    for (size_t i = 0; i < ARRAY_SIZE(trusted); i++)
        networks[i] =
            (struct gateway_relay_network){ address_of(trusted[i].base), trusted[i].bits };
    return (struct gateway_relay_rules){ domains, ARRAY_SIZE(domains), networks,
                                         ARRAY_SIZE(networks), "example.org" };
}

static struct gateway_relay_decision decide(const char *client, struct span recipient)
{
    struct gateway_relay_rules rules = rules_of();
    struct net_address address = address_of(client);

    return gateway_relay_decide(&rules, &address, recipient);
}

/* What a stranger may try; `code` 550: the domain is not ours; 553: no mailbox at all. */
static const struct trick {
    const char *recipient;
    uint16_t code;
} tricks[] = {
    { "user@victim.example", 550 },
    { "user", 553 },
    { "", 553 },
    { "@", 553 },
    { "@victim.example", 553 },
    { "user@", 553 },
    /* percent hack: RFC 1123 section 5.2.16 */
    { "user%victim.example", 553 },
    { "user%victim.example@[127.0.0.1]", 550 },
    { "user%victim.example@localhost", 550 },
    { "user%victim.example@behind.example", 550 },
    { "user%victim.example%example.org@behind.example", 550 },
    { "%victim.example@behind.example", 550 },
    /* bang paths */
    { "victim.example!user", 553 },
    { "victim.example!user@[127.0.0.1]", 550 },
    { "victim.example!user@behind.example", 550 },
    { "behind.example!victim.example!user@behind.example", 550 },
    { "victim.example!user%other.example@behind.example", 550 },
    { "example.org!user@victim.example", 550 },
    /* quotes */
    { "\"user@victim.example\"", 553 },
    { "\"user%victim.example\"", 553 },
    { "\"victim.example!user\"", 553 },
    { "\"user@victim.example\"@[127.0.0.1]", 550 },
    { "\"user@victim.example\"@behind.example", 550 },
    { "\"user\\@victim.example\"@behind.example", 550 },
    { "\"user%victim.example\"@behind.example", 550 },
    { "\"victim.example!user\"@behind.example", 550 },
    { "\"user@example.org\"@victim.example", 550 },
    { "\"user\"@example.org@victim.example", 553 },
    { "\"user\"@victim.example", 550 },
    { "\"@victim.example:user\"@behind.example", 550 },
    { "\"user@example.org", 553 },
    { "\"x\"y@victim.example", 553 },
    { "\"\"@victim.example", 550 },
    /* more than one @ */
    { "user@victim.example@example.org", 553 },
    { "user@example.org@victim.example", 553 },
    { "user@victim.example@[127.0.0.1]", 553 },
    { "user\\@victim.example@example.org", 553 },
    /* source routes: RFC 5321 appendix C */
    { "@example.org:user@victim.example", 553 },
    { "@[127.0.0.1]:user@victim.example", 553 },
    { "@example.org,@victim.example:user@example.org", 553 },
    { "@victim.example:user@example.org", 553 },
    { "example.org:user@victim.example", 553 },
    { "victim.example:user@example.org", 553 },
    /* dots, ports, suffixes */
    { "user@victim.example.", 553 },
    { "user@example.org.", 553 },
    { "user@example.org..", 553 },
    { "user@.example.org", 553 },
    { "user@example..org", 553 },
    { "user@example.org:25", 553 },
    { "user@example.org/victim.example", 553 },
    { "user@sub.example.org", 550 },
    { "user@notexample.org", 550 },
    { "user@example.org.victim.example", 550 },
    { "user@org", 550 },
    { "user@xexample-org", 550 },
    { "user@example_org", 553 },
    { "user@*.example.org", 553 },
    /* literals and numbers */
    { "user@[127.0.0.1]", 550 },
    { "user@[10.1.0.1]", 550 },
    { "user@[IPv6:::1]", 550 },
    { "user@[IPv6:::ffff:127.0.0.1]", 550 },
    { "user@[::1]", 553 },
    { "user@[example.org]", 553 },
    { "user@[127.0.0.1]example.org", 553 },
    { "user@127.0.0.1", 550 },
    { "user@2130706433", 550 },
    { "user@#2130706433", 553 },
    { "user@localhost", 550 },
    /* blanks, comments, lists, brackets, control characters */
    { "user@example.org victim.example", 553 },
    { " user@example.org", 553 },
    { "user@example.org ", 553 },
    { "user@example.org,user@victim.example", 553 },
    { "user@example.org;user@victim.example", 553 },
    { "user(comment)@example.org", 553 },
    { "user@example.org(victim.example)", 553 },
    { "<user@victim.example>", 553 },
    { "user@victim.example> <user@example.org", 553 },
    { "user@example.org\r\nRCPT TO:<user@victim.example>", 553 },
    { "user@example.org\n", 553 },
    { "user@example.org\t", 553 },
    { "|victim", 553 },
    /* IDN: look-alikes, other mappings, invisible characters */
    { "user@ex\xd0\xb0mple.org", 550 },           /* Cyrillic a */
    { "user@example.org\xe2\x80\x8b.evil", 550 }, /* zero width space */
    { "user@buecher.example", 550 },
    { "user@bucher.example", 550 },
    { "user@xn--bcher-kva.example.victim", 550 },
    { "user@victim\xe3\x80\x82"
      "example.org.example",
      550 }, /* ideographic full stop */
    { "user@victim.example\xef\xbc\xa0"
      "example.org",
      550 },                                                  /* fullwidth @ in the domain */
    { "user\xef\xbc\xa0victim.example@behind.example", 550 }, /* and in the local part */
    { "user\xef\xbc\x85victim.example@behind.example", 550 }, /* fullwidth % */
    { "victim.example\xef\xbc\x81user@behind.example", 550 }, /* fullwidth ! */
    { "user\xef\xb9\xabvictim.example@behind.example", 550 }, /* small @ */
    { "user@example.org\xff", 553 },                          /* no UTF-8 */
    { "user@victim.example\xc0\x80@example.org", 553 },       /* an overlong NUL */
};

static void no_published_trick_makes_a_stranger_relay(void **state)
{
    (void)state;
    assert_true(ARRAY_SIZE(tricks) >= 80);
    for (size_t i = 0; i < ARRAY_SIZE(tricks); i++) {
        struct gateway_relay_decision decision = decide("192.0.2.1", span_of(tricks[i].recipient));

        if (decision.choice != GATEWAY_RELAY_REFUSE || decision.answer.code != tricks[i].code)
            fail_msg("<%s>: choice %d, code %u", tricks[i].recipient, (int)decision.choice,
                     decision.answer.code);
        assert_null(decision.domain);
        assert_true(decision.answer.text != NULL && decision.answer.enhanced[0] == '5');
    }
}

static void a_byte_of_zero_ends_no_address(void **state)
{
    static const char first[] = "user@victim.example\0@example.org";
    static const char last[] = "user@example.org\0.victim.example";
    static const char quoted[] = "\"user\0\"@example.org";

    (void)state;
    assert_int_equal(decide("192.0.2.1", (struct span){ first, sizeof first - 1 }).answer.code,
                     553);
    assert_int_equal(decide("192.0.2.1", (struct span){ last, sizeof last - 1 }).answer.code, 553);
    assert_int_equal(decide("192.0.2.1", (struct span){ quoted, sizeof quoted - 1 }).answer.code,
                     553);
}

static const struct {
    const char *recipient, *domain;
} ours[] = {
    { "user@example.org", "example.org" },
    { "USER@EXAMPLE.ORG", "example.org" },
    { "user@eXaMpLe.OrG", "example.org" },
    { "Postmaster", "example.org" },
    { "pOSTMASTER", "example.org" },
    { "postmaster@behind.example", "behind.example" },
    { "user@b\xc3\xbc"
      "cher.example",
      "xn--bcher-kva.example" },
    { "user@B\xc3\x9c"
      "CHER.example",
      "xn--bcher-kva.example" },
    { "user@bu\xcc\x88"
      "cher.example",
      "xn--bcher-kva.example" }, /* u and a combining mark */
    { "user@XN--BCHER-KVA.example", "xn--bcher-kva.example" },
    { "user@example\xe3\x80\x82org", "example.org" }, /* UTS #46 reads it as a dot */
    /* What is odd in a local part stays one mailbox of ours where we deliver ourselves. */
    { "user%victim.example@example.org", "example.org" },
    { "victim.example!user@example.org", "example.org" },
    { "\"user@victim.example\"@example.org", "example.org" },
    { "user+detail@behind.example", "behind.example" },
    { "j\xc3\xb6rg@behind.example", "behind.example" },
};

static void mail_for_our_domains_is_taken_from_everybody(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
        struct gateway_relay_decision decision = decide("192.0.2.1", span_of(ours[i].recipient));

        if (decision.choice != GATEWAY_RELAY_LOCAL)
            fail_msg("<%s>: %s", ours[i].recipient, decision.answer.text);
        assert_string_equal(decision.domain->name, ours[i].domain);
        assert_int_equal(decision.answer.code, 0);
    }
}

static const struct {
    const char *client;
    bool may_relay;
} clients[] = {
    { "127.0.0.1", true },
    { "127.255.255.255", true },
    { "::ffff:127.0.0.1", true }, /* over an IPv6 socket */
    { "::ffff:10.1.2.3", true },
    { "::1", true },
    { "10.1.0.0", true },
    { "10.1.127.255", true },
    { "2001:db8:0::1", true }, /* 47 bits */
    { "2001:db8:1:ffff:ffff:ffff:ffff:ffff", true },
    { "126.255.255.255", false },
    { "128.0.0.1", false },
    { "10.1.128.0", false },
    { "10.2.0.1", false },
    { "0.0.0.0", false },
    { "0.0.0.1", false },
    { "192.0.2.1", false },
    { "::", false },
    { "::2", false },
    { "::127.0.0.1", false },        /* IPv4-compatible: RFC 4291 section 2.5.5.1 */
    { "::ffff:0:127.0.0.1", false }, /* IPv4-translated */
    { "64:ff9b::7f00:1", false },    /* NAT64 */
    { "2002:7f00:1::1", false },     /* 6to4 */
    { "::fffe:127.0.0.1", false },
    { "::ffff:192.0.2.1", false },
    { "7f00:1::", false }, /* the bytes of 127.0.0.1, as IPv6 */
    { "2001:db8:2::1", false },
    { "0a01::1", false },
};

static void only_the_networks_named_send_anywhere(void **state)
{
    static const char *const elsewhere[] = { "user@victim.example", "user@[192.0.2.9]",
                                             "user%x@victim.example", "user@127.0.0.1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        for (size_t j = 0; j < ARRAY_SIZE(elsewhere); j++) {
            enum gateway_relay_choice choice =
                decide(clients[i].client, span_of(elsewhere[j])).choice;

            if (choice != (clients[i].may_relay ? GATEWAY_RELAY_ANYWHERE : GATEWAY_RELAY_REFUSE))
                fail_msg("%s to <%s>: %d", clients[i].client, elsewhere[j], (int)choice);
        }
}

static void our_own_networks_may_use_any_local_part_of_what_is_passed_on(void **state)
{
    (void)state;
    assert_int_equal(decide("127.0.0.1", span_of("a%b@behind.example")).choice,
                     GATEWAY_RELAY_LOCAL);
    assert_int_equal(decide("127.0.0.1", span_of("user@example.org")).choice, GATEWAY_RELAY_LOCAL);
    assert_int_equal(decide("127.0.0.1", span_of("user@victim.example.")).choice,
                     GATEWAY_RELAY_REFUSE);
}

static void a_network_written_as_mapped_ipv4_is_the_ipv4_one(void **state)
{
    struct gateway_relay_network network = { address_of("::ffff:10.0.0.0"), 104 };
    struct gateway_relay_rules rules = { .networks = &network, .network_count = 1 };
    struct net_address inside = address_of("10.255.0.1"), outside = address_of("11.0.0.1");
    struct net_address same = address_of("::ffff:10.255.0.1");

    (void)state;
    assert_true(gateway_relay_match_client(&rules, &inside));
    assert_true(gateway_relay_match_client(&rules, &same));
    assert_false(gateway_relay_match_client(&rules, &outside));
    network = (struct gateway_relay_network){ address_of("::"), 0 }; /* all of IPv6, no IPv4 */
    assert_false(gateway_relay_match_client(&rules, &inside));
    assert_false(gateway_relay_match_client(&rules, &same));
    inside = address_of("2001:db8::1");
    assert_true(gateway_relay_match_client(&rules, &inside));
}

static void a_network_of_strangers_is_known_however_it_is_written(void **state)
{
    static const struct {
        const char *base;
        unsigned bits;
        bool is_open;
    } cases[] = {
        { "0.0.0.0", 0, true },
        { "128.0.0.0", 7, true },
        { "10.0.0.0", 8, false },
        { "::", 0, true },
        { "2000::", 3, true },
        { "2001::", 16, false },
        { "::ffff:0.0.0.0", 96, true },
        { "::ffff:128.0.0.0", 103, true },
        { "::ffff:10.0.0.0", 104, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct gateway_relay_network network = { .bits = cases[i].bits };

        assert_true(net_address_parse(span_of(cases[i].base), &network.base));
        if (gateway_relay_is_open(&network) != cases[i].is_open)
            fail_msg("%s/%u", cases[i].base, cases[i].bits);
    }
}

static void without_rules_nobody_sends_anywhere(void **state)
{
    struct gateway_relay_rules rules = { 0 };
    struct net_address client = address_of("127.0.0.1");

    (void)state;
    assert_int_equal(gateway_relay_decide(&rules, &client, span_of("user@example.org")).answer.code,
                     550);
    assert_int_equal(gateway_relay_decide(&rules, &client, span_of("Postmaster")).answer.code, 550);
}

static void every_refusal_is_one_line_of_smtp(void **state)
{
    char line[SMTP_ANSWER_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tricks); i++) {
        size_t len =
            smtp_answer_format(line, decide("192.0.2.1", span_of(tricks[i].recipient)).answer);

        assert_memory_equal(line + len - 2, "\r\n", 2);
        assert_null(memchr(line, '\n', len - 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_published_trick_makes_a_stranger_relay),
        cmocka_unit_test(a_byte_of_zero_ends_no_address),
        cmocka_unit_test(mail_for_our_domains_is_taken_from_everybody),
        cmocka_unit_test(only_the_networks_named_send_anywhere),
        cmocka_unit_test(our_own_networks_may_use_any_local_part_of_what_is_passed_on),
        cmocka_unit_test(a_network_written_as_mapped_ipv4_is_the_ipv4_one),
        cmocka_unit_test(a_network_of_strangers_is_known_however_it_is_written),
        cmocka_unit_test(without_rules_nobody_sends_anywhere),
        cmocka_unit_test(every_refusal_is_one_line_of_smtp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
