/* tests/unit/gateway/delivery_route_test.c - promises of gateway/delivery_route.h */
#include "../test.h"
#include "gateway/delivery_route.h"

static struct gateway_profile_domain domains[] = {
    { .name = "a.example", .kind = GATEWAY_DELIVER_MAILDIR, .path = "/m/{user}" },
    { .name = "b.example", .kind = GATEWAY_DELIVER_LMTP_SOCKET, .path = "/run/lmtp" },
    { .name = "xn--bcher-kva.example", .kind = GATEWAY_DELIVER_SMTP, .host = "in.example" },
};
static struct gateway_profile profile = { .domains = domains, .domain_count = 3 };

static void finds_the_domain_of_a_recipient(void **state)
{
    static const struct {
        const char *recipient;
        size_t domain;
    } cases[] = {
        { "user@a.example", 0 },
        { "user@B.Example", 1 },
        { "user@b.example.", 1 },
        { "user@b\xc3\xbc"
          "cher.example",
          2 },
        { "\"odd@b.example\"@a.example", 0 },
        { "user@c.example", 3 },
        { "user@sub.a.example", 3 },
        { "user@[192.0.2.1]", 3 },
        { "user@", 3 },
        { "user", 3 },
        { "postmaster", 3 },
        { "", 3 },
    };
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct delivery_route route =
            delivery_route_find(&profile, span_of(cases[i].recipient), &arena);

        if (route.domain != cases[i].domain)
            fail_msg("%s goes to %zu", cases[i].recipient, route.domain);
        assert_true(span_equal(route.address, span_of(cases[i].recipient)));
    }
}

static void gives_postmaster_alone_their_domain(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 };
    struct gateway_profile with_postmaster = profile;
    struct delivery_route route;

    (void)state;
    with_postmaster.relay.postmaster_domain = "b.example";
    route = delivery_route_find(&with_postmaster, span_of("PostMaster"), &arena);
    assert_int_equal(route.domain, 1);
    assert_true(span_equal(route.address, span_of("PostMaster@b.example")));
    with_postmaster.relay.postmaster_domain = "gone.example";
    route = delivery_route_find(&with_postmaster, span_of("postmaster"), &arena);
    assert_int_equal(route.domain, 3);
}

static void knows_nobody_where_there_is_no_domain(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 };
    const struct gateway_profile empty = { .domain_count = 0 };

    (void)state;
    assert_int_equal(delivery_route_find(&empty, span_of("user@a.example"), &arena).domain, 0);
}

static struct gateway_profile_domain lmtp(const char *host, const char *address, uint16_t port)
{
    struct gateway_profile_domain domain = { .kind = GATEWAY_DELIVER_LMTP, .host = host };

    assert_true(net_address_parse(span_of(address), &domain.address));
    domain.address.port = port;
    return domain;
}

static void names_servers_as_the_settings_do(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 };
    struct gateway_profile_domain by_address = lmtp(NULL, "2001:db8::1", 24),
                                  by_name = lmtp("in.example", "0.0.0.0", 2424);

    (void)state;
    assert_string_equal(delivery_route_name(&domains[1], &arena), "lmtp:unix:/run/lmtp");
    assert_string_equal(delivery_route_name(&by_address, &arena), "lmtp:[2001:db8::1]:24");
    assert_string_equal(delivery_route_name(&by_name, &arena), "lmtp:in.example:2424");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_domain_of_a_recipient),
        cmocka_unit_test(gives_postmaster_alone_their_domain),
        cmocka_unit_test(knows_nobody_where_there_is_no_domain),
        cmocka_unit_test(names_servers_as_the_settings_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
