#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void *memory_new(size_t count, size_t size_bytes)
{
    return calloc(count, size_bytes);
}

void *memory_grow(void *block, size_t size_bytes)
{
    return realloc(block, size_bytes);
}

void memory_free(void *block)
{
    free(block);
}

void memory_wipe(void *block, size_t size_bytes)
{
    explicit_bzero(block, size_bytes);
}
