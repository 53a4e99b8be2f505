/* net/host.h - the addresses of a server of our own house, as the system knows them.
 *
 * The hosts file counts, and whatever else nsswitch.conf names; nothing is validated. So this is for
 * servers that our settings name, such as "localhost"; where mail of others goes, net/dns.h tells.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

enum { HOST_NAME_MOST = 255, HOST_ADDRESSES_MOST = 8 };

/* The caller's, and left alone until `found` was called. */
struct host_query {
    struct net_address addresses[HOST_ADDRESSES_MOST]; /* in the system's order, with the port */
    size_t count;
    const char *failure; /* static words; NULL: there are addresses */

    char name[HOST_NAME_MOST + 1];
    uint16_t port;
    void (*found)(void *owner);
    void *owner;
};

/* Asks on a pool's thread. `found` is called once, never inside this call; it cannot be called off. */
MUST_CHECK bool host_find(struct loop *loop, const char *name, uint16_t port,
                          void (*found)(void *owner), void *owner, struct host_query *query,
                          struct error *err);
