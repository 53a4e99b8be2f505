/* tests/unit/diagnose/report_dane_test.c - promises of diagnose/report_dane.h */
#include "samples.h"

#include <string.h>

#include "diagnose/report_dane.h"

#define HEX_16 "0123456789abcdef0123456789abcdef"
#define HEX_32 HEX_16 HEX_16

static const char *records[] = { "3 1 1 " HEX_32, "3 1 2 " HEX_32 HEX_32, "1 1 1 " HEX_32,
                                 "3 1 9 " HEX_32, "no record at all",     "2 0 1 " HEX_32 };

static void check_states(const struct observation *seen, const char *const *wanted)
{
    const struct report_dane *told = report_dane_records(seen, &arena);

    assert_non_null(told);
    for (size_t i = 0; i < seen->tlsa_count; i++)
        assert_string_equal(told[i].state, wanted[i]);
}

static void tells_of_each_record_what_it_came_to(void **state)
{
    static const char *const matched[] = { "outdone",  "matched",  "unusable",
                                           "unusable", "unusable", "no-match" };
    static const char *const not_compared[] = { "outdone",  "not-compared", "unusable",
                                                "unusable", "unusable",     "not-compared" };
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.tlsa = POLICY_TLSA_USABLE;
    seen.tlsa_records = records;
    seen.tlsa_count = ARRAY_SIZE(records);
    seen.verdict.tlsa = CHAIN_TLSA_MATCHED;
    seen.verdict.tlsa_index = 1;
    check_states(&seen, matched);
    assert_non_null(strstr(report_dane_records(&seen, &arena)[2].why, "PKIX"));
    seen.has_verdict = false;
    check_states(&seen, not_compared);
}

static void names_the_place_of_the_records(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    assert_string_equal(report_dane_name(&seen, &arena), "_25._tcp.mx.example.org");
    seen.tlsa_base = "base.example.net";
    assert_string_equal(report_dane_name(&seen, &arena), "_25._tcp.base.example.net");
    assert_string_equal(report_dane_state(POLICY_TLSA_LOOKUP_FAILED), "lookup-failed");
}

SAMPLES_RUN(cmocka_unit_test(tells_of_each_record_what_it_came_to),
            cmocka_unit_test(names_the_place_of_the_records))
