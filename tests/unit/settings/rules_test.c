/* tests/unit/settings/rules_test.c - tests what the rules of relaying and of policies get from a file. */
#include <string.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

static const char text[] = "listener \"[::1]:25\" { tls = none }\n"
                           "relay_from = { 10.0.0.0/8, \"2001:db8::/32\", 192.0.2.1 }\n"
                           "domain here.example { deliver = maildir:/m }\n"
                           "domain a.example { deliver = maildir:/m }\n"
                           "domain b.example { deliver = smtp:relay.example }\n"
                           "policy default { level = encrypt }\n"
                           "policy example.org { level = verify }\n"
                           "policy .example.org { level = secure\n"
                           "    match = { Partner.com, .partner.com. } }\n"
                           "policy \"b\xc3\xbc"
                           "cher.example\" { level = none }\n";

static const struct gateway_policy *find(const struct loaded *loaded, const char *domain)
{
    return gateway_policies_find(&loaded->settings->policy_rules, span_of(domain)).policy;
}

static void each_policy_is_for_what_its_title_says(void **state)
{
    struct loaded loaded = load_sound(text);
    const struct gateway_policies *rules = &loaded.settings->policy_rules;

    (void)state;
    assert_string_equal(rules->fallback->name, "default");
    assert_int_equal(rules->fallback->line, 6);
    assert_int_equal(rules->pattern_count, 3);
    assert_string_equal(rules->patterns[0].text, ".example.org");
    assert_string_equal(rules->patterns[1].text, "example.org");
    assert_string_equal(rules->patterns[2].text, "xn--bcher-kva.example");
    assert_int_equal(find(&loaded, "example.org")->level, POLICY_VERIFY);
    assert_int_equal(find(&loaded, "a.Example.org")->line, 8);
    assert_int_equal(find(&loaded, "a.example")->level, POLICY_ENCRYPT);
    assert_string_equal(find(&loaded, "xn--bcher-kva.example")->name, "b\xc3\xbc"
                                                                      "cher.example");
    loaded_clear(&loaded);
}

static void match_is_what_a_certificate_may_carry(void **state)
{
    struct loaded loaded = load_sound(text);
    const struct gateway_policy *policy = find(&loaded, "x.example.org");

    (void)state;
    assert_int_equal(policy->match_count, 2);
    assert_string_equal(policy->match[0], "partner.com");
    assert_string_equal(policy->match[1], ".partner.com");
    assert_int_equal(find(&loaded, "example.org")->match_count, 0);
    loaded_clear(&loaded);
}

static void a_next_hop_that_is_trusted_is_named_by_its_certificate(void **state)
{
    struct loaded loaded = load_sound(
        "listener \"[::1]:25\" { tls = none }\n"
        "policy default { level = secure next_hop = Relay.example:26 }\n"
        "policy a.example { level = secure next_hop = relay.example match = { b.example } }\n"
        "policy b.example { level = secure next_hop = [192.0.2.1] }\n"
        "policy c.example { level = verify next_hop = relay.example }\n"
        "policy d.example { level = secure next_hop = relay.example }\n"
        "policy .d.example { level = secure next_hop = relay.example }\n");
    const struct gateway_policy *policy = find(&loaded, "any.example");

    (void)state;
    assert_int_equal(policy->match_count, 2);
    assert_string_equal(policy->match[0], "relay.example");
    assert_string_equal(policy->match[1], ".relay.example");
    assert_string_equal(policy->hop_host, "relay.example");
    assert_int_equal(policy->hop_address.port, 26);
    assert_int_equal(find(&loaded, "a.example")->match_count, 1);
    assert_string_equal(find(&loaded, "a.example")->match[0], "b.example");
    assert_int_equal(find(&loaded, "b.example")->match_count, 0);
    assert_int_equal(find(&loaded, "c.example")->match_count, 0);
    policy = find(&loaded, "d.example");
    assert_int_equal(policy->match_count, 4);
    assert_string_equal(policy->match[1], ".relay.example");
    assert_string_equal(policy->match[2], "d.example");
    assert_string_equal(policy->match[3], ".d.example");
    assert_int_equal(find(&loaded, "a.d.example")->match_count, 2);
    loaded_clear(&loaded);
}

static void the_default_is_built_in(void **state)
{
    struct loaded loaded = load_text("");
    const struct gateway_policy *policy = find(&loaded, "example.org");

    (void)state;
    assert_int_equal(policy->level, POLICY_STS);
    assert_int_equal(policy->line, 0);
    assert_string_equal(policy->name, "default");
    assert_int_equal(loaded.settings->policy_rules.pattern_count, 0);
    loaded_clear(&loaded);
}

static struct gateway_relay_decision ask(const struct settings *settings, const char *peer,
                                         const char *recipient)
{
    struct net_address address = { 0 };

    assert_true(net_address_parse(span_of(peer), &address));
    return gateway_relay_decide(&settings->relay, &address, span_of(recipient));
}

static void the_rules_of_relaying_are_those_of_the_file(void **state)
{
    struct loaded loaded = load_sound(text), nobody = load_text("");
    const struct settings *settings = loaded.settings;
    struct gateway_relay_decision ours = ask(settings, "11.0.0.1", "x@A.Example");

    (void)state;
    assert_int_equal(ours.choice, GATEWAY_RELAY_LOCAL);
    assert_string_equal(settings->domains[ours.domain - settings->relay.domains].name, "a.example");
    assert_false(ours.domain->is_passed_on);
    assert_true(ask(settings, "11.0.0.1", "x@b.example").domain->is_passed_on);
    assert_string_equal(ask(settings, "11.0.0.1", "Postmaster").domain->name, "here.example");
    assert_int_equal(ask(settings, "11.0.0.1", "x@x.example.org").choice, GATEWAY_RELAY_REFUSE);
    assert_int_equal(ask(settings, "10.255.0.1", "x@net.example").choice, GATEWAY_RELAY_ANYWHERE);
    assert_int_equal(ask(settings, "192.0.2.1", "x@net.example").choice, GATEWAY_RELAY_ANYWHERE);
    assert_int_equal(ask(settings, "192.0.2.2", "x@net.example").choice, GATEWAY_RELAY_REFUSE);
    assert_int_equal(ask(settings, "2001:db8:1::1", "x@net.example").choice,
                     GATEWAY_RELAY_ANYWHERE);
    assert_int_equal(ask(nobody.settings, "127.0.0.1", "x@net.example").choice,
                     GATEWAY_RELAY_REFUSE);
    assert_int_equal(ask(nobody.settings, "127.0.0.1", "Postmaster").choice, GATEWAY_RELAY_REFUSE);
    loaded_clear(&loaded);
    loaded_clear(&nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_is_for_what_its_title_says),
        cmocka_unit_test(match_is_what_a_certificate_may_carry),
        cmocka_unit_test(a_next_hop_that_is_trusted_is_named_by_its_certificate),
        cmocka_unit_test(the_default_is_built_in),
        cmocka_unit_test(the_rules_of_relaying_are_those_of_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
