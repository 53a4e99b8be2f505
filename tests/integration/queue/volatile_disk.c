/* tests/integration/queue/volatile_disk.c - a disk that keeps for certain only what was synced, so that its power may be cut.
 *
 * Preloaded. Of every change below the folder in POSTERN_DISK it writes to the file in POSTERN_DISK_JOURNAL
 * how things were before, and when which file or folder was synced. volatile_disk.py takes back what
 * was not synced when the process was killed. Files that are unlinked are kept in POSTERN_DISK_TRASH.
 *
 * Numbers in the journal are 64 bits, little-endian: the bytes in use, then records of kind, inode,
 * offset, length, size before, length of what follows, and that: the octets that were overwritten, or
 * names that end in NUL. A record is there before its change is made; a sync, after it was.
 */
#undef _FILE_OFFSET_BITS /* else open and open64 are one name */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

enum { DESCRIPTORS = 4096 };
enum { NOTHING, WRITE, TRUNCATE, CREATE, RENAME, UNLINK, SYNC }; /* of what kind a record is */

#define JOURNAL_BYTES ((size_t)1 << 30) /* sparse */

struct record {
    uint64_t kind, inode, offset, len, size, more;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_tracked[DESCRIPTORS];
static const char *disk, *trash;
static char *journal; /* begins with the bytes in use */
static unsigned trash_count;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("POSTERN_DISK_JOURNAL");
    int file;

    disk = getenv("POSTERN_DISK");
    trash = getenv("POSTERN_DISK_TRASH");
    if (path == NULL || disk == NULL || trash == NULL)
        return;
    file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || syscall(SYS_ftruncate, file, JOURNAL_BYTES) != 0)
        abort();
    journal = mmap(NULL, JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (journal == MAP_FAILED)
        abort();
    syscall(SYS_close, file);
    if (*(uint64_t *)(void *)journal == 0)
        *(uint64_t *)(void *)journal = sizeof(uint64_t);
}

static uint64_t used(void)
{
    return __atomic_load_n((uint64_t *)(void *)journal, __ATOMIC_SEQ_CST);
}

/* Room for what follows a record, which is there only once it is taken. Holds the lock in between. */
static char *give(struct record record)
{
    uint64_t at;

    pthread_mutex_lock(&lock);
    at = used();
    if (at + sizeof record + record.more > JOURNAL_BYTES)
        abort();
    memcpy(journal + at, &record, sizeof record);
    return journal + at + sizeof record;
}

static void take(struct record record)
{
    uint64_t end = (used() + sizeof record + record.more + 7) & ~UINT64_C(7);

    __atomic_store_n((uint64_t *)(void *)journal, end, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

/* ---- what is below the folder ------------------------------------------------------------- */

/* The absolute path of `name` in `folder`; false: not below ours. */
static bool find_path(int folder, const char *name, char path[PATH_MAX])
{
    char link[64], base[PATH_MAX] = "";
    ssize_t len = 0;

    if (journal == NULL)
        return false;
    if (name[0] != '/' && folder == AT_FDCWD) {
        if (getcwd(base, sizeof base) == NULL)
            return false;
    } else if (name[0] != '/') {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        len = readlink(link, base, sizeof base - 1);
        if (len < 0)
            return false;
        base[len] = '\0';
    }
    if (snprintf(path, PATH_MAX, "%s%s%s", base, name[0] == '/' ? "" : "/", name) >= PATH_MAX)
        return false;
    return strncmp(path, disk, strlen(disk)) == 0 && path[strlen(disk)] == '/';
}

static uint64_t inode_of_folder(const char *path)
{
    char folder[PATH_MAX];
    struct stat facts;

    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    return stat(folder, &facts) == 0 ? facts.st_ino : 0;
}

/* Gives the record, for a change that is then not made after all. */
static struct record *tell_names(unsigned kind, const char *path, const char *other)
{
    size_t len = strlen(path) + 1, other_len = strlen(other) + 1;
    struct record record = { .kind = kind,
                             .inode = inode_of_folder(path),
                             .more = len + other_len };
    char *more = give(record);

    memcpy(more, path, len);
    memcpy(more + len, other, other_len);
    take(record);
    return (struct record *)(void *)(more - sizeof record);
}

/* Another thread may have made the name in the meantime; it is not ours to be taken back. */
static int unless_failed(struct record *told, int result)
{
    if (result < 0 && told != NULL)
        __atomic_store_n(&told->kind, NOTHING, __ATOMIC_SEQ_CST);
    return result;
}

static bool is_ours(int descriptor, struct stat *facts)
{
    return journal != NULL && descriptor >= 0 && descriptor < DESCRIPTORS &&
           is_tracked[descriptor] && fstat(descriptor, facts) == 0;
}

/* The descriptor may be for writing alone. */
static void read_back(int descriptor, char *out, struct record record)
{
    char link[64];
    int again;

    if (record.more == 0)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (pread(again, out, record.more, (off_t)record.offset) != (ssize_t)record.more)
        abort();
    syscall(SYS_close, again);
}

/* The octets from `offset` on, `len` at most, are about to change. */
static void tell_octets(unsigned kind, int descriptor, uint64_t offset, uint64_t len)
{
    struct stat facts;
    struct record record = { .kind = kind, .offset = offset, .len = len };

    if (!is_ours(descriptor, &facts) || !S_ISREG(facts.st_mode))
        return;
    record.inode = facts.st_ino;
    record.size = (uint64_t)facts.st_size;
    if (offset < record.size)
        record.more = len < record.size - offset ? len : record.size - offset;
    read_back(descriptor, give(record), record);
    take(record);
}

/* ---- what the process calls --------------------------------------------------------------- */

static int open_and_tell(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    struct stat facts;
    bool is_below = find_path(folder, name, path);
    struct record *told = NULL;
    int made;

    if (is_below && (flags & O_CREAT) && lstat(path, &facts) != 0)
        told = tell_names(CREATE, path, "");
    made = unless_failed(told, (int)syscall(SYS_openat, folder, name, flags, mode));
    if (made >= 0 && made < DESCRIPTORS)
        is_tracked[made] = is_below;
    return made;
}

#define MODE_OF(flags)                                                                             \
    va_list arguments;                                                                             \
    mode_t mode;                                                                                   \
    va_start(arguments, flags);                                                                    \
    mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;                        \
    va_end(arguments)

SHOWN int open(const char *name, int flags, ...)
{
    MODE_OF(flags);
    return open_and_tell(AT_FDCWD, name, flags, mode);
}

SHOWN int open64(const char *name, int flags, ...)
{
    MODE_OF(flags);
    return open_and_tell(AT_FDCWD, name, flags, mode);
}

SHOWN int openat(int folder, const char *name, int flags, ...)
{
    MODE_OF(flags);
    return open_and_tell(folder, name, flags, mode);
}

SHOWN int openat64(int folder, const char *name, int flags, ...)
{
    MODE_OF(flags);
    return open_and_tell(folder, name, flags, mode);
}

/* What a program that is built with _FORTIFY_SOURCE calls where the compiler cannot see the flags; the
 * headers declare these names only if we are built so, too. */
SHOWN int open_fortified(const char *name, int flags) __asm__("__open_2");
SHOWN int open64_fortified(const char *name, int flags) __asm__("__open64_2");
SHOWN int openat_fortified(int folder, const char *name, int flags) __asm__("__openat_2");
SHOWN int openat64_fortified(int folder, const char *name, int flags) __asm__("__openat64_2");

SHOWN int open_fortified(const char *name, int flags)
{
    return open_and_tell(AT_FDCWD, name, flags, 0);
}

SHOWN int open64_fortified(const char *name, int flags)
{
    return open_and_tell(AT_FDCWD, name, flags, 0);
}

SHOWN int openat_fortified(int folder, const char *name, int flags)
{
    return open_and_tell(folder, name, flags, 0);
}

SHOWN int openat64_fortified(int folder, const char *name, int flags)
{
    return open_and_tell(folder, name, flags, 0);
}

SHOWN ssize_t write(int descriptor, const void *bytes, size_t len)
{
    struct stat facts;

    if (is_ours(descriptor, &facts)) {
        bool appends = fcntl(descriptor, F_GETFL) & O_APPEND;
        off_t at = appends ? facts.st_size : lseek(descriptor, 0, SEEK_CUR);

        tell_octets(WRITE, descriptor, (uint64_t)at, len);
    }
    return syscall(SYS_write, descriptor, bytes, len);
}

static ssize_t pwrite_and_tell(int descriptor, const void *bytes, size_t len, off_t offset)
{
    tell_octets(WRITE, descriptor, (uint64_t)offset, len);
    return syscall(SYS_pwrite64, descriptor, bytes, len, offset);
}

SHOWN ssize_t pwrite(int descriptor, const void *bytes, size_t len, off_t offset)
{
    return pwrite_and_tell(descriptor, bytes, len, offset);
}

SHOWN ssize_t pwrite64(int descriptor, const void *bytes, size_t len, off64_t offset)
{
    return pwrite_and_tell(descriptor, bytes, len, offset);
}

static int truncate_and_tell(int descriptor, off_t size)
{
    struct stat facts;

    if (is_ours(descriptor, &facts))
        tell_octets(TRUNCATE, descriptor, (uint64_t)size,
                    facts.st_size > size ? (uint64_t)(facts.st_size - size) : 0);
    return (int)syscall(SYS_ftruncate, descriptor, size);
}

SHOWN int ftruncate(int descriptor, off_t size)
{
    return truncate_and_tell(descriptor, size);
}

SHOWN int ftruncate64(int descriptor, off64_t size)
{
    return truncate_and_tell(descriptor, size);
}

/* What was written while the sync ran is not counted as synced. */
static int sync_and_tell(int number, int descriptor)
{
    struct record record = { .kind = SYNC, .offset = journal == NULL ? 0 : used() };
    struct stat facts;

    if (syscall(number, descriptor) != 0)
        return -1;
    if (is_ours(descriptor, &facts)) {
        record.inode = facts.st_ino;
        give(record);
        take(record);
    }
    return 0;
}

SHOWN int fsync(int descriptor)
{
    return sync_and_tell(SYS_fsync, descriptor);
}

SHOWN int fdatasync(int descriptor)
{
    return sync_and_tell(SYS_fdatasync, descriptor);
}

SHOWN int renameat(int folder, const char *name, int other_folder, const char *other)
{
    char path[PATH_MAX], other_path[PATH_MAX];
    struct record *told = NULL;

    if (find_path(folder, name, path) && find_path(other_folder, other, other_path))
        told = tell_names(RENAME, other_path, path); /* durable with the folder that it comes to */
    return unless_failed(told, (int)syscall(SYS_renameat, folder, name, other_folder, other));
}

SHOWN int rename(const char *name, const char *other)
{
    return renameat(AT_FDCWD, name, AT_FDCWD, other);
}

SHOWN int unlinkat(int folder, const char *name, int flags)
{
    char path[PATH_MAX], kept[PATH_MAX];
    struct record *told = NULL;

    if (flags == 0 && find_path(folder, name, path)) {
        snprintf(kept, sizeof kept, "%s/%u-%d", trash,
                 __atomic_add_fetch(&trash_count, 1, __ATOMIC_SEQ_CST), getpid());
        if (link(path, kept) == 0)
            told = tell_names(UNLINK, path, kept);
    }
    return unless_failed(told, (int)syscall(SYS_unlinkat, folder, name, flags));
}

SHOWN int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

SHOWN int mkdirat(int folder, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct stat facts;
    struct record *told = NULL;

    if (find_path(folder, name, path) && lstat(path, &facts) != 0)
        told = tell_names(CREATE, path, "");
    return unless_failed(told, (int)syscall(SYS_mkdirat, folder, name, mode));
}

SHOWN int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}
