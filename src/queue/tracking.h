/* queue/tracking.h - the story of every message: accepted, attempts, end; one database a day.
 *
 * Random keys (addresses, message ids) would slow a growing database down; here each index is one
 * day's, and a day expires by unlinking its file. Stories are written beside the queue, some moments
 * after it has answered, without waiting for the disk: a crash may cost the last of them, a power cut
 * the last seconds, never mail. A tracking is written by one thread; finding opens the files by itself, from any thread or
 * process, while they are written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "queue/message.h"

struct tracking;

/* Numbers are stored; never renumber. */
enum tracking_kind {
    TRACKING_ACCEPTED, /* one for each recipient */
    TRACKING_DONE,
    TRACKING_DEFERRED,
    TRACKING_BOUNCED,
    TRACKING_HELD,
    TRACKING_RELEASED,
    TRACKING_RETRIED,
    TRACKING_DELETED,
    TRACKING_NOTED, /* belongs to no message: a session that failed */
};
enum { TRACKING_KINDS = 9 };

/* "accepted", "done", "deferred", ... */
const char *tracking_kind_name(enum tracking_kind kind);

struct tracking_event {
    enum tracking_kind kind;
    int64_t id; /* 0: of no message */
    struct span recipient;
    struct queue_attempt attempt; /* only `at_s` of an event that is no attempt */
    /* Filled in where tracking answers, as far as it has them: */
    const struct queue_session *session;   /* what the attempt went through; NULL */
    const struct queue_session *diagnosis; /* the last that explains that session; NULL */
};

/* `folder` is made if missing; days older than `days` are unlinked as time goes on. */
MUST_CHECK bool tracking_open(const char *folder, int64_t days, struct tracking **tracking,
                              struct error *err);
void tracking_close(struct tracking **tracking);

/* Starts a transaction in the database of the day of `now_s`. Each false: nothing of the
 * transaction is kept, and the next begin tries afresh. */
MUST_CHECK bool tracking_begin(struct tracking *tracking, int64_t now_s, struct error *err);
MUST_CHECK bool tracking_add_message(struct tracking *tracking,
                                     const struct queue_envelope *envelope, struct error *err);
MUST_CHECK bool tracking_add_event(struct tracking *tracking, const struct tracking_event *event,
                                   struct error *err);
/* A session that is no message's: from where, and what it showed. */
MUST_CHECK bool tracking_add_note(struct tracking *tracking, const struct queue_origin *origin,
                                  const struct queue_attempt *attempt, struct error *err);
/* What the attempts that name it went through. */
MUST_CHECK bool tracking_add_session(struct tracking *tracking, const struct queue_session *session,
                                     struct error *err);
MUST_CHECK bool tracking_commit(struct tracking *tracking, struct error *err);
void tracking_rollback(struct tracking *tracking);

/* The newest session that any day has; 0: none is told. For ids that are behind all that were given before. */
MUST_CHECK bool tracking_newest_session(const char *folder, int64_t *id, struct error *err);

/* What is asked for; empty fields mean all. */
struct tracking_query {
    int64_t id;
    struct span sender, recipient; /* whole addresses, letters of either case */
    struct span message_id;        /* as in the header */
    struct span
        destination; /* a domain of a recipient, ".domain": all below it; or where a session went */
    struct span finding; /* a slug: of an attempt, or of what its session showed */
    bool notes;          /* sessions that failed, and nothing else; only the time narrows it */
    bool in_the_clear;   /* each recipient whose message left in the clear, a story with that one
                                      event; the time is when it left */
    int64_t since_s, until_s; /* when it was accepted or noted; until_s 0: now */
    size_t most;              /* messages or notes; at least 1 */
};

struct tracking_story {
    struct queue_envelope envelope; /* id 0: a note, with its origin alone; where the day of its
                                       acceptance has expired, the id alone */
    struct tracking_event *events;  /* in order of time */
    size_t event_count;
};

/* The stories in order of time, in the arena. A folder without any database has none. */
MUST_CHECK bool tracking_find(const char *folder, const struct tracking_query *query,
                              struct arena *arena, struct tracking_story **stories, size_t *count,
                              struct error *err);
