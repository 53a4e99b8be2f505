/* link/tickets.h - TLS sessions to resume, each with how the chain beside it was judged.
 *
 * client_link keeps what a server gives under a name that says for whom it is good, and asks for the
 * newest when it dials again. In memory alone, bounded, of one loop's thread. A session of TLS 1.3
 * goes with its use; an older one stays. Nothing fails here: what cannot be kept is not kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/tls_session.h"

enum {
    LINK_TICKETS_MOST = 4096, /* sessions in all; where it is full, those least in use go */
    LINK_TICKETS_EACH = 16,   /* under one name: as many conversations can begin at once */
    /* No session is resumed so long after its full handshake: what the server has changed since (a new
     * certificate, say) is to be seen. RFC 8446 section 4.6.1 allows seven days. */
    LINK_TICKETS_LIFE_MS = 2 * 60 * 60 * 1000,
    LINK_TICKETS_SHUN_MS = 60 * 60 * 1000,
};

struct link_tickets;

MUST_CHECK bool link_tickets_new(struct link_tickets **tickets, struct error *err);
void link_tickets_free(struct link_tickets **tickets);

size_t link_tickets_count(const struct link_tickets *tickets);

/* What was found of a chain, as far as it does not depend on who asks. */
struct link_ticket_mark {
    bool is_trusted;
    uint64_t flaws; /* one bit a kind (enum chain_flaw_kind), without those of names */
};

/* Takes *session in any case. */
void link_tickets_put(struct link_tickets *tickets, const char *name, struct tls_session **session,
                      const struct link_ticket_mark *mark, int64_t now_ms);

/* The newest that is still good; NULL: none. Borrowed until the next call. */
const struct tls_session *link_tickets_find(struct link_tickets *tickets, const char *name,
                                            int64_t now_ms, struct link_ticket_mark *mark);
/* The one that find gave just before; the caller frees it. */
struct tls_session *link_tickets_take(struct link_tickets *tickets, const char *name);

/* All of this name go: the server took the last one no more, or they are judged otherwise by now. */
void link_tickets_drop(struct link_tickets *tickets, const char *name);
/* The same, and for LINK_TICKETS_SHUN_MS none is kept: a conversation broke over one. */
void link_tickets_shun(struct link_tickets *tickets, const char *name, int64_t now_ms);
