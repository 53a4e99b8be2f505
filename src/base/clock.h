/* base/clock.h - time as an input: the real clock, or one that a test sets. */
#pragma once

#include <stdint.h>

struct clock {
    int64_t (*wall_s)(const struct clock *clock);       /* seconds since 1970, UTC */
    int64_t (*monotonic_ms)(const struct clock *clock); /* never goes back; no epoch */
    int64_t fixed_wall_s, fixed_monotonic_ms;           /* what a fixed clock answers */
};

struct clock clock_system(void);

/* Stands still until the test changes the two fields. */
struct clock clock_fixed(int64_t wall_s, int64_t monotonic_ms);
