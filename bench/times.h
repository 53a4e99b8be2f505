/* bench/times.h - counts times in a table of fixed size: quantiles to within 1 in 64. */
#pragma once

#include <stdint.h>

enum { TIMES_FINE = 64, TIMES_BUCKETS = 32 * TIMES_FINE };

struct times {
    int64_t count;
    int64_t buckets[TIMES_BUCKETS];
};

/* Up to 127 µs each has a bucket of its own; from then on each doubling has TIMES_FINE. */
static inline unsigned times_bucket(uint64_t time_us)
{
    unsigned doublings = 0;

    while (time_us >> doublings >= (uint64_t)2 * TIMES_FINE)
        doublings++;
    return doublings * TIMES_FINE + (unsigned)(time_us >> doublings);
}

static inline void times_add(struct times *times, int64_t time_us)
{
    unsigned bucket = times_bucket(time_us < 0 ? 0 : (uint64_t)time_us);

    times->buckets[bucket < TIMES_BUCKETS ? bucket : TIMES_BUCKETS - 1]++;
    times->count++;
}

static inline void times_join(struct times *times, const struct times *others)
{
    times->count += others->count;
    for (unsigned i = 0; i < TIMES_BUCKETS; i++)
        times->buckets[i] += others->buckets[i];
}

/* In µs; 0 where nothing was counted. */
static inline double times_quantile(const struct times *times, double part)
{
    int64_t seen = 0;

    for (unsigned i = 0; i < TIMES_BUCKETS; i++) {
        unsigned doublings = i < 2 * TIMES_FINE ? 0 : i / TIMES_FINE - 1;

        seen += times->buckets[i];
        if (times->count > 0 && (double)seen >= part * (double)times->count)
            return (double)((uint64_t)(i - doublings * TIMES_FINE) << doublings);
    }
    return 0;
}
