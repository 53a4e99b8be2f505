/* queue/backend.h - what a database must do to be a queue: one struct of functions.
 *
 * Called by the store's thread alone (open and close by whoever opens and closes the store), one
 * after the other. Everything from begin to commit is one transaction. A function that answers
 * QUEUE_FULL, QUEUE_BUSY or QUEUE_FAILED fills *err, and the store rolls back all of the
 * transaction (but not where it was `read`); QUEUE_ABSENT leaves it as it was.
 */
#pragma once

#include "queue/store.h"

/* What is in the queue; part of the transaction: rolled back with it. */
struct queue_counts {
    int64_t recipients[QUEUE_STATES];
    int64_t messages, body_bytes;
};

/* One recipient that a change concerned. */
typedef void queue_changed(void *owner, int64_t id, struct span address);

struct queue_backend {
    /* Opens `folder`, waits as long for another instance to leave it (ERROR_BUSY), gives back every lease that is
     * left, drops bodies without a message. Where the disk has no room for that, each `begin` tries it again, and
     * answers QUEUE_FULL until there is. */
    bool (*open)(const char *folder, int64_t patience_ms, void **queue, struct error *err);
    /* That was ever put; negative: nobody knows before a `begin` that succeeds, for there was no room. */
    int64_t (*newest_id)(const void *queue);
    void (*close)(void **queue);

    enum queue_status (*begin)(void *queue, struct error *err);
    enum queue_status (*commit)(void *queue, struct error *err);
    /* `why`: what failed. It is also why parts that are lost by it are lost (find_loss). */
    void (*rollback)(void *queue, enum queue_status why);

    enum queue_status (*append)(void *queue, int64_t id, int64_t number, struct span bytes,
                                struct error *err);
    /* QUEUE_OK: put->parts and put->size_bytes are all there. Else a transaction that was rolled back took some, and
     * *err says so; this transaction is none the worse for it. */
    enum queue_status (*find_loss)(void *queue, const struct queue_put *put, struct error *err);
    /* Nothing of it is lost. */
    enum queue_status (*put)(void *queue, const struct queue_put *put, struct error *err);
    enum queue_status (*drop)(void *queue, int64_t id, struct error *err);

    enum queue_status (*lease)(void *queue, struct queue_lease *lease, struct error *err);
    /* *was_settled: the result was taken down. */
    enum queue_status (*settle)(void *queue, int64_t lease,
                                const struct queue_settlement *settlement, bool *was_settled,
                                struct error *err);
    enum queue_status (*read)(void *queue, struct queue_read *read, struct error *err);
    enum queue_status (*change)(void *queue, struct queue_change *change, queue_changed *changed,
                                void *owner, struct error *err);
    enum queue_status (*list)(void *queue, struct queue_list *list, struct error *err);
    void (*count)(const void *queue, struct queue_counts *counts);

    /* Gives room back to the file system, a bounded piece of work, in a transaction of its own.
     * False: nothing is left to do. */
    bool (*tidy)(void *queue);
};

extern const struct queue_backend queue_sqlite;
