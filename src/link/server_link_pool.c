#include "link/server_link_pool.h"

#include <assert.h>

#include "base/memory.h"

enum { SPARES_MOST = 64 };

bool server_link_pool_new(struct loop *loop, struct server_link_pool **pool, struct error *err)
{
    *pool = memory_new(1, sizeof **pool);
    if (*pool == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the sessions of a loop");
    (*pool)->loop = loop;
    return true;
}

void server_link_pool_free(struct server_link_pool **pool)
{
    struct server_link_pool *freed = *pool;

    *pool = NULL;
    if (freed == NULL)
        return;
    assert(freed->links == 0);
    while (freed->spares != NULL) {
        struct server_link_spare *next = freed->spares->next;

        memory_free(freed->spares);
        freed->spares = next;
    }
    memory_free(freed);
}

struct server_link_spare *server_link_pool_take(struct server_link_pool *pool)
{
    struct server_link_spare *spare = pool->spares;

    if (spare == NULL)
        return memory_new(1, sizeof *spare);
    pool->spares = spare->next;
    pool->spare_count--;
    return spare;
}

void server_link_pool_give(struct server_link_pool *pool, struct server_link_spare **spare)
{
    struct server_link_spare *given = *spare;

    *spare = NULL;
    if (given == NULL)
        return;
    if (pool->spare_count == SPARES_MOST) {
        memory_free(given);
        return;
    }
    given->storage.command.verb = SMTP_COMMAND_UNKNOWN;
    given->next = pool->spares;
    pool->spares = given;
    pool->spare_count++;
}
