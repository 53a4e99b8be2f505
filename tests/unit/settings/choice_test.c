/* tests/unit/settings/choice_test.c - tests which policy is for a domain, and what the relay rules get. */
#include <stdio.h>
#include <string.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

static const char text[] = "listener \"[::1]:25\" { tls = none }\n"
                           "relay_from = { 10.0.0.0/8, \"2001:db8::/32\", 192.0.2.1 }\n"
                           "domain example.org { deliver = maildir:/m }\n"
                           "domain a.example { deliver = maildir:/m }\n"
                           "domain b.example { deliver = smtp:relay.example }\n"
                           "policy default { level = encrypt }\n"
                           "policy example.org { level = verify }\n"
                           "policy .example.org { level = secure }\n"
                           "policy deep { level = dane-only match = { .b.example.org, .net } }\n";

static const struct {
    const char *domain;
    enum policy_level level;
    enum settings_rule rule;
    const char *pattern;
} choices[] = {
    { "example.org", POLICY_VERIFY, SETTINGS_RULE_EXACT, "example.org" },
    { "EXAMPLE.Org.", POLICY_VERIFY, SETTINGS_RULE_EXACT, "example.org" },
    { "a.example.org", POLICY_SECURE, SETTINGS_RULE_PARENT, ".example.org" },
    { "x.a.example.org", POLICY_SECURE, SETTINGS_RULE_PARENT, ".example.org" },
    { "b.example.org", POLICY_SECURE, SETTINGS_RULE_PARENT, ".example.org" },
    { "c.b.example.org", POLICY_DANE_ONLY, SETTINGS_RULE_PARENT, ".b.example.org" },
    { "C.B.EXAMPLE.ORG", POLICY_DANE_ONLY, SETTINGS_RULE_PARENT, ".b.example.org" },
    { "example.net", POLICY_DANE_ONLY, SETTINGS_RULE_PARENT, ".net" },
    { "net", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
    { "badexample.org", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
    { "example.org.evil.example", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
    { "default", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
    { "", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
    { ".", POLICY_ENCRYPT, SETTINGS_RULE_DEFAULT, "default" },
};

static void the_nearest_policy_is_for_a_domain_and_says_which_rule(void **state)
{
    struct loaded loaded = load_sound(text);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
        struct settings_choice choice =
            settings_policy_for(loaded.settings, span_of(choices[i].domain));

        assert_non_null(choice.policy);
        assert_int_equal(choice.policy->level, choices[i].level);
        assert_int_equal(choice.rule, choices[i].rule);
        assert_string_equal(choice.pattern, choices[i].pattern);
    }
    loaded_clear(&loaded);
}

static void a_name_with_a_nul_is_nobodys(void **state)
{
    struct loaded loaded = load_sound(text);
    struct span name = { "example.org\0.evil.example", 25 };

    (void)state;
    assert_int_equal(settings_policy_for(loaded.settings, name).rule, SETTINGS_RULE_DEFAULT);
    loaded_clear(&loaded);
}

static void the_default_is_built_in(void **state)
{
    struct loaded loaded = load_text("");
    struct settings_choice choice = settings_policy_for(loaded.settings, span_of("example.org"));

    (void)state;
    assert_int_equal(choice.policy->level, POLICY_MAY);
    assert_int_equal(choice.policy->line, 0);
    assert_int_equal(choice.rule, SETTINGS_RULE_DEFAULT);
    loaded_clear(&loaded);
}

static void finds_each_of_many_names(void **state)
{
    struct loaded loaded;
    struct buffer many;

    (void)state;
    buffer_init(&many, 1 << 20);
    for (int i = 0; i < 999; i++)
        assert_true(buffer_format(&many, "policy .p%d.example { }\n", i * 7919 % 999));
    loaded = load_span(buffer_span(&many));
    assert_non_null(loaded.settings);
    for (int i = 0; i < 999; i++) {
        char name[64], pattern[64];

        snprintf(name, sizeof name, "Host.P%d.example", i);
        snprintf(pattern, sizeof pattern, ".p%d.example", i);
        assert_string_equal(settings_policy_for(loaded.settings, span_of(name)).pattern, pattern);
    }
    loaded_clear(&loaded);
    buffer_clear(&many);
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
    assert_string_equal(ask(settings, "11.0.0.1", "Postmaster").domain->name, "example.org");
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
        cmocka_unit_test(the_nearest_policy_is_for_a_domain_and_says_which_rule),
        cmocka_unit_test(a_name_with_a_nul_is_nobodys),
        cmocka_unit_test(the_default_is_built_in),
        cmocka_unit_test(finds_each_of_many_names),
        cmocka_unit_test(the_rules_of_relaying_are_those_of_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
