#include "queue/schedule.h"

#include <assert.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, SPREAD = 8 };

struct queue_schedule_settings queue_schedule_defaults(void)
{
    return (struct queue_schedule_settings){
        .retry_s = { 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR },
        .retry_count = 6,
        .lifetime_s = 5 * DAY,
        .warn_after_s = 4 * HOUR,
        .in_the_clear_after_s = 5 * MINUTE,
    };
}

/* Our clock may have gone back since the message came. */
static int64_t age_of(int64_t received_at_s, int64_t now_s)
{
    return now_s > received_at_s ? now_s - received_at_s : 0;
}

static int64_t wait_after(const struct queue_schedule_settings *settings, int64_t attempts,
                          uint32_t chance)
{
    size_t last = settings->retry_count - 1;
    size_t row = attempts > (int64_t)last ? last : (size_t)(attempts - 1);
    int64_t wait_s = settings->retry_s[row];

    return wait_s + (int64_t)(chance % (uint32_t)(wait_s / SPREAD + 1));
}

/* An attempt in that second would find the message perhaps too young, and cost a whole wait more. */
static bool falls_just_short(const struct queue_schedule_settings *settings, int64_t received_at_s,
                             int64_t next_at_s)
{
    return queue_schedule_clear_since_s(settings, next_at_s) == received_at_s - 1;
}

struct queue_schedule_decision queue_schedule_decide(const struct queue_schedule_settings *settings,
                                                     const struct queue_schedule_history *history,
                                                     int64_t now_s, uint32_t chance)
{
    int64_t age_s = age_of(history->received_at_s, now_s);
    int64_t left_s = settings->lifetime_s - age_s;
    struct queue_schedule_decision decision = { 0 };
    int64_t wait_s;

    assert(history->attempts > 0 && settings->retry_count > 0);
    if (left_s <= 0) {
        decision.gives_up = true;
        return decision;
    }
    wait_s = wait_after(settings, history->attempts, chance);
    decision.next_at_s = now_s + (wait_s < left_s ? wait_s : left_s);
    if (wait_s < left_s && falls_just_short(settings, history->received_at_s, decision.next_at_s))
        decision.next_at_s++;
    decision.warns =
        settings->warn_after_s > 0 && !history->has_warned && age_s >= settings->warn_after_s;
    return decision;
}

/* Both are whole seconds, rounded down: a message may be up to one younger than they say. */
int64_t queue_schedule_clear_since_s(const struct queue_schedule_settings *settings, int64_t now_s)
{
    if (settings->in_the_clear_after_s == 0)
        return INT64_MAX;
    return now_s - settings->in_the_clear_after_s - 1;
}
