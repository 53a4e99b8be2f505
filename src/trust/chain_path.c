/* trust/chain_path.c - finds the path from the leaf to an anchor, the one that OpenSSL misses too.
 *
 * OpenSSL takes the first issuer that looks right and does not come back from a dead end. Where it
 * fails we try the other ways ourselves, in bounded steps, and hand OpenSSL each whole path alone:
 * what is accepted was accepted by the same exact verification.
 */
#include "trust/chain_work.h"

#include <openssl/x509v3.h>

enum {
    STEPS_MOST = 4096,
    LENGTH_MOST = 24,
    SIGNATURES_MOST = 256, /* one of RSA 16384 costs milliseconds, and a stranger chose the keys */
    DIAGNOSIS_TRIES_MOST = 8,
};

bool chain_may_issue(X509 *issuer, X509 *certificate)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK;
}

static bool holds(X509 *const *items, size_t count, const X509 *certificate)
{
    for (size_t i = 0; i < count; i++)
        if (items[i] == certificate)
            return true;
    return false;
}

struct gathering {
    X509 **items;
    size_t *count;
};

static bool gather(X509 *certificate, void *context)
{
    struct gathering *into = context;

    if (!holds(into->items, *into->count, certificate) && *into->count < CHAIN_KNOWN_MOST)
        into->items[(*into->count)++] = certificate;
    return *into->count < CHAIN_KNOWN_MOST;
}

/* Everything in the store that these and what they lead to may have been issued by. */
static void gather_issuers(struct anchors *store, X509 *certificate, X509 **items, size_t *count)
{
    struct gathering into = { items, count };

    if (store != NULL && certificate != NULL)
        anchors_visit(store, X509_get_issuer_name(certificate), gather, &into);
}

void chain_path_gather(struct chain_work *work)
{
    const struct chain_request *request = work->request;

    for (size_t i = 0; i < work->sent_count; i++)
        gather_issuers(request->intermediates, work->sent[i], work->known, &work->known_count);
    for (size_t i = 0; i < work->known_count; i++)
        gather_issuers(request->intermediates, work->known[i], work->known, &work->known_count);
    for (size_t i = 0; i < work->sent_count; i++)
        gather_issuers(request->anchors, work->sent[i], work->anchors, &work->anchor_count);
    for (size_t i = 0; i < work->known_count; i++)
        gather_issuers(request->anchors, work->known[i], work->anchors, &work->anchor_count);
    for (size_t i = 0; i < work->anchor_count; i++)
        gather_issuers(request->anchors, work->anchors[i], work->anchors, &work->anchor_count);
}

/* One walk through the ways up from the leaf. */
struct search {
    struct chain_work *work;
    X509 *candidates[CHAIN_SENT_MOST + 2 * CHAIN_KNOWN_MOST]; /* anchors first */
    size_t candidate_count, anchor_count;
    X509 *path[LENGTH_MOST];
    size_t path_count;
    size_t steps, tries, tries_most, signatures;
    struct chain_trial *best; /* owned by the caller */
    bool has_best;
};

/* No path through this certificate can be accepted, whatever else is in it. */
static bool is_hopeless(const struct chain_work *work, X509 *issuer)
{
    int64_t now_s = work->request->now_s;
    time_t now = (time_t)now_s;
    int security_bits = 0;
    NAME_CONSTRAINTS *constraints;
    bool is_forbidden;

    if (X509_cmp_time(X509_get0_notBefore(issuer), &now) > 0 ||
        X509_cmp_time(X509_get0_notAfter(issuer), &now) < 0 ||
        X509_check_purpose(issuer, X509_PURPOSE_SSL_SERVER, 1) == 0)
        return true;
    if (!(X509_get_extension_flags(issuer) & EXFLAG_SI) &&
        X509_get_signature_info(issuer, NULL, NULL, &security_bits, NULL) && security_bits < 112)
        return true;
    constraints = X509_get_ext_d2i(issuer, NID_name_constraints, NULL, NULL);
    if (constraints == NULL)
        return false;
    is_forbidden = NAME_CONSTRAINTS_check(work->sent[0], constraints) != X509_V_OK;
    NAME_CONSTRAINTS_free(constraints);
    return is_forbidden;
}

/* The fewer problems the better; a path that ends nowhere says least. */
static bool is_better(const struct chain_trial *a, const struct chain_trial *b)
{
    if (a->is_accepted != b->is_accepted)
        return a->is_accepted;
    if (a->reaches_anchor != b->reaches_anchor)
        return a->reaches_anchor;
    return a->fatal_count < b->fatal_count;
}

static void try_path(struct search *search)
{
    struct chain_question question = {
        .trusted = &search->path[search->path_count - 1],
        .trusted_count = 1,
        .others = search->path + 1,
        .other_count = search->path_count - 2,
    };
    struct chain_trial trial;

    search->tries++;
    search->signatures += search->path_count;
    chain_trial_run(search->work, &question, &trial);
    if (!search->has_best || is_better(&trial, search->best)) {
        *search->best = trial;
        search->has_best = true;
    }
}

static bool is_over(const struct search *search)
{
    return (search->has_best && search->best->is_accepted) || search->steps >= STEPS_MOST ||
           search->signatures >= SIGNATURES_MOST || search->tries >= search->tries_most ||
           search->work->has_no_memory;
}

static void climb(struct search *search)
{
    X509 *top = search->path[search->path_count - 1];

    for (size_t i = 0; i < search->candidate_count && !is_over(search); i++) {
        X509 *issuer = search->candidates[i];

        search->steps++;
        if (search->path_count == LENGTH_MOST || holds(search->path, search->path_count, issuer) ||
            !chain_may_issue(issuer, top))
            continue;
        search->path[search->path_count++] = issuer;
        if (i < search->anchor_count && X509_self_signed(issuer, 0) == 1)
            try_path(search);
        else
            climb(search);
        search->path_count--;
    }
}

static void add_candidates(struct search *search, X509 *const *items, size_t count, bool with_bad)
{
    for (size_t i = 0; i < count; i++)
        if (items[i] != NULL && !holds(search->candidates, search->candidate_count, items[i]) &&
            (with_bad || !is_hopeless(search->work, items[i])))
            search->candidates[search->candidate_count++] = items[i];
}

/* Looks among anchors, what was sent and, where asked, the known intermediates. False: there is
 * no path at all to judge. */
static bool search_path(struct chain_work *work, bool with_known, bool with_bad,
                        struct chain_trial *best)
{
    struct search search = { .work = work, .best = best };

    search.tries_most = with_bad ? DIAGNOSIS_TRIES_MOST : CHAIN_TRIES_MOST;
    add_candidates(&search, work->anchors, work->anchor_count, with_bad);
    search.anchor_count = search.candidate_count;
    if (search.anchor_count == 0)
        return false;
    add_candidates(&search, work->sent + 1, work->sent_count - 1, with_bad);
    if (with_known)
        add_candidates(&search, work->known, work->known_count, with_bad);
    search.path[search.path_count++] = work->sent[0];
    climb(&search);
    return search.has_best;
}

/* With what was sent and nothing else: this is what delivery trusts. */
static bool find_accepted(struct chain_work *work, struct chain_trial *trial)
{
    struct chain_question question = { .trusted = work->anchors,
                                       .trusted_count = work->anchor_count,
                                       .others = work->sent + 1,
                                       .other_count = work->sent_count - 1 };
    struct chain_trial other;

    chain_trial_run(work, &question, trial);
    if (trial->is_accepted)
        return true;
    if (!search_path(work, false, false, &other) || !other.is_accepted)
        return false;
    *trial = other;
    work->verdict->needed_other_path = true;
    return true;
}

void chain_path_find(struct chain_work *work, struct chain_trial *trial)
{
    struct chain_trial other;

    if (find_accepted(work, trial))
        return;
    if (work->known_count > 0 && search_path(work, true, false, &other) && other.is_accepted) {
        *trial = other;
        work->verdict->path_needs_intermediate = true;
        return;
    }
    if (trial->reaches_anchor)
        return;
    if (search_path(work, false, true, &other) && is_better(&other, trial)) {
        *trial = other;
        return;
    }
    if (work->known_count > 0 && search_path(work, true, true, &other) && other.reaches_anchor) {
        *trial = other;
        work->verdict->path_needs_intermediate = true;
    }
}
