/* link/handshake_watch.h - what is kept of a client's handshake until it has proved itself: its inbound observation.
 *
 * Most handshakes do not fail, so the record is filled in by TLS alone, and made whole only where it is told.
 */
#pragma once

#include "base/arena.h"
#include "link/inbound_observation.h"
#include "link/server_link.h"

struct handshake_watch {
    struct arena arena; /* a client's whole chain fits, and what a judge makes of it */
    struct inbound_observation observation;
};

/* NULL: no memory. */
struct handshake_watch *handshake_watch_new(void);
void handshake_watch_free(struct handshake_watch **watch);

/* What the record needs beside TLS. `name`, what the client called itself, is borrowed. */
void handshake_watch_complete(struct handshake_watch *watch,
                              const struct server_link_settings *settings,
                              const struct net_address *peer, const char *name);
