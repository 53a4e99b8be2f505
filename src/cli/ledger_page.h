/* cli/ledger_page.h - what left in the clear, and what a stricter level would have cost, for whoever sets the policy.
 */
#pragma once

#include <jansson.h>

#include "cli/queue_page.h"
#include "queue/tracking_shadow.h"

/* Counted over the entries of a ledger. */
enum { LEDGER_REASONS = 16 };
struct ledger_sum {
    int64_t recipients;
    struct {
        struct span why; /* borrowed from the sessions; empty: not known */
        int64_t recipients;
    } reasons[LEDGER_REASONS];
    size_t reason_count;
};

/* One recipient whose message left in the clear: when, whose, where to, why, by which rule. */
void ledger_page_entry(struct queue_page *page, const struct tracking_story *story);
void ledger_page_count(struct ledger_sum *sum, const struct tracking_story *story);
/* The line below them. */
void ledger_page_sum(struct queue_page *page, const struct ledger_sum *sum);

/* "Had you required LEVEL": at most `most` destinations. `domain` empty: of all. */
void ledger_page_shadow(struct queue_page *page, const char *level, struct span domain,
                        const struct tracking_shadow *shadow, size_t most);
/* A new reference; NULL: no memory. */
MUST_CHECK json_t *ledger_page_shadow_json(const char *level, const struct tracking_shadow *shadow,
                                           size_t most);
