#include "queue/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* 0 where it cannot be read. */
static long holder_of(int descriptor)
{
    char text[24] = "";
    ssize_t len = pread(descriptor, text, sizeof text - 1, 0);

    return len > 0 ? strtol(text, NULL, 10) : 0;
}

static bool say_who_holds(const char *path, int descriptor, struct error *err)
{
    long holder = holder_of(descriptor);

    if (holder > 0)
        return error_set(err, ERROR_SYSTEM, "%s is locked: process %ld works on this queue already",
                         path, holder);
    return error_set(err, ERROR_SYSTEM, "%s is locked: another process works on this queue already",
                     path);
}

static bool write_our_id(const char *path, int descriptor, struct error *err)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    /* On a full disk the lock still holds; only its words would be missing. */
    if (ftruncate(descriptor, 0) != 0)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    if (pwrite(descriptor, text, (size_t)len, 0) != len && errno != ENOSPC && errno != EDQUOT)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    return true;
}

bool queue_lock_open(const char *path, int *descriptor, struct error *err)
{
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    *descriptor = -1;
    if (opened < 0)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", path, strerror(errno));
    if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            say_who_holds(path, opened, err);
        else
            error_set(err, ERROR_SYSTEM, "locking %s: %s", path, strerror(errno));
        close(opened);
        return false;
    }
    if (!write_our_id(path, opened, err)) {
        close(opened);
        return false;
    }
    *descriptor = opened;
    return true;
}

bool queue_lock_is_held(const char *path)
{
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_held = opened >= 0 && flock(opened, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (opened >= 0)
        close(opened);
    return is_held;
}

void queue_lock_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}
