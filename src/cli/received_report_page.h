/* cli/received_report_page.h - a TLS report of others about us beside what we saw, for people and for machines. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "diagnose/page.h"
#include "gateway/received_join.h"

enum { RECEIVED_REPORT_GROUPS_SHOWN = 20, RECEIVED_REPORT_ADDRESSES_SHOWN = 4 };

struct received_report_page {
    struct page *page;
    struct arena *arena; /* for the texts of one call */
    bool with_utf8;
};

/* What there is to tell of one report. */
struct received_report_entry {
    const char *file; /* that was read; NULL: it is kept */
    const struct tls_report *report;
    const struct received_join *join;
    const struct inbound_failures *failures; /* NULL: no gateway of ours was asked what it saw */
    int64_t received_s;                      /* of one that was kept; 0 */
};

/* The sum of its policies. */
int64_t received_report_failed(const struct tls_report *report);

void received_report_page_put(struct received_report_page *page,
                              const struct received_report_entry *entry);

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *received_report_page_json(const struct received_report_entry *entry,
                                             struct arena *arena);
