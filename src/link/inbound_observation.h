/* link/inbound_observation.h - all that one client showed when it began TLS with us, as a plain record.
 *
 * The counterpart of link/observation.h for the receiving side: what the client offered beside what
 * we take, the alerts in both directions, who ended it and after which message. Texts and bytes live
 * in the session's arena. It can be saved as JSON and judged again later (diagnose/judge_inbound.h).
 * Nothing in it is secret: no message content, no AUTH data, no key.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "link/observation.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_server.h"
#include "trust/chain.h"

/* Our own side, the same for all sessions of a listener. */
struct inbound_self {
    struct tls_offer takes; /* of tls_server_offer */
    enum tls_client_certificate client_certificate;
    bool has_verdict;
    struct chain_verdict
        verdict; /* of our own chain under our own name, as a careful sender sees it */
    const char *certificate_file; /* NULL */
};

struct inbound_observation {
    const char *host;    /* our name, as in the greeting */
    const char *address; /* of the client, without its port */
    uint16_t port;       /* ours, that it came to */
    const char *name;    /* what it called itself in EHLO; "" where it did not */
    int64_t wall_s;      /* when, seconds since 1970 by our clock */
    bool is_implicit_tls;

    enum ending ending;   /* ENDING_STOPPED until another is noted: our side ended it */
    const char *failure;  /* with ENDING_FAILED; NULL */
    int64_t timeout_ms;   /* with ENDING_TIMEOUT: how long we waited */
    struct span injected; /* came in clear behind STARTTLS; at most OBSERVATION_STRAY_BYTES */
    bool spoke_inside;    /* a byte came inside TLS */
    struct tls_facts tls;
    struct inbound_self self;
};

/* Nothing was seen yet; texts are "". */
void inbound_observation_init(struct inbound_observation *observation);

/* How the stream ended. What came behind STARTTLS in clear, or our own giving up on time, stays. */
void inbound_observation_end(struct inbound_observation *observation, enum stream_end end);

/* Bytes came in clear behind STARTTLS: the session has to end, and none of them is a command. */
void inbound_observation_inject(struct inbound_observation *observation, struct span bytes,
                                struct arena *arena);

/* A new reference; NULL: no memory. Schema as that of link/observation_json.h. */
MUST_CHECK json_t *inbound_observation_to_json(const struct inbound_observation *observation);
/* False: err names the field that is wrong. Texts live in the arena. */
MUST_CHECK bool inbound_observation_from_json(const json_t *json, struct arena *arena,
                                              struct inbound_observation *observation,
                                              struct error *err);
