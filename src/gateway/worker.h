/* gateway/worker.h - one thread that serves clients: a loop, a door to the queue, its listeners.
 *
 * The main thread makes all of it and then starts the thread; from there on the two speak by letters
 * through mailboxes, and share only what is counted or has a lock of its own (profile, limits, log).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/inbound_history.h"
#include "gateway/profile.h"
#include "gateway/shared_limits.h"
#include "net/mailbox.h"
#include "queue/store.h"

struct worker;

enum worker_letter_kind {
    /* to the main thread */
    WORKER_CHANGED, /* the change came into force; the letter is the main thread's again */
    WORKER_DRAINED,
    /* to the worker, by the functions below */
    WORKER_CHANGE,
    WORKER_DRAIN,
    WORKER_CUT,
    WORKER_STOP,
};

/* One place to listen. */
struct worker_place {
    uint64_t number; /* of gateway/bindings.h; what is open under it stays open */
    int socket;      /* of a new one, taken; else -1 */
};

struct worker_letter {
    struct mailbox_message message; /* first */
    enum worker_letter_kind kind;
    struct worker *worker;
    /* Of a change, lent until it comes back: */
    struct gateway_profile *profile;   /* a reference for the worker */
    const struct worker_place *places; /* one for each listener of the profile */
    void *change;                      /* the main thread's */
};

/* Borrowed for the worker's life. */
struct worker_settings {
    struct queue_store *store;
    struct gateway_shared_limits *limits;
    struct inbound_history *history; /* NULL: none */
    struct log *log;
    const struct clock *clock;
    struct mailbox *main; /* where its letters go */
    void (*accepted)(
        void *owner); /* on the worker's thread, after a message was put in the queue */
    void *owner;
};

/* Nothing runs yet. */
MUST_CHECK bool worker_new(const struct worker_settings *settings, struct worker **worker,
                           struct error *err);
/* A first profile, before the thread is started: takes the profile's reference and the sockets. */
MUST_CHECK bool worker_listen(struct worker *worker, struct gateway_profile *profile,
                              const struct worker_place *places, struct error *err);
MUST_CHECK bool worker_start(struct worker *worker, struct error *err);

/* From then on who comes is served by the letter's profile; it comes back as WORKER_CHANGED. */
void worker_change(struct worker *worker, struct worker_letter *letter);
/* Stops listening and lets sessions end; WORKER_DRAINED comes. Once. */
void worker_drain(struct worker *worker);
/* After worker_drain: cuts off who is left. Once. */
void worker_cut(struct worker *worker);

/* Cuts off who is left, waits until the queue has answered, and ends the thread. */
void worker_free(struct worker **worker);
