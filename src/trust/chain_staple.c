/* trust/chain_staple.c - reads the OCSP response that came with the handshake (RFC 6960, 6066, 7633). */
#include "trust/chain_work.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "trust/certificate_x509.h"

enum {
    CLOCK_SLACK_S = 300,
    DAY_S = 24 * 60 * 60,
    AGE_DAYS_MOST =
        10, /* of a response without nextUpdate; public CAs may let none hold for longer */
};

static OCSP_BASICRESP *parse(struct span staple, const char **why)
{
    const unsigned char *at = (const unsigned char *)staple.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)staple.len);
    OCSP_BASICRESP *basic = NULL;

    *why = "the OCSP response is unreadable";
    if (response != NULL && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        *why = OCSP_response_status_str(OCSP_response_status(response));
    else if (response != NULL)
        basic = OCSP_response_get1_basic(response);
    OCSP_RESPONSE_free(response);
    return basic;
}

/* RFC 6960 section 4.2.2.2: signed by the issuer itself or by one to whom it delegated. */
static bool is_signed_by(struct chain_work *work, OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *rules = X509_VERIFY_PARAM_new();
    STACK_OF(X509) *helpers = sk_X509_new_null();
    bool answer = false;

    if (store != NULL && rules != NULL && helpers != NULL && sk_X509_push(helpers, issuer) > 0 &&
        X509_STORE_add_cert(store, issuer)) {
        X509_VERIFY_PARAM_set_time(rules, (time_t)work->request->now_s);
        X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
        X509_STORE_set1_param(store, rules);
        answer = OCSP_basic_verify(basic, helpers, store, 0) == 1;
    }
    sk_X509_free(helpers);
    X509_VERIFY_PARAM_free(rules);
    X509_STORE_free(store);
    return answer;
}

/* The answer that is about this certificate; the responder chose the digest of the identifier. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        OCSP_CERTID *theirs, *ours;
        ASN1_OBJECT *digest = NULL;
        const EVP_MD *method;
        bool is_ours;

        /* The getter takes a plain pointer and changes nothing. */
        theirs = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
        if (!OCSP_id_get0_info(NULL, &digest, NULL, NULL, theirs))
            continue;
        method = EVP_get_digestbyobj(digest);
        ours = method == NULL ? NULL : OCSP_cert_to_id(method, leaf, issuer);
        is_ours = ours != NULL && OCSP_id_cmp(ours, theirs) == 0;
        OCSP_CERTID_free(ours);
        if (is_ours)
            return single;
    }
    return NULL;
}

/* NULL: it is fresh. */
static const char *why_stale(struct chain_work *work, const ASN1_GENERALIZEDTIME *begins,
                             const ASN1_GENERALIZEDTIME *ends)
{
    int64_t now = work->request->now_s;
    int64_t from = begins == NULL ? INT64_MAX : certificate_time_s(begins, INT64_MAX);
    int64_t until = ends == NULL ? INT64_MAX : certificate_time_s(ends, INT64_MIN);

    if (from > now + CLOCK_SLACK_S)
        return "the OCSP response is from the future";
    if (until < now - CLOCK_SLACK_S)
        return arena_format(work->arena, "the OCSP response ended %s",
                            text_date(work->arena, until));
    return NULL;
}

/* RFC 6960 section 4.2.2.1: without nextUpdate newer information can be had all the time. Section 3.2 has us look
 * whether this one is recent enough, or a response from before a revocation would be good for ever. */
static const char *why_old(struct chain_work *work, const ASN1_GENERALIZEDTIME *begins,
                           const ASN1_GENERALIZEDTIME *ends)
{
    int64_t from = begins == NULL ? INT64_MAX : certificate_time_s(begins, INT64_MAX);

    if (ends != NULL ||
        from >= work->request->now_s - (int64_t)AGE_DAYS_MOST * DAY_S - CLOCK_SLACK_S)
        return NULL;
    return arena_format(work->arena,
                        "the OCSP response does not say when it ends, and is of %s: more than %d "
                        "days old",
                        text_date(work->arena, from), AGE_DAYS_MOST);
}

static void judge_answer(struct chain_work *work, OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *begins = NULL, *ends = NULL;
    int reason = -1, status = OCSP_single_get0_status(single, &reason, &revoked, &begins, &ends);
    const char *stale = why_stale(work, begins, ends), *old = why_old(work, begins, ends);
    struct chain_flaw *flaw = NULL;
    int64_t when;

    if (stale != NULL) {
        chain_flaw_add(work, CHAIN_STAPLE_INVALID, false, work->sent[0], stale);
    } else if (status == V_OCSP_CERTSTATUS_REVOKED) {
        when = revoked == NULL ? 0 : certificate_time_s(revoked, 0);
        flaw = chain_flaw_add(work, CHAIN_REVOKED, true, work->sent[0],
                              arena_format(work->arena, "revoked %s by its own OCSP staple%s%s",
                                           text_date(work->arena, when), reason < 0 ? "" : ": ",
                                           reason < 0 ? "" : OCSP_crl_reason_str(reason)));
        if (flaw != NULL)
            flaw->time_s = when;
    } else if (status != V_OCSP_CERTSTATUS_GOOD) {
        chain_flaw_add(work, CHAIN_STAPLE_INVALID, false, work->sent[0],
                       "the responder does not know the certificate");
    } else if (old != NULL) {
        chain_flaw_add(work, CHAIN_STAPLE_INVALID, false, work->sent[0], old);
    }
}

/* The issuer on the path found, or any that was sent or is trusted. */
static X509 *find_issuer(const struct chain_work *work, const struct chain_trial *trial)
{
    if (trial->path_count > 1)
        return trial->path[1];
    return (X509_get_extension_flags(work->sent[0]) & EXFLAG_SI) != 0 ? work->sent[0] : NULL;
}

static void judge_staple(struct chain_work *work, const struct chain_trial *trial)
{
    const char *why = "";
    OCSP_BASICRESP *basic = parse(work->request->staple, &why);
    X509 *issuer = find_issuer(work, trial);
    OCSP_SINGLERESP *single = NULL;

    if (basic != NULL && issuer != NULL) {
        single = find_answer(basic, work->sent[0], issuer);
        why = single == NULL ? "the OCSP response is about another certificate"
                             : "the OCSP response is not signed by the issuer";
        if (single != NULL && !is_signed_by(work, basic, issuer))
            single = NULL;
    }
    if (single != NULL)
        judge_answer(work, single);
    else if (basic == NULL || issuer != NULL) /* without the issuer nothing can be said of it */
        chain_flaw_add(work, CHAIN_STAPLE_INVALID, false, work->sent[0], why);
    OCSP_BASICRESP_free(basic);
}

void chain_staple_judge(struct chain_work *work, const struct chain_trial *trial)
{
    const struct chain_request *request = work->request;

    if (request->staple.len > 0)
        judge_staple(work, trial);
    else if (request->staple_was_asked && work->verdict->certificates[0].must_staple)
        chain_flaw_add(work, CHAIN_STAPLE_MISSING, request->profile == CHAIN_STRICT, work->sent[0],
                       "the certificate demands an OCSP staple (RFC 7633) and none came");
}
