/* queue/store_requests.c - doors, and what is asked through them: first on the asker's thread, then on the store's. */
#include "queue/store.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "queue/store_internal.h"

/* In `answered` the request may be freed or asked again, and behind the last one the door closed. */
static void hand_out_answers(void *owner)
{
    struct queue_door *door = owner;
    struct mailbox_message *message;

    door->is_handing_out = true;
    while (door->answers != NULL && (message = mailbox_take(door->answers)) != NULL) {
        struct queue_request *request = (struct queue_request *)(void *)message;

        door->asked--;
        request->answered(request->owner);
    }
    door->is_handing_out = false;
    if (door->answers == NULL)
        memory_free(door);
}

bool queue_door_open(struct queue_store *store, struct loop *loop, struct queue_door **door,
                     struct error *err)
{
    struct queue_door *made;
    unsigned lane = store->lanes++;

    *door = NULL;
    if (lane >= QUEUE_ID_LANES)
        return error_set(err, ERROR_USAGE, "too many doors to the queue were opened");
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a door to the queue");
    if (!mailbox_open(loop, 0, hand_out_answers, made, &made->answers, err)) {
        memory_free(made);
        return false;
    }
    made->store = store;
    queue_id_init(&made->ids, lane, store->newest_id);
    store->doors++;
    *door = made;
    return true;
}

void queue_door_close(struct queue_door **door)
{
    struct queue_door *closing = *door;

    *door = NULL;
    if (closing == NULL)
        return;
    assert(closing->asked == 0);
    mailbox_close(&closing->answers);
    closing->store->doors--;
    if (!closing->is_handing_out)
        memory_free(closing);
}

int64_t queue_door_id(struct queue_door *door)
{
    queue_id_pass(&door->ids, door->store->newest_id);
    return queue_id_next(&door->ids, queue_store_now_s(door->store));
}

static void ask(struct queue_door *door, struct queue_request *request,
                const struct queue_work *what, void (*answered)(void *owner), void *owner)
{
    struct queue_store *store = door->store;

    request->status = QUEUE_BUSY;
    request->answered = answered;
    request->owner = owner;
    request->door = door;
    request->work = what;
    request->asked_at_ms = queue_store_now_ms(store);
    door->asked++;
    if (request->may_be_refused && store->waiting >= store->settings.waiting_most) {
        store->refused++;
        queue_store_answer(request);
        return;
    }
    store->waiting++;
    queue_store_post(store->requests, request);
}

/* It is named in the message already, so there is no other for it. */
static enum queue_status find_taken_id(const struct queue_store *store, const struct queue_put *put,
                                       struct error *err)
{
    if (put->id > store->last_taken_id)
        return QUEUE_OK;
    error_set(err, ERROR_FULL,
              "a message was begun while the disk was full, under an id that may be another's");
    return QUEUE_FULL;
}

/* What went wrong earlier fails this message, and nothing else of the batch. */
static bool has_failed(struct queue_store *store, struct queue_put *put)
{
    enum queue_status status = find_taken_id(store, put, &store->err);

    if (status == QUEUE_OK && put->parts > 0)
        status = store->backend->find_loss(store->queue, put, &store->err);
    if (status == QUEUE_OK)
        return false;
    put->request.status = status;
    queue_store_note_failure(store, status);
    return true;
}

static void perform_append(struct queue_store *store, struct queue_request *request)
{
    struct queue_put *put = (struct queue_put *)(void *)request;

    if (has_failed(store, put)) {
        queue_store_answer(request);
        return;
    }
    queue_store_take_status(
        store, request,
        store->backend->append(store->queue, put->id, put->parts, put->bytes, &store->err));
    if (request->status != QUEUE_OK) {
        queue_store_wait_for_commit(store, request);
        return;
    }
    put->parts++;
    put->size_bytes += (int64_t)put->bytes.len;
    store->batch_bytes += (int64_t)put->bytes.len;
    queue_store_answer(request);
}

void queue_put_append(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                      void *owner)
{
    static const struct queue_work work_of_append = { .perform = perform_append };

    assert(put->id > 0 && put->bytes.len > 0 && put->bytes.len <= QUEUE_PART_BYTES);
    put->request.may_be_refused = put->request.takes_room = true;
    ask(door, &put->request, &work_of_append, answered, owner);
}

static void abandon_put(struct queue_store *store, struct queue_request *request)
{
    const struct queue_put *put = (const struct queue_put *)(const void *)request;

    if (put->parts > 0)
        queue_store_abandon(store, put->id);
}

static void perform_commit(struct queue_store *store, struct queue_request *request)
{
    struct queue_put *put = (struct queue_put *)(void *)request;

    if (has_failed(store, put)) {
        abandon_put(store, request);
        queue_store_answer(request);
        return;
    }
    queue_store_take_status(store, request, store->backend->put(store->queue, put, &store->err));
    queue_store_wait_for_commit(store, request);
    if (request->status != QUEUE_OK)
        return;
    store->batch_bytes += (int64_t)put->bytes.len;
    store->puts++;
    queue_store_tell_of_put(store, put);
}

void queue_put_commit(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                      void *owner)
{
    static const struct queue_work work_of_commit = { .perform = perform_commit,
                                                      .undo = abandon_put };

    assert(put->id > 0 && put->envelope->id == put->id && put->bytes.len <= QUEUE_PART_BYTES);
    assert(queue_envelope_flaw(put->envelope, put->recipients, put->recipient_count) == NULL);
    /* A refusal would leave the parts behind. */
    put->request.may_be_refused = put->parts == 0;
    put->request.takes_room = true;
    ask(door, &put->request, &work_of_commit, answered, owner);
}

static void perform_abort(struct queue_store *store, struct queue_request *request)
{
    const struct queue_put *put = (const struct queue_put *)(const void *)request;

    queue_store_take_status(store, request,
                            store->backend->drop(store->queue, put->id, &store->err));
    queue_store_wait_for_commit(store, request);
}

void queue_put_abort(struct queue_door *door, struct queue_put *put, void (*answered)(void *owner),
                     void *owner)
{
    static const struct queue_work work_of_abort = { .perform = perform_abort,
                                                     .undo = abandon_put };

    put->request.may_be_refused = put->request.takes_room = false;
    ask(door, &put->request, &work_of_abort, answered, owner);
}

static void perform_lease(struct queue_store *store, struct queue_request *request)
{
    struct queue_lease *lease = (struct queue_lease *)(void *)request;

    queue_store_take_status(store, request,
                            store->backend->lease(store->queue, lease, &store->err));
    queue_store_wait_for_commit(store, request);
}

void queue_lease(struct queue_door *door, struct queue_lease *lease, void (*answered)(void *owner),
                 void *owner)
{
    static const struct queue_work work_of_lease = { .perform = perform_lease };

    assert(lease->most > 0 && lease->until_s > lease->now_s);
    ask(door, &lease->request, &work_of_lease, answered, owner);
}

static void perform_settle(struct queue_store *store, struct queue_request *request)
{
    struct queue_settle *settle = (struct queue_settle *)(void *)request;
    enum queue_status status = QUEUE_OK;

    settle->settled = 0;
    for (size_t i = 0; status == QUEUE_OK && i < settle->count; i++) {
        const struct queue_settlement *settlement = &settle->settlements[i];
        bool was_settled = false;

        status = store->backend->settle(store->queue, settle->lease, settlement, &was_settled,
                                        &store->err);
        if (status != QUEUE_OK || !was_settled)
            continue;
        settle->settled++;
        store->settled++;
        queue_store_tell_of_settlement(store, settlement);
    }
    queue_store_take_status(store, request, status);
    queue_store_wait_for_commit(store, request);
}

void queue_settle(struct queue_door *door, struct queue_settle *settle,
                  void (*answered)(void *owner), void *owner)
{
    static const struct queue_work work_of_settle = { .perform = perform_settle };

    for (size_t i = 0; i < settle->count; i++)
        assert(settle->settlements[i].result != QUEUE_LEASED &&
               settle->settlements[i].result != QUEUE_HELD);
    ask(door, &settle->request, &work_of_settle, answered, owner);
}

static void perform_read(struct queue_store *store, struct queue_request *request)
{
    struct queue_read *read = (struct queue_read *)(void *)request;

    /* It is true whatever becomes of the batch, and one body that cannot be read spoils no batch. */
    request->status = store->backend->read(store->queue, read, &store->err);
    if (request->status != QUEUE_OK && request->status != QUEUE_ABSENT)
        queue_store_note_failure(store, read->request.status);
    queue_store_answer(request);
}

void queue_read(struct queue_door *door, struct queue_read *read, void (*answered)(void *owner),
                void *owner)
{
    static const struct queue_work work_of_read = { .perform = perform_read };

    ask(door, &read->request, &work_of_read, answered, owner);
}

struct changing {
    struct queue_store *store;
    enum tracking_kind kind;
};

static void tell_of_change(void *owner, int64_t id, struct span address)
{
    const struct changing *changing = owner;

    queue_store_tell(changing->store, &(struct tracking_event){
                                          .kind = changing->kind,
                                          .id = id,
                                          .recipient = address,
                                          .attempt.at_s = queue_store_now_s(changing->store) });
}

static void perform_change(struct queue_store *store, struct queue_request *request)
{
    static const enum tracking_kind kinds[] = { [QUEUE_HOLD] = TRACKING_HELD,
                                                [QUEUE_RELEASE] = TRACKING_RELEASED,
                                                [QUEUE_RETRY] = TRACKING_RETRIED,
                                                [QUEUE_DELETE] = TRACKING_DELETED };
    struct queue_change *change = (struct queue_change *)(void *)request;
    struct changing changing = { store, kinds[change->kind] };

    queue_store_take_status(
        store, request,
        store->backend->change(store->queue, change, tell_of_change, &changing, &store->err));
    queue_store_wait_for_commit(store, request);
}

void queue_change(struct queue_door *door, struct queue_change *change,
                  void (*answered)(void *owner), void *owner)
{
    static const struct queue_work work_of_change = { .perform = perform_change };

    ask(door, &change->request, &work_of_change, answered, owner);
}

static void perform_list(struct queue_store *store, struct queue_request *request)
{
    struct queue_list *list = (struct queue_list *)(void *)request;

    queue_store_take_status(store, request, store->backend->list(store->queue, list, &store->err));
    queue_store_wait_for_commit(store, request);
}

void queue_list(struct queue_door *door, struct queue_list *list, void (*answered)(void *owner),
                void *owner)
{
    static const struct queue_work work_of_list = { .perform = perform_list };

    assert(list->most > 0 && list->most <= QUEUE_LISTED_AT_ONCE);
    ask(door, &list->request, &work_of_list, answered, owner);
}

static void perform_stats(struct queue_store *store, struct queue_request *request)
{
    struct queue_stats *stats = (struct queue_stats *)(void *)request;
    struct queue_request kept = *request;
    struct queue_counts counts;

    queue_store_write_stories(store); /* so that their losses are counted too */
    store->backend->count(store->queue, &counts);
    *stats = store->stats;
    stats->request = kept;
    stats->request.status = QUEUE_OK;
    memcpy(stats->recipients, counts.recipients, sizeof stats->recipients);
    stats->messages = counts.messages;
    stats->body_bytes = counts.body_bytes;
    stats->busy = store->refused;
    if (store->story_writer != NULL)
        stats->tracking_lost = story_writer_lost(store->story_writer);
    queue_store_answer(request);
}

void queue_stats(struct queue_door *door, struct queue_stats *stats, void (*answered)(void *owner),
                 void *owner)
{
    static const struct queue_work work_of_stats = { .perform = perform_stats };

    ask(door, &stats->request, &work_of_stats, answered, owner);
}

static void perform_note(struct queue_store *store, struct queue_request *request)
{
    const struct queue_note *note = (const struct queue_note *)(const void *)request;

    request->status = QUEUE_OK;
    queue_store_tell_of_note(store, note);
    queue_store_wait_for_commit(store, request);
}

void queue_note(struct queue_door *door, struct queue_note *note, void (*answered)(void *owner),
                void *owner)
{
    static const struct queue_work work_of_note = { .perform = perform_note };

    ask(door, &note->request, &work_of_note, answered, owner);
}

static void perform_tell(struct queue_store *store, struct queue_request *request)
{
    const struct queue_tell *tell = (const struct queue_tell *)(const void *)request;

    request->status = QUEUE_OK;
    queue_store_tell_of_session(store, &tell->session);
    queue_store_answer(request);
}

void queue_tell(struct queue_door *door, struct queue_tell *tell, void (*answered)(void *owner),
                void *owner)
{
    static const struct queue_work work_of_tell = { .perform = perform_tell, .is_beside = true };

    assert(tell->session.id > 0);
    ask(door, &tell->request, &work_of_tell, answered, owner);
}
