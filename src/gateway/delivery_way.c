/* gateway/delivery_way.c - from a destination to the addresses that take its mail, the best first.
 *
 * RFC 5321 section 5.1: MX hosts in the order of their preference, those of one preference in any order,
 * and of each both families in turn, so that a family without a route costs one attempt. Where we are an
 * MX host ourselves, no host that is worse than we are gets the mail: it would come back.
 */
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "diagnose/judge.h"
#include "gateway/delivery_destination.h"
#include "gateway/tls_reports.h"

enum {
    WAY_BYTES = 1024 * 1024,
    FRESH_MS = 60 * 1000, /* the resolver knows how long an answer lasts */
    SEARCH_MS = 30 * 1000,
    SLOW_MS = 200,
};

/* ---- life ----------------------------------------------------------------------------------- */

static struct delivery_way *make_way(struct delivery *delivery)
{
    struct delivery_way *way = memory_new(1, sizeof *way);

    if (way == NULL)
        return NULL;
    way->references = 1;
    way->delivery = delivery;
    arena_init(&way->arena, WAY_BYTES);
    return way;
}

void delivery_way_release(struct delivery_way **way)
{
    struct delivery_way *released = *way;

    *way = NULL;
    if (released == NULL || --released->references > 0)
        return;
    arena_clear(&released->arena);
    memory_free(released);
}

bool delivery_way_is_fresh(const struct delivery_destination *destination)
{
    const struct delivery_way *way = destination->way;

    return way != NULL && way->count > 0 &&
           delivery_now_ms(destination->plan->delivery) - way->found_at_ms < FRESH_MS;
}

/* ---- addresses ------------------------------------------------------------------------------ */

/* An address that failed a while ago is behind the others, also when it was found anew. */
static bool has_failed_before(const struct delivery_way *before, const struct net_address *address)
{
    for (size_t i = 0; before != NULL && i < before->count; i++)
        if (before->addresses[i].has_failed &&
            net_address_equal(&before->addresses[i].address, address))
            return true;
    return false;
}

/* A server that has no name is called by its address, as `check` does. */
static void add_address(const struct delivery_destination *destination, struct delivery_way *way,
                        const struct net_address *address, const struct route_host *host,
                        const char *name)
{
    char text[NET_ADDRESS_TEXT];

    if (name == NULL && destination->kind == DELIVERY_TO_HOP)
        name = arena_copy(&way->arena, span_of(net_address_text(address, text)));
    if (way->count < DELIVERY_ADDRESSES_MOST)
        way->addresses[way->count++] = (struct delivery_address){
            .address = *address,
            .host = host,
            .name = name == NULL ? "" : name,
            .has_failed = has_failed_before(destination->way, address),
        };
}

/* IPv6 first, then the families in turn. */
static void add_host(const struct delivery_destination *destination, struct delivery_way *way,
                     const struct route_host *host, uint16_t port)
{
    size_t next[2] = { 0, 0 }, added = 0;

    for (size_t turn = 0; added < host->address_count; turn++) {
        bool is_ipv6 = turn % 2 == 0;
        size_t *at = &next[turn % 2];

        while (*at < host->address_count && host->addresses[*at].is_ipv6 != is_ipv6)
            (*at)++;
        if (*at == host->address_count)
            continue;
        struct net_address address = host->addresses[(*at)++];

        address.port = port;
        add_address(destination, way, &address, host, host->name);
        added++;
    }
}

/* Hosts of one preference in any order: RFC 5321 section 5.1. */
static void shuffle(struct route *route)
{
    for (size_t i = 0; i + 1 < route->host_count; i++) {
        size_t same = i + 1;
        uint32_t chance = 0;

        while (same < route->host_count &&
               route->hosts[same].preference == route->hosts[i].preference)
            same++;
        if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
            return;
        same = i + chance % (same - i);
        struct route_host host = route->hosts[i];

        route->hosts[i] = route->hosts[same];
        route->hosts[same] = host;
    }
}

/* Where we are among the hosts: INT_MAX where we are not. */
static int our_preference(const struct delivery_destination *destination, const struct route *route)
{
    struct span ours = span_of(destination->plan->profile->hostname);

    for (size_t i = 0; route->has_mx && i < route->host_count; i++)
        if (span_equal_nocase(span_of(route->hosts[i].name), ours))
            return route->hosts[i].preference;
    return INT_MAX;
}

/* ---- failure -------------------------------------------------------------------------------- */

/* Nobody is dialled; a domain whose zone cannot be believed is told of it all the same: RFC 8460 section 4.3.2.1. */
static void count(const struct delivery_destination *destination, const struct findings *findings)
{
    struct tls_reports *reports = destination->plan->delivery->settings.reports;
    const struct tls_report_session session = { .domain = destination->domain,
                                                .findings = findings };

    if (reports != NULL && destination->kind == DELIVERY_TO_MX && !destination->tls_optional)
        tls_reports_count(reports, &session);
}

/* What the route's findings say, where they say anything. */
static void fail_by_route(struct delivery_destination *destination, const struct route *route,
                          enum delivery_fate fate, const char *code, const char *words)
{
    struct arena arena;
    struct findings *findings;

    arena_init(&arena, WAY_BYTES);
    findings = arena_new(&arena, 1, sizeof *findings);
    if (findings != NULL) {
        judge_route(route, &arena, findings);
        count(destination, findings);
    }
    delivery_destination_refuse(destination, fate, code, words,
                                findings == NULL || findings->count == 0 ? NULL
                                                                         : &findings->items[0]);
    arena_clear(&arena);
}

static const struct {
    enum delivery_fate fate;
    const char *code, *words;
} of_route[] = {
    [ROUTE_FOUND] = { DELIVERY_REFUSED, "5.4.4", "no host of the domain has an address" },
    [ROUTE_NULL_MX] = { DELIVERY_REFUSED, "5.1.10", "the domain takes no mail" }, /* RFC 7505 */
    [ROUTE_NXDOMAIN] = { DELIVERY_REFUSED, "5.1.2", "there is no such domain" },
    [ROUTE_NO_ADDRESS] = { DELIVERY_REFUSED, "5.4.4", "the domain has no mail server" },
    [ROUTE_TIMEOUT] = { DELIVERY_DEFERRED, "4.4.3", "the DNS gave no answer in time" },
    [ROUTE_SERVFAIL] = { DELIVERY_DEFERRED, "4.4.3", "the DNS could not answer" },
    [ROUTE_BOGUS] = { DELIVERY_DEFERRED, "4.4.3", "the DNS answer is bogus" },
};

static bool has_host_with(const struct route *route, enum dns_outcome outcome)
{
    for (size_t i = 0; i < route->host_count; i++)
        if (route->hosts[i].outcome == outcome)
            return true;
    return false;
}

static void fail_without_address(struct delivery_destination *destination,
                                 const struct route *route)
{
    enum route_outcome outcome = route->outcome;
    enum delivery_fate fate;
    const char *code;

    /* an address that could not be looked up now may be there later */
    if (outcome == ROUTE_FOUND && has_host_with(route, DNS_BOGUS))
        outcome = ROUTE_BOGUS;
    else if (outcome == ROUTE_FOUND && has_host_with(route, DNS_SERVFAIL))
        outcome = ROUTE_SERVFAIL;
    else if (outcome == ROUTE_FOUND && has_host_with(route, DNS_TIMEOUT))
        outcome = ROUTE_TIMEOUT;
    fate = of_route[outcome].fate;
    code = of_route[outcome].code;
    if (destination->kind == DELIVERY_TO_HOP && fate == DELIVERY_REFUSED) {
        fate = DELIVERY_DEFERRED; /* it is our own settings that are wrong, or ahead of the DNS */
        code = "4.3.5";
    }
    fail_by_route(destination, route, fate, code, of_route[outcome].words);
}

/* ---- searching ------------------------------------------------------------------------------ */

static void end_search(struct delivery_destination *destination)
{
    delivery_way_release(&destination->way);
    destination->way = destination->searched;
    destination->searched = NULL;
    destination->way->found_at_ms = delivery_now_ms(destination->plan->delivery);
}

static void forget_search(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;
    struct delivery_destination **place = &delivery->first_searching;

    while (*place != destination)
        place = &(*place)->next_searching;
    *place = destination->next_searching;
}

static void uncount_search(struct delivery_destination *destination)
{
    destination->plan->delivery->searches -= destination->search_counts;
    destination->search_counts = false;
}

void delivery_way_conclude(struct delivery_destination *destination)
{
    struct delivery_plan *plan = destination->plan;

    end_search(destination);
    forget_search(destination);
    delivery_destination_take_way(destination);
    delivery_go_on(plan->delivery);
    delivery_plan_release(&plan);
}

/* Where the domain's policy is waited for, other domains' routes may be asked for meanwhile. */
static void end_route(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;

    uncount_search(destination);
    if (destination->searched->count == 0 || delivery_published_is_here(destination))
        delivery_way_conclude(destination);
    else if (!delivery->is_draining)
        delivery_dispatch(delivery);
}

static void take_route(void *owner, struct route *route)
{
    struct delivery_destination *destination = owner;
    struct delivery_way *way = destination->searched;
    int ours = our_preference(destination, route);

    route_cancel(&destination->query);
    shuffle(route);
    way->route = route;
    for (size_t i = 0; route->outcome == ROUTE_FOUND && i < route->host_count; i++)
        if (route->hosts[i].preference < ours)
            add_host(destination, way, &route->hosts[i], destination->address.port);
    if (way->count == 0 && ours != INT_MAX)
        delivery_destination_refuse(
            destination, DELIVERY_REFUSED, "5.4.6",
            arena_format(&way->arena, "mail for %s loops back to us: no MX host is before %s",
                         destination->domain, destination->plan->profile->hostname),
            NULL);
    else if (way->count == 0)
        fail_without_address(destination, route);
    end_route(destination);
}

static void take_host(void *owner)
{
    struct delivery_destination *destination = owner;
    struct delivery_way *way = destination->searched;

    for (size_t i = 0; i < way->host.count; i++)
        add_address(destination, way, &way->host.addresses[i], NULL, destination->host);
    if (way->count == 0)
        delivery_destination_refuse(
            destination, DELIVERY_DEFERRED, "4.4.3",
            arena_format(&way->arena, "looking up %s: %s", destination->host, way->host.failure),
            NULL);
    if (way->count == 0)
        destination->failure.relay =
            arena_copy(&destination->failure.arena, span_of(destination->name));
    end_route(destination);
}

/* Servers of our own house may stand in the hosts file; others are looked up in the DNS. */
static bool start_search(struct delivery_destination *destination, struct error *err)
{
    struct delivery_settings *settings = &destination->plan->delivery->settings;
    struct delivery_way *way = destination->searched;
    bool by_mx = destination->kind == DELIVERY_TO_MX;

    if (destination->kind == DELIVERY_TO_LMTP)
        return host_find(settings->loop, destination->host, destination->address.port, take_host,
                         destination, &way->host, err);
    if (settings->dns == NULL)
        return error_set(err, ERROR_SYSTEM, "there is no resolver");
    return route_find(settings->loop, settings->dns, &way->arena,
                      by_mx ? destination->domain : destination->host,
                      by_mx ? ROUTE_FROM_DOMAIN : ROUTE_FROM_HOST, destination->address.port,
                      SEARCH_MS, take_route, destination, &destination->query, err);
}

void delivery_way_search(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;
    struct error err = { .text = "no memory" };

    destination->searched = make_way(delivery);
    if (destination->searched == NULL) {
        delivery_destination_refuse(destination, DELIVERY_DEFERRED, "4.3.0",
                                    "no memory for a look-up", NULL);
        delivery_destination_fail_line(destination);
    } else if (destination->host == NULL && destination->kind != DELIVERY_TO_MX) {
        add_address(destination, destination->searched, &destination->address, NULL, NULL);
        end_search(destination);
    } else if (start_search(destination, &err)) {
        delivery_plan_hold(destination->plan); /* until it is concluded */
        destination->next_searching = delivery->first_searching;
        delivery->first_searching = destination;
        destination->searched_since_ms = delivery_now_ms(delivery);
        destination->search_counts = true;
        delivery->searches++;
        delivery_published_search(destination);
    } else {
        delivery_way_release(&destination->searched);
        delivery_destination_refuse(destination, DELIVERY_DEFERRED, "4.4.3", err.text, NULL);
        delivery_destination_fail_line(destination);
    }
}

/* What takes long waits for somebody else's name server, and keeps nobody here busy. The system's own
 * look-ups do: each has a thread. */
void delivery_way_leave_slow(struct delivery *delivery)
{
    int64_t now_ms = delivery_now_ms(delivery);

    for (struct delivery_destination *destination = delivery->first_searching; destination != NULL;
         destination = destination->next_searching)
        if (destination->kind != DELIVERY_TO_LMTP &&
            now_ms - destination->searched_since_ms >= SLOW_MS)
            uncount_search(destination);
}

void delivery_way_cancel_all(struct delivery *delivery)
{
    struct delivery_destination *destination = delivery->first_searching, *next;

    for (; destination != NULL; destination = next) {
        struct delivery_plan *plan = destination->plan;

        next = destination->next_searching;
        if (destination->kind == DELIVERY_TO_LMTP)
            continue; /* the system's own look-up cannot be called off */
        uncount_search(destination);
        route_cancel(&destination->query);
        delivery_way_release(&destination->searched);
        forget_search(destination);
        delivery_plan_release(&plan);
    }
    delivery_published_cancel_all(delivery);
}
