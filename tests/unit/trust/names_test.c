/* tests/unit/trust/names_test.c - tests which certificate names stand for which hosts. */
#include "trust/names.h"

#include <stdio.h>
#include <string.h>

#include "unit/test.h"

struct match_case {
    const char *presented, *reference;
    bool matches;
};

static const struct match_case cases[] = {
    { "mx.example.org", "mx.example.org", true },
    { "MX.Example.ORG", "mx.example.org", true },
    { "mx.example.org", "MX.EXAMPLE.ORG.", true },
    { "mx.example.org.", "mx.example.org", true },
    { "mx.example.org", "mx2.example.org", false },
    { "example.org", "mx.example.org", false },
    { "mx.example.org", "example.org", false },
    { "xmx.example.org", "mx.example.org", false },
    { "", "mx.example.org", false },
    { "mx.example.org", "", false },
    { ".", ".", false },
    /* wildcards: RFC 9525 section 6.3 */
    { "*.example.org", "mx.example.org", true },
    { "*.Example.Org", "mx.example.org.", true },
    { "*.example.org", "example.org", false },
    { "*.example.org", "a.b.example.org", false },
    { "*.example.org", ".example.org.", true },
    { "m*.example.org", "mx.example.org", false },
    { "*x.example.org", "mx.example.org", false },
    { "m*x.example.org", "mx.example.org", false },
    { "mx.*.org", "mx.example.org", false },
    { "*.*.org", "mx.example.org", false },
    { "**.example.org", "mx.example.org", false },
    { "*", "localhost", false },
    { "*.", "org", false },
    { "*.org", "example.org", false },
    { "*example.org", "mx.example.org", false },
    /* a reference with a leading dot */
    { "mx.example.org", ".example.org", true },
    { "a.b.example.org", ".example.org", true },
    { "example.org", ".example.org", false },
    { "badexample.org", ".example.org", false },
    { "*.example.org", ".example.org", true },
    { "*.b.example.org", ".example.org", true },
    { "*.example.net", ".example.org", false },
    { ".example.org", ".example.org", false },
    { ".example.org", "mx.example.org", false },
    /* internationalized: compared as A-labels */
    { "xn--bcher-kva.example",
      "b\xc3\xbc"
      "cher.example",
      true },
    { "xn--bcher-kva.example",
      "B\xc3\x9c"
      "CHER.example",
      true },
    { "XN--BCHER-KVA.example",
      "b\xc3\xbc"
      "cher.example",
      true },
    { "xn--strae-oqa.example",
      "stra\xc3\x9f"
      "e.example",
      true }, /* non-transitional */
    { "strasse.example",
      "stra\xc3\x9f"
      "e.example",
      false },
    { "*.xn--bcher-kva.example",
      "mx.b\xc3\xbc"
      "cher.example",
      true },
    { "b\xc3\xbc"
      "cher.example",
      "b\xc3\xbc"
      "cher.example",
      false },                                /* a dNSName is ASCII */
    { "xn--i-7iq.ws", "xn--i-7iq.ws", true }, /* sold, though IDNA2008 forbids it */
    /* no names */
    { "192.0.2.1", "192.0.2.1", false },
    { "*.0.2.1", "192.0.2.1", false },
    { "mx..example.org", "mx..example.org", false },
    { "mx .example.org", "mx .example.org", false },
    { "mx_1.example.org", "mx_1.example.org", true },
};

static void matches_as_rfc_9525_asks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (names_match(span_of(cases[i].presented), span_of(cases[i].reference)) !=
            cases[i].matches)
            fail_msg("%s against %s", cases[i].presented, cases[i].reference);
}

static void does_not_match_a_name_with_a_nul_in_it(void **state)
{
    (void)state;
    assert_false(names_match((struct span){ "mx.example.org\0.evil.example", 28 },
                             span_of("mx.example.org")));
    assert_false(names_match((struct span){ "mx.example.org\0", 15 }, span_of("mx.example.org")));
}

static void keeps_to_the_lengths_of_dns(void **state)
{
    char label[65], name[400];

    (void)state;
    memset(label, 'a', sizeof label);
    snprintf(name, sizeof name, "%.63s.org", label);
    assert_true(names_match(span_of(name), span_of(name)));
    snprintf(name, sizeof name, "%.64s.org", label);
    assert_false(names_match(span_of(name), span_of(name)));
    snprintf(name, sizeof name, "%.63s.%.63s.%.63s.%.61s", label, label, label, label);
    assert_int_equal(strlen(name), 253);
    assert_true(names_match(span_of(name), span_of(name)));
    snprintf(name, sizeof name, "%.63s.%.63s.%.63s.%.62s", label, label, label, label);
    assert_false(names_match(span_of(name), span_of(name)));
}

static void normalizes_or_refuses(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096);
    assert_string_equal(names_normalize(&arena, span_of("MX.Example.org.")), "mx.example.org");
    assert_string_equal(names_normalize(&arena, span_of(".Example.org")), ".example.org");
    assert_string_equal(names_normalize(&arena, span_of("b\xc3\xbc"
                                                        "cher.example")),
                        "xn--bcher-kva.example");
    assert_string_equal(names_normalize(&arena, span_of("\xe3\x80\x82"
                                                        "example")) == NULL
                            ? "refused"
                            : "taken",
                        "refused"); /* an ideographic full stop is a dot, and the label is empty */
    assert_null(names_normalize(&arena, span_of("")));
    assert_null(names_normalize(&arena, span_of(".")));
    assert_null(names_normalize(&arena, span_of("..")));
    assert_null(names_normalize(&arena, span_of("a..b")));
    assert_null(names_normalize(&arena, span_of("[192.0.2.1]")));
    assert_null(names_normalize(&arena, span_of("192.0.2.1")));
    assert_null(names_normalize(&arena, span_of("0x7f000001")));
    assert_null(names_normalize(&arena, span_of("127.0.0.0X1")));
    assert_null(names_normalize(&arena, span_of("a b.example")));
    assert_null(names_normalize(&arena, span_of("\xff\xfe.example")));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_rfc_9525_asks),
        cmocka_unit_test(does_not_match_a_name_with_a_nul_in_it),
        cmocka_unit_test(keeps_to_the_lengths_of_dns),
        cmocka_unit_test(normalizes_or_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
