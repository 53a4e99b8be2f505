/* net/dns_probe.h - one plain DNS question straight to the resolvers, to hear whether they live.
 *
 * libunbound tells "they refuse" and "they are silent" with the same SERVFAIL, the latter after ten
 * seconds. The reply is believed for that alone: RFC 1035 section 4.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/address.h"
#include "net/loop.h"

enum { DNS_PROBE_SILENT = -1, DNS_PROBE_RESOLVERS_MOST = 3 };

struct dns_probe;

/* Asks up to three times. Calls `heard` once, on the loop, with the rcode of the first reply or
 * DNS_PROBE_SILENT after `timeout_ms`. False where it cannot be asked: no socket, or no name. */
MUST_CHECK bool dns_probe_start(struct loop *loop, const struct net_address *resolvers,
                                size_t resolver_count, const char *name, uint16_t type,
                                int64_t timeout_ms, void (*heard)(void *owner, int rcode),
                                void *owner, struct dns_probe **probe);
/* After it no callback comes. */
void dns_probe_stop(struct dns_probe **probe);

/* The question as a message; its length, 0 where `name` is none or `size` is too small. */
MUST_CHECK size_t dns_probe_format(const char *name, uint16_t type, uint16_t id, uint8_t *out,
                                   size_t size);
