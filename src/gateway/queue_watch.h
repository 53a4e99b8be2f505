/* gateway/queue_watch.h - says in the log that the queue cannot be written, and why, and that it can be again.
 *
 * Each sender is told 452 or 451, which does not name the cause; the queue knows it. While it goes on failing
 * one line a minute tells of it, with how often it failed since the last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "queue/store.h"

enum {
    QUEUE_WATCH_AGAIN_MS = 60 * 1000, /* between two lines on one trouble */
    QUEUE_WATCH_WELL_MS = 10 * 1000,  /* a disk that is nearly full takes some and refuses some */
};

/* Of the queue's thread. */
struct queue_watch {
    struct log *log;
    const struct clock *clock;
    bool is_told;                     /* that it fails, and not yet that it works */
    int64_t told_at_ms, failed_at_ms; /* the last time */
    uint64_t untold;                  /* failures since the last line */
};

/* Log and clock outlive it. */
void queue_watch_init(struct queue_watch *watch, struct log *log, const struct clock *clock);

/* `failed` and `kept` of queue_store_settings; owner: the watch. */
void queue_watch_failed(void *owner, enum queue_status status, const char *words);
void queue_watch_kept(void *owner);
