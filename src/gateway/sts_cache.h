/* gateway/sts_cache.h - keeps the MTA-STS policies that were fetched, over restarts, and refreshes those in use.
 *
 * RFC 8461 sections 3.3 and 5.1: a policy counts until its max_age ends, even where the domain cannot be asked any more; so
 * one that was used is fetched anew once a day, or at half of a shorter max_age, long before it ends. A fetch that
 * fails changes nothing, and is remembered for some minutes.
 *
 * Kept in STATE_DIR/sts.db, written on a pool thread some seconds after a change: the loop never waits for a
 * disk, and a crash forgets the last seconds. A file that cannot be read is put aside, and one that cannot be
 * written is told of in the log ("sts-cache-unwritten"). STS_CACHE_MOST domains are known, and STS_CACHE_BYTES_MOST octets;
 * those that nobody has used for the longest go first. Everything here belongs to the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "link/policy_lookup.h"
#include "net/loop.h"

enum {
    STS_CACHE_MOST = 100000,
    STS_CACHE_BYTES_MOST = 128 << 20,
    STS_CACHE_REFRESH_S = 86400,     /* RFC 8461 section 5.1 */
    STS_CACHE_REFRESH_AGAIN_S = 900, /* after one that failed */
    STS_CACHE_REFRESHES = 4,         /* at once */
};

/* Borrowed. */
struct sts_keeper_settings {
    struct loop *loop;
    const char *state_dir; /* copied; must exist */
    const struct clock *clock;
    struct log *log;        /* NULL: none */
    size_t policies_most;   /* 0: STS_CACHE_MOST */
    int64_t write_after_ms; /* 0: some seconds */
    int64_t look_every_ms;  /* for what is to be refreshed; 0: a minute */
};

struct sts_keeper;

/* Reads what is kept. */
MUST_CHECK bool sts_keeper_open(const struct sts_keeper_settings *settings,
                                struct sts_keeper **keeper, struct error *err);

/* For policy_lookup_settings, as long as the keeper lives. */
const struct sts_cache *sts_keeper_cache(struct sts_keeper *keeper);

/* From now on policies are refreshed by these settings (copied; what they point to is borrowed); their `cache`,
 * `with_sts`, `with_reports` and `is_refresh` do not count. NULL: by none; what is under way is called off. */
void sts_keeper_refresh_by(struct sts_keeper *keeper, const struct policy_lookup_settings *by);

/* Policies that are kept. */
size_t sts_keeper_count(const struct sts_keeper *keeper);

/* Writes what is not written yet and refreshes nothing more; then `drained`, once, not inside this call. */
void sts_keeper_drain(struct sts_keeper *keeper, void (*drained)(void *owner), void *owner);

/* After `drained`, or where the loop has never run since it was opened. */
void sts_keeper_close(struct sts_keeper **keeper);

/* What the file of a gateway has of one domain (lower case, A-labels), without a keeper: read alone, while the gateway runs.
 * *found false: nothing, or there is no such file. Waits for the disk. */
MUST_CHECK bool sts_keeper_look(const char *state_dir, const char *domain, struct arena *arena,
                                struct sts_cached *cached, bool *found, struct error *err);
