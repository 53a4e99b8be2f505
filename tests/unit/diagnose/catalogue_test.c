/* tests/unit/diagnose/catalogue_test.c - promises of diagnose/catalogue.h */
#include "../test.h"

#include <ctype.h>
#include <string.h>

#include "diagnose/catalogue.h"
#include "diagnose/pages.h"

static bool is_slug(const char *code)
{
    for (const char *c = code; *c != '\0'; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
            return false;
    return code[0] != '\0';
}

static bool braces_pair(const char *text)
{
    bool inside = false;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '{') {
            if (inside)
                return false;
            inside = true;
        } else if (*c == '}') {
            if (!inside)
                return false;
            inside = false;
        } else if (inside && !islower((unsigned char)*c) && *c != '_') {
            return false;
        }
    }
    return !inside;
}

/* RFC 8460 section 4.3 */
static bool is_report_type(const char *type)
{
    static const char *const types[] = {
        "starttls-not-supported", "certificate-host-mismatch",
        "certificate-expired",    "certificate-not-trusted",
        "validation-failure",     "tlsa-invalid",
        "dnssec-invalid",         "dane-required",
        "sts-policy-fetch-error", "sts-policy-invalid",
        "sts-webpki-invalid",
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* of a line of postern explain --list, where codes are padded to 34 */
static size_t list_columns(const struct catalogue_row *row)
{
    size_t code = strlen(row->code);

    return (code < 34 ? 34 : code) + 1 + strlen(row->title);
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < catalogue_count(); i++) {
        const struct catalogue_row *row = catalogue_row(i);

        assert_true(is_slug(row->code));
        assert_ptr_equal(catalogue_find(row->code), row); /* so no code stands twice */
        assert_true(row->title[0] != '\0' && list_columns(row) <= 80);
        assert_true(row->cause[0] != '\0' && row->remedy[0] != '\0');
        assert_true(braces_pair(row->cause) && braces_pair(row->remedy));
        assert_true(strncmp(row->source, "RFC ", 4) == 0);
        assert_true(row->tls_report == NULL || is_report_type(row->tls_report));
        assert_true((row->enhanced_status[0] == '4' || row->enhanced_status[0] == '5') &&
                    row->enhanced_status[1] == '.');
        assert_true((row->lab == NULL) != (row->lab_reason == NULL));
        assert_true(row->cause[strlen(row->cause) - 1] != '.');
    }
}

static void every_variant_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < catalogue_variant_count(); i++) {
        const struct catalogue_variant *variant = catalogue_variant(i);

        assert_ptr_equal(catalogue_variant_find(variant->key), variant);
        assert_true(braces_pair(variant->cause));
        assert_true(variant->remedy == NULL || braces_pair(variant->remedy));
    }
}

/* The slugs are a contract: these were promised first. */
static void keeps_the_promised_codes(void **state)
{
    static const char *const promised[] = {
        "dns-nxdomain",
        "dns-null-mx",
        "dns-timeout",
        "dns-servfail",
        "dns-bogus",
        "dns-no-address",
        "dns-mx-is-address",
        "dns-mx-is-alias",
        "connect-refused",
        "connect-timeout",
        "connect-unreachable",
        "connect-reset",
        "port-25-blocked",
        "greeting-timeout",
        "greeting-closed",
        "greeting-malformed",
        "greeting-rejected",
        "greeting-expects-tls",
        "ehlo-rejected",
        "ehlo-keyword-before-greeting",
        "ehlo-malformed",
        "ehlo-bare-lf",
        "starttls-masked",
        "starttls-not-offered",
        "starttls-refused-temporarily",
        "starttls-refused",
        "starttls-closed",
        "starttls-injected",
        "starttls-not-tls",
        "handshake-closed",
        "handshake-reset",
        "handshake-timeout",
        "handshake-no-common-version",
        "handshake-no-common-cipher",
        "handshake-weak-dh",
        "handshake-legacy-renegotiation",
        "handshake-name-not-recognized",
        "handshake-alert",
        "client-certificate-required",
        "client-certificate-rejected",
        "client-certificate-expired",
        "certificate-expired",
        "certificate-not-yet-valid",
        "certificate-intermediate-expired",
        "certificate-self-signed",
        "certificate-issuer-untrusted",
        "certificate-chain-incomplete",
        "certificate-chain-misordered",
        "certificate-chain-superfluous",
        "certificate-name-mismatch",
        "certificate-name-only-in-cn",
        "certificate-wrong-purpose",
        "certificate-not-a-ca",
        "certificate-name-constraint",
        "certificate-weak-key",
        "certificate-weak-signature",
        "certificate-revoked",
        "certificate-staple-missing",
        "certificate-expires-soon",
        "trust-store-empty",
        "clock-wrong",
        "tlsa-mismatch",
        "tlsa-unusable",
        "tlsa-lookup-failed",
        "dane-required",
        "sts-record-invalid",
        "sts-policy-invalid",
        "sts-fetch-failed",
        "sts-certificate-invalid",
        "sts-host-not-listed",
        "fingerprint-mismatch",
        "level-unavailable",
        "after-tls-ehlo-rejected",
        "after-tls-second-greeting",
        "after-tls-closed",
        "close-notify-missing",
    };

    (void)state;
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++)
        assert_non_null(catalogue_find(promised[i]));
    assert_null(catalogue_find("handshake-failed")); /* never a cause */
}

static void explains_every_row_on_a_page(void **state)
{
    static const char *const parts[] = { "\n## How it shows\n", "\n## Why it happens\n",
                                         "\n## Prove it by hand\n", "\n## Put it right\n",
                                         "\n## Sources\n" };

    (void)state;
    for (size_t i = 0; i < catalogue_count(); i++) {
        const char *page = pages_find(catalogue_row(i)->code);

        if (page == NULL)
            fail_msg("doc/findings/%s.md is missing", catalogue_row(i)->code);
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
            if (strstr(page, parts[k]) == NULL)
                fail_msg("doc/findings/%s.md lacks%s", catalogue_row(i)->code, parts[k]);
        assert_null(strstr(page, "FILL-IN"));
    }
    assert_null(pages_find("README"));
    assert_null(pages_find("no-such-code"));
}

static void fills_names_and_the_last_value_wins(void **state)
{
    static const struct catalogue_value values[] = { { "host", "mx" }, { "n", "2" }, { "n", "3" } };
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 16);
    assert_string_equal(catalogue_fill(&arena, "{host} has {n}, {host}", values, 3),
                        "mx has 3, mx");
    assert_string_equal(catalogue_fill(&arena, "plain", values, 3), "plain");
    assert_string_equal(catalogue_fill(&arena, "", NULL, 0), "");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_variant_is_whole),
        cmocka_unit_test(keeps_the_promised_codes),
        cmocka_unit_test(explains_every_row_on_a_page),
        cmocka_unit_test(fills_names_and_the_last_value_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
