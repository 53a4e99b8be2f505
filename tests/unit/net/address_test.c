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

/* RFC 6890, and what IANA added since. */
static void tells_addresses_that_not_everybody_reaches(void **state)
{
    static const struct {
        const char *text, *special; /* NULL: everybody reaches it */
    } cases[] = {
        { "0.0.0.0", "of this network alone" },
        { "1.0.0.0", NULL },
        { "9.255.255.255", NULL },
        { "10.0.0.0", "private" },
        { "10.255.255.255", "private" },
        { "11.0.0.0", NULL },
        { "100.63.255.255", NULL },
        { "100.64.0.0", "shared among the customers of an operator" },
        { "100.127.255.255", "shared among the customers of an operator" },
        { "100.128.0.0", NULL },
        { "126.255.255.255", NULL },
        { "127.0.0.1", "loopback" },
        { "127.255.255.255", "loopback" },
        { "169.253.255.255", NULL },
        { "169.254.169.254", "link-local" },
        { "172.15.255.255", NULL },
        { "172.16.0.0", "private" },
        { "172.31.255.255", "private" },
        { "172.32.0.0", NULL },
        { "192.0.0.9", "kept for protocols" },
        { "192.0.1.0", NULL },
        { "192.0.2.1", "for documents alone" },
        { "192.88.99.1", "of relays that are no more" },
        { "192.167.255.255", NULL },
        { "192.168.0.1", "private" },
        { "192.169.0.0", NULL },
        { "198.17.255.255", NULL },
        { "198.19.255.255", "for measurements alone" },
        { "198.20.0.0", NULL },
        { "198.51.100.7", "for documents alone" },
        { "203.0.113.7", "for documents alone" },
        { "223.255.255.255", NULL },
        { "224.0.0.1", "multicast" },
        { "240.0.0.1", "reserved" },
        { "255.255.255.255", "reserved" },
        { "::", "of this network alone" },
        { "::1", "loopback" },
        { "::2", "reserved" },
        { "::192.0.2.1", "reserved" },
        { "::ffff:127.0.0.1", "IPv4 in the form of IPv6" },
        { "::ffff:8.8.8.8", "IPv4 in the form of IPv6" },
        { "64:ff9b::10.0.0.1", "private" },
        { "64:ff9b::8.8.8.8", NULL },
        { "64:ff9b:1::8.8.8.8", "reserved" },
        { "100::1", "reserved" },
        { "1fff:ffff::1", "reserved" },
        { "2001::1", "kept for protocols" },
        { "2001:1ff:ffff::1", "kept for protocols" },
        { "2001:200::1", NULL },
        { "2001:db7:ffff::1", NULL },
        { "2001:db8::1", "for documents alone" },
        { "2001:db9::1", NULL },
        { "2002:a00:1::1", "of relays that are no more" },
        { "2003::1", NULL },
        { "2a00:1450::1", NULL },
        { "3ffe:ffff::1", NULL },
        { "3fff:fff::1", "for documents alone" },
        { "3fff:1000::1", NULL },
        { "4000::1", "reserved" },
        { "5f00::1", "reserved" },
        { "fc00::1", "private" },
        { "fdff::1", "private" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "fec0::1", "reserved" },
        { "ff02::1", "multicast" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct net_address address;
        const char *special, *wanted = cases[i].special == NULL ? "" : cases[i].special;

        assert_true(net_address_parse(span_of(cases[i].text), &address));
        special = net_address_special(&address);
        if (strcmp(special == NULL ? "" : special, wanted) != 0)
            fail_msg("%s is \"%s\" and not \"%s\"", cases[i].text, special == NULL ? "" : special,
                     wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses_of_both_families),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(goes_through_the_kernels_form_and_back),
        cmocka_unit_test(takes_a_mapped_address_for_ipv4),
        cmocka_unit_test(compares_what_counts_and_no_padding),
        cmocka_unit_test(tells_addresses_that_not_everybody_reaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
