#include "queue/tracking_days.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/span.h"
#include "base/text.h"

enum { DAY_S = 86400, DATE_LEN = 10, DAYS_MOST = 100000 };

int64_t tracking_day_of(int64_t second)
{
    return second < 0 ? 0 : second / DAY_S;
}

bool tracking_day_path(const char *folder, int64_t day, char path[TRACKING_PATH_BYTES],
                       struct error *err)
{
    time_t second = (time_t)(day * DAY_S);
    struct tm date;
    int len;

    if (gmtime_r(&second, &date) == NULL)
        return error_set(err, ERROR_USAGE, "no date for a day that far off");
    len = snprintf(path, TRACKING_PATH_BYTES, "%s/%04d-%02d-%02d.db", folder, date.tm_year + 1900,
                   date.tm_mon + 1, date.tm_mday);
    if (len > 0 && len + (int)sizeof "-wal" <= TRACKING_PATH_BYTES)
        return true;
    return error_set(err, ERROR_USAGE, "the name of the folder %.100s... is too long", folder);
}

/* False for names that are none of ours, such as the logs of SQLite beside them. */
static bool read_name(const char *name, int64_t *day)
{
    int64_t second;

    if (strlen(name) != DATE_LEN + strlen(".db") || strcmp(name + DATE_LEN, ".db") != 0 ||
        name[4] != '-' || name[7] != '-')
        return false;
    if (!text_to_time((struct span){ name, DATE_LEN }, &second))
        return false;
    *day = tracking_day_of(second);
    return true;
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

static size_t count_names(DIR *open_folder)
{
    const struct dirent *entry;
    size_t count = 0;
    int64_t day;

    while ((entry = readdir(open_folder)) != NULL)
        count += read_name(entry->d_name, &day);
    rewinddir(open_folder);
    return count;
}

bool tracking_days_list(const char *folder, struct arena *arena, int64_t **days, size_t *count,
                        struct error *err)
{
    DIR *open_folder = folder_open(AT_FDCWD, folder);
    const struct dirent *entry;
    size_t most;

    *days = NULL;
    *count = 0;
    if (open_folder == NULL && errno == ENOENT)
        return true;
    if (open_folder == NULL)
        return error_set(err, ERROR_SYSTEM, "reading the folder %s: %s", folder, strerror(errno));
    most = count_names(open_folder);
    *days = arena_new(arena, most + 1, sizeof **days);
    while (*days != NULL && *count < most && (entry = readdir(open_folder)) != NULL)
        *count += read_name(entry->d_name, &(*days)[*count]);
    closedir(open_folder);
    if (*days == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the list of days");
    qsort(*days, *count, sizeof **days, compare);
    return true;
}

static void unlink_day(const char *path)
{
    static const char *const endings[] = { "-wal", "-shm", "" };
    char name[TRACKING_PATH_BYTES + 8];

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

bool tracking_days_expire(const char *folder, int64_t first_day, struct error *err)
{
    char path[TRACKING_PATH_BYTES];
    struct arena arena;
    int64_t *days;
    size_t count;
    bool is_listed;

    arena_init(&arena, DAYS_MOST * sizeof *days);
    is_listed = tracking_days_list(folder, &arena, &days, &count, err);
    for (size_t i = 0; i < count && days[i] < first_day; i++) {
        if (tracking_day_path(folder, days[i], path, NULL))
            unlink_day(path);
    }
    arena_clear(&arena);
    return is_listed;
}
