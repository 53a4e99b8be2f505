/* tests/integration/queue/bodies.h - bodies and recipients that follow from a message's id, so that anybody can check them. */
#pragma once

#include <stdint.h>

/* Byte number `at` of the body of message `id`. */
static inline char body_byte(int64_t id, int64_t at)
{
    return (char)((((uint64_t)id + (uint64_t)at) * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

/* How many recipients message `id` has. */
static inline unsigned recipients_of(int64_t id)
{
    return 1 + (unsigned)((uint64_t)id >> 9) % 3;
}
