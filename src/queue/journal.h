/* queue/journal.h - what the queue has promised, in the order in which it did: files that only grow.
 *
 * Records are held in memory until a sync writes them as one group and waits once for the disk. A
 * group has a number and a checksum: after a crash it is there whole or not at all. The bodies of
 * messages are records too, and stay where they were written as long as somebody holds their place;
 * a file is dead when no place in it is held and the index of the queue needs none of its records any
 * more. A dead one is kept to be written anew, which costs the file system less than a file that
 * grows; the others are deleted. So behind the last group of a file old ones may follow, that nothing
 * but their numbers and a secret tells from new ones, and from what a message says that it is one.
 * Numbers are in the byte order of the machine. Used by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "queue/store.h"

enum {
    JOURNAL_FILE_BYTES = 64 * 1024 * 1024,  /* a file that has so many takes no further group */
    JOURNAL_GROUP_BYTES = 64 * 1024 * 1024, /* the most of one group */
};

struct journal;

/* Where some bytes are, for ever. */
struct journal_place {
    uint32_t file, offset, len;
};

/* Between two groups. */
struct journal_point {
    int64_t file, offset;
    int64_t group; /* the number of the one that follows */
};

/* Makes the folder where it is missing and looks which files are there. */
MUST_CHECK bool journal_open(const char *folder, struct journal **journal, struct error *err);
/* Of the queue, for its life; before all that follows. No message can know it. */
void journal_set_secret(struct journal *journal, uint64_t secret);
/* What is held and not synced is gone. */
void journal_close(struct journal **journal);

typedef bool journal_reader(void *owner, uint32_t kind, struct span bytes, struct error *err);

/* Gives every record behind *point to `read`, those that are held too, until one is false, and sets
 * *point to the end. False: it was, or a file cannot be read, or a group is missing. */
MUST_CHECK bool journal_replay(struct journal *journal, struct journal_point *point,
                               journal_reader *read, void *owner, struct error *err);
/* From now on groups are written, behind `point`, into a new file. Call it once, before the rest. */
void journal_start(struct journal *journal, struct journal_point point);

/* Two dead files were kept once, by other names, which nobody takes any more. They go, if they are this queue's. */
void journal_drop_old_spares(struct journal *journal);

/* Holds a record of that kind, of two parts; *place: where the second is. False: no memory. */
MUST_CHECK bool journal_append(struct journal *journal, uint32_t kind, struct span head,
                               struct span bytes, struct journal_place *place);
/* The same of one part, but the bytes stay the caller's, as they are, until a sync that answers
 * QUEUE_OK, or until they are cut off. */
MUST_CHECK bool journal_lend(struct journal *journal, uint32_t kind, struct span bytes,
                             struct journal_place *place);
/* How much is held, and dropping all that came after that. */
size_t journal_mark(const struct journal *journal);
void journal_cut(struct journal *journal, size_t mark);
/* Was it held after that mark, and not made durable since? */
bool journal_is_behind(const struct journal *journal, struct journal_place place, size_t mark);
/* Makes all that is held durable. On any other answer than QUEUE_OK it is held as before, and no
 * trace of it is in the file. */
MUST_CHECK enum queue_status journal_sync(struct journal *journal, struct error *err);
/* Behind all that is durable. */
struct journal_point journal_end(const struct journal *journal);

/* Bytes that are held, or durable in a file that is there. */
MUST_CHECK bool journal_read(struct journal *journal, struct journal_place place, char *bytes,
                             struct error *err);

/* Each place that somebody needs is held once, and released once. */
MUST_CHECK bool journal_hold(struct journal *journal, struct journal_place place, int64_t holder);
void journal_release(struct journal *journal, struct journal_place place);
void journal_release_all(struct journal *journal);
/* Deletes the file that is kept to be written anew: its room is wanted for other things. False: there is none. */
MUST_CHECK bool journal_give_up_spare(struct journal *journal);
/* Keeps or deletes the files that nobody needs, where the index has all up to `point`; where it has all
 * that there is, the newest may be one of them, or end so that its room can be given back. */
void journal_drop_dead(struct journal *journal, struct journal_point point);

/* A file of which much is needed by nobody, and who has held places in it. */
struct journal_waste {
    int64_t file;
    int64_t first_holder, last_holder;
};

/* False: there is none, where the index has all up to `point`, or its room cannot be given back. */
bool journal_find_waste(const struct journal *journal, struct journal_point point,
                        struct journal_waste *waste);
/* Makes holes in that file but for these places, which are all that are held in it; sorts them. */
void journal_give_back(struct journal *journal, int64_t number, struct journal_place *places,
                       size_t count);
