/* queue/store_stories.c - what the store tells tracking: beside the queue, and never in its way.
 *
 * A story is copied when it is told, kept when its batch is committed, and given to the thread that
 * writes it (queue/story_writer) with others some moments after the batch was answered: nobody waits
 * for tracking, and one transaction of it serves many of the queue's.
 */
#include "queue/store_internal.h"

enum {
    WRITTEN_AFTER_MS = 250, /* each time costs the pages that it changes */
    ARENA_BYTES = 64 * 1024 * 1024,
    HELD_BYTES_MOST = 1024 * 1024, /* told and not given to the writer; for more it is waited for */
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

    if (store->story_writer == NULL)
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

    if (store->story_writer == NULL)
        return NULL;
    queue_store_give_many_stories(store);
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

static bool is_batch_telling(const struct stories *stories)
{
    return stories->batch != stories->last;
}

void queue_store_keep_stories(struct queue_store *store)
{
    struct stories *stories = &store->stories;

    if (!is_batch_telling(stories))
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

/* False: others are being written still. */
static bool give_stories(struct queue_store *store)
{
    struct stories *stories = &store->stories;

    if (stories->first == NULL)
        return true;
    if (!story_writer_give(store->story_writer, stories->first, &stories->arena,
                           queue_store_now_s(store)))
        return false;
    loop_timer_stop(stories->timer);
    stories->first = NULL;
    stories->last = stories->batch = &stories->first;
    return true;
}

void queue_store_give_stories(struct queue_store *store)
{
    if (is_batch_telling(&store->stories) || !give_stories(store))
        loop_timer_start(store->stories.timer, WRITTEN_AFTER_MS);
}

void queue_store_give_many_stories(struct queue_store *store)
{
    if (store->stories.arena.used <= HELD_BYTES_MOST || is_batch_telling(&store->stories))
        return;
    while (!give_stories(store))
        story_writer_wait(store->story_writer);
}

void queue_store_write_stories(struct queue_store *store)
{
    if (store->story_writer == NULL || is_batch_telling(&store->stories))
        return;
    while (!give_stories(store))
        story_writer_wait(store->story_writer);
    story_writer_wait(store->story_writer);
}
