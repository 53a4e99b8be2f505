#include "link/observation_json.h"

#include "link/observation_fields.h"
#include "link/record_json.h"

json_t *observation_to_json(const struct observation *observation)
{
    return record_to_json(&observation_record, observation);
}

/* What the judge takes for granted of an observation that link/ wrote. */
static bool check_whole(struct observation *observation, struct error *err)
{
    struct chain_verdict *verdict = &observation->verdict;

    for (size_t i = 0; i < verdict->certificate_count && i < observation->tls.chain_count; i++)
        verdict->certificates[i].der = observation->tls.chain[i];
    if (verdict->tlsa == CHAIN_TLSA_MATCHED && verdict->tlsa_index >= observation->tlsa_count)
        return error_set(err, ERROR_FORMAT, "verdict: tlsa_index: there is no such record");
    return verdict_is_whole(verdict, err);
}

bool observation_from_json(const json_t *json, struct arena *arena, struct observation *observation,
                           struct error *err)
{
    observation_init(observation);
    if (!record_from_json(&observation_record, json, arena, observation, err))
        return false;
    /* Files of before tell of TLSA only where the MX was secure too. */
    if (json_object_get(json, "mx_dnssec") == NULL)
        observation->mx_dnssec = observation->dnssec;
    if (json_object_get(json, "reached") == NULL || json_object_get(json, "ending") == NULL)
        return error_set(err, ERROR_FORMAT, "reached and ending are missing");
    return check_whole(observation, err);
}

bool observation_copy(const struct observation *observation, struct arena *arena,
                      struct observation *copy, struct error *err)
{
    json_t *json = observation_to_json(observation);
    bool is_copied;

    if (json == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a copy of what was seen");
    is_copied = observation_from_json(json, arena, copy, err);
    json_decref(json);
    return is_copied;
}
