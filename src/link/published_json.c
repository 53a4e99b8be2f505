#include "link/published_json.h"

#include "link/observation_fields.h"
#include "link/record_json.h"

static const char *record_word(unsigned value)
{
    return mta_sts_record_name((enum mta_sts_record)value);
}

static const char *mode_word(unsigned value)
{
    return mta_sts_mode_name((enum mta_sts_mode)value);
}

static const char *outcome_word(unsigned value)
{
    return https_outcome_name((enum https_outcome)value);
}

static const struct words records = { MTA_STS_RECORD_COUNT, record_word, NULL };
static const struct words modes = { MTA_STS_MODE_COUNT, mode_word, NULL };
static const struct words outcomes = { HTTPS_FAILED + 1, outcome_word, NULL };

static const struct field text_item = { .kind = FIELD_TEXT };

static const struct field policy_fields[] = {
    { .name = "mode",
      .kind = FIELD_WORD,
      .offset = offsetof(struct mta_sts_policy, mode),
      .words = &modes },
    { .name = "max_age_s",
      .kind = FIELD_I64,
      .offset = offsetof(struct mta_sts_policy, max_age_s),
      .most = MTA_STS_AGE_MOST_S },
    { .name = "mx",
      .kind = FIELD_LIST,
      .offset = offsetof(struct mta_sts_policy, mx),
      .count_offset = offsetof(struct mta_sts_policy, mx_count),
      .most = MTA_STS_MX_MOST,
      .item = &text_item },
};
static const struct record policy_record = { policy_fields, ARRAY_SIZE(policy_fields),
                                             sizeof(struct mta_sts_policy) };

#define FIELD(k, n, member)                                                                        \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct observed_published, member)            \
    }
#define WORD(n, member, w)                                                                         \
    {                                                                                              \
        .name = (n), .kind = FIELD_WORD, .offset = offsetof(struct observed_published, member),    \
        .words = (w)                                                                               \
    }
#define INNER(n, member, r)                                                                        \
    {                                                                                              \
        .name = (n), .kind = FIELD_RECORD, .offset = offsetof(struct observed_published, member),  \
        .record = (r)                                                                              \
    }
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
    { .name = "report_uris",
      .kind = FIELD_LIST,
      .offset = offsetof(struct observed_published, reports.uris),
      .count_offset = offsetof(struct observed_published, reports.count),
      .most = TLSRPT_URIS_MOST,
      .item = &text_item },

    FIELD(FIELD_TEXT_OR_NULL, "failure", failure),
};
const struct record published_record = { published_fields, ARRAY_SIZE(published_fields),
                                         sizeof(struct observed_published) };

json_t *published_to_json(const struct observed_published *published)
{
    return record_to_json(&published_record, published);
}

/* What the judge takes for granted of a record that link/ wrote. */
static bool check_whole(const struct observed_published *published, struct error *err)
{
    const struct chain_verdict *verdict = &published->verdict;

    if (published->domain[0] == '\0')
        return error_set(err, ERROR_FORMAT, "domain is missing");
    if (published->sts_record == MTA_STS_RECORD_VALID && published->sts_id == NULL)
        return error_set(err, ERROR_FORMAT, "sts_id is missing");
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].sent_index >= (int)verdict->certificate_count)
            return error_set(err, ERROR_FORMAT,
                             "verdict: flaws: [%zu]: sent_index: there is no such certificate", i);
    return true;
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
