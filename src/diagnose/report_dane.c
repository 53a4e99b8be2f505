#include "diagnose/report_dane.h"

#include "trust/dane.h"

const char *report_dane_state(enum policy_tlsa tlsa)
{
    switch (tlsa) {
    case POLICY_TLSA_NOT_ASKED: return "not-asked";
    case POLICY_TLSA_NONE: return "none";
    case POLICY_TLSA_UNUSABLE: return "unusable";
    case POLICY_TLSA_USABLE: return "usable";
    case POLICY_TLSA_LOOKUP_FAILED: return "lookup-failed";
    }
    return "";
}

const char *report_dane_name(const struct observation *seen, struct arena *arena)
{
    return arena_format(arena, "_%u._tcp.%s", seen->port,
                        seen->tlsa_base != NULL ? seen->tlsa_base : seen->host);
}

static struct report_dane judge_record(const struct observation *seen,
                                       const struct dane_record *records, size_t index)
{
    const struct chain_verdict *verdict = &seen->verdict;
    enum dane_usability usability = dane_usability(&records[index]);

    if (usability != DANE_USABLE)
        return (struct report_dane){ "unusable", dane_usability_text(usability) };
    if (dane_is_outdone(records, seen->tlsa_count, index))
        return (struct report_dane){ "outdone", "another of its kind has a stronger digest" };
    if (!seen->has_verdict || seen->tlsa != POLICY_TLSA_USABLE)
        return (struct report_dane){ "not-compared", "" };
    if (verdict->tlsa == CHAIN_TLSA_MATCHED && verdict->tlsa_index == index)
        return (struct report_dane){ "matched", "" };
    return (struct report_dane){ "no-match", "" };
}

const struct report_dane *report_dane_records(const struct observation *seen, struct arena *arena)
{
    struct dane_record *records = arena_new(arena, seen->tlsa_count + 1, sizeof *records);
    struct report_dane *told = arena_new(arena, seen->tlsa_count + 1, sizeof *told);

    if (records == NULL || told == NULL)
        return NULL;
    for (size_t i = 0; i < seen->tlsa_count; i++)
        if (!dane_parse(arena, span_of(seen->tlsa_records[i]), &records[i], NULL))
            records[i] =
                (struct dane_record){ .usage = UINT8_MAX }; /* of a saved file: no such usage */
    for (size_t i = 0; i < seen->tlsa_count; i++)
        told[i] = judge_record(seen, records, i);
    return told;
}
