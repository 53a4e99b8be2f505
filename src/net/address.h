/* net/address.h - an IP address and a port, as a value and as text. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

struct net_address {
    uint8_t bytes[16]; /* network order; the first 4 for IPv4 */
    bool is_ipv6;
    uint16_t port;
};

/* "192.0.2.1", "2001:db8::1", with or without brackets; port is left as it is. */
MUST_CHECK bool net_address_parse(struct span text, struct net_address *address);

/* The same address and port; the same address, whatever the ports. Never compared as bytes: there is padding. */
bool net_address_equal(const struct net_address *a, const struct net_address *b);
bool net_address_is_same_host(const struct net_address *a, const struct net_address *b);

/* Why not everybody reaches a server at that address, by the registries of RFC 6890: "loopback", "private";
 * NULL: everybody may. What carries an IPv4 address in it is judged by that, or is special itself. */
const char *net_address_special(const struct net_address *address);

enum { NET_LOCAL_PATH_MOST = 107 }; /* octets of the path of a local socket: unix(7) */

enum { NET_ADDRESS_TEXT = 64 };
/* "192.0.2.1" or "2001:db8::1", without the port. */
const char *net_address_text(const struct net_address *address, char text[NET_ADDRESS_TEXT]);
