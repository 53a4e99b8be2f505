/* net/octets.h - takes numbers and vectors off the front of bytes in network order.
 *
 * Reading past the end sets `is_short` and gives zeros; look at it once, after the last take.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct octets {
    struct span left;
    bool is_short;
};

static inline uint32_t octets_take(struct octets *octets, size_t width)
{
    uint32_t number = 0;

    if (octets->left.len < width) {
        octets->is_short = true;
        octets->left = (struct span){ NULL, 0 };
        return 0;
    }
    for (size_t i = 0; i < width; i++)
        number = number << 8 | (uint8_t)octets->left.data[i];
    octets->left.data += width;
    octets->left.len -= width;
    return number;
}

static inline struct span octets_take_bytes(struct octets *octets, size_t len)
{
    struct span bytes = { octets->left.data, len };

    if (octets->left.len < len) {
        octets->is_short = true;
        octets->left = (struct span){ NULL, 0 };
        return octets->left;
    }
    if (len > 0)
        octets->left.data += len;
    octets->left.len -= len;
    return bytes;
}

/* A vector of TLS: its length in `width` octets, then so many octets. */
static inline struct span octets_take_vector(struct octets *octets, size_t width)
{
    return octets_take_bytes(octets, octets_take(octets, width));
}
