/* tests/unit/trust/publish_test.c - promises of trust/publish.h: what is written is what the readers read */
#include "trust/publish.h"
#include "unit/test.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/tlsrpt.h"
#include "unit/trust/make_chain.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 4 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct span key_of(const struct made *made)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(made->key, &der);
    struct span key;

    assert_true(len > 0);
    key = arena_copy_bytes(&arena, (struct span){ (char *)der, (size_t)len });
    OPENSSL_free(der);
    return key;
}

static void a_record_of_a_key_matches_every_certificate_with_it(void **state)
{
    struct made leaf = make_root("mx.example.org"), other = make_root("mx.example.org");
    struct dane_record record = publish_tlsa(&arena, key_of(&leaf));

    (void)state;
    assert_int_equal(dane_usability(&record), DANE_USABLE);
    assert_true(dane_match(&record, leaf.der));
    assert_false(dane_match(&record, other.der));
    assert_string_equal(dane_format(&arena, &record), dane_record_for(&arena, leaf.der, 3, 1, 1));
    make_free(&leaf);
    make_free(&other);
}

static void knows_which_records_outlive_a_certificate(void **state)
{
    struct made leaf = make_root("mx.example.org");
    struct span key = key_of(&leaf);

    (void)state;
    for (uint8_t usage = 0; usage < 4; usage++)
        for (uint8_t selector = 0; selector < 2; selector++)
            for (uint8_t matching = 0; matching < 3; matching++) {
                const char *text = dane_record_for(&arena, leaf.der, usage, selector, matching);
                struct dane_record record;

                assert_true(dane_parse(&arena, span_of(text), &record, NULL));
                assert_int_equal(publish_tlsa_is_of_key(&record, key), usage == 3 && selector == 1);
                assert_false(publish_tlsa_is_of_key(&record, span_of("another key")));
                assert_false(publish_tlsa_is_of_key(&record, (struct span){ NULL, 0 }));
            }
    make_free(&leaf);
}

static const char *const two_hosts[] = { "mx.example.org", "*.mx.example.net" };
static const char *const other_order[] = { "*.mx.example.net", "mx.example.org" };
static const char *const one_host[] = { "mx.example.org" };

static void what_is_written_as_a_policy_is_read_as_that_policy(void **state)
{
    const struct mta_sts_policy policies[] = {
        { MTA_STS_MODE_ENFORCE, 604800, two_hosts, 2 },
        { MTA_STS_MODE_TESTING, 3600, one_host, 1 },
        { MTA_STS_MODE_NONE, 86400, NULL, 0 },
        { MTA_STS_MODE_NONE, 86400, one_host, 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        const char *text = publish_policy(&arena, &policies[i]), *flaw = NULL;
        struct mta_sts_policy read;

        if (!mta_sts_policy_read(span_of(text), &arena, &read, &flaw))
            fail_msg("%s%s", text, flaw);
        assert_int_equal(read.mode, policies[i].mode);
        assert_int_equal(read.max_age_s, policies[i].max_age_s);
        assert_int_equal(read.mx_count, policies[i].mx_count);
        assert_true(publish_policy_equal(&read, &policies[i]));
    }
}

static void an_id_changes_with_the_policy_alone(void **state)
{
    const struct mta_sts_policy policy = { MTA_STS_MODE_ENFORCE, 604800, two_hosts, 2 },
                                turned = { MTA_STS_MODE_ENFORCE, 604800, other_order, 2 },
                                others[] = { { MTA_STS_MODE_TESTING, 604800, two_hosts, 2 },
                                             { MTA_STS_MODE_ENFORCE, 604801, two_hosts, 2 },
                                             { MTA_STS_MODE_ENFORCE, 604800, one_host, 1 } };
    const char *id = publish_policy_id(&arena, &policy);

    (void)state;
    assert_true(publish_policy_id_is_ours(id));
    assert_string_equal(publish_policy_id(&arena, &turned), id);
    assert_true(publish_policy_equal(&turned, &policy));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_string_not_equal(publish_policy_id(&arena, &others[i]), id);
        assert_false(publish_policy_equal(&others[i], &policy));
        assert_false(publish_policy_equal(&policy, &others[i]));
    }
}

static void ids_of_others_are_not_taken_for_ours(void **state)
{
    static const char *const ids[] = { "",
                                       "20261122T044155",
                                       "postern",
                                       "postern0123456789abcde",
                                       "postern0123456789abcdef0",
                                       "postern0123456789abcdeg",
                                       "postern0123456789ABCDEF" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_false(publish_policy_id_is_ours(ids[i]));
    assert_true(publish_policy_id_is_ours("postern0123456789abcdef"));
}

static void what_is_written_as_a_record_is_read_with_that_id(void **state)
{
    const struct mta_sts_policy policy = { MTA_STS_MODE_ENFORCE, 604800, two_hosts, 2 };
    const char *id = publish_policy_id(&arena, &policy), *read, *flaw;
    struct span text = span_of(publish_sts_record(&arena, id));

    (void)state;
    assert_int_equal(mta_sts_record_read(&text, 1, &arena, &read, &flaw), TXT_RECORD_VALID);
    assert_string_equal(read, id);
}

static void what_is_written_for_reports_is_read_with_those_addresses(void **state)
{
    static const char *const uris[] = { "mailto:tlsrpt@example.org", "https://r.example.org/v1" };
    struct span text = span_of(publish_report_record(&arena, uris, 2));
    struct tlsrpt_record record;
    const char *flaw;

    (void)state;
    assert_int_equal(tlsrpt_record_read(&text, 1, &arena, &record, &flaw), TXT_RECORD_VALID);
    assert_int_equal(record.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(record.uris[i], uris[i]);
}

static void a_mailbox_is_written_so_that_no_record_breaks(void **state)
{
    static const char *const uri[] = { "mailto:a%21b%2Cc%3B%22d@example.org" };
    struct span text;
    struct tlsrpt_record record;
    const char *flaw;

    (void)state;
    assert_string_equal(publish_mailto(&arena, "tls-rpt+x_1@example.org"),
                        "mailto:tls-rpt+x_1@example.org");
    assert_string_equal(publish_mailto(&arena, "a!b,c;\"d@example.org"), uri[0]);
    text = span_of(publish_report_record(&arena, uri, 1));
    assert_int_equal(tlsrpt_record_read(&text, 1, &arena, &record, &flaw), TXT_RECORD_VALID);
}

static void lines_fit_a_terminal_and_a_zone_file(void **state)
{
    struct dane_record record;
    char text[600];

    (void)state;
    assert_true(dane_parse(&arena,
                           span_of("3 1 1 00112233445566778899aabbccddeeff"
                                   "00112233445566778899aabbccddeeff"),
                           &record, NULL));
    assert_string_equal(publish_tlsa_line(&arena, "_25._tcp.mx.example.org", &record),
                        "_25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 (\n"
                        "    00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff )\n");
    assert_string_equal(publish_txt_line(&arena, "_mta-sts.example.org", "v=STSv1; id=1;"),
                        "_mta-sts.example.org. 3600 IN TXT \"v=STSv1; id=1;\"\n");
    assert_string_equal(publish_txt_line(&arena, "_smtp._tls.example.org",
                                         "v=TLSRPTv1; rua=mailto:tls-reports@example.org"),
                        "_smtp._tls.example.org. 3600 IN TXT (\n"
                        "    \"v=TLSRPTv1; rua=mailto:tls-reports@example.org\" )\n");
    assert_string_equal(publish_txt_line(&arena, "a", "say \"\\\" \x01\xff"),
                        "a. 3600 IN TXT \"say \\\"\\\\\\\" \\001\\255\"\n");
    memset(text, 'x', sizeof text);
    text[255] = '\0'; /* the most that one string may hold */
    assert_string_equal(publish_txt_line(&arena, "a", text),
                        arena_format(&arena, "a. 3600 IN TXT (\n    \"%s\" )\n", text));
    text[255] = 'x';
    text[256] = '\0';
    assert_string_equal(publish_txt_line(&arena, "a", text),
                        arena_format(&arena,
                                     "a. 3600 IN TXT (\n    \"%.72s\"\n    \"%.72s\"\n"
                                     "    \"%.72s\"\n    \"%.40s\" )\n",
                                     text, text, text, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_a_key_matches_every_certificate_with_it),
        cmocka_unit_test(knows_which_records_outlive_a_certificate),
        cmocka_unit_test(what_is_written_as_a_policy_is_read_as_that_policy),
        cmocka_unit_test(an_id_changes_with_the_policy_alone),
        cmocka_unit_test(ids_of_others_are_not_taken_for_ours),
        cmocka_unit_test(what_is_written_as_a_record_is_read_with_that_id),
        cmocka_unit_test(what_is_written_for_reports_is_read_with_those_addresses),
        cmocka_unit_test(a_mailbox_is_written_so_that_no_record_breaks),
        cmocka_unit_test(lines_fit_a_terminal_and_a_zone_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
