/* tests/unit/trust/dane_test.c - tests TLSA records alone and against chains. */
#include "trust/dane.h"

#include <string.h>

#include "base/text.h"
#include "trust/chain.h"
#include "unit/test.h"
#include "unit/trust/make_chain.h"

struct world {
    struct made root, inter, leaf;
    struct anchors *nobody;
    struct arena arena;
    struct chain_verdict verdict;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->root = make_root("Root");
    world->inter = make_intermediate("Inter", &world->root);
    world->leaf = make_leaf("mx.example.org", &world->inter);
    world->nobody = make_anchors(NULL);
    arena_init(&world->arena, 4 << 20);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    make_free(&world->root);
    make_free(&world->inter);
    make_free(&world->leaf);
    anchors_free(&world->nobody);
    arena_clear(&world->arena);
    free(world);
    return 0;
}

static struct dane_record record_of(struct world *world, const struct made *of, uint8_t usage,
                                    uint8_t selector, uint8_t matching)
{
    struct dane_record record;
    const char *text = dane_record_for(&world->arena, of->der, usage, selector, matching);

    assert_true(dane_parse(&world->arena, span_of(text), &record, NULL));
    return record;
}

/* [leaf, inter] against the records, for this name, in this year, with no anchor at all. */
static enum chain_tlsa judge(struct world *world, const struct dane_record *records, size_t count,
                             const char *name, int64_t now_s)
{
    struct span sent[] = { world->leaf.der, world->inter.der };
    struct chain_request request = { .certificates = sent,
                                     .certificate_count = 2,
                                     .names = &name,
                                     .name_count = 1,
                                     .now_s = now_s,
                                     .anchors = world->nobody,
                                     .tlsa = records,
                                     .tlsa_count = count };

    assert_true(chain_verify(&request, &world->arena, &world->verdict, NULL));
    return world->verdict.tlsa;
}

static void parses_the_text_of_a_record(void **state)
{
    struct world *world = *state;
    struct dane_record record;

    assert_true(dane_parse(&world->arena, span_of(" 3 1  2 DEAD beef 0\t0"), &record, NULL));
    assert_int_equal(record.usage, 3);
    assert_int_equal(record.selector, 1);
    assert_int_equal(record.matching, 2);
    assert_string_equal(dane_format(&world->arena, &record), "3 1 2 deadbeef00");
}

static void says_what_is_wrong_with_the_text(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = { "",          "3",        "3 1",      "3 1 1",
                                       "3 1 1 ",    "3 1 1 A",  "3 1 1 XY", "256 1 1 AA",
                                       "-1 1 1 AA", "a 1 1 AA", "3,1,1,AA", "3 1 1 AA;" };
    struct dane_record record;
    struct error err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err.text[0] = '\0';
        if (dane_parse(&world->arena, span_of(bad[i]), &record, &err))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(strlen(err.text) > 0);
    }
}

static void reads_rdata_of_four_octets_or_more(void **state)
{
    struct dane_record record;

    (void)state;
    assert_false(dane_from_wire((struct span){ "\3\1\1", 3 }, &record));
    assert_true(dane_from_wire((struct span){ "\3\1\1\xff\0", 5 }, &record));
    assert_int_equal(record.data.len, 2);
}

static void tells_why_a_record_cannot_be_used(void **state)
{
    struct world *world = *state;
    char digest[129];
    const struct {
        const char *head;
        int digits;
        enum dane_usability usability;
    } cases[] = {
        { "3 1 1", 64, DANE_USABLE },           { "2 0 2", 128, DANE_USABLE },
        { "0 1 1", 64, DANE_USAGE_UNSUITED },   { "1 1 1", 64, DANE_USAGE_UNSUITED },
        { "4 1 1", 64, DANE_USAGE_UNKNOWN },    { "255 1 1", 64, DANE_USAGE_UNKNOWN },
        { "3 2 1", 64, DANE_SELECTOR_UNKNOWN }, { "3 1 3", 64, DANE_MATCHING_UNKNOWN },
        { "3 1 1", 62, DANE_LENGTH_WRONG },     { "3 1 2", 64, DANE_LENGTH_WRONG },
        { "3 0 0", 64, DANE_DATA_UNREADABLE },  { "2 1 0", 64, DANE_DATA_UNREADABLE },
    };

    memset(digest, 'a', sizeof digest);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256];
        struct dane_record record;

        snprintf(text, sizeof text, "%s %.*s", cases[i].head, cases[i].digits, digest);
        assert_true(dane_parse(&world->arena, span_of(text), &record, NULL));
        if (dane_usability(&record) != cases[i].usability)
            fail_msg("%s", text);
        assert_true(strlen(dane_usability_text(cases[i].usability)) > 0);
    }
}

static void matches_every_selector_and_matching_type(void **state)
{
    struct world *world = *state;

    for (uint8_t selector = 0; selector <= 1; selector++)
        for (uint8_t matching = 0; matching <= 2; matching++) {
            struct dane_record record = record_of(world, &world->leaf, 3, selector, matching);

            assert_int_equal(dane_usability(&record), DANE_USABLE);
            assert_true(dane_match(&record, world->leaf.der));
            assert_false(dane_match(&record, world->inter.der));
            assert_false(dane_match(&record, span_of("junk")));
            assert_int_equal(judge(world, &record, 1, "mx.example.org", MAKE_NOW_S),
                             CHAIN_TLSA_MATCHED);
        }
}

static void ignores_names_and_dates_for_the_leaf_itself(void **state)
{
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->leaf, 3, 1, 1);

    assert_int_equal(judge(world, &record, 1, "other.example", MAKE_NOW_S + 999 * MAKE_DAY_S),
                     CHAIN_TLSA_MATCHED);
    assert_true(chain_has(&world->verdict, CHAIN_EXPIRED)); /* and still says so */
    assert_false(world->verdict.is_trusted);
}

static void asks_names_and_dates_below_an_issuer(void **state)
{
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->inter, 2, 0, 1);

    assert_int_equal(judge(world, &record, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    assert_int_equal(judge(world, &record, 1, "other.example", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
    assert_non_null(strstr(world->verdict.tlsa_detail, "CN=Inter"));
    assert_non_null(strstr(world->verdict.tlsa_detail, "does not name other.example"));
    assert_int_equal(judge(world, &record, 1, "mx.example.org", MAKE_NOW_S + 999 * MAKE_DAY_S),
                     CHAIN_TLSA_MISMATCH);
    assert_non_null(strstr(world->verdict.tlsa_detail, "expired"));
}

/* RFC 7672 section 3.2.2: what other levels would take for a name counts for nothing here. */
static void asks_for_names_of_its_own_below_an_issuer(void **state)
{
    static const char *const names[] = { "mx.example.org" };
    static const char *const wanted[] = { "example.net", "base.example.net" };
    static const char *const fitting[] = { "example.net", "mx.example.org" };
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->inter, 2, 0, 1);
    struct span sent[] = { world->leaf.der, world->inter.der };
    struct chain_request request = { .certificates = sent,
                                     .certificate_count = 2,
                                     .names = names,
                                     .name_count = 1,
                                     .dane_names = wanted,
                                     .dane_name_count = 2,
                                     .now_s = MAKE_NOW_S,
                                     .anchors = world->nobody,
                                     .tlsa = &record,
                                     .tlsa_count = 1 };

    assert_true(chain_verify(&request, &world->arena, &world->verdict, NULL));
    assert_true(world->verdict.name_matched);
    assert_int_equal(world->verdict.tlsa, CHAIN_TLSA_MISMATCH);
    assert_non_null(strstr(world->verdict.tlsa_detail, "example.net or base.example.net"));
    request.dane_names = fitting;
    request.names = wanted;
    assert_true(chain_verify(&request, &world->arena, &world->verdict, NULL));
    assert_false(world->verdict.name_matched);
    assert_int_equal(world->verdict.tlsa, CHAIN_TLSA_MATCHED);
}

static void finds_an_issuer_that_only_the_record_holds(void **state)
{
    struct world *world = *state;
    struct dane_record whole = record_of(world, &world->root, 2, 0, 0);
    struct dane_record key = record_of(world, &world->root, 2, 1, 0);
    struct dane_record digest = record_of(world, &world->root, 2, 1, 1);

    assert_int_equal(judge(world, &whole, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    assert_int_equal(judge(world, &key, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    assert_int_equal(judge(world, &key, 1, "other.example", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
    /* A digest needs the certificate: RFC 7671 section 5.2. */
    assert_int_equal(judge(world, &digest, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
}

static void does_not_take_the_leaf_for_an_issuer(void **state)
{
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->leaf, 2, 0, 1);
    struct dane_record whole = record_of(world, &world->leaf, 2, 0, 0);

    assert_int_equal(judge(world, &record, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
    assert_int_equal(judge(world, &whole, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
}

static void does_not_take_a_copy_of_the_leaf_for_an_issuer(void **state)
{
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->leaf, 2, 0, 1);
    struct span sent[] = { world->leaf.der, world->leaf.der };
    struct chain_request request = { .certificates = sent,
                                     .certificate_count = 2,
                                     .now_s = MAKE_NOW_S,
                                     .anchors = world->nobody,
                                     .tlsa = &record,
                                     .tlsa_count = 1 };

    assert_true(chain_verify(&request, &world->arena, &world->verdict, NULL));
    assert_int_equal(world->verdict.tlsa, CHAIN_TLSA_MISMATCH);
}

static void refuses_a_bare_key_with_something_behind_it(void **state)
{
    struct world *world = *state;
    struct dane_record record = record_of(world, &world->leaf, 3, 1, 0);
    char longer[1024] = "";

    assert_int_equal(dane_usability(&record), DANE_USABLE);
    memcpy(longer, record.data.data, record.data.len);
    record.data = (struct span){ longer, record.data.len + 1 };
    assert_int_equal(dane_usability(&record), DANE_DATA_UNREADABLE);
}

static void lets_the_strongest_digest_decide(void **state)
{
    struct world *world = *state;
    struct dane_record records[2] = { record_of(world, &world->leaf, 3, 1, 1),
                                      record_of(world, &world->inter, 3, 1, 2) };

    /* RFC 7671 section 9: a SHA2-512 that does not match outdoes a SHA2-256 that does. */
    assert_int_equal(judge(world, records, 2, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MISMATCH);
    records[1] = record_of(world, &world->inter, 3, 0, 2); /* another selector: no rival */
    assert_int_equal(judge(world, records, 2, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    records[1] = record_of(world, &world->inter, 3, 1, 2);
    records[1].data.len--; /* unusable: no rival either */
    assert_int_equal(judge(world, records, 2, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
}

static void says_which_of_several_records_matched(void **state)
{
    struct world *world = *state;
    struct dane_record records[2] = { record_of(world, &world->root, 3, 1, 1),
                                      record_of(world, &world->leaf, 3, 1, 1) };

    assert_int_equal(judge(world, records, 2, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    assert_int_equal(world->verdict.tlsa_index, 1);
}

static void leaves_records_of_pkix_aside(void **state)
{
    struct world *world = *state;
    struct dane_record records[2] = { record_of(world, &world->leaf, 1, 1, 1),
                                      record_of(world, &world->leaf, 3, 1, 1) };

    assert_int_equal(judge(world, records, 1, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_UNUSABLE);
    assert_int_equal(judge(world, records, 2, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_MATCHED);
    assert_int_equal(judge(world, NULL, 0, "mx.example.org", MAKE_NOW_S), CHAIN_TLSA_NONE);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(parses_the_text_of_a_record),
        PROMISE(says_what_is_wrong_with_the_text),
        PROMISE(reads_rdata_of_four_octets_or_more),
        PROMISE(tells_why_a_record_cannot_be_used),
        PROMISE(matches_every_selector_and_matching_type),
        PROMISE(ignores_names_and_dates_for_the_leaf_itself),
        PROMISE(asks_names_and_dates_below_an_issuer),
        PROMISE(asks_for_names_of_its_own_below_an_issuer),
        PROMISE(finds_an_issuer_that_only_the_record_holds),
        PROMISE(does_not_take_the_leaf_for_an_issuer),
        PROMISE(does_not_take_a_copy_of_the_leaf_for_an_issuer),
        PROMISE(refuses_a_bare_key_with_something_behind_it),
        PROMISE(lets_the_strongest_digest_decide),
        PROMISE(says_which_of_several_records_matched),
        PROMISE(leaves_records_of_pkix_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
