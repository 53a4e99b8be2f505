/* diagnose/judge_tlsa.c - TLSA records against what the host showed, and why they do not fit. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"
#include "trust/dane.h"

enum {
    RECORDS_SHOWN = 6,
    CERTIFICATES_TRIED = 4, /* each costs a parse; a stranger chose how many there are */
    BY_SHA256 = 1,
    BY_SHA512 = 2,
    RENEWED_LATELY_S = 30 * 86400,
};

static const char no_record[] = "3 1 1 (SHA-256 of the public key)";

static const struct certificate *leaf_of(const struct chain_verdict *verdict)
{
    return verdict->certificate_count > 0 && verdict->certificates[0].is_readable
               ? &verdict->certificates[0]
               : NULL;
}

/* The record that would match what the host shows: "3 1 1 HEX". */
static const char *fitting_record(struct judge *judge, const struct chain_verdict *verdict)
{
    const struct certificate *leaf = leaf_of(verdict);
    const char *record =
        leaf == NULL ? "" : dane_record_for(judge->arena, leaf->der, 3, 1, BY_SHA256);

    return *record == '\0' ? no_record : record;
}

/* "_25._tcp.mx.example.org": the name at which the host's records stand, or should. */
static const char *tlsa_name(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    bool has_base = seen != NULL && seen->tlsa_base != NULL;

    return arena_format(judge->arena, "_%u._tcp.%s",
                        seen == NULL || seen->port == 0 ? 25 : seen->port,
                        has_base ? text_printable(judge->arena, span_of(seen->tlsa_base), false)
                                 : judge->common[0].value);
}

static const char *record_text(struct judge *judge, size_t index)
{
    return text_printable(judge->arena, span_of(judge->seen->tlsa_records[index]), false);
}

static bool read_record(struct judge *judge, size_t index, struct dane_record *record)
{
    return dane_parse(judge->arena, span_of(judge->seen->tlsa_records[index]), record, NULL);
}

/* ---- records that nearly match -------------------------------------------------------------- */

/* What was meant with a record that has the right data under the wrong head. */
struct near_miss {
    size_t index;          /* of the record */
    const char *published; /* "3 0 1" */
    const char *what;      /* "the SHA-256 of the host's key" */
    const char *right;     /* "3 1 1 HEX" */
};

static const char *data_of(const char *record)
{
    for (int i = 0; i < 3 && record != NULL; i++)
        record = strchr(record, ' ') == NULL ? NULL : strchr(record, ' ') + 1;
    return record == NULL ? "" : record;
}

static bool has_head(const struct dane_record *record, uint8_t usage, uint8_t selector,
                     uint8_t matching)
{
    return record->usage == usage && record->selector == selector && record->matching == matching;
}

/* One certificate by one digest of one of its parts, against all records. */
static bool find_near(struct judge *judge, size_t sent, uint8_t selector, uint8_t matching,
                      struct near_miss *near)
{
    const struct certificate *certificate = &judge->seen->verdict.certificates[sent];
    uint8_t usage = sent == 0 ? 3 : 2;
    const char *right = dane_record_for(judge->arena, certificate->der, usage, selector, matching);
    struct dane_record record;

    if (*right == '\0')
        return false;
    for (size_t i = 0; i < judge->seen->tlsa_count; i++) {
        if (strcmp(data_of(judge->seen->tlsa_records[i]), data_of(right)) != 0 ||
            !read_record(judge, i, &record) || has_head(&record, usage, selector, matching))
            continue;
        *near = (struct near_miss){
            .index = i,
            .published = arena_format(judge->arena, "%u %u %u", record.usage, record.selector,
                                      record.matching),
            .what = arena_format(
                judge->arena, "the %s of the %s of %s",
                matching == BY_SHA256 ? "SHA-256" : "SHA-512",
                selector == 0 ? "whole certificate" : "key",
                sent == 0
                    ? "the host itself"
                    : text_printable_again(judge->arena, span_of(certificate->subject), false)),
            .right = right,
        };
        return true;
    }
    return false;
}

static bool find_near_miss(struct judge *judge, struct near_miss *near)
{
    const struct chain_verdict *verdict = &judge->seen->verdict;

    for (size_t sent = 0; sent < verdict->certificate_count && sent < CERTIFICATES_TRIED; sent++)
        for (uint8_t selector = 0; selector <= 1; selector++)
            for (unsigned matching = BY_SHA256; matching <= BY_SHA512; matching++)
                if (verdict->certificates[sent].is_readable &&
                    find_near(judge, sent, selector, (uint8_t)matching, near))
                    return true;
    return false;
}

static void tell_near_miss(struct judge *judge, struct finding *finding,
                           const struct near_miss *near)
{
    const char *number = arena_format(judge->arena, "%zu", near->index + 1);

    judge_prove(judge, finding, "record %s is %s: as %.5s it would match", number, near->what,
                near->right);
    JUDGE_REWORD(judge, finding, "tlsa-wrong-head", { "number", number }, { "what", near->what },
                 { "head", arena_format(judge->arena, "%.5s", near->right) },
                 { "published", near->published }, { "record", near->right },
                 { "tlsa_name", tlsa_name(judge) });
}

/* ---- no record matches ---------------------------------------------------------------------- */

/* With usage 2 among them: the record of the authority that is sent and stands highest. */
static const char *fitting_authority(struct judge *judge)
{
    const struct chain_verdict *verdict = &judge->seen->verdict;
    struct dane_record record;

    for (size_t i = 0; i < judge->seen->tlsa_count && i < RECORDS_SHOWN; i++) {
        if (!read_record(judge, i, &record) || record.usage != 2)
            continue;
        for (size_t k = verdict->certificate_count; k-- > 1;)
            if (verdict->certificates[k].is_readable && verdict->certificates[k].is_ca)
                return dane_record_for(judge->arena, verdict->certificates[k].der, 2, 0, BY_SHA256);
    }
    return "";
}

/* A record is of an authority above the certificate, and what hangs below that does not hold. */
static bool has_flaw_below(const struct chain_verdict *verdict)
{
    return verdict->tlsa_detail != NULL && *verdict->tlsa_detail != '\0';
}

static void prove_records(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;
    const char *authority = fitting_authority(judge);

    for (size_t i = 0; i < seen->tlsa_count && i < RECORDS_SHOWN; i++)
        judge_prove(judge, finding, "published: %s", record_text(judge, i));
    if (leaf_of(&seen->verdict) != NULL)
        judge_prove(judge, finding, "would match: %s", fitting_record(judge, &seen->verdict));
    if (*authority != '\0' && !has_flaw_below(&seen->verdict))
        judge_prove(judge, finding, "would match: %s", authority);
}

/* Which flaw below an authority that a record does match keeps it from counting, and so is the cause; NULL.
 * RFC 7671 section 5.2 */
static const char *flaw_below(const struct chain_verdict *verdict, bool is_named)
{
    if (!has_flaw_below(verdict))
        return NULL;
    if (chain_has(verdict, CHAIN_EXPIRED))
        return "certificate-expired";
    if (chain_has(verdict, CHAIN_NOT_YET_VALID))
        return "certificate-not-yet-valid";
    if (is_named)
        return NULL;
    if (chain_has(verdict, CHAIN_NAME_ONLY_IN_CN))
        return "certificate-name-only-in-cn";
    return "certificate-name-mismatch";
}

static struct finding *add_mismatch(struct judge *judge, size_t count, const char *record)
{
    const char *records = count == 1
                              ? "The TLSA record"
                              : arena_format(judge->arena, "None of the %zu TLSA records", count);

    return JUDGE_ADD(judge, "tlsa-mismatch", { "records", records },
                     { "match", count == 1 ? "does not match" : "matches" }, { "record", record },
                     { "tlsa_name", tlsa_name(judge) });
}

/* Whether the key that the host had when mail last went there is the one that is published. */
static bool matched_before(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct dane_record record;

    for (size_t i = 0; seen->known_key_sha256 != NULL && i < seen->tlsa_count; i++)
        if (read_record(judge, i, &record) && has_head(&record, 3, 1, BY_SHA256) &&
            span_equal_nocase(span_of(data_of(seen->tlsa_records[i])),
                              span_of(seen->known_key_sha256)))
            return true;
    return false;
}

/* Was it renewed, and the record forgotten? */
static void tell_renewal(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;
    const struct certificate *leaf = leaf_of(&seen->verdict);
    int64_t age_s = leaf == NULL ? -1 : seen->wall_s - leaf->not_before_s;
    const char *date, *name = tlsa_name(judge);

    if (matched_before(judge)) {
        date = text_date(judge->arena, seen->known_key_s);
        judge_prove(judge, finding,
                    "the key of %s, when mail last went there, matches what is "
                    "published",
                    date);
        JUDGE_REWORD(judge, finding, "tlsa-key-changed", { "date", date },
                     { "record", fitting_record(judge, &seen->verdict) }, { "tlsa_name", name });
        return;
    }
    if (age_s < 0)
        return;
    date = text_date(judge->arena, leaf->not_before_s);
    judge_prove(judge, finding, "the certificate began on %s, %lld days before", date,
                (long long)(age_s / 86400));
    if (age_s < RENEWED_LATELY_S)
        JUDGE_REWORD(judge, finding, "tlsa-renewed-lately", { "date", date },
                     { "record", fitting_record(judge, &seen->verdict) }, { "tlsa_name", name });
}

static void prove_pkix(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;
    bool would_pass = seen->verdict.is_trusted && seen->host_named;

    judge_prove(judge, finding, "PKIX would %s: the chain is %s and the certificate %s the host",
                would_pass ? "pass" : "fail too",
                seen->verdict.is_trusted ? "trusted" : "not trusted",
                seen->host_named ? "names" : "does not name");
}

/* The record is right, and another one would only hide what is not. */
static void tell_flaw_below(struct judge *judge, struct finding *finding,
                            const struct chain_verdict *verdict)
{
    judge_prove(judge, finding, "%s", verdict->tlsa_detail);
    judge_reword(judge, finding, "tlsa-flaw-below", NULL, 0);
}

static void judge_mismatch(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding =
        add_mismatch(judge, seen->tlsa_count, fitting_record(judge, &seen->verdict));
    struct near_miss near;

    prove_records(judge, finding);
    prove_pkix(judge, finding);
    finding->because_of = flaw_below(&seen->verdict, seen->host_named);
    if (has_flaw_below(&seen->verdict))
        tell_flaw_below(judge, finding, &seen->verdict);
    else if (find_near_miss(judge, &near))
        tell_near_miss(judge, finding, &near);
    else
        tell_renewal(judge, finding);
}

/* ---- a chain alone -------------------------------------------------------------------------- */

void judge_tlsa_alone(struct judge *judge, const struct chain_verdict *verdict)
{
    const char *record = fitting_record(judge, verdict);
    const char *detail = verdict->tlsa_detail == NULL ? "" : verdict->tlsa_detail;
    struct finding *finding = NULL;

    if (verdict->tlsa == CHAIN_TLSA_MISMATCH) {
        finding = add_mismatch(judge, verdict->tlsa_count, record);
        finding->because_of = flaw_below(verdict, verdict->name_matched);
        judge_prove(judge, finding, "would match: %s", record);
        if (has_flaw_below(verdict))
            tell_flaw_below(judge, finding, verdict);
    } else if (verdict->tlsa == CHAIN_TLSA_UNUSABLE) {
        finding = JUDGE_ADD(judge, "tlsa-unusable", { "why", detail }, { "record", record },
                            { "tlsa_name", tlsa_name(judge) });
        if (*detail != '\0')
            judge_prove(judge, finding, "%s", detail);
    }
}

/* ---- no record counts ----------------------------------------------------------------------- */

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

static void judge_unusable(struct judge *judge)
{
    struct finding *finding = JUDGE_ADD(judge, "tlsa-unusable", { "why", why_unusable(judge) },
                                        { "record", fitting_record(judge, &judge->seen->verdict) },
                                        { "tlsa_name", tlsa_name(judge) });
    struct near_miss near;

    prove_records(judge, finding);
    if (finding->evidence_count == 0)
        judge_prove(judge, finding, "the TLSA answer held no usable record");
    if (judge->seen->has_verdict && find_near_miss(judge, &near))
        judge_prove(judge, finding, "record %zu is %s: as %.5s it would match", near.index + 1,
                    near.what, near.right);
}

static void judge_lookup(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding =
        JUDGE_ADD(judge, "tlsa-lookup-failed", { "tlsa_name", tlsa_name(judge) });

    if (seen->tlsa_failure != NULL)
        judge_prove(judge, finding, "%s",
                    text_printable(judge->arena, span_of(seen->tlsa_failure), false));
    else
        judge_prove(judge, finding, "%s TLSA: no answer that could be validated", tlsa_name(judge));
    judge_prove(judge, finding, "addresses of %s: %s", judge->common[0].value,
                dns_security_name(seen->dnssec));
}

static bool is_mx_insecure(const struct observation *seen)
{
    return seen->has_lookups && seen->mx_dnssec != DNS_SECURE;
}

static const char *why_no_dane(struct judge *judge)
{
    const struct observation *seen = judge->seen;

    switch (seen->tlsa) {
    case POLICY_TLSA_NONE:
        if (seen->tlsa_failure != NULL) /* there is something, and it counts for nothing */
            return text_printable(judge->arena, span_of(seen->tlsa_failure), false);
        return seen->dnssec == DNS_SECURE ? "its zone is signed and has none"
                                          : "its zone is not signed, so none can count";
    case POLICY_TLSA_UNUSABLE: return "those published are unusable";
    case POLICY_TLSA_LOOKUP_FAILED: return "looking it up failed";
    case POLICY_TLSA_USABLE:
        return "it has one, but the MX record that names it is not signed and may be anybody's";
    case POLICY_TLSA_NOT_ASKED: break;
    }
    return "none was looked up";
}

/* Where the rule asks for DANE, what was meant to be DANE and is none is no mere warning. */
static enum severity flaw_severity(enum policy_level level)
{
    return level == POLICY_DANE || level == POLICY_DANE_ONLY ? SEVERITY_UNTRUSTED
                                                             : SEVERITY_WARNING;
}

/* RFC 7672 section 2.2.3: such records count as none, which somebody who published them will not know. */
static const char *judge_flaw(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct observed_tlsa_flaw *flaw = &seen->tlsa_flaw;
    const char *code = flaw->kind == TLSA_FLAW_DANGLING ? "tlsa-dangling" : "tlsa-insecure";
    bool is_alias = flaw->alias != NULL;
    const char *name = flaw->name == NULL
                           ? tlsa_name(judge)
                           : text_printable(judge->arena, span_of(flaw->name), false);
    const char *alias =
        is_alias ? text_printable(judge->arena, span_of(flaw->alias), false) : "another name";
    struct finding *finding;

    if (flaw->kind == TLSA_FLAW_NONE)
        return NULL;
    finding = JUDGE_ADD(judge, code, { "tlsa_name", name }, { "alias", alias },
                        { "record", fitting_record(judge, &seen->verdict) });
    if (flaw->kind == TLSA_FLAW_INSECURE && !is_alias)
        JUDGE_REWORD(judge, finding, "tlsa-insecure-zone", { "tlsa_name", name });
    finding->severity = flaw_severity(seen->level);
    judge_prove(judge, finding, "%s",
                seen->tlsa_failure == NULL
                    ? arena_format(judge->arena, "%s TLSA: none that counts", name)
                    : text_printable(judge->arena, span_of(seen->tlsa_failure), false));
    judge_prove(judge, finding, "addresses of %s: %s", judge->common[0].value,
                dns_security_name(seen->dnssec));
    return code;
}

static void judge_required(struct judge *judge, const char *because_of)
{
    const struct observation *seen = judge->seen;
    struct finding *finding = JUDGE_ADD(judge, "dane-required", { "why", why_no_dane(judge) },
                                        { "record", fitting_record(judge, &seen->verdict) },
                                        { "tlsa_name", tlsa_name(judge) });

    finding->because_of = because_of;
    judge_prove(judge, finding, "level: dane-only");
    judge_prove(judge, finding, "TLSA of %s: %s; its addresses: %s", judge->common[0].value,
                why_no_dane(judge), dns_security_name(seen->dnssec));
    if (seen->tlsa_failure != NULL && seen->tlsa != POLICY_TLSA_NONE) /* else it was just said */
        judge_prove(judge, finding, "%s",
                    text_printable(judge->arena, span_of(seen->tlsa_failure), false));
    if (seen->has_lookups)
        judge_prove(judge, finding, "the MX answer: %s", dns_security_name(seen->mx_dnssec));
}

/* RFC 7672 section 2.2.1 */
static void judge_insecure_mx(struct judge *judge)
{
    struct finding *finding = judge_add(judge, "dane-mx-insecure", NULL, 0);

    if (judge->seen->level == POLICY_DANE_ONLY)
        finding->severity = SEVERITY_UNTRUSTED;
    judge_prove(judge, finding, "the MX answer of %s: %s",
                text_printable(judge->arena, span_of(judge->seen->domain), false),
                dns_security_name(judge->seen->mx_dnssec));
    judge_prove(judge, finding, "%s TLSA: secure", tlsa_name(judge));
}

void judge_tlsa(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *because_of = NULL;

    switch (seen->tlsa) {
    case POLICY_TLSA_USABLE:
        if (seen->has_verdict && seen->verdict.tlsa == CHAIN_TLSA_MISMATCH)
            judge_mismatch(judge);
        if (!is_mx_insecure(seen))
            return;
        judge_insecure_mx(judge);
        because_of = "dane-mx-insecure";
        break;
    case POLICY_TLSA_UNUSABLE:
        judge_unusable(judge);
        because_of = "tlsa-unusable";
        break;
    case POLICY_TLSA_LOOKUP_FAILED:
        judge_lookup(judge);
        because_of = "tlsa-lookup-failed";
        break;
    case POLICY_TLSA_NONE: because_of = judge_flaw(judge); break;
    case POLICY_TLSA_NOT_ASKED: break;
    }
    if (seen->level == POLICY_DANE_ONLY)
        judge_required(judge, because_of);
}
