/* lab/lab.h - starts lab servers on loopback and says where they are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "net/loop.h"

struct lab;

/* Everything is used up by lab_open, but `directory`, which is borrowed while the lab is open. */
struct lab_settings {
    const char *const *faults; /* names; NULL: all */
    size_t fault_count;
    uint16_t port;         /* 0: free ports; else every server has an address of its own at it */
    bool with_dns;         /* serve the zone lab.test, signed */
    uint16_t dns_port;     /* 0: a free one */
    uint16_t sts_port;     /* of the web servers that have policies, with DNS; 0: a free one */
    const char *directory; /* where certificates and the trust anchor are written; must exist */
    int64_t now_s;         /* what certificates and signatures count their dates from */
};

/* Servers run on the loop once this returned true. */
MUST_CHECK bool lab_open(struct loop *loop, const struct lab_settings *settings, struct lab **lab,
                         struct error *err);
void lab_close(struct lab **lab);

/* The exam of whoever sent mail to the servers so far, as a table. */
MUST_CHECK bool lab_exam(const struct lab *lab, struct buffer *out);

/* {"directory", "ca_file", "dns": "127.0.0.1:N" or null, "trust_anchor", "sts_port": N or null, "servers": [{"fault",
 * "summary", "address", "port", "host", "domain", "arguments": [...], "expect": {"code", "fault",
 * "tls_report"}}]}; a new reference. `arguments` are those of `postern check` that the fault needs,
 * the target last. Where a domain leads to no server, address and port are null. */
MUST_CHECK json_t *lab_manifest(const struct lab *lab);

/* Deletes from `directory` what lab_open wrote there. */
void lab_remove_files(const char *directory);
