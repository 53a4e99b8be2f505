/* tests/unit/net/address_test.c - promises of net/address.h */
#include "../test.h"

#include <string.h>

#include "net/address.h"
#include "net/address_internal.h"

static void reads_addresses_of_both_families(void **state)
{
    static const struct {
        const char *text, *written;
        bool is_ipv6;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", false },
        { "[192.0.2.1]", "192.0.2.1", false },
        { "2001:db8::1", "2001:db8::1", true },
        { "[2001:DB8:0::1]", "2001:db8::1", true },
        { "::", "::", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct net_address address = { .port = 25 };
        char text[NET_ADDRESS_TEXT];

        assert_true(net_address_parse(span_of(cases[i].text), &address));
        assert_int_equal(address.is_ipv6, cases[i].is_ipv6);
        assert_int_equal(address.port, 25);
        assert_string_equal(net_address_text(&address, text), cases[i].written);
    }
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const cases[] = { "",  "[]",           "[",  "192.0.2",      "192.0.2.256",
                                         ":", "192.0.2.1:25", "mx", "fe80::1%eth0", "[::1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct net_address address = { .port = 1 };

        if (net_address_parse(span_of(cases[i]), &address))
            fail_msg("\"%s\" was taken", cases[i]);
    }
    struct net_address address;

    assert_false(net_address_parse((struct span){ "192.0.2.1\0x", 11 }, &address));
}

static void goes_through_the_kernels_form_and_back(void **state)
{
    static const char *const cases[] = { "192.0.2.1", "2001:db8::7" };
    struct sockaddr_storage storage;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct net_address before = { .port = 587 }, after;

        assert_true(net_address_parse(span_of(cases[i]), &before));
        assert_true(net_address_to_socket(&before, &storage) > 0);
        assert_true(net_address_from_socket(&storage, &after));
        assert_memory_equal(before.bytes, after.bytes, sizeof before.bytes);
        assert_int_equal(before.is_ipv6, after.is_ipv6);
        assert_int_equal(before.port, after.port);
    }
}

static void takes_a_mapped_address_for_ipv4(void **state)
{
    struct net_address address = { .port = 1 }, after;
    struct sockaddr_storage storage;
    char text[NET_ADDRESS_TEXT];

    (void)state;
    assert_true(net_address_parse(span_of("::ffff:192.0.2.9"), &address));
    (void)net_address_to_socket(&address, &storage);
    assert_true(net_address_from_socket(&storage, &after));
    assert_false(after.is_ipv6);
    assert_string_equal(net_address_text(&after, text), "192.0.2.9");
    storage.ss_family = AF_UNIX;
    assert_false(net_address_from_socket(&storage, &after));
}

static void compares_what_counts_and_no_padding(void **state)
{
    struct net_address one, other;

    (void)state;
    memset(&one, 0, sizeof one);
    memset(&other, 0xff, sizeof other); /* behind an IPv4 address, and between the fields */
    assert_true(net_address_parse(span_of("192.0.2.9"), &one));
    other.is_ipv6 = false;
    memcpy(other.bytes, one.bytes, 4);
    other.port = one.port = 25;
    assert_true(net_address_equal(&one, &other));
    other.port = 26;
    assert_false(net_address_equal(&one, &other));
    assert_true(net_address_is_same_host(&one, &other));
    other.bytes[3]++;
    assert_false(net_address_is_same_host(&one, &other));
    assert_true(net_address_parse(span_of("c000:209::"), &other)); /* the same first octets */
    assert_false(net_address_is_same_host(&one, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses_of_both_families),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(goes_through_the_kernels_form_and_back),
        cmocka_unit_test(takes_a_mapped_address_for_ipv4),
        cmocka_unit_test(compares_what_counts_and_no_padding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
