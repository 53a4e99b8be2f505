/* net/service.h - what a service manager hands us and hears from us: listening sockets, and readiness.
 *
 * The protocols of sd_listen_fds(3) and sd_notify(3), without their library. Where no manager speaks
 * them nothing is taken and nothing is told. They go by environment variables, so before the first
 * thread is started: service_take_sockets and service_open.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"

enum { SERVICE_SOCKETS_MOST = 64, SERVICE_NAME_BYTES = 64 };

/* A socket that was handed over; the caller's to close. */
struct service_socket {
    int descriptor;
    struct net_address address;    /* where it listens */
    char name[SERVICE_NAME_BYTES]; /* what the manager calls it; "" */
};

/* Takes the sockets that were handed to this process and listen on TCP, at most SERVICE_SOCKETS_MOST;
 * all others of them are closed, and *strangers says how many. The environment forgets them. */
size_t service_take_sockets(struct service_socket sockets[SERVICE_SOCKETS_MOST], size_t *strangers);

enum service_state { SERVICE_READY, SERVICE_RELOADING, SERVICE_STOPPING };

struct service;

/* *service is NULL where nobody wants to hear. The environment forgets it, for children. */
MUST_CHECK bool service_open(struct service **service, struct error *err);

/* `words`: one line for people. NULL is nobody. False: it could not be told. */
MUST_CHECK bool service_tell(struct service *service, enum service_state state, const char *words,
                             struct error *err);

void service_close(struct service **service);
