#include "queue/store.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "queue/store_internal.h"
#include "queue/thread.h"

enum {
    LINGER_MS = 20,                  /* how long parts alone may keep a transaction open */
    SHARED_BYTES = 256 * 1024,       /* a batch that has so many waits for no others */
    TURN_NS = 300 * 1000,            /* of the processor; shorter ones make smaller batches */
    RESERVE_BYTES = 4 * 1024 * 1024, /* or an eighth of a small disk */
    UNSEEN_BYTES = 256 * 1024,       /* taken of one batch until the disk is looked at again */
    TIDY_MS = 250, /* from work to looking for room to give back, and to looking again */
};

const char *queue_status_name(enum queue_status status)
{
    static const char *const names[] = { [QUEUE_OK] = "ok",
                                         [QUEUE_FULL] = "full",
                                         [QUEUE_BUSY] = "busy",
                                         [QUEUE_FAILED] = "failed",
                                         [QUEUE_ABSENT] = "absent" };

    return names[status];
}

struct queue_store_settings queue_store_defaults(const char *folder)
{
    return (struct queue_store_settings){ .folder = folder,
                                          .waiting_most = 4096,
                                          .patience_ms = 30000,
                                          .tracking_days = 30,
                                          .lock_patience_ms = 100,
                                          .clock = clock_system(),
                                          .backend = &queue_sqlite };
}

int64_t queue_store_now_ms(const struct queue_store *store)
{
    return store->settings.clock.monotonic_ms(&store->settings.clock);
}

int64_t queue_store_now_s(const struct queue_store *store)
{
    return store->settings.clock.wall_s(&store->settings.clock);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* Both kinds of mailboxes have no limit of their own: as many answers come as were asked for, and
 * `waiting` bounds what is asked. */
void queue_store_post(struct mailbox *mailbox, struct queue_request *request)
{
    bool was_posted = mailbox_post(mailbox, &request->message);

    assert(was_posted);
    (void)was_posted;
}

void queue_store_answer(struct queue_request *request)
{
    queue_store_post(request->door->answers, request);
}

/* Its parts are to go as soon as that can be written; where there is no memory for that, when the queue is
 * opened next. */
void queue_store_abandon(struct queue_store *store, int64_t id)
{
    if (store->abandoned_count == store->abandoned_room) {
        size_t room = store->abandoned_room == 0 ? 16 : store->abandoned_room * 2;
        int64_t *grown = memory_grow(store->abandoned, room * sizeof *grown);

        if (grown == NULL)
            return;
        store->abandoned = grown;
        store->abandoned_room = room;
    }
    store->abandoned[store->abandoned_count++] = id;
}

static void answer_failure(struct queue_store *store, struct queue_request *request,
                           enum queue_status status)
{
    request->status = status;
    if (request->work->undo != NULL)
        request->work->undo(store, request);
    queue_store_answer(request);
}

/* Behind the others of its door, which then is one of *doors. */
static void gather_answer(struct queue_request *request, struct queue_door **doors)
{
    struct queue_door *door = request->door;

    if (door->first_answer == NULL) {
        door->first_answer = &request->message;
        door->next_answered = *doors;
        *doors = door;
    } else {
        door->last_answer->next = &request->message;
    }
    door->last_answer = &request->message;
}

/* A door may be closed as soon as it has its answers. */
static void hand_over_answers(struct queue_door *doors)
{
    while (doors != NULL) {
        struct queue_door *door = doors;
        struct mailbox_message *first = door->first_answer;

        doors = door->next_answered;
        door->first_answer = NULL;
        mailbox_post_all(door->answers, first, door->last_answer);
    }
}

/* One wake a door: its loop answers all of them in one turn. */
static void answer_waiters(struct queue_store *store, enum queue_status status)
{
    struct mailbox_message *next = store->waiters;
    struct queue_door *doors = NULL;

    store->waiters = NULL;
    store->last_waiter = &store->waiters;
    while (next != NULL) {
        struct queue_request *request = (struct queue_request *)(void *)next;

        next = next->next;
        if (status == QUEUE_OK)
            gather_answer(request, &doors);
        else
            answer_failure(store, request, status);
    }
    hand_over_answers(doors);
}

/* Behind the others, for after the commit. */
void queue_store_wait_for_commit(struct queue_store *store, struct queue_request *request)
{
    request->message.next = NULL;
    *store->last_waiter = &request->message;
    store->last_waiter = &request->message.next;
}

/* ---- transactions --------------------------------------------------------------------------- */

static void start_ids_behind(struct queue_store *store, int64_t newest)
{
    if (newest > store->newest_id)
        store->newest_id = newest;
}

/* Ids are asked for before the newest is known. One of a gateway that ended in this very second must not be
 * given again. */
static void start_ids_ahead(struct queue_store *store)
{
    struct queue_id_maker maker;

    queue_id_init(&maker, 0, 0);
    start_ids_behind(store, queue_id_next(&maker, queue_store_now_s(store) + 1));
}

static bool begin(struct queue_store *store)
{
    if (store->is_in_transaction)
        return true;
    store->batch_status = store->backend->begin(store->queue, &store->err);
    store->is_in_transaction = store->batch_status == QUEUE_OK;
    if (store->is_in_transaction && !store->has_begun) {
        store->last_taken_id = store->backend->newest_id(store->queue);
        start_ids_behind(store, store->last_taken_id);
    }
    store->has_begun |= store->is_in_transaction;
    store->began_at_ms = queue_store_now_ms(store);
    store->puts = store->settled = 0;
    return store->is_in_transaction;
}

void queue_store_note_failure(struct queue_store *store, enum queue_status status)
{
    struct span text = text_front(span_of(store->err.text), sizeof store->stats.last_failure - 1);

    store->stats.failures++;
    snprintf(store->stats.last_failure, sizeof store->stats.last_failure, "%.*s", (int)text.len,
             text.data);
    if (store->settings.failed != NULL)
        store->settings.failed(store->settings.owner, status, store->stats.last_failure);
}

static void keep_batch(struct queue_store *store)
{
    store->stats.commits++;
    store->stats.puts += store->puts;
    store->stats.settled += store->settled;
    queue_store_keep_stories(store);
    if (store->puts > 0 && store->settings.kept != NULL)
        store->settings.kept(store->settings.owner);
}

static void tidy_later(struct queue_store *store)
{
    if (!store->will_tidy)
        loop_timer_start(store->tidy, TIDY_MS);
    store->will_tidy = true;
}

static void undo_batch(struct queue_store *store, enum queue_status why)
{
    store->backend->rollback(store->queue, why);
    queue_store_drop_stories(store);
    queue_store_note_failure(store, why);
}

/* Commits, or rolls back where something failed, and tells those who wait. */
static void finish(struct queue_store *store)
{
    enum queue_status status = store->batch_status;

    loop_timer_stop(store->linger);
    if (store->is_in_transaction) {
        if (status == QUEUE_OK)
            status = store->backend->commit(store->queue, &store->err);
        if (status == QUEUE_OK)
            keep_batch(store);
        else
            undo_batch(store, status);
        tidy_later(store);
    }
    store->is_in_transaction = false;
    store->batch_bytes = store->look_at_bytes = 0;
    store->batch_status = QUEUE_OK;
    answer_waiters(store, status);
    queue_store_give_many_stories(store);
}

static bool is_batch_large(const struct queue_store *store)
{
    return store->is_in_transaction &&
           (store->batch_bytes >= QUEUE_COMMIT_BYTES ||
            queue_store_now_ms(store) - store->began_at_ms >= QUEUE_COMMIT_MS);
}

/* Takes down how a piece of work ended. */
void queue_store_take_status(struct queue_store *store, struct queue_request *request,
                             enum queue_status status)
{
    request->status = status;
    if (status != QUEUE_OK && status != QUEUE_ABSENT)
        store->batch_status = status;
}

static void fail_without_transaction(struct queue_store *store, struct queue_request *request)
{
    queue_store_note_failure(store, store->batch_status);
    answer_failure(store, request, store->batch_status);
    store->batch_status = QUEUE_OK;
}

static bool has_waited_too_long(const struct queue_store *store,
                                const struct queue_request *request)
{
    return request->may_be_refused &&
           queue_store_now_ms(store) - request->asked_at_ms > store->settings.patience_ms;
}

/* A disk to the last block of which mail was taken has no room to write down that it was delivered, and nothing
 * ever makes room again. */
static bool is_reserve_reached(struct queue_store *store)
{
    struct statvfs facts;
    uint64_t reserve;

    if (store->batch_bytes < store->look_at_bytes)
        return false;
    if (statvfs(store->settings.folder, &facts) == 0) {
        reserve = facts.f_blocks * facts.f_frsize / 8;
        if (facts.f_bavail * facts.f_frsize < (reserve < RESERVE_BYTES ? reserve : RESERVE_BYTES))
            return true;
    }
    store->look_at_bytes = store->batch_bytes + UNSEEN_BYTES;
    return false;
}

static void refuse_for_room(struct queue_store *store, struct queue_request *request)
{
    error_set(&store->err, ERROR_SYSTEM,
              "the disk of %s is full but for what mail on its way needs", store->settings.folder);
    queue_store_note_failure(store, QUEUE_FULL);
    answer_failure(store, request, QUEUE_FULL);
    tidy_later(store); /* its parts */
}

static void work_on(struct queue_store *store, struct queue_request *request)
{
    if (has_waited_too_long(store, request)) {
        store->refused++;
        request->status = QUEUE_BUSY;
        queue_store_answer(request);
    } else if (request->takes_room && is_reserve_reached(store)) {
        refuse_for_room(store, request);
    } else if (!request->work->is_beside && !begin(store)) {
        fail_without_transaction(store, request);
    } else {
        request->work->perform(store, request);
    }
    if (store->batch_status != QUEUE_OK || is_batch_large(store))
        finish(store);
}

static void take_requests(struct queue_store *store)
{
    struct mailbox_message *message;

    while ((message = mailbox_take(store->requests)) != NULL) {
        struct queue_request *request = (struct queue_request *)(void *)message;

        store->waiting--;
        if (request == &store->stop)
            store->is_stopping = true;
        else
            work_on(store, request);
    }
}

static void work(void *owner)
{
    struct queue_store *store = owner;

    take_requests(store);
    if (store->waiters != NULL && store->batch_bytes < SHARED_BYTES) {
        /* Where more threads want to run than there are processors, whoever is about to ask does so
         * first, and shares this commit. Elsewhere it costs nothing. */
        sched_yield();
        take_requests(store);
    }
    if (store->waiters != NULL || store->is_stopping)
        finish(store);
    else if (store->is_in_transaction)
        loop_timer_start(store->linger, LINGER_MS);
    if (store->is_stopping) {
        queue_store_write_stories(store);
        loop_stop(store->loop);
    }
}

static void end_linger(void *owner)
{
    finish(owner);
}

static enum queue_status drop_all(struct queue_store *store)
{
    enum queue_status status = QUEUE_OK;

    for (size_t i = 0; i < store->abandoned_count && status == QUEUE_OK; i++)
        status = store->backend->drop(store->queue, store->abandoned[i], &store->err);
    return status == QUEUE_OK ? store->backend->commit(store->queue, &store->err) : status;
}

/* Bodies of messages that were given up while nothing could be written. */
static void drop_abandoned(struct queue_store *store)
{
    enum queue_status status;

    if (store->backend->begin(store->queue, &store->err) != QUEUE_OK)
        return;
    status = drop_all(store);
    if (status == QUEUE_OK)
        store->abandoned_count = 0;
    else
        store->backend->rollback(store->queue, status);
}

static void give_stories(void *owner)
{
    queue_store_give_stories(owner);
}

static void tidy(void *owner)
{
    struct queue_store *store = owner;
    bool has_more = true;

    store->will_tidy = false;
    if (!store->is_in_transaction) {
        if (store->abandoned_count > 0)
            drop_abandoned(store);
        has_more = store->backend->tidy(store->queue) || store->abandoned_count > 0;
    }
    if (has_more)
        tidy_later(store);
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* As sched_setattr(2) has it; the C library does not declare it. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* It works little and often, and all wait for it: where a thread may choose (Linux 6.12), it asks for short
 * turns, and has them soon. Elsewhere the kernel takes no notice. */
static void ask_for_short_turns(void)
{
    struct scheduling mine = { .size = sizeof mine };

    if (syscall(SYS_sched_getattr, 0, &mine, sizeof mine, 0) != 0 || mine.policy != SCHED_OTHER)
        return;
    mine.runtime_ns = TURN_NS;
    (void)!syscall(SYS_sched_setattr, 0, &mine, 0);
}

static void *run(void *argument)
{
    struct queue_store *store = argument;

    ask_for_short_turns();
    loop_run(store->loop);
    return NULL;
}

/* The queue itself knows of no session. Where tracking cannot be read, no mail has to wait for that. */
static void start_ids_behind_sessions(struct queue_store *store, const char *folder)
{
    int64_t newest;

    if (tracking_newest_session(folder, &newest, NULL))
        start_ids_behind(store, newest);
}

static bool open_tracking(struct queue_store *store, struct error *err)
{
    struct tracking *tracking;
    char path[4096];

    if (store->settings.tracking_days <= 0)
        return true;
    if ((size_t)snprintf(path, sizeof path, "%s/tracking", store->settings.folder) >= sizeof path)
        return error_set(err, ERROR_USAGE, "the folder's name is too long");
    start_ids_behind_sessions(store, path);
    return tracking_open(path, store->settings.tracking_days, &tracking, err) &&
           story_writer_open(tracking, &store->story_writer, err);
}

static bool open_parts(struct queue_store *store, struct error *err)
{
    int64_t newest;

    if (!store->backend->open(store->settings.folder, store->settings.lock_patience_ms,
                              &store->queue, err))
        return false;
    newest = store->backend->newest_id(store->queue);
    if (newest < 0)
        start_ids_ahead(store);
    start_ids_behind(store, newest);
    return open_tracking(store, err) && loop_open(&store->loop, err) &&
           mailbox_open(store->loop, 0, work, store, &store->requests, err) &&
           loop_timer_open(store->loop, end_linger, store, &store->linger, err) &&
           loop_timer_open(store->loop, tidy, store, &store->tidy, err) &&
           loop_timer_open(store->loop, give_stories, store, &store->stories.timer, err) &&
           queue_thread_start(&store->thread, run, store, "the queue", err);
}

static void close_parts(struct queue_store *store)
{
    mailbox_close(&store->requests);
    loop_timer_close(&store->linger);
    loop_timer_close(&store->tidy);
    loop_timer_close(&store->stories.timer);
    loop_close(&store->loop);
    story_writer_close(&store->story_writer);
    arena_clear(&store->stories.arena);
    if (store->queue != NULL)
        store->backend->close(&store->queue);
    memory_free(store->abandoned);
    memory_free(store);
}

bool queue_store_open(const struct queue_store_settings *settings, struct queue_store **store,
                      struct error *err)
{
    struct queue_store *made = memory_new(1, sizeof *made);

    *store = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the queue");
    made->settings = *settings;
    made->backend = settings->backend == NULL ? &queue_sqlite : settings->backend;
    made->last_waiter = &made->waiters;
    queue_store_start_stories(made);
    if (!open_parts(made, err)) {
        close_parts(made);
        return false;
    }
    *store = made;
    return true;
}

void queue_store_close(struct queue_store **store)
{
    struct queue_store *closing = *store;

    *store = NULL;
    if (closing == NULL)
        return;
    assert(closing->doors == 0); /* so that nothing waits, and there is room for one more */
    closing->waiting++;
    queue_store_post(closing->requests, &closing->stop);
    pthread_join(closing->thread, NULL);
    close_parts(closing);
}
