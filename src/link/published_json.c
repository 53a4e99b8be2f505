#include "link/published_json.h"

#include "link/observation_fields.h"
#include "link/record_json.h"

static const char *record_word(unsigned value)
{
    return txt_record_status_name((enum txt_record_status)value);
}

static const char *mode_word(unsigned value)
{
    return mta_sts_mode_name((enum mta_sts_mode)value);
}

static const char *outcome_word(unsigned value)
{
    return https_outcome_name((enum https_outcome)value);
}

static const struct words records = { TXT_RECORD_STATUS_COUNT, record_word, NULL };
static const struct words modes = { MTA_STS_MODE_COUNT, mode_word, NULL };
static const struct words outcomes = { HTTPS_FAILED + 1, outcome_word, NULL };

static const struct field policy_fields[] = {
    WORD_OF(struct mta_sts_policy, "mode", mode, &modes),
    BOUNDED_OF(struct mta_sts_policy, FIELD_I64, "max_age_s", max_age_s, 0, MTA_STS_AGE_MOST_S),
    LIST_OF(struct mta_sts_policy, FIELD_LIST, "mx", mx, mx_count, MTA_STS_MX_MOST, &field_text),
};
static const struct record policy_record = RECORD_OF(struct mta_sts_policy, policy_fields);

#define FIELD(k, n, member) FIELD_OF(struct observed_published, k, n, member)
#define WORD(n, member, w)  WORD_OF(struct observed_published, n, member, w)
#define INNER(n, member, r) INNER_OF(struct observed_published, n, member, r)
static const struct field published_fields[] = {
    FIELD(FIELD_TEXT, "domain", domain),
    FIELD(FIELD_TIME, "wall_s", wall_s),

    INNER("sts_lookup", sts_lookup, &lookup_record),
    WORD("sts_record", sts_record, &records),
    FIELD(FIELD_TEXT, "sts_text", sts_text),
    FIELD(FIELD_TEXT_OR_NULL, "sts_id", sts_id),
    FIELD(FIELD_TEXT_OR_NULL, "sts_record_flaw", sts_record_flaw),

    FIELD(FIELD_BOOL, "fetched", fetched),
    FIELD(FIELD_BOOL, "was_held_back", was_held_back),
    FIELD(FIELD_TEXT, "url", url),
    INNER("host_lookup", host_lookup, &lookup_record),
    WORD("fetch_outcome", fetch_outcome, &outcomes),
    FIELD(FIELD_BOOL, "only_private", only_private),
    FIELD(FIELD_INT, "http_status", http_status),
    FIELD(FIELD_TEXT, "content_type", content_type),
    FIELD(FIELD_TEXT, "location", location),
    FIELD(FIELD_TEXT_OR_NULL, "fetch_failure", fetch_failure),
    FIELD(FIELD_TEXT_OR_NULL, "policy_flaw", policy_flaw),
    FIELD(FIELD_TEXT, "policy_text", policy_text),
    FIELD(FIELD_BOOL, "has_verdict", has_verdict),
    INNER("verdict", verdict, &verdict_record),
    FIELD(FIELD_TEXT, "address", address),

    WORD("sts", sts, &policy_sts_words),
    FIELD(FIELD_BOOL, "has_policy", has_policy),
    INNER("policy", policy, &policy_record),
    FIELD(FIELD_TEXT_OR_NULL, "policy_id", policy_id),
    FIELD(FIELD_BOOL, "from_cache", from_cache),
    FIELD(FIELD_TIME, "fetched_at_s", fetched_at_s),
    FIELD(FIELD_TIME, "ends_at_s", ends_at_s),

    FIELD(FIELD_BOOL, "asked_reports", asked_reports),
    INNER("report_lookup", report_lookup, &lookup_record),
    WORD("report_record", report_record, &records),
    FIELD(FIELD_TEXT, "report_text", report_text),
    FIELD(FIELD_TEXT_OR_NULL, "report_flaw", report_flaw),
    LIST_OF(struct observed_published, FIELD_LIST, "report_uris", reports.uris, reports.count,
            TLSRPT_URIS_MOST, &field_text),

    FIELD(FIELD_TEXT_OR_NULL, "failure", failure),
};
const struct record published_record = RECORD_OF(struct observed_published, published_fields);

json_t *published_to_json(const struct observed_published *published)
{
    return record_to_json(&published_record, published);
}

/* What the judge takes for granted of a record that link/ wrote. */
static bool check_whole(const struct observed_published *published, struct error *err)
{
    if (published->domain[0] == '\0')
        return error_set(err, ERROR_FORMAT, "domain is missing");
    if (published->sts_record == TXT_RECORD_VALID && published->sts_id == NULL)
        return error_set(err, ERROR_FORMAT, "sts_id is missing");
    return verdict_is_whole(&published->verdict, err);
}

bool published_from_json(const json_t *json, struct arena *arena,
                         struct observed_published **published, struct error *err)
{
    struct observed_published *made = arena_new(arena, 1, sizeof *made);

    *published = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for what a domain publishes");
    observed_published_init(made);
    if (!record_from_json(&published_record, json, arena, made, err) || !check_whole(made, err))
        return false;
    *published = made;
    return true;
}
