/* cli/queue_summary.h - a long queue in short: for each domain how many wait, since when, and why.
 *
 * Memory grows with domains and reasons, not with messages: at most SUMMARY_REASONS of a domain are
 * told apart.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cli/queue_page.h"

enum { SUMMARY_REASONS = 8, SUMMARY_BUCKETS = 4096 };

/* Recipients whose last attempt showed the same. */
struct summary_reason {
    struct span code, finding, words; /* words: of the first of them */
    int64_t count;
};

struct summary_domain {
    struct summary_domain *next; /* of its bucket, then in the sorted list */
    struct span name;            /* lower case */
    int64_t states[QUEUE_STATES], open;
    int64_t oldest_at_s;
    struct summary_reason reasons[SUMMARY_REASONS];
    size_t reason_count;
};

struct queue_summary {
    struct span only; /* that domain alone; empty: all */
    bool by_state;    /* only those in `state` */
    enum queue_state state;
    struct arena arena;
    struct summary_domain *buckets[SUMMARY_BUCKETS];
    size_t domain_count;
};

void queue_summary_init(struct queue_summary *summary);
void queue_summary_clear(struct queue_summary *summary);

/* Counts the recipients of a message that are wanted, and not over. False: no memory. */
MUST_CHECK bool queue_summary_add(struct queue_summary *summary,
                                  const struct queue_message *message);

/* The domains, those with most first; NULL at the end of the array, and in place of it where there is no
 * memory. Lives as long as the summary. */
struct summary_domain **queue_summary_sort(struct queue_summary *summary);

void queue_summary_page(struct queue_page *page, const struct summary_domain *domain);
/* A new reference; NULL: no memory. */
MUST_CHECK json_t *queue_summary_json(const struct summary_domain *domain);
