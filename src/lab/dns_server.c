#include "lab/dns_server.h"

#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/udp.h"

enum {
    INPUT_MOST = 2 * (ZONE_MESSAGE_MOST + 2),
    IDLE_MS = 10 * 1000, /* RFC 7766 section 6.2.3: a few seconds */
    PORT_TRIES = 16,
};

struct conversation {
    struct dns_server *server;
    struct conversation *previous, *next;
    struct stream *stream;
    struct loop_timer *timer;
    struct buffer input;
};

struct dns_server {
    struct loop *loop;
    const struct zone *zone;
    struct udp *udp;
    struct listener *listener;
    struct conversation *conversations;
    uint8_t answer[ZONE_MESSAGE_MOST];
};

static void answer_datagram(void *owner, const struct net_address *peer, struct span bytes)
{
    struct dns_server *server = owner;
    size_t len = zone_answer(server->zone, bytes, true, server->answer);

    if (len > 0)
        udp_send(server->udp, peer, (struct span){ (const char *)server->answer, len });
}

static void close_conversation(struct conversation *conversation)
{
    struct dns_server *server = conversation->server;

    if (conversation->previous == NULL)
        server->conversations = conversation->next;
    else
        conversation->previous->next = conversation->next;
    if (conversation->next != NULL)
        conversation->next->previous = conversation->previous;
    stream_close(&conversation->stream);
    loop_timer_close(&conversation->timer);
    buffer_clear(&conversation->input);
    memory_free(conversation);
}

static void expire(void *owner)
{
    close_conversation(owner);
}

static bool answer_message(struct conversation *conversation, struct span message)
{
    struct dns_server *server = conversation->server;
    size_t len = zone_answer(server->zone, message, false, server->answer);
    const char length[2] = { (char)(len >> 8), (char)len };

    if (len == 0)
        return true;
    return stream_send(conversation->stream, (struct span){ length, sizeof length }) &&
           stream_send(conversation->stream, (struct span){ (const char *)server->answer, len });
}

static void receive(void *owner, struct span *bytes)
{
    struct conversation *conversation = owner;
    bool goes_on = buffer_append(&conversation->input, *bytes);
    struct span input = buffer_span(&conversation->input);

    loop_timer_start(conversation->timer, IDLE_MS);
    while (goes_on && input.len >= 2) {
        size_t len = (size_t)(uint8_t)input.data[0] << 8 | (uint8_t)input.data[1];

        if (input.len - 2 < len)
            break;
        goes_on = answer_message(conversation, span_part(input, 2, len));
        input = span_part(input, 2 + len, input.len);
    }
    if (goes_on)
        buffer_drop(&conversation->input, buffer_span(&conversation->input).len - input.len);
    else
        close_conversation(conversation);
}

static void end(void *owner, enum stream_end how)
{
    (void)how;
    close_conversation(owner);
}

static void accept_client(void *owner, int socket, const struct net_address *peer)
{
    static const struct stream_handlers handlers = { .received = receive, .ended = end };
    struct dns_server *server = owner;
    struct conversation *made = memory_new(1, sizeof *made);
    struct error err = { 0 };

    (void)peer;
    if (made == NULL) {
        close(socket);
        return;
    }
    made->server = server;
    buffer_init(&made->input, INPUT_MOST);
    if (!stream_adopt(server->loop, socket, &handlers, made, &made->stream, &err) ||
        !loop_timer_open(server->loop, expire, made, &made->timer, &err)) {
        stream_close(&made->stream);
        memory_free(made);
        return;
    }
    made->next = server->conversations;
    if (made->next != NULL)
        made->next->previous = made;
    server->conversations = made;
    loop_timer_start(made->timer, IDLE_MS);
}

/* A port that is free for TCP may be taken for UDP: where any will do, try a few. */
static bool bind_both(struct dns_server *server, struct net_address *address, struct error *err)
{
    const struct net_address wanted = *address;
    int tries = wanted.port == 0 ? PORT_TRIES : 1;

    for (int i = 0; i < tries; i++) {
        *address = wanted;
        if (!listener_open(server->loop, address, accept_client, server, &server->listener, err))
            return false;
        if (udp_open(server->loop, address, answer_datagram, server, &server->udp, err))
            return true;
        listener_close(&server->listener);
    }
    return false;
}

bool dns_server_open(struct loop *loop, const struct zone *zone, struct net_address *address,
                     struct dns_server **server, struct error *err)
{
    AUTO(dns_server_close) struct dns_server *made = memory_new(1, sizeof *made);

    *server = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a DNS server");
    made->loop = loop;
    made->zone = zone;
    if (!bind_both(made, address, err))
        return error_wrap(err, "the lab's DNS server");
    *server = TAKE(made);
    return true;
}

void dns_server_close(struct dns_server **server)
{
    struct dns_server *closing = *server;

    *server = NULL;
    if (closing == NULL)
        return;
    while (closing->conversations != NULL)
        close_conversation(closing->conversations);
    listener_close(&closing->listener);
    udp_close(&closing->udp);
    memory_free(closing);
}
