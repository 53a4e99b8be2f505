/* bench/queue_million.c - a queue that is full already: how fast it opens, takes and settles.
 *
 * usage: queue-million fill FOLDER COUNT BYTES     puts so many messages
 *        queue-million rates FOLDER COUNT BYTES    opens it, puts so many, settles so many
 *
 * rates prints seconds to open, seconds of the puts, seconds of the settlements, and what is in
 * the queue in the end: as many as before. 64 puts are under way at once; leases are of 500
 * with their bodies, and each is settled as delivered at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue/store.h"

enum { AT_ONCE = 64, LEASED = 500, ARENA_BYTES = 64 * 1024 * 1024, LEASE_S = 600 };

static char body[QUEUE_PART_BYTES];
static struct span bytes;
static struct queue_store *store;
static struct queue_door *door;
static struct loop *loop;
static long left, open_jobs;

static const struct queue_recipient recipient = { .address = { "someone@example.org", 19 } };

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "queue-million: %s\n", what);
    exit(3);
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(loop);
}

/* ---- putting ---------------------------------------------------------------------------------- */

struct job {
    struct queue_put put;
    struct queue_envelope envelope;
};

static void put_next(void *owner)
{
    struct job *job = owner;

    if (job->put.request.status != QUEUE_OK)
        die("a put failed");
    if (left == 0) {
        if (--open_jobs == 0)
            loop_stop(loop);
        return;
    }
    left--;
    job->put = (struct queue_put){ .id = queue_door_id(door) };
    job->envelope = (struct queue_envelope){ .id = job->put.id,
                                             .sender = span_of("sender@example.net"),
                                             .message_id = span_of("<4711@example.net>"),
                                             .received_at_s = (int64_t)time(NULL) };
    job->put.envelope = &job->envelope;
    job->put.recipients = &recipient;
    job->put.recipient_count = 1;
    job->put.bytes = bytes;
    queue_put_commit(door, &job->put, put_next, job);
}

static double put_all(long count)
{
    static struct job jobs[AT_ONCE];
    double begun = seconds();

    left = count;
    open_jobs = AT_ONCE;
    for (size_t i = 0; i < AT_ONCE; i++) {
        jobs[i] = (struct job){ 0 };
        put_next(&jobs[i]);
    }
    if (open_jobs > 0)
        loop_run(loop);
    return seconds() - begun;
}

/* ---- settling --------------------------------------------------------------------------------- */

static size_t lease_some(struct arena *arena, struct queue_settlement *settlements, int64_t *number)
{
    int64_t now_s = (int64_t)time(NULL);
    struct queue_lease lease = { .now_s = now_s,
                                 .until_s = now_s + LEASE_S,
                                 .most = LEASED,
                                 .with_bodies = true,
                                 .arena = arena };
    size_t count = 0;

    queue_lease(door, &lease, stop, NULL);
    loop_run(loop);
    if (lease.request.status != QUEUE_OK)
        die("a lease failed");
    for (size_t i = 0; i < lease.message_count; i++)
        for (size_t j = 0; j < lease.messages[i].recipient_count; j++)
            settlements[count++] =
                (struct queue_settlement){ .id = lease.messages[i].envelope.id,
                                           .recipient = &lease.messages[i].recipients[j],
                                           .result = QUEUE_DONE,
                                           .attempt = { .at_s = now_s,
                                                        .code = span_of("2.0.0"),
                                                        .reply = span_of("250 taken") } };
    *number = lease.number;
    return count;
}

static double settle_all(long count)
{
    static struct queue_settlement settlements[LEASED];
    double begun = seconds();

    for (long settled = 0; settled < count;) {
        struct queue_settle settle = { .settlements = settlements };
        struct arena arena;

        arena_init(&arena, ARENA_BYTES);
        settle.count = lease_some(&arena, settlements, &settle.lease);
        queue_settle(door, &settle, stop, NULL);
        loop_run(loop);
        if (settle.request.status != QUEUE_OK || settle.settled != settle.count ||
            settle.count == 0)
            die("a settlement failed");
        settled += (long)settle.count;
        arena_clear(&arena);
    }
    return seconds() - begun;
}

int main(int argc, char **argv)
{
    struct queue_store_settings settings = queue_store_defaults(argc > 2 ? argv[2] : "");
    struct queue_stats stats = { 0 };
    struct error err = { 0 };
    double opened, put, settled = 0;
    bool is_filling = argc == 5 && strcmp(argv[1], "fill") == 0;
    long count = argc == 5 ? strtol(argv[3], NULL, 10) : 0;

    if (count < 1 || (!is_filling && strcmp(argv[1], "rates") != 0)) {
        fprintf(stderr, "usage: queue-million fill|rates FOLDER COUNT BYTES\n");
        return 2;
    }
    memset(body, 'x', sizeof body);
    bytes = span_part((struct span){ body, sizeof body }, 0, strtoul(argv[4], NULL, 10));
    opened = seconds();
    if (!queue_store_open(&settings, &store, &err) || !loop_open(&loop, &err) ||
        !queue_door_open(store, loop, &door, &err))
        die(err.text);
    opened = seconds() - opened;
    put = put_all(count);
    if (!is_filling)
        settled = settle_all(count);
    queue_stats(door, &stats, stop, NULL);
    loop_run(loop);
    queue_door_close(&door);
    queue_store_close(&store);
    loop_close(&loop);
    printf("%.6f %.6f %.6f %" PRId64 "\n", opened, put, settled, stats.messages);
    return 0;
}
