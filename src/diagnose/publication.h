/* diagnose/publication.h - what our settings and certificates call for, beside what a domain of ours has live (pure).
 *
 * Whoever asks fills in what the settings say, what the files hold and what the DNS answers;
 * publication_compare then says what each record is good for. Our certificates are judged by trust/chain, as those of
 * peers are. RFC 7671 section 8.1 (rollover), RFC 7672 section 3.1 (records for mail), RFC 8461, RFC 8460.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "link/published.h"
#include "link/route.h"
#include "trust/anchors.h"
#include "trust/certificate.h"
#include "trust/chain.h"
#include "trust/dane.h"
#include "trust/mta_sts.h"

enum { PUBLICATION_PORT = 25, PUBLICATION_TLSA_MOST = 64 };

/* One certificate of ours that senders may be shown. */
struct publication_certificate {
    const char *file;
    const struct span *chain; /* DER, leaf first */
    size_t chain_count;
    struct span key;         /* SubjectPublicKeyInfo of the leaf */
    const char *next_file;   /* of the key after its next renewal; NULL: not said */
    struct span next_key;    /* empty: not said */
    struct certificate leaf; /* facts */
};

/* What a live record does for one host. */
enum publication_use {
    PUBLICATION_STALE,    /* it stands for nothing of ours */
    PUBLICATION_UNUSABLE, /* senders pass over it: RFC 7672 section 3.1.3 */
    PUBLICATION_NEXT,     /* the next key alone */
    PUBLICATION_ISSUER,   /* an authority above a present certificate */
    PUBLICATION_PRESENT,  /* a present certificate, or its key */
};
const char *publication_use_name(enum publication_use use); /* "present" */

struct publication_record {
    struct dane_record record;
    enum publication_use use;
};

/* A record that is called for. */
struct publication_wanted {
    struct dane_record record;
    const char *file; /* of the certificate, or of the next key */
    bool is_next, is_live;
    int64_t ends_s; /* of the present certificate; of the next key 0 */
};

/* A certificate that this host shows, and what senders make of it. */
struct publication_shown {
    const struct publication_certificate *certificate;
    struct chain_verdict pkix; /* for the host's name alone, as MTA-STS has it */
    struct chain_verdict dane; /* with all live records, and the domain as a name too */
    struct findings flaws;     /* of pkix, by the judge of peers */
    bool next_survives;        /* a live record will match once it has its next key */
    bool outlives_renewal;     /* a live record stands for its key, or for an authority */
};

struct publication_host {
    const char *name;
    int preference;    /* -1: no MX record names it */
    bool is_mail_host; /* the MX records name it, or the domain stands for itself */
    bool is_ours,
        is_ours_by_wildcard;       /* the latter: by nothing else, so that it may be another's */
    enum dns_security security;    /* of its addresses */
    bool was_looked_up;            /* its TLSA records: only of ours */
    struct observed_lookup lookup; /* of them */
    struct publication_record *live;
    size_t live_count;
    /* by publication_compare, of ours alone */
    const char
        *tlsa_name; /* where its records go: where _25._tcp below it leads, if it is an alias */
    struct publication_shown *shown;
    size_t shown_count;
    struct publication_wanted *wanted;
    size_t wanted_count;
};

struct publication {
    /* what our side says */
    const char *domain, *hostname; /* A-labels */
    const char *settings_file;
    int64_t now_s;
    bool is_offline; /* nothing was looked up */
    struct publication_certificate *certificates;
    size_t certificate_count;
    struct anchors *anchors;
    bool wants_sts;
    struct mta_sts_policy policy;
    const char *const *report_uris;
    size_t report_uri_count;
    const char *
        dkim_name; /* "s1._domainkey.example.org", of the key that signs our TLS reports; NULL: none of this domain */
    const char *dkim_record, *dkim_file;

    /* what is live */
    const struct route *route;             /* NULL: not looked up */
    const struct observed_published *live; /* likewise */
    bool dkim_was_looked_up;
    struct observed_lookup dkim_lookup;
    const char *const *dkim_live; /* texts, the strings of each joined */
    size_t dkim_live_count;
    struct publication_host *hosts; /* mail hosts; and our own name, where none of them is ours */
    size_t host_count;

    /* by publication_compare; NULL where not called for */
    const char *policy_text, *policy_id, *sts_record, *report_record;
};

/* Is the host one of ours: our name, or one that a certificate of ours has, in full or by a wildcard? */
MUST_CHECK bool publication_is_ours(const struct publication *publication, const char *host);

/* Fills in all that follows. False: our own failure. */
MUST_CHECK bool publication_compare(struct publication *publication, struct arena *arena,
                                    struct error *err);

/* Do reports go where they should, in whatever order and wording the record says so? */
MUST_CHECK bool publication_reports_are_live(const struct publication *publication);
/* Is the key that signs one of those that are live (RFC 6376 section 3.6.1, p=)? */
MUST_CHECK bool publication_dkim_is_live(const struct publication *publication,
                                         struct arena *arena);

/* The policy that senders have now; NULL: none, or not known. */
const struct mta_sts_policy *publication_live_policy(const struct publication *publication);
/* The mode that our certificates have to stand up to: the stricter of what is live and what is called for. */
enum mta_sts_mode publication_strictest_mode(const struct publication *publication);

/* What is missing, stale, or breaks after the next renewal; root causes first. */
void judge_publication(const struct publication *publication, struct arena *arena,
                       struct findings *findings);
