/* gateway/queue_watch.c - says in the log that the queue cannot be written, and why, and that it can be again. */
#include "gateway/queue_watch.h"

#include <inttypes.h>

void queue_watch_init(struct queue_watch *watch, struct log *log, const struct clock *clock)
{
    *watch = (struct queue_watch){ .log = log, .clock = clock };
}

static const char *remedy_of(enum queue_status status)
{
    if (status == QUEUE_FULL)
        return "make room on the disk of the queue: mail is taken again by itself";
    if (status == QUEUE_BUSY)
        return "find who else has the queue's database open: fuser -v queue.db";
    return "see what the kernel says of the disk of the queue: dmesg";
}

void queue_watch_failed(void *owner, enum queue_status status, const char *words)
{
    struct queue_watch *watch = owner;
    int64_t now_ms = watch->clock->monotonic_ms(watch->clock);

    watch->failed_at_ms = now_ms;
    watch->untold++;
    if (watch->is_told && now_ms - watch->told_at_ms < QUEUE_WATCH_AGAIN_MS)
        return;
    log_event(watch->log, LOG_ERROR, "queue-failed",
              "status=%s times=%" PRIu64 " reason=%s remedy=%s", queue_status_name(status),
              watch->untold, words, remedy_of(status));
    watch->is_told = true;
    watch->told_at_ms = now_ms;
    watch->untold = 0;
}

void queue_watch_kept(void *owner)
{
    struct queue_watch *watch = owner;

    if (!watch->is_told ||
        watch->clock->monotonic_ms(watch->clock) - watch->failed_at_ms < QUEUE_WATCH_WELL_MS)
        return;
    log_event(watch->log, LOG_NOTE, "queue-works", "untold=%" PRIu64, watch->untold);
    watch->is_told = false;
    watch->untold = 0;
}
