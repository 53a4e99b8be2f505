#include "cli/ledger_page.h"

#include <string.h>

#include "base/text.h"
#include "cli/session_page.h"
#include "diagnose/catalogue.h"
#include "gateway/control_json.h"
#include "queue/id.h"

enum { HANG = 22, COUNT_HANG = 10, CAUSES_SHOWN = 3 };

/* ---- the ledger ----------------------------------------------------------------------------- */

/* "the server does not offer STARTTLS (starttls-masked)". Where TLS failed, the session that took the mail is
 * a second one without it and found nothing; the attempt knows what the first one showed. */
static const char *format_why(struct queue_page *page, const struct tracking_event *event)
{
    const struct queue_session *session = event->session;
    struct span findings = session->findings, first = span_take_until(&findings, ' ');
    const char *why = session->why_clear.len == 0 ? "why is not told"
                                                  : session_page_why(page, session->why_clear);

    if (first.len == 0)
        first = event->attempt.finding;
    return first.len == 0 ? why
                          : arena_format(page->arena, "%s (%s)", why, queue_page_text(page, first));
}

void ledger_page_entry(struct queue_page *page, const struct tracking_story *story)
{
    const struct tracking_event *event = &story->events[0];
    const struct queue_envelope *envelope = &story->envelope;
    const struct queue_session *session = event->session;
    const char *sender = envelope->sender.len == 0 ? "<>" : queue_page_text(page, envelope->sender);
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    page_item(&page->page, 0, text_time(page->arena, event->attempt.at_s), HANG, PAGE_PLAIN,
              queue_page_text(page, event->recipient));
    page_paragraph(&page->page, HANG, PAGE_PLAIN,
                   arena_format(page->arena, "%s%s%s", id,
                                envelope->received_at_s == 0 ? "" : " from ",
                                envelope->received_at_s == 0 ? "" : sender));
    page_paragraph(&page->page, HANG, PAGE_PLAIN,
                   arena_format(page->arena, "by %s", queue_page_text(page, event->attempt.relay)));
    if (session == NULL) {
        page_paragraph(&page->page, HANG, PAGE_PLAIN, "tracking does not have its session");
        return;
    }
    page_paragraph(&page->page, HANG, PAGE_YELLOW, format_why(page, event));
    page_paragraph(&page->page, HANG, PAGE_PLAIN, session_page_level(page, session));
}

void ledger_page_count(struct ledger_sum *sum, const struct tracking_story *story)
{
    const struct queue_session *session = story->events[0].session;
    struct span why = session == NULL ? (struct span){ NULL, 0 } : session->why_clear;
    size_t at = 0;

    sum->recipients++;
    while (at < sum->reason_count && !span_equal(sum->reasons[at].why, why))
        at++;
    if (at == LEDGER_REASONS)
        return;
    if (at == sum->reason_count)
        sum->reasons[sum->reason_count++].why = why;
    sum->reasons[at].recipients++;
}

/* The most frequent of those that are not told yet. */
static size_t find_most(const struct ledger_sum *sum, const bool *is_told)
{
    size_t most = sum->reason_count;

    for (size_t i = 0; i < sum->reason_count; i++)
        if (!is_told[i] && (most == sum->reason_count ||
                            sum->reasons[i].recipients > sum->reasons[most].recipients))
            most = i;
    return most;
}

void ledger_page_sum(struct queue_page *page, const struct ledger_sum *sum)
{
    bool is_told[LEDGER_REASONS] = { false };
    size_t at;

    page_end_line(&page->page);
    page_paragraph(&page->page, 0, PAGE_BOLD,
                   arena_format(page->arena, "%lld recipient%s, for whom mail left in the clear:",
                                (long long)sum->recipients, sum->recipients == 1 ? "" : "s"));
    while ((at = find_most(sum, is_told)) < sum->reason_count) {
        is_told[at] = true;
        page_item(&page->page, 2,
                  arena_format(page->arena, "%lld", (long long)sum->reasons[at].recipients),
                  COUNT_HANG, PAGE_PLAIN,
                  sum->reasons[at].why.len == 0 ? "why is not told"
                                                : session_page_why(page, sum->reasons[at].why));
    }
}

/* ---- the shadow ----------------------------------------------------------------------------- */

static const char *title_of(struct queue_page *page, struct span finding)
{
    const struct catalogue_row *row = catalogue_find(arena_copy(page->arena, finding));

    return row == NULL ? "" : arena_format(page->arena, ": %s", row->title);
}

static void put_causes(struct queue_page *page, const struct tracking_shadow_count *count)
{
    for (size_t i = 0; i < count->cause_count; i++)
        page_item(&page->page, 2,
                  arena_format(page->arena, "%lld", (long long)count->causes[i].sessions),
                  COUNT_HANG, PAGE_PLAIN,
                  arena_format(page->arena, "%s%s", queue_page_text(page, count->causes[i].finding),
                               title_of(page, count->causes[i].finding)));
}

/* "example.org: 11 certificate-name-mismatch, 1 starttls-not-offered" */
static const char *format_destination(struct queue_page *page,
                                      const struct tracking_shadow_count *count)
{
    const char *text = arena_format(page->arena, "%s:", queue_page_text(page, count->destination));

    for (size_t i = 0; i < count->cause_count && i < CAUSES_SHOWN; i++)
        text = arena_format(page->arena, "%s%s %lld %s", text, i == 0 ? "" : ",",
                            (long long)count->causes[i].sessions,
                            queue_page_text(page, count->causes[i].finding));
    return count->cause_count > CAUSES_SHOWN ? arena_format(page->arena, "%s, ...", text) : text;
}

static void put_destinations(struct queue_page *page, const struct tracking_shadow *shadow,
                             size_t most)
{
    size_t shown = shadow->destination_count < most ? shadow->destination_count : most;
    size_t well = shadow->seen - shadow->destination_count;

    page_end_line(&page->page);
    page_paragraph(&page->page, 0, PAGE_BOLD,
                   arena_format(page->arena, "Destinations with such sessions: %zu of %zu",
                                shadow->destination_count, shadow->seen));
    for (size_t i = 0; i < shown; i++) {
        const struct tracking_shadow_count *count = &shadow->destinations[i];

        page_item(&page->page, 2,
                  arena_format(page->arena, "%lld of %lld", (long long)count->refused,
                               (long long)count->sessions),
                  16, PAGE_PLAIN, format_destination(page, count));
    }
    if (shown < shadow->destination_count)
        page_paragraph(
            &page->page, 2, PAGE_PLAIN,
            arena_format(page->arena, "and %zu more (--most)", shadow->destination_count - shown));
    if (well > 0)
        page_paragraph(&page->page, 0, PAGE_GREEN,
                       arena_format(page->arena,
                                    "With %zu other%s every session would have passed.", well,
                                    well == 1 ? "" : "s"));
}

void ledger_page_shadow(struct queue_page *page, const char *level, struct span domain,
                        const struct tracking_shadow *shadow, size_t most)
{
    const struct tracking_shadow_count *all = &shadow->all;
    const char *scope = domain.len == 0
                            ? " everywhere"
                            : arena_format(page->arena, " for %s", queue_page_text(page, domain));

    page_paragraph(&page->page, 0, PAGE_BOLD,
                   arena_format(page->arena,
                                "Had you required %s%s, %lld of %lld session%s since %s would have "
                                "failed%s",
                                level, scope, (long long)all->refused, (long long)all->sessions,
                                all->sessions == 1 ? "" : "s",
                                text_time(page->arena, shadow->first_s),
                                all->refused == 0 ? "." : ":"));
    put_causes(page, all);
    if (shadow->destination_count > 0 && shadow->seen > 1)
        put_destinations(page, shadow, most);
}

/* ---- for machines --------------------------------------------------------------------------- */

static json_t *json_of_count(const struct tracking_shadow_count *count)
{
    json_t *json = json_pack("{s:I, s:I}", "sessions", (json_int_t)count->sessions, "would_fail",
                             (json_int_t)count->refused);
    json_t *findings = json_object();
    bool is_whole = json != NULL && findings != NULL;

    if (is_whole && count->destination.len > 0)
        is_whole =
            json_object_set_new(json, "destination", control_json_of_text(count->destination)) == 0;
    for (size_t i = 0; is_whole && i < count->cause_count; i++) {
        json_t *name = control_json_of_text(count->causes[i].finding);

        is_whole = name != NULL &&
                   json_object_set_new(findings, json_string_value(name),
                                       json_integer((json_int_t)count->causes[i].sessions)) == 0;
        json_decref(name);
    }
    is_whole = is_whole && json_object_set(json, "findings", findings) == 0;
    json_decref(findings);
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}

json_t *ledger_page_shadow_json(const char *level, const struct tracking_shadow *shadow,
                                size_t most)
{
    json_t *json = json_of_count(&shadow->all), *destinations = json_array();
    bool is_whole =
        json != NULL && destinations != NULL &&
        json_object_set_new(json, "level", json_string(level)) == 0 &&
        json_object_set_new(json, "since", json_integer((json_int_t)shadow->first_s)) == 0;

    for (size_t i = 0; is_whole && i < shadow->destination_count && i < most; i++)
        is_whole =
            json_array_append_new(destinations, json_of_count(&shadow->destinations[i])) == 0;
    is_whole = is_whole && json_object_set(json, "destinations", destinations) == 0;
    json_decref(destinations);
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}
