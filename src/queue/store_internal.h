/* queue/store_internal.h - what the files of the store share: its state, batches, stories.
 *
 * Everything but opening, closing and asking runs on the store's thread.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "queue/backend.h"
#include "queue/id.h"
#include "queue/story_writer.h"

typedef void queue_performer(struct queue_store *store, struct queue_request *request);

struct queue_work {
    queue_performer *perform; /* answers at once, or waits for the commit */
    queue_performer *undo;    /* after a commit that failed; NULL: nothing is left behind */
    bool is_beside;           /* needs no transaction, and answers at once */
};

struct queue_door {
    struct queue_store *store;
    struct mailbox *answers;
    struct queue_id_maker ids;
    size_t asked; /* requests that are not answered yet */
    bool is_handing_out;

    /* The store's: answers that go to it together, and the next door that has some. */
    struct mailbox_message *first_answer, *last_answer;
    struct queue_door *next_answered;
};

/* Told and not given to the writer yet, in order; those from *batch on are of the batch under way. */
struct stories {
    struct arena arena; /* theirs */
    struct story *first, **last, **batch;
    struct loop_timer *timer; /* when they are to be given */
};

struct queue_store {
    struct queue_store_settings settings;
    const struct queue_backend *backend;
    void *queue;
    _Atomic int64_t
        newest_id;  /* when it was opened; where there was no room for that, when it was begun */
    bool has_begun; /* since */
    int64_t
        last_taken_id; /* by a message before then; an id that was given unawares may be one of those */
    atomic_uint lanes, doors;
    atomic_size_t waiting;   /* requests that were asked and not taken up */
    _Atomic int64_t refused; /* puts, because too much waited */

    struct loop *loop; /* of the store's thread, and all that follows too */
    struct mailbox *requests;
    struct loop_timer *linger, *tidy;
    pthread_t thread;
    struct queue_request stop;
    bool is_stopping, will_tidy;

    bool is_in_transaction;
    int64_t began_at_ms, batch_bytes;
    int64_t look_at_bytes;          /* when the batch has so many, the disk is looked at again */
    enum queue_status batch_status; /* worse than QUEUE_OK: the batch is to be rolled back */
    struct mailbox_message *waiters, **last_waiter; /* to be answered after the commit */
    struct error err;                               /* of batch_status */
    int64_t puts, settled;                          /* of this batch */
    int64_t *abandoned;                             /* bodies that could not be dropped yet */
    size_t abandoned_count, abandoned_room;
    struct queue_stats stats; /* without the counts */

    struct story_writer *story_writer; /* NULL: no stories are kept */
    struct stories stories;
};

int64_t queue_store_now_ms(const struct queue_store *store);
int64_t queue_store_now_s(const struct queue_store *store);

/* Any thread; the mailboxes of the store have no limit of their own. */
void queue_store_post(struct mailbox *mailbox, struct queue_request *request);
void queue_store_answer(struct queue_request *request);

/* Behind the others, for after the commit. */
void queue_store_wait_for_commit(struct queue_store *store, struct queue_request *request);

/* Takes down how a piece of work ended; where badly, the batch is rolled back. */
void queue_store_take_status(struct queue_store *store, struct queue_request *request,
                             enum queue_status status);

/* Counts what store->err tells, keeps its words, and passes them on. */
void queue_store_note_failure(struct queue_store *store, enum queue_status status);

/* The parts of that put go as soon as that can be written. */
void queue_store_abandon(struct queue_store *store, int64_t id);

/* Stories go beside the queue and never in its way: what fails is counted. */
void queue_store_start_stories(struct queue_store *store);
void queue_store_tell(struct queue_store *store, const struct tracking_event *event);
void queue_store_tell_of_put(struct queue_store *store, const struct queue_put *put);
void queue_store_tell_of_settlement(struct queue_store *store,
                                    const struct queue_settlement *settlement);
void queue_store_tell_of_note(struct queue_store *store, const struct queue_note *note);
/* Of no batch: no rollback undoes it. */
void queue_store_tell_of_session(struct queue_store *store, const struct queue_session *session);
/* After a commit, and after a rollback, of the batch that they are of. */
void queue_store_keep_stories(struct queue_store *store);
void queue_store_drop_stories(struct queue_store *store);
/* All that is kept, to the writer; later where it is busy, or in the midst of a batch that has some. */
void queue_store_give_stories(struct queue_store *store);
/* The same where they have become many, and then the writer is waited for. */
void queue_store_give_many_stories(struct queue_store *store);
/* All that is kept is written; but not in the midst of a batch that has some. */
void queue_store_write_stories(struct queue_store *store);
