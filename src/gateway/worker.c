#include "gateway/worker.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/inbound.h"
#include "net/listener.h"

struct worker_listener {
    struct worker *worker;
    uint64_t number;
    size_t index; /* in the worker's profile */
    struct listener *listener;
    struct worker_listener *next;
};

struct worker {
    struct worker_settings settings;
    struct loop *loop;
    struct queue_door *door;
    struct mailbox *mailbox;
    struct inbound *inbound;
    struct gateway_profile *profile;
    struct worker_listener *listeners;
    bool is_draining, is_drained, is_stopping;

    pthread_t thread; /* the main thread's, from here on */
    bool is_started;
    struct worker_letter drained;          /* to the main thread */
    struct worker_letter drain, cut, stop; /* to the worker */
};

static void post(struct mailbox *mailbox, struct worker_letter *letter)
{
    bool was_posted = mailbox_post(mailbox, &letter->message); /* it has no limit */

    assert(was_posted);
    (void)was_posted;
}

/* ---- listeners ---------------------------------------------------------------------------- */

static void accept_client(void *owner, int socket, const struct net_address *peer)
{
    struct worker_listener *at = owner;

    inbound_accept(at->worker->inbound, at->worker->profile, at->index, socket, peer);
}

static void close_listener(struct worker_listener **at)
{
    struct worker_listener *closing = *at;

    *at = closing->next;
    listener_close(&closing->listener);
    memory_free(closing);
}

static struct worker_listener *find_listener(struct worker *worker, uint64_t number)
{
    struct worker_listener *at = worker->listeners;

    while (at != NULL && at->number != number)
        at = at->next;
    return at;
}

static bool open_listener(struct worker *worker, const struct worker_place *place, size_t index,
                          struct error *err)
{
    struct worker_listener *made = memory_new(1, sizeof *made);

    if (made == NULL) {
        close(place->socket);
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    }
    *made = (struct worker_listener){ .worker = worker, .number = place->number, .index = index };
    if (!listener_adopt(worker->loop, place->socket, accept_client, made, &made->listener, err)) {
        memory_free(made);
        return false;
    }
    made->next = worker->listeners;
    worker->listeners = made;
    return true;
}

static bool is_among(uint64_t number, const struct worker_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].number == number)
            return true;
    return false;
}

static void close_what_is_not_among(struct worker *worker, const struct worker_place *places,
                                    size_t count)
{
    struct worker_listener **at = &worker->listeners;

    while (*at != NULL)
        if (is_among((*at)->number, places, count))
            at = &(*at)->next;
        else
            close_listener(at);
}

/* Every socket is taken, whether it can be used or not; false: one could not, the others are. */
static bool listen_by(struct worker *worker, struct gateway_profile *profile,
                      const struct worker_place *places, struct error *err)
{
    bool is_whole = true;

    close_what_is_not_among(worker, places, profile->listener_count);
    gateway_profile_release(&worker->profile);
    worker->profile = profile;
    for (size_t i = 0; i < profile->listener_count; i++) {
        struct worker_listener *open = find_listener(worker, places[i].number);

        if (open != NULL)
            open->index = i;
        else if (!open_listener(worker, &places[i], i, err))
            is_whole = false;
    }
    return is_whole;
}

/* ---- letters ------------------------------------------------------------------------------ */

/* On the worker's thread, once nothing is left of any session; its loop ends with it. */
static void close_up(struct worker *worker)
{
    inbound_close(&worker->inbound);
    queue_door_close(&worker->door);
    mailbox_close(&worker->mailbox);
    gateway_profile_release(&worker->profile);
    if (worker->is_started)
        loop_stop(worker->loop);
}

static void note_drained(void *owner)
{
    struct worker *worker = owner;

    worker->is_drained = true;
    if (worker->is_stopping)
        close_up(worker);
    else
        post(worker->settings.main, &worker->drained);
}

static void drain(struct worker *worker)
{
    if (worker->is_draining)
        return;
    worker->is_draining = true;
    while (worker->listeners != NULL)
        close_listener(&worker->listeners);
    inbound_drain(worker->inbound, note_drained, worker);
}

static void stop(struct worker *worker)
{
    worker->is_stopping = true;
    drain(worker);
    if (worker->is_drained)
        close_up(worker);
    else
        inbound_cut(worker->inbound);
}

static void change(struct worker *worker, struct worker_letter *letter)
{
    struct error err;

    if (worker->is_draining) { /* nobody comes any more */
        for (size_t i = 0; i < letter->profile->listener_count; i++)
            if (letter->places[i].socket >= 0)
                close(letter->places[i].socket);
        gateway_profile_release(&letter->profile);
    } else if (!listen_by(worker, letter->profile, letter->places, &err)) {
        log_event(worker->settings.log, LOG_ERROR, "listen-failed", "reason=%s", err.text);
    }
    letter->kind = WORKER_CHANGED;
    post(worker->settings.main, letter);
}

static void read_letter(struct worker *worker, struct worker_letter *letter)
{
    switch (letter->kind) {
    case WORKER_CHANGE: change(worker, letter); return;
    case WORKER_DRAIN: drain(worker); return;
    case WORKER_STOP: stop(worker); return;
    case WORKER_CUT:
        if (!worker->is_drained)
            inbound_cut(worker->inbound);
        return;
    case WORKER_CHANGED:
    case WORKER_DRAINED: break;
    }
    assert(false);
}

static void read_letters(void *owner)
{
    struct worker *worker = owner;
    struct mailbox_message *message;

    /* The mailbox is closed by the last letter, STOP. */
    while (worker->mailbox != NULL && (message = mailbox_take(worker->mailbox)) != NULL)
        read_letter(worker, (struct worker_letter *)message);
}

/* ---- the main thread ---------------------------------------------------------------------- */

static bool open_parts(struct worker *worker, struct error *err)
{
    struct inbound_settings settings = { .log = worker->settings.log,
                                         .clock = worker->settings.clock,
                                         .limits = worker->settings.limits,
                                         .history = worker->settings.history,
                                         .accepted = worker->settings.accepted,
                                         .owner = worker->settings.owner };

    if (!loop_open(&worker->loop, err) ||
        !mailbox_open(worker->loop, 0, read_letters, worker, &worker->mailbox, err) ||
        !queue_door_open(worker->settings.store, worker->loop, &worker->door, err))
        return false;
    settings.loop = worker->loop;
    settings.door = worker->door;
    return inbound_open(&settings, &worker->inbound, err);
}

bool worker_new(const struct worker_settings *settings, struct worker **worker, struct error *err)
{
    AUTO(worker_free) struct worker *made = memory_new(1, sizeof *made);

    *worker = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a worker");
    made->settings = *settings;
    made->drained = (struct worker_letter){ .kind = WORKER_DRAINED, .worker = made };
    made->drain = (struct worker_letter){ .kind = WORKER_DRAIN, .worker = made };
    made->cut = (struct worker_letter){ .kind = WORKER_CUT, .worker = made };
    made->stop = (struct worker_letter){ .kind = WORKER_STOP, .worker = made };
    if (!open_parts(made, err))
        return false;
    *worker = TAKE(made);
    return true;
}

bool worker_listen(struct worker *worker, struct gateway_profile *profile,
                   const struct worker_place *places, struct error *err)
{
    return listen_by(worker, profile, places, err);
}

/* A worker has most of the work, above all handshakes: where processors are scarce it lets whoever runs go on,
 * instead of taking turns in the midst of theirs. Where the administrator chose otherwise, that holds. */
static void let_others_finish(void)
{
    const struct sched_param none = { 0 };

    if (syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER)
        (void)!syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
}

static void *run(void *argument)
{
    struct worker *worker = argument;

    let_others_finish();
    loop_run(worker->loop);
    return NULL;
}

bool worker_start(struct worker *worker, struct error *err)
{
    int number;

    worker->is_started = true; /* before the thread is, which reads it */
    number = pthread_create(&worker->thread, NULL, run, worker);
    if (number == 0)
        return true;
    worker->is_started = false;
    return error_set(err, ERROR_SYSTEM, "starting a worker: %s", strerror(number));
}

void worker_change(struct worker *worker, struct worker_letter *letter)
{
    letter->kind = WORKER_CHANGE;
    letter->worker = worker;
    post(worker->mailbox, letter);
}

void worker_drain(struct worker *worker)
{
    post(worker->mailbox, &worker->drain);
}

void worker_cut(struct worker *worker)
{
    post(worker->mailbox, &worker->cut);
}

void worker_free(struct worker **worker)
{
    struct worker *freed = *worker;

    *worker = NULL;
    if (freed == NULL)
        return;
    if (freed->is_started) {
        post(freed->mailbox, &freed->stop);
        pthread_join(freed->thread, NULL);
    } else {
        while (freed->listeners != NULL)
            close_listener(&freed->listeners);
        close_up(freed);
    }
    loop_close(&freed->loop);
    memory_free(freed);
}
