#include "link/tickets.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

enum { BUCKETS = 1024 };

struct ticket {
    struct tls_session *session; /* owned */
    struct link_ticket_mark mark;
    int64_t given_ms;
};

/* What is kept under one name. One without tickets is there to be shunned. */
struct host {
    struct host *next;          /* in its bucket */
    struct host *newer, *older; /* by use */
    int64_t shunned_until_ms;   /* 0: not */
    size_t count;               /* of tickets, the newest last */
    struct ticket tickets[LINK_TICKETS_EACH];
    char name[];
};

struct link_tickets {
    struct host *buckets[BUCKETS];
    struct host *newest, *oldest;
    size_t count, hosts;
};

/* FNV-1a. */
static size_t bucket_of(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    return hash % BUCKETS;
}

static void unlink_use(struct link_tickets *tickets, struct host *host)
{
    *(host->newer == NULL ? &tickets->newest : &host->newer->older) = host->older;
    *(host->older == NULL ? &tickets->oldest : &host->older->newer) = host->newer;
    host->newer = host->older = NULL;
}

static void link_use(struct link_tickets *tickets, struct host *host)
{
    host->older = tickets->newest;
    *(tickets->newest == NULL ? &tickets->oldest : &tickets->newest->newer) = host;
    tickets->newest = host;
}

/* Gives up `count` tickets from the oldest on. */
static void give_up(struct link_tickets *tickets, struct host *host, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tls_session_free(&host->tickets[i].session);
    host->count -= count;
    tickets->count -= count;
    memmove(host->tickets, host->tickets + count, host->count * sizeof *host->tickets);
}

static void remove_host(struct link_tickets *tickets, struct host *host)
{
    struct host **place = &tickets->buckets[bucket_of(host->name)];

    give_up(tickets, host, host->count);
    while (*place != host) {
        assert(*place != NULL);
        place = &(*place)->next;
    }
    *place = host->next;
    unlink_use(tickets, host);
    tickets->hosts--;
    memory_free(host);
}

/* NULL: nothing is known of it. What is found is in use. */
static struct host *find_host(struct link_tickets *tickets, const char *name)
{
    struct host *host = tickets->buckets[bucket_of(name)];

    while (host != NULL && strcmp(host->name, name) != 0)
        host = host->next;
    if (host == NULL)
        return NULL;
    unlink_use(tickets, host);
    link_use(tickets, host);
    return host;
}

/* For one more ticket: the host that it is for is the last to lose one. */
static void make_room(struct link_tickets *tickets)
{
    while (tickets->count >= LINK_TICKETS_MOST) {
        struct host *host = tickets->oldest;

        if (host->count > 1)
            give_up(tickets, host, 1);
        else
            remove_host(tickets, host);
    }
}

static struct host *make_host(struct link_tickets *tickets, const char *name)
{
    struct host **place, *made;
    size_t len = strlen(name) + 1;

    if (tickets->hosts == LINK_TICKETS_MOST) /* those that are shunned are bounded, too */
        remove_host(tickets, tickets->oldest);
    place = &tickets->buckets[bucket_of(name)];
    made = memory_new(1, sizeof *made + len);
    if (made == NULL)
        return NULL;
    memcpy(made->name, name, len);
    made->next = *place;
    *place = made;
    link_use(tickets, made);
    tickets->hosts++;
    return made;
}

static struct host *get_host(struct link_tickets *tickets, const char *name)
{
    struct host *host = find_host(tickets, name);

    return host != NULL ? host : make_host(tickets, name);
}

bool link_tickets_new(struct link_tickets **tickets, struct error *err)
{
    *tickets = memory_new(1, sizeof **tickets);
    return *tickets != NULL || error_set(err, ERROR_MEMORY, "no memory for TLS sessions");
}

void link_tickets_free(struct link_tickets **tickets)
{
    struct link_tickets *freed = *tickets;

    *tickets = NULL;
    if (freed == NULL)
        return;
    while (freed->oldest != NULL)
        remove_host(freed, freed->oldest);
    memory_free(freed);
}

size_t link_tickets_count(const struct link_tickets *tickets)
{
    return tickets->count;
}

static bool is_shunned(const struct host *host, int64_t now_ms)
{
    return host->shunned_until_ms > now_ms;
}

static void add_ticket(struct link_tickets *tickets, struct host *host,
                       struct tls_session **session, const struct link_ticket_mark *mark,
                       int64_t now_ms)
{
    bool is_single_use = tls_session_is_single_use(*session);

    if (host->count == LINK_TICKETS_EACH)
        give_up(tickets, host, 1);
    else if (!is_single_use && host->count > 0 &&
             !tls_session_is_single_use(host->tickets[host->count - 1].session))
        give_up(tickets, host, host->count); /* one serves all conversations */
    make_room(tickets);
    host->tickets[host->count++] =
        (struct ticket){ .session = TAKE(*session), .mark = *mark, .given_ms = now_ms };
    tickets->count++;
}

void link_tickets_put(struct link_tickets *tickets, const char *name, struct tls_session **session,
                      const struct link_ticket_mark *mark, int64_t now_ms)
{
    struct host *host = get_host(tickets, name);

    if (host != NULL && !is_shunned(host, now_ms)) {
        host->shunned_until_ms = 0;
        add_ticket(tickets, host, session, mark, now_ms);
    }
    tls_session_free(session);
}

static bool is_good(const struct ticket *ticket, int64_t now_ms)
{
    int64_t life_s = tls_session_life_s(ticket->session);

    return now_ms - tls_session_proved_ms(ticket->session) < LINK_TICKETS_LIFE_MS &&
           (life_s == 0 || now_ms - ticket->given_ms < life_s * 1000);
}

static struct tls_session *take_newest(struct link_tickets *tickets, struct host *host)
{
    tickets->count--;
    host->count--;
    return TAKE(host->tickets[host->count].session);
}

const struct tls_session *link_tickets_find(struct link_tickets *tickets, const char *name,
                                            int64_t now_ms, struct link_ticket_mark *mark)
{
    struct host *host = find_host(tickets, name);

    while (host != NULL && host->count > 0) {
        const struct ticket *newest = &host->tickets[host->count - 1];
        struct tls_session *gone;

        if (is_good(newest, now_ms)) {
            *mark = newest->mark;
            return newest->session;
        }
        gone = take_newest(tickets, host);
        tls_session_free(&gone);
    }
    if (host != NULL && !is_shunned(host, now_ms))
        remove_host(tickets, host);
    return NULL;
}

struct tls_session *link_tickets_take(struct link_tickets *tickets, const char *name)
{
    struct host *host = find_host(tickets, name);
    const struct ticket *newest;

    assert(host != NULL && host->count > 0);
    newest = &host->tickets[host->count - 1];
    if (!tls_session_is_single_use(newest->session))
        return tls_session_hold(newest->session);
    return take_newest(tickets, host);
}

void link_tickets_drop(struct link_tickets *tickets, const char *name)
{
    struct host *host = find_host(tickets, name);

    if (host == NULL)
        return;
    if (host->shunned_until_ms == 0)
        remove_host(tickets, host);
    else
        give_up(tickets, host, host->count);
}

void link_tickets_shun(struct link_tickets *tickets, const char *name, int64_t now_ms)
{
    struct host *host = get_host(tickets, name);

    if (host == NULL)
        return;
    give_up(tickets, host, host->count);
    host->shunned_until_ms = now_ms + LINK_TICKETS_SHUN_MS;
}
