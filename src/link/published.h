/* link/published.h - what a domain publishes of how mail to it is to be protected, as a plain record.
 *
 * MTA-STS (RFC 8461): the record _mta-sts, the policy file, what is in force by them. TLS reports (RFC 8460): the record
 * _smtp._tls. Only link/policy_lookup writes it, and its link/policy_fetch. Texts live in the arena of whoever asked. It can be saved
 * as JSON and judged again later without a network (link/published_json.h). TLSA records are of hosts: link/route.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/observation.h"
#include "net/https.h"
#include "trust/chain.h"
#include "trust/mta_sts.h"
#include "trust/policy.h"
#include "trust/tlsrpt.h"
#include "trust/txt_record.h"

enum {
    PUBLISHED_TEXT_MOST = 4096
}; /* octets kept of a record; of a policy file: MTA_STS_BODY_MOST */

struct observed_published {
    const char *domain; /* lower case, A-labels */
    int64_t wall_s;     /* when, by our clock */

    /* the record _mta-sts.DOMAIN */
    struct observed_lookup sts_lookup;
    enum txt_record_status sts_record;
    const char *sts_text;        /* the first that was meant for one, printable; "" */
    const char *sts_id;          /* of a valid one; NULL */
    const char *sts_record_flaw; /* of one that is not; NULL */

    /* the policy file, where this look-up asked for it: the record was valid, and no cached policy had its id */
    bool fetched; /* all below was asked now; false: nothing, or see was_held_back */
    bool
        was_held_back; /* the same version failed minutes ago; what follows is of then: RFC 8461 section 3.3 */
    const char *url; /* of the policy, asked for or not; "" */
    struct observed_lookup
        host_lookup; /* of the policy host's addresses: of A and AAAA the one that tells more */
    enum https_outcome fetch_outcome; /* NO_CONNECT too where there is no address */
    bool only_private; /* it has addresses, none of which everybody reaches: net_address_special */
    int http_status;   /* 0: none came */
    const char *content_type; /* printable; "" */
    const char *location;     /* where a redirect leads, printable; "" */
    const char *
        fetch_failure; /* why no file came, in words: a status but 200, another type, too; NULL: one came */
    const char *policy_flaw; /* why what came is no policy; NULL */
    const char *policy_text; /* the file in force or the one with the flaw, as it was served; "" */
    bool has_verdict;        /* of the policy host's certificates, by the judge of mail servers */
    struct chain_verdict verdict;
    const char *address; /* of the policy host, as text; "" */

    /* in force: what was fetched, or else what is kept and has not ended */
    enum policy_sts sts; /* NONE: nothing is; UNKNOWN: our own failure kept us from looking */
    bool has_policy;     /* the fields that follow mean something; its mode may be none */
    struct mta_sts_policy policy; /* mx lists hosts by mta_sts_policy_lists */
    const char *policy_id;        /* of the record that it was fetched by; NULL */
    bool from_cache;
    int64_t fetched_at_s, ends_at_s;

    /* the record _smtp._tls.DOMAIN */
    bool asked_reports;
    struct observed_lookup report_lookup;
    enum txt_record_status report_record;
    const char *report_text; /* as sts_text */
    const char *report_flaw; /* NULL */
    struct tlsrpt_record reports;

    const char *failure; /* our own, which kept us from looking; NULL */
};

enum { PUBLISHED_LOOKUPS_MOST = 3 };

/* The questions that were asked, in their order; gives how many. */
size_t observed_published_lookups(const struct observed_published *published,
                                  const struct observed_lookup *lookups[PUBLISHED_LOOKUPS_MOST]);

/* Nothing was looked up yet: texts "", all of it none, sts UNKNOWN. */
void observed_published_init(struct observed_published *published);

/* Is there a file on the way that failed: a valid record, and nothing that could be read by it? */
bool observed_published_fetch_failed(const struct observed_published *published);
