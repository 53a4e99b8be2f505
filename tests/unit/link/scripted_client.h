/* tests/unit/link/scripted_client.h - a client on the loop that waits for words and says others. */
#pragma once

#include "../net/peers.h"

enum client_action {
    CLIENT_SAY,    /* waits until `until` has come, then says `say`; NULL `until`: at once */
    CLIENT_SECURE, /* waits likewise, then TLS */
    CLIENT_END,    /* waits likewise, then says that nothing follows, and hears on */
    CLIENT_CLOSE,
    CLIENT_RESET,
    CLIENT_STAY, /* the last step where no other is: says nothing more */
};

struct client_step {
    enum client_action action;
    const char *until, *say;
    size_t len; /* of `say`; 0: a text */
};

enum { CLIENT_STEPS_MOST = 32 };

/* Set `steps`; the rest is the client's. */
struct scripted_client {
    struct client_step steps[CLIENT_STEPS_MOST];
    struct tls_client_settings tls; /* as tls_client_defaults, where minimum_version is 0 */
    bool is_implicit;
    struct loop *loop;
    struct stream *stream;
    struct tls_facts facts;
    struct arena arena;
    struct buffer heard; /* all of it, NUL at its end apart */
    size_t at, seen;     /* of `heard`, what earlier steps have waited for */
    bool has_ended;
    enum stream_end end;
};

void scripted_client_start(struct scripted_client *client, struct loop *loop,
                           const struct net_address *address);
bool scripted_client_heard(const struct scripted_client *client, const char *text);
void scripted_client_stop(struct scripted_client *client);
