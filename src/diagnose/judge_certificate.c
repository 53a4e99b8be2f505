/* diagnose/judge_certificate.c - the flaws of a chain as findings: whose certificate, which date,
 * what to append. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

enum {
    CERTIFICATES_MANY = 10,      /* OpenSSL and GnuTLS stop between 9 and 16 by default */
    MESSAGE_OCTETS_MANY = 16384, /* one TLS record; GnuTLS and Java stop by default not far above */
    NAMES_TOLD = 40,
    STORE_LIFE_S = 6 * 365 * 86400, /* distributions take new roots in every year or two */
};

static const char *const codes[CHAIN_KIND_COUNT] = {
    [CHAIN_EMPTY] = "certificate-missing",
    [CHAIN_UNREADABLE] = "certificate-unreadable",
    [CHAIN_EXPIRED] = "certificate-expired",
    [CHAIN_NOT_YET_VALID] = "certificate-not-yet-valid",
    [CHAIN_INTERMEDIATE_EXPIRED] = "certificate-intermediate-expired",
    [CHAIN_INTERMEDIATE_NOT_YET_VALID] = "certificate-not-yet-valid",
    [CHAIN_SELF_SIGNED] = "certificate-self-signed",
    [CHAIN_ISSUER_UNTRUSTED] = "certificate-issuer-untrusted",
    [CHAIN_INCOMPLETE] = "certificate-chain-incomplete",
    [CHAIN_MISORDERED] = "certificate-chain-misordered",
    [CHAIN_SUPERFLUOUS] = "certificate-chain-superfluous",
    [CHAIN_NAME_MISMATCH] = "certificate-name-mismatch",
    [CHAIN_NAME_ONLY_IN_CN] = "certificate-name-only-in-cn",
    [CHAIN_WRONG_PURPOSE] = "certificate-wrong-purpose",
    [CHAIN_NOT_A_CA] = "certificate-not-a-ca",
    [CHAIN_NAME_CONSTRAINT] = "certificate-name-constraint",
    [CHAIN_WEAK_KEY] = "certificate-weak-key",
    [CHAIN_WEAK_SIGNATURE] = "certificate-weak-signature",
    [CHAIN_BAD_SIGNATURE] = "certificate-bad-signature",
    [CHAIN_REVOKED] = "certificate-revoked",
    [CHAIN_REVOCATION_UNKNOWN] = "certificate-revocation-unknown",
    [CHAIN_STAPLE_MISSING] = "certificate-staple-missing",
    [CHAIN_STAPLE_INVALID] = "certificate-staple-invalid",
    [CHAIN_TOO_LONG] = "certificate-chain-too-long",
    [CHAIN_STRICTNESS] = "certificate-strictness",
    [CHAIN_OTHER] = "certificate-other",
    [CHAIN_EXPIRES_SOON] = "certificate-expires-soon",
};

static const struct certificate *certificate_of(const struct chain_verdict *verdict,
                                                const struct chain_flaw *flaw)
{
    if (flaw->sent_index < 0 || (size_t)flaw->sent_index >= verdict->certificate_count)
        return NULL;
    return &verdict->certificates[flaw->sent_index];
}

static const struct certificate *leaf_of(const struct chain_verdict *verdict)
{
    return verdict->certificate_count > 0 ? &verdict->certificates[0] : NULL;
}

/* What goes by the name in a sentence. */
static const char *subject_of(const struct chain_verdict *verdict, const struct chain_flaw *flaw)
{
    const struct certificate *certificate = certificate_of(verdict, flaw);

    if (flaw->subject != NULL && flaw->subject[0] != '\0')
        return flaw->subject;
    return certificate != NULL && certificate->is_readable ? certificate->subject
                                                           : "(a certificate without a subject)";
}

static const char *time_or(struct judge *judge, int64_t seconds, const char *otherwise)
{
    return seconds == INT64_MIN || seconds == INT64_MAX || seconds == 0
               ? otherwise
               : text_time(judge->arena, seconds);
}

static void prove_certificate(struct judge *judge, struct finding *finding, int index,
                              const struct certificate *certificate)
{
    if (certificate == NULL)
        return;
    if (!certificate->is_readable) {
        judge_prove(judge, finding, "certificate %d: %zu octets, SHA-256 %s", index + 1,
                    certificate->der.len, certificate->sha256);
        return;
    }
    judge_prove(judge, finding, "certificate %d: subject %s", index + 1, certificate->subject);
    judge_prove(judge, finding, "certificate %d: issuer %s", index + 1, certificate->issuer);
    judge_prove(judge, finding, "certificate %d: valid %s to %s", index + 1,
                time_or(judge, certificate->not_before_s, "(unreadable)"),
                time_or(judge, certificate->not_after_s, "(unreadable)"));
}

static void prove_names(struct judge *judge, struct finding *finding,
                        const struct certificate *leaf)
{
    const char *text = "";

    for (size_t i = 0; i < leaf->name_count && i < NAMES_TOLD; i++)
        text = arena_format(judge->arena, "%s%s%s", text, i == 0 ? "" : ", ", leaf->names[i]);
    judge_prove(judge, finding, "subjectAltName: %s%s",
                leaf->name_count == 0 ? "no DNS name" : text,
                leaf->name_count > NAMES_TOLD ? ", ..." : "");
    if (leaf->common_name != NULL && leaf->common_name[0] != '\0')
        judge_prove(judge, finding, "common name (not looked at): %s", leaf->common_name);
    for (size_t i = 0; i < leaf->address_count && i < 4; i++)
        judge_prove(judge, finding, "it carries the IP address %s", leaf->addresses[i]);
}

static const char *download(struct judge *judge, const struct chain_verdict *verdict)
{
    if (verdict->missing_issuer_url == NULL || verdict->missing_issuer_url[0] == '\0')
        return "";
    return arena_format(judge->arena, " (curl -s %s | openssl x509 -inform der)",
                        verdict->missing_issuer_url);
}

static const char *missing_name(const struct chain_verdict *verdict, const struct chain_flaw *flaw)
{
    if (verdict->missing_issuer != NULL && verdict->missing_issuer[0] != '\0')
        return verdict->missing_issuer;
    return subject_of(verdict, flaw);
}

static struct finding *add_flaw(struct judge *judge, const struct chain_verdict *verdict,
                                const struct chain_flaw *flaw)
{
    const struct certificate *leaf = leaf_of(verdict);
    const char *subject = subject_of(verdict, flaw);
    const char *when = text_date(judge->arena, flaw->time_s);
    const char *span = text_duration(judge->arena, flaw->time_s - judge->now_s);
    const char *detail = flaw->detail == NULL || flaw->detail[0] == '\0'
                             ? chain_flaw_name(flaw->kind)
                             : flaw->detail;

    return JUDGE_ADD(judge, codes[flaw->kind], { "subject", subject }, { "detail", detail },
                     { "date", when }, { "ago", span }, { "left", span },
                     { "which", flaw->kind == CHAIN_INTERMEDIATE_NOT_YET_VALID
                                    ? arena_format(judge->arena, "%s in the chain", subject)
                                    : "The certificate" },
                     { "missing", missing_name(verdict, flaw) },
                     { "download", download(judge, verdict) },
                     { "names", leaf == NULL ? "no name" : judge_names(judge, leaf) },
                     { "number", arena_format(judge->arena, "%d", flaw->sent_index + 1) });
}

/* A store without a root of the last years misses authorities that came since. */
static bool has_old_store(const struct judge *judge)
{
    return judge->seen != NULL && judge->seen->self.newest_anchor_s > 0 &&
           judge->now_s - judge->seen->self.newest_anchor_s > STORE_LIFE_S;
}

static void prove_missing(struct judge *judge, struct finding *finding,
                          const struct chain_verdict *verdict, const struct chain_flaw *flaw)
{
    judge_prove(judge, finding, "sent: %zu certificate%s", verdict->certificate_count,
                verdict->certificate_count == 1 ? "" : "s");
    judge_prove(judge, finding, "not sent: %s", missing_name(verdict, flaw));
    if (verdict->missing_issuer_url != NULL && verdict->missing_issuer_url[0] != '\0')
        judge_prove(judge, finding, "AIA caIssuers: %s", verdict->missing_issuer_url);
    if (verdict->missing_is_known)
        judge_prove(judge, finding, "with it, which we know from elsewhere, a path is found");
}

static void prove_weakness(struct judge *judge, struct finding *finding, enum chain_flaw_kind kind,
                           const struct certificate *certificate)
{
    if (kind == CHAIN_WEAK_KEY)
        judge_prove(judge, finding, "key: %s", certificate->key);
    if (kind == CHAIN_WEAK_SIGNATURE || kind == CHAIN_BAD_SIGNATURE)
        judge_prove(judge, finding, "signature: %s", certificate->signature);
}

static void prove_flaw(struct judge *judge, struct finding *finding,
                       const struct chain_verdict *verdict, const struct chain_flaw *flaw)
{
    const struct certificate *certificate = certificate_of(verdict, flaw);
    const struct certificate *leaf = leaf_of(verdict);

    if (flaw->kind == CHAIN_EMPTY)
        judge_prove(judge, finding, "its Certificate message held 0 certificates");
    if (flaw->kind == CHAIN_NAME_MISMATCH || flaw->kind == CHAIN_NAME_ONLY_IN_CN) {
        judge_prove(judge, finding, "looked for: %s", judge->reference);
        if (leaf != NULL)
            prove_names(judge, finding, leaf);
        return;
    }
    if (flaw->kind == CHAIN_INCOMPLETE)
        prove_missing(judge, finding, verdict, flaw);
    if (certificate == NULL && flaw->kind != CHAIN_EMPTY && flaw->kind != CHAIN_INCOMPLETE)
        judge_prove(judge, finding, "not sent, in the path: %s", subject_of(verdict, flaw));
    prove_certificate(judge, finding, flaw->sent_index, certificate);
    if (flaw->kind == CHAIN_INCOMPLETE && certificate == NULL)
        prove_certificate(judge, finding, (int)verdict->certificate_count - 1,
                          &verdict->certificates[verdict->certificate_count - 1]);
    if (flaw->kind == CHAIN_ISSUER_UNTRUSTED && has_old_store(judge))
        judge_prove(judge, finding, "our newest root is of %s: our trust store may be too old",
                    text_date(judge->arena, judge->seen->self.newest_anchor_s));
    if (flaw->time_s != 0)
        judge_prove(judge, finding, "our clock: %s", text_time(judge->arena, judge->now_s));
    if (certificate != NULL && certificate->is_readable)
        prove_weakness(judge, finding, flaw->kind, certificate);
    if (flaw->detail != NULL && flaw->detail[0] != '\0')
        judge_prove(judge, finding, "the verifier: %s", flaw->detail);
}

/* Whoever is authenticated by another way does not need PKIX: it still concerns others. */
static bool is_vouched_otherwise(const struct judge *judge, const struct chain_verdict *verdict)
{
    const struct observation *seen = judge->seen;

    if (seen == NULL) /* a chain alone: no level asks for more than its TLSA records */
        return verdict->tlsa == CHAIN_TLSA_MATCHED;
    if (seen->level == POLICY_FINGERPRINT)
        return seen->fingerprint_asked && seen->fingerprint_matched;
    if (verdict->tlsa != CHAIN_TLSA_MATCHED || seen->level == POLICY_VERIFY ||
        seen->level == POLICY_SECURE)
        return false;
    /* Behind an MX that is not secure records are nothing to level sts: RFC 7672 section 2.2.1 */
    return seen->level != POLICY_STS || !seen->has_lookups || seen->mx_dnssec == DNS_SECURE;
}

/* What a flaw follows from, where our own state explains it. */
static const char *own_cause(const struct judge *judge, enum chain_flaw_kind kind)
{
    bool is_time = kind == CHAIN_NOT_YET_VALID || kind == CHAIN_INTERMEDIATE_NOT_YET_VALID ||
                   kind == CHAIN_EXPIRED || kind == CHAIN_INTERMEDIATE_EXPIRED ||
                   kind == CHAIN_STAPLE_INVALID;
    bool is_trust = kind == CHAIN_ISSUER_UNTRUSTED || kind == CHAIN_INCOMPLETE;

    if (is_time && findings_find(judge->findings, "clock-wrong") != NULL)
        return "clock-wrong";
    if (is_trust && findings_find(judge->findings, "trust-store-empty") != NULL)
        return "trust-store-empty";
    return NULL;
}

static enum severity severity_of(const struct judge *judge, const struct chain_verdict *verdict,
                                 const struct chain_flaw *flaw, enum severity usual)
{
    if (!flaw->is_fatal && usual > SEVERITY_WARNING)
        usual = SEVERITY_WARNING;
    if (flaw->is_fatal && usual < SEVERITY_UNTRUSTED)
        usual = SEVERITY_UNTRUSTED;
    if (usual > SEVERITY_WARNING && is_vouched_otherwise(judge, verdict))
        usual = SEVERITY_WARNING;
    return usual;
}

static bool is_about_names(enum chain_flaw_kind kind)
{
    return kind == CHAIN_NAME_MISMATCH || kind == CHAIN_NAME_ONLY_IN_CN;
}

/* Were we sent to an address, with no word of the host that is there? */
static bool is_by_address(const struct judge *judge)
{
    return judge->seen != NULL && judge->seen->address != NULL &&
           strcmp(judge->reference, judge->seen->address) == 0;
}

/* Cases of a flaw that take words of their own. */
static void reword_flaw(struct judge *judge, struct finding *finding,
                        const struct chain_verdict *verdict, const struct chain_flaw *flaw)
{
    const char *missing = missing_name(verdict, flaw);

    if (flaw->kind == CHAIN_INCOMPLETE && !flaw->is_fatal)
        JUDGE_REWORD(judge, finding, "trusted-without", { "missing", missing },
                     { "download", download(judge, verdict) });
    else if (flaw->kind == CHAIN_INCOMPLETE && flaw->detail != NULL &&
             strstr(flaw->detail, "was sent, but with another key") != NULL)
        JUDGE_REWORD(judge, finding, "intermediate-of-another-key", { "missing", missing });
    else if (flaw->kind == CHAIN_INTERMEDIATE_EXPIRED && flaw->sent_index < 0)
        JUDGE_REWORD(judge, finding, "root-expired", { "subject", subject_of(verdict, flaw) },
                     { "date", text_date(judge->arena, flaw->time_s) });
    else if (flaw->kind == CHAIN_SELF_SIGNED && judge_is_address(judge->reference))
        JUDGE_REWORD(judge, finding,
                     is_by_address(judge) ? "self-signed-by-address" : "self-signed-for-address",
                     { "subject", subject_of(verdict, flaw) });
}

static void judge_flaw(struct judge *judge, const struct chain_verdict *verdict,
                       const struct chain_flaw *flaw)
{
    struct finding *finding = add_flaw(judge, verdict, flaw);

    reword_flaw(judge, finding, verdict, flaw);
    if (!is_about_names(flaw->kind))
        finding->severity = severity_of(judge, verdict, flaw, finding->severity);
    else if (is_vouched_otherwise(judge, verdict))
        finding->severity = SEVERITY_WARNING;
    finding->because_of = own_cause(judge, flaw->kind);
    prove_flaw(judge, finding, verdict, flaw);
    if (is_vouched_otherwise(judge, verdict))
        judge_prove(judge, finding, "%s vouches for it all the same; senders without it do not",
                    verdict->tlsa == CHAIN_TLSA_MATCHED ? "a TLSA record" : "our fingerprint");
    if (finding->evidence_count == 0)
        judge_prove(judge, finding, "the verifier: %s", chain_flaw_name(flaw->kind));
}

/* Does the certificate name what the level asks for? */
static bool is_named(const struct judge *judge, const struct chain_verdict *verdict)
{
    if (judge->seen == NULL)
        return verdict->name_matched;
    return judge->seen->level == POLICY_SECURE ? judge->seen->domain_named
                                               : judge->seen->host_named;
}

/* The certificate that came when no name was asked for, if it is the right one. */
static void explain_by_sni(struct judge *judge, struct finding *finding,
                           const struct certificate *leaf)
{
    const struct observation *without = experiment_find(judge->experiments, DIAL_WITHOUT_SNI);

    if (without == NULL || !without->has_verdict || without->verdict.certificate_count == 0)
        return;
    if (without->host_named)
        JUDGE_REWORD(judge, finding, "name-mismatch-by-sni", { "names", judge_names(judge, leaf) });
    judge_prove(judge, finding, "without SNI its certificate names %s",
                judge_names(judge, &without->verdict.certificates[0]));
}

/* The flaws have no word of it where one of several names matched, but not the one that counts. */
static void judge_name(struct judge *judge, const struct chain_verdict *verdict)
{
    const struct certificate *leaf = leaf_of(verdict);
    struct chain_flaw flaw = { .kind = CHAIN_NAME_MISMATCH, .sent_index = 0 };
    struct finding *finding;

    if (leaf == NULL || !leaf->is_readable || is_named(judge, verdict))
        return;
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (is_about_names(verdict->flaws[i].kind))
            flaw = verdict->flaws[i];
    if (judge->seen != NULL && judge->seen->level == POLICY_SECURE && judge->seen->domain != NULL) {
        const char *domain = text_printable(judge->arena, span_of(judge->seen->domain), false);

        judge->reference = domain;
        for (size_t i = 0; i < JUDGE_COMMON_VALUES; i++)
            if (judge->common[i].name != NULL && strcmp(judge->common[i].name, "reference") == 0)
                judge->common[i].value = domain;
    }
    judge_flaw(judge, verdict, &flaw);
    finding = &judge->findings->items[judge->findings->count - 1];
    if (flaw.kind == CHAIN_NAME_MISMATCH && judge_is_address(judge->reference))
        JUDGE_REWORD(judge, finding,
                     is_by_address(judge) ? "name-mismatch-by-address" : "address-mismatch",
                     { "names", judge_names(judge, leaf) });
    else if (flaw.kind == CHAIN_NAME_MISMATCH && leaf->name_count == 0)
        judge_reword(judge, finding, "no-names", NULL, 0);
    explain_by_sni(judge, finding, leaf);
}

static void judge_size(struct judge *judge, const struct chain_verdict *verdict)
{
    size_t octets = 3;
    struct finding *finding;

    for (size_t i = 0; i < verdict->certificate_count; i++)
        octets += 3 + verdict->certificates[i].der.len;
    if (verdict->certificate_count < CERTIFICATES_MANY && octets <= MESSAGE_OCTETS_MANY)
        return;
    finding = JUDGE_ADD(
        judge, "certificate-large-chain",
        { "count", arena_format(judge->arena, "%zu", verdict->certificate_count) },
        { "octets", arena_format(judge->arena, "%zu", octets) },
        { "who", verdict->certificate_count >= CERTIFICATES_MANY
                     ? "Java (at most 10 by default) and GnuTLS (at most 16) give up on long chains"
                     : "small TLS stacks (mbed TLS, wolfSSL) take no Certificate message above 16 "
                       "KiB" });
    judge_prove(judge, finding, "Certificate message: %zu certificates, %zu octets",
                verdict->certificate_count, octets);
}

/* Senders that give no name get what the server shows to nobody in particular. */
static void judge_without_sni(struct judge *judge)
{
    const struct observation *without = experiment_find(judge->experiments, DIAL_WITHOUT_SNI);
    const char *gets = "no session at all";
    struct finding *finding;

    if (judge->seen == NULL || !judge->seen->host_named || !judge->seen->verdict.is_trusted ||
        without == NULL || !without->tls.was_started)
        return;
    if (experiment_succeeded(without)) {
        if (!without->has_verdict || (without->host_named && without->verdict.is_trusted))
            return;
        gets = without->host_named || without->verdict.certificate_count == 0
                   ? "a certificate that is not trusted"
                   : arena_format(judge->arena, "a certificate for %s",
                                  judge_names(judge, &without->verdict.certificates[0]));
    }
    finding = JUDGE_ADD(judge, "server-needs-sni", { "gets", gets });
    judge_prove(judge, finding, "with SNI %s: the certificate names it and is trusted",
                text_printable(judge->arena, span_of(judge->seen->tls.sni), false));
    judge_prove(judge, finding, "without SNI: %s", judge_outcome(judge, without));
    judge_prove(judge, finding, "without SNI it gives %s", gets);
}

/* Senders whose TLS library is older than 2018 know no TLS 1.3. */
static void judge_tls13_only(struct judge *judge)
{
    const struct observation *tls12 = experiment_find(judge->experiments, DIAL_TLS12_ONLY);
    struct finding *finding;

    if (judge->seen == NULL || !experiment_succeeded(judge->seen) ||
        judge->seen->tls.version < TLS_VERSION_1_3 || tls12 == NULL || !tls12->tls.was_started ||
        experiment_succeeded(tls12))
        return;
    finding = judge_add(judge, "server-tls13-only", NULL, 0);
    judge_prove(judge, finding, "as configured: succeeds with %s, %s",
                tls_version_name(judge->seen->tls.version),
                judge->seen->tls.cipher == NULL ? "no cipher" : judge->seen->tls.cipher);
    judge_prove(judge, finding, "with TLS 1.2 only: %s", judge_outcome(judge, tls12));
}

void judge_certificate(struct judge *judge, const struct chain_verdict *verdict)
{
    bool told[CHAIN_KIND_COUNT] = { false };
    bool names_done = false;

    for (size_t i = 0; i < verdict->flaw_count; i++) {
        const struct chain_flaw *flaw = &verdict->flaws[i];

        if ((size_t)flaw->kind >= CHAIN_KIND_COUNT || codes[flaw->kind] == NULL)
            continue;
        if (is_about_names(flaw->kind)) { /* at its place among the causes, but once */
            if (!names_done)
                judge_name(judge, verdict);
            names_done = true;
        } else if (!told[flaw->kind]) { /* the first of a kind is the nearest to the leaf */
            told[flaw->kind] = true;
            judge_flaw(judge, verdict, flaw);
        }
    }
    if (!names_done)
        judge_name(judge, verdict);
    judge_size(judge, verdict);
    judge_without_sni(judge);
    judge_tls13_only(judge);
}
