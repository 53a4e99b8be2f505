/* queue/lock.h - one process per queue: a locked file that names its holder.
 *
 * The kernel drops the lock with the process, however it ends; the file stays.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* Makes and locks the file and writes our process id into it; *descriptor is then to be given to
 * queue_lock_close. False also where another instance, be it in this process, has it and keeps it
 * for so long; the error is then ERROR_BUSY, and names the file and the holder. */
MUST_CHECK bool queue_lock_open(const char *path, int64_t patience_ms, int *descriptor,
                                struct error *err);

/* Has another instance that lock just now? Who opens it in this moment may find it taken, and needs
 * some patience. False too where the file is not there or cannot be read. */
MUST_CHECK bool queue_lock_is_held(const char *path);

/* -1 is nothing. Sets -1. */
void queue_lock_close(int *descriptor);
