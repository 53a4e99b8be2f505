/* tests/unit/gateway/failing_disk.c - the calls that the linker sends here in place of the C library. */
#include "failing_disk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct failing_disk failing_disk;

/* The linker turns calls of write into __wrap_write, and __real_write into write. */
ssize_t real_write(int file, const void *bytes, size_t len) __asm__("__real_write");
int real_fsync(int file) __asm__("__real_fsync");
int real_close(int file) __asm__("__real_close");
int real_mkdirat(int folder, const char *name, mode_t mode) __asm__("__real_mkdirat");
int real_renameat(int from, const char *name, int to,
                  const char *new_name) __asm__("__real_renameat");
int real_unlinkat(int folder, const char *name, int flags) __asm__("__real_unlinkat");
ssize_t failing_write(int file, const void *bytes, size_t len) __asm__("__wrap_write");
int failing_fsync(int file) __asm__("__wrap_fsync");
int failing_close(int file) __asm__("__wrap_close");
int failing_mkdirat(int folder, const char *name, mode_t mode) __asm__("__wrap_mkdirat");
int failing_renameat(int from, const char *name, int to,
                     const char *new_name) __asm__("__wrap_renameat");
int failing_unlinkat(int folder, const char *name, int flags) __asm__("__wrap_unlinkat");

void failing_disk_set(enum failing_disk_kind kind, unsigned at, int number)
{
    failing_disk = (struct failing_disk){ .kind = kind, .at = at, .number = number };
}

/* The name of a folder, "file" for a file: its own name differs in each run. */
static void name_of(int descriptor, char name[NAME_MAX + 1])
{
    char link[64], path[PATH_MAX];
    struct stat status;
    ssize_t len;

    snprintf(name, NAME_MAX + 1, "file");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    len = readlink(link, path, sizeof path - 1);
    if (fstat(descriptor, &status) != 0 || !S_ISDIR(status.st_mode) || len < 0)
        return;
    path[len] = '\0';
    snprintf(name, NAME_MAX + 1, "%.*s", NAME_MAX, strrchr(path, '/') + 1);
}

static void note(const char *call, const char *name)
{
    size_t len = strlen(failing_disk.log);

    if (failing_disk.kind == FAILING_DISK_TELLS)
        snprintf(failing_disk.log + len, sizeof failing_disk.log - len, "%s %.*s\n", call, NAME_MAX,
                 name);
}

/* Whether this call is the one to fail. */
static bool fails(void)
{
    if (failing_disk.kind == FAILING_DISK_SOUND) /* several threads may be here then */
        return false;
    failing_disk.calls++;
    if (failing_disk.calls != failing_disk.at)
        return false;
    if (failing_disk.kind == FAILING_DISK_DIES)
        _exit(FAILING_DISK_DEATH);
    errno = failing_disk.number;
    return failing_disk.kind == FAILING_DISK_FAILS;
}

ssize_t failing_write(int file, const void *bytes, size_t len)
{
    if (fails())
        return -1;
    if (failing_disk.kind == FAILING_DISK_INTERRUPTS && failing_disk.calls % 2 == 1) {
        errno = EINTR;
        return -1;
    }
    if (failing_disk.kind == FAILING_DISK_INTERRUPTS && len > 1)
        len--;
    note("write", "file");
    return real_write(file, bytes, len);
}

int failing_fsync(int file)
{
    char name[NAME_MAX + 1];

    if (fails())
        return -1;
    name_of(file, name);
    note("sync", name);
    return real_fsync(file);
}

int failing_close(int file)
{
    char name[NAME_MAX + 1];
    bool has_failed;

    name_of(file, name);
    if (strcmp(name, "file") != 0) /* that a folder is closed tells nothing */
        return real_close(file);
    has_failed = fails();
    note("close", name);
    if (!has_failed)
        return real_close(file);
    real_close(file);
    errno = failing_disk.number;
    return -1;
}

int failing_mkdirat(int folder, const char *name, mode_t mode)
{
    if (fails())
        return -1;
    note("mkdir", name);
    return real_mkdirat(folder, name, mode);
}

int failing_renameat(int from, const char *name, int to, const char *new_name)
{
    char folder[NAME_MAX + 1];

    if (fails())
        return -1;
    name_of(to, folder);
    note("rename into", folder);
    return real_renameat(from, name, to, new_name);
}

int failing_unlinkat(int folder, const char *name, int flags)
{
    if (failing_disk.kind == FAILING_DISK_DIES)
        fails();
    return real_unlinkat(folder, name, flags);
}
