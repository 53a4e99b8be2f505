/* gateway/gateway.h - the gateway as a whole: the queue, the workers, and what the main thread does
 * between them.
 *
 * Everything here is called on the main thread, whose loop it runs on. A profile comes into force
 * whole or not at all; sessions that are under way go on by the one that they began with.
 *
 * Log: listening, started, reloaded, certificates-renewed, certificate-* and client-certificate-*
 * (gateway/certificates.h, gateway/client_certificate.h, gateway/renewal.h), resolver-* (gateway/resolver.h), socket-unused, host-memory-*, inbound-history-*, draining, stopped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/profile.h"
#include "net/loop.h"
#include "net/service.h"
#include "net/tls_server.h"

enum { GATEWAY_WORKERS_MOST = 256 };

/* Borrowed until gateway_stop. */
struct gateway_settings {
    struct loop *loop;
    const char *state_dir;
    size_t workers; /* 0: one for each core */
    struct log *log;
    const struct clock *clock;
    struct tls_tickets *tickets; /* of all profiles; their key is changed twice a day */
    /* What a service manager handed over; taken in any case. */
    const struct service_socket *sockets;
    size_t socket_count;
    int64_t look_ms;  /* how often certificate files are looked at; 0: every 3 s */
    int64_t drain_ms; /* how long sessions have to end; 0: one minute */
};

struct gateway;

/* Opens the queue and listens. Holds the profile, whose listeners get the ports that they have. */
MUST_CHECK bool gateway_start(const struct gateway_settings *settings,
                              struct gateway_profile *profile, struct gateway **gateway,
                              struct error *err);

/* Another profile from now on; held. False: an address cannot be listened on, and all is as it was.
 * Workers, folder and clients_known stay as they are. */
MUST_CHECK bool gateway_reload(struct gateway *gateway, struct gateway_profile *profile,
                               struct error *err);

/* Listens no longer, and lets sessions end, those who are slower than drain_ms by force; then
 * `drained`, never inside this call. Once. */
void gateway_drain(struct gateway *gateway, void (*drained)(void *owner), void *owner);
/* After gateway_drain: no more patience. */
void gateway_hurry(struct gateway *gateway);

/* After `drained`, inside it too. */
void gateway_stop(struct gateway **gateway);
