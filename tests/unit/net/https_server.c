/* tests/unit/net/https_server.c - an HTTPS server that does what a test says, to each that connects. */
#include "../test.h"

#include "https_server.h"

#include <string.h>

#include "base/memory.h"

enum { REQUEST_MOST = 1024 * 1024 };

struct https_server_client {
    struct https_server *server;
    struct https_server_client *next;
    struct stream *stream;
    struct loop_timer *turn;
    struct tls_facts facts;
    struct buffer request;
    size_t said;
    bool is_answering, is_over;
};

static void end_client(struct https_server_client *client)
{
    client->is_over = true;
    switch (client->server->then) {
    case SERVER_ENDS: stream_close(&client->stream); break;
    case SERVER_CUTS: stream_cut(&client->stream); break;
    case SERVER_RESETS: stream_reset(&client->stream); break;
    case SERVER_STALLS:
    case SERVER_REPEATS: break;
    }
}

static void say_more(struct https_server_client *client)
{
    const struct https_server *server = client->server;
    struct span part =
        span_part(server->reply, client->said, server->piece == 0 ? SIZE_MAX : server->piece);

    if (client->stream == NULL || client->is_over)
        return;
    client->said += part.len;
    if (part.len > 0 && !stream_send(client->stream, part))
        return;
    if (server->then == SERVER_REPEATS && client->said == server->reply.len)
        client->said = 0;
    if (client->said == server->reply.len)
        end_client(client);
    else if (server->piece != 0)
        loop_timer_start(client->turn, 1);
}

static void take_turn(void *owner)
{
    say_more(owner);
}

static void note_drained(void *owner)
{
    struct https_server_client *client = owner;

    if (client->is_answering && client->server->then == SERVER_REPEATS &&
        client->server->piece == 0)
        loop_timer_start(client->turn, 0);
}

static void note_received(void *owner, struct span *bytes)
{
    struct https_server_client *client = owner;
    struct https_server *server = client->server;
    struct span all;

    if (!buffer_append(&client->request, *bytes) || client->is_answering)
        return;
    all = buffer_span(&client->request);
    if (memmem(all.data, all.len, "\r\n\r\n", 4) == NULL)
        return;
    client->is_answering = true;
    server->requests++;
    server->sni = client->facts.sni;
    buffer_clear(&server->request);
    assert_true(buffer_append(&server->request, all));
    say_more(client);
}

static void note_secured(void *owner)
{
    struct https_server_client *client = owner;

    client->server->secured++;
}

static void note_ended(void *owner, enum stream_end how)
{
    struct https_server_client *client = owner;

    (void)how;
    stream_close(&client->stream);
}

static const struct stream_handlers handlers = {
    .received = note_received, .secured = note_secured, .drained = note_drained, .ended = note_ended
};

static void begin(struct https_server_client *client)
{
    struct https_server *server = client->server;

    if (server->early.len > 0) {
        assert_true(stream_send(client->stream, server->early));
        end_client(client);
    } else if (server->context != NULL && !server->is_silent_in_tls) {
        assert_true(stream_secure_server(client->stream, server->context, &client->facts,
                                         &server->arena, NULL));
    } else if (server->then != SERVER_STALLS) {
        end_client(client);
    }
}

static void accept_one(void *owner, int socket, const struct net_address *peer)
{
    struct https_server *server = owner;
    struct https_server_client *client = memory_new(1, sizeof *client);

    (void)peer;
    assert_non_null(client);
    client->server = server;
    client->next = server->clients;
    server->clients = client;
    server->connected++;
    buffer_init(&client->request, REQUEST_MOST);
    assert_true(loop_timer_open(server->loop, take_turn, client, &client->turn, NULL));
    assert_true(stream_adopt(server->loop, socket, &handlers, client, &client->stream, NULL));
    begin(client);
}

bool https_server_open(struct https_server *server, struct loop *loop, const char *address,
                       const struct tls_server_settings *settings)
{
    struct error err = { .text = "" };

    memset(server, 0, sizeof *server);
    server->loop = loop;
    arena_init(&server->arena, 8 * 1024 * 1024);
    buffer_init(&server->request, REQUEST_MOST);
    if (settings != NULL && !tls_server_context_new(settings, &server->context, &err))
        fail_msg("%s", err.text);
    assert_true(net_address_parse(span_of(address), &server->address));
    return listener_open(loop, &server->address, accept_one, server, &server->listener, &err);
}

void https_server_close(struct https_server *server)
{
    listener_close(&server->listener);
    while (server->clients != NULL) {
        struct https_server_client *client = server->clients;

        server->clients = client->next;
        stream_close(&client->stream);
        loop_timer_close(&client->turn);
        buffer_clear(&client->request);
        memory_free(client);
    }
    buffer_clear(&server->request);
    tls_server_context_free(&server->context);
    arena_clear(&server->arena);
}
