/* trust/chain_trial.c - asks OpenSSL about one set of certificates and keeps all that it says. */
#include "trust/chain_work.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

bool chain_is_strictness(const struct chain_trial *trial, const struct chain_problem *problem)
{
    int ca;

    switch (problem->code) {
    case X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA:
    case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
    case X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA:
    case X509_V_ERR_ISSUER_NAME_EMPTY:
    case X509_V_ERR_SUBJECT_NAME_EMPTY:
    case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
    case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
    case X509_V_ERR_EMPTY_SUBJECT_ALT_NAME:
    case X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL:
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
    case X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL:
    case X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL:
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
    case X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3:
    case X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY: return true;
    case X509_V_ERR_INVALID_CA: /* a root of X.509 version 1 passes but for strictness */
        ca = problem->certificate == NULL ? 0 : X509_check_ca(problem->certificate);
        return ca > 1 && (problem->depth == 0 || (size_t)problem->depth + 1 == trial->path_count);
    default: return false;
    }
}

static bool is_shape_error(int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || code == X509_V_ERR_CERT_UNTRUSTED ||
           code == X509_V_ERR_CERT_CHAIN_TOO_LONG;
}

static void keep(struct chain_trial *trial, int code, int depth, X509 *certificate)
{
    if (trial->problem_count < CHAIN_PROBLEMS_MOST)
        trial->problems[trial->problem_count++] =
            (struct chain_problem){ code, depth, certificate };
    if (is_shape_error(code))
        trial->reaches_anchor = false;
}

/* Goes on after every error, so that all are seen. */
static int note_error(int is_ok, X509_STORE_CTX *context)
{
    if (!is_ok)
        keep(X509_STORE_CTX_get_app_data(context), X509_STORE_CTX_get_error(context),
             X509_STORE_CTX_get_error_depth(context), X509_STORE_CTX_get_current_cert(context));
    return 1;
}

static STACK_OF(X509) * stack_of(X509 *const *items, size_t count)
{
    STACK_OF(X509) *stack = sk_X509_new_reserve(NULL, (int)count);

    for (size_t i = 0; stack != NULL && i < count; i++)
        if (items[i] != NULL)
            sk_X509_push(stack, items[i]);
    return stack;
}

static void set_rules(const struct chain_work *work, const struct chain_question *question,
                      X509_STORE_CTX *context)
{
    X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(context);
    /* Always strict: what only strictness refuses is told apart afterwards. */
    unsigned long flags = X509_V_FLAG_X509_STRICT;

    if (question->is_dane)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    if (work->crls != NULL) {
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
        X509_STORE_CTX_set0_crls(context, work->crls);
    }
    X509_VERIFY_PARAM_set_flags(rules, flags);
    X509_VERIFY_PARAM_set_auth_level(rules, 2);
    X509_STORE_CTX_set_time(context, 0, (time_t)work->request->now_s);
    if (work->request->max_depth != 0)
        X509_VERIFY_PARAM_set_depth(rules,
                                    work->request->max_depth < 0 ? 0 : work->request->max_depth);
}

/* The same certificate may come back as another object: ours is the one that lives on. */
static X509 *lasting(const struct chain_work *work, const struct chain_question *question,
                     X509 *certificate)
{
    for (size_t i = 0; i < work->sent_count; i++)
        if (work->sent[i] == certificate)
            return certificate;
    for (size_t i = 0; i < question->trusted_count; i++)
        if (question->trusted[i] == certificate)
            return certificate;
    for (size_t i = 0; i < question->other_count; i++)
        if (question->others[i] == certificate)
            return certificate;
    return NULL;
}

static void read_path(const struct chain_work *work, const struct chain_question *question,
                      X509_STORE_CTX *context, struct chain_trial *trial)
{
    STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(context);
    int count = path == NULL ? 0 : sk_X509_num(path);

    for (int i = 0; i < count && trial->path_count < CHAIN_PATH_MOST; i++) {
        X509 *certificate = lasting(work, question, sk_X509_value(path, i));

        if (certificate != NULL)
            trial->path[trial->path_count++] = certificate;
    }
    for (size_t i = 0; i < trial->problem_count; i++) {
        struct chain_problem *problem = &trial->problems[i];

        problem->certificate = problem->depth >= 0 && (size_t)problem->depth < trial->path_count
                                   ? trial->path[problem->depth]
                                   : NULL;
    }
}

static void count_fatal(const struct chain_work *work, const struct chain_question *question,
                        struct chain_trial *trial)
{
    bool is_strict = work->request->profile == CHAIN_STRICT && !question->is_dane;

    for (size_t i = 0; i < trial->problem_count; i++)
        if (is_strict || !chain_is_strictness(trial, &trial->problems[i]))
            trial->fatal_count++;
    trial->is_accepted = trial->reaches_anchor && trial->fatal_count == 0;
}

void chain_trial_run(struct chain_work *work, const struct chain_question *question,
                     struct chain_trial *trial)
{
    STACK_OF(X509) *trusted = stack_of(question->trusted, question->trusted_count);
    STACK_OF(X509) *others = stack_of(question->others, question->other_count);
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    trial->path_count = trial->problem_count = trial->fatal_count = 0;
    trial->is_accepted = false;
    trial->reaches_anchor = true;
    if (trusted == NULL || others == NULL || context == NULL ||
        !X509_STORE_CTX_init(context, NULL, work->sent[0], others) ||
        !X509_STORE_CTX_set_default(context, "ssl_server")) {
        work->has_no_memory = true;
        trial->reaches_anchor = false;
    } else {
        X509_STORE_CTX_set0_trusted_stack(context, trusted);
        set_rules(work, question, context);
        X509_STORE_CTX_set_app_data(context, trial);
        X509_STORE_CTX_set_verify_cb(context, note_error);
        if (X509_verify_cert(context) <= 0 && trial->problem_count == 0)
            keep(trial, X509_STORE_CTX_get_error(context), 0, NULL);
        read_path(work, question, context, trial);
        count_fatal(work, question, trial);
    }
    X509_STORE_CTX_free(context);
    sk_X509_free(trusted);
    sk_X509_free(others);
    ERR_clear_error();
}
