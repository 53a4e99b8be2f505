/* net/listener.h - a listening socket on the loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

struct listener;

/* Gets a connected socket that it owns. `peer` is NULL where the listener's socket is a local one
 * (AF_UNIX). May close the listener. */
typedef void listener_accepted(void *owner, int socket, const struct net_address *peer);

/* Port 0 takes a free one: *address is updated. */
MUST_CHECK bool listener_open(struct loop *loop, struct net_address *address,
                              listener_accepted *accepted, void *owner, struct listener **listener,
                              struct error *err);
/* `count` listening sockets that share one port, each for the listener_adopt of another thread: the
 * kernel spreads the connections over them. All or none; and none where anybody else listens there
 * already. Port 0 likewise. What waits unaccepted at one that closes is reset. */
MUST_CHECK bool listener_bind_shared(struct net_address *address, size_t count, int *sockets,
                                     struct error *err);
/* On such a socket, or one that somebody handed over: the listener's from here on, even where this
 * fails. Threads that share one adopt a dup each. */
MUST_CHECK bool listener_adopt(struct loop *loop, int socket, listener_accepted *accepted,
                               void *owner, struct listener **listener, struct error *err);
/* On a local socket (AF_UNIX) whose file may be used by whom `mode` says, whatever the umask. A
 * file that nobody serves any more is replaced; one that is served, or is no socket, is an error.
 * The file goes with the listener. */
MUST_CHECK bool listener_open_local(struct loop *loop, const char *path, mode_t mode,
                                    listener_accepted *accepted, void *owner,
                                    struct listener **listener, struct error *err);
/* Port 0 likewise, but no connection is ever completed: a client's SYN gets no answer (for the lab). */
MUST_CHECK bool listener_open_deaf(struct loop *loop, struct net_address *address,
                                   struct listener **listener, struct error *err);
void listener_close(struct listener **listener);
