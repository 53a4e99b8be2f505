#include "link/inbound_observation.h"

#include "link/observation_fields.h"
#include "link/record_json.h"

void inbound_observation_init(struct inbound_observation *observation)
{
    *observation = (struct inbound_observation){
        .host = "",
        .address = "",
        .name = "",
        .ending = ENDING_STOPPED,
        .tls = { .last_message_received = 0xff, .last_message_sent = 0xff },
        .self = { .verdict = { .tlsa_detail = "" } },
    };
}

void inbound_observation_end(struct inbound_observation *observation, enum stream_end end)
{
    if (observation->ending == ENDING_INJECTED || observation->ending == ENDING_TIMEOUT)
        return;
    switch (end) {
    case STREAM_CLOSED: observation->ending = ENDING_CLOSED; break;
    case STREAM_RESET: observation->ending = ENDING_RESET; break;
    case STREAM_TLS_FAILED: observation->ending = ENDING_TLS; break;
    case STREAM_NOT_TLS: observation->ending = ENDING_NOT_TLS; break;
    case STREAM_STILL_OPEN: break; /* we close it */
    case STREAM_REFUSED:
    case STREAM_UNREACHABLE:
    case STREAM_CONNECT_TIMEOUT:
    case STREAM_FAILED: observation->ending = ENDING_FAILED; break;
    }
}

void inbound_observation_inject(struct inbound_observation *observation, struct span bytes,
                                struct arena *arena)
{
    observation->ending = ENDING_INJECTED;
    observation->injected = arena_copy_bytes(arena, span_part(bytes, 0, OBSERVATION_STRAY_BYTES));
}

json_t *inbound_observation_to_json(const struct inbound_observation *observation)
{
    return record_to_json(&inbound_observation_record, observation);
}

bool inbound_observation_from_json(const json_t *json, struct arena *arena,
                                   struct inbound_observation *observation, struct error *err)
{
    const struct chain_verdict *verdict = &observation->self.verdict;

    inbound_observation_init(observation);
    if (!record_from_json(&inbound_observation_record, json, arena, observation, err))
        return false;
    if (json_object_get(json, "ending") == NULL)
        return error_set(err, ERROR_FORMAT, "ending is missing");
    /* What the judge takes for granted of a verdict. A listener has no TLSA records of its own. */
    if (verdict->tlsa == CHAIN_TLSA_MATCHED)
        return error_set(err, ERROR_FORMAT, "self: verdict: tlsa_index: there is no such record");
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].sent_index >= (int)verdict->certificate_count)
            return error_set(
                err, ERROR_FORMAT,
                "self: verdict: flaws: [%zu]: sent_index: there is no such certificate", i);
    return true;
}
