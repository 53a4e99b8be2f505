/* diagnose/report_dane.h - what is to be said of each TLSA record of a host, for text and JSON alike. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "link/observation.h"

/* Of one record. `state`: "matched", "no-match", "outdone" (by a stronger digest: RFC 7671 section 9), "unusable"
 * or "not-compared". `why`: a clause more, or "". */
struct report_dane {
    const char *state, *why;
};

/* As many as the host has records; NULL: no memory. They live in the arena. */
const struct report_dane *report_dane_records(const struct observation *seen, struct arena *arena);

/* "usable", "unusable", "none", "lookup-failed", "not-asked" */
const char *report_dane_state(enum policy_tlsa tlsa);

/* Under which name the records stand: "_25._tcp.mx.example.org". */
const char *report_dane_name(const struct observation *seen, struct arena *arena);
