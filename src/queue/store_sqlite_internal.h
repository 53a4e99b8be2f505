/* queue/store_sqlite_internal.h - what the files of the SQLite queue share. */
#pragma once

#include "queue/backend.h"
#include "queue/database.h"
#include "queue/store_sqlite_checkpoint.h"

enum {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ADD_PART,
    SQL_SUM_PARTS,
    SQL_DROP_PARTS,
    SQL_ADD_BODY,
    SQL_DROP_BODY,
    SQL_ADD_MESSAGE,
    SQL_ADD_RECIPIENT,
    SQL_SET_NEWEST,
    SQL_FIND_MESSAGE,
    SQL_DROP_MESSAGE,
    SQL_DROP_RECIPIENTS,
    SQL_CLOSE_RECIPIENT,
    SQL_FIND_DUE,
    SQL_FIND_NEXT_DUE,
    SQL_LEASE_RECIPIENT,
    SQL_FIND_RECIPIENT,
    SQL_SETTLE_RECIPIENT,
    SQL_GIVE_BACK_RECIPIENT,
    SQL_READ_PART,
    SQL_READ_BODY,
    SQL_LIST_MESSAGES,
    SQL_LIST_RECIPIENTS,
    SQL_SCAN_RECIPIENTS,
    SQL_SCAN_MESSAGE_RECIPIENTS,
    SQL_CHANGE_RECIPIENT,
    SQL_DROP_RECIPIENT,
    SQL_STATEMENTS,
};

struct sqlite_queue {
    struct database database;
    int lock;                                  /* descriptor */
    struct queue_counts counts, counts_before; /* now, and when the transaction began */
    int64_t newest_id, newest_id_before, newest_id_written;
    int64_t newest_dropped; /* in this transaction; 0: none */
    int64_t leases;         /* given so far */
    struct sqlite_checkpoint *checkpoint;
    int log_pages; /* in the log after the last commit */
};

/* Moves one recipient of the counts. */
void sqlite_queue_count(struct sqlite_queue *queue, enum queue_state from, enum queue_state to);

/* Fills everything but `recipients` from the columns of SQL_FIND_MESSAGE. */
void sqlite_queue_read_envelope(sqlite3_stmt *statement, struct arena *arena,
                                struct queue_envelope *envelope);

/* Fills a recipient from the columns of SQL_LIST_RECIPIENTS. */
void sqlite_queue_read_recipient(sqlite3_stmt *statement, struct arena *arena,
                                 struct queue_recipient *recipient);

/* Takes one recipient off the open ones of its message; the last one takes all of it away. */
enum queue_status sqlite_queue_close_recipient(struct sqlite_queue *queue, int64_t id,
                                               struct error *err);

/* store_sqlite_put.c */
enum queue_status sqlite_queue_append(void *object, int64_t id, int64_t number, struct span bytes,
                                      struct error *err);
enum queue_status sqlite_queue_put(void *object, const struct queue_put *put, struct error *err);
enum queue_status sqlite_queue_drop(void *object, int64_t id, struct error *err);
enum queue_status sqlite_queue_read(void *object, struct queue_read *read, struct error *err);

/* The whole body of a message whose body has size_bytes, into *body. */
enum queue_status sqlite_queue_read_whole(struct sqlite_queue *queue, int64_t id,
                                          int64_t size_bytes, struct arena *arena,
                                          struct span *body, struct error *err);

/* store_sqlite_lease.c */
enum queue_status sqlite_queue_lease(void *object, struct queue_lease *lease, struct error *err);
enum queue_status sqlite_queue_settle(void *object, int64_t lease,
                                      const struct queue_settlement *settlement, bool *was_settled,
                                      struct error *err);

/* store_sqlite_people.c */
enum queue_status sqlite_queue_change(void *object, struct queue_change *change,
                                      queue_changed *changed, void *owner, struct error *err);
enum queue_status sqlite_queue_list(void *object, struct queue_list *list, struct error *err);
