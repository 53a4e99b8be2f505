/* gateway/file_watch.h - has any of a few files changed, and has whoever writes them come to an end?
 *
 * A file is told from what it was by its inode, size and time of modification. Names may change from look
 * to look; NULL is a file that is never there.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { GATEWAY_FILE_WATCH_MOST = 129 };

enum gateway_file_state {
    GATEWAY_FILES_SAME,
    GATEWAY_FILES_CHANGING, /* the last two looks have not seen the same */
    GATEWAY_FILES_CHANGED,  /* and they have; told once for each change */
};

/* All 0: it is not there. */
struct gateway_file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct gateway_file_watch {
    /* As they were last taken up, and at the last look. */
    struct gateway_file_stamp taken[GATEWAY_FILE_WATCH_MOST], seen[GATEWAY_FILE_WATCH_MOST];
};

/* Before the files are read: what changes while they are is seen at the next looks. */
void gateway_file_watch_take(struct gateway_file_watch *watch, const char *const *paths,
                             size_t count);

enum gateway_file_state gateway_file_watch_look(struct gateway_file_watch *watch,
                                                const char *const *paths, size_t count);
