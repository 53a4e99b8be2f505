/* queue/schedule.h - when to try again, when to warn the sender, when to give up (pure).
 *
 * RFC 5321 section 4.5.4.1: a retry after at least some minutes, giving up after days; RFC 3461
 * section 4.1 for the warning of a delay. Time and chance are inputs. Seconds are whole and rounded down, so an
 * attempt may come up to one second early: nothing to waits of minutes, and where it would matter, before mail
 * goes in the clear, it is never early.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUEUE_SCHEDULE_RETRIES = 32 };

struct queue_schedule_settings {
    int64_t retry_s
        [QUEUE_SCHEDULE_RETRIES]; /* wait after the 1st, 2nd, ... failure; the last goes on */
    size_t retry_count;           /* at least 1 */
    int64_t lifetime_s;           /* from reception until we give up */
    int64_t warn_after_s;         /* 0: never */
    int64_t in_the_clear_after_s; /* at level may, without TLS from then on */
};

/* 5m 15m 30m 1h 2h 4h, lifetime 5d, warning after 4h, in the clear after 5m. */
struct queue_schedule_settings queue_schedule_defaults(void);

struct queue_schedule_history {
    int64_t received_at_s; /* when the message came */
    int64_t attempts;      /* made so far, the one that just failed included; at least 1 */
    bool has_warned;
};

struct queue_schedule_decision {
    bool gives_up;     /* bounce; the rest means nothing then */
    bool warns;        /* the sender should hear of the delay now */
    int64_t next_at_s; /* not before this */
};

/* After an attempt that failed for now. `chance` is any number: it spreads the next attempt over
 * up to an eighth of the wait, so that what failed together does not come back together. The last
 * attempt is at the end of the lifetime, not before it; one that would come a part of a second before the
 * message may go in the clear is a second later. */
struct queue_schedule_decision queue_schedule_decide(const struct queue_schedule_settings *settings,
                                                     const struct queue_schedule_history *history,
                                                     int64_t now_s, uint32_t chance);

/* Where policy leaves TLS to opportunity: messages that had come by then may go without now, never early
 * by a part of a second. INT64_MAX: all may. */
int64_t queue_schedule_clear_since_s(const struct queue_schedule_settings *settings, int64_t now_s);
