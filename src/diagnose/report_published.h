/* diagnose/report_published.h - shows what a domain publishes of MTA-STS and reports, to people and as JSON. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "diagnose/page.h"
#include "link/published.h"

/* Two items, "MTA-STS" and "Reports", as report.h has them. */
void report_published_write(struct page *page, struct arena *arena,
                            const struct observed_published *published);

/* "mta_sts": {"state", "record", "text", "id", "flaw", "url", "address", "status", "failure", "policy_flaw", "policy"}, where "policy" is
 * null or has "mode", "max_age", "mx", "id", "cached", "fetched", "ends"; and "tls_reports": {"record", "text", "flaw", "uris"}. New references. */
json_t *report_published_sts_json(const struct observed_published *published);
json_t *report_published_reports_json(const struct observed_published *published);
