/* diagnose/judge.h - from an observation (and experiments) to findings, root cause first.
 *
 * Pure: no network, no clock, no file. The same observation always gives the same findings.
 */
#pragma once

#include "base/arena.h"
#include "diagnose/experiment.h"
#include "diagnose/finding.h"
#include "link/inbound_observation.h"
#include "link/observation.h"
#include "link/published.h"
#include "link/route.h"
#include "trust/chain.h"

/* One conversation with one address. `experiments` may be NULL. */
void judge_observation(const struct observation *observation, const struct experiments *experiments,
                       struct arena *arena, struct findings *findings);

/* A certificate chain alone (postern cert). `host`: what it should name; NULL: nothing. */
void judge_verdict(const struct chain_verdict *verdict, const char *host, int64_t now_s,
                   struct arena *arena, struct findings *findings);

/* A client that failed against us: one finding, or none where nothing failed or our own side ended
 * it. The receiving side is ours: FAULT_SERVER is us. */
void judge_inbound(const struct inbound_observation *observation, struct arena *arena,
                   struct findings *findings);

/* Adds what is wrong with our own client certificate, before any server is dialled. */
void judge_own_certificate(const struct observed_self *self, int64_t now_s, struct arena *arena,
                           struct findings *findings);

/* Adds the DNS side of a domain: what concerns no single address (null MX, no MX host with an address,
 * aliases, bogus answers). */
void judge_route(const struct route *route, struct arena *arena, struct findings *findings);

/* Adds what keeps senders from obeying what the domain publishes of MTA-STS, and from sending it reports. `route` and `self` may be
 * NULL: a host that was dialled has the finding that the policy does not list it; without trusted roots it is us. */
void judge_published(const struct observed_published *published, const struct route *route,
                     const struct observed_self *self, struct arena *arena,
                     struct findings *findings);

/* Where we have no route for one address family and another address of the same host answers,
 * nothing is lost to us: the finding of the first becomes a notice. findings[i] are those of
 * observations[i]. */
void judge_other_addresses(const struct observation *const *observations,
                           struct findings *const *findings, size_t count);

/* May a root cause be something of ours, between us and all destinations? NULL is none. */
bool judge_may_be_ours(const char *code);

/* Adds that the rule for a domain asks for what it publishes, which we failed to look up. `why`: our own
 * failure; NULL: no memory. */
void judge_level_unavailable(enum policy_level level, const char *domain, const char *rule,
                             const char *why, struct arena *arena, struct findings *findings);

/* Adds what all addresses of one run show together: port 25 blocked, every destination failing
 * alike, our clock, our trust store. What is found is our own doing. */
void judge_together(const struct observation *const *observations, size_t count,
                    struct arena *arena, struct findings *findings);
