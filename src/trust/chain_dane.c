/* trust/chain_dane.c - compares a chain with TLSA records (RFC 7671, RFC 7672 section 3). */
#include "trust/chain_work.h"

#include "trust/certificate_x509.h"
#include "trust/dane_x509.h"

static const char *why_not(const struct chain_trial *trial)
{
    for (size_t i = 0; i < trial->problem_count; i++)
        if (!chain_is_strictness(trial, &trial->problems[i]))
            return X509_verify_cert_error_string(trial->problems[i].code);
    return "the path is not accepted";
}

/* RFC 7672 section 3.2.2: the names for which DANE-TA holds. */
static bool is_named(struct chain_work *work)
{
    const struct chain_request *request = work->request;

    if (request->dane_name_count == 0)
        return work->verdict->name_matched;
    for (size_t i = 0; i < request->dane_name_count; i++)
        if (chain_find_name(work, request->dane_names[i]) != NULL)
            return true;
    return false;
}

/* "mx.example.org or example.org" */
static const char *names_wanted(struct chain_work *work)
{
    const struct chain_request *request = work->request;
    bool has_own = request->dane_name_count > 0;
    const char *const *names = has_own ? request->dane_names : request->names;
    size_t count = has_own ? request->dane_name_count : request->name_count;
    const char *list = "";

    for (size_t i = 0; i < count; i++)
        list = arena_format(work->arena, "%s%s%s", list, *list == '\0' ? "" : " or ", names[i]);
    return *list == '\0' ? "the host" : list;
}

/* A record matched this certificate: does a valid path lead up to it, and is the host named?
 * (RFC 7672 section 3.1.2) */
static bool holds_below(struct chain_work *work, X509 *anchor, size_t record_index)
{
    struct chain_verdict *verdict = work->verdict;
    struct chain_question question = { .trusted = &anchor,
                                       .trusted_count = 1,
                                       .others = work->sent + 1,
                                       .other_count = work->sent_count - 1,
                                       .is_dane = true };
    struct chain_trial trial;
    const char *subject = certificate_name_text(work->arena, X509_get_subject_name(anchor));

    chain_trial_run(work, &question, &trial);
    if (trial.is_accepted && is_named(work))
        return true;
    verdict->tlsa_detail = arena_format(
        work->arena, "record %zu matches the issuer %s, but %s", record_index + 1, subject,
        trial.is_accepted
            ? arena_format(work->arena, "the certificate does not name %s", names_wanted(work))
            : why_not(&trial));
    return false;
}

/* An issuer among what was sent; never the leaf itself, which is no issuer. */
static bool match_sent_issuer(struct chain_work *work, size_t record_index)
{
    const struct dane_record *record = &work->request->tlsa[record_index];

    for (size_t i = 1; i < work->sent_count; i++)
        if (work->sent[i] != NULL &&
            dane_match_x509(record, work->sent[i], work->request->certificates[i]) &&
            X509_cmp(work->sent[i], work->sent[0]) != 0 &&
            holds_below(work, work->sent[i], record_index))
            return true;
    return false;
}

/* The record itself holds the issuer's certificate, which need not be sent (RFC 7671 section
 * 5.2.3). */
static bool match_bare_certificate(struct chain_work *work, size_t record_index)
{
    X509 *anchor = dane_bare_certificate(&work->request->tlsa[record_index]);
    bool answer = anchor != NULL && X509_cmp(anchor, work->sent[0]) != 0 &&
                  holds_below(work, anchor, record_index);

    X509_free(anchor);
    return answer;
}

/* The record holds the issuer's key: whatever that key signed ends the path. */
static bool match_bare_key(struct chain_work *work, size_t record_index)
{
    EVP_PKEY *key = dane_bare_key(&work->request->tlsa[record_index]);
    bool answer = false;

    for (size_t i = 0; key != NULL && i < work->sent_count && !answer; i++)
        answer = work->sent[i] != NULL && EVP_PKEY_eq(X509_get0_pubkey(work->sent[i]), key) != 1 &&
                 X509_verify(work->sent[i], key) == 1 &&
                 holds_below(work, work->sent[i], record_index);
    EVP_PKEY_free(key);
    return answer;
}

static bool match_record(struct chain_work *work, size_t index)
{
    const struct dane_record *record = &work->request->tlsa[index];

    if (record->usage == DANE_EE) /* neither names nor dates count: RFC 7672 section 3.1.1 */
        return dane_match_x509(record, work->sent[0], work->request->certificates[0]);
    return match_sent_issuer(work, index) || match_bare_certificate(work, index) ||
           match_bare_key(work, index);
}

/* DANE-EE first, for it asks least. */
static bool match_usage(struct chain_work *work, uint8_t usage)
{
    const struct chain_request *request = work->request;

    for (size_t i = 0; i < request->tlsa_count; i++) {
        const struct dane_record *record = &request->tlsa[i];

        if (record->usage == usage && dane_usability(record) == DANE_USABLE &&
            !dane_is_outdone(request->tlsa, request->tlsa_count, i) && match_record(work, i)) {
            work->verdict->tlsa_index = i;
            return true;
        }
    }
    return false;
}

void chain_dane_judge(struct chain_work *work)
{
    const struct chain_request *request = work->request;
    struct chain_verdict *verdict = work->verdict;
    bool any_usable = false;

    for (size_t i = 0; i < request->tlsa_count; i++)
        any_usable |= dane_usability(&request->tlsa[i]) == DANE_USABLE;
    verdict->tlsa_count = request->tlsa_count;
    if (request->tlsa_count == 0)
        verdict->tlsa = CHAIN_TLSA_NONE;
    else if (!any_usable)
        verdict->tlsa = CHAIN_TLSA_UNUSABLE;
    else if (work->sent[0] != NULL && (match_usage(work, DANE_EE) || match_usage(work, DANE_TA)))
        verdict->tlsa = CHAIN_TLSA_MATCHED;
    else
        verdict->tlsa = CHAIN_TLSA_MISMATCH;
    if (verdict->tlsa == CHAIN_TLSA_MATCHED)
        verdict->tlsa_detail = "";
    if (verdict->tlsa == CHAIN_TLSA_UNUSABLE)
        verdict->tlsa_detail = dane_usability_text(dane_usability(&request->tlsa[0]));
}
