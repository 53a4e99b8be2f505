/* tests/integration/queue/fail_fsync.c - a disk that fails: with it preloaded fsync answers EIO while a file is there. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

/* What is told to fail does nothing: what was written stays where it is. */
static int fails(void)
{
    const char *marker = getenv("POSTERN_FSYNC_FAILS_WHILE");

    return marker != NULL && access(marker, F_OK) == 0;
}

SHOWN int fsync(int descriptor)
{
    if (!fails())
        return (int)syscall(SYS_fsync, descriptor);
    errno = EIO;
    return -1;
}

SHOWN int fdatasync(int descriptor)
{
    if (!fails())
        return (int)syscall(SYS_fdatasync, descriptor);
    errno = EIO;
    return -1;
}
