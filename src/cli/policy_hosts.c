#include "cli/policy_hosts.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/json_value.h"
#include "diagnose/reason.h"
#include "diagnose/report_dane.h"
#include "diagnose/report_published.h"
#include "link/route_link.h"

enum { INDENT = 2, HANG = 16 };

/* ---- what follows from it ------------------------------------------------------------------- */

/* What delivery would know of the host before it dials it. */
struct prospect {
    const struct route_host *host;
    struct observation observation;
    struct policy_terms terms;
    bool is_listed, is_barred;
    enum policy_reason reason; /* where it is barred */
};

static bool is_mx(const struct policy_answer *answer)
{
    return policy_answer_hop(answer) == NULL;
}

static struct prospect look_forward(const struct policy_answer *answer,
                                    const struct route_host *host, struct arena *arena)
{
    const struct observed_published *published = answer->seen->published;
    const enum policy_level level = answer->choice.policy->level;
    struct prospect prospect = { .host = host };
    struct client_link_settings settings = {
        .domain = answer->domain, .host = host->name, .level = level, .clock = answer->seen->clock
    };
    struct policy_session session;

    route_link_set_up(answer->seen->route, host, &settings);
    if (host->address_count > 0)
        settings.address = host->addresses[0];
    settings.sts = POLICY_STS_NONE;
    if (is_mx(answer))
        settings.sts = published == NULL ? POLICY_STS_UNKNOWN : published->sts;
    prospect.is_listed = published != NULL && published->has_policy &&
                         mta_sts_policy_lists(&published->policy, host->name);
    settings.sts_host_listed = prospect.is_listed;
    client_link_describe(&settings, arena, &prospect.observation);
    session = observation_session(&prospect.observation);
    prospect.terms = policy_terms(level, &session);
    prospect.is_barred = policy_bars(level, &session, &prospect.reason);
    return prospect;
}

static const char *demand_words(const struct prospect *prospect, struct arena *arena)
{
    switch (prospect->terms.demand) {
    case POLICY_DEMAND_NOTHING: return "nothing: over TLS where it works, in the clear else";
    case POLICY_DEMAND_CLEAR: return "nothing: always in the clear";
    case POLICY_DEMAND_TLS: return "TLS, whoever it is";
    case POLICY_DEMAND_FINGERPRINT: return "the certificate or key that is pinned";
    case POLICY_DEMAND_TLSA: return "a certificate that one of its TLSA records matches";
    case POLICY_DEMAND_HOST:
    case POLICY_DEMAND_LISTED_HOST:
        return arena_format(arena, "a trusted certificate that names %s", prospect->host->name);
    case POLICY_DEMAND_DOMAIN: return "a trusted certificate that has one of the names above";
    case POLICY_DEMAND_UNKNOWN:
        return arena_format(arena,
                            "a trusted certificate that names %s, as long as nobody knows what "
                            "is published",
                            prospect->host->name);
    case POLICY_DEMAND_VALID_TLSA:
    case POLICY_DEMAND_USABLE_TLSA:
    case POLICY_DEMAND_COUNT: break;
    }
    return "";
}

static const char *source_words(enum policy_source source)
{
    switch (source) {
    case POLICY_SOURCE_LEVEL: return "the level alone";
    case POLICY_SOURCE_DANE: return "by DANE";
    case POLICY_SOURCE_STS: return "by MTA-STS";
    case POLICY_SOURCE_NONE: break;
    }
    return "nothing that counts is published";
}

static const char *barred_words(enum policy_reason reason)
{
    switch ((int)reason) {
    case POLICY_REASON_STS_HOST: return "passed over: the policy of the domain does not list it";
    case POLICY_REASON_TLSA_LOOKUP: return "passed over: looking up its TLSA records failed";
    default: return "passed over: it has no TLSA record that can be used";
    }
}

/* ---- for people ----------------------------------------------------------------------------- */

static void put(struct page *page, const char *label, const char *text)
{
    page_item(page, INDENT, label, HANG, PAGE_PLAIN, text);
}

static const char *printable(struct arena *arena, const char *text)
{
    return text == NULL ? "" : text_printable(arena, span_of(text), true);
}

static const char *route_words(enum route_outcome outcome)
{
    static const char *const words[] = {
        [ROUTE_FOUND] = "",
        [ROUTE_NULL_MX] = "the domain takes no mail",
        [ROUTE_NXDOMAIN] = "there is no such name",
        [ROUTE_NO_ADDRESS] = "no mail server has an address",
        [ROUTE_TIMEOUT] = "the DNS gives no answer",
        [ROUTE_SERVFAIL] = "the DNS cannot answer",
        [ROUTE_BOGUS] = "the answer is bogus",
    };

    return words[outcome];
}

/* Who vouches for the names of the hosts. */
static void put_route(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct route *route = answer->seen->route;

    if (route->outcome != ROUTE_FOUND)
        page_item(page, INDENT, "DNS", HANG, PAGE_YELLOW, route_words(route->outcome));
    else if (is_mx(answer))
        put(page, "DNS",
            arena_format(arena, "%s, %s (DNSSEC)",
                         route->has_mx ? "the MX records" : "no MX record: the domain itself",
                         dns_security_name(route->mx_security)));
}

static const char *age_words(const struct policy_seen *seen, struct arena *arena)
{
    const struct observed_published *published = seen->published;
    int64_t age_s = seen->now_s - published->fetched_at_s;

    if (!published->from_cache)
        return "fetched just now, from a web server with a trusted certificate";
    return arena_format(arena, "fetched %s ago, kept by the gateway",
                        text_duration(arena, age_s > 0 ? age_s : 0));
}

/* Why there is none. */
static const char *why_no_policy(const struct observed_published *published, struct arena *arena)
{
    if (published->failure != NULL)
        return arena_format(arena, "unknown: %s", printable(arena, published->failure));
    if (published->policy_flaw != NULL)
        return arena_format(arena, "none that counts: %s",
                            printable(arena, published->policy_flaw));
    if (published->fetch_failure != NULL)
        return arena_format(arena, "none that counts: %s",
                            printable(arena, published->fetch_failure));
    if (published->sts_record_flaw != NULL)
        return arena_format(arena, "none that counts: %s",
                            printable(arena, published->sts_record_flaw));
    return "none is published";
}

static void put_sts(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct observed_published *published = answer->seen->published;
    const char *list = "";

    if (published == NULL)
        return;
    if (!published->has_policy) {
        put(page, "MTA-STS", why_no_policy(published, arena));
        return;
    }
    put(page, "MTA-STS",
        arena_format(arena, "%s, id %s, until %s", mta_sts_mode_name(published->policy.mode),
                     printable(arena, published->policy_id == NULL ? "?" : published->policy_id),
                     text_date(arena, published->ends_at_s)));
    put(page, "", age_words(answer->seen, arena));
    if (published->policy_flaw != NULL || published->fetch_failure != NULL)
        page_item(page, INDENT, "", HANG, PAGE_YELLOW, why_no_policy(published, arena));
    for (size_t i = 0; i < published->policy.mx_count && i < 12; i++)
        list = arena_format(arena, "%s%s%s", list, i == 0 ? "" : ", ",
                            printable(arena, published->policy.mx[i]));
    if (published->policy.mx_count > 0)
        put(page, "",
            arena_format(arena, "lists %s%s", list,
                         published->policy.mx_count > 12 ? ", ..." : ""));
}

static void put_dane(struct page *page, const struct prospect *prospect, struct arena *arena)
{
    const struct route_host *host = prospect->host;

    if (host->tlsa == POLICY_TLSA_LOOKUP_FAILED)
        put(page, "  DANE",
            arena_format(arena, "the look-up failed: %s", printable(arena, host->tlsa_failure)));
    else if (host->tlsa_failure != NULL)
        put(page, "  DANE",
            arena_format(arena, "none that counts: %s", printable(arena, host->tlsa_failure)));
    else if (host->tlsa_count == 0)
        put(page, "  DANE",
            host->security == DNS_SECURE ? "no TLSA record, and its zone is signed"
                                         : "no TLSA record, and its zone is not signed");
    for (size_t i = 0; i < host->tlsa_count; i++)
        put(page, i == 0 ? "  DANE" : "",
            arena_format(arena, "%s (%s)", dane_format(arena, &host->tlsa_records[i]),
                         dane_usability(&host->tlsa_records[i]) == DANE_USABLE
                             ? "usable, secure"
                             : dane_usability_text(dane_usability(&host->tlsa_records[i]))));
    if (host->tlsa_count > 0 && prospect->observation.mx_dnssec != DNS_SECURE)
        put(page, "", "but the MX record that names the host is not signed");
}

static void put_host(struct page *page, const struct policy_answer *answer,
                     const struct route_host *host, struct arena *arena)
{
    const struct prospect prospect = look_forward(answer, host, arena);
    char address[NET_ADDRESS_TEXT];

    put(page, host->preference < 0 ? "host" : arena_format(arena, "MX %d", host->preference),
        arena_format(arena, "%s %s%s%s (%s)", printable(arena, host->name),
                     host->address_count == 0 ? "" : "[",
                     host->address_count == 0 ? "without an address"
                                              : net_address_text(&host->addresses[0], address),
                     host->address_count == 0 ? "" : "]", dns_security_name(host->security)));
    put_dane(page, &prospect, arena);
    if (answer->seen->published != NULL && answer->seen->published->has_policy)
        put(page, "  MTA-STS", prospect.is_listed ? "listed" : "not listed");
    if (prospect.is_barred)
        page_item(page, INDENT, "  mail", HANG, PAGE_YELLOW, barred_words(prospect.reason));
    else
        put(page, "  must show",
            arena_format(arena, "%s (%s)", demand_words(&prospect, arena),
                         source_words(prospect.terms.source)));
}

void policy_hosts_put(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct policy_seen *seen = answer->seen;

    if (seen->cache_failure != NULL)
        page_item(page, INDENT, "kept", HANG, PAGE_YELLOW,
                  arena_format(arena, "what the gateway keeps of policies cannot be read: %s",
                               printable(arena, seen->cache_failure)));
    if (seen->route != NULL)
        put_route(page, answer, arena);
    put_sts(page, answer, arena);
    if (!seen->was_asked && is_mx(answer) && seen->published == NULL)
        put(page, "published", "nobody was asked, and nothing is kept");
    for (size_t i = 0; seen->route != NULL && i < seen->route->host_count; i++)
        put_host(page, answer, &seen->route->hosts[i], arena);
}

/* ---- for programs --------------------------------------------------------------------------- */

static json_t *records_json(const struct route_host *host, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < host->tlsa_count; i++)
        json_array_append_new(list, json_value_text(dane_format(arena, &host->tlsa_records[i])));
    return list;
}

static json_t *addresses_json(const struct route_host *host)
{
    json_t *list = json_array();
    char address[NET_ADDRESS_TEXT];

    for (size_t i = 0; i < host->address_count; i++)
        json_array_append_new(list,
                              json_value_text(net_address_text(&host->addresses[i], address)));
    return list;
}

static json_t *host_json(const struct policy_answer *answer, const struct route_host *host,
                         struct arena *arena)
{
    const struct prospect prospect = look_forward(answer, host, arena);
    const struct observed_published *published = answer->seen->published;
    static const struct findings none;
    bool has_policy = published != NULL && published->has_policy;

    return json_pack(
        "{s:o,s:i,s:o,s:s,s:{s:s,s:o,s:o,s:o},s:o,s:s,s:s,s:o}", "host",
        json_value_text(printable(arena, host->name)), "preference", host->preference, "addresses",
        addresses_json(host), "dnssec", dns_security_name(host->security), "dane", "state",
        report_dane_state(host->tlsa), "base", json_value_text(printable(arena, host->tlsa_base)),
        "records", records_json(host, arena), "failure",
        host->tlsa_failure == NULL ? json_null()
                                   : json_value_text(printable(arena, host->tlsa_failure)),
        "sts_listed", has_policy ? json_boolean(prospect.is_listed) : json_null(), "demand",
        policy_demand_name(prospect.terms.demand), "source",
        policy_source_name(prospect.terms.source), "passed_over",
        prospect.is_barred ? json_value_text(reason_code(prospect.reason, &none)) : json_null());
}

static json_t *mx_json(const struct policy_answer *answer)
{
    static const char *const outcomes[] = {
        [ROUTE_FOUND] = "found",       [ROUTE_NULL_MX] = "null-mx",
        [ROUTE_NXDOMAIN] = "nxdomain", [ROUTE_NO_ADDRESS] = "no-address",
        [ROUTE_TIMEOUT] = "timeout",   [ROUTE_SERVFAIL] = "servfail",
        [ROUTE_BOGUS] = "bogus",
    };
    const struct route *route = answer->seen->route;

    if (route == NULL || !is_mx(answer))
        return json_null();
    return json_pack("{s:s,s:b,s:s}", "outcome", outcomes[route->outcome], "records",
                     (int)route->has_mx, "dnssec", dns_security_name(route->mx_security));
}

json_t *policy_hosts_json(const struct policy_answer *answer, struct arena *arena)
{
    const struct policy_seen *seen = answer->seen;
    json_t *hosts = json_array();

    for (size_t i = 0; seen->route != NULL && i < seen->route->host_count; i++)
        json_array_append_new(hosts, host_json(answer, &seen->route->hosts[i], arena));
    return json_pack(
        "{s:b,s:o,s:o,s:o,s:o,s:o}", "asked", (int)seen->was_asked, "cache_failure",
        json_value_text(seen->cache_failure), "mx", mx_json(answer), "mta_sts",
        seen->published == NULL ? json_null() : report_published_sts_json(seen->published),
        "tls_reports",
        seen->published == NULL ? json_null() : report_published_reports_json(seen->published),
        "hosts", hosts);
}
