/* tests/unit/link/scripted_peer.h - a server on the loop that says what a script has it say. */
#pragma once

#include "../net/peers.h"

enum action {
    SAY,       /* `text`, in one write */
    SAY_BYTES, /* `text` of `len` bytes */
    EXPECT,    /* waits for a line that begins with `text` */
    SECURE,    /* TLS as a server; goes on once it is up */
    SHUT,      /* closes */
    RESET,
    TAKE_ALL, /* waits for a line that is `text`, and keeps the rest in `content` */
};

struct line {
    enum action action;
    const char *text;
    size_t len;
};

enum { SCRIPT_LINES_MOST = 32 };

/* Set `script` (it ends with an action SAY and no text) and, where it has SECURE, `tls` and `key`. */
struct scripted_peer {
    struct line script[SCRIPT_LINES_MOST];
    struct tls_server_settings tls;
    struct tls_credentials *credentials;
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct stream *stream;
    struct tls_server_context *context;
    struct tls_facts facts;
    struct arena arena;
    struct buffer received; /* lines that are not taken yet */
    struct buffer content;
    size_t at;
    bool has_ended, was_refused; /* a line came that the script did not expect */
    char refused[256];
    unsigned connections;
};

void scripted_peer_start(struct scripted_peer *peer, struct loop *loop);
void scripted_peer_stop(struct scripted_peer *peer);
