/* tests/unit/net/dns_name_test.c - promises of names and types in net/dns.h */
#include "../test.h"

#include "net/dns.h"

static void writes_names_so_that_they_can_be_read_back(void **state)
{
    char text[64];

    (void)state;
    assert_true(dns_name_text((struct span){ "\x02MX\x04tEst\x00", 9 }, text, sizeof text));
    assert_string_equal(text, "mx.test");
    assert_true(dns_name_text((struct span){ "\x00", 1 }, text, sizeof text));
    assert_string_equal(text, ".");
    assert_true(dns_name_text((struct span){ "\x04"
                                             "a.\\\x07"
                                             "\x00",
                                             6 },
                              text, sizeof text));
    assert_string_equal(text, "a\\.\\\\\\007");
    assert_true(dns_name_text((struct span){ "\x01z\x05test.\x00", 9 }, text, sizeof text));
    assert_string_equal(text, "z.test\\.");
    assert_false(dns_name_text((struct span){ "\x02mx", 3 }, text, sizeof text));
    assert_false(dns_name_text((struct span){ "\x05mx\x00", 4 }, text, sizeof text));
    assert_false(dns_name_text((struct span){ "\xc0\x0c", 2 }, text, sizeof text));
    assert_false(dns_name_text((struct span){ "\x02mx\x00x", 5 }, text, sizeof text));
    assert_false(dns_name_text((struct span){ "\x02mx\x04test\x00", 9 }, text, 7));
    assert_false(dns_name_text((struct span){ NULL, 0 }, text, sizeof text));
}

static void names_each_type(void **state)
{
    static const struct {
        enum dns_type type;
        const char *name;
    } cases[] = {
        { DNS_TYPE_A, "A" },     { DNS_TYPE_CNAME, "CNAME" }, { DNS_TYPE_MX, "MX" },
        { DNS_TYPE_TXT, "TXT" }, { DNS_TYPE_AAAA, "AAAA" },   { DNS_TYPE_TLSA, "TLSA" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(dns_type_name(cases[i].type), cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_names_so_that_they_can_be_read_back),
        cmocka_unit_test(names_each_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
