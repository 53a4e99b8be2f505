#include "diagnose/report_published.h"

#include "base/text.h"
#include "diagnose/json_value.h"

enum { INDENT = 2, HANG = 11, PATTERNS_SHOWN = 12 };

/* ---- for people ---- */

/* What others publish has been made printable when it was read; what we say of it holds that. */
static const char *printable(struct arena *arena, const char *text)
{
    return text == NULL ? "" : text_printable_again(arena, span_of(text), true);
}

static void write_line(struct page *page, const char *label, const char *text)
{
    page_item(page, INDENT, label, HANG, PAGE_PLAIN, text);
}

static const char *join_patterns(struct arena *arena, const struct mta_sts_policy *policy)
{
    const char *list = "";

    for (size_t i = 0; i < policy->mx_count && i < PATTERNS_SHOWN; i++)
        list = arena_format(arena, "%s%s%s", list, i == 0 ? "" : ", ",
                            printable(arena, policy->mx[i]));
    if (policy->mx_count > PATTERNS_SHOWN)
        list = arena_format(arena, "%s and %zu more", list, policy->mx_count - PATTERNS_SHOWN);
    return list;
}

static void write_policy(struct page *page, struct arena *arena,
                         const struct observed_published *published)
{
    const struct mta_sts_policy *policy = &published->policy;

    write_line(page, "MTA-STS",
               arena_format(arena, "%s, for %s, until %s%s", mta_sts_mode_name(policy->mode),
                            text_duration(arena, policy->max_age_s),
                            text_date(arena, published->ends_at_s),
                            published->from_cache ? ", as it was fetched before" : ""));
    if (policy->mx_count > 0)
        write_line(page, "", arena_format(arena, "mx: %s", join_patterns(arena, policy)));
}

/* Whether it is known that there is no record. */
static bool was_told(const struct observed_lookup *lookup)
{
    return lookup->outcome == DNS_ANSWERED || lookup->outcome == DNS_NO_DATA ||
           lookup->outcome == DNS_NXDOMAIN;
}

/* Why there is a record and no policy. */
static const char *why_none(struct arena *arena, const struct observed_published *published)
{
    if (published->failure != NULL)
        return arena_format(arena, "it could not be told: %s",
                            printable(arena, published->failure));
    if (published->sts_record == TXT_RECORD_NONE)
        return was_told(&published->sts_lookup) ? "none is published" : "the look-up fails";
    if (published->sts_record != TXT_RECORD_VALID)
        return arena_format(arena, "none that counts: the record is not valid: %s",
                            printable(arena, published->sts_record_flaw));
    return arena_format(arena, "none that counts: %s",
                        printable(arena, published->policy_flaw != NULL
                                             ? published->policy_flaw
                                             : published->fetch_failure));
}

static void write_reports(struct page *page, struct arena *arena,
                          const struct observed_published *published)
{
    if (!published->asked_reports)
        return;
    for (size_t i = 0; i < published->reports.count; i++)
        write_line(page, i == 0 ? "Reports" : "", printable(arena, published->reports.uris[i]));
    if (published->reports.count == 0 && published->report_record == TXT_RECORD_NONE)
        write_line(page, "Reports",
                   was_told(&published->report_lookup) ? "none are asked for"
                                                       : "the look-up fails");
    else if (published->reports.count == 0)
        write_line(page, "Reports",
                   arena_format(arena, "to nobody: the record is not valid: %s",
                                printable(arena, published->report_flaw)));
}

void report_published_write(struct page *page, struct arena *arena,
                            const struct observed_published *published)
{
    if (published->has_policy)
        write_policy(page, arena, published);
    else
        write_line(page, "MTA-STS", why_none(arena, published));
    if (published->sts_record == TXT_RECORD_VALID)
        write_line(page, "",
                   arena_format(arena, "id %s; %s%s%s", printable(arena, published->sts_id),
                                printable(arena, published->url),
                                published->address[0] == '\0' ? "" : " at ",
                                printable(arena, published->address)));
    write_reports(page, arena, published);
}

/* ---- as JSON ---- */

static json_t *policy_json(const struct observed_published *published)
{
    const struct mta_sts_policy *policy = &published->policy;

    if (!published->has_policy)
        return json_null();
    return json_pack(
        "{s:s, s:I, s:o, s:o, s:b, s:o, s:o}", "mode", mta_sts_mode_name(policy->mode), "max_age",
        (json_int_t)policy->max_age_s, "mx", json_value_texts(policy->mx, policy->mx_count), "id",
        json_value_text(published->policy_id), "cached", (int)published->from_cache, "fetched",
        json_value_time(published->fetched_at_s), "ends", json_value_time(published->ends_at_s));
}

static const char *state_word(enum policy_sts sts)
{
    switch (sts) {
    case POLICY_STS_ENFORCE: return "enforce";
    case POLICY_STS_TESTING: return "testing";
    case POLICY_STS_NONE: return "none";
    case POLICY_STS_UNKNOWN: break;
    }
    return "unknown";
}

json_t *report_published_sts_json(const struct observed_published *published)
{
    bool was_asked = published->sts_record == TXT_RECORD_VALID;
    const char *failure =
        published->failure != NULL ? published->failure : published->fetch_failure;

    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
        state_word(published->sts), "record", txt_record_status_name(published->sts_record), "text",
        json_value_text(published->sts_text[0] == '\0' ? NULL : published->sts_text), "id",
        json_value_text(published->sts_id), "flaw", json_value_text(published->sts_record_flaw),
        "url", json_value_text(was_asked ? published->url : NULL), "address",
        json_value_text(published->address[0] == '\0' ? NULL : published->address), "status",
        published->http_status == 0 ? json_null() : json_integer(published->http_status), "failure",
        json_value_text(failure), "policy_flaw", json_value_text(published->policy_flaw), "policy",
        policy_json(published));
}

json_t *report_published_reports_json(const struct observed_published *published)
{
    if (!published->asked_reports)
        return json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:o}", "record", txt_record_status_name(published->report_record), "text",
        json_value_text(published->report_text[0] == '\0' ? NULL : published->report_text), "flaw",
        json_value_text(published->report_flaw), "uris",
        json_value_texts(published->reports.uris, published->reports.count));
}
