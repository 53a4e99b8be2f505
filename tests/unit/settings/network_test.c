/* tests/unit/settings/network_test.c - tests which texts are a network, and which one. */
#include "settings/network.h"

#include <string.h>

#include "unit/test.h"

static void expect_network(const char *text, const char *base, unsigned bits)
{
    struct gateway_relay_network network;
    char shown[NET_ADDRESS_TEXT];

    assert_true(settings_network_parse(span_of(text), &network, NULL));
    assert_string_equal(net_address_text(&network.base, shown), base);
    assert_int_equal(network.bits, bits);
}

static void reads_networks_and_single_addresses(void **state)
{
    (void)state;
    expect_network("192.0.2.0/24", "192.0.2.0", 24);
    expect_network("192.0.2.128/25", "192.0.2.128", 25);
    expect_network("192.0.2.7", "192.0.2.7", 32);
    expect_network("192.0.2.7/32", "192.0.2.7", 32);
    expect_network("0.0.0.0/0", "0.0.0.0", 0);
    expect_network("2001:db8:8000::/33", "2001:db8:8000::", 33);
    expect_network("::1", "::1", 128);
    expect_network("::/0", "::", 0);
}

static void refuses_what_is_no_network(void **state)
{
    static const char *const texts[] = { "",
                                         "/",
                                         "/8",
                                         "10.0.0.0/",
                                         "10.0.0.0/33",
                                         "10.0.0.0/-1",
                                         "10.0.0.0/8/8",
                                         "10.0.0.1/31",
                                         "::1/127",
                                         "::/129",
                                         "10.0.0/8",
                                         "a.example",
                                         "0.0.0.1/0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct gateway_relay_network network;
        struct error err = { ERROR_NONE, "" };

        assert_false(settings_network_parse(span_of(texts[i]), &network, &err));
        assert_int_equal(err.kind, ERROR_FORMAT);
    }
}

static void says_which_network_may_be_meant(void **state)
{
    struct gateway_relay_network network;
    struct error err;

    (void)state;
    assert_false(settings_network_parse(span_of("2001:db8::1/32"), &network, &err));
    assert_non_null(strstr(err.text, "2001:db8::/32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_networks_and_single_addresses),
        cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(says_which_network_may_be_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
