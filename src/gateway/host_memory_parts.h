/* gateway/host_memory_parts.h - what the files of the memory of hosts share; nobody else includes it.
 *
 * A record is a host at a port; a face is what one of its addresses showed at its last success. Records stand
 * in a table, and in a line by the time of their last success.
 */
#pragma once

#include "gateway/host_look.h"
#include "gateway/host_memory.h"
#include "gateway/name_table.h"
#include "queue/database.h"

/* What is otherwise since the last success, for all of a face's aspects. */
struct host_news {
    uint64_t hash[HOST_ASPECTS];   /* of what is shown now */
    int64_t since_s[HOST_ASPECTS]; /* 0: nothing is new */
};

struct host_face {
    struct host_face *next;
    const char *address, *destination; /* in `texts`, as all that the look shows */
    char *texts;
    int64_t at_s, written_at_s;
    struct host_look look;
    struct host_news news;
    bool is_unwritten;
};

struct host_record {
    struct name_node node;              /* in a line by the last success */
    struct host_record *next_unwritten; /* means something where is_listed */
    bool is_listed;
    struct host_face *faces; /* the last success first */
    char name[];             /* "mx.example.org:25" */
};

/* ---- host_memory_face.c ---- */

/* NULL: no such address. */
struct host_face *host_record_face(const struct host_record *record, const char *address);
/* The face of that address showed `look` at a success now, and is the first from here on; what the look leaves
 * out stays as it was. Drops the last of too many: *dropped, the caller's to free, or NULL. NULL: no memory. */
struct host_face *host_record_remember(struct host_record *record, const char *address,
                                       const char *destination, const struct host_look *look,
                                       int64_t at_s, struct host_face **dropped);
void host_face_free(struct host_face **face);
/* Takes it out and frees it with its faces. */
void host_record_drop(struct name_table *table, struct host_record *record);

/* ---- host_memory_file.c ---- */

/* One row: a face. Everything lives in the batch's arena. */
struct host_row {
    struct host_row *next;
    const char *name, *address, *destination; /* address NULL: all of that name are gone */
    int64_t at_s;
    struct host_look look;
    struct host_news news;
    bool is_gone;
};

/* Opens the file, made or begun anew where it cannot be read (*was_put_aside), and calls `found` with each row,
 * the oldest first. False: there is no file to be had; ERROR_FULL: yet, and a write tries it again. */
MUST_CHECK bool host_file_open(struct database *database, const char *state_dir,
                               void (*found)(void *owner, const struct host_row *row), void *owner,
                               bool *was_put_aside, struct error *err);

/* In one transaction, on any one thread; `is_anew`: nothing of what the file has counts. */
MUST_CHECK bool host_file_write(struct database *database, const struct host_row *rows,
                                bool is_anew, struct error *err);

/* ---- host_memory_suspects.c ---- */

enum { HOST_SUSPECTS_MOST = 64, HOST_PLACES_MOST = 8 };

/* What sessions show that something between us and all hosts could put in. */
enum host_streak { HOST_STREAK_ISSUER, HOST_STREAK_VERDICT, HOST_STREAKS };

/* Owner of the host and destination, as hashes. */
struct host_place {
    uint64_t owner, destination;
    int64_t at_s;
};

/* What came in place of something else, and where. */
struct host_suspect {
    uint64_t what;
    struct host_place places[HOST_PLACES_MOST]; /* no two with the same owner or destination */
    size_t count;
    int64_t last_s;
};

struct host_suspects {
    struct host_suspect items[HOST_SUSPECTS_MOST];
    size_t count;
    struct {
        uint64_t what; /* that all sessions have shown since then */
        int64_t since_s;
    } streaks[HOST_STREAKS];
};

/* A session showed this. */
void host_suspects_see(struct host_suspects *suspects, enum host_streak streak, uint64_t what,
                       int64_t now_s);
/* It came in place of something else there. Gives at how many unrelated places it did within a day;
 * *is_everywhere: and no session has shown anything else since the first of them. */
size_t host_suspects_add(struct host_suspects *suspects, enum host_streak streak, uint64_t what,
                         const struct host_place *place, bool *is_everywhere);

/* ---- host_memory_write.c ---- */

struct host_batch {
    struct host_memory *memory;
    struct arena arena;
    struct host_row *first, **end;
    bool is_anew, is_written;
    struct error err;
};

struct host_memory {
    struct host_memory_settings settings;
    struct name_table table;
    struct database database; /* of the pool's thread while `batch` is being written */
    bool has_file;
    struct host_batch *gone;  /* what to delete with the next write; NULL: nothing */
    struct host_batch *batch; /* under way; NULL */
    struct host_record *unwritten;
    bool is_anew; /* the file is to be written as a whole */
    bool has_complained, is_waiting, is_drained;
    struct loop_timer *timer, *tell;
    struct host_suspects suspects;
    void (*drained)(void *owner);
    void *owner;
};

int64_t host_memory_now_s(const struct host_memory *memory);
/* In the log, once until it is well again. */
void host_memory_complain(struct host_memory *memory, const char *event, const char *reason);
/* The face is to be written, in time. */
void host_memory_list(struct host_memory *memory, struct host_record *record,
                      struct host_face *face);
/* The record goes before it was written. */
void host_memory_unlist(struct host_memory *memory, const struct host_record *record);
/* The file is to forget it; `address` NULL: all of that name. */
void host_memory_forget(struct host_memory *memory, const char *name, const char *address);
/* All of it is to be written in time. */
void host_memory_write_anew(struct host_memory *memory);
/* Begins to write what is not written, unless that is under way. */
void host_memory_write(struct host_memory *memory);
/* Where a drain waits and nothing is under way, it is told. */
void host_memory_go_on(struct host_memory *memory);
void host_memory_free_batch(struct host_batch **batch);
