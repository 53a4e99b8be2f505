/* net/dns_context.h - libunbound, set up as the settings say: whom it asks, and what it trusts. */
#pragma once

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/dns_probe.h"

struct ub_ctx;

struct dns_context {
    struct ub_ctx *unbound;
    struct net_address resolvers[DNS_PROBE_RESOLVERS_MOST]; /* those that we can ask ourselves */
    size_t resolver_count;
    bool has_others; /* libunbound has one more, in a form that we do not take: "fe80::1%eth0" */
};

/* False: nothing is open, and err names the setting that is wrong. */
MUST_CHECK bool dns_context_open(const struct dns_settings *settings, struct dns_context *context,
                                 struct error *err);
/* One that is not open is nothing. */
void dns_context_close(struct dns_context *context);
