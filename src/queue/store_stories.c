/* queue/store_stories.c - what the store tells tracking: beside the queue, and never in its way.
 *
 * A story is copied when it is told, kept when its batch is committed, and written with others some
 * moments after the batch was answered: nobody waits for tracking, and one transaction of it serves
 * many of the queue's.
 */
#include "queue/store_internal.h"

enum {
    WRITTEN_AFTER_MS = 50, /* more would be written at once, and commits wait meanwhile */
    ARENA_BYTES = 64 * 1024 * 1024,
    HELD_BYTES_MOST = 1024 * 1024, /* told and not written; more is written at once */
};

struct story {
    struct story *next;
    enum { STORY_OF_MESSAGE, STORY_OF_EVENT, STORY_OF_NOTE, STORY_OF_SESSION } kind;
    union {
        struct queue_envelope envelope;
        struct tracking_event event;
        struct {
            struct queue_origin origin;
            struct queue_attempt attempt;
        } note;
        struct queue_session session;
    };
};

void queue_store_start_stories(struct queue_store *store)
{
    arena_init(&store->stories.arena, ARENA_BYTES);
    store->stories.last = store->stories.batch = &store->stories.first;
}

/* ---- telling ---------------------------------------------------------------------------------- */

/* Zeroed, at the end of this batch; NULL: it cannot be told, or nobody wants it. */
static struct story *add_story(struct queue_store *store)
{
    struct stories *stories = &store->stories;
    struct story *story;

    if (store->tracking == NULL)
        return NULL;
    story = arena_new(&stories->arena, 1, sizeof *story);
    if (story == NULL)
        return NULL;
    *stories->last = story;
    stories->last = &story->next;
    return story;
}

static void copy(struct queue_store *store, struct span *text)
{
    *text = arena_copy_bytes(&store->stories.arena, *text);
}

static void copy_origin(struct queue_store *store, struct queue_origin *origin)
{
    copy(store, &origin->client_address);
    copy(store, &origin->helo);
    copy(store, &origin->user);
    copy(store, &origin->tls_version);
    copy(store, &origin->tls_cipher);
}

static void copy_attempt(struct queue_store *store, struct queue_attempt *attempt)
{
    copy(store, &attempt->relay);
    copy(store, &attempt->tls);
    copy(store, &attempt->code);
    copy(store, &attempt->reply);
    copy(store, &attempt->finding);
}

void queue_store_tell(struct queue_store *store, const struct tracking_event *event)
{
    struct story *story = add_story(store);

    if (story == NULL)
        return;
    story->kind = STORY_OF_EVENT;
    story->event = *event;
    copy(store, &story->event.recipient);
    copy_attempt(store, &story->event.attempt);
}

static void tell_of_message(struct queue_store *store, const struct queue_put *put)
{
    struct story *story = add_story(store);

    if (story == NULL)
        return;
    story->kind = STORY_OF_MESSAGE;
    story->envelope = *put->envelope;
    story->envelope.size_bytes = put->size_bytes + (int64_t)put->bytes.len;
    copy(store, &story->envelope.sender);
    copy(store, &story->envelope.envid);
    copy(store, &story->envelope.message_id);
    copy_origin(store, &story->envelope.origin);
}

void queue_store_tell_of_put(struct queue_store *store, const struct queue_put *put)
{
    tell_of_message(store, put);
    for (size_t i = 0; i < put->recipient_count; i++)
        queue_store_tell(store,
                         &(struct tracking_event){ .kind = TRACKING_ACCEPTED,
                                                   .id = put->id,
                                                   .recipient = put->recipients[i].address,
                                                   .attempt.at_s = put->envelope->received_at_s });
}

void queue_store_tell_of_settlement(struct queue_store *store,
                                    const struct queue_settlement *settlement)
{
    enum tracking_kind kind = TRACKING_DEFERRED;

    if (settlement->result == QUEUE_WAITING)
        return;
    if (settlement->result == QUEUE_DONE)
        kind = TRACKING_DONE;
    else if (settlement->result == QUEUE_BOUNCED)
        kind = TRACKING_BOUNCED;
    queue_store_tell(store, &(struct tracking_event){ .kind = kind,
                                                      .id = settlement->id,
                                                      .recipient = settlement->recipient->address,
                                                      .attempt = settlement->attempt });
}

void queue_store_tell_of_note(struct queue_store *store, const struct queue_note *note)
{
    struct story *story = add_story(store);

    if (story == NULL)
        return;
    story->kind = STORY_OF_NOTE;
    story->note.origin = note->origin;
    story->note.attempt = note->attempt;
    copy_origin(store, &story->note.origin);
    copy_attempt(store, &story->note.attempt);
}

static void copy_session(struct queue_store *store, struct queue_session *session)
{
    if (queue_session_bytes(session) > QUEUE_SESSION_BYTES)
        session->observation = (struct span){ NULL, 0 };
    copy(store, &session->destination);
    copy(store, &session->relay);
    copy(store, &session->level);
    copy(store, &session->rule);
    copy(store, &session->tls);
    copy(store, &session->decision);
    copy(store, &session->why_clear);
    copy(store, &session->findings);
    copy(store, &session->would);
    copy(store, &session->changes);
    copy(store, &session->told);
    copy(store, &session->observation);
}

/* In front of those of the batch under way, kept from the beginning. */
static struct story *add_kept_story(struct queue_store *store)
{
    struct stories *stories = &store->stories;
    struct story *story;

    if (store->tracking == NULL)
        return NULL;
    queue_store_write_many_stories(store);
    story = arena_new(&stories->arena, 1, sizeof *story);
    if (story == NULL)
        return NULL;
    if (stories->batch == &stories->first) /* the first that is kept */
        loop_timer_start(stories->timer, WRITTEN_AFTER_MS);
    story->next = *stories->batch;
    *stories->batch = story;
    if (stories->last == stories->batch)
        stories->last = &story->next;
    stories->batch = &story->next;
    return story;
}

void queue_store_tell_of_session(struct queue_store *store, const struct queue_session *session)
{
    struct story *story = add_kept_story(store);

    if (story == NULL)
        return;
    story->kind = STORY_OF_SESSION;
    story->session = *session;
    copy_session(store, &story->session);
}

/* ---- keeping and writing ---------------------------------------------------------------------- */

void queue_store_keep_stories(struct queue_store *store)
{
    struct stories *stories = &store->stories;

    if (stories->batch == stories->last)
        return;
    if (stories->batch == &stories->first)
        loop_timer_start(stories->timer, WRITTEN_AFTER_MS);
    stories->batch = stories->last;
}

void queue_store_drop_stories(struct queue_store *store)
{
    *store->stories.batch = NULL;
    store->stories.last = store->stories.batch;
}

static bool write_story(struct tracking *tracking, const struct story *story)
{
    switch (story->kind) {
    case STORY_OF_MESSAGE: return tracking_add_message(tracking, &story->envelope, NULL);
    case STORY_OF_EVENT: return tracking_add_event(tracking, &story->event, NULL);
    case STORY_OF_SESSION: return tracking_add_session(tracking, &story->session, NULL);
    case STORY_OF_NOTE: break;
    }
    return tracking_add_note(tracking, &story->note.origin, &story->note.attempt, NULL);
}

static bool write_all(struct queue_store *store)
{
    if (!tracking_begin(store->tracking, queue_store_now_s(store), NULL))
        return false;
    for (const struct story *story = store->stories.first; story != NULL; story = story->next)
        if (!write_story(store->tracking, story))
            return false;
    return tracking_commit(store->tracking, NULL);
}

void queue_store_write_stories(struct queue_store *store)
{
    struct stories *stories = &store->stories;

    if (stories->batch != stories->last) /* a batch is under way: after it */
        return;
    loop_timer_stop(stories->timer);
    if (stories->first != NULL && (stories->arena.exhausted || !write_all(store))) {
        tracking_rollback(store->tracking);
        store->stats.tracking_lost++;
    }
    arena_clear(&stories->arena);
    stories->first = NULL;
    stories->last = stories->batch = &stories->first;
}

void queue_store_write_many_stories(struct queue_store *store)
{
    if (store->stories.arena.used > HELD_BYTES_MOST)
        queue_store_write_stories(store);
}
