#include "diagnose/report_json.h"

#include "base/text.h"
#include "diagnose/json_value.h"
#include "diagnose/report_dane.h"
#include "diagnose/report_published.h"

enum { DANE_BYTES = 1 << 20 }; /* of records that came in one DNS message */

/* ---- texts: what strangers wrote may be no UTF-8, which JSON cannot carry ---- */

/* Sets a field; a value that could not be made shows as null rather than as a missing field. */
static void put(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value == NULL ? json_null() : value);
}

/* ---- findings ---- */

static json_t *finding_json(const struct finding *finding)
{
    json_t *object = json_object();

    put(object, "code", json_value_text(finding->code));
    put(object, "step", json_value_text(step_name(finding->step)));
    put(object, "fault", json_value_text(fault_name(finding->fault)));
    put(object, "severity", json_value_text(severity_name(finding->severity)));
    put(object, "cause", json_value_text(finding->cause));
    put(object, "evidence", json_value_texts(finding->evidence, finding->evidence_count));
    put(object, "remedy", json_value_text(finding->remedy));
    put(object, "tls_report", json_value_text(finding->tls_report));
    put(object, "enhanced_status", json_value_text(finding->enhanced_status));
    if (finding->because_of != NULL)
        put(object, "because_of", json_value_text(finding->because_of));
    return object;
}

json_t *report_json_findings(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++)
        json_array_append_new(list, finding_json(&findings->items[i]));
    return list;
}

/* ---- chain ---- */

static json_t *certificate_json(const struct certificate *certificate)
{
    json_t *object = json_object();

    put(object, "sha256", json_value_text(certificate->sha256));
    if (!certificate->is_readable) {
        put(object, "readable", json_false());
        return object;
    }
    put(object, "subject", json_value_text(certificate->subject));
    put(object, "issuer", json_value_text(certificate->issuer));
    put(object, "serial", json_value_text(certificate->serial));
    put(object, "not_before", json_value_time(certificate->not_before_s));
    put(object, "not_after", json_value_time(certificate->not_after_s));
    put(object, "names", json_value_texts(certificate->names, certificate->name_count));
    put(object, "addresses", json_value_texts(certificate->addresses, certificate->address_count));
    put(object, "key", json_value_text(certificate->key));
    put(object, "signature", json_value_text(certificate->signature));
    put(object, "spki_sha256", json_value_text(certificate->spki_sha256));
    return object;
}

json_t *report_json_chain(const struct chain_verdict *verdict)
{
    json_t *list = json_array();

    for (size_t i = 0; i < verdict->certificate_count; i++)
        json_array_append_new(list, certificate_json(&verdict->certificates[i]));
    return list;
}

/* ---- one host ---- */

static json_t *alerts_json(const struct tls_facts *tls)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tls->alert_count; i++) {
        json_t *object = json_object();

        put(object, "name", json_value_text(tls_alert_name(tls->alerts[i].description)));
        put(object, "description", json_integer(tls->alerts[i].description));
        put(object, "sent_by", json_value_text(tls->alerts[i].is_sent ? "us" : "peer"));
        put(object, "fatal", json_boolean(tls->alerts[i].is_fatal));
        put(object, "after_handshake", json_boolean(tls->alerts[i].is_after_handshake));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *tls_json(const struct observation *observation)
{
    const struct tls_facts *tls = &observation->tls;
    json_t *object;

    if (!tls->has_server_hello)
        return json_null();
    object = json_object();
    put(object, "version",
        json_value_text(tls->version == 0 ? NULL : tls_version_name(tls->version)));
    put(object, "cipher", json_value_text(tls->cipher));
    put(object, "group", json_value_text(tls->group));
    put(object, "signature", json_value_text(tls->signature));
    put(object, "completed", json_boolean(tls->was_completed));
    put(object, "sni", json_value_text(tls->sni));
    put(object, "client_certificate_requested", json_boolean(tls->client_certificate_requested));
    put(object, "client_certificate_sent", json_boolean(tls->client_certificate_sent));
    put(object, "client_authorities", json_value_texts(tls->authorities, tls->authority_count));
    put(object, "alerts", alerts_json(tls));
    put(object, "stapled", json_boolean(tls->staple.len > 0));
    put(object, "secure_renegotiation", json_boolean(tls->secure_renegotiation));
    put(object, "resumed", json_boolean(tls->was_resumed));
    put(object, "tickets", json_integer((json_int_t)tls->tickets_received));
    put(object, "trusted",
        observation->has_verdict ? json_boolean(observation->verdict.is_trusted) : json_null());
    put(object, "name_matched",
        observation->has_verdict ? json_boolean(observation->host_named) : json_null());
    return object;
}

static json_t *decisions_json(const struct checkup_host *host)
{
    json_t *object = json_object();

    for (enum policy_level level = 0; level < POLICY_LEVEL_COUNT; level++) {
        /* nobody can say what a fingerprint would do without one */
        if (level == POLICY_FINGERPRINT && !host->observation.fingerprint_asked)
            continue;
        put(object, policy_level_name(level),
            json_value_text(policy_decision_name(host->decisions[level].decision)));
    }
    return object;
}

static json_t *experiment_json(const struct observation *observation)
{
    const struct tls_facts *tls = &observation->tls;
    json_t *object = json_object();

    put(object, "dial", json_value_text(dial_name(observation->dial)));
    put(object, "succeeded", json_boolean(experiment_succeeded(observation)));
    put(object, "reached", json_value_text(step_name(observation->reached)));
    put(object, "ending", json_value_text(ending_name(observation->ending)));
    put(object, "version",
        json_value_text(tls->version == 0 ? NULL : tls_version_name(tls->version)));
    put(object, "cipher", json_value_text(tls->cipher));
    put(object, "alerts", alerts_json(tls));
    return object;
}

static json_t *experiments_json(const struct experiments *experiments)
{
    json_t *list = json_array();

    for (size_t i = 0; i < experiments->count; i++)
        json_array_append_new(list, experiment_json(experiments->items[i]));
    return list;
}

static json_t *milliseconds_json(const struct observation *observation)
{
    json_t *object = json_object();
    int64_t total = 0;

    for (enum step step = 0; step < STEP_COUNT; step++)
        if (observation->step_ms[step] >= 0) {
            put(object, step_name(step), json_integer(observation->step_ms[step]));
            total += observation->step_ms[step];
        }
    put(object, "total", json_integer(total));
    return object;
}

static json_t *transcript_json(const struct transcript *transcript)
{
    json_t *list = json_array();
    static const char *const kinds[] = {
        [TRANSCRIPT_SENT] = "sent", [TRANSCRIPT_RECEIVED] = "received", [TRANSCRIPT_NOTE] = "note"
    };

    for (size_t i = 0; i < transcript->count; i++) {
        json_t *line = json_object();

        put(line, "milliseconds", json_integer(transcript->lines[i].at_ms));
        put(line, "kind", json_value_text(kinds[transcript->lines[i].kind]));
        put(line, "encrypted", json_boolean(transcript->lines[i].is_encrypted));
        put(line, "text", json_value_text(transcript->lines[i].text));
        json_array_append_new(list, line);
    }
    return list;
}

/* What is published for the host, and which record fits. */
static json_t *dane_json(const struct observation *seen)
{
    AUTO(arena_clear) struct arena arena;
    json_t *object = json_object(), *records = json_array();
    const struct report_dane *told;

    arena_init(&arena, DANE_BYTES);
    told = report_dane_records(seen, &arena);
    for (size_t i = 0; told != NULL && i < seen->tlsa_count; i++) {
        json_t *record = json_object();

        put(record, "record", json_value_text(seen->tlsa_records[i]));
        put(record, "state", json_value_text(told[i].state));
        if (*told[i].why != '\0')
            put(record, "why", json_value_text(told[i].why));
        json_array_append_new(records, record);
    }
    put(object, "state", json_value_text(report_dane_state(seen->tlsa)));
    put(object, "name",
        seen->tlsa == POLICY_TLSA_NOT_ASKED ? json_null()
                                            : json_value_text(report_dane_name(seen, &arena)));
    put(object, "mx",
        seen->has_lookups ? json_value_text(dns_security_name(seen->mx_dnssec)) : json_null());
    put(object, "failure", json_value_text(seen->tlsa_failure));
    put(object, "records", records);
    return object;
}

static json_t *host_json(const struct checkup_host *host)
{
    const struct observation *observation = &host->observation;
    json_t *object = json_object();

    put(object, "host", json_value_text(observation->host));
    put(object, "preference",
        observation->preference < 0 ? json_null() : json_integer(observation->preference));
    put(object, "address", json_value_text(observation->address));
    put(object, "port", json_integer(observation->port));
    put(object, "dnssec",
        observation->has_lookups ? json_value_text(dns_security_name(observation->dnssec))
                                 : json_null());
    put(object, "dane", dane_json(observation));
    put(object, "reached", json_value_text(step_name(observation->reached)));
    put(object, "ending", json_value_text(ending_name(observation->ending)));
    put(object, "tls", tls_json(observation));
    put(object, "chain", report_json_chain(&observation->verdict));
    put(object, "findings", report_json_findings(&host->findings));
    put(object, "decisions", decisions_json(host));
    put(object, "experiments", experiments_json(&host->experiments));
    put(object, "milliseconds", milliseconds_json(observation));
    if (host->transcript.count > 0)
        put(object, "transcript", transcript_json(&host->transcript));
    return object;
}

/* ---- all of it ---- */

static json_t *lookup_json(const struct observed_lookup *lookup)
{
    static const char *const outcomes[] = {
        [DNS_ANSWERED] = "answered", [DNS_NO_DATA] = "no-data", [DNS_NXDOMAIN] = "nxdomain",
        [DNS_SERVFAIL] = "servfail", [DNS_TIMEOUT] = "timeout", [DNS_BOGUS] = "bogus",
    };
    json_t *object = json_object();

    put(object, "name", json_value_text(lookup->name));
    put(object, "type", json_value_text(dns_type_name(lookup->type)));
    put(object, "outcome", json_value_text(outcomes[lookup->outcome]));
    put(object, "dnssec", json_value_text(dns_security_name(lookup->security)));
    put(object, "records", json_integer((json_int_t)lookup->record_count));
    if (lookup->why_bogus != NULL)
        put(object, "why_bogus", json_value_text(lookup->why_bogus));
    return object;
}

static void add_published(json_t *list, const struct observed_published *published)
{
    const struct observed_lookup *lookups[PUBLISHED_LOOKUPS_MOST];
    size_t count = observed_published_lookups(published, lookups);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, lookup_json(lookups[i]));
}

static json_t *lookups_json(const struct checkup *checkup)
{
    const struct route *route = checkup->route;
    json_t *list = json_array();

    for (size_t i = 0; route != NULL && i < route->lookup_count; i++)
        json_array_append_new(list, lookup_json(&route->lookups[i]));
    if (checkup->published != NULL)
        add_published(list, checkup->published);
    return list;
}

json_t *report_json_checkup(const struct checkup *checkup)
{
    json_t *object = json_object(), *hosts = json_array();

    for (size_t i = 0; i < checkup->host_count; i++)
        json_array_append_new(hosts, host_json(checkup->hosts[i]));
    put(object, "target", json_value_text(checkup->target));
    put(object, "level", json_value_text(policy_level_name(checkup->level)));
    put(object, "time", json_value_time(checkup->wall_s));
    put(object, "hosts", hosts);
    put(object, "findings", report_json_findings(&checkup->findings));
    put(object, "lookups", lookups_json(checkup));
    if (checkup->published != NULL) {
        put(object, "mta_sts", report_published_sts_json(checkup->published));
        put(object, "tls_reports", report_published_reports_json(checkup->published));
    }
    if (checkup->failure != NULL)
        put(object, "failure", json_value_text(checkup->failure));
    put(object, "schema", json_integer(1));
    return object;
}
