/* gateway/host_memory.h - what each host showed at its last success, and what is new since.
 *
 * Kept over restarts in STATE_DIR/hosts.db, written on a pool thread some seconds after a change: the loop
 * never waits for a disk, and a crash forgets the last seconds. A file that cannot be read is put aside, and one
 * that cannot be written is told of in the log ("host-memory-unwritten"); the memory then lives as long as the
 * process. HOST_MEMORY_MOST hosts are known, with HOST_MEMORY_ADDRESSES_MOST addresses each; those whose last
 * success is the longest ago go first.
 *
 * Everything here belongs to the loop's thread.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "net/loop.h"

enum {
    HOST_MEMORY_MOST = 100000,
    HOST_MEMORY_ADDRESSES_MOST = 8,
    HOST_MEMORY_ALIKE = 3, /* destinations with the same new issuer: it is something of ours */
    HOST_MEMORY_ALIKE_S = 86400,
};

/* Borrowed. */
struct host_memory_settings {
    struct loop *loop;
    const char *state_dir; /* copied; must exist */
    const struct clock *clock;
    struct log *log;        /* NULL: none */
    size_t hosts_most;      /* 0: HOST_MEMORY_MOST */
    int64_t write_after_ms; /* 0: some seconds */
};

/* The line of the words that begins so says that it is us. */
#define HOST_MEMORY_OURS "so at "

struct host_memory;

/* Reads what is kept. */
MUST_CHECK bool host_memory_open(const struct host_memory_settings *settings,
                                 struct host_memory **memory, struct error *err);

/* Compares a session with the last success at its host: at the same address, or where that is new at the address
 * that was last one. Words for the story, each line with its LF: "since 2026-11-22 02:10 UTC the issuer is FGT60F
 * (Fortinet); before, R11 (Let's Encrypt)"; NULL where all is as it was, or the host is new. They live in the arena.
 * A session that delivered is remembered, and is what the next one is compared with. */
const char *host_memory_take(struct host_memory *memory, const char *destination,
                             const struct observation *seen, const struct findings *findings,
                             bool was_success, struct arena *arena);

/* The SHA-256 in hex of the key that the host showed at its last success, as far as it is of the same address or of
 * any, and when that was. NULL: not known. Lives in the arena. */
const char *host_memory_key(const struct host_memory *memory, const struct observation *seen,
                            int64_t *at_s, struct arena *arena);

/* Writes what is not written yet; then `drained`, once, not inside this call. Nothing is taken after it. */
void host_memory_drain(struct host_memory *memory, void (*drained)(void *owner), void *owner);

/* After `drained`, or where the loop has never run since it was opened. */
void host_memory_close(struct host_memory **memory);
