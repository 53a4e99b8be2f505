/* net/work.h - a piece of work that may block, on a pool's thread, and its answer on the loop. */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "net/loop.h"

/* `run` is called on a thread of the process's pool (of 4), then `done` on the loop's; in between
 * `owner` is run's alone. What run wrote, done sees. It cannot be called off: `done` always comes,
 * and before it the loop may not be closed; it keeps loop_run running. */
MUST_CHECK bool work_start(struct loop *loop, void (*run)(void *owner), void (*done)(void *owner),
                           void *owner, struct error *err);
