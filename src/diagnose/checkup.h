/* diagnose/checkup.h - checks one target: every host, every address, with experiments.
 *
 * Runs on a loop; many checkups may share it. All results live in the checkup's arena until
 * checkup_close.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "diagnose/experiment.h"
#include "diagnose/finding.h"
#include "link/client_link.h"
#include "link/observation.h"
#include "link/published.h"
#include "link/route.h"
#include "link/transcript.h"
#include "net/dns.h"
#include "net/loop.h"

/* Everything is borrowed. */
struct checkup_settings {
    const char *hostname; /* ours, for EHLO */
    enum policy_level level;
    uint16_t port;       /* where the target names none; 25 */
    const char *connect; /* "ADDR[:PORT]": go there in place of any look-up; NULL */
    const char *name;    /* verify as this host; NULL: the MX host or the target */
    /* The first conversation was had already: what it showed, and the very settings that it was had by. Nothing is
     * looked up; experiments follow from it and change one thing each against `seen_by`, which counts in place of all
     * here that says whom to dial and what to ask. `seen` is borrowed for checkup_start alone. NULL: it is had now. */
    const struct observation *seen;
    const struct client_link_settings *seen_by;
    struct anchors *anchors, *intermediates;
    const struct tls_credentials *credentials;
    const struct dane_record *tlsa;
    size_t tlsa_count;
    const char *fingerprint; /* NULL */
    bool requires_tls;       /* for mail that asks for REQUIRETLS */
    int64_t timeout_ms;      /* for all of it */
    bool with_experiments;
    bool as_others; /* where all is well, dial as other senders do, too */
    bool with_transcript;
    const struct observed_self *self;
    const struct clock *clock;
    struct loop *loop;
    struct dns *dns;        /* NULL where no look-up is needed */
    struct https *https;    /* for MTA-STS of a domain; NULL: what it publishes is not looked up */
    uint16_t sts_port;      /* of policy hosts; 0: 443 */
    bool private_addresses; /* of policy hosts count too: link/policy_lookup.h */
};

/* One address of one host. */
struct checkup_host {
    struct observation observation;
    struct transcript transcript;
    struct observation *experiment_observations[EXPERIMENTS_MOST];
    struct experiments experiments;
    struct findings findings;
    struct policy_outcome decisions[POLICY_LEVEL_COUNT];
};

struct checkup {
    const char *target, *domain;
    enum policy_level level;
    int64_t wall_s;
    struct route *route;                  /* NULL where no look-up was made */
    struct observed_published *published; /* by the domain itself; NULL likewise */
    struct checkup_host **hosts;
    size_t host_count;
    struct findings findings; /* of the domain itself, and of all hosts together */
    const char *failure;      /* our own failure: it could not be told; NULL */
};

struct checkup_run;

/* False: the target is no domain, host:port or [address]:port: err says what would be right.
 * `done` is called once, never inside this call. `progress` (may be NULL) at each new step. */
MUST_CHECK bool checkup_start(const struct checkup_settings *settings, const char *target,
                              void (*done)(void *owner, struct checkup *checkup),
                              void (*progress)(void *owner, const char *what), void *owner,
                              struct checkup_run **run, struct error *err);
/* Frees all of it, the checkup that `done` got too. */
void checkup_close(struct checkup_run **run);

/* Is it a domain, whose hosts have to be looked up? */
bool checkup_needs_dns(const char *target);

/* Fills the findings and decisions of each host, and those of the domain, from the observations
 * and the route. A saved checkup goes through here too. */
void checkup_judge(struct checkup *checkup, struct arena *arena);

/* 0 healthy, 1 findings that stop or untrust TLS, 3 it could not be told. */
int checkup_exit_status(const struct checkup *checkup);
