/* net/listener.h - a listening TCP socket on the loop. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

struct listener;

/* Port 0 takes a free one: *address is updated. `accepted` gets a connected socket that it owns. */
MUST_CHECK bool listener_open(struct loop *loop, struct net_address *address,
                              void (*accepted)(void *owner, int socket,
                                               const struct net_address *peer),
                              void *owner, struct listener **listener, struct error *err);
/* The same, but no connection is ever completed: a client's SYN gets no answer (for the lab). */
MUST_CHECK bool listener_open_deaf(struct loop *loop, struct net_address *address,
                                   struct listener **listener, struct error *err);
void listener_close(struct listener **listener);
