#include "cli/counted_report_page.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"
#include "diagnose/page.h"

enum { INDENT = 2, INNER = 4, HANG = 10, WHERE = 12 };

struct writing {
    struct page page;
    struct arena *arena;
    bool with_utf8;
};

static const char *safe(const struct writing *writing, const char *text)
{
    return text_printable(writing->arena, span_of(text), writing->with_utf8);
}

/* "2026-11-22 07:41 UTC" */
static const char *minute_of(const struct writing *writing, int64_t second)
{
    const char *text = text_time(writing->arena, second);

    return arena_format(writing->arena, "%.10s %.5s UTC", text, strlen(text) > 16 ? text + 11 : "");
}

static const char *sessions_of(const struct writing *writing, int64_t count)
{
    return arena_format(writing->arena, "%" PRId64 " session%s", count, count == 1 ? "" : "s");
}

/* ---- what sessions showed ---- */

static const char *mode_of(const struct tls_report_policy *policy)
{
    for (size_t i = 0; i < policy->string_count; i++)
        if (span_starts_with_nocase(span_of(policy->strings[i]), "mode:"))
            return policy->strings[i];
    return "not in force";
}

static const char *policy_words(const struct writing *writing,
                                const struct tls_report_policy *policy)
{
    const char *domain = safe(writing, policy->domain);

    switch (policy->type) {
    case TLS_REPORT_TLSA: return arena_format(writing->arena, "by the TLSA records of %s", domain);
    case TLS_REPORT_STS:
        return arena_format(writing->arena, "by the MTA-STS policy of %s (%s)", domain,
                            safe(writing, mode_of(policy)));
    case TLS_REPORT_NO_POLICY: break;
    }
    return "without a policy";
}

static const char *where_of(const struct writing *writing, const struct tls_report_failure *failure)
{
    const char *where = safe(writing, failure->receiving_mx_hostname);

    if (*where == '\0')
        where = "several hosts";
    if (*failure->receiving_ip != '\0')
        where =
            arena_format(writing->arena, "%s [%s]", where, safe(writing, failure->receiving_ip));
    if (*failure->sending_mta_ip != '\0')
        where = arena_format(writing->arena, "%s, from %s", where,
                             safe(writing, failure->sending_mta_ip));
    return where;
}

/* The finding's own words; else the type's, which every report has. */
static void write_failure(struct writing *writing, const struct tls_report_failure *failure)
{
    const struct catalogue_row *row = catalogue_find(failure->failure_reason_code);
    const char *reason = safe(writing, failure->failure_reason_code);
    const char *type = safe(writing, failure->result_type);
    const char *words =
        row == NULL ? reason : arena_format(writing->arena, "%s (%s)", row->title, reason);

    page_item(&writing->page, INNER,
              arena_format(writing->arena, "%5" PRId64, failure->failed_sessions), HANG, PAGE_PLAIN,
              *words == '\0' ? type : words);
    page_paragraph(
        &writing->page, WHERE, PAGE_DIM,
        arena_format(writing->arena, "%s; reported as %s", where_of(writing, failure), type));
}

static void write_policy(struct writing *writing, const struct tls_report_policy *policy)
{
    page_paragraph(&writing->page, INDENT, policy->failures > 0 ? PAGE_RED : PAGE_GREEN,
                   arena_format(writing->arena, "%s %s, %" PRId64 " failed",
                                sessions_of(writing, policy->successes + policy->failures),
                                policy_words(writing, policy), policy->failures));
    for (size_t i = 0; i < policy->detail_count; i++)
        write_failure(writing, &policy->details[i]);
}

/* ---- what becomes of it ---- */

static const char *way_of(const struct writing *writing, const struct counted_report *counted)
{
    const struct tls_file_entry *entry = counted->entry;
    const char *when = minute_of(writing, entry->next_at_s);
    bool is_over = counted->now_s >= (entry->day + 1) * TLS_FILE_DAY_S;

    if (entry->state == TLS_FILE_ENDED)
        return arena_format(writing->arena, "The report: %s.", safe(writing, entry->said));
    if (!counted->is_sent_at_all)
        return "Not sent: send of the section reports is no.";
    if (entry->attempts > 0)
        return arena_format(writing->arena, "Not sent yet: %s. The next attempt is at %s.",
                            safe(writing, entry->said), when);
    return arena_format(writing->arena, "%s is sent at %s, if the domain asks for reports.",
                        is_over ? "The report" : "The day is not over; its report", when);
}

static void write_copies(struct writing *writing, const struct tls_file_entry *entry)
{
    for (size_t i = 0; i < entry->copy_count; i++) {
        const struct tls_file_copy *copy = &entry->copies[i];

        page_paragraph(&writing->page, INNER, PAGE_PLAIN,
                       arena_format(writing->arena, "%s: %s at %s, %s", safe(writing, copy->uri),
                                    tls_copy_state_name(copy->state),
                                    minute_of(writing, copy->at_s), safe(writing, copy->said)));
    }
}

bool counted_report_page(const struct counted_report *counted, const struct report_style *style,
                         struct arena *arena, struct buffer *out)
{
    const struct tls_file_entry *entry = counted->entry;
    struct writing writing = { .arena = arena, .with_utf8 = style->with_utf8 };

    page_init(&writing.page, out, style->columns, style->with_colour);
    page_put(&writing.page, PAGE_BOLD, safe(&writing, entry->domain));
    page_put(&writing.page, PAGE_PLAIN,
             arena_format(arena, " on %.10s (UTC)", text_time(arena, entry->day * TLS_FILE_DAY_S)));
    page_end_line(&writing.page);
    for (size_t i = 0; i < counted->report->policy_count; i++)
        write_policy(&writing, &counted->report->policies[i]);
    page_paragraph(&writing.page, INDENT, PAGE_PLAIN, way_of(&writing, counted));
    write_copies(&writing, entry);
    return !writing.page.has_failed && !arena->exhausted;
}
