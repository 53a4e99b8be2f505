/* tests/unit/net/https_server.h - an HTTPS server that does what a test says, to each that connects. */
#pragma once

#include "base/buffer.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls_server.h"

enum https_server_then {
    SERVER_ENDS,   /* close_notify, FIN */
    SERVER_CUTS,   /* FIN alone */
    SERVER_RESETS, /* RST */
    SERVER_STALLS, /* nothing more, and open */
    SERVER_REPEATS /* the same bytes for ever */
};

struct https_server_client;

struct https_server {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct tls_server_context *context; /* NULL: it never begins TLS */
    struct https_server_client *clients;
    /* what it does */
    struct span early; /* in the clear, in place of TLS */
    struct span reply; /* to the end of a request's headers */
    size_t piece;      /* octets at a time, each in a turn of its own; 0: all at once */
    enum https_server_then then;
    bool is_silent_in_tls; /* takes the ClientHello and says nothing */
    /* what it saw */
    int connected, secured, requests;
    struct buffer request; /* the last one */
    const char *sni;       /* of the last one */
    struct arena arena;
};

/* On a free port of 127.0.0.1, or of ::1. False: this machine has no such address. */
bool https_server_open(struct https_server *server, struct loop *loop, const char *address,
                       const struct tls_server_settings *settings);
void https_server_close(struct https_server *server);
