/* queue/state_file.h - a database in the state directory that remembers: made where there is none, begun anew where it is damaged.
 *
 * For what may be lost without losing mail. Blocks: for a thread that may wait, and for commands that look at what a
 * gateway writes.
 */
#pragma once

#include "queue/database.h"

/* What such a file is; everything is borrowed for as long as the database is open. */
struct state_file {
    const char *name;   /* in the state directory: "hosts.db" */
    int schema;         /* its user_version, more than 0: a file is at 0 while it is being made */
    int busy_ms;        /* how long to wait for others */
    const char *tuning; /* pragmas for who writes, beside the log that others can read meanwhile */
    const char *
        making; /* drops the tables of another schema and makes those of this one; in a transaction */
    const char *const *statements; /* prepared for who writes; at most DATABASE_STATEMENTS */
    size_t statement_count;
    /* Reads what is there before it is written to; NULL: nothing is read. False, with an error: it cannot be. */
    bool (*read)(struct database *database, void *owner, struct error *err);
};

/* Opens it to read and write. One whose content cannot be used is renamed to NAME.damaged and begun anew, and then
 * *was_put_aside; was_put_aside NULL: somebody else may have it open, so that it is a failure. A file that is busy, has no
 * room (ERROR_FULL: *database can be opened again), or may not be opened stays what it is, and is a failure. `owner` is for `read`. */
MUST_CHECK bool state_file_open(const struct state_file *file, const char *state_dir, void *owner,
                                struct database *database, bool *was_put_aside, struct error *err);

/* Before each write of who keeps one open over a full disk. Where there was no room to share it, or to open it at all, it
 * is opened anew. What it has is not read again: it was, or there was nothing. False: it is not open, and may be later. */
MUST_CHECK bool state_file_open_again(const struct state_file *file, struct database *database,
                                      struct error *err);

/* Opens it to read what others write; nothing is made or prepared. *is_absent: there is none, or it is just being made,
 * and `database` is not open. */
MUST_CHECK bool state_file_look(const struct state_file *file, const char *state_dir,
                                struct database *database, bool *is_absent, struct error *err);

/* STATE_DIR/NAME. */
MUST_CHECK bool state_file_path(const struct state_file *file, const char *state_dir, char *path,
                                size_t size, struct error *err);
