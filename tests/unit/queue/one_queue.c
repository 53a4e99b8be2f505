/* tests/unit/queue/one_queue.c - each test has an empty queue to ask, and memory for its answers. */
#include "one_queue.h"

#include "file_limit.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

struct asking asking;
struct arena arena;

int one_queue_open(void **state)
{
    (void)state;
    asking_open(&asking);
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

int one_queue_close(void **state)
{
    (void)state;
    limit_files_to(0);
    arena_clear(&arena);
    asking_close(&asking);
    return 0;
}
