/* lab/lab.h - starts lab servers on loopback and says where they are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/loop.h"

struct lab;

struct lab_settings {
    const char *const *faults; /* names; NULL: all */
    size_t fault_count;
    uint16_t port;         /* 0: free ports; else every server has an address of its own at it */
    bool with_dns;         /* serve the zone lab.test, signed */
    uint16_t dns_port;     /* 0: a free one */
    const char *directory; /* where certificates and the trust anchor are written; must exist */
};

/* Servers run on the loop once this returned true. */
MUST_CHECK bool lab_open(struct loop *loop, const struct lab_settings *settings, struct lab **lab,
                         struct error *err);
void lab_close(struct lab **lab);

/* {"directory", "ca_file", "dns": "127.0.0.1:N" or null, "trust_anchor", "servers": [{"fault",
 * "summary", "address", "port", "host", "domain", "arguments": [...], "expect": {"code", "fault",
 * "tls_report"}}]}; a new reference. `arguments` are those of `postern check` that the fault needs. */
MUST_CHECK json_t *lab_manifest(const struct lab *lab);
