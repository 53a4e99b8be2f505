#include "cli/queue_summary.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/control_json.h"

enum { ARENA_BYTES = 512 << 20, INDENT = 4, HANG = 14 };

void queue_summary_init(struct queue_summary *summary)
{
    *summary = (struct queue_summary){ 0 };
    arena_init(&summary->arena, ARENA_BYTES);
}

void queue_summary_clear(struct queue_summary *summary)
{
    arena_clear(&summary->arena);
}

/* FNV-1a, letters of either case alike. */
static size_t bucket_of(struct span name)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)text_lower(name.data[i])) * 16777619U;
    return hash % SUMMARY_BUCKETS;
}

static struct summary_domain *add_domain(struct queue_summary *summary, struct span name,
                                         struct summary_domain **bucket)
{
    struct summary_domain *made = arena_new(&summary->arena, 1, sizeof *made);
    const char *copy = text_lower_copy(&summary->arena, name);

    if (summary->arena.exhausted)
        return NULL;
    made->name = (struct span){ copy, name.len };
    made->next = *bucket;
    *bucket = made;
    summary->domain_count++;
    return made;
}

static struct summary_domain *find_domain(struct queue_summary *summary, struct span name)
{
    struct summary_domain **bucket = &summary->buckets[bucket_of(name)];

    for (struct summary_domain *domain = *bucket; domain != NULL; domain = domain->next)
        if (span_equal_nocase(domain->name, name))
            return domain;
    return add_domain(summary, name, bucket);
}

static void add_reason(struct queue_summary *summary, struct summary_domain *domain,
                       const struct queue_recipient *recipient)
{
    struct arena *arena = &summary->arena;
    size_t i = 0;

    if (recipient->attempts == 0)
        return;
    while (i < domain->reason_count &&
           !(span_equal(domain->reasons[i].code, recipient->last_code) &&
             span_equal(domain->reasons[i].finding, recipient->last_finding)))
        i++;
    if (i == SUMMARY_REASONS)
        return;
    if (i == domain->reason_count)
        domain->reasons[domain->reason_count++] =
            (struct summary_reason){ arena_copy_bytes(arena, recipient->last_code),
                                     arena_copy_bytes(arena, recipient->last_finding),
                                     arena_copy_bytes(arena, recipient->last_reply), 0 };
    domain->reasons[i].count++;
}

static bool is_wanted(const struct queue_summary *summary, const struct queue_recipient *recipient)
{
    if (recipient->state == QUEUE_DONE || recipient->state == QUEUE_BOUNCED)
        return false;
    if (summary->by_state && recipient->state != summary->state)
        return false;
    return summary->only.len == 0 ||
           span_equal_nocase(queue_domain_of(recipient->address), summary->only);
}

bool queue_summary_add(struct queue_summary *summary, const struct queue_message *message)
{
    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct queue_recipient *recipient = &message->recipients[i];
        struct summary_domain *domain;

        if (!is_wanted(summary, recipient))
            continue;
        domain = find_domain(summary, queue_domain_of(recipient->address));
        if (domain == NULL)
            return false;
        domain->states[recipient->state]++;
        domain->open++;
        if (domain->oldest_at_s == 0 || message->envelope.received_at_s < domain->oldest_at_s)
            domain->oldest_at_s = message->envelope.received_at_s;
        add_reason(summary, domain, recipient);
    }
    return !summary->arena.exhausted;
}

static int compare_domains(const void *left, const void *right)
{
    const struct summary_domain *a = *(struct summary_domain *const *)left;
    const struct summary_domain *b = *(struct summary_domain *const *)right;

    if (a->open != b->open)
        return a->open > b->open ? -1 : 1;
    return strcmp(a->name.data, b->name.data);
}

static int compare_reasons(const void *left, const void *right)
{
    const struct summary_reason *a = left, *b = right;

    return a->count > b->count ? -1 : a->count < b->count;
}

struct summary_domain **queue_summary_sort(struct queue_summary *summary)
{
    struct summary_domain **list =
        arena_new(&summary->arena, summary->domain_count + 1, sizeof(struct summary_domain *));
    size_t count = 0;

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < SUMMARY_BUCKETS; i++)
        for (struct summary_domain *domain = summary->buckets[i]; domain != NULL;
             domain = domain->next) {
            qsort(domain->reasons, domain->reason_count, sizeof *domain->reasons, compare_reasons);
            list[count++] = domain;
        }
    qsort(list, count, sizeof(struct summary_domain *), compare_domains);
    return list;
}

/* ---- output ------------------------------------------------------------------------------- */

static const char *format_states(struct queue_page *page, const struct summary_domain *domain)
{
    const char *text = "", *separator = "";

    for (int state = 0; state < QUEUE_STATES; state++) {
        if (domain->states[state] == 0)
            continue;
        text = arena_format(page->arena, "%s%s%lld %s", text, separator,
                            (long long)domain->states[state],
                            queue_state_name((enum queue_state)state));
        separator = ", ";
    }
    return text;
}

void queue_summary_page(struct queue_page *page, const struct summary_domain *domain)
{
    const char *name = domain->name.len == 0 ? "(no domain)" : queue_page_text(page, domain->name);

    page_put(&page->page, PAGE_BOLD, name);
    page_end_line(&page->page);
    page_paragraph(&page->page, INDENT, PAGE_PLAIN,
                   arena_format(page->arena, "%s; the oldest for %s", format_states(page, domain),
                                text_duration(page->arena, page->now_s - domain->oldest_at_s)));
    for (size_t i = 0; i < domain->reason_count; i++) {
        const struct summary_reason *reason = &domain->reasons[i];

        page_item(&page->page, INDENT, arena_format(page->arena, "%lld", (long long)reason->count),
                  HANG, PAGE_YELLOW,
                  queue_page_reason(page, reason->code, reason->finding, reason->words));
    }
}

static bool set_text(json_t *json, const char *key, struct span text)
{
    json_t *value = text.len == 0 ? NULL : control_json_of_text(text);

    return text.len == 0 || (value != NULL && json_object_set_new(json, key, value) == 0);
}

static bool add_reason_json(json_t *reasons, const struct summary_reason *reason)
{
    json_t *json = json_pack("{s:I}", "count", (json_int_t)reason->count);
    bool is_whole = json != NULL && set_text(json, "code", reason->code) &&
                    set_text(json, "finding", reason->finding) &&
                    set_text(json, "reply", reason->words);

    return json_array_append_new(reasons, json) == 0 && is_whole;
}

json_t *queue_summary_json(const struct summary_domain *domain)
{
    json_t *reasons = json_array();
    json_t *json = json_pack("{s:o, s:I, s:O}", "domain", control_json_of_text(domain->name),
                             "oldest", (json_int_t)domain->oldest_at_s, "reasons", reasons);
    bool is_whole = json != NULL;

    for (int state = 0; is_whole && state <= QUEUE_HELD; state++)
        is_whole = json_object_set_new(json, queue_state_name((enum queue_state)state),
                                       json_integer((json_int_t)domain->states[state])) == 0;
    for (size_t i = 0; is_whole && i < domain->reason_count; i++)
        is_whole = add_reason_json(reasons, &domain->reasons[i]);
    json_decref(reasons);
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}
