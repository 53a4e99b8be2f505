/* tests/unit/gateway/policies_test.c - promises of gateway/policies.h */
#include "../test.h"
#include "gateway/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct gateway_policy encrypt = { .name = "default", .level = POLICY_ENCRYPT };
static const struct gateway_policy verify = { .name = "Example.org", .level = POLICY_VERIFY };
static const struct gateway_policy secure = { .name = ".example.org", .level = POLICY_SECURE };
static const struct gateway_policy dane = { .name = ".b.example.org", .level = POLICY_DANE_ONLY };
static const struct gateway_policy net = { .name = ".net", .level = POLICY_STS };

static const struct gateway_policy_pattern patterns[] = {
    { ".b.example.org", &dane },
    { ".example.org", &secure },
    { ".net", &net },
    { "example.org", &verify },
};
static const struct gateway_policies policies = { &encrypt, patterns, ARRAY_SIZE(patterns) };

static const struct {
    const char *domain;
    enum policy_level level;
    enum gateway_policy_rule rule;
    const char *pattern;
} choices[] = {
    { "example.org", POLICY_VERIFY, GATEWAY_POLICY_EXACT, "example.org" },
    { "EXAMPLE.Org.", POLICY_VERIFY, GATEWAY_POLICY_EXACT, "example.org" },
    { "a.example.org", POLICY_SECURE, GATEWAY_POLICY_PARENT, ".example.org" },
    { "x.a.example.org", POLICY_SECURE, GATEWAY_POLICY_PARENT, ".example.org" },
    { "b.example.org", POLICY_SECURE, GATEWAY_POLICY_PARENT, ".example.org" },
    { "c.b.example.org", POLICY_DANE_ONLY, GATEWAY_POLICY_PARENT, ".b.example.org" },
    { "C.B.EXAMPLE.ORG", POLICY_DANE_ONLY, GATEWAY_POLICY_PARENT, ".b.example.org" },
    { "example.net", POLICY_STS, GATEWAY_POLICY_PARENT, ".net" },
    { "net", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
    { "badexample.org", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
    { "example.org.evil.example", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
    { "default", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
    { "", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
    { ".", POLICY_ENCRYPT, GATEWAY_POLICY_DEFAULT, "default" },
};

static void the_nearest_policy_is_for_a_domain_and_says_which_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
        struct gateway_policy_choice choice =
            gateway_policies_find(&policies, span_of(choices[i].domain));

        assert_int_equal(choice.policy->level, choices[i].level);
        assert_int_equal(choice.rule, choices[i].rule);
        assert_string_equal(choice.pattern, choices[i].pattern);
    }
}

static void a_name_with_a_nul_is_nobodys(void **state)
{
    struct span name = { "example.org\0.evil.example", 25 };

    (void)state;
    assert_int_equal(gateway_policies_find(&policies, name).rule, GATEWAY_POLICY_DEFAULT);
}

static void without_any_policy_the_level_is_may(void **state)
{
    const struct gateway_policies none = { NULL, NULL, 0 };
    struct gateway_policy_choice choice = gateway_policies_find(&none, span_of("example.org"));

    (void)state;
    assert_int_equal(choice.policy->level, POLICY_STS);
    assert_int_equal(choice.policy->minimum_version, 0);
    assert_int_equal(choice.policy->line, 0);
    assert_false(choice.policy->has_next_hop);
    assert_int_equal(choice.rule, GATEWAY_POLICY_DEFAULT);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct gateway_policy_pattern *)a)->text,
                  ((const struct gateway_policy_pattern *)b)->text);
}

static void finds_each_of_many_names(void **state)
{
    struct gateway_policy_pattern many[999];
    struct gateway_policies all = { &encrypt, many, ARRAY_SIZE(many) };
    char texts[999][32], name[64];

    (void)state;
    for (int i = 0; i < 999; i++) {
        snprintf(texts[i], sizeof texts[i], ".p%d.example", i);
        many[i] = (struct gateway_policy_pattern){ texts[i], &secure };
    }
    qsort(many, ARRAY_SIZE(many), sizeof many[0], compare);
    for (int i = 0; i < 999; i++) {
        snprintf(name, sizeof name, "Host.P%d.example", i);
        assert_string_equal(gateway_policies_find(&all, span_of(name)).pattern, texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_policy_is_for_a_domain_and_says_which_rule),
        cmocka_unit_test(a_name_with_a_nul_is_nobodys),
        cmocka_unit_test(without_any_policy_the_level_is_may),
        cmocka_unit_test(finds_each_of_many_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
