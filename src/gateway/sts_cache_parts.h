/* gateway/sts_cache_parts.h - what the files of the cache of policies share; nobody else includes it. */
#pragma once

#include "gateway/name_table.h"
#include "gateway/sts_cache.h"
#include "queue/database.h"

/* A domain: a policy, a fetch that failed, or both. */
struct sts_entry {
    struct name_node node;
    char *policy; /* the id and, behind its NUL, the file; NULL: none */
    char *failed; /* the texts of a fetch that failed, each with its NUL; NULL: none */
    int64_t fetched_at_s, ends_at_s;
    int64_t failed_at_s, tried_at_s; /* tried: to refresh it */
    uint32_t bytes;                  /* of all of it */
    uint8_t failed_outcome;
    uint16_t failed_status;
    bool was_used, is_refreshing; /* since it was fetched */
    char domain[];
};

/* One row to be written. */
struct sts_row {
    struct sts_row *next;
    const char *domain, *id, *policy; /* id NULL: the domain is gone */
    int64_t fetched_at_s, ends_at_s;
};

struct sts_batch {
    struct sts_keeper *keeper;
    struct arena arena;
    struct sts_row *first, **end;
    bool is_anew, is_written;
    struct error err;
};

/* One refreshing look-up. */
struct sts_refresh {
    struct sts_keeper *keeper;
    struct policy_lookup *lookup; /* NULL: none */
    struct arena arena;
    struct sts_entry *entry;
};

struct sts_keeper {
    struct sts_keeper_settings settings;
    struct sts_cache cache, refreshing; /* the second one for look-ups of our own */
    struct name_table table;
    size_t policy_count, bytes;

    struct database database; /* of the pool's thread while `writing` is there */
    bool has_file, has_complained, is_waiting, is_drained;
    struct sts_batch *waiting, *writing; /* NULL: none */
    bool is_anew;                        /* the file is to be written as a whole */
    struct loop_timer *write_timer, *tell, *look_timer;
    void (*drained)(void *owner);
    void *owner;

    bool can_refresh;
    struct policy_lookup_settings by;
    struct sts_refresh refreshes[STS_CACHE_REFRESHES];
};

int64_t sts_keeper_now_s(const struct sts_keeper *keeper);
/* In the log, once until it is well again. */
void sts_keeper_complain(struct sts_keeper *keeper, const char *reason);

/* ---- sts_cache_file.c ---- */

/* Opens the file, made or begun anew where it cannot be read (*was_put_aside), and calls `found` with each row.
 * False: there is no file to be had; ERROR_FULL: yet, and a write tries it again. */
MUST_CHECK bool sts_file_open(struct database *database, const char *state_dir,
                              void (*found)(void *owner, const struct sts_row *row), void *owner,
                              bool *was_put_aside, struct error *err);
/* In one transaction, on any one thread; `is_anew`: nothing of what the file has counts. */
MUST_CHECK bool sts_file_write(struct database *database, const struct sts_row *rows, bool is_anew,
                               struct error *err);

/* ---- sts_cache_write.c ---- */

/* The entry is to be written as it is now, in time; without a policy it is to be gone. */
void sts_keeper_list(struct sts_keeper *keeper, const struct sts_entry *entry);
/* All of it is to be written in time. */
void sts_keeper_write_anew(struct sts_keeper *keeper);
/* Begins to write what is listed, unless that is under way. */
void sts_keeper_write(struct sts_keeper *keeper);
/* Where a drain waits and nothing is under way, it is told. */
void sts_keeper_go_on(struct sts_keeper *keeper);
void sts_batch_free(struct sts_batch **batch);

/* ---- sts_cache_refresh.c ---- */

/* Begins to refresh what is due, and lets go of what has ended. */
void sts_keeper_look_around(struct sts_keeper *keeper);
void sts_keeper_stop_refreshing(struct sts_keeper *keeper);

/* ---- sts_cache.c ---- */

/* Takes it out and frees it; the file forgets it where it has a policy. */
void sts_keeper_drop(struct sts_keeper *keeper, struct sts_entry *entry);
