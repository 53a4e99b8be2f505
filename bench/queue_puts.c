/* bench/queue_puts.c - puts messages into a queue, or into a file each, and says how long that took.
 *
 * usage: queue-puts store FOLDER AT-ONCE COUNT BYTES    each answer starts the next put
 *        queue-puts files FOLDER 1 COUNT BYTES          write, fsync, rename: a spool of files
 *
 * Prints seconds of the wall clock, seconds of processor time, and commits.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "queue/store.h"

enum { AT_ONCE_MOST = 1024, BYTES_MOST = QUEUE_PART_BYTES };

static char body[BYTES_MOST];
static struct span bytes;
static long left;

static const struct queue_recipient recipient = { .address = { "someone@example.org", 19 } };

struct job {
    struct loop *loop;
    struct queue_door *door;
    struct queue_put put;
    struct queue_envelope envelope;
    long *open;
};

static void start(void *owner)
{
    struct job *job = owner;

    if (job->put.request.status != QUEUE_OK)
        exit(3);
    if (left == 0) {
        if (--*job->open == 0)
            loop_stop(job->loop);
        return;
    }
    left--;
    job->put = (struct queue_put){ .id = queue_door_id(job->door) };
    job->envelope = (struct queue_envelope){ .id = job->put.id,
                                             .sender = span_of("sender@example.net"),
                                             .message_id = span_of("<4711@example.net>"),
                                             .received_at_s = (int64_t)time(NULL) };
    job->put.envelope = &job->envelope;
    job->put.recipients = &recipient;
    job->put.recipient_count = 1;
    job->put.bytes = bytes;
    queue_put_commit(job->door, &job->put, start, job);
}

static void stop(void *owner)
{
    loop_stop(owner);
}

static int64_t put_all(const char *folder, long at_once)
{
    static struct job jobs[AT_ONCE_MOST];
    struct queue_store_settings settings = queue_store_defaults(folder);
    struct queue_store *store = NULL;
    struct queue_stats stats = { 0 };
    struct queue_door *door = NULL;
    struct loop *loop = NULL;
    struct error err = { 0 };
    long open = at_once;

    if (!queue_store_open(&settings, &store, &err) || !loop_open(&loop, &err) ||
        !queue_door_open(store, loop, &door, &err)) {
        fprintf(stderr, "queue-puts: %s\n", err.text);
        exit(3);
    }
    for (long i = 0; i < at_once; i++) {
        jobs[i] = (struct job){ .loop = loop, .door = door, .open = &open };
        start(&jobs[i]);
    }
    if (open > 0)
        loop_run(loop);
    queue_stats(door, &stats, stop, loop);
    loop_run(loop);
    queue_door_close(&door);
    queue_store_close(&store);
    loop_close(&loop);
    return stats.commits;
}

static int64_t write_all(const char *folder)
{
    int64_t count = 0;

    for (; left > 0; left--, count++) {
        char name[4096], final[4096];
        int file;

        snprintf(name, sizeof name, "%s/new.%ld", folder, left);
        snprintf(final, sizeof final, "%s/%ld", folder, left);
        file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (file < 0 || write(file, bytes.data, bytes.len) != (ssize_t)bytes.len ||
            fsync(file) != 0 || close(file) != 0 || rename(name, final) != 0) {
            perror("queue-puts");
            exit(3);
        }
    }
    return count;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double processor_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

int main(int argc, char **argv)
{
    struct timespec begun, ended;
    long at_once = argc == 6 ? strtol(argv[3], NULL, 10) : 0;
    int64_t commits;

    if (at_once < 1 || at_once > AT_ONCE_MOST) {
        fprintf(stderr, "usage: queue-puts store|files FOLDER AT-ONCE COUNT BYTES\n");
        return 2;
    }
    left = strtol(argv[4], NULL, 10);
    bytes = span_part((struct span){ body, sizeof body }, 0, strtoul(argv[5], NULL, 10));
    memset(body, 'x', sizeof body);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    commits = strcmp(argv[1], "store") == 0 ? put_all(argv[2], at_once) : write_all(argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%.6f %.6f %" PRId64 "\n",
           (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9,
           processor_s(), commits);
    return 0;
}
