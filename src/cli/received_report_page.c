#include "cli/received_report_page.h"

#include <string.h>

#include "base/text.h"

enum { INDENT = 2, INNER = 4, SEEN = 6, DAY_S = 86400, MINUTE = 16 };

static int64_t add_up(int64_t sum, int64_t more)
{
    return more > INT64_MAX - sum ? INT64_MAX : sum + more;
}

int64_t received_report_failed(const struct tls_report *report)
{
    int64_t failed = 0;

    for (size_t i = 0; i < report->policy_count; i++)
        failed = add_up(failed, report->policies[i].failures);
    return failed;
}

/* ---- words ---- */

static const char *safe(const struct received_report_page *page, const char *text)
{
    return text_printable(page->arena, span_of(text), page->with_utf8);
}

/* "2026-11-21 03:10" */
static const char *minute_of(const struct received_report_page *page, int64_t second)
{
    const char *text = text_time(page->arena, second);

    return arena_format(page->arena, "%.10s %.5s", text, strlen(text) > MINUTE ? text + 11 : "");
}

/* "2026-11-21 00:00 to 23:59 UTC"; with both days where they are two. */
static const char *time_between(const struct received_report_page *page, int64_t first_s,
                                int64_t last_s)
{
    const char *first = minute_of(page, first_s), *last = minute_of(page, last_s);

    if (strcmp(first, last) == 0)
        return arena_format(page->arena, "at %s UTC", first);
    return arena_format(page->arena, "%s to %s UTC", first,
                        first_s / DAY_S == last_s / DAY_S ? last + 11 : last);
}

static const char *count_of(const struct received_report_page *page, int64_t count, const char *one,
                            const char *more)
{
    return arena_format(page->arena, "%lld %s", (long long)count, count == 1 ? one : more);
}

static const char *policy_words(const struct tls_report_policy *policy)
{
    switch (policy->type) {
    case TLS_REPORT_TLSA: return "by its TLSA records";
    case TLS_REPORT_STS: return "by its MTA-STS policy";
    case TLS_REPORT_NO_POLICY: break;
    }
    return "without a policy";
}

/* The first of them, and how many more. */
static const char *address_list(const struct received_report_page *page,
                                const struct received_join_group *group)
{
    size_t shown = group->address_count <= RECEIVED_REPORT_ADDRESSES_SHOWN + 1
                       ? group->address_count
                       : RECEIVED_REPORT_ADDRESSES_SHOWN;
    const char *text = "";

    for (size_t i = 0; i < shown; i++)
        text = arena_format(page->arena, "%s%s%s", text, i == 0 ? "" : ", ",
                            safe(page, group->addresses[i]));
    if (shown < group->address_count)
        text = arena_format(page->arena, "%s and %zu more", text, group->address_count - shown);
    return text;
}

/* ---- what was seen here ---- */

static void put_seen(struct received_report_page *page, const struct received_join_seen *seen)
{
    page_paragraph(page->page, SEEN, PAGE_PLAIN,
                   arena_format(page->arena, "%lld %s: %s", (long long)seen->count,
                                safe(page, seen->finding), safe(page, seen->cause)));
}

static const char *from_whom(const struct received_report_page *page,
                             const struct received_report_entry *entry,
                             const struct received_join_group *group)
{
    if (group->by == RECEIVED_JOIN_BY_NAME)
        return arena_format(page->arena, "servers that call themselves below %s",
                            safe(page, entry->join->domain));
    return group->address_count == 1 ? "that address" : "those addresses";
}

/* Nothing is a finding too, but only where somebody looked. */
static const char *nothing_seen(const struct received_report_page *page,
                                const struct received_report_entry *entry,
                                const struct received_join_group *group)
{
    int64_t asked_s = entry->report->end_s - entry->report->start_s;
    const char *from = group->address_count > 0 ? from_whom(page, entry, group) : "that sender";

    if (entry->failures->kept_s <= 0)
        return "The gateway did not keep what failed at that time.";
    return arena_format(
        page->arena,
        "We saw no handshake from %s fail%s: it did not reach us, or was given up after a "
        "handshake that we took for sound.",
        from,
        entry->failures->kept_s < asked_s - asked_s / 10
            ? arena_format(page->arena, " in the %s of it that we know of",
                           text_duration(page->arena, entry->failures->kept_s))
            : "");
}

static void put_ours(struct received_report_page *page, const struct received_report_entry *entry,
                     const struct received_join_group *group)
{
    if (group->seen_failed == 0 && *group->policy->domain != '\0' &&
        received_join_is_of_what_is_published(group->result_type)) {
        page_paragraph(page->page, INNER, PAGE_PLAIN,
                       arena_format(page->arena, "Whether it is so now says: postern check %s",
                                    safe(page, group->policy->domain)));
        return;
    }
    if (entry->failures == NULL)
        return;
    if (group->seen_failed == 0) {
        page_paragraph(page->page, INNER, PAGE_PLAIN, nothing_seen(page, entry, group));
        return;
    }
    page_paragraph(page->page, INNER, PAGE_BOLD,
                   arena_format(page->arena, "We saw %s from %s fail, %s:",
                                count_of(page, group->seen_failed, "handshake", "handshakes"),
                                from_whom(page, entry, group),
                                time_between(page, group->first_s, group->last_s)));
    for (size_t i = 0; i < group->seen_count; i++)
        put_seen(page, &group->seen[i]);
}

/* ---- what is reported ---- */

static void put_group(struct received_report_page *page, const struct received_report_entry *entry,
                      const struct received_join_group *group)
{
    const char *meaning = received_join_meaning(group->result_type);

    page_end_line(page->page);
    page_paragraph(page->page, INDENT, PAGE_RED,
                   arena_format(page->arena, "%s: %s%s%s%s",
                                count_of(page, group->failed, "failure", "failures"),
                                safe(page, group->result_type), *group->mx == '\0' ? "" : " at ",
                                safe(page, group->mx),
                                group->is_rest ? ", and what there was no room for" : ""));
    if (meaning != NULL)
        page_paragraph(page->page, INNER, PAGE_PLAIN,
                       arena_format(page->arena, "That means: %s.", meaning));
    if (*group->reason != '\0')
        page_paragraph(page->page, INNER, PAGE_PLAIN,
                       arena_format(page->arena, "Their reason: %s", safe(page, group->reason)));
    if (*group->information != '\0')
        page_paragraph(page->page, INNER, PAGE_PLAIN,
                       arena_format(page->arena, "More: %s", safe(page, group->information)));
    if (group->address_count > 0)
        page_paragraph(page->page, INNER, PAGE_PLAIN,
                       arena_format(page->arena, "From %s%s%s", address_list(page, group),
                                    *group->receiving_ip == '\0' ? "" : " to ",
                                    safe(page, group->receiving_ip)));
    put_ours(page, entry, group);
}

static void put_policy(struct received_report_page *page, const struct received_report_entry *entry,
                       const struct tls_report_policy *policy)
{
    size_t shown = 0, left = 0;

    page_end_line(page->page);
    page_paragraph(page->page, 0, PAGE_BOLD,
                   arena_format(page->arena, "%s, %s: %s came through, %lld failed",
                                *policy->domain == '\0' ? "A domain that it does not name"
                                                        : safe(page, policy->domain),
                                policy_words(policy),
                                count_of(page, policy->successes, "session", "sessions"),
                                (long long)policy->failures));
    for (size_t i = 0; i < entry->join->count; i++) {
        const struct received_join_group *group = &entry->join->groups[i];

        if (group->policy != policy)
            continue;
        if (shown++ < RECEIVED_REPORT_GROUPS_SHOWN)
            put_group(page, entry, group);
        else
            left++;
    }
    if (left > 0)
        page_paragraph(
            page->page, INDENT, PAGE_PLAIN,
            arena_format(page->arena, "... and %zu more kinds of failure: --json", left));
    if (shown == 0 && policy->failures > 0)
        page_paragraph(page->page, INDENT, PAGE_PLAIN, "It does not say at which host, nor why.");
}

void received_report_page_put(struct received_report_page *page,
                              const struct received_report_entry *entry)
{
    const struct tls_report *report = entry->report;

    page_paragraph(
        page->page, 0, PAGE_BOLD,
        arena_format(page->arena, "%s reports: %s failed",
                     *report->organization == '\0' ? "Somebody" : safe(page, report->organization),
                     count_of(page, received_report_failed(report), "session", "sessions")));
    page_paragraph(
        page->page, INDENT, PAGE_PLAIN,
        arena_format(page->arena, "%s%s", time_between(page, report->start_s, report->end_s),
                     entry->received_s == 0 ? ""
                                            : arena_format(page->arena, ", received %s UTC",
                                                           minute_of(page, entry->received_s))));
    page_paragraph(page->page, INDENT, PAGE_DIM,
                   arena_format(page->arena, "report %s%s%s",
                                *report->id == '\0' ? "without an id" : safe(page, report->id),
                                *report->contact == '\0' ? "" : ", by ",
                                safe(page, report->contact)));
    for (size_t i = 0; i < report->policy_count; i++)
        put_policy(page, entry, &report->policies[i]);
}

/* ---- for machines ---- */

static json_t *text_json(struct arena *arena, const char *text)
{
    return json_string(text_is_utf8(span_of(text)) ? text
                                                   : text_printable(arena, span_of(text), false));
}

static json_t *time_json(struct arena *arena, int64_t second)
{
    return json_string(text_time(arena, second));
}

static json_t *seen_json(const struct received_join_group *group, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < group->seen_count; i++) {
        const struct received_join_seen *seen = &group->seen[i];
        json_t *one = json_pack(
            "{s:o, s:o, s:I, s:o, s:o}", "finding", text_json(arena, seen->finding), "cause",
            text_json(arena, seen->cause), "count", (json_int_t)seen->count, "first",
            time_json(arena, seen->first_s), "last", time_json(arena, seen->last_s));

        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *addresses_json(const struct received_join_group *group, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < group->address_count; i++)
        if (json_array_append_new(list, text_json(arena, group->addresses[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *group_json(const struct received_report_entry *entry,
                          const struct received_join_group *group, struct arena *arena)
{
    static const char *const by[] = { [RECEIVED_JOIN_BY_NOTHING] = "nothing",
                                      [RECEIVED_JOIN_BY_ADDRESS] = "address",
                                      [RECEIVED_JOIN_BY_NAME] = "name" };
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o}", "result_type",
        text_json(arena, group->result_type), "mx", text_json(arena, group->mx), "receiving_ip",
        text_json(arena, group->receiving_ip), "reason", text_json(arena, group->reason),
        "information", text_json(arena, group->information), "failed", (json_int_t)group->failed,
        "more_kinds", (int)group->is_rest, "addresses", addresses_json(group, arena));

    if (object != NULL && entry->failures != NULL &&
        json_object_set_new(object, "seen",
                            json_pack("{s:s, s:I, s:o}", "by", by[group->by], "failed",
                                      (json_int_t)group->seen_failed, "findings",
                                      seen_json(group, arena))) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *policy_json(const struct received_report_entry *entry,
                           const struct tls_report_policy *policy, struct arena *arena)
{
    json_t *failures = json_array();

    for (size_t i = 0; i < entry->join->count; i++)
        if (entry->join->groups[i].policy == policy &&
            json_array_append_new(failures, group_json(entry, &entry->join->groups[i], arena)) !=
                0) {
            json_decref(failures);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:I, s:I, s:o}", "type", tls_report_policy_type_name(policy->type),
                     "domain", text_json(arena, policy->domain), "succeeded",
                     (json_int_t)policy->successes, "failed", (json_int_t)policy->failures,
                     "failures", failures);
}

static json_t *policies_json(const struct received_report_entry *entry, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < entry->report->policy_count; i++)
        if (json_array_append_new(list, policy_json(entry, &entry->report->policies[i], arena)) !=
            0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool set(json_t *object, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(object, key, value) == 0;
}

json_t *received_report_page_json(const struct received_report_entry *entry, struct arena *arena)
{
    const struct tls_report *report = entry->report;
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:i}", "organization",
        text_json(arena, report->organization), "contact", text_json(arena, report->contact), "id",
        text_json(arena, report->id), "start", time_json(arena, report->start_s), "end",
        time_json(arena, report->end_s), "failed", (json_int_t)received_report_failed(report),
        "policies", policies_json(entry, arena), "schema", 1);

    if (object != NULL &&
        ((entry->file != NULL && !set(object, "file", text_json(arena, entry->file))) ||
         (entry->received_s != 0 &&
          !set(object, "received", time_json(arena, entry->received_s))) ||
         (entry->failures != NULL &&
          !set(object, "kept_seconds", json_integer(entry->failures->kept_s))))) {
        json_decref(object);
        return NULL;
    }
    return object;
}
