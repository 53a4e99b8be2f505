/* queue/store_stories.c - what the store tells tracking: beside the queue, and never in its way. */
#include "queue/store_internal.h"

static void lose_stories(struct queue_store *store)
{
    tracking_rollback(store->tracking);
    store->stories = STORIES_LOST;
    store->stats.tracking_lost++;
}

/* False: no story can be written in this batch. */
static bool begin_stories(struct queue_store *store)
{
    if (store->tracking == NULL || store->stories == STORIES_LOST)
        return false;
    if (store->stories == STORIES_OPEN)
        return true;
    if (tracking_begin(store->tracking, queue_store_now_s(store), NULL))
        store->stories = STORIES_OPEN;
    else
        lose_stories(store);
    return store->stories == STORIES_OPEN;
}

void queue_store_tell(struct queue_store *store, const struct tracking_event *event)
{
    if (begin_stories(store) && !tracking_add_event(store->tracking, event, NULL))
        lose_stories(store);
}

void queue_store_tell_of_put(struct queue_store *store, const struct queue_put *put)
{
    struct queue_envelope envelope = *put->envelope;

    envelope.size_bytes = put->size_bytes + (int64_t)put->bytes.len;
    if (begin_stories(store) && !tracking_add_message(store->tracking, &envelope, NULL))
        lose_stories(store);
    for (size_t i = 0; store->stories == STORIES_OPEN && i < put->recipient_count; i++)
        queue_store_tell(store, &(struct tracking_event){ .kind = TRACKING_ACCEPTED,
                                                          .id = put->id,
                                                          .recipient = put->recipients[i].address,
                                                          .attempt.at_s = envelope.received_at_s });
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
    if (begin_stories(store) &&
        !tracking_add_note(store->tracking, &note->origin, &note->attempt, NULL))
        lose_stories(store);
}

void queue_store_keep_stories(struct queue_store *store)
{
    if (store->stories == STORIES_OPEN && !tracking_commit(store->tracking, NULL))
        lose_stories(store);
}

void queue_store_drop_stories(struct queue_store *store)
{
    if (store->stories == STORIES_OPEN)
        tracking_rollback(store->tracking);
}
