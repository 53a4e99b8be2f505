/* base/memory.h - the only way to the heap; everything else asks here.
 *
 * Memory comes zeroed. When there is none, NULL comes back and the caller
 * reports ERROR_MEMORY.
 */
#pragma once

#include <stddef.h>

#include "base/compiler.h"

MUST_CHECK void *memory_new(size_t count, size_t size_bytes);

/* Like realloc; what is added is not zeroed. On NULL the old block is untouched. */
MUST_CHECK void *memory_grow(void *block, size_t size_bytes);

/* Accepts NULL. */
void memory_free(void *block);

/* Overwrites secrets in a way that the compiler keeps. */
void memory_wipe(void *block, size_t size_bytes);

/* From here on so much of what was freed (for each thread that asks for memory) stays with the
 * process for what comes next, where the system's library would give back and take again at every
 * message. Before other threads are started; where the library has no word for it, nothing. */
void memory_keep_freed(size_t size_bytes);
