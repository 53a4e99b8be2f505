#include "gateway/file_watch.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static struct gateway_file_stamp stamp_of(const char *path)
{
    struct stat facts;

    if (path == NULL || stat(path, &facts) != 0)
        return (struct gateway_file_stamp){ .device = 0 };
    return (struct gateway_file_stamp){ facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim };
}

static bool is_same(const struct gateway_file_stamp *a, const struct gateway_file_stamp *b)
{
    for (size_t i = 0; i < GATEWAY_FILE_WATCH_MOST; i++)
        if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
            a[i].changed.tv_sec != b[i].changed.tv_sec ||
            a[i].changed.tv_nsec != b[i].changed.tv_nsec)
            return false;
    return true;
}

static void read_stamps(struct gateway_file_stamp *stamps, const char *const *paths, size_t count)
{
    assert(count <= GATEWAY_FILE_WATCH_MOST);
    for (size_t i = 0; i < GATEWAY_FILE_WATCH_MOST; i++)
        stamps[i] = stamp_of(i < count ? paths[i] : NULL);
}

void gateway_file_watch_take(struct gateway_file_watch *watch, const char *const *paths,
                             size_t count)
{
    read_stamps(watch->seen, paths, count);
    memcpy(watch->taken, watch->seen, sizeof watch->taken);
}

enum gateway_file_state gateway_file_watch_look(struct gateway_file_watch *watch,
                                                const char *const *paths, size_t count)
{
    struct gateway_file_stamp before[GATEWAY_FILE_WATCH_MOST];

    memcpy(before, watch->seen, sizeof before);
    read_stamps(watch->seen, paths, count);
    if (!is_same(watch->seen, before))
        return GATEWAY_FILES_CHANGING;
    if (is_same(watch->seen, watch->taken))
        return GATEWAY_FILES_SAME;
    memcpy(watch->taken, watch->seen, sizeof watch->taken);
    return GATEWAY_FILES_CHANGED;
}
