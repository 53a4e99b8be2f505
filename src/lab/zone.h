/* lab/zone.h - a signed DNS zone in memory, and the answers to questions about it (ldns).
 *
 * RFC 1034 section 4.3.2, RFC 4035 section 3.1 (answers of a signed zone); ECDSA P-256 (RFC 6605),
 * NSEC. Names can be made to fail. No sockets: lab/dns_server carries the messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

struct zone;

enum zone_trouble {
    ZONE_SERVFAIL,          /* questions about the name get SERVFAIL */
    ZONE_SILENCE,           /* they get no answer */
    ZONE_BAD_SIGNATURE,     /* the signatures over its records do not verify */
    ZONE_SIGNATURE_EXPIRED, /* they ended a month ago */
};

/* An empty zone; `origin` such as "lab.test.". `now_s`: seconds since 1970. */
MUST_CHECK bool zone_new(const char *origin, int64_t now_s, struct zone **zone, struct error *err);
void zone_free(struct zone **zone);

/* All of these before zone_sign. A record as in a zone file: "mx.lab.test. 300 IN A 127.0.0.1". */
MUST_CHECK bool zone_add(struct zone *zone, struct error *err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A delegation without DS: what is added at or below `name` from then on is not signed. */
MUST_CHECK bool zone_delegate_insecurely(struct zone *zone, const char *name, struct error *err);
/* All records of the name, with a trailing dot. */
MUST_CHECK bool zone_trouble(struct zone *zone, const char *name, enum zone_trouble trouble,
                             struct error *err);

MUST_CHECK bool zone_sign(struct zone *zone, struct error *err);

/* The DS record of the origin's key, one line as in a file of trust anchors. */
const char *zone_anchor(const struct zone *zone, struct arena *arena);

enum { ZONE_MESSAGE_MOST = 65535 };

/* Answers one message into `out`. `limit`: the most octets that the transport takes (UDP: the
 * question's EDNS size is looked at too). Returns the length; 0: no answer is to be sent. */
MUST_CHECK size_t zone_answer(const struct zone *zone, struct span question, bool is_udp,
                              uint8_t out[ZONE_MESSAGE_MOST]);
