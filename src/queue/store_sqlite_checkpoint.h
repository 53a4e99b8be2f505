/* queue/store_sqlite_checkpoint.h - brings SQLite's log to where it belongs, beside the commits.
 *
 * A checkpoint reads the log, writes the database and waits twice for the disk: tens of
 * milliseconds in which nothing would be answered. So a thread with a connection of its own does
 * it; SQLite lets commits go on meanwhile. What they add in that time is left to the asker, who
 * then has little to do before the log can begin anew. Asked by one thread.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

struct sqlite_checkpoint;

/* The database is in WAL mode already. */
MUST_CHECK bool sqlite_checkpoint_open(const char *path, struct sqlite_checkpoint **checkpoint,
                                       struct error *err);
/* Waits for what was begun. */
void sqlite_checkpoint_close(struct sqlite_checkpoint **checkpoint);

/* Begins, unless it is under way. */
void sqlite_checkpoint_start(struct sqlite_checkpoint *checkpoint);
/* Waits for what is under way. */
void sqlite_checkpoint_wait(struct sqlite_checkpoint *checkpoint);
/* True once after each. */
bool sqlite_checkpoint_take_end(struct sqlite_checkpoint *checkpoint);
