/* cli/policy_hosts.h - what is published of the way to a domain, how it is proved, and what each host has to show. */
#pragma once

#include "cli/policy_page.h"

/* For people, behind what the settings say. Where it was looked at: answer->seen. */
void policy_hosts_put(struct page *page, const struct policy_answer *answer, struct arena *arena);

/* For programs: {"asked", "cache_failure", "mx", "mta_sts", "tls_reports", "hosts"}. A new reference; NULL: no memory. */
MUST_CHECK json_t *policy_hosts_json(const struct policy_answer *answer, struct arena *arena);
