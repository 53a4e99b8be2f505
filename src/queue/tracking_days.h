/* queue/tracking_days.h - the files of tracking: one a day, named by its date.
 *
 * Internal to queue/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"

enum { TRACKING_PATH_BYTES = 4096 };

/* Days since 1970; of a time before, day 0. */
int64_t tracking_day_of(int64_t second);

/* "FOLDER/2026-11-21.db". */
MUST_CHECK bool tracking_day_path(const char *folder, int64_t day, char path[TRACKING_PATH_BYTES],
                                  struct error *err);

/* The days that `folder` has a file of, in order; none where there is no folder. */
MUST_CHECK bool tracking_days_list(const char *folder, struct arena *arena, int64_t **days,
                                   size_t *count, struct error *err);

/* Unlinks what is older than `first_day`. */
MUST_CHECK bool tracking_days_expire(const char *folder, int64_t first_day, struct error *err);
