/* lab/lab_server.h - one server of the lab: its row, names, address, certificate and TLSA record. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "lab/certificates.h"
#include "lab/fault_row.h"
#include "lab/fault_server.h"
#include "lab/policy_server.h"
#include "net/address.h"

enum { LAB_TLSA_MOST = 4 };

/* Texts live in the lab's arena. */
struct lab_server {
    const struct fault_row *row;
    const char *host, *domain; /* "mx.wrong-name.lab.test", "wrong-name.lab.test" */
    struct net_address address;
    struct certificate_made certificate;
    struct span staple;
    const char *tlsa[LAB_TLSA_MOST]; /* "3 1 1 HEX" */
    size_t tlsa_count;
    struct fault_server *server;
    /* of its MTA-STS policy */
    const char *policy_host; /* "mta-sts.sts-fetch-404.lab.test" */
    struct net_address policy_address;
    struct certificate_made policy_certificate;
    struct policy_server *policy_server; /* NULL: none */
};

/* Does the fault show only where its domain is looked up? */
bool lab_server_needs_dns(const struct fault_row *row);

void lab_server_name(struct lab_server *server, struct arena *arena);

/* 127.0.0.1 and `port`, or an address of its own by `index` (each its own below 15,000). */
void lab_server_choose_address(struct lab_server *server, size_t index, bool is_own, uint16_t port);

/* Has its domain a policy of MTA-STS, and so a server for it? */
bool lab_server_has_policy(const struct fault_row *row);

/* After its certificate was made. */
MUST_CHECK bool lab_server_make_tlsa(struct lab_server *server, struct certificates *certificates,
                                     struct arena *arena, struct error *err);
