#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/memory.h"

/* A short story needs little, and memory is zeroed when it is taken: so blocks grow. */
enum { FIRST_BLOCK_BYTES = 1024, BLOCK_BYTES_MOST = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){ .limit = limit };
}

void arena_clear(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;

        memory_free(arena->blocks);
        arena->blocks = next;
    }
    arena_init(arena, arena->limit);
}

static size_t next_block_bytes(const struct arena *arena)
{
    if (arena->blocks == NULL)
        return FIRST_BLOCK_BYTES;
    return arena->blocks->size < BLOCK_BYTES_MOST / 2 ? arena->blocks->size * 2 : BLOCK_BYTES_MOST;
}

static bool add_block(struct arena *arena, size_t size)
{
    struct arena_block *block;
    size_t usual = next_block_bytes(arena);

    if (size < usual)
        size = usual;
    block = memory_new(1, sizeof *block + size);
    if (block == NULL)
        return false;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return true;
}

void *arena_new(struct arena *arena, size_t count, size_t size_bytes)
{
    const size_t unit = _Alignof(max_align_t);
    struct arena_block *block = arena->blocks;
    size_t wanted;
    char *place;

    if (arena->exhausted || (size_bytes > 0 && count > (arena->limit - arena->used) / size_bytes)) {
        arena->exhausted = true;
        return NULL;
    }
    wanted = (count * size_bytes + unit - 1) / unit * unit;
    if (block == NULL || wanted > block->size - block->used) {
        if (!add_block(arena, wanted)) {
            arena->exhausted = true;
            return NULL;
        }
        block = arena->blocks;
    }
    place = (char *)block->bytes + block->used;
    block->used += wanted;
    arena->used = arena->used + wanted > arena->limit ? arena->limit : arena->used + wanted;
    return place;
}

const char *arena_copy(struct arena *arena, struct span text)
{
    char *copy = arena_new(arena, text.len + 1, 1);

    if (copy == NULL)
        return "";
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    return copy;
}

const char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    char *text = NULL;
    int needed;

    va_start(arguments, format);
    va_copy(again, arguments);
    needed = vsnprintf(NULL, 0, format, arguments);
    if (needed >= 0)
        text = arena_new(arena, (size_t)needed + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)needed + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text == NULL ? "" : text;
}

struct span arena_copy_bytes(struct arena *arena, struct span bytes)
{
    char *copy = bytes.len == 0 ? NULL : arena_new(arena, bytes.len, 1);

    if (copy == NULL)
        return (struct span){ NULL, 0 };
    memcpy(copy, bytes.data, bytes.len);
    return (struct span){ copy, bytes.len };
}
