/* diagnose/judge_policy.c - what was published or pinned for the host, against what it showed. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"
#include "trust/dane.h"

static const struct certificate *leaf_of(const struct observation *seen)
{
    return seen->has_verdict && seen->verdict.certificate_count > 0 ? &seen->verdict.certificates[0]
                                                                    : NULL;
}

/* The record that would match what the host shows: "3 1 1 HEX". */
static const char *fitting_record(struct judge *judge)
{
    const struct certificate *leaf = leaf_of(judge->seen);
    const char *record = leaf == NULL || !leaf->is_readable
                             ? NULL
                             : dane_record_for(judge->arena, leaf->der, 3, 1, 1);

    return record == NULL ? "3 1 1 (SHA-256 of the public key)" : record;
}

static const char *record_text(struct judge *judge, size_t index)
{
    return text_printable(judge->arena, span_of(judge->seen->tlsa_records[index]), false);
}

static void prove_records(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;

    for (size_t i = 0; i < seen->tlsa_count && i < 6; i++)
        judge_prove(judge, finding, "published: %s", record_text(judge, i));
    if (leaf_of(seen) != NULL)
        judge_prove(judge, finding, "would match: %s", fitting_record(judge));
}

/* A record of usage 2 may name an authority of the chain rightly while the leaf below it has
 * another flaw, which then is the cause: RFC 7671 section 5.2. */
static const char *flaw_below_anchor(struct judge *judge)
{
    const struct chain_verdict *verdict = &judge->seen->verdict;
    struct dane_record record;

    for (size_t i = 0; i < judge->seen->tlsa_count; i++) {
        if (!dane_parse(judge->arena, span_of(judge->seen->tlsa_records[i]), &record, NULL) ||
            record.usage != 2)
            continue;
        for (size_t j = 1; j < verdict->certificate_count; j++) {
            if (!verdict->certificates[j].is_readable ||
                !dane_match(&record, verdict->certificates[j].der))
                continue;
            if (chain_has(verdict, CHAIN_EXPIRED))
                return "certificate-expired";
            if (chain_has(verdict, CHAIN_NOT_YET_VALID))
                return "certificate-not-yet-valid";
            if (!judge->seen->host_named)
                return chain_has(verdict, CHAIN_NAME_ONLY_IN_CN) ? "certificate-name-only-in-cn"
                                                                 : "certificate-name-mismatch";
        }
    }
    return NULL;
}

static struct finding *add_mismatch(struct judge *judge, size_t count, const char *record)
{
    const char *records = count == 1
                              ? "The TLSA record"
                              : arena_format(judge->arena, "None of the %zu TLSA records", count);

    return JUDGE_ADD(judge, "tlsa-mismatch", { "records", records },
                     { "match", count == 1 ? "does not match" : "matches" }, { "record", record });
}

static void judge_tlsa_mismatch(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding = add_mismatch(judge, seen->tlsa_count, fitting_record(judge));

    prove_records(judge, finding);
    judge_prove(judge, finding, "PKIX: the chain is %s and the certificate %s the host",
                seen->verdict.is_trusted ? "trusted" : "not trusted",
                seen->host_named ? "names" : "does not name");
    finding->because_of = flaw_below_anchor(judge);
}

/* Which flaw below an authority that a record does match keeps it from counting; NULL. */
static const char *flaw_below(const struct chain_verdict *verdict)
{
    if (verdict->tlsa_detail == NULL || *verdict->tlsa_detail == '\0')
        return NULL;
    if (chain_has(verdict, CHAIN_EXPIRED))
        return "certificate-expired";
    if (chain_has(verdict, CHAIN_NOT_YET_VALID))
        return "certificate-not-yet-valid";
    if (chain_has(verdict, CHAIN_NAME_ONLY_IN_CN))
        return "certificate-name-only-in-cn";
    return chain_has(verdict, CHAIN_NAME_MISMATCH) ? "certificate-name-mismatch" : NULL;
}

void judge_tlsa_alone(struct judge *judge, const struct chain_verdict *verdict)
{
    const char *record = "3 1 1 (SHA-256 of the public key)";
    const char *detail = verdict->tlsa_detail == NULL ? "" : verdict->tlsa_detail;
    struct finding *finding = NULL;

    if (verdict->certificate_count > 0 && verdict->certificates[0].is_readable)
        record = dane_record_for(judge->arena, verdict->certificates[0].der, 3, 1, 1);
    if (verdict->tlsa == CHAIN_TLSA_MISMATCH) {
        finding = add_mismatch(judge, verdict->tlsa_count, record);
        finding->because_of = flaw_below(verdict);
        judge_prove(judge, finding, "would match: %s", record);
    } else if (verdict->tlsa == CHAIN_TLSA_UNUSABLE) {
        finding = JUDGE_ADD(judge, "tlsa-unusable", { "why", detail }, { "record", record });
    }
    if (finding != NULL && *detail != '\0')
        judge_prove(judge, finding, "%s", detail);
}

static const char *why_unusable(struct judge *judge)
{
    struct dane_record record;
    struct error err;

    for (size_t i = 0; i < judge->seen->tlsa_count; i++) {
        if (!dane_parse(judge->arena, span_of(judge->seen->tlsa_records[i]), &record, &err))
            return text_printable(judge->arena, span_of(err.text), false);
        if (dane_usability(&record) != DANE_USABLE)
            return dane_usability_text(dane_usability(&record));
    }
    return "no usage of them is for mail";
}

static void judge_tlsa_unusable(struct judge *judge)
{
    struct finding *finding = JUDGE_ADD(judge, "tlsa-unusable", { "why", why_unusable(judge) },
                                        { "record", fitting_record(judge) });

    prove_records(judge, finding);
    if (finding->evidence_count == 0)
        judge_prove(judge, finding, "the TLSA answer held no usable record");
}

static void judge_tlsa_lookup(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding = judge_add(judge, "tlsa-lookup-failed", NULL, 0);

    judge_prove(judge, finding, "addresses of %s: %s", judge->common[0].value,
                dns_security_name(seen->dnssec));
    judge_prove(judge, finding, "_%u._tcp.%s TLSA: no answer that could be validated", seen->port,
                judge->common[0].value);
}

static const char *why_no_dane(const struct observation *seen)
{
    switch (seen->tlsa) {
    case POLICY_TLSA_NONE:
        return seen->dnssec == DNS_SECURE ? "its zone is signed and has none"
                                          : "its zone is not signed, so none can count";
    case POLICY_TLSA_UNUSABLE: return "those published are unusable";
    case POLICY_TLSA_LOOKUP_FAILED: return "looking it up failed";
    case POLICY_TLSA_NOT_ASKED:
    case POLICY_TLSA_USABLE: break;
    }
    return "none was looked up";
}

static void judge_dane_required(struct judge *judge, const char *because_of)
{
    const struct observation *seen = judge->seen;
    struct finding *finding = JUDGE_ADD(judge, "dane-required", { "why", why_no_dane(seen) },
                                        { "record", fitting_record(judge) });

    finding->because_of = because_of;
    judge_prove(judge, finding, "level: dane-only");
    judge_prove(judge, finding, "TLSA of %s: %s; its addresses: %s", judge->common[0].value,
                why_no_dane(seen), dns_security_name(seen->dnssec));
}

static void judge_tlsa(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *because_of = NULL;

    switch (seen->tlsa) {
    case POLICY_TLSA_USABLE:
        if (seen->has_verdict && seen->verdict.tlsa == CHAIN_TLSA_MISMATCH)
            judge_tlsa_mismatch(judge);
        return;
    case POLICY_TLSA_UNUSABLE:
        judge_tlsa_unusable(judge);
        because_of = "tlsa-unusable";
        break;
    case POLICY_TLSA_LOOKUP_FAILED:
        judge_tlsa_lookup(judge);
        because_of = "tlsa-lookup-failed";
        break;
    case POLICY_TLSA_NOT_ASKED:
    case POLICY_TLSA_NONE: break;
    }
    if (seen->level == POLICY_DANE_ONLY)
        judge_dane_required(judge, because_of);
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

void judge_policy(struct judge *judge)
{
    if (judge->seen->reached <= STEP_CONNECT)
        return;
    judge_tlsa(judge);
    judge_fingerprint(judge);
    judge_sts(judge);
    judge_minimum_version(judge);
}
