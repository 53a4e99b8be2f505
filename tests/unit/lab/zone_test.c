/* tests/unit/lab/zone_test.c - promises of lab/zone.h */
#include "lab/zone.h"

#include <string.h>

#include <ldns/ldns.h>

#include "../test.h"
#include "base/compiler.h"

enum { NOW_S = 1795000000 }; /* November 2026 */

static struct zone *open_zone(void)
{
    struct zone *zone = NULL;
    struct error err = { 0 };

    assert_true(zone_new("lab.test.", NOW_S, &zone, &err));
    assert_true(zone_add(zone, &err, "a.lab.test. 300 IN MX 10 mx.a.lab.test."));
    assert_true(zone_add(zone, &err, "mx.a.lab.test. 300 IN A 127.0.0.7"));
    assert_true(zone_add(zone, &err, "alias.lab.test. 300 IN CNAME mx.a.lab.test."));
    assert_true(zone_add(zone, &err, "_25._tcp.mx.a.lab.test. 300 IN TLSA 3 1 1 %064d", 0));
    for (int i = 0; i < 40; i++)
        assert_true(zone_add(zone, &err, "many.lab.test. 300 IN TXT \"%060d\"", i));
    assert_true(zone_delegate_insecurely(zone, "child.lab.test.", &err));
    assert_true(zone_add(zone, &err, "child.lab.test. 300 IN MX 10 mx.child.lab.test."));
    assert_true(zone_add(zone, &err, "spoilt.lab.test. 300 IN A 127.0.0.8"));
    assert_true(zone_add(zone, &err, "aged.lab.test. 300 IN A 127.0.0.9"));
    assert_true(zone_trouble(zone, "spoilt.lab.test.", ZONE_BAD_SIGNATURE, &err));
    assert_true(zone_trouble(zone, "aged.lab.test.", ZONE_SIGNATURE_EXPIRED, &err));
    assert_true(zone_trouble(zone, "broken.lab.test.", ZONE_SERVFAIL, &err));
    assert_true(zone_trouble(zone, "mute.lab.test.", ZONE_SILENCE, &err));
    assert_true(zone_sign(zone, &err));
    return zone;
}

static int set_up(void **state)
{
    *state = open_zone();
    return 0;
}

static int tear_down(void **state)
{
    struct zone *zone = *state;

    zone_free(&zone);
    assert_null(zone);
    return 0;
}

/* NULL: no answer came. */
static ldns_pkt *ask(const struct zone *zone, const char *name, ldns_rr_type type, bool is_udp,
                     uint16_t edns_bytes)
{
    static uint8_t out[ZONE_MESSAGE_MOST];
    ldns_pkt *question = NULL, *answer = NULL;
    uint8_t *wire = NULL;
    size_t len;

    assert_int_equal(ldns_pkt_query_new_frm_str(&question, name, type, LDNS_RR_CLASS_IN, LDNS_RD),
                     LDNS_STATUS_OK);
    ldns_pkt_set_id(question, 4711);
    if (edns_bytes > 0) {
        ldns_pkt_set_edns_udp_size(question, edns_bytes);
        ldns_pkt_set_edns_do(question, true);
    }
    assert_int_equal(ldns_pkt2wire(&wire, question, &len), LDNS_STATUS_OK);
    len = zone_answer(zone, (struct span){ (const char *)wire, len }, is_udp, out);
    if (len > 0) {
        assert_int_equal(ldns_wire2pkt(&answer, out, len), LDNS_STATUS_OK);
        assert_int_equal(ldns_pkt_id(answer), 4711);
    }
    LDNS_FREE(wire);
    ldns_pkt_free(question);
    return answer;
}

static ldns_rr_list *keys_of(const struct zone *zone)
{
    ldns_pkt *answer = ask(zone, "lab.test.", LDNS_RR_TYPE_DNSKEY, false, 4096);
    ldns_rr_list *keys = ldns_pkt_rr_list_by_type(answer, LDNS_RR_TYPE_DNSKEY, LDNS_SECTION_ANSWER);

    ldns_pkt_free(answer);
    assert_non_null(keys);
    return keys;
}

/* Does the only record set of this type in the section verify, at the zone's own time? */
static ldns_status verify(const struct zone *zone, ldns_pkt *answer, ldns_pkt_section section,
                          ldns_rr_type type)
{
    ldns_rr_list *keys = keys_of(zone);
    ldns_rr_list *records = ldns_pkt_rr_list_by_type(answer, type, section);
    ldns_rr_list *signatures = ldns_pkt_rr_list_by_type(answer, LDNS_RR_TYPE_RRSIG, section);
    ldns_status status = LDNS_STATUS_CRYPTO_NO_RRSIG;

    assert_non_null(records);
    for (size_t i = 0; i < ldns_rr_list_rr_count(signatures); i++) {
        ldns_rr *signature = ldns_rr_list_rr(signatures, i);

        if (ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(signature)) == type)
            status = ldns_verify_rrsig_keylist_time(records, signature, keys, NOW_S, NULL);
    }
    ldns_rr_list_deep_free(keys);
    ldns_rr_list_deep_free(records);
    ldns_rr_list_deep_free(signatures);
    return status;
}

static size_t count(ldns_pkt *answer, ldns_pkt_section section, ldns_rr_type type)
{
    ldns_rr_list *records = ldns_pkt_rr_list_by_type(answer, type, section);
    size_t number = records == NULL ? 0 : ldns_rr_list_rr_count(records);

    ldns_rr_list_deep_free(records);
    return number;
}

static void answers_verify_by_the_zones_key(void **state)
{
    ldns_pkt *answer = ask(*state, "a.lab.test.", LDNS_RR_TYPE_MX, true, 1232);

    assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_NOERROR);
    assert_int_equal(verify(*state, answer, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_MX), LDNS_STATUS_OK);
    ldns_pkt_free(answer);
}

static void the_anchor_is_the_digest_of_the_key(void **state)
{
    ldns_rr_list *keys = keys_of(*state);
    ldns_rr *anchor = NULL;
    struct arena arena;

    arena_init(&arena, 4096);
    assert_int_equal(ldns_rr_new_frm_str(&anchor, zone_anchor(*state, &arena), 0, NULL, NULL),
                     LDNS_STATUS_OK);
    assert_true(ldns_rr_compare_ds(ldns_rr_list_rr(keys, 0), anchor));
    ldns_rr_free(anchor);
    ldns_rr_list_deep_free(keys);
    arena_clear(&arena);
}

static void signatures_come_only_where_they_are_asked_for(void **state)
{
    ldns_pkt *answer = ask(*state, "a.lab.test.", LDNS_RR_TYPE_MX, true, 0);

    assert_int_equal(count(answer, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_MX), 1);
    assert_int_equal(count(answer, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_RRSIG), 0);
    ldns_pkt_free(answer);
}

static void an_alias_is_followed_in_the_answer(void **state)
{
    ldns_pkt *answer = ask(*state, "alias.lab.test.", LDNS_RR_TYPE_A, true, 1232);

    assert_int_equal(count(answer, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_CNAME), 1);
    assert_int_equal(count(answer, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_A), 1);
    ldns_pkt_free(answer);
}

/* An NSEC in the authority section whose owner and next name stand around the name. */
static bool is_denied(ldns_pkt *answer, const char *name)
{
    ldns_rr_list *denials =
        ldns_pkt_rr_list_by_type(answer, LDNS_RR_TYPE_NSEC, LDNS_SECTION_AUTHORITY);
    ldns_rdf *wanted = ldns_dname_new_frm_str(name);
    bool is_covered = false;

    for (size_t i = 0; denials != NULL && i < ldns_rr_list_rr_count(denials); i++)
        is_covered = is_covered || ldns_nsec_covers_name(ldns_rr_list_rr(denials, i), wanted);
    ldns_rdf_deep_free(wanted);
    ldns_rr_list_deep_free(denials);
    return is_covered;
}

static void a_name_that_is_not_there_is_denied_with_its_wildcard(void **state)
{
    ldns_pkt *answer = ask(*state, "none.a.lab.test.", LDNS_RR_TYPE_MX, true, 1232);

    assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_NXDOMAIN);
    assert_true(is_denied(answer, "none.a.lab.test."));
    assert_true(is_denied(answer, "*.a.lab.test."));
    assert_int_equal(count(answer, LDNS_SECTION_AUTHORITY, LDNS_RR_TYPE_SOA), 1);
    ldns_pkt_free(answer);
}

static void a_name_between_others_exists_without_records(void **state)
{
    ldns_pkt *answer = ask(*state, "_tcp.mx.a.lab.test.", LDNS_RR_TYPE_TLSA, true, 1232);

    assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_NOERROR);
    assert_int_equal(ldns_pkt_ancount(answer), 0);
    assert_int_equal(count(answer, LDNS_SECTION_AUTHORITY, LDNS_RR_TYPE_NSEC), 1);
    ldns_pkt_free(answer);
}

static void an_insecure_child_is_unsigned_and_proven_to_have_no_ds(void **state)
{
    ldns_pkt *child = ask(*state, "child.lab.test.", LDNS_RR_TYPE_MX, true, 1232);
    ldns_pkt *parent = ask(*state, "child.lab.test.", LDNS_RR_TYPE_DS, true, 1232);

    assert_int_equal(count(child, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_MX), 1);
    assert_int_equal(count(child, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_RRSIG), 0);
    assert_int_equal(ldns_pkt_ancount(parent), 0);
    assert_int_equal(verify(*state, parent, LDNS_SECTION_AUTHORITY, LDNS_RR_TYPE_NSEC),
                     LDNS_STATUS_OK);
    ldns_pkt_free(child);
    ldns_pkt_free(parent);
}

static void troubles_show_as_they_should(void **state)
{
    ldns_pkt *spoilt = ask(*state, "spoilt.lab.test.", LDNS_RR_TYPE_A, true, 1232);
    ldns_pkt *aged = ask(*state, "aged.lab.test.", LDNS_RR_TYPE_A, true, 1232);
    ldns_pkt *broken = ask(*state, "broken.lab.test.", LDNS_RR_TYPE_A, true, 1232);

    assert_int_equal(verify(*state, spoilt, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_A),
                     LDNS_STATUS_CRYPTO_BOGUS);
    assert_int_equal(verify(*state, aged, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_A),
                     LDNS_STATUS_CRYPTO_SIG_EXPIRED);
    assert_int_equal(ldns_pkt_get_rcode(broken), LDNS_RCODE_SERVFAIL);
    assert_null(ask(*state, "mute.lab.test.", LDNS_RR_TYPE_MX, true, 1232));
    ldns_pkt_free(spoilt);
    ldns_pkt_free(aged);
    ldns_pkt_free(broken);
}

static void what_does_not_fit_udp_is_to_be_asked_over_tcp(void **state)
{
    ldns_pkt *udp = ask(*state, "many.lab.test.", LDNS_RR_TYPE_TXT, true, 65000);
    ldns_pkt *tcp = ask(*state, "many.lab.test.", LDNS_RR_TYPE_TXT, false, 65000);

    assert_true(ldns_pkt_tc(udp));
    assert_int_equal(ldns_pkt_ancount(udp), 0);
    assert_false(ldns_pkt_tc(tcp));
    assert_int_equal(count(tcp, LDNS_SECTION_ANSWER, LDNS_RR_TYPE_TXT), 40);
    ldns_pkt_free(udp);
    ldns_pkt_free(tcp);
}

static void noise_gets_no_answer(void **state)
{
    static uint8_t out[ZONE_MESSAGE_MOST];
    char bytes[64];

    for (int fill = 0; fill < 256; fill++)
        for (size_t len = 0; len < sizeof bytes; len++) {
            memset(bytes, fill, len);
            assert_int_equal(zone_answer(*state, (struct span){ bytes, len }, true, out), 0);
        }
}

static void a_record_that_does_not_belong_is_refused(void **state)
{
    struct zone *zone = NULL;
    struct error err = { 0 };

    (void)state;
    assert_true(zone_new("lab.test.", NOW_S, &zone, &err));
    assert_false(zone_add(zone, &err, "mx.example.org. 300 IN A 127.0.0.1"));
    assert_non_null(strstr(err.text, "outside"));
    assert_false(zone_add(zone, &err, "a.lab.test. 300 IN A not-an-address"));
    assert_non_null(strstr(err.text, "not-an-address"));
    zone_free(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_verify_by_the_zones_key),
        cmocka_unit_test(the_anchor_is_the_digest_of_the_key),
        cmocka_unit_test(signatures_come_only_where_they_are_asked_for),
        cmocka_unit_test(an_alias_is_followed_in_the_answer),
        cmocka_unit_test(a_name_that_is_not_there_is_denied_with_its_wildcard),
        cmocka_unit_test(a_name_between_others_exists_without_records),
        cmocka_unit_test(an_insecure_child_is_unsigned_and_proven_to_have_no_ds),
        cmocka_unit_test(troubles_show_as_they_should),
        cmocka_unit_test(what_does_not_fit_udp_is_to_be_asked_over_tcp),
        cmocka_unit_test(noise_gets_no_answer),
        cmocka_unit_test(a_record_that_does_not_belong_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
