/* base/arena.h - memory that lives as long as one checkup and is freed at once.
 *
 * An arena never fails in the middle of things: when its limit or the memory is
 * reached, `exhausted` stays set, texts come back as "" and arena_new gives
 * NULL. Whoever owns the arena looks at `exhausted` once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used, limit; /* bytes */
    bool exhausted;
};

void arena_init(struct arena *arena, size_t limit);
void arena_clear(struct arena *arena);

/* Zeroed, aligned for any type; NULL when exhausted. */
MUST_CHECK void *arena_new(struct arena *arena, size_t count, size_t size_bytes);

/* Always a text: "" when exhausted. */
const char *arena_copy(struct arena *arena, struct span text);
const char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* A copy of bytes; an empty span when exhausted. */
struct span arena_copy_bytes(struct arena *arena, struct span bytes);
