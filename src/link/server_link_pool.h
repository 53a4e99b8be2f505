/* link/server_link_pool.h - what the links of one loop lend each other: the storage of their engines.
 *
 * A session at rest has given its storage back; the next one to speak takes it. Internal to server_link.
 */
#pragma once

#include "link/server_link.h"

/* An engine's storage, with a link while it works. */
struct server_link_spare {
    struct smtp_server_storage storage;
    struct server_link_spare *next;
};

struct server_link_pool {
    struct loop *loop;
    struct server_link_spare *spares;
    size_t spare_count;
    size_t links; /* that are open */
};

/* NULL: no memory. */
struct server_link_spare *server_link_pool_take(struct server_link_pool *pool);
void server_link_pool_give(struct server_link_pool *pool, struct server_link_spare **spare);
