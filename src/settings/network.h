/* settings/network.h - a range of IP addresses as CIDR writes it (RFC 4632 section 3.1, RFC 4291
 * section 2.3); pure. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "gateway/relay.h"

/* "192.0.2.0/24", "2001:db8::/32", or one address. Bits beyond the length must be zero: a slip there
 * would let in others than were meant. */
MUST_CHECK bool settings_network_parse(struct span text, struct gateway_relay_network *network,
                                       struct error *err);
