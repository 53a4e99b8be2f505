/* trust/chain_flaws.c - turns OpenSSL's errors, dates and keys into flaws, root causes first. */
#include "trust/chain_work.h"

#include <openssl/x509v3.h>

#include "base/text.h"
#include "trust/certificate_x509.h"

static const char *const names[CHAIN_KIND_COUNT] = {
    [CHAIN_EMPTY] = "empty",
    [CHAIN_UNREADABLE] = "unreadable",
    [CHAIN_EXPIRED] = "expired",
    [CHAIN_NOT_YET_VALID] = "not-yet-valid",
    [CHAIN_INTERMEDIATE_EXPIRED] = "intermediate-expired",
    [CHAIN_INTERMEDIATE_NOT_YET_VALID] = "intermediate-not-yet-valid",
    [CHAIN_SELF_SIGNED] = "self-signed",
    [CHAIN_ISSUER_UNTRUSTED] = "issuer-untrusted",
    [CHAIN_INCOMPLETE] = "incomplete",
    [CHAIN_MISORDERED] = "misordered",
    [CHAIN_SUPERFLUOUS] = "superfluous",
    [CHAIN_NAME_MISMATCH] = "name-mismatch",
    [CHAIN_NAME_ONLY_IN_CN] = "name-only-in-cn",
    [CHAIN_WRONG_PURPOSE] = "wrong-purpose",
    [CHAIN_NOT_A_CA] = "not-a-ca",
    [CHAIN_NAME_CONSTRAINT] = "name-constraint",
    [CHAIN_WEAK_KEY] = "weak-key",
    [CHAIN_WEAK_SIGNATURE] = "weak-signature",
    [CHAIN_BAD_SIGNATURE] = "bad-signature",
    [CHAIN_REVOKED] = "revoked",
    [CHAIN_REVOCATION_UNKNOWN] = "revocation-unknown",
    [CHAIN_STAPLE_MISSING] = "staple-missing",
    [CHAIN_STAPLE_INVALID] = "staple-invalid",
    [CHAIN_TOO_LONG] = "too-long",
    [CHAIN_STRICTNESS] = "strictness",
    [CHAIN_OTHER] = "other",
    [CHAIN_EXPIRES_SOON] = "expires-soon",
};

/* What explains others comes before them: a root that is no longer in any store because it has
 * expired, an issuer that is missing because the wrong thing was sent. */
static const unsigned char ranks[CHAIN_KIND_COUNT] = {
    [CHAIN_EMPTY] = 0,
    [CHAIN_UNREADABLE] = 1,
    [CHAIN_REVOKED] = 2,
    [CHAIN_BAD_SIGNATURE] = 3,
    [CHAIN_INTERMEDIATE_EXPIRED] = 4,
    [CHAIN_INTERMEDIATE_NOT_YET_VALID] = 5,
    [CHAIN_NOT_A_CA] = 6,
    [CHAIN_TOO_LONG] = 7,
    [CHAIN_SELF_SIGNED] = 8,
    [CHAIN_INCOMPLETE] = 9,
    [CHAIN_ISSUER_UNTRUSTED] = 10,
    [CHAIN_EXPIRED] = 11,
    [CHAIN_NOT_YET_VALID] = 12,
    [CHAIN_OTHER] = 13,
    [CHAIN_WRONG_PURPOSE] = 14,
    [CHAIN_NAME_CONSTRAINT] = 15,
    [CHAIN_WEAK_KEY] = 16,
    [CHAIN_WEAK_SIGNATURE] = 17,
    [CHAIN_NAME_ONLY_IN_CN] = 18,
    [CHAIN_NAME_MISMATCH] = 19,
    [CHAIN_REVOCATION_UNKNOWN] = 20,
    [CHAIN_STAPLE_MISSING] = 21,
    [CHAIN_STAPLE_INVALID] = 22,
    [CHAIN_MISORDERED] = 23,
    [CHAIN_STRICTNESS] = 24,
    [CHAIN_EXPIRES_SOON] = 25,
    [CHAIN_SUPERFLUOUS] = 26,
};

const char *chain_flaw_name(enum chain_flaw_kind kind)
{
    return names[kind];
}

bool chain_has(const struct chain_verdict *verdict, enum chain_flaw_kind kind)
{
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].kind == kind)
            return true;
    return false;
}

int chain_sent_index(const struct chain_work *work, const X509 *certificate)
{
    for (size_t i = 0; certificate != NULL && i < work->sent_count; i++)
        if (work->sent[i] != NULL && X509_cmp(work->sent[i], certificate) == 0)
            return (int)i;
    return -1;
}

const char *chain_subject(struct chain_work *work, X509 *certificate)
{
    int index = chain_sent_index(work, certificate);

    if (certificate == NULL)
        return "";
    if (index >= 0)
        return work->verdict->certificates[index].subject;
    return certificate_name_text(work->arena, X509_get_subject_name(certificate));
}

static struct chain_flaw *take_place(struct chain_flaw *place, const struct chain_flaw *flaw)
{
    *place = *flaw;
    return place;
}

struct chain_flaw *chain_flaw_add(struct chain_work *work, enum chain_flaw_kind kind, bool is_fatal,
                                  X509 *certificate, const char *detail)
{
    struct chain_verdict *verdict = work->verdict;
    struct chain_flaw flaw = { .kind = kind,
                               .is_fatal = is_fatal,
                               .sent_index = chain_sent_index(work, certificate),
                               .subject = chain_subject(work, certificate),
                               .detail = detail };

    for (size_t i = 0; i < verdict->flaw_count; i++) {
        struct chain_flaw *other = &verdict->flaws[i];

        if (other->kind == kind && other->sent_index == flaw.sent_index &&
            strcmp(other->subject, flaw.subject) == 0 && strcmp(other->detail, detail) == 0) {
            other->is_fatal |= is_fatal;
            return other;
        }
    }
    if (verdict->flaw_count < CHAIN_FLAWS_MOST)
        return take_place(&verdict->flaws[verdict->flaw_count++], &flaw);
    for (size_t i = CHAIN_FLAWS_MOST; is_fatal && i-- > 0;)
        if (!verdict->flaws[i].is_fatal) /* a notice gives way to a reason */
            return take_place(&verdict->flaws[i], &flaw);
    return NULL;
}

/* Where the leaf itself is over, so that it must be renewed anyway, what stands above it may be as
 * old and is no cause. */
static int rank_of(enum chain_flaw_kind kind, bool is_leaf_over)
{
    return kind == CHAIN_INTERMEDIATE_EXPIRED && is_leaf_over ? ranks[CHAIN_NOT_YET_VALID]
                                                              : ranks[kind];
}

static bool is_before(const struct chain_flaw *a, const struct chain_flaw *b, bool is_leaf_over)
{
    int rank_a = rank_of(a->kind, is_leaf_over), rank_b = rank_of(b->kind, is_leaf_over);

    if (a->is_fatal != b->is_fatal)
        return a->is_fatal;
    if (rank_a != rank_b)
        return rank_a < rank_b;
    return (unsigned)a->sent_index < (unsigned)b->sent_index; /* what was not sent comes last */
}

void chain_flaws_sort(struct chain_verdict *verdict)
{
    bool is_leaf_over = chain_has(verdict, CHAIN_EXPIRED);

    for (size_t i = 1; i < verdict->flaw_count; i++) {
        struct chain_flaw flaw = verdict->flaws[i];
        size_t place = i;

        for (; place > 0 && is_before(&flaw, &verdict->flaws[place - 1], is_leaf_over); place--)
            verdict->flaws[place] = verdict->flaws[place - 1];
        verdict->flaws[place] = flaw;
    }
}

/* --- dates: read here and not from OpenSSL, which skips the top of a path without an anchor */

static void judge_dates(struct chain_work *work, X509 *certificate, bool is_leaf)
{
    int64_t begins = certificate_time_s(X509_get0_notBefore(certificate), INT64_MIN);
    int64_t ends = certificate_time_s(X509_get0_notAfter(certificate), INT64_MAX);
    int64_t now = work->request->now_s;
    struct chain_flaw *flaw;

    /* At the very second of notAfter OpenSSL calls it over. */
    if (ends <= now) {
        flaw = chain_flaw_add(work, is_leaf ? CHAIN_EXPIRED : CHAIN_INTERMEDIATE_EXPIRED, true,
                              certificate,
                              arena_format(work->arena, "ended %s", text_date(work->arena, ends)));
        if (flaw != NULL)
            flaw->time_s = ends;
    }
    if (begins > now) {
        flaw = chain_flaw_add(
            work, is_leaf ? CHAIN_NOT_YET_VALID : CHAIN_INTERMEDIATE_NOT_YET_VALID, true,
            certificate, arena_format(work->arena, "begins %s", text_date(work->arena, begins)));
        if (flaw != NULL)
            flaw->time_s = begins;
    }
}

static void judge_soon(struct chain_work *work)
{
    const struct certificate *leaf = &work->verdict->certificates[0];
    int64_t ends = leaf->not_after_s;
    int64_t now = work->request->now_s;
    struct chain_flaw *flaw;

    if (ends <= now || ends - now > (int64_t)CHAIN_SOON_DAYS * 24 * 3600 ||
        (leaf->not_before_s > 0 && ends - now > (ends - leaf->not_before_s) / 3))
        return; /* one of six days is renewed when a third is left */
    flaw = chain_flaw_add(work, CHAIN_EXPIRES_SOON, false, work->sent[0],
                          arena_format(work->arena, "ends %s", text_date(work->arena, ends)));
    if (flaw != NULL)
        flaw->time_s = ends;
}

/* --- errors */

static enum chain_flaw_kind kind_of_error(int code)
{
    switch (code) {
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE: return CHAIN_BAD_SIGNATURE;
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_CERT_REJECTED: return CHAIN_WRONG_PURPOSE;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED: return CHAIN_NOT_A_CA;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX: return CHAIN_NAME_CONSTRAINT;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL: return CHAIN_WEAK_KEY;
    case X509_V_ERR_CA_MD_TOO_WEAK: return CHAIN_WEAK_SIGNATURE;
    case X509_V_ERR_CERT_REVOKED: return CHAIN_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR: return CHAIN_REVOCATION_UNKNOWN;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: return CHAIN_TOO_LONG;
    default: return CHAIN_OTHER;
    }
}

/* These are read off dates and shape elsewhere. */
static bool is_told_elsewhere(int code)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: return true;
    default: return false;
    }
}

static const char *key_text(struct chain_work *work, X509 *certificate)
{
    struct certificate facts;

    if (certificate == NULL)
        return "";
    certificate_init(work->arena, (struct span){ NULL, 0 }, &facts);
    certificate_read_x509(work->arena, certificate, &facts);
    return facts.key;
}

static const char *purpose_text(X509 *certificate)
{
    uint32_t purposes;

    if (certificate == NULL)
        return "";
    purposes = X509_get_extended_key_usage(certificate);
    if (purposes != UINT32_MAX && (purposes & (XKU_SSL_SERVER | XKU_ANYEKU | XKU_SGC)) == 0)
        return (purposes & XKU_SSL_CLIENT) != 0
                   ? "its extended key usage allows TLS clients, not TLS servers"
                   : "its extended key usage does not allow TLS servers";
    return "its key usage does not allow a TLS server";
}

static const char *detail_of(struct chain_work *work, enum chain_flaw_kind kind,
                             const struct chain_problem *problem)
{
    const char *words = X509_verify_cert_error_string(problem->code);

    if (kind == CHAIN_WEAK_KEY)
        return key_text(work, problem->certificate);
    if (kind == CHAIN_WEAK_SIGNATURE && problem->certificate != NULL)
        return certificate_signature_text(work->arena, problem->certificate);
    if (kind == CHAIN_WRONG_PURPOSE)
        return purpose_text(problem->certificate);
    if (problem->code == X509_V_ERR_INVALID_CA)
        return "it is not marked as an authority (basicConstraints CA:TRUE)";
    if (problem->code == X509_V_ERR_PATH_LENGTH_EXCEEDED)
        return "more authorities stand below it than its path length allows";
    return arena_copy(work->arena, span_of(words));
}

/* OpenSSL reads no purpose off a certificate with a malformed extension: that is the cause then. */
static bool is_malformed(X509 *certificate)
{
    return certificate != NULL &&
           (X509_get_extension_flags(certificate) & (EXFLAG_INVALID | EXFLAG_INVALID_POLICY)) != 0;
}

static bool is_read_off_extensions(enum chain_flaw_kind kind)
{
    return kind == CHAIN_WRONG_PURPOSE || kind == CHAIN_NOT_A_CA || kind == CHAIN_STRICTNESS;
}

static const char *malformed_text(struct arena *arena, X509 *certificate)
{
    for (int i = 0; i < X509_get_ext_count(certificate); i++) {
        X509_EXTENSION *extension = X509_get_ext(certificate, i);
        const ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
        const X509V3_EXT_METHOD *method = X509V3_EXT_get(extension);
        void *value = method == NULL ? NULL : X509V3_EXT_d2i(extension);
        bool is_sound = method == NULL || value != NULL;

        if (value != NULL && method->it != NULL)
            ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
        else if (value != NULL)
            method->ext_free(value);
        if (!is_sound)
            return arena_format(arena, "its extension %s is malformed",
                                OBJ_nid2sn(OBJ_obj2nid(type)));
        if (X509_get_ext_by_OBJ(certificate, type, i) >= 0)
            return arena_format(arena, "it has the extension %s twice",
                                OBJ_nid2sn(OBJ_obj2nid(type)));
    }
    return "its extensions contradict each other";
}

bool chain_malformed_judge(struct chain_work *work, X509 *certificate)
{
    if (!is_malformed(certificate))
        return false;
    chain_flaw_add(work, CHAIN_OTHER, true, certificate, malformed_text(work->arena, certificate));
    return true;
}

static void collect_problem(struct chain_work *work, const struct chain_trial *trial,
                            const struct chain_problem *problem)
{
    bool is_strictness = chain_is_strictness(trial, problem);
    enum chain_flaw_kind kind = is_strictness ? CHAIN_STRICTNESS : kind_of_error(problem->code);

    if (is_read_off_extensions(kind) && chain_malformed_judge(work, problem->certificate))
        return;
    if (!is_told_elsewhere(problem->code))
        chain_flaw_add(
            work, kind, !is_strictness || work->request->profile == CHAIN_STRICT,
            problem->certificate,
            is_strictness
                ? arena_copy(work->arena, span_of(X509_verify_cert_error_string(problem->code)))
                : detail_of(work, kind, problem));
}

/* OpenSSL leaves out the signature of the topmost certificate, as if it were a root's. */
static void judge_top_signature(struct chain_work *work, const struct chain_trial *trial)
{
    X509 *top = trial->path_count == 0 ? NULL : trial->path[trial->path_count - 1];
    int bits = 0;

    if (top != NULL && !trial->reaches_anchor && (X509_get_extension_flags(top) & EXFLAG_SI) == 0 &&
        X509_get_signature_info(top, NULL, NULL, &bits, NULL) && bits < 112)
        chain_flaw_add(work, CHAIN_WEAK_SIGNATURE, true, top,
                       certificate_signature_text(work->arena, top));
}

void chain_flaws_collect(struct chain_work *work, const struct chain_trial *trial)
{
    for (size_t i = 0; i < trial->problem_count; i++)
        collect_problem(work, trial, &trial->problems[i]);
    judge_dates(work, work->sent[0], true);
    for (size_t i = 0; i < trial->path_count; i++)
        if (trial->path[i] != work->sent[0])
            judge_dates(work, trial->path[i], false);
    judge_top_signature(work, trial);
    judge_soon(work);
}
