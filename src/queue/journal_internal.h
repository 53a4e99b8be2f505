/* queue/journal_internal.h - what the files of the journal share: its state, and the files that it knows. */
#pragma once

#include "queue/journal.h"
#include "queue/journal_group.h"

enum { JOURNAL_OPEN_FILES = 16, JOURNAL_NAME_BYTES = 24 };

struct journal_file {
    int64_t number, size, held;
    int64_t given_back; /* so much of it was not held when holes were made last */
    int64_t first_holder, last_holder;
};

struct journal {
    char path[4096];
    int folder;               /* descriptors; -1: none */
    int file;                 /* that of `end` */
    bool is_named;            /* the folder has its name for certain */
    bool is_too_long;         /* behind `end` is what is to be cut off */
    bool was_cut;             /* and no sync since: after a crash it may be there again */
    bool is_full;             /* there was no room for the last group */
    int64_t room;             /* so long is the file, with what is not of the journal yet */
    bool makes_no_holes;      /* the file system cannot */
    struct journal_point end; /* behind what is durable */
    struct journal_group held;
    uint64_t secret;
    bool has_spare;             /* a dead file, to be written anew */
    struct journal_file *files; /* in order of their numbers */
    size_t file_count, file_room;
    struct {
        int64_t number;
        int descriptor;
    } open[JOURNAL_OPEN_FILES];
};

/* ---- journal_files.c ---- */

/* Fills *err from errno, with the file's name; false. */
bool journal_fail(const struct journal *journal, int64_t number, const char *doing,
                  struct error *err);
void journal_name_file(int64_t number, char name[JOURNAL_NAME_BYTES]);
/* Makes the folder and looks what is in it. */
MUST_CHECK bool journal_open_folder(struct journal *journal, struct error *err);
MUST_CHECK bool journal_find_files(struct journal *journal, struct error *err);
/* The index of the first one that has no lesser number. */
size_t journal_find_file(const struct journal *journal, int64_t number);
/* Knows it from now on. NULL: no memory. */
struct journal_file *journal_need_file(struct journal *journal, int64_t number);
/* A descriptor that stays the journal's. -1: errno tells. */
int journal_open_to_read(struct journal *journal, int64_t number);
void journal_close_descriptor(int *descriptor);
/* Gives that number to the spare file, which is open to write then. -1: there is none, or errno tells. */
int journal_take_spare(struct journal *journal, int64_t number);
/* What a group that failed has left must not be taken for one that was kept. */
bool journal_cut_off(struct journal *journal);
/* The next group begins another file, if for certain nothing of one that failed is in this one: it would be found
 * there first. */
void journal_end_file(struct journal *journal);
/* For the groups that follow the one that is held, which was written, if they are small, too: a file that
 * grows is news for the file system, and a sync then waits for the disk once more. None is no failure. */
void journal_make_room(struct journal *journal);
