/* gateway/bindings.h - where the gateway listens: which sockets are open, were handed over, or are new.
 *
 * The main thread's. It asks for an address at a time; what was asked for before and is asked for again
 * stays open, so that a reload drops nobody who waits there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/service.h"

struct gateway_bindings;

/* Takes the sockets that a service manager handed over, in any case; each is for who asks for its
 * address. `workers` sockets are opened for every other address. */
MUST_CHECK bool gateway_bindings_new(size_t workers, const struct service_socket *handed_over,
                                     size_t handed_over_count, struct gateway_bindings **bindings,
                                     struct error *err);
void gateway_bindings_free(struct gateway_bindings **bindings);

/* Where to listen for what was asked. */
struct gateway_binding {
    uint64_t number;            /* the same as long as it stays open */
    struct net_address address; /* with the port that it has */
    bool is_new;                /* `sockets` are filled, and the caller's; else they are -1 */
};

/* A round begins; every address that is to be listened on is asked for in it, port 0 once for each
 * listener. */
void gateway_bindings_begin(struct gateway_bindings *bindings);
MUST_CHECK bool gateway_bindings_ask(struct gateway_bindings *bindings,
                                     const struct net_address *address,
                                     struct gateway_binding *binding, int *sockets,
                                     struct error *err);
/* It ends: taken, and what was not asked for in it is forgotten; or not, and all is as it was. */
void gateway_bindings_end(struct gateway_bindings *bindings, bool is_taken);

/* The n-th socket that was handed over and that nobody asked for; NULL: no more. */
const struct service_socket *gateway_bindings_unused(const struct gateway_bindings *bindings,
                                                     size_t number);
