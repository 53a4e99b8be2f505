#include "base/clock.h"

#include <time.h>

static int64_t read_wall_s(const struct clock *clock)
{
    (void)clock;
    return (int64_t)time(NULL);
}

static int64_t read_monotonic_ms(const struct clock *clock)
{
    struct timespec now;

    (void)clock;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t answer_wall_s(const struct clock *clock)
{
    return clock->fixed_wall_s;
}

static int64_t answer_monotonic_ms(const struct clock *clock)
{
    return clock->fixed_monotonic_ms;
}

struct clock clock_system(void)
{
    return (struct clock){ .wall_s = read_wall_s, .monotonic_ms = read_monotonic_ms };
}

struct clock clock_fixed(int64_t wall_s, int64_t monotonic_ms)
{
    return (struct clock){ .wall_s = answer_wall_s,
                           .monotonic_ms = answer_monotonic_ms,
                           .fixed_wall_s = wall_s,
                           .fixed_monotonic_ms = monotonic_ms };
}
