#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

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

void memory_keep_freed(size_t size_bytes)
{
#ifdef __GLIBC__
    int most = size_bytes > INT_MAX ? INT_MAX : (int)size_bytes;

    mallopt(M_TRIM_THRESHOLD, most);
    mallopt(M_MMAP_THRESHOLD, most / 4); /* what is larger goes back at once */
#else
    (void)size_bytes;
#endif
}
