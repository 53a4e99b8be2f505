/* queue/store.h - the queue that survives: puts, leases, settlements, and the questions of people.
 *
 * What it promises:
 * - A put that is answered QUEUE_OK is on stable storage, body and envelope, whole: only then may
 *   a 250 be sent. A settlement that is answered QUEUE_OK is durable too.
 * - After any crash whatever was answered is there, whole; what was not answered is there whole
 *   or not at all. What was leased is due again.
 * - A full disk, an I/O error, a store that cannot follow: each request is answered with its
 *   status (452 or 451), nothing is half done, and later requests succeed once the cause is gone.
 *   The last 4 MB of a disk (an eighth of a small one) take no new mail: what becomes of the mail that is there
 *   needs room to be written down.
 * - A queue on a full disk opens: its requests are answered QUEUE_FULL until there is room to look into it.
 * - One instance per queue: a second one does not open, and says who holds it.
 *
 * One thread of its own does all the work and groups it: what came while one commit was under way
 * is the next commit (at most QUEUE_COMMIT_BYTES or QUEUE_COMMIT_MS of work). Every loop that asks
 * has a door. A request is the caller's structure, lent with all that it points to until
 * `answered` is called on the caller's loop, which happens exactly once, never inside the call.
 * The work itself is behind one struct of functions (queue/backend.h); nothing here or above knows
 * which database runs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "queue/message.h"

enum {
    QUEUE_PART_BYTES = 128 * 1024, /* the most of a body in one request */
    QUEUE_COMMIT_BYTES = 4 * 1024 * 1024,
    QUEUE_COMMIT_MS = 100,
    QUEUE_CHANGED_AT_ONCE = 1000,  /* recipients that one change looks at */
    QUEUE_LISTED_AT_ONCE = 1000,   /* messages that one list looks at */
    QUEUE_LEASED_BODY = 16 * 1024, /* the most of a body that comes with its lease */
};

enum queue_status {
    QUEUE_OK,
    QUEUE_FULL,   /* no room on the disk: 452 4.3.1 */
    QUEUE_BUSY,   /* too much waits, or somebody else holds the database: 451 4.3.2 */
    QUEUE_FAILED, /* an I/O error or no memory: 451 4.3.0; queue_stats has the words */
    QUEUE_ABSENT, /* there is no such message, or no such part of its body */
};

/* "ok", "full", "busy", "failed", "absent". */
const char *queue_status_name(enum queue_status status);

struct queue_store;
struct queue_door;
struct queue_backend;
struct queue_work;

struct queue_store_settings {
    const char *folder;    /* holds queue.db, queue.lock, journal/ and tracking/; made if missing */
    size_t waiting_most;   /* requests that may wait; more are answered QUEUE_BUSY */
    int64_t patience_ms;   /* a put that waited longer is answered QUEUE_BUSY, undone */
    int64_t tracking_days; /* how long stories are kept; 0: none are written */
    int64_t lock_patience_ms; /* opening waits so long for another instance to leave the queue */
    struct clock clock;
    const struct queue_backend *backend; /* NULL: SQLite in the folder */

    /* On the store's thread: something failed, and why in words, each time; a batch with new mail is durable.
     * NULL: nobody wants to know. */
    void (*failed)(void *owner, enum queue_status status, const char *words);
    void (*kept)(void *owner);
    void *owner;
};

/* 4096 requests, 30 s, 30 days, 100 ms, the system's clock, SQLite. */
struct queue_store_settings queue_store_defaults(const char *folder);

/* Opens the queue and starts its thread. ERROR_BUSY: another instance has it and keeps it. */
MUST_CHECK bool queue_store_open(const struct queue_store_settings *settings,
                                 struct queue_store **store, struct error *err);

/* Every door must have been closed. */
void queue_store_close(struct queue_store **store);

/* On the thread of `loop`. An open door keeps loop_run running. At most QUEUE_ID_LANES doors are
 * opened in the life of a store. */
MUST_CHECK bool queue_door_open(struct queue_store *store, struct loop *loop,
                                struct queue_door **door, struct error *err);

/* Every request must have been answered. */
void queue_door_close(struct queue_door **door);

/* A new id (queue/id.h), for the Received field and for the put. */
int64_t queue_door_id(struct queue_door *door);

/* The head of every request; only `status` is for the caller to read. */
struct queue_request {
    struct mailbox_message message; /* first, so that a message is its request */
    enum queue_status status;
    void (*answered)(void *owner);
    void *owner;
    struct queue_door *door;
    const struct queue_work *work;
    int64_t asked_at_ms;
    bool may_be_refused; /* where too much waits */
    bool takes_room;     /* for good: refused while the disk has only what the rest needs */
};

/* ---- a new message: parts of its body, then all else ------------------------------------- */

/* Zero it, set `id`; from then on it belongs to one message. One request of it at a time. */
struct queue_put {
    struct queue_request request;
    int64_t id;
    struct span bytes; /* for append and commit: the next part, at most QUEUE_PART_BYTES */
    const struct queue_envelope *envelope;    /* for commit; its id is `id` */
    const struct queue_recipient *recipients; /* for commit */
    size_t recipient_count;
    int64_t parts, size_bytes; /* what was appended so far; the store counts */
};

/* Takes put->bytes (not empty) as the next part. The answer means that the bytes are free again, not that they are
 * durable: that is for commit to say. */
void queue_put_append(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                      void *owner);

/* Takes put->bytes (may be empty) as the last part and makes the message whole and durable. Its
 * recipients are waiting, due at once. On any other answer than QUEUE_OK nothing is kept; where
 * parts were appended, another try takes another id. */
void queue_put_commit(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                      void *owner);

/* Drops what was appended. Needed only after an append, and not after a commit. */
void queue_put_abort(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                     void *owner);

/* ---- delivery ----------------------------------------------------------------------------- */

struct queue_message {
    struct queue_envelope envelope;
    struct queue_recipient *recipients;
    size_t recipient_count;
    struct span body; /* of a lease with bodies, whole; empty where it is larger than
                         QUEUE_LEASED_BODY: read it */
};

/* Takes what is due, longest due first. A lease lasts until `until_s`: what is not settled by
 * then is due again, and a late settlement counts only where mail went out. */
struct queue_lease {
    struct queue_request request;
    int64_t now_s, until_s;
    size_t most;         /* recipients */
    bool with_bodies;    /* of those messages whose body is small */
    struct arena *arena; /* for the answer; 8 KB a recipient hold any, with bodies 24 KB */

    int64_t number; /* names the lease when settling */
    struct queue_message *messages;
    size_t message_count;
    int64_t next_due_at_s; /* when the next of the rest is due; INT64_MAX: none is */
};

void queue_lease(struct queue_door *door, struct queue_lease *lease, void (*answered)(void *owner),
                 void *owner);

/* What became of one recipient of a lease. */
struct queue_settlement {
    int64_t id;
    const struct queue_recipient *recipient; /* of the lease */
    enum queue_state result; /* DONE, BOUNCED (put the report first), DEFERRED, or WAITING: given
                                back untried, without a trace */
    int64_t due_at_s;        /* DEFERRED and WAITING */
    bool has_warned;         /* the sender has heard of the delay, now or before */
    struct queue_attempt attempt;
};

/* A message whose recipients are all done or bounced is gone with the last of them. */
struct queue_settle {
    struct queue_request request;
    int64_t lease;
    const struct queue_settlement *settlements;
    size_t count;

    size_t settled; /* less than `count` where the lease had ended or the message was deleted */
};

void queue_settle(struct queue_door *door, struct queue_settle *settle,
                  void (*answered)(void *owner), void *owner);

/* One part of a body, in order from number 0 on; QUEUE_ABSENT behind the last. */
struct queue_read {
    struct queue_request request;
    int64_t id, number;
    char *bytes; /* room for QUEUE_PART_BYTES */

    size_t len;
};

void queue_read(struct queue_door *door, struct queue_read *read, void (*answered)(void *owner),
                void *owner);

/* ---- people ------------------------------------------------------------------------------- */

/* Which recipients are meant; empty fields mean all. */
struct queue_selection {
    int64_t id;
    struct span domain; /* of the recipient, without @, letters of either case */
};

enum queue_change_kind {
    QUEUE_HOLD,    /* no attempt until released; one that is under way goes on */
    QUEUE_RELEASE, /* what was held is due at once */
    QUEUE_RETRY,   /* what waits is due at once */
    QUEUE_DELETE,  /* gone without a report; a message with its last open recipient */
};

/* Looks at QUEUE_CHANGED_AT_ONCE recipients from `after` on (both 0 at first). Ask again, as it was
 * answered, while `has_more`. */
struct queue_change {
    struct queue_request request;
    enum queue_change_kind kind;
    struct queue_selection selection;
    int64_t now_s;
    int64_t after, after_number;

    size_t changed; /* added to: the sum of all rounds */
    bool has_more;
};

void queue_change(struct queue_door *door, struct queue_change *change,
                  void (*answered)(void *owner), void *owner);

/* Messages in order of their ids with all their recipients, those that have one of the selection
 * (of any state, or of `state` where `by_state`). Looks at QUEUE_LISTED_AT_ONCE of them from
 * `after` on (0 at first), answers at most `most`. Ask again, as it was answered, while
 * `has_more`. */
struct queue_list {
    struct queue_request request;
    struct queue_selection selection;
    bool by_state;
    enum queue_state state;
    int64_t after;
    size_t most;         /* 1 to QUEUE_LISTED_AT_ONCE */
    struct arena *arena; /* for the answer; 64 MB hold any */

    struct queue_message *messages;
    size_t message_count;
    bool has_more;
};

void queue_list(struct queue_door *door, struct queue_list *list, void (*answered)(void *owner),
                void *owner);

/* Counted in memory; asking costs next to nothing. Stories that wait to be written are written. */
struct queue_stats {
    struct queue_request request;

    int64_t recipients[QUEUE_STATES]; /* of messages that are in the queue */
    int64_t messages, body_bytes;
    int64_t puts, settled, commits, busy; /* since the store was opened */
    int64_t failures;                     /* commits that failed, for whatever cause */
    int64_t tracking_lost;                /* times that stories could not be written */
    char last_failure[256];               /* in words; "" while there was none */
};

void queue_stats(struct queue_door *door, struct queue_stats *stats, void (*answered)(void *owner),
                 void *owner);

/* A story for tracking that belongs to no message of the queue, such as a session that failed. */
struct queue_note {
    struct queue_request request;
    struct queue_origin origin;
    struct queue_attempt attempt;
};

void queue_note(struct queue_door *door, struct queue_note *note, void (*answered)(void *owner),
                void *owner);

/* What one conversation showed, for the attempts that name it. Beside the queue: no commit waits for it, nor
 * does the answer. A session whose texts are more than QUEUE_SESSION_BYTES is told without its observation. */
struct queue_tell {
    struct queue_request request;
    struct queue_session session;
};

void queue_tell(struct queue_door *door, struct queue_tell *tell, void (*answered)(void *owner),
                void *owner);
