/* diagnose/judge_publication.c - what is missing, stale, or breaks after the next renewal of what we publish. */
#include "diagnose/publication.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/judge.h"
#include "diagnose/judge_parts.h"
#include "trust/publish.h"

enum { NAMED_MOST = 4, TLSA_NAME = 4 };

static bool is_told(enum dns_outcome outcome)
{
    return outcome == DNS_ANSWERED || outcome == DNS_NO_DATA || outcome == DNS_NXDOMAIN;
}

static const char *safe(struct judge *judge, const char *text)
{
    return text_printable_again(judge->arena, span_of(text), false);
}

/* "a", "a, b", "a, b and 3 more" with one more than `before`. */
static const char *add_name(struct judge *judge, const char *list, size_t before, const char *name)
{
    if (before >= NAMED_MOST)
        return list;
    return arena_format(judge->arena, "%s%s%s", list, before == 0 ? "" : ", ", safe(judge, name));
}

static const char *end_names(struct judge *judge, const char *list, size_t count)
{
    if (count <= NAMED_MOST)
        return list;
    return arena_format(judge->arena, "%s and %zu more", list, count - NAMED_MOST);
}

/* ---- MX ---- */

static void prove_mail_host(struct judge *judge, struct finding *finding,
                            const struct publication_host *host)
{
    if (host->preference < 0)
        judge_prove(judge, finding, "no MX record: %s stands for itself", safe(judge, host->name));
    else
        judge_prove(judge, finding, "MX %d %s", host->preference, safe(judge, host->name));
}

static void judge_mx(struct judge *judge, const struct publication *publication)
{
    const char *hosts = "";
    struct finding *finding;
    size_t count = 0;

    for (size_t i = 0; i < publication->host_count; i++) {
        if (!publication->hosts[i].is_mail_host)
            continue;
        if (publication->hosts[i].is_ours)
            return;
        hosts = add_name(judge, hosts, count++, publication->hosts[i].name);
    }
    if (count == 0)
        return;
    finding = JUDGE_ADD(judge, "publish-mx-elsewhere", { "hosts", end_names(judge, hosts, count) });
    for (size_t i = 0; i < publication->host_count; i++)
        if (publication->hosts[i].is_mail_host)
            prove_mail_host(judge, finding, &publication->hosts[i]);
}

/* ---- TLSA ---- */

static const char *present_record(struct judge *judge, const struct publication_shown *shown)
{
    struct dane_record record = publish_tlsa(judge->arena, shown->certificate->key);

    return dane_format(judge->arena, &record);
}

static void prove_live(struct judge *judge, struct finding *finding,
                       const struct publication_host *host)
{
    for (size_t i = 0; i < host->live_count && i < 6; i++)
        judge_prove(judge, finding, "live, %s: %s", publication_use_name(host->live[i].use),
                    dane_format(judge->arena, &host->live[i].record));
}

static void prove_lookup(struct judge *judge, struct finding *finding,
                         const struct publication_host *host)
{
    judge_prove(judge, finding, "%s TLSA: %zu records, %s", safe(judge, host->tlsa_name),
                host->live_count, dns_security_name(host->lookup.security));
}

/* A validating sender cannot get at the records, and waits: RFC 7672 section 2.1.2. */
static void judge_failed_lookup(struct judge *judge, const struct publication_host *host)
{
    static const char *const words[] = { [DNS_SERVFAIL] = "the servers answer with an error",
                                         [DNS_TIMEOUT] = "no answer in time",
                                         [DNS_BOGUS] = "bogus" };
    const char *name = safe(judge, host->tlsa_name);
    struct finding *finding = judge_add(judge, "tlsa-lookup-failed", NULL, 0);

    judge_prove(judge, finding, "%s TLSA: %s%s%s", name, words[host->lookup.outcome],
                host->lookup.why_bogus == NULL ? "" : "; ",
                host->lookup.why_bogus == NULL ? "" : safe(judge, host->lookup.why_bogus));
    if (host->lookup.resolver_is_silent)
        judge_prove(judge, finding, "our resolver did not even answer for the root");
}

static void judge_unsigned_host(struct judge *judge, const struct publication_host *host)
{
    struct finding *finding =
        JUDGE_ADD(judge, "publish-zone-unsigned", { "zone", judge->common[1].value });

    prove_lookup(judge, finding, host);
    if (host->live_count > 0) {
        prove_live(judge, finding, host);
        return;
    }
    finding->severity = SEVERITY_NOTICE;
    judge_reword(judge, finding, "publish-zone-unsigned-empty",
                 &(const struct catalogue_value){ "zone", judge->common[1].value }, 1);
}

/* RFC 7672 section 2.2.1: who cannot be sure of the MX records has no use for those of the host. */
static void judge_unsigned_mx(struct judge *judge, const struct publication *publication,
                              const struct publication_host *host)
{
    const struct catalogue_value zone = { "zone", judge->common[0].value };
    struct finding *finding;

    if (publication->route == NULL || publication->route->mx_security != DNS_INSECURE ||
        host->preference < 0)
        return;
    finding = judge_add(judge, "publish-zone-unsigned", &zone, 1);
    judge_reword(judge, finding, "publish-zone-unsigned-mx", &zone, 1);
    if (host->live_count == 0)
        finding->severity = SEVERITY_NOTICE;
    judge_prove(judge, finding, "%s MX: insecure; %s: secure", judge->common[0].value,
                judge->common[1].value);
}

static void judge_missing(struct judge *judge, const struct publication_host *host)
{
    struct finding *finding = JUDGE_ADD(judge, "publish-tlsa-missing",
                                        { "record", present_record(judge, &host->shown[0]) });

    prove_lookup(judge, finding, host);
    for (size_t i = 0; i < host->wanted_count && i < 6; i++)
        judge_prove(judge, finding, "called for by %s: %s", safe(judge, host->wanted[i].file),
                    dane_format(judge->arena, &host->wanted[i].record));
}

static void judge_unusable(struct judge *judge, const struct publication_host *host)
{
    const char *record = present_record(judge, &host->shown[0]);
    const char *why = dane_usability_text(dane_usability(&host->live[0].record));
    struct finding *finding = JUDGE_ADD(judge, "publish-tlsa-missing", { "record", record });

    JUDGE_REWORD(judge, finding, "publish-tlsa-unusable", { "why", why }, { "record", record });
    prove_live(judge, finding, host);
}

static void judge_stale(struct judge *judge, const struct publication_host *host,
                        const struct publication_shown *shown)
{
    const char *record = present_record(judge, shown);
    bool is_one = host->live_count == 1;
    struct finding *finding = JUDGE_ADD(
        judge, "publish-tlsa-stale",
        { "records", is_one ? "The live TLSA record"
                            : arena_format(judge->arena, "None of the %zu live TLSA records",
                                           host->live_count) },
        { "match", is_one ? "does not match" : "matches" },
        { "file", safe(judge, shown->certificate->file) }, { "record", record });

    prove_live(judge, finding, host);
    judge_prove(judge, finding, "would match: %s", record);
    if (shown->dane.tlsa_detail != NULL && *shown->dane.tlsa_detail != '\0')
        judge_prove(judge, finding, "%s", shown->dane.tlsa_detail);
    judge_prove(judge, finding, "the certificate is of %s; by PKIX it is %s and %s %s",
                text_date(judge->arena, shown->certificate->leaf.not_before_s),
                shown->pkix.is_trusted ? "trusted" : "not trusted",
                shown->pkix.name_matched ? "names" : "does not name", judge->common[1].value);
}

static void judge_leftovers(struct judge *judge, const struct publication_host *host)
{
    struct finding *finding;
    size_t count = 0;

    for (size_t i = 0; i < host->live_count; i++)
        count += host->live[i].use == PUBLICATION_STALE;
    if (count == 0)
        return;
    finding = JUDGE_ADD(judge, "publish-tlsa-leftover",
                        { "records", arena_format(judge->arena, "%zu of the %zu live TLSA records",
                                                  count, host->live_count) },
                        { "stand", count == 1 ? "stands" : "stand" });
    for (size_t i = 0; i < host->live_count; i++)
        if (host->live[i].use == PUBLICATION_STALE)
            judge_prove(judge, finding, "live, stale: %s",
                        dane_format(judge->arena, &host->live[i].record));
}

static void judge_renewal(struct judge *judge, const struct publication_host *host,
                          const struct publication_shown *shown)
{
    const struct publication_certificate *one = shown->certificate;
    bool has_next = one->next_key.len > 0;
    struct dane_record next = publish_tlsa(judge->arena, has_next ? one->next_key : one->key);
    const struct catalogue_value values[] = {
        { "file", safe(judge, one->file) },
        { "date", text_date(judge->arena, one->leaf.not_after_s) },
        { "next", has_next ? safe(judge, one->next_file) : "" },
        { "record", dane_format(judge->arena, &next) },
    };
    struct finding *finding;

    if (has_next ? shown->next_survives : shown->outlives_renewal) {
        if (has_next)
            return;
        finding = judge_add(judge, "publish-next-key-unknown", values, ARRAY_SIZE(values));
    } else {
        finding = judge_add(judge, "publish-tlsa-breaks-at-renewal", values, ARRAY_SIZE(values));
        if (!has_next)
            judge_reword(judge, finding, "publish-renewal-certificate", values, ARRAY_SIZE(values));
    }
    prove_live(judge, finding, host);
    if (has_next)
        judge_prove(judge, finding, "called for by %s: %s", values[2].value, values[3].value);
    judge_prove(judge, finding, "%s ends on %s", values[0].value, values[1].value);
}

static void judge_signed_host(struct judge *judge, const struct publication_host *host)
{
    bool is_sound = true;

    if (host->live_count == 0) {
        judge_missing(judge, host);
        return;
    }
    for (size_t i = 0; i < host->shown_count; i++) {
        const struct publication_shown *shown = &host->shown[i];

        if (shown->dane.tlsa == CHAIN_TLSA_UNUSABLE) {
            judge_unusable(judge, host);
            return; /* whatever the certificate */
        }
        is_sound = is_sound && shown->dane.tlsa == CHAIN_TLSA_MATCHED;
        if (shown->dane.tlsa == CHAIN_TLSA_MISMATCH)
            judge_stale(judge, host, shown);
        else
            judge_renewal(judge, host, shown);
    }
    if (is_sound)
        judge_leftovers(judge, host);
}

static void judge_host(struct judge *judge, const struct publication *publication,
                       const struct publication_host *host)
{
    if (!host->was_looked_up || host->shown_count == 0)
        return;
    if (!is_told(host->lookup.outcome)) {
        if (host->security == DNS_SECURE) /* else nobody asks */
            judge_failed_lookup(judge, host);
    } else if (host->lookup.security != DNS_SECURE) {
        judge_unsigned_host(judge, host);
    } else {
        judge_unsigned_mx(judge, publication, host);
        judge_signed_host(judge, host);
    }
}

/* ---- MTA-STS ---- */

/* At mode testing senders only report; RFC 8461 section 5. */
static enum severity severity_at(enum mta_sts_mode mode)
{
    return mode == MTA_STS_MODE_ENFORCE ? SEVERITY_UNTRUSTED : SEVERITY_WARNING;
}

static void judge_unlisted(struct judge *judge, const struct publication *publication)
{
    const char *hosts = "";
    struct finding *finding;
    size_t count = 0;

    if (publication->policy.mode == MTA_STS_MODE_NONE)
        return;
    for (size_t i = 0; i < publication->host_count; i++)
        if (publication->hosts[i].is_mail_host &&
            !mta_sts_policy_lists(&publication->policy, publication->hosts[i].name))
            hosts = add_name(judge, hosts, count++, publication->hosts[i].name);
    if (count == 0)
        return;
    finding =
        JUDGE_ADD(judge, "publish-sts-mx-unlisted", { "hosts", end_names(judge, hosts, count) });
    finding->severity = severity_at(publication->policy.mode);
    for (size_t i = 0; i < publication->policy.mx_count && i < 6; i++)
        judge_prove(judge, finding, "called for: mx: %s", publication->policy.mx[i]);
}

static const struct finding *first_that_counts(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity >= SEVERITY_UNTRUSTED)
            return &findings->items[i];
    return NULL;
}

static void judge_certificate_of(struct judge *judge, const struct publication_shown *shown,
                                 enum mta_sts_mode mode)
{
    const struct finding *flaw = first_that_counts(&shown->flaws);
    struct finding *finding;

    if (flaw == NULL)
        return;
    finding = JUDGE_ADD(judge, "publish-sts-certificate", { "mode", mta_sts_mode_name(mode) },
                        { "file", safe(judge, shown->certificate->file) }, { "why", flaw->cause },
                        { "remedy", flaw->remedy });
    finding->severity = severity_at(mode);
    for (size_t i = 0; i < shown->flaws.count; i++)
        judge_prove(judge, finding, "%s: %s", shown->flaws.items[i].code,
                    shown->flaws.items[i].cause);
}

/* Nobody is kept away yet, and soon everybody who looks at dates is. */
static void judge_end_of(struct judge *judge, const struct publication_shown *shown)
{
    const struct finding *soon = findings_find(&shown->flaws, "certificate-expires-soon");

    if (soon != NULL && judge->findings->count < FINDINGS_MOST)
        judge->findings->items[judge->findings->count++] = *soon;
}

static void judge_no_certificate(struct judge *judge, enum mta_sts_mode mode)
{
    const struct catalogue_value values[] = {
        { "mode", mta_sts_mode_name(mode) }, { "file", "" }, { "why", "" }, { "remedy", "" }
    };
    struct finding *finding =
        judge_add(judge, "publish-sts-certificate", values, ARRAY_SIZE(values));

    judge_reword(judge, finding, "publish-sts-no-certificate", values, ARRAY_SIZE(values));
    finding->severity = severity_at(mode);
    judge_prove(judge, finding, "the settings have no listener with STARTTLS and a certificate");
}

static const char *policy_hosts(struct judge *judge, const struct mta_sts_policy *policy)
{
    const char *hosts = "";

    for (size_t i = 0; i < policy->mx_count; i++)
        hosts = add_name(judge, hosts, i, policy->mx[i]);
    return policy->mx_count == 0 ? "no host" : end_names(judge, hosts, policy->mx_count);
}

/* "its mode is testing, not enforce; it lists a, not a, b" */
static const char *differences(struct judge *judge, const struct mta_sts_policy *live,
                               const struct mta_sts_policy *wanted)
{
    struct mta_sts_policy hosts = *live;
    const char *list = "";

    hosts.mode = wanted->mode;
    hosts.max_age_s = wanted->max_age_s;
    if (live->mode != wanted->mode)
        list = arena_format(judge->arena, "; its mode is %s, not %s", mta_sts_mode_name(live->mode),
                            mta_sts_mode_name(wanted->mode));
    if (live->max_age_s != wanted->max_age_s)
        list = arena_format(judge->arena, "%s; its max_age is %lld, not %lld", list,
                            (long long)live->max_age_s, (long long)wanted->max_age_s);
    if (!publish_policy_equal(&hosts, wanted))
        list = arena_format(judge->arena, "%s; it lists %s, not %s", list,
                            policy_hosts(judge, live), policy_hosts(judge, wanted));
    return *list == '\0' ? list : list + 2;
}

/* A policy that is live keeps mail away already, whatever the settings call for. */
static void prove_passed_over(struct judge *judge, struct finding *finding,
                              const struct publication *publication,
                              const struct mta_sts_policy *live)
{
    for (size_t i = 0; i < publication->host_count && live->mode != MTA_STS_MODE_NONE; i++) {
        const struct publication_host *host = &publication->hosts[i];

        if (!host->is_mail_host || mta_sts_policy_lists(live, host->name))
            continue;
        judge_prove(judge, finding, "the live policy does not list %s: senders %s",
                    safe(judge, host->name),
                    live->mode == MTA_STS_MODE_ENFORCE ? "pass it over" : "report it");
        if (severity_at(live->mode) > finding->severity)
            finding->severity = severity_at(live->mode);
    }
}

static void judge_policy_in_force(struct judge *judge, const struct publication *publication,
                                  const struct mta_sts_policy *live)
{
    const struct catalogue_value record = { "record", publication->sts_record };
    const char *id = publication->live->sts_id;
    struct finding *finding;

    if (!publish_policy_equal(live, &publication->policy)) {
        finding =
            JUDGE_ADD(judge, "publish-sts-policy-stale",
                      { "differences", differences(judge, live, &publication->policy) }, record);
        prove_passed_over(judge, finding, publication, live);
        if (strcmp(id, publication->policy_id) == 0)
            judge_prove(judge, finding,
                        "the record has the new id already: who looked meanwhile holds the old "
                        "policy for %s",
                        text_duration(judge->arena, live->max_age_s));
        judge_prove(judge, finding, "live: mode %s, max_age %lld, %s; id %s",
                    mta_sts_mode_name(live->mode), (long long)live->max_age_s,
                    policy_hosts(judge, live), safe(judge, id));
    } else if (publish_policy_id_is_ours(id) &&
               strcmp(id, publish_policy_id(judge->arena, live)) != 0) {
        finding = judge_add(judge, "publish-sts-id-stale", &record, 1);
        judge_prove(judge, finding, "live id: %s; that of the live policy: %s", safe(judge, id),
                    publish_policy_id(judge->arena, live));
    }
}

static void judge_sts_live(struct judge *judge, const struct publication *publication)
{
    const struct mta_sts_policy *live = publication_live_policy(publication);
    const struct observed_published *published = publication->live;
    struct finding *finding;

    if (published == NULL)
        return;
    if (!publication->wants_sts && live != NULL) {
        finding =
            JUDGE_ADD(judge, "publish-sts-unexpected", { "mode", mta_sts_mode_name(live->mode) });
        prove_passed_over(judge, finding, publication, live);
        judge_prove(judge, finding, "live id: %s", safe(judge, published->sts_id));
    } else if (publication->wants_sts && live != NULL) {
        judge_policy_in_force(judge, publication, live);
    } else if (publication->wants_sts && is_told(published->sts_lookup.outcome) &&
               published->sts_record == TXT_RECORD_NONE) {
        finding = JUDGE_ADD(judge, "publish-sts-missing",
                            { "mode", mta_sts_mode_name(publication->policy.mode) },
                            { "record", publication->sts_record });
        judge_prove(judge, finding, "_mta-sts.%s TXT: no such record, %s", judge->common[0].value,
                    dns_security_name(published->sts_lookup.security));
    }
}

/* ---- reports ---- */

static const char *uri_list(struct judge *judge, const char *const *uris, size_t count)
{
    const char *list = "";

    for (size_t i = 0; i < count; i++)
        list = add_name(judge, list, i, uris[i]);
    return end_names(judge, list, count);
}

static void judge_reports(struct judge *judge, const struct publication *publication)
{
    const struct observed_published *live = publication->live;
    const struct catalogue_value record = { "record", publication->report_record };
    struct finding *finding;

    if (live == NULL || publication->report_record == NULL || !live->asked_reports ||
        !is_told(live->report_lookup.outcome))
        return;
    if (live->report_record == TXT_RECORD_NONE) {
        finding = judge_add(judge, "publish-reports-missing", &record, 1);
        judge_prove(judge, finding, "_smtp._tls.%s TXT: no such record, %s", judge->common[0].value,
                    dns_security_name(live->report_lookup.security));
    } else if (live->report_record == TXT_RECORD_VALID &&
               !publication_reports_are_live(publication)) {
        finding = JUDGE_ADD(
            judge, "publish-reports-stale", record,
            { "live", uri_list(judge, live->reports.uris, live->reports.count) },
            { "wanted", uri_list(judge, publication->report_uris, publication->report_uri_count) });
        judge_prove(judge, finding, "live: %s", safe(judge, live->report_text));
    }
}

/* Who gets a report without a signature that holds ignores it: RFC 8460 section 3. */
static void judge_dkim(struct judge *judge, const struct publication *publication)
{
    const struct catalogue_value values[] = {
        { "dkim_name", publication->dkim_name == NULL ? "" : safe(judge, publication->dkim_name) },
        { "file", publication->dkim_file == NULL ? "" : safe(judge, publication->dkim_file) },
    };
    struct finding *finding;

    if (publication->dkim_name == NULL || !publication->dkim_was_looked_up ||
        !is_told(publication->dkim_lookup.outcome) ||
        publication_dkim_is_live(publication, judge->arena))
        return;
    finding = judge_add(
        judge, publication->dkim_live_count == 0 ? "publish-dkim-missing" : "publish-dkim-stale",
        values, ARRAY_SIZE(values));
    judge_prove(judge, finding, "%s TXT: %zu records, %s", values[0].value,
                publication->dkim_live_count, dns_security_name(publication->dkim_lookup.security));
    for (size_t i = 0; i < publication->dkim_live_count && i < 4; i++)
        judge_prove(judge, finding, "live: %s", safe(judge, publication->dkim_live[i]));
}

/* ---- all of it ---- */

static struct judge judge_for(const struct publication *publication, const char *host,
                              struct arena *arena, struct findings *findings)
{
    const char *domain = text_printable(arena, span_of(publication->domain), false);
    const char *name = text_printable(arena, span_of(host), false);

    return (struct judge){
        .arena = arena,
        .findings = findings,
        .common = { { "domain", domain },
                    { "host", name },
                    { "hostname", text_printable(arena, span_of(publication->hostname), false) },
                    { "port", "25" },
                    [TLSA_NAME] = { "tlsa_name", "" } },
        .reference = name,
        .now_s = publication->now_s,
    };
}

/* A wildcard stands for hosts that may show another certificate: what is said of their records only warns. */
static void soften(struct judge *judge, const struct publication_host *host, size_t before)
{
    for (size_t i = before; i < judge->findings->count; i++) {
        struct finding *finding = &judge->findings->items[i];

        if (finding->severity > SEVERITY_WARNING)
            finding->severity = SEVERITY_WARNING;
        judge_prove(judge, finding,
                    "%s is named by a wildcard of our certificates alone: if it shows another "
                    "certificate, this is not about it",
                    safe(judge, host->name));
    }
}

static void judge_each_host(const struct publication *publication, struct arena *arena,
                            struct findings *findings)
{
    enum mta_sts_mode mode = publication_strictest_mode(publication);
    size_t count;

    for (size_t i = 0; i < publication->host_count; i++) {
        const struct publication_host *host = &publication->hosts[i];
        struct judge judge = judge_for(publication, host->name, arena, findings);

        if (!host->is_ours)
            continue;
        judge.common[TLSA_NAME].value = text_printable(arena, span_of(host->tlsa_name), false);
        count = findings->count;
        judge_host(&judge, publication, host);
        if (host->is_ours_by_wildcard)
            soften(&judge, host, count);
        for (size_t j = 0; j < host->shown_count; j++) {
            judge_end_of(&judge, &host->shown[j]);
            if (mode != MTA_STS_MODE_NONE)
                judge_certificate_of(&judge, &host->shown[j], mode);
        }
        if (host->shown_count == 0 && mode != MTA_STS_MODE_NONE)
            judge_no_certificate(&judge, mode);
    }
}

void judge_publication(const struct publication *publication, struct arena *arena,
                       struct findings *findings)
{
    struct judge judge = judge_for(publication, publication->domain, arena, findings);

    findings->count = 0;
    if (publication->route != NULL)
        judge_route(publication->route, arena, findings);
    if (publication->live != NULL) /* as others see it */
        judge_published(publication->live, publication->route, NULL, arena, findings);
    judge_mx(&judge, publication);
    judge_each_host(publication, arena, findings);
    if (publication->wants_sts)
        judge_unlisted(&judge, publication);
    judge_sts_live(&judge, publication);
    judge_reports(&judge, publication);
    judge_dkim(&judge, publication);
    judge_sort(findings);
}
