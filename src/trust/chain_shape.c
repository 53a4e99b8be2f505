/* trust/chain_shape.c - reads what was sent: order, what is too much, and above all what is missing.
 *
 * A server sends its certificate and every intermediate, and may leave the root out (RFC 5246
 * section 7.4.2). So where the path ends at an issuer that nobody has, either an intermediate was
 * forgotten or the root is a stranger, and nothing in the signatures tells which. What tells:
 * known intermediates, the issuer's issuer as the authority key identifier names it, strangers among
 * what was sent, the word by which an authority calls itself, an organization that has a root in the
 * store; and failing all that, the shape:
 * authorities that browsers trust never sign servers with a root, so a leaf alone lacks an
 * intermediate, while behind a leaf with its intermediate comes the root.
 */
#include "trust/chain_work.h"

#include <openssl/x509v3.h>

#include "base/text.h"
#include "trust/certificate_x509.h"

enum { SURPLUS_TOLD = 8 };

/* --- order and surplus */

static bool is_on_path(const struct chain_trial *trial, const X509 *certificate)
{
    for (size_t i = 0; i < trial->path_count; i++)
        if (X509_cmp(trial->path[i], certificate) == 0)
            return true;
    return false;
}

/* A cross-certificate: another signature over a name and key of the path, sent for those who
 * trust another root. */
static bool is_alternative(const struct chain_trial *trial, X509 *certificate)
{
    for (size_t i = 0; i < trial->path_count; i++)
        if (X509_NAME_cmp(X509_get_subject_name(trial->path[i]),
                          X509_get_subject_name(certificate)) == 0 &&
            EVP_PKEY_eq(X509_get0_pubkey(trial->path[i]), X509_get0_pubkey(certificate)) == 1)
            return true;
    return false;
}

static bool issued_another_sent(const struct chain_work *work, size_t index)
{
    for (size_t i = 0; i < work->sent_count; i++)
        if (i != index && work->sent[i] != NULL &&
            chain_may_issue(work->sent[index], work->sent[i]))
            return true;
    return false;
}

static const char *why_superfluous(struct chain_work *work, const struct chain_trial *trial,
                                   size_t index)
{
    X509 *certificate = work->sent[index];
    int first = chain_sent_index(work, certificate);
    bool is_root = (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;

    if (first >= 0 && (size_t)first < index)
        return arena_format(work->arena, "it is the same as certificate %d", first + 1);
    if (is_root && (is_on_path(trial, certificate) || issued_another_sent(work, index)))
        return trial->reaches_anchor && is_on_path(trial, certificate)
                   ? "a root need not be sent: who trusts it has it"
                   : NULL;
    if (is_on_path(trial, certificate) || is_alternative(trial, certificate))
        return NULL;
    return trial->reaches_anchor ? "it is not part of the path" : "it leads nowhere from the leaf";
}

static void judge_surplus(struct chain_work *work, const struct chain_trial *trial)
{
    size_t told = 0;

    for (size_t i = 1; i < work->sent_count && told < SURPLUS_TOLD; i++) {
        const char *why = work->sent[i] == NULL ? NULL : why_superfluous(work, trial, i);
        struct chain_flaw *flaw = NULL;

        told += why != NULL;
        if (why != NULL)
            flaw = chain_flaw_add(work, CHAIN_SUPERFLUOUS, false, work->sent[i], why);
        if (flaw != NULL)
            flaw->sent_index = (int)i;
    }
}

/* A server's certificate that comes behind that of its authority. */
static bool judge_leaf_place(struct chain_work *work)
{
    if (X509_check_ca(work->sent[0]) != 1)
        return false;
    for (size_t i = 1; i < work->sent_count; i++)
        if (work->sent[i] != NULL && X509_check_ca(work->sent[i]) == 0 &&
            chain_may_issue(work->sent[0], work->sent[i])) {
            chain_flaw_add(work, CHAIN_MISORDERED, false, work->sent[0],
                           arena_format(work->arena,
                                        "the first certificate is that of an authority; the "
                                        "server's comes as certificate %zu",
                                        i + 1));
            return true;
        }
    return false;
}

static void judge_order(struct chain_work *work, const struct chain_trial *trial)
{
    int before = -1;

    if (judge_leaf_place(work))
        return;
    for (size_t i = 0; i < trial->path_count; i++) {
        int at = chain_sent_index(work, trial->path[i]);

        if (at >= 0 && at < before) {
            chain_flaw_add(work, CHAIN_MISORDERED, false, trial->path[i],
                           arena_format(work->arena,
                                        "certificate %d belongs right behind the one it issued, "
                                        "certificate %d",
                                        at + 1, before + 1));
            return;
        }
        if (at >= 0)
            before = at;
    }
}

/* --- what is missing */

/* What is known of an issuer that is not there. */
enum guess { LIKELY_INTERMEDIATE, LIKELY_ROOT, NO_GUESS };

static bool has_word(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct span rest = span_of(text);

        for (; rest.len > 0; span_take(&rest))
            if (span_starts_with_nocase(rest, words[i]))
                return true;
    }
    return false;
}

/* Authorities say what they are: "ISRG Root X1", "Example Issuing CA 2". */
static enum guess guess_by_name(const char *name)
{
    static const char *const roots[] = { "root" };
    static const char *const others[] = { "intermediate", "issuing", "subordinate", "sub ca",
                                          "sub-ca" };

    if (has_word(name, others, ARRAY_SIZE(others)))
        return LIKELY_INTERMEDIATE;
    return has_word(name, roots, ARRAY_SIZE(roots)) ? LIKELY_ROOT : NO_GUESS;
}

/* RFC 5280 section 4.2.1.1: authorityCertIssuer is the issuer of the issuer's certificate; a root
 * is its own. */
static enum guess guess_by_key_identifier(X509 *top)
{
    const GENERAL_NAMES *names = X509_get0_authority_issuer(top);

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DIRNAME)
            return X509_NAME_cmp(name->d.directoryName, X509_get_issuer_name(top)) == 0
                       ? LIKELY_ROOT
                       : LIKELY_INTERMEDIATE;
    }
    return NO_GUESS;
}

/* An authority's certificate that is not joined to the leaf: what would join them is missing. */
static bool has_stranded_authority(const struct chain_work *work, const struct chain_trial *trial)
{
    for (size_t i = 1; i < work->sent_count; i++)
        if (work->sent[i] != NULL && X509_check_ca(work->sent[i]) == 1 &&
            !is_on_path(trial, work->sent[i]) && !is_alternative(trial, work->sent[i]))
            return true;
    return false;
}

static enum guess guess_missing(struct chain_work *work, const struct chain_trial *trial, X509 *top,
                                const char **why)
{
    enum guess by_name =
        guess_by_name(certificate_name_text(work->arena, X509_get_issuer_name(top)));
    enum guess by_key = guess_by_key_identifier(top);

    *why = "its authority key identifier says so";
    if (by_key != NO_GUESS)
        return by_key;
    *why = "other authorities were sent that do not join the leaf";
    if (has_stranded_authority(work, trial))
        return LIKELY_INTERMEDIATE;
    *why = "its name says so";
    if (by_name != NO_GUESS)
        return by_name;
    *why = "its organization has a root in the trust store";
    if (work->request->anchors != NULL &&
        anchors_has_organization(work->request->anchors, X509_get_issuer_name(top)))
        return LIKELY_INTERMEDIATE;
    *why = trial->path_count == 1
               ? "roots that are widely trusted do not sign servers themselves; if this is a "
                 "private root, it is not in the trust store"
               : "a chain may leave out its root, and nothing else";
    return trial->path_count == 1 ? LIKELY_INTERMEDIATE : LIKELY_ROOT;
}

static void set_missing(struct chain_work *work, X509 *child, bool is_known)
{
    struct chain_verdict *verdict = work->verdict;
    struct certificate facts;

    certificate_init(work->arena, (struct span){ NULL, 0 }, &facts);
    certificate_read_x509(work->arena, child, &facts);
    verdict->missing_issuer = facts.issuer;
    verdict->missing_issuer_url = *facts.issuer_url == '\0' ? NULL : facts.issuer_url;
    verdict->missing_is_known = is_known;
}

static void add_incomplete(struct chain_work *work, X509 *child, bool is_known, const char *detail)
{
    struct chain_flaw *flaw = chain_flaw_add(work, CHAIN_INCOMPLETE, true, NULL, detail);

    set_missing(work, child, is_known);
    if (flaw != NULL)
        flaw->subject = work->verdict->missing_issuer;
}

static void add_untrusted(struct chain_work *work, const char *issuer, const char *detail)
{
    struct chain_flaw *flaw = chain_flaw_add(work, CHAIN_ISSUER_UNTRUSTED, true, NULL, detail);

    if (flaw != NULL)
        flaw->subject = issuer;
}

/* A certificate that bears the issuer's name and yet cannot have issued `top`. */
static X509 *find_namesake(X509 *const *items, size_t count, X509 *top)
{
    for (size_t i = 0; i < count; i++)
        if (items[i] != NULL && items[i] != top &&
            X509_NAME_cmp(X509_get_subject_name(items[i]), X509_get_issuer_name(top)) == 0)
            return items[i];
    return NULL;
}

/* The issuer is there and its key made the signature: why does it not count? */
static void judge_true_issuer(struct chain_work *work, X509 *issuer, X509 *top)
{
    int why = X509_check_issued(issuer, top);

    if (why == X509_V_ERR_KEYUSAGE_NO_CERTSIGN)
        chain_flaw_add(work, CHAIN_NOT_A_CA, true, issuer,
                       "its key usage does not allow it to sign certificates");
    else if (!chain_malformed_judge(work, issuer))
        chain_flaw_add(work, CHAIN_OTHER, true, top,
                       why == X509_V_ERR_AKID_SKID_MISMATCH ||
                               why == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH
                           ? "its authority key identifier is not that of its issuer, though the "
                             "signature is"
                           : X509_verify_cert_error_string(why));
}

static bool has_signed(X509 *issuer, X509 *certificate)
{
    return issuer != NULL && X509_get0_pubkey(issuer) != NULL &&
           X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

/* True: the certificate that bears the issuer's name explains everything. */
static bool judge_namesakes(struct chain_work *work, X509 *top)
{
    X509 *sent = find_namesake(work->sent, work->sent_count, top);
    X509 *anchor = find_namesake(work->anchors, work->anchor_count, top);

    if (has_signed(sent, top))
        judge_true_issuer(work, sent, top);
    else if (has_signed(anchor, top))
        judge_true_issuer(work, anchor, top);
    else if (anchor != NULL)
        add_untrusted(work, certificate_name_text(work->arena, X509_get_issuer_name(top)),
                      "the trust store has a certificate of this name, but with another key");
    else if (sent != NULL)
        add_incomplete(work, top, false,
                       "a certificate of this name was sent, but with another key");
    return sent != NULL || anchor != NULL;
}

/* Climbs through known intermediates as far as they lead. */
static X509 *climb_known(const struct chain_work *work, X509 *top)
{
    for (size_t steps = 0; steps < work->known_count; steps++) {
        X509 *issuer = NULL;

        for (size_t i = 0; i < work->known_count && issuer == NULL; i++)
            if (work->known[i] != top && chain_may_issue(work->known[i], top))
                issuer = work->known[i];
        if (issuer == NULL)
            break;
        top = issuer;
    }
    return top;
}

static void judge_known_issuer(struct chain_work *work, X509 *top)
{
    add_incomplete(work, top, true, "it is among the known intermediates");
    add_untrusted(work,
                  certificate_name_text(work->arena, X509_get_issuer_name(climb_known(work, top))),
                  "the missing intermediate would lead to a root that is not in the trust store");
}

static void judge_unknown_issuer(struct chain_work *work, const struct chain_trial *trial,
                                 X509 *top)
{
    const char *why = "";
    enum guess guess = guess_missing(work, trial, top, &why);

    if (guess == LIKELY_INTERMEDIATE)
        add_incomplete(work, top, false,
                       arena_format(work->arena, "an intermediate is missing: %s", why));
    else
        add_untrusted(
            work, certificate_name_text(work->arena, X509_get_issuer_name(top)),
            arena_format(work->arena, "it is a root that is not in the trust store: %s", why));
}

static void judge_self_signed(struct chain_work *work, const struct chain_trial *trial, X509 *top)
{
    X509 *namesake = find_namesake(work->anchors, work->anchor_count, top);

    if (trial->path_count == 1) {
        chain_flaw_add(work, CHAIN_SELF_SIGNED, true, top,
                       X509_check_ca(top) == 1 ? "it is a root of its own" : "");
        return;
    }
    chain_flaw_add(work, CHAIN_ISSUER_UNTRUSTED, true, top,
                   namesake == NULL
                       ? "the root was sent; it is not in the trust store"
                       : "the trust store has a root of this name, but with another key");
}

static bool has_known_issuer(const struct chain_work *work, X509 *top)
{
    for (size_t i = 0; i < work->known_count; i++)
        if (chain_may_issue(work->known[i], top))
            return true;
    return false;
}

static bool is_anchor(const struct chain_work *work, const X509 *certificate)
{
    for (size_t i = 0; i < work->anchor_count; i++)
        if (work->anchors[i] == certificate)
            return true;
    return false;
}

static void judge_end(struct chain_work *work, const struct chain_trial *trial)
{
    X509 *top = trial->path_count == 0 ? work->sent[0] : trial->path[trial->path_count - 1];

    if (chain_malformed_judge(work, top))
        return; /* OpenSSL looks for no issuer of it */
    if ((X509_get_extension_flags(top) & EXFLAG_SI) != 0 && !is_anchor(work, top))
        judge_self_signed(work, trial, top);
    else if ((X509_get_extension_flags(top) & EXFLAG_SI) != 0)
        judge_true_issuer(work, top, top);
    else if (is_anchor(work, top))
        add_untrusted(work, certificate_name_text(work->arena, X509_get_issuer_name(top)),
                      "the trust store has the intermediate that it issued, but not this root");
    else if (has_known_issuer(work, top))
        judge_known_issuer(work, top);
    else if (!judge_namesakes(work, top))
        judge_unknown_issuer(work, trial, top);
}

/* The first of the path that was not sent, an anchor aside. */
static void judge_gap(struct chain_work *work, const struct chain_trial *trial)
{
    for (size_t i = 1; i + 1 < trial->path_count; i++)
        if (chain_sent_index(work, trial->path[i]) < 0) {
            add_incomplete(work, trial->path[i - 1], true, "it is among the known intermediates");
            return;
        }
}

static bool is_cut_short(const struct chain_trial *trial)
{
    for (size_t i = 0; i < trial->problem_count; i++)
        if (trial->problems[i].code == X509_V_ERR_CERT_CHAIN_TOO_LONG)
            return true;
    return false;
}

void chain_shape_judge(struct chain_work *work, const struct chain_trial *trial)
{
    judge_surplus(work, trial);
    judge_order(work, trial);
    if (work->verdict->path_needs_intermediate)
        judge_gap(work, trial);
    else if (!trial->reaches_anchor && !is_cut_short(trial))
        judge_end(work, trial);
}
