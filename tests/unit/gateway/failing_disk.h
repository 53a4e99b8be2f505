/* tests/unit/gateway/failing_disk.h - stands between the code and the disk: write, fsync, close,
 * mkdirat, renameat and unlinkat of what is linked in fail when told to, or end the process.
 */
#pragma once

#include <stdbool.h>

enum failing_disk_kind {
    FAILING_DISK_SOUND,      /* nothing is noted either, so that threads may share it */
    FAILING_DISK_TELLS,      /* sound, and keeps the log */
    FAILING_DISK_FAILS,      /* the call does nothing, and says `number` */
    FAILING_DISK_DIES,       /* the process ends before the call, as by kill -9 */
    FAILING_DISK_INTERRUPTS, /* every first write is interrupted, the next takes one byte less */
};

struct failing_disk {
    enum failing_disk_kind kind;
    unsigned at; /* which call, from 1 on; removing is not counted where calls fail */
    int number;  /* errno */
    unsigned calls;
    char log
        [2048]; /* "mkdir NAME", "sync NAME", "rename FOLDER" ... one a line; names of folders and
                     * "file" */
};

enum { FAILING_DISK_DEATH = 42 }; /* the status of a process that died so */

extern struct failing_disk failing_disk;

/* Forgets all and goes on as told. */
void failing_disk_set(enum failing_disk_kind kind, unsigned at, int number);
