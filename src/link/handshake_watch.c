#include "link/handshake_watch.h"

#include "base/memory.h"

enum { ARENA_BYTES = 256 * 1024 };

struct handshake_watch *handshake_watch_new(void)
{
    struct handshake_watch *watch = memory_new(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    arena_init(&watch->arena, ARENA_BYTES);
    inbound_observation_init(&watch->observation);
    return watch;
}

void handshake_watch_free(struct handshake_watch **watch)
{
    if (*watch == NULL)
        return;
    arena_clear(&(*watch)->arena);
    memory_free(*watch);
    *watch = NULL;
}

void handshake_watch_complete(struct handshake_watch *watch,
                              const struct server_link_settings *settings,
                              const struct net_address *peer, const char *name)
{
    struct inbound_observation *seen = &watch->observation;
    char text[NET_ADDRESS_TEXT];

    seen->host = settings->smtp->hostname;
    seen->address = arena_copy(&watch->arena, span_of(net_address_text(peer, text)));
    seen->port = settings->port;
    seen->name = name;
    seen->wall_s = settings->clock->wall_s(settings->clock);
    seen->is_implicit_tls = settings->smtp->tls == SMTP_SERVER_TLS_IMPLICIT;
    if (settings->self != NULL)
        seen->self = *settings->self;
}
