/* queue/story_writer.h - the thread that writes stories into tracking, so that no mail waits for that.
 *
 * It writes what it was given in one transaction, and meanwhile is given nothing else: whoever has more
 * keeps it, or waits. What cannot be written is lost, and counted. Asked by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "queue/story.h"

struct story_writer;

/* Starts the thread. `tracking` is the writer's from here on, whatever is answered. */
MUST_CHECK bool story_writer_open(struct tracking *tracking, struct story_writer **writer,
                                  struct error *err);
/* Waits for what it was given. */
void story_writer_close(struct story_writer **writer);

/* Takes the stories and the arena that they are in, which is empty then, into the day of `now_s`. False: it
 * writes others still. */
MUST_CHECK bool story_writer_give(struct story_writer *writer, const struct story *first,
                                  struct arena *arena, int64_t now_s);
/* Until it has written what it was given. */
void story_writer_wait(struct story_writer *writer);
/* How many times stories could not be written, of those that were waited for. */
int64_t story_writer_lost(struct story_writer *writer);
