/* tests/unit/diagnose/reason_test.c - promises of diagnose/reason.h */
#include "../test.h"

#include <string.h>

#include "base/compiler.h"
#include "diagnose/catalogue.h"
#include "diagnose/reason.h"

static void add(struct findings *findings, const char *code)
{
    const struct catalogue_row *row = catalogue_find(code);

    assert_non_null(row);
    findings->items[findings->count++] =
        (struct finding){ .code = row->code, .step = row->step, .severity = row->severity };
}

static void the_cause_of_a_finding_is_the_reason_where_it_was_found_too(void **state)
{
    struct findings findings = { .count = 0 };

    (void)state;
    add(&findings, "tlsa-mismatch");
    findings.items[0].because_of = "certificate-expired";
    assert_string_equal(reason_find(POLICY_REASON_TLSA_MISMATCH, &findings)->code, "tlsa-mismatch");
    add(&findings, "certificate-expired");
    assert_string_equal(reason_find(POLICY_REASON_TLSA_MISMATCH, &findings)->code,
                        "certificate-expired");
    findings.items[1].severity = SEVERITY_WARNING;
    assert_string_equal(reason_find(POLICY_REASON_TLSA_MISMATCH, &findings)->code, "tlsa-mismatch");
}

static void a_reason_has_the_finding_that_it_is_about(void **state)
{
    static const struct {
        enum policy_reason reason;
        const char *codes[3], *expected;
    } cases[] = {
        { POLICY_REASON_NOT_OFFERED,
          { "ehlo-bare-lf", "starttls-not-offered" },
          "starttls-not-offered" },
        { POLICY_REASON_NOT_OFFERED, { "starttls-masked" }, "starttls-masked" },
        { POLICY_REASON_REFUSED,
          { "starttls-refused-temporarily" },
          "starttls-refused-temporarily" },
        { POLICY_REASON_HANDSHAKE, { "starttls-not-tls" }, "starttls-not-tls" },
        { POLICY_REASON_HANDSHAKE,
          { "handshake-no-common-version" },
          "handshake-no-common-version" },
        { POLICY_REASON_NOT_TRUSTED,
          { "certificate-name-mismatch", "certificate-expires-soon", "certificate-self-signed" },
          "certificate-self-signed" },
        { POLICY_REASON_NOT_TRUSTED,
          { "trust-store-empty", "certificate-issuer-untrusted" },
          "trust-store-empty" },
        { POLICY_REASON_HOST_NOT_NAMED,
          { "certificate-expired", "certificate-name-mismatch" },
          "certificate-name-mismatch" },
        { POLICY_REASON_DOMAIN_NOT_NAMED,
          { "certificate-name-only-in-cn" },
          "certificate-name-only-in-cn" },
        { POLICY_REASON_AFTER_TLS, { "after-tls-timeout" }, "after-tls-timeout" },
        { POLICY_REASON_UNANSWERED, { "connect-refused" }, "connect-refused" },
        { POLICY_REASON_VERSION, { "version-below-minimum" }, "version-below-minimum" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct findings findings = { .count = 0 };

        for (size_t k = 0; k < 3 && cases[i].codes[k] != NULL; k++)
            add(&findings, cases[i].codes[k]);
        assert_non_null(reason_find(cases[i].reason, &findings));
        assert_string_equal(reason_find(cases[i].reason, &findings)->code, cases[i].expected);
        assert_string_equal(reason_code(cases[i].reason, &findings), cases[i].expected);
    }
}

static void a_reason_without_a_finding_names_one_of_the_catalogue(void **state)
{
    struct findings none = { .count = 0 };

    (void)state;
    for (int i = POLICY_REASON_FINE; i <= POLICY_REASON_VERSION; i++) {
        const char *code = reason_code((enum policy_reason)i, &none);

        assert_null(reason_find((enum policy_reason)i, &none));
        if (i == POLICY_REASON_FINE || i == POLICY_REASON_LEVEL_NONE ||
            i == POLICY_REASON_UNANSWERED)
            assert_null(code);
        else
            assert_non_null(catalogue_find(code));
    }
}

static void what_is_well_has_no_reason(void **state)
{
    struct findings findings = { .count = 0 };

    (void)state;
    add(&findings, "certificate-expired");
    assert_null(reason_code(POLICY_REASON_FINE, &findings));
    assert_null(reason_code(POLICY_REASON_LEVEL_NONE, &findings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reason_has_the_finding_that_it_is_about),
        cmocka_unit_test(the_cause_of_a_finding_is_the_reason_where_it_was_found_too),
        cmocka_unit_test(a_reason_without_a_finding_names_one_of_the_catalogue),
        cmocka_unit_test(what_is_well_has_no_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
