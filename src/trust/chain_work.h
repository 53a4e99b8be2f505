/* trust/chain_work.h - what the parts of chain.c share while they judge one chain.
 *
 * chain.c directs; chain_trial.c asks OpenSSL about one set of certificates; chain_path.c looks
 * for the path; chain_shape.c reads what was sent and what was not; chain_flaws.c turns errors
 * into flaws; chain_dane.c compares TLSA records; chain_staple.c reads the OCSP response.
 */
#pragma once

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "trust/chain.h"

enum {
    CHAIN_PATH_MOST = 128,    /* OpenSSL's default of 100 intermediates, leaf and root, and room */
    CHAIN_PROBLEMS_MOST = 64, /* errors kept of one trial */
    CHAIN_KNOWN_MOST = 256,   /* anchors and known intermediates that names lead to */
};

/* One error of OpenSSL. The certificate belongs to the chain_work. */
struct chain_problem {
    int code; /* X509_V_ERR_... */
    int depth;
    X509 *certificate; /* NULL: of no certificate */
};

/* What came of one verification. Certificates are borrowed from the chain_work. */
struct chain_trial {
    X509 *path[CHAIN_PATH_MOST]; /* leaf first */
    size_t path_count;
    bool reaches_anchor;
    bool is_accepted; /* no problem that counts under the profile */
    struct chain_problem problems[CHAIN_PROBLEMS_MOST];
    size_t problem_count, fatal_count;
};

struct chain_work {
    const struct chain_request *request;
    struct arena *arena;
    struct chain_verdict *verdict;
    X509 *sent[CHAIN_SENT_MOST]; /* owned; NULL where unreadable */
    size_t sent_count;
    X509 *anchors[CHAIN_KNOWN_MOST]; /* borrowed: all that the sent certificates lead to */
    size_t anchor_count;
    X509 *known[CHAIN_KNOWN_MOST]; /* borrowed: intermediates, likewise */
    size_t known_count;
    STACK_OF(X509_CRL) * crls; /* owned; NULL: revocation is not asked */
    bool has_no_memory;
};

/* --- chain_trial.c */
struct chain_question {
    X509 *const *trusted;
    size_t trusted_count;
    X509 *const *others; /* intermediates to build with; NULLs are skipped */
    size_t other_count;
    bool is_dane; /* any trusted certificate ends the path, a root or not, and strictness never
                     counts: the domain vouches for its own authority */
};

/* Verifies sent[0]. Names are left aside. */
void chain_trial_run(struct chain_work *work, const struct chain_question *question,
                     struct chain_trial *trial);
/* Does this error count only under CHAIN_STRICT? */
MUST_CHECK bool chain_is_strictness(const struct chain_trial *trial,
                                    const struct chain_problem *problem);

/* --- chain_path.c */
/* Fills work->anchors and work->known. */
void chain_path_gather(struct chain_work *work);
/* The path that is accepted, or else the one that says most about what is wrong. Sets
 * needed_other_path and path_needs_intermediate. */
void chain_path_find(struct chain_work *work, struct chain_trial *trial);
/* Could `issuer` have issued `certificate`: names, key identifiers and key usage (no signature)? */
MUST_CHECK bool chain_may_issue(X509 *issuer, X509 *certificate);

/* --- chain_shape.c */
void chain_shape_judge(struct chain_work *work, const struct chain_trial *trial);

/* --- chain_flaws.c */
void chain_flaws_collect(struct chain_work *work, const struct chain_trial *trial);
/* Adds one unless the same is there. `certificate` may be NULL. Detail and subject are in the
 * arena or constant. */
struct chain_flaw *chain_flaw_add(struct chain_work *work, enum chain_flaw_kind kind, bool is_fatal,
                                  X509 *certificate, const char *detail);
/* True: an extension is malformed, and the flaw of it was added. */
MUST_CHECK bool chain_malformed_judge(struct chain_work *work, X509 *certificate);
/* Root causes first. */
void chain_flaws_sort(struct chain_verdict *verdict);
/* -1: it was not sent. */
int chain_sent_index(const struct chain_work *work, const X509 *certificate);
const char *chain_subject(struct chain_work *work, X509 *certificate);

/* --- chain.c */
/* The name of the leaf that does for this reference; NULL. */
const char *chain_find_name(struct chain_work *work, const char *reference);

/* --- chain_dane.c */
void chain_dane_judge(struct chain_work *work);

/* --- chain_staple.c */
void chain_staple_judge(struct chain_work *work, const struct chain_trial *trial);
