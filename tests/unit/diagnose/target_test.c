/* tests/unit/diagnose/target_test.c - promises of diagnose/target.h */
#include "../test.h"

#include "diagnose/target.h"

static int make_arena(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int clear_arena(void **state)
{
    arena_clear(*state);
    return 0;
}

static const struct {
    const char *text;
    enum target_kind kind;
    const char *name;
    uint16_t port;
} understood[] = {
    { "example.org", TARGET_DOMAIN, "example.org", 25 },
    { "Example.ORG.", TARGET_DOMAIN, "example.org", 25 },
    { "b\xc3\xbc"
      "cher.example",
      TARGET_DOMAIN, "xn--bcher-kva.example", 25 },
    { "mx.example.org:2525", TARGET_HOST, "mx.example.org", 2525 },
    { "192.0.2.1", TARGET_ADDRESS, "192.0.2.1", 25 },
    { "192.0.2.1:465", TARGET_ADDRESS, "192.0.2.1", 465 },
    { "[192.0.2.1]:26", TARGET_ADDRESS, "192.0.2.1", 26 },
    { "[2001:DB8::1]:26", TARGET_ADDRESS, "2001:db8::1", 26 },
    { "[2001:db8::1]", TARGET_ADDRESS, "2001:db8::1", 25 },
    { "2001:db8::1", TARGET_ADDRESS, "2001:db8::1", 25 },
};

static void understands_domains_hosts_and_addresses(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(understood); i++) {
        struct target target;
        struct error err;

        assert_true(target_parse(understood[i].text, 25, *state, &target, &err));
        assert_int_equal(target.kind, understood[i].kind);
        assert_string_equal(target.name, understood[i].name);
        assert_int_equal(target.port, understood[i].port);
        if (target.kind == TARGET_ADDRESS)
            assert_int_equal(target.address.is_ipv6,
                             span_find(span_of(target.name), ':') < strlen(target.name));
    }
}

static void refuses_what_is_neither_and_repeats_it(void **state)
{
    static const char *const refused[] = {
        "",
        ":25",
        "[",
        "[]",
        "[192.0.2.1",
        "[192.0.2.1]25",
        "a:0",
        "a:65536",
        "a:smtp",
        "a:",
        "a..example",
        ".example.org",
        "a b",
        "[mx.example]",
        "[::1]:",
        "user@a.example",
        "a.example/x",
    };

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct target target;
        struct error err = { 0 };

        if (target_parse(refused[i], 25, *state, &target, &err))
            fail_msg("\"%s\" was taken for %s", refused[i], target.name);
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_non_null(strstr(err.text, refused[i]));
    }
}

static void takes_only_addresses_to_connect_to(void **state)
{
    struct net_address address;
    struct error err;
    char text[NET_ADDRESS_TEXT];

    (void)state;
    assert_true(target_parse_address("127.0.0.1:2525", 25, &address, &err));
    assert_int_equal(address.port, 2525);
    assert_true(target_parse_address("::1", 26, &address, &err));
    assert_int_equal(address.port, 26);
    assert_string_equal(net_address_text(&address, text), "::1");
    assert_false(target_parse_address("mx.example.org", 25, &address, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_domains_hosts_and_addresses),
        cmocka_unit_test(refuses_what_is_neither_and_repeats_it),
        cmocka_unit_test(takes_only_addresses_to_connect_to),
    };

    return cmocka_run_group_tests(tests, make_arena, clear_arena);
}
