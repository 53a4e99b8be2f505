/* diagnose/target.h - what a checkup is asked to look at, read from the command line.
 *
 * A domain ("example.org"), a host and port ("mx.example.org:25"), or an address with or without
 * one ("192.0.2.1", "192.0.2.1:25", "[2001:db8::1]:25").
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"

enum target_kind {
    TARGET_DOMAIN,  /* its MX hosts are to be looked up */
    TARGET_HOST,    /* its addresses are to be looked up */
    TARGET_ADDRESS, /* nothing is to be looked up */
};

struct target {
    enum target_kind kind;
    const char *name;           /* normalized; of an address its text; in the arena */
    struct net_address address; /* of TARGET_ADDRESS */
    uint16_t port;
};

/* `port` stands where the text names none. False: err says what would be right (ERROR_USAGE). */
MUST_CHECK bool target_parse(const char *text, uint16_t port, struct arena *arena,
                             struct target *target, struct error *err);

/* "ADDR[:PORT]" of --connect, likewise. */
MUST_CHECK bool target_parse_address(const char *text, uint16_t port, struct net_address *address,
                                     struct error *err);
