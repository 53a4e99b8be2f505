/* diagnose/judge_inbound_parts.h - what the files of the inbound judge share. */
#pragma once

#include "base/compiler.h"
#include "diagnose/judge_parts.h"
#include "link/inbound_observation.h"

struct inbound {
    struct judge judge; /* without an observation of ours */
    const struct inbound_observation *seen;
    const struct finding *own; /* the worst of our own certificate, where it is bad; NULL */
};

/* Where in the handshake it stopped: "after our Certificate flight". */
const char *inbound_when(struct inbound *inbound);
/* "a, b and 3 more"; "nothing" */
const char *inbound_list(struct inbound *inbound, const char *const *names, size_t count);
/* "ECDSA P-256" of our certificate; "of a kind that was not looked at" */
const char *inbound_key(const struct inbound *inbound);
/* "HTTP", "an SMTP command": what these first bytes are; NULL where it cannot be told. */
const char *inbound_protocol(struct span bytes);
MUST_CHECK bool inbound_is_smtp(struct span bytes);

/* Has any name in common. */
MUST_CHECK bool inbound_shares(const char *const *a, size_t a_count, const char *const *b,
                               size_t b_count);

/* Who ended it, how and where; and what both sides brought. */
void inbound_prove_end(struct inbound *inbound, struct finding *finding);
void inbound_prove_offers(struct inbound *inbound, struct finding *finding);
