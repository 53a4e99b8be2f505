/* queue/id.h - names messages by time-ordered numbers, unique over threads and restarts.
 *
 * 63 bits: 33 of seconds since 1970 (until 2242), 21 that count within the second, 9 of a lane.
 * Whoever makes ids has a lane that nobody else in the process has. Over restarts they stay
 * unique because a maker starts behind the newest id that the store has ever committed; ordered
 * by time, they go to the end of every index. Pure: the time is given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum {
    QUEUE_ID_LANES = 512,
    QUEUE_ID_TEXT = 13, /* characters of an id's text */
};

struct queue_id_maker {
    uint64_t newest; /* what was given last, without its lane */
    unsigned lane;
};

/* `newest` is the store's newest id (queue/store.h), 0 where there is none. */
void queue_id_init(struct queue_id_maker *maker, unsigned lane, int64_t newest);

/* The store has come to know of a newer one: those that follow are behind that. */
void queue_id_pass(struct queue_id_maker *maker, int64_t newest);

/* Greater than every id that this maker gave before, also when the clock went back or the
 * second is used up (the id then runs ahead of the time). */
int64_t queue_id_next(struct queue_id_maker *maker, int64_t now_s);

/* The second that the id was made in, as far as its maker's clock was right. */
int64_t queue_id_time_s(int64_t id);

/* 13 lower-case letters and digits (without i, l, o, u) and a NUL; texts sort as ids do. */
void queue_id_format(int64_t id, char text[QUEUE_ID_TEXT + 1]);

/* Letters of either case. False: no text of an id. */
MUST_CHECK bool queue_id_parse(struct span text, int64_t *id);
