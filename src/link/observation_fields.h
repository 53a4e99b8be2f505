/* link/observation_fields.h - the records of what link/ writes down: observations, routes, and what domains publish.
 *
 * Each is in a file of its own noun: observation_fields.c, inbound_fields.c, route_fields.c, published_json.c; and the
 * parts of them in tls_fields.c and verdict_fields.c.
 */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "link/record.h"

struct chain_verdict;

extern const struct record observation_record, inbound_observation_record, route_record,
    published_record;
extern const struct record offer_record, tls_record, verdict_record, lookup_record,
    tlsa_flaw_record; /* parts */
extern const struct words ending_words, security_words, policy_tlsa_words, policy_sts_words;

/* What is taken for granted of a verdict that was not read from a file. */
MUST_CHECK bool verdict_is_whole(const struct chain_verdict *verdict, struct error *err);
