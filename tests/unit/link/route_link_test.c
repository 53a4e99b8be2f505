/* tests/unit/link/route_link_test.c - promises of link/route_link.h. */
#include "../test.h"

#include <string.h>

#include "link/route_link.h"

static struct client_link_settings set_up(const struct route *route, const struct route_host *host)
{
    struct client_link_settings settings = { .host = "kept" };

    route_link_set_up(route, host, &settings);
    return settings;
}

static void check_names(const struct route *route, const struct route_host *host,
                        const char *wanted)
{
    struct client_link_settings settings = set_up(route, host);
    char text[256] = "";

    for (size_t i = 0; i < settings.dane_name_count; i++) {
        strncat(text, i == 0 ? "" : " ", sizeof text - strlen(text) - 1);
        strncat(text, settings.dane_names[i], sizeof text - strlen(text) - 1);
    }
    assert_string_equal(text, wanted);
}

static void passes_on_all_that_the_dns_says_of_the_host(void **state)
{
    struct dane_record record = { .usage = 3 };
    const struct route route = { .domain = "example.test",
                                 .has_mx = true,
                                 .mx_security = DNS_INSECURE };
    const struct route_host host = {
        .name = "mx.example.test",
        .preference = 7,
        .security = DNS_SECURE,
        .tlsa = POLICY_TLSA_USABLE,
        .tlsa_base = "real.example.test",
        .tlsa_failure = "words",
        .tlsa_flaw = { TLSA_FLAW_DANGLING, "name", "alias" },
        .tlsa_records = &record,
        .tlsa_count = 1,
    };
    struct client_link_settings settings = set_up(&route, &host);

    (void)state;
    assert_string_equal(settings.host, "kept");
    assert_int_equal(settings.preference, 7);
    assert_true(settings.has_lookups);
    assert_int_equal(settings.dnssec, DNS_SECURE);
    assert_int_equal(settings.mx_dnssec, DNS_INSECURE);
    assert_int_equal(settings.tlsa_state, POLICY_TLSA_USABLE);
    assert_string_equal(settings.tlsa_base, "real.example.test");
    assert_string_equal(settings.tlsa_failure, "words");
    assert_int_equal(settings.tlsa_flaw.kind, TLSA_FLAW_DANGLING);
    assert_string_equal(settings.tlsa_flaw.alias, "alias");
    assert_ptr_equal(settings.tlsa, &record);
    assert_int_equal(settings.tlsa_count, 1);
}

/* The example of RFC 7672 section 3.2.2 */
static void lists_the_names_that_stand_for_a_domain(void **state)
{
    struct route route = { .domain = "exchange.example.org",
                           .canonical_domain = "example.com",
                           .has_mx = true,
                           .mx_security = DNS_SECURE };
    struct route_host host = { .name = "mx10.example.com", .tlsa_base = "mx10.example.com" };

    (void)state;
    check_names(&route, &host, "mx10.example.com exchange.example.org example.com");
    host.name = "mx15.example.com"; /* its end has no records, so its own name is the base */
    host.tlsa_base = "mx15.example.com";
    check_names(&route, &host, "mx15.example.com exchange.example.org example.com");
    host.name = "mx20.example.com";
    host.tlsa_base = "mxbackup.example.net";
    check_names(&route, &host, "mxbackup.example.net exchange.example.org example.com");
}

static void takes_the_base_alone_where_the_mx_is_not_secure(void **state)
{
    struct route route = { .domain = "example.org", .has_mx = true, .mx_security = DNS_INSECURE };
    struct route_host host = { .name = "mx.example.com", .tlsa_base = "mx.example.com" };

    (void)state;
    check_names(&route, &host, "mx.example.com");
    route.mx_security = DNS_INDETERMINATE;
    check_names(&route, &host, "mx.example.com");
}

static void takes_a_host_that_is_no_mx_by_both_of_its_names(void **state)
{
    struct route route = { .domain = "relay.example", .mx_security = DNS_SECURE };
    struct route_host host = { .name = "relay.example", .tlsa_base = "real.example" };

    (void)state;
    check_names(&route, &host, "real.example relay.example");
    host.tlsa_base = "relay.example";
    check_names(&route, &host, "relay.example");
    host.tlsa_base = NULL;
    check_names(&route, &host, "relay.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_on_all_that_the_dns_says_of_the_host),
        cmocka_unit_test(lists_the_names_that_stand_for_a_domain),
        cmocka_unit_test(takes_the_base_alone_where_the_mx_is_not_secure),
        cmocka_unit_test(takes_a_host_that_is_no_mx_by_both_of_its_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
