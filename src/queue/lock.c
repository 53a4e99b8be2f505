#include "queue/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { LOOKED_EVERY_MS = 20 };

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
        return error_set(err, ERROR_BUSY, "%s is locked: process %ld works on this queue already",
                         path, holder);
    return error_set(err, ERROR_BUSY, "%s is locked: another process works on this queue already",
                     path);
}

static bool write_our_id(const char *path, int descriptor, struct error *err)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    ssize_t written;

    /* On a full disk the lock still holds; only its words would be missing. */
    if (ftruncate(descriptor, 0) != 0)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    written = pwrite(descriptor, text, (size_t)len, 0);
    if (written < 0 && error_kind_of(errno) != ERROR_FULL)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    if (written != len) /* a part of a number is another process */
        (void)!ftruncate(descriptor, 0);
    return true;
}

/* As flock; errno tells. */
static bool lock(int descriptor, int64_t patience_ms)
{
    const struct timespec pause = { .tv_nsec = LOOKED_EVERY_MS * 1000000L };

    for (int64_t waited_ms = 0;; waited_ms += LOOKED_EVERY_MS) {
        if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || waited_ms >= patience_ms)
            return false;
        nanosleep(&pause, NULL);
    }
}

bool queue_lock_open(const char *path, int64_t patience_ms, int *descriptor, struct error *err)
{
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    *descriptor = -1;
    if (opened < 0)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", path, strerror(errno));
    if (!lock(opened, patience_ms)) {
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
