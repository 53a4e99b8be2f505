#include "link/route.h"

#include "base/memory.h"
#include "base/text.h"
#include "trust/names.h"

#include <assert.h>
#include <stdlib.h>

enum {
    NAME_TEXT = 1024, /* dns_name_text: 255 octets, escaped */
    MX_RECORDS_MOST = 512,
    LOOKUPS_A_HOST = 4, /* A and AAAA, then CNAME and TLSA, or TLSA at both ends of an alias */
};
_Static_assert(1 + ROUTE_HOSTS_MOST * LOOKUPS_A_HOST <= ROUTE_LOOKUPS_MOST, "every look-up fits");

enum purpose {
    FOR_MX,
    FOR_A,
    FOR_AAAA,
    FOR_ALIAS,
    FOR_TLSA_BEYOND, /* where the alias leads; the host's own name comes next */
    FOR_TLSA,
};

/* One question on its way. */
struct question {
    struct route_query *query;
    struct dns_query *dns_query; /* NULL: not asked, or answered */
    enum purpose purpose;
    size_t host;
    size_t lookup; /* its place in the report */
};

/* What must be known of a host before TLSA can be asked. */
struct progress {
    unsigned address_answers_due; /* A and AAAA that are still to come */
    bool has_outcome, has_secure_answer, has_insecure_answer, has_bogus_answer;
};

struct route_query {
    struct loop *loop;
    struct dns *dns;
    struct arena *arena;
    struct route *route;
    uint16_t port;
    int64_t deadline_ms;
    void (*found)(void *owner, struct route *route);
    void *owner;
    struct loop_timer *timer; /* `found` is called from it, never from inside a callback of dns */
    struct question questions[ROUTE_LOOKUPS_MOST];
    size_t question_count;
    size_t pending;
    struct progress progress[ROUTE_HOSTS_MOST];
};

static void take_answer(void *owner, const struct dns_answer *answer);

static void close_query(struct route_query *query)
{
    for (size_t i = 0; i < query->question_count; i++)
        if (query->questions[i].dns_query != NULL)
            dns_cancel(&query->questions[i].dns_query);
    loop_timer_close(&query->timer);
    memory_free(query);
}

void route_cancel(struct route_query **query)
{
    struct route_query *closing = *query;

    *query = NULL;
    if (closing != NULL)
        close_query(closing);
}

/* ---- asking ---- */

static struct question *add_question(struct route_query *query, struct observed_lookup lookup)
{
    struct route *route = query->route;
    struct question *question = &query->questions[query->question_count];

    assert(query->question_count < ROUTE_LOOKUPS_MOST);
    query->question_count++;
    question->query = query;
    question->lookup = route->lookup_count;
    route->lookups[route->lookup_count++] = lookup;
    return question;
}

/* Our own failure to ask looks like no answer in time. */
static bool ask(struct route_query *query, const char *name, enum dns_type type,
                enum purpose purpose, size_t host, struct error *err)
{
    struct observed_lookup lookup = {
        .name = name, .type = type, .outcome = DNS_TIMEOUT, .security = DNS_INDETERMINATE
    };
    struct question *question = add_question(query, lookup);
    int64_t left_ms = query->deadline_ms - loop_now_ms(query->loop);

    question->purpose = purpose;
    question->host = host;
    if (!dns_find(query->dns, name, type, left_ms > 1 ? left_ms : 1, take_answer, question,
                  &question->dns_query, err))
        return false;
    query->pending++;
    return true;
}

static void ask_addresses(struct route_query *query, size_t index)
{
    struct progress *progress = &query->progress[index];
    struct route_host *host = &query->route->hosts[index];

    if (host->is_address)
        return;
    host->outcome = DNS_TIMEOUT;
    progress->address_answers_due += ask(query, host->name, DNS_TYPE_A, FOR_A, index, NULL);
    progress->address_answers_due += ask(query, host->name, DNS_TYPE_AAAA, FOR_AAAA, index, NULL);
}

static void fail_tlsa(struct route_query *query, size_t index, const char *name, const char *type,
                      const char *how)
{
    struct route_host *host = &query->route->hosts[index];

    host->tlsa = POLICY_TLSA_LOOKUP_FAILED;
    host->tlsa_flaw = (struct observed_tlsa_flaw){ .kind = TLSA_FLAW_NONE };
    host->tlsa_failure = arena_format(query->arena, "%s %s: %s", name, type, how);
}

static void ask_tlsa(struct route_query *query, size_t index, const char *base,
                     enum purpose purpose)
{
    const char *name = arena_format(query->arena, "_%u._tcp.%s", query->port, base);

    if (!ask(query, name, DNS_TYPE_TLSA, purpose, index, NULL))
        fail_tlsa(query, index, name, "TLSA", "it could not be asked");
}

/* ---- answers ---- */

static void note_answer(struct route_query *query, const struct question *question,
                        const struct dns_answer *answer)
{
    observed_lookup_note(&query->route->lookups[question->lookup], answer, query->arena);
}

/* The host as it is asked for and matched: no dot at the end, but one that is escaped, inside a label. */
static const char *read_host_name(struct arena *arena, struct span wire)
{
    char text[NAME_TEXT];

    return dns_name_text(wire, text, sizeof text) ? arena_copy(arena, span_of(text)) : NULL;
}

static bool has_host(const struct route *route, const char *name)
{
    for (size_t i = 0; i < route->host_count; i++)
        if (strcmp(route->hosts[i].name, name) == 0)
            return true;
    return false;
}

static void add_host(struct route *route, const char *name, int preference)
{
    struct net_address address = { .port = 0 };
    struct route_host *host;

    if (has_host(route, name))
        return;
    if (route->host_count == ROUTE_HOSTS_MOST) {
        route->was_cut = true;
        return;
    }
    host = &route->hosts[route->host_count++];
    host->name = name;
    host->preference = preference;
    host->is_address = net_address_parse(span_of(name), &address);
    host->outcome = DNS_NO_DATA;
}

struct exchange {
    int preference;
    size_t index; /* keeps the order of equals */
    struct span name;
};

static int compare_exchanges(const void *a, const void *b)
{
    const struct exchange *left = a, *right = b;

    if (left->preference != right->preference)
        return left->preference < right->preference ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

/* RFC 1035 section 3.3.9: a preference of 16 bits, then a name. */
static size_t read_exchanges(const struct dns_answer *answer, struct exchange *exchanges)
{
    size_t count = 0;

    for (size_t i = 0; i < answer->record_count && count < MX_RECORDS_MOST; i++) {
        const unsigned char *p = (const unsigned char *)answer->records[i].data;

        if (answer->records[i].len < 3)
            continue;
        exchanges[count] = (struct exchange){ .preference = p[0] << 8 | p[1],
                                              .index = i,
                                              .name = span_part(answer->records[i], 2, SIZE_MAX) };
        count++;
    }
    qsort(exchanges, count, sizeof *exchanges, compare_exchanges);
    return count;
}

/* RFC 7505 section 3: "." alone says that the domain takes no mail; among others it says nothing. */
static void read_mx(struct route_query *query, const struct dns_answer *answer)
{
    struct exchange *exchanges = memory_new(MX_RECORDS_MOST, sizeof *exchanges);
    struct route *route = query->route;
    size_t count = exchanges == NULL ? 0 : read_exchanges(answer, exchanges);
    bool has_root = false;

    route->has_mx = true;
    for (size_t i = 0; i < count; i++) {
        const char *name = read_host_name(query->arena, exchanges[i].name);

        if (name != NULL && strcmp(name, ".") == 0)
            has_root = true;
        else if (name != NULL)
            add_host(route, name, exchanges[i].preference);
    }
    memory_free(exchanges);
    route->has_stray_null_mx = has_root && route->host_count > 0;
    if (route->host_count == 0)
        route->outcome = has_root ? ROUTE_NULL_MX : ROUTE_SERVFAIL;
}

static void take_mx(struct route_query *query, const struct dns_answer *answer)
{
    struct route *route = query->route;

    route->mx_security = answer->security;
    route->canonical_domain = route->lookups[0].canonical_name;
    route->why_bogus = route->lookups[0].why_bogus;
    switch (answer->outcome) {
    case DNS_ANSWERED: read_mx(query, answer); break;
    case DNS_NO_DATA: add_host(route, route->domain, -1); break; /* RFC 5321 section 5.1 */
    case DNS_NXDOMAIN: route->outcome = ROUTE_NXDOMAIN; break;
    case DNS_SERVFAIL: route->outcome = ROUTE_SERVFAIL; break;
    case DNS_TIMEOUT: route->outcome = ROUTE_TIMEOUT; break;
    case DNS_BOGUS: route->outcome = ROUTE_BOGUS; break;
    }
    for (size_t i = 0; i < route->host_count; i++)
        ask_addresses(query, i);
}

static void add_address(struct route_host *host, struct span rdata, bool is_ipv6, uint16_t port)
{
    struct net_address *address = &host->addresses[host->address_count];
    size_t len = is_ipv6 ? 16 : 4;

    if (rdata.len != len || host->address_count == ROUTE_ADDRESSES_MOST)
        return;
    *address = (struct net_address){ .is_ipv6 = is_ipv6, .port = port };
    memcpy(address->bytes, rdata.data, len);
    host->address_count++;
}

/* The answer says what there is; any other outcome leaves it open. */
static bool is_told(enum dns_outcome outcome)
{
    return outcome == DNS_ANSWERED || outcome == DNS_NO_DATA || outcome == DNS_NXDOMAIN;
}

/* Which of two failures tells more of why there is no address. */
static bool is_worse(enum dns_outcome outcome, enum dns_outcome than)
{
    static const int rank[] = {
        [DNS_ANSWERED] = 0, [DNS_NO_DATA] = 1,  [DNS_NXDOMAIN] = 2,
        [DNS_TIMEOUT] = 3,  [DNS_SERVFAIL] = 4, [DNS_BOGUS] = 5,
    };

    return rank[outcome] > rank[than];
}

static enum dns_security security_of(const struct progress *progress)
{
    if (progress->has_bogus_answer)
        return DNS_VALIDATION_FAILED;
    if (progress->has_insecure_answer)
        return DNS_INSECURE;
    return progress->has_secure_answer ? DNS_SECURE : DNS_INDETERMINATE;
}

/* RFC 7672 section 2.2.2: TLSA counts where the address answers are secure. An alias that leads
 * out of a secure zone may still be secure itself: then its own name is the base, which only the
 * CNAME's own state can tell. */
static void go_on_to_tlsa(struct route_query *query, size_t index)
{
    const struct progress *progress = &query->progress[index];
    struct route_host *host = &query->route->hosts[index];
    bool is_secure = progress->has_secure_answer && !progress->has_insecure_answer;

    host->security = security_of(progress);
    host->tlsa = POLICY_TLSA_NONE;
    if (host->address_count == 0)
        return;
    host->outcome = DNS_ANSWERED;
    if (is_secure && host->is_alias)
        ask_tlsa(query, index, host->canonical_name, FOR_TLSA_BEYOND);
    else if (is_secure)
        ask_tlsa(query, index, host->name, FOR_TLSA);
    else if (host->is_alias && !ask(query, host->name, DNS_TYPE_CNAME, FOR_ALIAS, index, NULL))
        fail_tlsa(query, index, host->name, "CNAME", "it could not be asked");
}

static void note_address_outcome(struct route_query *query, const struct question *question)
{
    struct route_host *host = &query->route->hosts[question->host];
    struct progress *progress = &query->progress[question->host];
    const struct observed_lookup *lookup = &query->route->lookups[question->lookup];

    if (lookup->canonical_name != NULL) {
        host->is_alias = true;
        host->canonical_name = lookup->canonical_name;
    }
    if (is_told(lookup->outcome)) {
        progress->has_secure_answer |= lookup->security == DNS_SECURE;
        progress->has_insecure_answer |= lookup->security != DNS_SECURE;
    }
    progress->has_bogus_answer |= lookup->outcome == DNS_BOGUS;
    if (!progress->has_outcome || is_worse(lookup->outcome, host->outcome))
        host->outcome = lookup->outcome;
    if (lookup->why_bogus != NULL)
        host->why_bogus = lookup->why_bogus;
    progress->has_outcome = true;
}

static void take_addresses(struct route_query *query, const struct question *question,
                           const struct dns_answer *answer)
{
    struct route_host *host = &query->route->hosts[question->host];

    for (size_t i = 0; i < answer->record_count && answer->outcome == DNS_ANSWERED; i++)
        add_address(host, answer->records[i], question->purpose == FOR_AAAA, query->port);
    note_address_outcome(query, question);
    if (--query->progress[question->host].address_answers_due == 0)
        go_on_to_tlsa(query, question->host);
}

static const char *failure_words(struct arena *arena, const struct dns_answer *answer)
{
    switch (answer->outcome) {
    case DNS_BOGUS:
        return arena_format(arena, "bogus%s%s", answer->why_bogus == NULL ? "" : ": ",
                            answer->why_bogus == NULL ? "" : answer->why_bogus);
    case DNS_TIMEOUT: return "no answer in time";
    case DNS_SERVFAIL:
    case DNS_ANSWERED:
    case DNS_NO_DATA:
    case DNS_NXDOMAIN: break;
    }
    return answer->rcode == 2 ? "SERVFAIL" : arena_format(arena, "rcode %d", answer->rcode);
}

/* RFC 7672 section 2.1.2: what fails must never be taken for none. True: it did. */
static bool take_failure(struct route_query *query, const struct question *question,
                         const struct dns_answer *answer)
{
    const struct observed_lookup *lookup = &query->route->lookups[question->lookup];

    if (is_told(answer->outcome))
        return false;
    fail_tlsa(query, question->host, lookup->name, dns_type_name(lookup->type),
              failure_words(query->arena, answer));
    return true;
}

static void take_alias(struct route_query *query, const struct question *question,
                       const struct dns_answer *answer)
{
    if (!take_failure(query, question, answer) && answer->outcome == DNS_ANSWERED &&
        answer->security == DNS_SECURE)
        ask_tlsa(query, question->host, query->route->hosts[question->host].name, FOR_TLSA);
}

static void read_tlsa(struct route_query *query, struct route_host *host,
                      const struct dns_answer *answer)
{
    host->tlsa = POLICY_TLSA_UNUSABLE;
    host->tlsa_records = arena_new(query->arena, answer->record_count, sizeof *host->tlsa_records);
    for (size_t i = 0; host->tlsa_records != NULL && i < answer->record_count; i++) {
        struct dane_record *record = &host->tlsa_records[host->tlsa_count];

        if (!dane_from_wire(arena_copy_bytes(query->arena, answer->records[i]), record))
            continue;
        host->tlsa_count++;
        if (dane_usability(record) == DANE_USABLE)
            host->tlsa = POLICY_TLSA_USABLE;
    }
}

/* By a wildcard or a DNAME (RFC 4592, RFC 6672) the name of every host below is an alias, and the names
 * below it too: nobody meant a record there. */
static bool follows_its_host(const struct route_query *query, const struct route_host *host,
                             const char *alias)
{
    return host->canonical_name != NULL &&
           (strcmp(alias, host->canonical_name) == 0 ||
            strcmp(alias, arena_format(query->arena, "_%u._tcp.%s", query->port,
                                       host->canonical_name)) == 0);
}

/* Somebody meant to publish records, and they count for nothing. */
static void note_worthless(struct route_query *query, const struct question *question)
{
    const struct observed_lookup *lookup = &query->route->lookups[question->lookup];
    struct route_host *host = &query->route->hosts[question->host];
    const char *alias = lookup->canonical_name;
    struct observed_tlsa_flaw flaw = { .name = lookup->name, .alias = alias };

    if (lookup->outcome == DNS_ANSWERED) {
        flaw.kind = TLSA_FLAW_INSECURE;
        host->tlsa_failure = arena_format(
            query->arena, "%s TLSA: the answer is not signed, so it counts for nothing",
            lookup->name);
    } else if (alias != NULL && !follows_its_host(query, host, alias)) {
        flaw.kind = TLSA_FLAW_DANGLING;
        host->tlsa_failure = arena_format(
            query->arena, "%s TLSA: an alias of %s, where there is none", lookup->name, alias);
    }
    if (flaw.kind != TLSA_FLAW_NONE)
        host->tlsa_flaw = flaw;
}

/* RFC 7672 section 2.2.3: an insecure answer counts as none, and an alias of the TLSA name itself does
 * not change the base domain. */
static void take_tlsa(struct route_query *query, const struct question *question,
                      const struct dns_answer *answer)
{
    struct route_host *host = &query->route->hosts[question->host];
    bool is_beyond = question->purpose == FOR_TLSA_BEYOND;

    if (take_failure(query, question, answer))
        return;
    if (answer->outcome == DNS_ANSWERED && answer->security == DNS_SECURE) {
        host->tlsa_base = is_beyond ? host->canonical_name : host->name;
        host->tlsa_failure = NULL;
        host->tlsa_flaw = (struct observed_tlsa_flaw){ .kind = TLSA_FLAW_NONE };
        read_tlsa(query, host, answer);
        return;
    }
    note_worthless(query, question);
    if (is_beyond)
        ask_tlsa(query, question->host, host->name, FOR_TLSA);
}

static void take_answer(void *owner, const struct dns_answer *answer)
{
    struct question *question = owner;
    struct route_query *query = question->query;

    question->dns_query = NULL;
    query->pending--;
    note_answer(query, question, answer);
    switch (question->purpose) {
    case FOR_MX: take_mx(query, answer); break;
    case FOR_A:
    case FOR_AAAA: take_addresses(query, question, answer); break;
    case FOR_ALIAS: take_alias(query, question, answer); break;
    case FOR_TLSA_BEYOND:
    case FOR_TLSA: take_tlsa(query, question, answer); break;
    }
    if (query->pending == 0)
        loop_timer_start(query->timer, 0);
}

/* ---- the end ---- */

/* A domain without MX is its own host: where it has no address, the reason is the domain's. */
static enum route_outcome outcome_of_domain(const struct route_host *host)
{
    switch (host->outcome) {
    case DNS_ANSWERED: break;
    case DNS_NO_DATA: return ROUTE_NO_ADDRESS;
    case DNS_NXDOMAIN: return ROUTE_NXDOMAIN;
    case DNS_SERVFAIL: return ROUTE_SERVFAIL;
    case DNS_TIMEOUT: return ROUTE_TIMEOUT;
    case DNS_BOGUS: return ROUTE_BOGUS;
    }
    return ROUTE_FOUND;
}

static void tell_owner(void *owner)
{
    struct route_query *query = owner;
    struct route *route = query->route;

    if (!route->has_mx && route->host_count == 1) {
        route->outcome = outcome_of_domain(&route->hosts[0]);
        if (route->outcome == ROUTE_BOGUS)
            route->why_bogus = route->hosts[0].why_bogus;
    }
    query->found(query->owner, route);
}

static bool make_route(struct arena *arena, const char *domain, struct route **route,
                       struct error *err)
{
    struct route *made = arena_new(arena, 1, sizeof *made);

    *route = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the route to %s", domain);
    made->domain = names_normalize(arena, span_of(domain));
    made->hosts = arena_new(arena, ROUTE_HOSTS_MOST, sizeof *made->hosts);
    made->lookups = arena_new(arena, ROUTE_LOOKUPS_MOST, sizeof *made->lookups);
    if (made->hosts == NULL || made->lookups == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the route to %s", domain);
    if (made->domain == NULL)
        return error_set(err, ERROR_USAGE, "\"%s\" is not a domain name",
                         text_printable(arena, span_of(domain), true));
    return true;
}

/* The operator chose the host, which is as good as a secure MX: RFC 7672 section 2.2.3. */
static bool start_from_host(struct route_query *query, struct error *err)
{
    query->route->mx_security = DNS_SECURE;
    add_host(query->route, query->route->domain, -1);
    ask_addresses(query, 0);
    return query->pending > 0 || error_set(err, ERROR_SYSTEM, "no look-up could be started");
}

bool route_find(struct loop *loop, struct dns *dns, struct arena *arena, const char *domain,
                enum route_start start, uint16_t port, int64_t timeout_ms,
                void (*found)(void *owner, struct route *route), void *owner,
                struct route_query **query, struct error *err)
{
    struct route_query *made;
    struct route *route;

    *query = NULL;
    if (!make_route(arena, domain, &route, err))
        return false;
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a look-up");
    *made = (struct route_query){ .loop = loop,
                                  .dns = dns,
                                  .arena = arena,
                                  .route = route,
                                  .port = port,
                                  .deadline_ms = loop_now_ms(loop) + timeout_ms,
                                  .found = found,
                                  .owner = owner };
    if (!loop_timer_open(loop, tell_owner, made, &made->timer, err) ||
        !(start == ROUTE_FROM_HOST ? start_from_host(made, err)
                                   : ask(made, route->domain, DNS_TYPE_MX, FOR_MX, 0, err))) {
        close_query(made);
        return error_wrap(err, "looking up %s", route->domain);
    }
    *query = made;
    return true;
}
