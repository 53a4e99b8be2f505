#include "net/dns_ahead.h"

#include <string.h>

#include "base/memory.h"
#include "net/dns_probe.h"
#include "net/udp.h"

enum {
    QUESTION_MOST = 300,
    HEADER = 12,
    BUCKETS = 1024,
    FIRST_AGAIN_MS = 400, /* a datagram may have been lost */
    LAST_AGAIN_MS = 5000,
};

struct dns_ahead_question {
    struct dns_ahead *ahead;
    struct dns_ahead_question *next; /* of its bucket */
    struct loop_timer *again;
    int64_t again_ms;
    uint16_t id;
    uint8_t message[QUESTION_MOST];
    size_t len;
    void (*heard)(void *owner);
    void *owner;
};

struct dns_ahead {
    struct loop *loop;
    struct net_address resolvers[DNS_PROBE_RESOLVERS_MOST];
    size_t resolver_count;
    struct udp *ipv4, *ipv6; /* NULL: no resolver is asked by it */
    struct dns_ahead_question *buckets[BUCKETS];
    size_t count;
    uint16_t last_id;
};

static struct dns_ahead_question **place_of(struct dns_ahead *ahead, uint16_t id)
{
    struct dns_ahead_question **place = &ahead->buckets[id % BUCKETS];

    while (*place != NULL && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* The question is repeated in every reply, but in those that say that it makes no sense. */
static bool is_reply_to(const struct dns_ahead_question *question, struct span reply)
{
    const uint8_t *message = (const uint8_t *)reply.data;
    bool has_question = (message[4] << 8 | message[5]) == 1;

    if ((message[2] & 0x80) == 0)
        return false;
    return !has_question ||
           (reply.len >= question->len &&
            memcmp(message + HEADER, question->message + HEADER, question->len - HEADER) == 0);
}

static void take_reply(void *owner, const struct net_address *peer, struct span bytes)
{
    struct dns_ahead *ahead = owner;
    const uint8_t *message = (const uint8_t *)bytes.data;
    struct dns_ahead_question *question;
    void (*heard)(void *owner);

    (void)peer;
    if (bytes.len < HEADER)
        return;
    question = *place_of(ahead, (uint16_t)(message[0] << 8 | message[1]));
    if (question == NULL || !is_reply_to(question, bytes))
        return;
    heard = question->heard;
    owner = question->owner;
    dns_ahead_stop(&question);
    heard(owner);
}

static bool open_socket(struct dns_ahead *ahead, bool is_ipv6, struct error *err)
{
    struct net_address any = { .is_ipv6 = is_ipv6 };
    struct udp **socket = is_ipv6 ? &ahead->ipv6 : &ahead->ipv4;

    if (*socket != NULL)
        return true;
    if (!udp_open(ahead->loop, &any, take_reply, ahead, socket, err))
        return false;
    udp_keep_loop(*socket, false); /* nobody is waited for */
    return true;
}

bool dns_ahead_open(struct loop *loop, const struct net_address *resolvers, size_t resolver_count,
                    struct dns_ahead **ahead, struct error *err)
{
    AUTO(dns_ahead_close) struct dns_ahead *made = NULL;

    *ahead = NULL;
    if (resolver_count == 0)
        return true;
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a resolver");
    made->loop = loop;
    for (size_t i = 0; i < resolver_count && i < DNS_PROBE_RESOLVERS_MOST; i++)
        if (open_socket(made, resolvers[i].is_ipv6, err)) /* not every machine has both */
            made->resolvers[made->resolver_count++] = resolvers[i];
    if (made->resolver_count == 0)
        return false;
    *ahead = TAKE(made);
    return true;
}

void dns_ahead_close(struct dns_ahead **ahead)
{
    struct dns_ahead *closing = *ahead;

    *ahead = NULL;
    if (closing == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (closing->buckets[i] != NULL) {
            struct dns_ahead_question *question = closing->buckets[i];

            dns_ahead_stop(&question);
        }
    udp_close(&closing->ipv4);
    udp_close(&closing->ipv6);
    memory_free(closing);
}

static void ask(void *owner)
{
    struct dns_ahead_question *question = owner;
    const struct dns_ahead *ahead = question->ahead;
    const struct span message = { (const char *)question->message, question->len };

    for (size_t i = 0; i < ahead->resolver_count; i++)
        udp_send(ahead->resolvers[i].is_ipv6 ? ahead->ipv6 : ahead->ipv4, &ahead->resolvers[i],
                 message);
    loop_timer_start(question->again, question->again_ms);
    question->again_ms =
        2 * question->again_ms < LAST_AGAIN_MS ? 2 * question->again_ms : LAST_AGAIN_MS;
}

bool dns_ahead_ask(struct dns_ahead *ahead, const char *name, uint16_t type,
                   void (*heard)(void *owner), void *owner, struct dns_ahead_question **question)
{
    struct dns_ahead_question *made = NULL;

    *question = NULL;
    if (ahead->count == DNS_AHEAD_MOST || (made = memory_new(1, sizeof *made)) == NULL)
        return false;
    do
        ahead->last_id++;
    while (*place_of(ahead, ahead->last_id) != NULL);
    made->len = dns_probe_format(name, type, ahead->last_id, made->message, sizeof made->message);
    if (made->len == 0 || !loop_timer_open(ahead->loop, ask, made, &made->again, NULL)) {
        memory_free(made);
        return false;
    }
    made->ahead = ahead;
    made->id = ahead->last_id;
    made->again_ms = FIRST_AGAIN_MS;
    made->heard = heard;
    made->owner = owner;
    made->next = ahead->buckets[made->id % BUCKETS];
    ahead->buckets[made->id % BUCKETS] = made;
    ahead->count++;
    *question = made;
    ask(made);
    return true;
}

void dns_ahead_stop(struct dns_ahead_question **question)
{
    struct dns_ahead_question *stopping = *question;

    *question = NULL;
    if (stopping == NULL)
        return;
    *place_of(stopping->ahead, stopping->id) = stopping->next;
    stopping->ahead->count--;
    loop_timer_close(&stopping->again);
    memory_free(stopping);
}
