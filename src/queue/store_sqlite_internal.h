/* queue/store_sqlite_internal.h - what the files of the SQLite queue share.
 *
 * What is promised is in the journal (queue/journal.h), bodies too. The database is its index: each
 * batch of the store is a savepoint in a transaction that is committed some moments later, and what
 * it lacks after a crash, or where its commit failed, is replayed.
 */
#pragma once

#include "queue/backend.h"
#include "queue/database.h"
#include "queue/journal.h"
#include "queue/journal_record.h"
#include "queue/store_sqlite_checkpoint.h"

enum {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_BEGIN_BATCH,
    SQL_KEEP_BATCH,
    SQL_UNDO_BATCH,
    SQL_SET_PROGRESS,
    SQL_GIVE_BACK_LEASES,
    SQL_ADD_MESSAGE,
    SQL_ADD_RECIPIENT,
    SQL_FIND_MESSAGE,
    SQL_FIND_BODY,
    SQL_FIND_BODIES,
    SQL_DROP_MESSAGE,
    SQL_DROP_RECIPIENTS,
    SQL_CLOSE_RECIPIENT,
    SQL_FIND_DUE,
    SQL_FIND_NEXT_DUE,
    SQL_LEASE_RECIPIENT,
    SQL_FIND_RECIPIENT,
    SQL_SETTLE_RECIPIENT,
    SQL_MOVE_RECIPIENT,
    SQL_LIST_MESSAGES,
    SQL_LIST_RECIPIENTS,
    SQL_SCAN_RECIPIENTS,
    SQL_SCAN_MESSAGE_RECIPIENTS,
    SQL_DROP_RECIPIENT,
    SQL_STATEMENTS,
};

/* Those that are due at a time are the first three states; the partial index has the same words. */
#define IS_DUE "state < 3"

struct sqlite_places {
    struct journal_place *places;
    size_t count, room;
};

struct sqlite_uploads;

enum { SQLITE_QUEUE_PATH_BYTES = 4080 };

struct sqlite_queue {
    char folder[SQLITE_QUEUE_PATH_BYTES];
    bool is_shut; /* the disk has no room to open it: there are this, the folder and the lock */
    struct database database;
    int lock;                                  /* descriptor */
    struct queue_counts counts, counts_before; /* now, and when the batch began */
    int64_t newest_id, newest_id_before;
    int64_t newest_number, newest_number_before; /* of a recipient */
    int64_t leases;                              /* given so far */

    struct journal *journal;
    struct journal_point folded; /* what the database has for certain */
    bool is_open;                /* its transaction has what is not folded yet */
    bool is_behind;              /* it has lost that: to be replayed */
    enum queue_status replayed;  /* how the last record went */
    int64_t changes;             /* in that transaction */
    bool is_promising;           /* the batch has what must be durable */
    bool found_no_room;          /* the journal, for the last one */
    size_t mark;                 /* where the batch begins in the journal */
    struct buffer record;        /* to format one */

    struct sqlite_places held, dropped; /* in this batch */
    struct sqlite_uploads *uploads;     /* bodies that have no message yet */
    bool has_ended_uploads;             /* in this batch */

    struct sqlite_checkpoint *checkpoint;
    int64_t page_bytes, log_pages; /* in the log after the last commit */
};

/* store_sqlite_schema.c: tables as they are now, made or migrated, in one transaction; migrated
 * bodies are in the journal. */
MUST_CHECK bool sqlite_queue_make_tables(struct database *database, struct journal *journal,
                                         struct error *err);

/* ---- store_sqlite_open.c: of queue/backend.h ---- */

bool sqlite_queue_open(const char *folder, int64_t patience_ms, void **queue, struct error *err);
void sqlite_queue_close(void **queue);
/* Where it is shut, which it then may be no longer. */
enum queue_status sqlite_queue_open_again(struct sqlite_queue *queue, struct error *err);

/* ---- store_sqlite.c ---- */

/* The tables are there: brings them up to the journal, which then takes more. */
MUST_CHECK bool sqlite_queue_begin_work(struct sqlite_queue *queue, struct error *err);
void sqlite_queue_end_work(struct sqlite_queue *queue);

/* Before each piece of work of a batch. SQLite may give up a whole transaction over one statement, also one that only
 * reads; what is asked of the tables then is not as it was promised, and what is written stays whatever becomes of the
 * batch. */
enum queue_status sqlite_queue_check(struct sqlite_queue *queue, struct error *err);

/* Moves one recipient of the counts. */
void sqlite_queue_count(struct sqlite_queue *queue, enum queue_state from, enum queue_state to);

/* Fills everything but `recipients` from the columns of SQL_FIND_MESSAGE. */
void sqlite_queue_read_envelope(sqlite3_stmt *statement, struct arena *arena,
                                struct queue_envelope *envelope);

/* Fills a recipient from the columns of SQL_LIST_RECIPIENTS. */
void sqlite_queue_read_recipient(sqlite3_stmt *statement, struct arena *arena,
                                 struct queue_recipient *recipient);

/* Puts the record that was formatted into the journal; durable: the batch must wait for the disk. */
enum queue_status sqlite_queue_tell(struct sqlite_queue *queue, enum journal_kind kind,
                                    bool was_formatted, bool durable, struct error *err);

/* ---- store_sqlite_bodies.c ---- */

/* Owned by the queue; their memory. */
MUST_CHECK bool sqlite_bodies_open(struct sqlite_queue *queue, struct error *err);
void sqlite_bodies_close(struct sqlite_queue *queue);
/* The batch was kept, or its traces are to go. */
void sqlite_bodies_keep(struct sqlite_queue *queue);
void sqlite_bodies_undo(struct sqlite_queue *queue, enum queue_status why);
/* Counts those of all uploads as held again. */
MUST_CHECK bool sqlite_bodies_hold_uploads(struct sqlite_queue *queue);
/* Drops all that the journal holds and has not written, and holds the parts of uploads among it once more;
 * between two batches. */
void sqlite_bodies_hold_anew(struct sqlite_queue *queue);
/* Lends bytes to the journal, till the batch ends, and holds their place. */
enum queue_status sqlite_bodies_lend(struct sqlite_queue *queue, int64_t id, struct span bytes,
                                     struct journal_place *place, struct error *err);
/* What was appended for put. */
enum queue_status sqlite_bodies_take(struct sqlite_queue *queue, const struct queue_put *put,
                                     struct journal_put *message, struct error *err);
/* The places in the bytes of a column are released when the batch is kept. */
enum queue_status sqlite_bodies_drop(struct sqlite_queue *queue, struct span places,
                                     struct error *err);
/* The whole body of a message into *body; empty where it cannot be read. */
void sqlite_bodies_read_whole(struct sqlite_queue *queue, int64_t id, int64_t size_bytes,
                              struct arena *arena, struct span *body);
/* One file's bytes that nobody needs go back to the file system; between two transactions. False:
 * there is nothing to do. */
bool sqlite_bodies_give_back(struct sqlite_queue *queue);
enum queue_status sqlite_queue_find_loss(void *object, const struct queue_put *put,
                                         struct error *err);
enum queue_status sqlite_queue_append(void *object, int64_t id, int64_t number, struct span bytes,
                                      struct error *err);
enum queue_status sqlite_queue_drop(void *object, int64_t id, struct error *err);
enum queue_status sqlite_queue_read(void *object, struct queue_read *read, struct error *err);

/* ---- store_sqlite_put.c ---- */

enum queue_status sqlite_queue_put(void *object, const struct queue_put *put, struct error *err);
/* The rows of a message. */
enum queue_status sqlite_queue_add(struct sqlite_queue *queue, const struct journal_put *put,
                                   struct error *err);

/* ---- store_sqlite_change.c: one recipient changes; each tells nobody but the counts ---- */

/* What it is now and whose; QUEUE_ABSENT: it is gone. */
enum queue_status sqlite_queue_find_recipient(struct sqlite_queue *queue, int64_t message,
                                              int64_t number, enum queue_state *state,
                                              int64_t *attempts, int64_t *lease, struct error *err);
enum queue_status sqlite_queue_mark_leased(struct sqlite_queue *queue,
                                           const struct journal_lease *lease,
                                           const struct journal_leased *leased, struct error *err);
/* After an attempt. The last one that comes to its end takes the message away. */
enum queue_status sqlite_queue_take_down(struct sqlite_queue *queue,
                                         const struct journal_change *change, struct error *err);
enum queue_status sqlite_queue_move(struct sqlite_queue *queue, const struct journal_change *change,
                                    struct error *err);
enum queue_status sqlite_queue_delete(struct sqlite_queue *queue,
                                      const struct journal_change *change, struct error *err);

/* ---- store_sqlite_replay.c ---- */

/* A journal_reader: one record into the database. */
bool sqlite_queue_replay(void *queue, uint32_t kind, struct span bytes, struct error *err);

/* ---- store_sqlite_lease.c ---- */

enum queue_status sqlite_queue_lease(void *object, struct queue_lease *lease, struct error *err);
enum queue_status sqlite_queue_settle(void *object, int64_t lease,
                                      const struct queue_settlement *settlement, bool *was_settled,
                                      struct error *err);

/* ---- store_sqlite_people.c ---- */

enum queue_status sqlite_queue_change(void *object, struct queue_change *change,
                                      queue_changed *changed, void *owner, struct error *err);
enum queue_status sqlite_queue_list(void *object, struct queue_list *list, struct error *err);
