/* gateway/gateway_internal.h - what the files of the gateway share: its state; nobody else includes it.
 */
#pragma once

#include "gateway/bindings.h"
#include "gateway/control.h"
#include "gateway/delivery.h"
#include "gateway/gateway.h"
#include "gateway/host_memory.h"
#include "gateway/inbound_history.h"
#include "gateway/queue_watch.h"
#include "gateway/resolver.h"
#include "gateway/shared_limits.h"
#include "gateway/sts_cache.h"
#include "gateway/tls_reports.h"
#include "gateway/worker.h"
#include "net/https.h"
#include "net/mailbox.h"
#include "queue/store.h"

/* A profile on its way to the workers: a letter and a list of places for each. */
struct gateway_change {
    const char *event; /* logged when all have it */
    size_t waiting;
    struct worker_letter *letters;
    struct worker_place *places; /* those of the first worker, of the second, ... */
};

struct gateway {
    struct gateway_settings settings;
    struct queue_watch watch;
    struct queue_store *store;
    struct queue_door *door; /* of the main loop */
    struct gateway_resolver *resolver;
    struct https *https; /* of the main loop */
    struct host_memory *hosts;
    struct inbound_history *history;
    struct sts_keeper *policies;
    struct tls_reports *reports;
    struct delivery *delivery;
    struct control *control;
    struct gateway_shared_limits *limits;
    struct gateway_bindings *bindings;
    struct mailbox *mailbox;
    struct loop_timer *look, *patience, *tell;
    struct gateway_profile *profile;
    struct worker **workers;
    size_t worker_count, drained_count;
    size_t changes; /* on their way */
    int64_t judged_at_s, rotated_at_s;
    bool is_draining, is_cutting;
    bool has_delivered, has_remembered, has_answered; /* delivery, hosts, control are drained */
    bool has_kept_policies, has_reported;
    bool is_keeping, has_kept; /* so is the history, the last of all */
    void (*drained)(void *owner);
    void *drained_owner;
};

/* ---- gateway_change.c: how a profile comes into force ---- */

/* Opens what the profile listens on and the one before did not. NULL: *err tells, and nothing is. */
struct gateway_change *gateway_change_make(struct gateway *gateway, struct gateway_profile *profile,
                                           const char *event, struct error *err);
/* The sockets of places that no worker has. */
void gateway_change_close_places(struct gateway_change *change, size_t first, size_t count);
void gateway_change_free(struct gateway_change *change);
/* Held, and in force for all that is not a worker's. */
void gateway_change_use(struct gateway *gateway, struct gateway_profile *profile);
/* Policies that are in use are fetched anew long before they end: by what is in force now. */
void gateway_change_policies(struct gateway *gateway);
/* A worker has it. */
void gateway_change_note(struct gateway *gateway, struct gateway_change *change);
/* What a message of a local program must keep to. */
struct control_terms gateway_change_terms(const struct gateway_profile *profile);
void gateway_change_log_certificates(struct gateway *gateway);
/* From now on certificates, tickets and the resolver are looked after; is_draining ends it. */
void gateway_change_look_after(void *owner);
