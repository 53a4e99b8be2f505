/* diagnose/judge_policy.c - what was published or pinned for the host, against what it showed. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

static const struct certificate *leaf_of(const struct observation *seen)
{
    return seen->has_verdict && seen->verdict.certificate_count > 0 ? &seen->verdict.certificates[0]
                                                                    : NULL;
}

static void judge_sts(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;

    if ((seen->sts != POLICY_STS_ENFORCE && seen->sts != POLICY_STS_TESTING) ||
        seen->sts_host_listed)
        return;
    finding = judge_add(judge, "sts-host-not-listed", NULL, 0);
    judge_prove(judge, finding, "MTA-STS mode %s; no mx pattern of the policy matches %s",
                seen->sts == POLICY_STS_ENFORCE ? "enforce" : "testing", judge->common[0].value);
    if (seen->sts == POLICY_STS_TESTING)
        finding->severity = SEVERITY_WARNING;
}

static void judge_fingerprint(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct certificate *leaf = leaf_of(seen);
    struct finding *finding;

    if (!seen->fingerprint_asked || seen->fingerprint_matched || leaf == NULL)
        return;
    finding = JUDGE_ADD(judge, "fingerprint-mismatch", { "record", leaf->sha256 });
    if (seen->fingerprint_wanted != NULL)
        judge_prove(judge, finding, "pinned: %s",
                    text_printable(judge->arena, span_of(seen->fingerprint_wanted), false));
    judge_prove(judge, finding, "SHA-256 of its certificate: %s", leaf->sha256);
    if (leaf->is_readable)
        judge_prove(judge, finding, "SHA-256 of its public key: %s", leaf->spki_sha256);
}

static void judge_minimum_version(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *version = tls_version_name(seen->tls.version);
    const char *minimum = tls_version_name(seen->minimum_version);
    struct finding *finding;

    if (seen->minimum_version == 0 || !seen->tls.was_completed ||
        seen->tls.version >= seen->minimum_version)
        return;
    finding =
        JUDGE_ADD(judge, "version-below-minimum", { "version", version }, { "minimum", minimum });
    judge_prove(judge, finding, "ServerHello: %s; rule: %s or newer", version, minimum);
}

/* What a message that asks for REQUIRETLS needs beyond TLS and a certificate: RFC 8689 section 4.2.1. */
static void judge_requiretls(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct policy_session session = observation_session(seen);
    struct finding *finding;

    if (!seen->requires_tls)
        return;
    if (session.host_insecure) {
        finding = judge_add(judge, "requiretls-host-insecure", NULL, 0);
        judge_prove(judge, finding, "MX of %s: %s; %s", seen->domain,
                    dns_security_name(seen->mx_dnssec),
                    seen->sts == POLICY_STS_UNKNOWN ? "its MTA-STS policy was not looked up"
                    : seen->sts == POLICY_STS_NONE  ? "no MTA-STS policy"
                                                    : "its MTA-STS policy does not list the host");
    }
    if (!session.encrypted || session.after_tls_failed || session.offers_requiretls)
        return;
    finding = judge_add(judge, "requiretls-not-offered", NULL, 0);
    judge_prove(judge, finding, "EHLO inside TLS was answered without REQUIRETLS%s",
                seen->has_capabilities &&
                        (seen->capabilities.extensions & SMTP_EXTENSION_REQUIRETLS) != 0 &&
                        seen->has_capabilities_after_tls
                    ? "; before TLS it was there, where it does not count"
                    : "");
}

void judge_policy(struct judge *judge)
{
    if (judge->seen->reached <= STEP_CONNECT)
        return;
    judge_tlsa(judge);
    judge_fingerprint(judge);
    judge_sts(judge);
    judge_minimum_version(judge);
    judge_requiretls(judge);
}
