/* bench/deliveries.c - takes messages out of a queue into Maildirs, or writes a file for each as plainly as can be.
 *
 * usage: deliveries queue FOLDER COUNT BYTES MAILBOXES    in the queue already; delivered until it is empty
 *        deliveries files FOLDER COUNT BYTES MAILBOXES    by one thread: tmp, fsync, rename, fsync of the folder
 *
 * Prints seconds of the wall clock, seconds of processor time, and commits of the store.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/delivery.h"

enum { BYTES_MOST = QUEUE_PART_BYTES, AT_ONCE = 100 };

static char body[BYTES_MOST];
static struct span bytes;
static long count, mailboxes;

static void die(const char *what, const struct error *err)
{
    fprintf(stderr, "deliveries: %s: %s\n", what, err == NULL ? "failed" : err->text);
    exit(3);
}

static double wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fill_body(size_t size)
{
    static const char line[] = "the quick brown fox jumps over the lazy dog, and so on and on.\r\n";

    if (size > sizeof body)
        die("a body of more than a part", NULL);
    for (size_t i = 0; i < size; i++)
        body[i] = line[i % (sizeof line - 1)];
    bytes = (struct span){ body, size };
}

/* ---- out of the queue ---- */

struct job {
    struct queue_put put;
    struct queue_envelope envelope;
    struct queue_recipient recipient;
    char address[48];
    struct queue_door *door;
};

static struct loop *loop;
static struct queue_door *door;
static struct delivery *delivery;
static struct loop_timer *timer;
static struct queue_stats stats;
static long left, open_puts;

static void put_next(void *owner)
{
    struct job *job = owner;

    if (job->put.request.status != QUEUE_OK)
        die("a put", NULL);
    if (left == 0) {
        if (--open_puts == 0)
            loop_stop(loop);
        return;
    }
    left--;
    snprintf(job->address, sizeof job->address, "u%ld@box.example", left % mailboxes);
    job->recipient = (struct queue_recipient){ .address = span_of(job->address) };
    job->put = (struct queue_put){ .id = queue_door_id(door), .bytes = bytes };
    job->envelope = (struct queue_envelope){ .id = job->put.id,
                                             .sender = span_of("sender@example.net"),
                                             .received_at_s = 1 };
    job->put.envelope = &job->envelope;
    job->put.recipients = &job->recipient;
    job->put.recipient_count = 1;
    queue_put_commit(door, &job->put, put_next, job);
}

static void fill_queue(void)
{
    static struct job jobs[AT_ONCE];

    left = count;
    for (size_t i = 0; i < AT_ONCE; i++, open_puts++)
        put_next(&jobs[i]);
    loop_run(loop);
}

static void look(void *owner);

static void close_delivery(void *owner)
{
    (void)owner;
    delivery_close(&delivery);
    loop_stop(loop);
}

static void take_stats(void *owner)
{
    (void)owner;
    if (stats.messages > 0)
        loop_timer_start(timer, 1);
    else
        delivery_drain(delivery, close_delivery, NULL);
}

static void look(void *owner)
{
    (void)owner;
    queue_stats(door, &stats, take_stats, NULL);
}

static void keep_profile(void *owner)
{
    (void)owner;
}

static void deliver_all(const char *folder)
{
    char pattern[512];
    struct gateway_profile_domain domain = { .name = "box.example",
                                             .kind = GATEWAY_DELIVER_MAILDIR,
                                             .path = pattern };
    struct gateway_profile profile = { .references = 1,
                                       .hostname = "mx.example.org",
                                       .schedule = queue_schedule_defaults(),
                                       .domains = &domain,
                                       .domain_count = 1,
                                       .release = keep_profile };
    struct clock clock = clock_system();
    const struct delivery_settings settings = { .loop = loop, .door = door, .clock = &clock };
    struct error err = { .text = "" };

    snprintf(pattern, sizeof pattern, "%s/{user}", folder);
    if (!loop_timer_open(loop, look, NULL, &timer, &err) ||
        !delivery_open(&settings, &profile, &delivery, &err))
        die("delivery", &err);
    loop_timer_start(timer, 1);
    loop_run(loop);
    loop_timer_close(&timer);
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(loop);
}

static void run_queue(const char *folder)
{
    double began_s, used_s;
    int64_t commits;
    struct queue_store_settings settings;
    struct queue_store *store = NULL;
    struct error err = { .text = "" };
    char path[512];

    snprintf(path, sizeof path, "%s/queue", folder);
    settings = queue_store_defaults(path);
    if (!queue_store_open(&settings, &store, &err) || !loop_open(&loop, &err) ||
        !queue_door_open(store, loop, &door, &err))
        die("the queue", &err);
    fill_queue();
    queue_stats(door, &stats, stop, NULL);
    loop_run(loop);
    commits = stats.commits;
    began_s = wall_s();
    used_s = processor_s();
    deliver_all(folder);
    printf("%.6f %.6f %" PRId64 "\n", wall_s() - began_s, processor_s() - used_s,
           stats.commits - commits);
    queue_door_close(&door);
    queue_store_close(&store);
    loop_close(&loop);
}

/* ---- as plainly as can be ---- */

static void write_one(const char *folder, long number)
{
    char from[600], to[640], new[600];
    int file, place;

    snprintf(from, sizeof from, "%s/u%ld/tmp/%ld", folder, number % mailboxes, number);
    snprintf(new, sizeof new, "%s/u%ld/new", folder, number % mailboxes);
    snprintf(to, sizeof to, "%s/%ld", new, number);
    file = open(from, O_WRONLY | O_CREAT | O_EXCL, 0600);
    place = open(new, O_RDONLY | O_DIRECTORY);
    if (file < 0 || place < 0 || write(file, bytes.data, bytes.len) != (ssize_t)bytes.len ||
        fsync(file) != 0 || close(file) != 0 || rename(from, to) != 0 || fsync(place) != 0 ||
        close(place) != 0)
        die("a file", NULL);
}

static void run_files(const char *folder)
{
    double began_s = wall_s(), used_s = processor_s();

    for (long i = 0; i < count; i++)
        write_one(folder, i);
    printf("%.6f %.6f 0\n", wall_s() - began_s, processor_s() - used_s);
}

/* Both ways find them there. */
static void make_mailboxes(const char *folder)
{
    static const char *const parts[] = { "", "/cur", "/tmp", "/new" };
    char path[600];

    for (long i = 0; i < mailboxes; i++)
        for (size_t j = 0; j < ARRAY_SIZE(parts); j++) {
            snprintf(path, sizeof path, "%s/u%ld%s", folder, i, parts[j]);
            if (mkdir(path, 0700) != 0)
                die("a folder", NULL);
        }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: deliveries queue|files FOLDER COUNT BYTES MAILBOXES\n");
        return 2;
    }
    signal(SIGXFSZ, SIG_IGN);
    count = strtol(argv[3], NULL, 10);
    mailboxes = strtol(argv[5], NULL, 10);
    fill_body((size_t)strtol(argv[4], NULL, 10));
    make_mailboxes(argv[2]);
    if (strcmp(argv[1], "queue") == 0)
        run_queue(argv[2]);
    else
        run_files(argv[2]);
    return 0;
}
