/* tests/unit/link/scripted_peer.c - a server on the loop that says what a script has it say. */
#include "../test.h"

#include "scripted_peer.h"

#include <stdio.h>
#include <string.h>

enum { RECEIVED_MOST = 4 * 1024 * 1024 };

/* Takes one line off what came. */
static bool take_line(struct scripted_peer *peer, char *line, size_t size)
{
    struct span all = buffer_span(&peer->received);
    size_t len = span_find(all, '\n');

    if (len == all.len)
        return false;
    snprintf(line, size, "%.*s", (int)(len > 0 ? len - 1 : 0), all.data);
    if (peer->script[peer->at].action == TAKE_ALL)
        assert_true(buffer_append(&peer->content, span_part(all, 0, len + 1)));
    buffer_drop(&peer->received, len + 1);
    return true;
}

/* Returns false while the line is still to come. A TLS record is no line: its first bytes do. */
static bool expect(struct scripted_peer *peer, const struct line *line)
{
    char came[sizeof peer->refused];

    if (line->text[0] == '\x16') {
        bool has_come = span_starts_with(buffer_span(&peer->received), line->text);

        if (has_come)
            buffer_clear(&peer->received);
        return has_come;
    }
    while (take_line(peer, came, sizeof came)) {
        if (line->action == TAKE_ALL && strcmp(came, line->text) != 0)
            continue;
        if (line->action == EXPECT && strncmp(came, line->text, strlen(line->text)) != 0) {
            peer->was_refused = true;
            memcpy(peer->refused, came, sizeof came);
        }
        return true;
    }
    return false;
}

static void say(struct scripted_peer *peer, struct span bytes)
{
    if (peer->stream != NULL && !stream_send(peer->stream, bytes))
        peer->has_ended = true;
}

static void start_tls(struct scripted_peer *peer)
{
    struct error err = { .text = "" };

    if (!stream_secure_server(peer->stream, peer->context, &peer->facts, &peer->arena, &err))
        fail_msg("%s", err.text);
}

/* Runs the script up to where it waits. */
static void go_on(struct scripted_peer *peer)
{
    for (;;) {
        const struct line *line = &peer->script[peer->at];

        switch (line->action) {
        case SAY:
            if (line->text == NULL)
                return;
            say(peer, span_of(line->text));
            break;
        case SAY_BYTES: say(peer, (struct span){ line->text, line->len }); break;
        case EXPECT:
        case TAKE_ALL:
            if (!expect(peer, line))
                return;
            break;
        case SECURE:
            peer->at++;
            start_tls(peer);
            return;
        case SHUT: stream_close(&peer->stream); return;
        case RESET: stream_reset(&peer->stream); return;
        }
        peer->at++;
    }
}

static void note_received(void *owner, struct span *bytes)
{
    struct scripted_peer *peer = owner;

    assert_true(buffer_append(&peer->received, *bytes));
    go_on(peer);
}

static void note_secured(void *owner)
{
    go_on(owner);
}

static void note_ended(void *owner, enum stream_end how)
{
    struct scripted_peer *peer = owner;

    (void)how;
    peer->has_ended = true;
    stream_close(&peer->stream);
}

static void accept_one(void *owner, int socket, const struct net_address *from)
{
    static const struct stream_handlers handlers = {
        .received = note_received,
        .secured = note_secured,
        .ended = note_ended,
    };
    struct scripted_peer *peer = owner;

    (void)from;
    peer->connections++;
    assert_null(peer->stream);
    assert_true(stream_adopt(peer->loop, socket, &handlers, peer, &peer->stream, NULL));
    go_on(peer);
}

void scripted_peer_start(struct scripted_peer *peer, struct loop *loop)
{
    struct error err = { .text = "" };

    peer->loop = loop;
    arena_init(&peer->arena, 1024 * 1024);
    buffer_init(&peer->received, RECEIVED_MOST);
    buffer_init(&peer->content, RECEIVED_MOST);
    if (peer->credentials == NULL)
        peer->credentials = made_credentials(MADE_EC);
    peer->tls.credentials = peer->credentials;
    if (!tls_server_context_new(&peer->tls, &peer->context, &err))
        fail_msg("%s", err.text);
    assert_true(net_address_parse(span_of("127.0.0.1"), &peer->address));
    assert_true(listener_open(loop, &peer->address, accept_one, peer, &peer->listener, &err));
}

void scripted_peer_stop(struct scripted_peer *peer)
{
    stream_close(&peer->stream);
    listener_close(&peer->listener);
    tls_server_context_free(&peer->context);
    tls_credentials_free(&peer->credentials);
    buffer_clear(&peer->received);
    buffer_clear(&peer->content);
    arena_clear(&peer->arena);
}
