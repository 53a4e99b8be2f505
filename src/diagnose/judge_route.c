/* diagnose/judge_route.c - what is wrong in the DNS of a domain. */
#include "diagnose/judge.h"
#include "diagnose/judge_parts.h"

#include "base/text.h"

static const char *outcome_words(enum dns_outcome outcome)
{
    switch (outcome) {
    case DNS_ANSWERED: return "answered";
    case DNS_NO_DATA: return "no such record";
    case DNS_NXDOMAIN: return "NXDOMAIN";
    case DNS_SERVFAIL: return "SERVFAIL";
    case DNS_TIMEOUT: return "no answer in time";
    case DNS_BOGUS: return "bogus";
    }
    return "unknown";
}

const char *judge_rcode(struct judge *judge, int rcode)
{
    switch (rcode) {
    case 0: return "with something that makes no sense";
    case 1: return "FORMERR";
    case 2: return "SERVFAIL";
    case 4: return "NOTIMP";
    case 5: return "REFUSED";
    case 9: return "NOTAUTH";
    default: return arena_format(judge->arena, "rcode %d", rcode);
    }
}

static const struct observed_lookup *lookup_that(const struct route *route,
                                                 enum dns_outcome outcome, const char *name)
{
    for (size_t i = 0; i < route->lookup_count; i++)
        if (route->lookups[i].outcome == outcome &&
            (name == NULL || route->lookups[i].name == NULL ||
             span_equal_nocase(span_of(route->lookups[i].name), span_of(name))))
            return &route->lookups[i];
    return NULL;
}

/* Whether an answer came of which it can be told. */
static bool has_security(enum dns_outcome outcome)
{
    return outcome == DNS_ANSWERED || outcome == DNS_NO_DATA || outcome == DNS_NXDOMAIN;
}

static void prove_lookups(struct judge *judge, struct finding *finding, const struct route *route,
                          const char *name)
{
    for (size_t i = 0; i < route->lookup_count; i++) {
        const struct observed_lookup *lookup = &route->lookups[i];

        if (name != NULL && lookup->name != NULL &&
            !span_equal_nocase(span_of(lookup->name), span_of(name)))
            continue;
        judge_prove(
            judge, finding, "%s %s: %s%s%s%s%s",
            lookup->name == NULL ? "?" : text_printable(judge->arena, span_of(lookup->name), false),
            dns_type_name(lookup->type), outcome_words(lookup->outcome),
            has_security(lookup->outcome) ? ", " : "",
            has_security(lookup->outcome) ? dns_security_name(lookup->security) : "",
            lookup->why_bogus == NULL ? "" : "; ",
            lookup->why_bogus == NULL
                ? ""
                : text_printable(judge->arena, span_of(lookup->why_bogus), false));
    }
    if (finding->evidence_count == 0)
        judge_prove(judge, finding, "the answers for %s", name == NULL ? route->domain : name);
}

void judge_own_dns(struct judge *judge, struct finding *finding,
                   const struct observed_lookup *lookup)
{
    const char *name =
        lookup->name == NULL ? "" : text_printable(judge->arena, span_of(lookup->name), false);
    const char *type = dns_type_name(lookup->type);
    const char *why = lookup->why_bogus == NULL
                          ? "no reason given"
                          : text_printable(judge->arena, span_of(lookup->why_bogus), false);

    if (lookup->outcome == DNS_TIMEOUT && lookup->resolver_is_silent) {
        JUDGE_REWORD(judge, finding, "own-resolver", { "name", name }, { "type", type });
        judge_prove(judge, finding,
                    "our resolver left three questions for the root without a reply too");
    } else if (observed_lookup_was_cut_short(lookup)) {
        JUDGE_REWORD(judge, finding, "short-time", { "name", name }, { "type", type },
                     { "seconds", judge_wait(judge, lookup->given_up_after_ms) });
    }
    if (lookup->outcome == DNS_BOGUS && lookup->anchor_failed) {
        JUDGE_REWORD(judge, finding, "own-anchor", { "name", name }, { "type", type },
                     { "why", why });
        judge_prove(judge, finding, "the zone of the trust anchor itself fails validation");
    }
}

static struct finding *add_failure(struct judge *judge, const struct route *route,
                                   enum dns_outcome outcome, const char *name, const char *bogus)
{
    const struct observed_lookup *lookup = lookup_that(route, outcome, name);
    const char *shown = text_printable(judge->arena, span_of(name), false);
    const char *code = judge_lookup_code(outcome);
    const char *why = bogus != NULL                                 ? bogus
                      : lookup != NULL && lookup->why_bogus != NULL ? lookup->why_bogus
                                                                    : "no reason given";
    struct finding *finding =
        JUDGE_ADD(judge, code == NULL ? "dns-no-address" : code, { "name", shown },
                  { "type", lookup == NULL ? "MX" : dns_type_name(lookup->type) },
                  { "seconds", "the time allowed" },
                  { "rcode", judge_rcode(judge, lookup == NULL ? 2 : lookup->rcode) },
                  { "why", text_printable(judge->arena, span_of(why), false) });

    prove_lookups(judge, finding, route, name);
    if (lookup != NULL)
        judge_own_dns(judge, finding, lookup);
    return finding;
}

static void judge_outcome_of_route(struct judge *judge, const struct route *route)
{
    struct finding *finding = NULL;

    switch (route->outcome) {
    case ROUTE_FOUND: return;
    case ROUTE_NULL_MX: finding = judge_add(judge, "dns-null-mx", NULL, 0); break;
    case ROUTE_NXDOMAIN: finding = judge_add(judge, "dns-nxdomain", NULL, 0); break;
    case ROUTE_NO_ADDRESS:
        (void)add_failure(judge, route, DNS_NO_DATA, route->domain, NULL);
        return;
    case ROUTE_TIMEOUT: (void)add_failure(judge, route, DNS_TIMEOUT, route->domain, NULL); return;
    case ROUTE_SERVFAIL: (void)add_failure(judge, route, DNS_SERVFAIL, route->domain, NULL); return;
    case ROUTE_BOGUS:
        (void)add_failure(judge, route, DNS_BOGUS, route->domain, route->why_bogus);
        return;
    }
    if (finding == NULL)
        return;
    if (route->outcome == ROUTE_NULL_MX)
        judge_prove(judge, finding, "%s MX 0 .", judge->common[0].value);
    prove_lookups(judge, finding, route, NULL);
}

static size_t hosts_with_address(const struct route *route)
{
    size_t count = 0;

    for (size_t i = 0; i < route->host_count; i++)
        count += route->hosts[i].address_count > 0;
    return count;
}

static void judge_host(struct judge *judge, const struct route *route,
                       const struct route_host *host)
{
    const char *name = text_printable(judge->arena, span_of(host->name), false);
    struct finding *finding;

    if (host->is_alias) {
        finding =
            JUDGE_ADD(judge, "dns-mx-is-alias", { "name", name },
                      { "canonical",
                        host->canonical_name == NULL
                            ? "another name"
                            : text_printable(judge->arena, span_of(host->canonical_name), false) });
        judge_prove(judge, finding, "%s CNAME %s", name,
                    host->canonical_name == NULL
                        ? "(not told)"
                        : text_printable(judge->arena, span_of(host->canonical_name), false));
    }
    if (host->is_address) {
        finding = JUDGE_ADD(judge, "dns-mx-is-address", { "name", name });
        judge_prove(judge, finding, "MX %d %s", host->preference, name);
    } else if (host->address_count == 0) {
        finding = add_failure(judge, route, host->outcome, host->name, host->why_bogus);
    } else {
        return;
    }
    if (hosts_with_address(route) > 0)
        finding->severity = SEVERITY_WARNING; /* mail still finds a way */
}

/* Some senders take it for the whole answer and bounce. */
static void judge_stray_null(struct judge *judge, const struct route *route)
{
    struct finding *finding = judge_add(judge, "dns-null-mx", NULL, 0);

    judge_reword(judge, finding, "stray-null-mx", NULL, 0);
    finding->severity = SEVERITY_WARNING;
    judge_prove(judge, finding, "\".\" stands among the MX records, beside %s",
                text_printable(judge->arena, span_of(route->hosts[0].name), false));
}

void judge_route(const struct route *route, struct arena *arena, struct findings *findings)
{
    const char *domain = text_printable(arena, span_of(route->domain), false);
    struct judge judge = {
        .arena = arena,
        .findings = findings,
        .common = { { "domain", domain }, { "host", domain }, { "reference", domain } },
        .reference = domain,
    };

    judge_outcome_of_route(&judge, route);
    for (size_t i = 0; i < route->host_count && route->outcome == ROUTE_FOUND; i++)
        judge_host(&judge, route, &route->hosts[i]);
    if (route->has_stray_null_mx)
        judge_stray_null(&judge, route);
    if (route->was_cut) {
        struct finding *finding =
            JUDGE_ADD(&judge, "dns-hosts-left-out",
                      { "count", arena_format(arena, "%zu", route->host_count) });

        judge_prove(&judge, finding, "%zu hosts were kept", route->host_count);
    }
    judge_sort(findings);
}
