#include "net/dns_probe.h"

#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "net/udp.h"

enum { QUESTION_MOST = 300, HEADER = 12, LABEL_MOST = 63, NAME_MOST = 255, TRIES = 3 };

struct dns_probe {
    struct udp *udp;
    struct loop_timer *timer;
    struct net_address resolvers[DNS_PROBE_RESOLVERS_MOST];
    size_t resolver_count;
    uint8_t question[QUESTION_MOST];
    size_t question_len;
    int tries;
    int64_t patience_ms; /* of each try */
    uint16_t id;
    void (*heard)(void *owner, int rcode);
    void *owner;
};

static void put(uint8_t *out, size_t *used, unsigned number, size_t width)
{
    for (size_t i = 0; i < width; i++)
        out[(*used)++] = (uint8_t)(number >> 8 * (width - 1 - i));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One octet of a name as text, with the escapes of RFC 1035 section 5.1; returns false at the end
 * of a label. */
static bool take_octet(const char **text, uint8_t *octet)
{
    const char *at = *text;

    if (*at == '\0' || *at == '.')
        return false;
    if (at[0] == '\\' && is_digit(at[1]) && is_digit(at[2]) && is_digit(at[3])) {
        *octet = (uint8_t)((at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0'));
        *text += 4;
        return true;
    }
    if (at[0] == '\\' && at[1] != '\0')
        at++;
    *octet = (uint8_t)*at;
    *text = at + 1;
    return true;
}

static bool put_name(const char *name, uint8_t *out, size_t *used)
{
    size_t start = *used;

    while (*name != '\0' && strcmp(name, ".") != 0) {
        size_t length_at = (*used)++;
        uint8_t octet = 0;

        while (take_octet(&name, &octet)) {
            if (*used - start >= NAME_MOST - 1 || *used - length_at > LABEL_MOST)
                return false;
            out[(*used)++] = octet;
        }
        out[length_at] = (uint8_t)(*used - length_at - 1);
        if (out[length_at] == 0)
            return false;
        if (*name == '.')
            name++;
    }
    out[(*used)++] = 0;
    return true;
}

size_t dns_probe_format(const char *name, uint16_t type, uint16_t id, uint8_t *out, size_t size)
{
    size_t used = 0;

    if (size < QUESTION_MOST)
        return 0;
    put(out, &used, id, 2);
    put(out, &used, 0x0110, 2); /* recursion desired; checking disabled: the bare answer will do */
    put(out, &used, 1, 2);
    put(out, &used, 0, 2);
    put(out, &used, 0, 4);
    if (!put_name(name, out, &used))
        return 0;
    put(out, &used, type, 2);
    put(out, &used, 1, 2);
    return used;
}

void dns_probe_stop(struct dns_probe **probe)
{
    struct dns_probe *stopping = *probe;

    *probe = NULL;
    if (stopping == NULL)
        return;
    udp_close(&stopping->udp);
    loop_timer_close(&stopping->timer);
    memory_free(stopping);
}

static void finish(struct dns_probe *probe, int rcode)
{
    void (*heard)(void *owner, int rcode) = probe->heard;
    void *owner = probe->owner;

    dns_probe_stop(&probe);
    heard(owner, rcode);
}

static void take_reply(void *owner, const struct net_address *peer, struct span bytes)
{
    struct dns_probe *probe = owner;
    const uint8_t *message = (const uint8_t *)bytes.data;

    (void)peer;
    if (bytes.len >= HEADER && (message[0] << 8 | message[1]) == probe->id &&
        (message[2] & 0x80) != 0)
        finish(probe, message[3] & 0x0f);
}

/* A datagram may be lost; three in a row hardly are. */
static void ask(void *owner)
{
    struct dns_probe *probe = owner;

    if (probe->tries++ == TRIES) {
        finish(probe, DNS_PROBE_SILENT);
        return;
    }
    for (size_t i = 0; i < probe->resolver_count; i++)
        udp_send(probe->udp, &probe->resolvers[i],
                 (struct span){ (const char *)probe->question, probe->question_len });
    loop_timer_start(probe->timer, probe->patience_ms);
}

/* One socket is of one family: resolvers of the other are left out. */
static void keep_resolvers(struct dns_probe *probe, const struct net_address *resolvers,
                           size_t count)
{
    for (size_t i = 0; i < count && probe->resolver_count < DNS_PROBE_RESOLVERS_MOST; i++)
        if (resolvers[i].is_ipv6 == resolvers[0].is_ipv6)
            probe->resolvers[probe->resolver_count++] = resolvers[i];
}

static bool open_probe(struct loop *loop, bool is_ipv6, struct dns_probe *probe)
{
    struct net_address any = { .is_ipv6 = is_ipv6 };

    return getrandom(&probe->id, sizeof probe->id, 0) == (ssize_t)sizeof probe->id &&
           udp_open(loop, &any, take_reply, probe, &probe->udp, NULL) &&
           loop_timer_open(loop, ask, probe, &probe->timer, NULL);
}

bool dns_probe_start(struct loop *loop, const struct net_address *resolvers, size_t resolver_count,
                     const char *name, uint16_t type, int64_t timeout_ms,
                     void (*heard)(void *owner, int rcode), void *owner, struct dns_probe **probe)
{
    struct dns_probe *made = resolver_count == 0 ? NULL : memory_new(1, sizeof *made);

    *probe = NULL;
    if (made == NULL)
        return false;
    made->heard = heard;
    made->owner = owner;
    made->patience_ms = timeout_ms / TRIES;
    keep_resolvers(made, resolvers, resolver_count);
    if (open_probe(loop, resolvers[0].is_ipv6, made))
        made->question_len =
            dns_probe_format(name, type, made->id, made->question, sizeof made->question);
    if (made->question_len == 0) {
        dns_probe_stop(&made);
        return false;
    }
    ask(made);
    *probe = made;
    return true;
}
