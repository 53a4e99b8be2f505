/* net/udp.h - a bound UDP socket on the loop: datagrams in, datagrams out. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/address.h"
#include "net/loop.h"

struct udp;

/* Port 0 takes a free one: *address is updated. `received` borrows the bytes during the call and
 * may close the socket. */
MUST_CHECK bool udp_open(struct loop *loop, struct net_address *address,
                         void (*received)(void *owner, const struct net_address *peer,
                                          struct span bytes),
                         void *owner, struct udp **udp, struct error *err);
void udp_close(struct udp **udp);

/* Does it keep loop_run running? It does from the start. */
void udp_keep_loop(struct udp *udp, bool keeps);

/* One datagram; like any it may be lost, here too when the kernel's queue is full. */
void udp_send(struct udp *udp, const struct net_address *peer, struct span bytes);
