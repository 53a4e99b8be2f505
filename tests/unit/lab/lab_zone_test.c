/* tests/unit/lab/lab_zone_test.c - promises of lab/lab_zone.h and lab/lab_server.h */
#include "lab/lab_zone.h"

#include <string.h>

#include <ldns/ldns.h>

#include "../test.h"
#include "base/compiler.h"

enum { NOW_S = 1795000000 };

struct fixture {
    struct zone *zone;
    struct certificates *certificates;
    struct arena arena;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct error err = { 0 };

    arena_init(&fixture.arena, 4 << 20);
    *state = &fixture;
    return zone_new("lab.test.", NOW_S, &fixture.zone, &err) &&
                   certificates_new(NOW_S, &fixture.certificates, &err)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    zone_free(&fixture->zone);
    certificates_free(&fixture->certificates);
    arena_clear(&fixture->arena);
    return 0;
}

static struct lab_server add(struct fixture *fixture, const char *fault, size_t index)
{
    struct lab_server server = { .row = fault_find(fault) };
    struct error err = { 0 };

    assert_non_null(server.row);
    lab_server_name(&server, &fixture->arena);
    lab_server_choose_address(&server, index, true, 2525);
    assert_true(certificates_issue(fixture->certificates, server.row->tls.certificate, server.host,
                                   server.domain, &fixture->arena, &server.certificate, &err));
    assert_true(lab_server_make_tlsa(&server, fixture->certificates, &fixture->arena, &err));
    assert_true(lab_zone_add(fixture->zone, &server, &err));
    return server;
}

/* The first record of the answer as text, "RCODE" where there is none. Borrowed from the arena. */
static const char *look_up(struct fixture *fixture, const char *name, ldns_rr_type type)
{
    static uint8_t out[ZONE_MESSAGE_MOST];
    ldns_pkt *question = NULL, *answer = NULL;
    uint8_t *wire = NULL;
    size_t len;
    char *text;
    const char *copy;

    ldns_pkt_query_new_frm_str(&question, name, type, LDNS_RR_CLASS_IN, LDNS_RD);
    assert_int_equal(ldns_pkt2wire(&wire, question, &len), LDNS_STATUS_OK);
    len = zone_answer(fixture->zone, (struct span){ (const char *)wire, len }, false, out);
    assert_int_equal(ldns_wire2pkt(&answer, out, len), LDNS_STATUS_OK);
    text = ldns_pkt_ancount(answer) > 0 ? ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(answer), 0))
                                        : ldns_pkt_rcode2str(ldns_pkt_get_rcode(answer));
    copy = arena_copy(&fixture->arena, span_of(text));
    LDNS_FREE(text);
    LDNS_FREE(wire);
    ldns_pkt_free(question);
    ldns_pkt_free(answer);
    return copy;
}

#define assert_says(fixture, name, type, wanted)                                                   \
    assert_non_null(strstr(look_up(fixture, name, LDNS_RR_TYPE_##type), wanted))

static void each_fault_has_its_own_records(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };
    struct lab_server dane, alias;

    add(fixture, "healthy", 0);
    dane = add(fixture, "healthy-dane", 1);
    add(fixture, "nxdomain", 2);
    add(fixture, "null-mx", 3);
    add(fixture, "no-address", 4);
    add(fixture, "mx-alias", 5);
    add(fixture, "mx-address", 6);
    add(fixture, "healthy-no-mx", 7);
    add(fixture, "tlsa-servfail", 8);
    add(fixture, "tlsa-dangling", 9);
    add(fixture, "tlsa-insecure", 10);
    add(fixture, "mx-insecure", 11);
    alias = add(fixture, "dane-alias", 12);
    assert_true(zone_sign(fixture->zone, &err));
    assert_says(fixture, "healthy.lab.test.", MX, "10 mx.healthy.lab.test.");
    assert_says(fixture, "mx.healthy.lab.test.", A, "127.0.64.1");
    assert_says(fixture, "_2525._tcp.mx.healthy.lab.test.", TLSA, "NXDOMAIN");
    assert_says(fixture, "_2525._tcp.mx.healthy-dane.lab.test.", TLSA, strrchr(dane.tlsa[0], ' '));
    assert_says(fixture, "_25._tcp.mx.healthy-dane.lab.test.", TLSA, strrchr(dane.tlsa[0], ' '));
    assert_says(fixture, "nxdomain.lab.test.", MX, "NXDOMAIN");
    assert_says(fixture, "null-mx.lab.test.", MX, "0 .");
    assert_says(fixture, "mx.no-address.lab.test.", A, "NOERROR");
    assert_says(fixture, "mx-alias.lab.test.", MX, "10 alias.mx-alias.lab.test.");
    assert_says(fixture, "alias.mx-alias.lab.test.", A, "CNAME");
    assert_says(fixture, "mx-address.lab.test.", MX, "10 127.0.0.1.");
    assert_says(fixture, "healthy-no-mx.lab.test.", MX, "NOERROR");
    assert_says(fixture, "healthy-no-mx.lab.test.", A, "127.0.64.8");
    assert_says(fixture, "_2525._tcp.mx.tlsa-servfail.lab.test.", TLSA, "SERVFAIL");
    assert_says(fixture, "mx.tlsa-servfail.lab.test.", A, "127.0.64.9");
    assert_says(fixture, "_2525._tcp.mx.tlsa-dangling.lab.test.", TLSA, "CNAME");
    assert_says(fixture, "_tlsa.unsigned-tlsa-insecure.lab.test.", TLSA, "3 1 1");
    assert_says(fixture, "mx-insecure.lab.test.", MX, "10 host-of-mx-insecure.lab.test.");
    assert_says(fixture, "_25._tcp.host-of-mx-insecure.lab.test.", TLSA, "3 1 1");
    assert_says(fixture, "_25._tcp.mx.dane-alias.lab.test.", TLSA, strrchr(alias.tlsa[0], ' '));
}

static void addresses_are_loopback_and_differ(void **state)
{
    struct lab_server server = { .row = fault_find("healthy") };
    uint8_t seen[1000][4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        lab_server_choose_address(&server, i, true, 25);
        assert_int_equal(server.address.bytes[0], 127);
        assert_false(server.address.is_ipv6);
        memcpy(seen[i], server.address.bytes, 4);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(seen[i], seen[j], 4);
    }
    lab_server_choose_address(&server, 3, false, 0);
    assert_memory_equal(server.address.bytes, ((const uint8_t[]){ 127, 0, 0, 1 }), 4);
}

static void tlsa_records_fit_their_fault(void **state)
{
    struct fixture *fixture = *state;
    struct lab_server matching = add(fixture, "healthy-dane", 0);
    struct lab_server issuer = add(fixture, "healthy-dane-ta", 1);
    struct lab_server unusable = add(fixture, "tlsa-unusable", 2);

    assert_true(strncmp(matching.tlsa[0], "3 1 1 ", 6) == 0);
    assert_true(strncmp(issuer.tlsa[0], "2 0 1 ", 6) == 0);
    assert_true(strncmp(unusable.tlsa[0], "1 1 1 ", 6) == 0);
    assert_int_equal(add(fixture, "healthy", 3).tlsa_count, 0);
    assert_int_equal(add(fixture, "healthy-dane-mixed", 4).tlsa_count, 4);
    assert_int_equal(add(fixture, "healthy-dane-rollover", 5).tlsa_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_has_its_own_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_are_loopback_and_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tlsa_records_fit_their_fault, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
