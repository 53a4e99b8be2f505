/* tests/integration/queue/load.c - a queue under load until it is killed, or a look at what is in it.
 *
 * usage: queue-load load FOLDER SEED THREADS PUTS    prints what became of each put, until killed
 *        queue-load verify FOLDER                    prints what is there, whole or broken
 *
 * With an even SEED all is delivered as it comes, so that what the queue keeps it in is given up and
 * used again; else about half, and much waits. Lines of load: "ok ID SIZE" after a put was answered so, "refused STATUS ID", "settling ID" before
 * the delivery of a message is settled, "done ID" after that was answered; of verify: "has ID SIZE
 * whole" or "... broken", "leased COUNT".
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "bodies.h"
#include "queue/store.h"

enum {
    PUTS_MOST = 64,
    RECIPIENTS_MOST = 3,
    PAUSE_MS = 5,
    LEASED_AT_ONCE = 40,
    ALL_AT_ONCE = 400,
    LEASE_S = 3,
    ARENA_BYTES = 64 * 1024 * 1024,
};

static const struct queue_recipient recipients[RECIPIENTS_MOST] = {
    { .address = { "one@example.org", 15 } },
    { .address = { "two@example.com", 15 } },
    { .address = { "three@example.net", 17 } },
};

static struct queue_store *store;
static unsigned put_count = 4;

static void die(const char *what, const struct error *err)
{
    fprintf(stderr, "queue-load: %s: %s\n", what, err->text);
    exit(3);
}

/* One write a line, so that lines of threads do not mix and a kill cuts none. */
static void say(const char *word, int64_t id, int64_t size)
{
    char line[96];
    int len = snprintf(line, sizeof line, "%s %" PRId64 " %" PRId64 "\n", word, id, size);

    if (write(STDOUT_FILENO, line, (size_t)len) != len)
        _exit(4);
}

static void say_refused(const struct queue_put *put)
{
    char line[96];
    int len = snprintf(line, sizeof line, "refused %s %" PRId64 "\n",
                       queue_status_name(put->request.status), put->id);

    if (write(STDOUT_FILENO, line, (size_t)len) != len)
        _exit(4);
}

/* ---- those who put ------------------------------------------------------------------------ */

struct putter {
    pthread_t thread;
    struct loop *loop;
    struct queue_door *door;
    uint64_t dice;
};

struct job {
    struct putter *putter;
    struct loop_timer *pause;
    struct queue_put put;
    struct queue_envelope envelope;
    int64_t size, taken; /* bytes of the body: of all, and of those that were handed over */
    char bytes[QUEUE_PART_BYTES];
};

static uint64_t roll(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice;
}

static void start(void *owner);
static void go_on(struct job *job);

static void end(void *owner)
{
    struct job *job = owner;

    if (job->put.request.status == QUEUE_OK) {
        say("ok", job->put.id, job->size);
        start(job);
        return;
    }
    say_refused(&job->put);
    loop_timer_start(job->pause, PAUSE_MS);
}

static void pause_after_abort(void *owner)
{
    struct job *job = owner;

    loop_timer_start(job->pause, PAUSE_MS);
}

static void take_next(void *owner)
{
    struct job *job = owner;

    if (job->put.request.status == QUEUE_OK) {
        go_on(job);
        return;
    }
    say_refused(&job->put);
    queue_put_abort(job->putter->door, &job->put, pause_after_abort, job);
}

static void go_on(struct job *job)
{
    int64_t left = job->size - job->taken;
    int64_t len = left < QUEUE_PART_BYTES ? left : QUEUE_PART_BYTES;

    for (int64_t i = 0; i < len; i++)
        job->bytes[i] = body_byte(job->put.id, job->taken + i);
    job->taken += len;
    job->put.bytes = (struct span){ job->bytes, (size_t)len };
    if (job->taken < job->size)
        queue_put_append(job->putter->door, &job->put, take_next, job);
    else
        queue_put_commit(job->putter->door, &job->put, end, job);
}

static void start(void *owner)
{
    struct job *job = owner;
    uint64_t chance = roll(&job->putter->dice);

    job->put = (struct queue_put){ .id = queue_door_id(job->putter->door) };
    job->envelope = (struct queue_envelope){ .id = job->put.id,
                                             .sender = span_of("sender@example.net"),
                                             .received_at_s = (int64_t)time(NULL) };
    job->put.envelope = &job->envelope;
    job->put.recipients = recipients;
    job->put.recipient_count = recipients_of(job->put.id);
    job->taken = 0;
    job->size = (int64_t)(chance % 8 == 0 ? chance / 8 % 300000 : chance / 8 % 6000);
    go_on(job);
}

static void *put_without_end(void *argument)
{
    struct putter *putter = argument;
    struct error err = { 0 };

    if (!loop_open(&putter->loop, &err) ||
        !queue_door_open(store, putter->loop, &putter->door, &err))
        die("starting a thread", &err);
    for (unsigned i = 0; i < put_count; i++) {
        struct job *job = memory_new(1, sizeof *job);

        if (job == NULL)
            exit(3);
        job->putter = putter;
        if (!loop_timer_open(putter->loop, start, job, &job->pause, &err))
            die("opening a timer", &err);
        start(job);
    }
    loop_run(putter->loop);
    return NULL;
}

/* ---- the one that delivers ---------------------------------------------------------------- */

struct deliverer {
    struct loop *loop;
    struct queue_door *door;
    struct loop_timer *pause;
    struct arena arena;
    struct queue_lease lease;
    struct queue_settle settle;
    struct queue_settlement settlements[ALL_AT_ONCE];
    uint64_t dice;
    bool delivers_all;
};

static void lease_some(void *owner);

static void settled(void *owner)
{
    struct deliverer *deliverer = owner;

    for (size_t i = 0; deliverer->settle.request.status == QUEUE_OK && i < deliverer->settle.count;
         i++) {
        if (deliverer->settlements[i].result == QUEUE_DONE)
            say("done", deliverer->settlements[i].id, 0);
    }
    loop_timer_start(deliverer->pause, PAUSE_MS);
}

static void settle_message(struct deliverer *deliverer, const struct queue_message *message)
{
    uint64_t chance = deliverer->delivers_all ? 0 : roll(&deliverer->dice) % 4;
    bool is_whole = message->recipient_count == recipients_of(message->envelope.id);
    enum queue_state result = chance < 2 && is_whole ? QUEUE_DONE : QUEUE_DEFERRED;

    if (chance == 3)
        return; /* the lease is left to end, or to the crash */
    if (result == QUEUE_DONE)
        say("settling", message->envelope.id, 0);
    for (size_t i = 0; i < message->recipient_count; i++)
        deliverer->settlements[deliverer->settle.count++] =
            (struct queue_settlement){ .id = message->envelope.id,
                                       .recipient = &message->recipients[i],
                                       .result = result,
                                       .due_at_s = deliverer->lease.now_s + 1,
                                       .attempt.at_s = deliverer->lease.now_s };
}

static void leased(void *owner)
{
    struct deliverer *deliverer = owner;

    deliverer->settle = (struct queue_settle){ .lease = deliverer->lease.number,
                                               .settlements = deliverer->settlements };
    if (deliverer->lease.request.status == QUEUE_OK) {
        for (size_t i = 0; i < deliverer->lease.message_count; i++)
            settle_message(deliverer, &deliverer->lease.messages[i]);
    }
    queue_settle(deliverer->door, &deliverer->settle, settled, deliverer);
}

static void lease_some(void *owner)
{
    struct deliverer *deliverer = owner;
    int64_t now_s = (int64_t)time(NULL);

    arena_clear(&deliverer->arena);
    arena_init(&deliverer->arena, ARENA_BYTES);
    deliverer->lease =
        (struct queue_lease){ .now_s = now_s,
                              .until_s = now_s + LEASE_S,
                              .most = deliverer->delivers_all ? ALL_AT_ONCE : LEASED_AT_ONCE,
                              .arena = &deliverer->arena };
    queue_lease(deliverer->door, &deliverer->lease, leased, deliverer);
}

static int load(const char *folder, uint64_t seed, unsigned threads)
{
    static struct deliverer deliverer;
    struct queue_store_settings settings = queue_store_defaults(folder);
    struct error err = { 0 };

    if (!queue_store_open(&settings, &store, &err) || !loop_open(&deliverer.loop, &err) ||
        !queue_door_open(store, deliverer.loop, &deliverer.door, &err) ||
        !loop_timer_open(deliverer.loop, lease_some, &deliverer, &deliverer.pause, &err))
        die("starting", &err);
    say("started", 0, 0);
    for (unsigned i = 0; i < threads; i++) {
        struct putter *putter = memory_new(1, sizeof *putter);

        if (putter == NULL)
            return 3;
        putter->dice = seed * 2654435761U + i + 1;
        if (pthread_create(&putter->thread, NULL, put_without_end, putter) != 0)
            return 3;
    }
    deliverer.dice = seed + 77;
    deliverer.delivers_all = seed % 2 == 0;
    lease_some(&deliverer);
    loop_run(deliverer.loop);
    return 3; /* it runs until it is killed */
}

/* ---- the one that looks ------------------------------------------------------------------- */

static void stop(void *owner)
{
    loop_stop(owner);
}

static bool is_body_whole(struct loop *loop, struct queue_door *door,
                          const struct queue_envelope *envelope)
{
    static char bytes[QUEUE_PART_BYTES];
    struct queue_read part = { .id = envelope->id, .bytes = bytes };
    bool is_whole = true;
    int64_t at = 0;

    for (;; part.number++) {
        queue_read(door, &part, stop, loop);
        loop_run(loop);
        if (part.request.status != QUEUE_OK)
            return is_whole && part.request.status == QUEUE_ABSENT && at == envelope->size_bytes;
        for (size_t i = 0; i < part.len; i++)
            is_whole &= bytes[i] == body_byte(envelope->id, at++);
    }
}

static void look_at(struct loop *loop, struct queue_door *door, const struct queue_message *message)
{
    bool is_whole = message->recipient_count == recipients_of(message->envelope.id) &&
                    is_body_whole(loop, door, &message->envelope);

    printf("has %" PRId64 " %" PRId64 " %s\n", message->envelope.id, message->envelope.size_bytes,
           is_whole ? "whole" : "broken");
}

static int verify(const char *folder)
{
    struct queue_store_settings settings = queue_store_defaults(folder);
    struct queue_list list = { .most = QUEUE_LISTED_AT_ONCE };
    struct queue_stats stats = { 0 };
    struct queue_door *door = NULL;
    struct loop *loop = NULL;
    struct error err = { 0 };

    if (!queue_store_open(&settings, &store, &err) || !loop_open(&loop, &err) ||
        !queue_door_open(store, loop, &door, &err))
        die("opening", &err);
    do {
        struct arena arena;

        arena_init(&arena, ARENA_BYTES);
        list.arena = &arena;
        queue_list(door, &list, stop, loop);
        loop_run(loop);
        if (list.request.status != QUEUE_OK)
            return 3;
        for (size_t i = 0; i < list.message_count; i++)
            look_at(loop, door, &list.messages[i]);
        arena_clear(&arena);
    } while (list.has_more);
    queue_stats(door, &stats, stop, loop);
    loop_run(loop);
    printf("leased %" PRId64 "\n", stats.recipients[QUEUE_LEASED]);
    queue_door_close(&door);
    queue_store_close(&store);
    loop_close(&loop);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    if (argc == 6 && strcmp(argv[1], "load") == 0) {
        put_count = (unsigned)strtoul(argv[5], NULL, 10);
        if (put_count > 0 && put_count <= PUTS_MOST)
            return load(argv[2], strtoull(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10));
    }
    fprintf(stderr, "usage: queue-load load FOLDER SEED THREADS PUTS | verify FOLDER\n");
    return 2;
}
