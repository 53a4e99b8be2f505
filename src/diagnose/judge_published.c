/* diagnose/judge_published.c - what a domain publishes of MTA-STS and reports, and what keeps senders from obeying it. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/judge.h"

enum { INNER_BYTES = 1 << 20, CAUSES_PROVED = 4, NAMES_SHOWN = 4, DAY = sizeof "2026-11-18" - 1 };

/* What others publish has been made printable when it was read; what we say of it holds that. */
static const char *printable(struct judge *judge, const char *text)
{
    return text == NULL ? "" : text_printable_again(judge->arena, span_of(text), true);
}

/* ---- look-ups ---- */

/* Mail goes, but what the domain may have published counts for nobody. */
static void judge_lookup(struct judge *judge, const struct observed_lookup *lookup)
{
    const char *code = judge_lookup_code(lookup->outcome);
    const char *why =
        lookup->why_bogus == NULL ? "no reason given" : printable(judge, lookup->why_bogus);
    struct finding *finding;

    if (code == NULL)
        return;
    finding = JUDGE_ADD(judge, code, { "name", printable(judge, lookup->name) },
                        { "type", dns_type_name(lookup->type) }, { "seconds", "the time allowed" },
                        { "rcode", judge_rcode(judge, lookup->rcode) }, { "why", why });
    finding->severity = SEVERITY_WARNING;
    judge_prove(judge, finding, "%s %s: %s", printable(judge, lookup->name),
                dns_type_name(lookup->type),
                lookup->outcome == DNS_BOGUS     ? why
                : lookup->outcome == DNS_TIMEOUT ? "no answer"
                                                 : judge_rcode(judge, lookup->rcode));
    judge_own_dns(judge, finding, lookup);
}

/* ---- MTA-STS ---- */

/* Letters and digits alone: RFC 8461 section 3.1. Empty where there are none. */
static const char *as_id(struct judge *judge, struct span text)
{
    char id[MTA_STS_ID_MOST];
    size_t len = 0;

    for (size_t i = 0; i < text.len && len < MTA_STS_ID_MOST; i++)
        if (text_is_letter_or_digit(text.data[i]))
            id[len++] = text.data[i];
    return arena_copy(judge->arena, (struct span){ id, len });
}

/* That of the record, without what may not stand in it; where it has none, the day. */
static const char *proposed_id(struct judge *judge, const struct observed_published *published)
{
    struct span rest = span_of(published->sts_text);

    while (rest.len > 0) {
        struct span field = span_take_until(&rest, ';');
        struct span name = span_trim(span_take_until(&field, '='));
        const char *id = as_id(judge, field);

        if (span_equal_nocase(name, span_of("id")) && *id != '\0')
            return id;
    }
    return as_id(judge, span_part(span_of(text_time(judge->arena, published->wall_s)), 0, DAY));
}

static void judge_record(struct judge *judge, const struct observed_published *published)
{
    const char *flaw = printable(judge, published->sts_record_flaw);
    struct finding *finding;

    if (published->sts_record != TXT_RECORD_INVALID && published->sts_record != TXT_RECORD_SEVERAL)
        return;
    finding = JUDGE_ADD(judge, "sts-record-invalid", { "why", flaw },
                        { "id", proposed_id(judge, published) });
    if (published->sts_record == TXT_RECORD_SEVERAL)
        JUDGE_REWORD(judge, finding, "sts-records-several", { "why", flaw });
    judge_prove(judge, finding, "%s TXT \"%s\"", printable(judge, published->sts_lookup.name),
                printable(judge, published->sts_text));
}

/* What holds until it ends makes the flaw less urgent. */
static void prove_kept(struct judge *judge, struct finding *finding,
                       const struct observed_published *published)
{
    if (!published->from_cache)
        return;
    finding->severity = SEVERITY_WARNING;
    judge_prove(judge, finding, "the policy fetched at %s counts until %s",
                text_time(judge->arena, published->fetched_at_s),
                text_time(judge->arena, published->ends_at_s));
}

static void prove_fetch(struct judge *judge, struct finding *finding,
                        const struct observed_published *published)
{
    judge_prove(judge, finding, "%s%s%s: %s", printable(judge, published->url),
                published->address[0] == '\0' ? "" : " at ", printable(judge, published->address),
                published->fetch_failure != NULL ? printable(judge, published->fetch_failure)
                                                 : "it answers 200, text/plain");
    if (published->was_held_back)
        judge_prove(judge, finding, "it was asked some minutes ago, and is asked again soon");
    prove_kept(judge, finding, published);
}

/* By the judge of mail servers' certificates: its words, about the policy host. */
static void judge_certificate_of_host(struct judge *judge,
                                      const struct observed_published *published)
{
    AUTO(arena_clear) struct arena arena;
    const char *host = arena_format(judge->arena, "mta-sts.%s", judge->reference);
    const char *why = printable(judge, published->fetch_failure);
    struct findings inner = { .count = 0 };
    struct finding *finding;

    arena_init(&arena, INNER_BYTES);
    if (published->has_verdict)
        judge_verdict(&published->verdict, host, published->wall_s, &arena, &inner);
    if (inner.count > 0)
        why = arena_copy(judge->arena, span_of(inner.items[0].cause));
    finding = JUDGE_ADD(judge, "sts-certificate-invalid", { "why", why });
    for (size_t i = 0; i < inner.count && i < CAUSES_PROVED; i++)
        judge_prove(judge, finding, "%s: %s", inner.items[i].code,
                    inner.items[i].evidence_count > 0 ? inner.items[i].evidence[0]
                                                      : inner.items[i].cause);
    prove_fetch(judge, finding, published);
}

/* The remedy that fits; NULL: that of the row. */
static const char *variant_of(const struct observed_published *published)
{
    enum dns_outcome address = published->host_lookup.outcome;

    switch ((int)published->fetch_outcome) {
    case HTTPS_NO_CONNECT:
        if (published->only_private)
            return "sts-fetch-private";
        return address == DNS_ANSWERED                             ? "sts-fetch-no-connect"
               : address == DNS_NO_DATA || address == DNS_NXDOMAIN ? "sts-fetch-no-address"
                                                                   : "sts-fetch-look-up";
    case HTTPS_TLS_FAILED: return "sts-fetch-no-tls";
    case HTTPS_ANSWERED:
        return published->http_status / 100 == 3 ? "sts-fetch-redirect"
               : published->http_status == 200   ? "sts-fetch-type"
                                                 : "sts-fetch-status";
    default: return NULL;
    }
}

static void add_fetch_failed(struct judge *judge, const struct observed_published *published)
{
    const char *why = printable(judge, published->fetch_failure);
    const char *variant = variant_of(published);
    struct finding *finding = JUDGE_ADD(judge, "sts-fetch-failed", { "why", why });

    if (variant != NULL)
        JUDGE_REWORD(judge, finding, variant, { "why", why });
    prove_fetch(judge, finding, published);
}

static void judge_fetch(struct judge *judge, const struct observed_published *published,
                        const struct observed_self *self)
{
    struct finding *finding;

    if (!observed_published_fetch_failed(published) || published->failure != NULL)
        return;
    if (published->policy_flaw != NULL) {
        finding = JUDGE_ADD(judge, "sts-policy-invalid",
                            { "why", printable(judge, published->policy_flaw) });
        prove_fetch(judge, finding, published);
    } else if (published->fetch_outcome == HTTPS_UNTRUSTED) {
        if (self == NULL || self->anchor_count > 0) /* else it is us: judge_self.c says so */
            judge_certificate_of_host(judge, published);
    } else {
        add_fetch_failed(judge, published);
    }
}

/* One that was dialled has the finding of its own. */
static bool was_dialled(const struct route_host *host)
{
    return host->address_count > 0;
}

static void judge_hosts(struct judge *judge, const struct observed_published *published,
                        const struct route *route)
{
    if (!published->has_policy || published->policy.mode == MTA_STS_MODE_NONE || route == NULL)
        return;
    for (size_t i = 0; i < route->host_count; i++) {
        const struct route_host *host = &route->hosts[i];
        struct finding *finding;

        if (was_dialled(host) || mta_sts_policy_lists(&published->policy, host->name))
            continue;
        finding = JUDGE_ADD(judge, "sts-host-not-listed", { "host", printable(judge, host->name) });
        finding->severity = SEVERITY_WARNING;
        judge_prove(judge, finding, "MTA-STS mode %s; no mx pattern of the policy matches %s",
                    mta_sts_mode_name(published->policy.mode), printable(judge, host->name));
    }
}

/* ---- patterns that fit no host ---- */

/* Senders keep what they have: RFC 8461 section 3.2. */
static void prove_age(struct judge *judge, struct finding *finding,
                      const struct observed_published *published)
{
    judge_prove(judge, finding, "the policy was fetched at %s and counts until %s",
                text_time(judge->arena, published->fetched_at_s),
                text_time(judge->arena, published->ends_at_s));
}

static bool fits_a_host(const char *pattern, const struct route *route)
{
    for (size_t i = 0; i < route->host_count; i++)
        if (mta_sts_match(pattern, route->hosts[i].name))
            return true;
    return false;
}

/* "a, b and 3 more" */
static const char *add_to_list(struct judge *judge, const char *list, size_t before,
                               const char *name)
{
    if (before >= NAMES_SHOWN)
        return list;
    return arena_format(judge->arena, "%s%s%s", list, before == 0 ? "" : ", ",
                        printable(judge, name));
}

static const char *end_list(struct judge *judge, const char *list, size_t count)
{
    return count <= NAMES_SHOWN
               ? list
               : arena_format(judge->arena, "%s and %zu more", list, count - NAMES_SHOWN);
}

/* Which names there are, and which of them the policy misses: one may be what was meant. */
static void prove_hosts(struct judge *judge, struct finding *finding,
                        const struct mta_sts_policy *policy, const struct route *route)
{
    const char *hosts = "", *missed = "";
    size_t missed_count = 0;

    for (size_t i = 0; i < route->host_count; i++) {
        hosts = add_to_list(judge, hosts, i, route->hosts[i].name);
        if (!mta_sts_policy_lists(policy, route->hosts[i].name))
            missed = add_to_list(judge, missed, missed_count++, route->hosts[i].name);
    }
    judge_prove(judge, finding, "%s of %s: %s", route->has_mx ? "MX hosts" : "no MX record; host",
                judge->common[0].value, end_list(judge, hosts, route->host_count));
    if (missed_count > 0)
        judge_prove(judge, finding, "that no line of the policy fits: %s",
                    end_list(judge, missed, missed_count));
}

/* "*.example.org" is neither example.org nor a.b.example.org: RFC 8461 section 4.1. */
static void prove_wildcard(struct judge *judge, struct finding *finding, const char *pattern,
                           const struct route *route)
{
    if (!span_starts_with(span_of(pattern), "*."))
        return;
    for (size_t i = 0; i < route->host_count; i++) {
        const char *host = route->hosts[i].name;
        size_t host_len = strlen(host), end_len = strlen(pattern) - 2;
        bool is_same = span_equal_nocase(span_of(host), span_of(pattern + 2));
        bool is_below = host_len > end_len && host[host_len - end_len - 1] == '.' &&
                        span_equal_nocase(span_of(host + host_len - end_len), span_of(pattern + 2));

        if (!is_same && !is_below)
            continue;
        judge_prove(judge, finding, "%s does not fit %s: \"*.\" stands for exactly one label",
                    printable(judge, pattern), printable(judge, host));
        return;
    }
}

static bool lists_a_host(const struct mta_sts_policy *policy, const struct route *route)
{
    for (size_t i = 0; i < route->host_count; i++)
        if (mta_sts_policy_lists(policy, route->hosts[i].name))
            return true;
    return false;
}

/* Mail flows by the other lines; what was meant by this one is not protected, and whoever has that name one day may
 * take the mail of a domain whose MX is forged. Where no line fits, each host tells that it is not listed. */
static void judge_patterns(struct judge *judge, const struct observed_published *published,
                           const struct route *route)
{
    const struct mta_sts_policy *policy = &published->policy;
    const char *list = "", *lines = "", *unused[NAMES_SHOWN];
    struct finding *finding;
    size_t count = 0;

    if (!published->has_policy || policy->mode == MTA_STS_MODE_NONE || route == NULL ||
        route->outcome != ROUTE_FOUND || route->was_cut || !lists_a_host(policy, route))
        return;
    for (size_t i = 0; i < policy->mx_count; i++) {
        if (fits_a_host(policy->mx[i], route))
            continue;
        list = add_to_list(judge, list, count, policy->mx[i]);
        lines =
            add_to_list(judge, lines, count, arena_format(judge->arena, "mx: %s", policy->mx[i]));
        if (count < NAMES_SHOWN)
            unused[count] = policy->mx[i];
        count++;
    }
    if (count == 0)
        return;
    finding = JUDGE_ADD(judge, "sts-pattern-unused", { "patterns", end_list(judge, list, count) },
                        { "lines", end_list(judge, lines, count) });
    prove_hosts(judge, finding, policy, route);
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        prove_wildcard(judge, finding, unused[i], route);
    prove_age(judge, finding, published);
}

/* ---- reports ---- */

static void judge_report_record(struct judge *judge, const struct observed_published *published)
{
    struct finding *finding;

    if (published->report_record != TXT_RECORD_INVALID &&
        published->report_record != TXT_RECORD_SEVERAL)
        return;
    finding = JUDGE_ADD(judge, "tlsrpt-record-invalid",
                        { "why", printable(judge, published->report_flaw) });
    if (published->report_record == TXT_RECORD_SEVERAL)
        JUDGE_REWORD(judge, finding, "tlsrpt-records-several",
                     { "why", printable(judge, published->report_flaw) });
    judge_prove(judge, finding, "%s TXT \"%s\"", printable(judge, published->report_lookup.name),
                printable(judge, published->report_text));
}

void judge_published(const struct observed_published *published, const struct route *route,
                     const struct observed_self *self, struct arena *arena,
                     struct findings *findings)
{
    const char *domain = text_printable(arena, span_of(published->domain), false);
    struct judge judge = {
        .arena = arena,
        .findings = findings,
        .common = { { "domain", domain }, { "host", domain }, { "reference", domain } },
        .reference = domain,
        .now_s = published->wall_s,
    };

    if (route == NULL || route->outcome == ROUTE_FOUND) { /* else nothing of it can be looked up */
        judge_lookup(&judge, &published->sts_lookup);
        if (published->asked_reports)
            judge_lookup(&judge, &published->report_lookup);
    }
    judge_record(&judge, published);
    judge_fetch(&judge, published, self);
    judge_hosts(&judge, published, route);
    judge_patterns(&judge, published, route);
    judge_report_record(&judge, published);
    judge_sort(findings);
}
