/* tests/unit/trust/der_test.c - tests the light walk over DER. */
#include "trust/der.h"

#include <string.h>

#include "unit/test.h"
#include "unit/trust/make_chain.h"

static void takes_one_element_and_leaves_the_rest(void **state)
{
    struct span der = { "\x04\x02\xaa\xbb\x05", 5 }, contents;
    unsigned char tag;

    (void)state;
    assert_true(der_take(&der, &tag, &contents));
    assert_int_equal(tag, DER_OCTET_STRING);
    assert_int_equal(contents.len, 2);
    assert_int_equal(der.len, 1);
    assert_false(der_take(&der, &tag, &contents));
    assert_int_equal(der.len, 1);
}

static void refuses_what_is_cut_short_or_too_long(void **state)
{
    static const struct span cases[] = {
        { "", 0 },
        { "\x30", 1 },
        { "\x30\x01", 2 },
        { "\x30\x80", 2 },                     /* indefinite length */
        { "\x30\x85\x00\x00\x00\x00\x01", 7 }, /* five octets of length */
        { "\x30\x84\xff\xff\xff\xff\x00", 7 },
        { "\x30\x82\x01", 3 },
        { "\x1f\x81\x01\x00", 4 }, /* a tag of several octets */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span der = cases[i];
        unsigned char tag;

        assert_false(der_take(&der, &tag, NULL));
        assert_int_equal(der.len, cases[i].len);
    }
}

static void reads_both_kinds_of_time(void **state)
{
    static const struct {
        unsigned char tag;
        const char *text;
        bool is_good;
        int64_t seconds;
    } cases[] = {
        { DER_UTC_TIME, "700101000000Z", true, 0 },
        { DER_UTC_TIME, "261121120000Z", true, MAKE_NOW_S },
        { DER_UTC_TIME, "500101000000Z", true, INT64_C(-631152000) }, /* 1950 */
        { DER_UTC_TIME, "491231235959Z", true, INT64_C(2524607999) }, /* 2049 */
        { DER_GENERALIZED_TIME, "20261121120000Z", true, MAKE_NOW_S },
        { DER_GENERALIZED_TIME, "99991231235959Z", true, INT64_C(253402300799) },
        { DER_UTC_TIME, "2611211200Z", false, 0 },
        { DER_UTC_TIME, "261121120000+0000", false, 0 },
        { DER_UTC_TIME, "261321120000Z", false, 0 },
        { DER_UTC_TIME, "2611211200000", false, 0 },
        { DER_GENERALIZED_TIME, "20261121120000.5Z", false, 0 },
        { DER_INTEGER, "261121120000Z", false, 0 },
        { DER_UTC_TIME, "", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t seconds = 0;

        if (der_time(cases[i].tag, span_of(cases[i].text), &seconds) != cases[i].is_good)
            fail_msg("%s", cases[i].text);
        if (cases[i].is_good)
            assert_true(seconds == cases[i].seconds);
    }
}

static void finds_the_parts_of_a_certificate(void **state)
{
    struct made root = make_root("Root");
    struct der_certificate parts;
    int64_t begins;

    (void)state;
    assert_true(der_certificate(root.der, &parts));
    assert_true(der_time(parts.not_before_tag, parts.not_before, &begins));
    assert_true(begins == MAKE_NOW_S - 365 * MAKE_DAY_S);
    assert_true(span_equal(parts.issuer, parts.subject));
    for (size_t len = 0; len < root.der.len; len++)
        assert_false(der_certificate(span_part(root.der, 0, len), &parts));
    make_free(&root);
}

static uint64_t subject_hash(const char *name, int type)
{
    struct made made = make_certificate(&(struct make_recipe){ .name = name, .name_type = type });
    struct der_certificate parts;
    uint64_t hash;

    assert_true(der_certificate(made.der, &parts));
    hash = der_name_hash(parts.subject);
    make_free(&made);
    return hash;
}

static void hashes_equal_names_alike_whatever_their_string_type(void **state)
{
    uint64_t hash = subject_hash("Example Root CA", V_ASN1_UTF8STRING);

    (void)state;
    assert_true(hash == subject_hash("Example Root CA", V_ASN1_PRINTABLESTRING));
    assert_true(hash == subject_hash("EXAMPLE root  ca ", V_ASN1_UTF8STRING));
    assert_true(hash == subject_hash("Example Root CA", V_ASN1_T61STRING));
    assert_true(hash == subject_hash("Example Root CA", V_ASN1_IA5STRING));
    assert_true(hash != subject_hash("Example Root CB", V_ASN1_UTF8STRING));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_one_element_and_leaves_the_rest),
        cmocka_unit_test(refuses_what_is_cut_short_or_too_long),
        cmocka_unit_test(reads_both_kinds_of_time),
        cmocka_unit_test(finds_the_parts_of_a_certificate),
        cmocka_unit_test(hashes_equal_names_alike_whatever_their_string_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
