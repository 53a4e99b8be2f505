/* net/loop.h - one event loop: timers and readiness over libuv, whose types never leave net/.
 *
 * A loop and all that runs on it belong to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct loop;
struct loop_timer;

MUST_CHECK bool loop_open(struct loop **loop, struct error *err);
/* Everything that ran on it must have been closed; closes what is left of timers. */
void loop_close(struct loop **loop);

/* Runs until loop_stop or nothing is left to wait for. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds of the loop's monotonic clock, read once per turn. */
int64_t loop_now_ms(const struct loop *loop);

/* Calls `expired` once, `delay_ms` from now, unless stopped. Restarting replaces. */
MUST_CHECK bool loop_timer_open(struct loop *loop, void (*expired)(void *owner), void *owner,
                                struct loop_timer **timer, struct error *err);
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_close(struct loop_timer **timer);

struct loop_signal;

/* Calls `arrived` on the loop's thread each time the signal comes, until it is closed; the
 * signal's own effect is gone meanwhile. It keeps loop_run running. */
MUST_CHECK bool loop_on_signal(struct loop *loop, int number, void (*arrived)(void *owner),
                               void *owner, struct loop_signal **on, struct error *err);
void loop_signal_close(struct loop_signal **on);
