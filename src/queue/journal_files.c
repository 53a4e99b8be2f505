/* queue/journal_files.c - the files of the journal: which there are, who needs them, and giving back their room. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/memory.h"
#include "queue/journal_internal.h"

enum {
    SMALL_FILE_BYTES = 1024 * 1024,       /* a dead one that still grows may stay so small */
    WASTE_BYTES = 1024 * 1024,            /* so much is worth the work of giving it back */
    NEWEST_WASTE_BYTES = 8 * 1024 * 1024, /* and so much, a new file */
    HOLE_BYTES = 4096,                    /* holes begin and end at blocks */
    SMALL_GROUP_BYTES = 64 * 1024, /* of a larger one the disk has enough to do with its bytes */
    ROOM_BYTES = 256 * 1024,       /* that are made at once */
    WRITTEN_AT_ONCE = 64 * 1024,
};

static const char spare[] = "spare"; /* its name */

void journal_name_file(int64_t number, char name[JOURNAL_NAME_BYTES])
{
    snprintf(name, JOURNAL_NAME_BYTES, "%010lld", (long long)number);
}

bool journal_fail(const struct journal *journal, int64_t number, const char *doing,
                  struct error *err)
{
    return error_set(err, error_kind_of(errno), "%s %s/%010lld: %s", doing, journal->path,
                     (long long)number, strerror(errno));
}

/* The index of the first one that has no lesser number. */
size_t journal_find_file(const struct journal *journal, int64_t number)
{
    size_t low = 0, high = journal->file_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (journal->files[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL: no memory. */
struct journal_file *journal_need_file(struct journal *journal, int64_t number)
{
    size_t at = journal_find_file(journal, number);

    if (at < journal->file_count && journal->files[at].number == number)
        return &journal->files[at];
    if (journal->file_count == journal->file_room) {
        size_t room = journal->file_room == 0 ? 16 : journal->file_room * 2;
        struct journal_file *files = memory_grow(journal->files, room * sizeof *files);

        if (files == NULL)
            return NULL;
        journal->files = files;
        journal->file_room = room;
    }
    memmove(&journal->files[at + 1], &journal->files[at],
            (journal->file_count - at) * sizeof *journal->files);
    journal->file_count++;
    journal->files[at] = (struct journal_file){ .number = number };
    return &journal->files[at];
}

static bool add_file(struct journal *journal, const char *name, struct error *err)
{
    char again[JOURNAL_NAME_BYTES];
    struct stat facts;
    struct journal_file *file;
    int64_t number = strtoll(name, NULL, 10);

    journal_name_file(number, again);
    if (strcmp(name, again) != 0) /* not one of ours */
        return true;
    if (fstatat(journal->folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return journal_fail(journal, number, "looking at", err);
    file = journal_need_file(journal, number);
    if (file == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the files of the journal");
    file->size = facts.st_size;
    return true;
}

/* What was there when it was opened, and is no file of ours, comes to light when it is wanted. */
static void find_spare(struct journal *journal)
{
    journal->has_spare = faccessat(journal->folder, spare, W_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool journal_find_files(struct journal *journal, struct error *err)
{
    DIR *names = folder_open(journal->folder, ".");
    const struct dirent *entry;
    bool is_well = true;

    if (names == NULL)
        return error_set(err, ERROR_SYSTEM, "reading %s: %s", journal->path, strerror(errno));
    while (is_well && (entry = readdir(names)) != NULL)
        is_well = add_file(journal, entry->d_name, err);
    closedir(names);
    find_spare(journal);
    return is_well;
}

/* The folder's own name, too: without it all that is synced in it is lost. */
bool journal_open_folder(struct journal *journal, struct error *err)
{
    int above;
    bool is_well;

    if (mkdir(journal->path, 0700) != 0 && errno != EEXIST)
        return error_set(err, error_kind_of(errno), "making the folder %s: %s", journal->path,
                         strerror(errno));
    journal->folder = open(journal->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->folder < 0)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", journal->path, strerror(errno));
    above = openat(journal->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_well = above >= 0 && fsync(above) == 0;
    if (!is_well)
        error_set(err, error_kind_of(errno), "syncing the folder above %s: %s", journal->path,
                  strerror(errno));
    if (above >= 0)
        close(above);
    return is_well;
}

void journal_close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* -1: errno tells. */
int journal_open_to_read(struct journal *journal, int64_t number)
{
    size_t at = (size_t)number % JOURNAL_OPEN_FILES;
    char name[JOURNAL_NAME_BYTES];

    if (journal->open[at].descriptor >= 0 && journal->open[at].number == number)
        return journal->open[at].descriptor;
    journal_close_descriptor(&journal->open[at].descriptor);
    journal_name_file(number, name);
    journal->open[at].number = number;
    journal->open[at].descriptor = openat(journal->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return journal->open[at].descriptor;
}

bool journal_cut_off(struct journal *journal)
{
    if (!journal->is_too_long)
        return true;
    journal->is_too_long = ftruncate(journal->file, journal->end.offset) != 0;
    journal->was_cut = true;
    journal->room = journal->end.offset;
    return !journal->is_too_long;
}

void journal_end_file(struct journal *journal)
{
    if (!journal_cut_off(journal) || (journal->was_cut && fsync(journal->file) != 0))
        return;
    journal_close_descriptor(&journal->file);
    journal->is_named = journal->was_cut = journal->is_full = false;
    journal->end.file++;
    journal->end.offset = 0;
}

static int64_t room_after(int64_t end)
{
    int64_t room = (end / ROOM_BYTES + 1) * ROOM_BYTES;

    return room < JOURNAL_FILE_BYTES ? room : JOURNAL_FILE_BYTES;
}

void journal_make_room(struct journal *journal)
{
    static const char zeros[WRITTEN_AT_ONCE];
    size_t len = journal_group_len(&journal->held);
    int64_t end = journal->end.offset + (int64_t)len, wanted = room_after(end);

    if (end <= journal->room)
        return;
    journal->room = end;
    while (len <= SMALL_GROUP_BYTES && journal->room < wanted) {
        int64_t rest = wanted - journal->room;
        ssize_t written =
            pwrite(journal->file, zeros, rest < WRITTEN_AT_ONCE ? (size_t)rest : WRITTEN_AT_ONCE,
                   journal->room);

        if (written <= 0)
            return;
        journal->room += written;
    }
}

/* ---- who needs them --------------------------------------------------------------------------- */

bool journal_hold(struct journal *journal, struct journal_place place, int64_t holder)
{
    struct journal_file *file = journal_need_file(journal, place.file);

    if (file == NULL)
        return false;
    file->held += place.len;
    if (file->first_holder == 0 || holder < file->first_holder)
        file->first_holder = holder;
    if (holder > file->last_holder)
        file->last_holder = holder;
    return true;
}

void journal_release(struct journal *journal, struct journal_place place)
{
    size_t at = journal_find_file(journal, place.file);

    assert(at < journal->file_count && journal->files[at].number == place.file &&
           journal->files[at].held >= place.len);
    journal->files[at].held -= place.len;
}

void journal_release_all(struct journal *journal)
{
    for (size_t i = 0; i < journal->file_count; i++)
        journal->files[i].held = 0;
}

int journal_take_spare(struct journal *journal, int64_t number)
{
    char name[JOURNAL_NAME_BYTES];
    int descriptor;

    if (!journal->has_spare)
        return -1;
    descriptor = openat(journal->folder, spare, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return -1;
    journal->has_spare = false;
    journal_name_file(number, name);
    if (renameat(journal->folder, spare, journal->folder, name) != 0)
        journal_close_descriptor(&descriptor);
    return descriptor;
}

bool journal_give_up_spare(struct journal *journal)
{
    bool is_gone = journal->has_spare && unlinkat(journal->folder, spare, 0) == 0;

    journal->has_spare = false;
    return is_gone;
}

/* One with holes would have to find its room again. */
static bool keep_spare(struct journal *journal, const struct journal_file *file)
{
    char name[JOURNAL_NAME_BYTES];

    if (journal->has_spare || file->size < SMALL_FILE_BYTES || file->given_back > 0)
        return false;
    journal_name_file(file->number, name);
    journal->has_spare = renameat(journal->folder, name, journal->folder, spare) == 0;
    return journal->has_spare;
}

static void delete_file(struct journal *journal, size_t at)
{
    size_t open_at = (size_t)journal->files[at].number % JOURNAL_OPEN_FILES;
    char name[JOURNAL_NAME_BYTES];

    journal_name_file(journal->files[at].number, name);
    if (journal->open[open_at].number == journal->files[at].number)
        journal_close_descriptor(&journal->open[open_at].descriptor);
    if (!keep_spare(journal, &journal->files[at]))
        (void)unlinkat(journal->folder, name, 0); /* what stays is found when it is opened next */
    journal->file_count--;
    memmove(&journal->files[at], &journal->files[at + 1],
            (journal->file_count - at) * sizeof *journal->files);
}

/* No group goes into it any more, and none of it will be replayed. */
static bool is_past(const struct journal *journal, const struct journal_file *file,
                    struct journal_point point)
{
    return file->number < journal->end.file &&
           (file->number < point.file ||
            (file->number == point.file && file->size <= point.offset));
}

/* Of the newest file nobody needs so much that it is better given back than written on. */
static bool is_newest_wasted(const struct journal *journal)
{
    const struct journal_file *newest;

    if (journal->file_count == 0)
        return false;
    newest = &journal->files[journal->file_count - 1];
    return newest->number == journal->end.file &&
           newest->size - newest->held >
               (newest->held == 0 ? SMALL_FILE_BYTES : NEWEST_WASTE_BYTES);
}

void journal_drop_dead(struct journal *journal, struct journal_point point)
{
    if (point.group == journal->end.group && journal_group_len(&journal->held) == 0 &&
        is_newest_wasted(journal))
        journal_end_file(journal);
    for (size_t i = journal->file_count; i-- > 0;)
        if (journal->files[i].held == 0 && is_past(journal, &journal->files[i], point))
            delete_file(journal, i);
}

bool journal_find_waste(const struct journal *journal, struct journal_point point,
                        struct journal_waste *waste)
{
    for (size_t i = 0; !journal->makes_no_holes && i < journal->file_count; i++) {
        const struct journal_file *file = &journal->files[i];

        if (is_past(journal, file, point) &&
            file->size - file->held - file->given_back >= WASTE_BYTES) {
            *waste = (struct journal_waste){ file->number, file->first_holder, file->last_holder };
            return true;
        }
    }
    return false;
}

static int compare_places(const void *a, const void *b)
{
    const struct journal_place *one = a, *other = b;

    return one->offset < other->offset ? -1 : one->offset > other->offset;
}

/* The blocks that lie between two octets. */
static bool make_hole(int descriptor, int64_t from, int64_t to)
{
    from = (from + HOLE_BYTES - 1) / HOLE_BYTES * HOLE_BYTES;
    to = to / HOLE_BYTES * HOLE_BYTES;
    return from >= to ||
           fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from) == 0;
}

static bool make_holes(int descriptor, int64_t size, const struct journal_place *places,
                       size_t count)
{
    int64_t from = 0;

    for (size_t i = 0; i < count; i++) {
        if (!make_hole(descriptor, from, places[i].offset))
            return false;
        from = (int64_t)places[i].offset + places[i].len;
    }
    return make_hole(descriptor, from, size);
}

void journal_give_back(struct journal *journal, int64_t number, struct journal_place *places,
                       size_t count)
{
    struct journal_file *file = &journal->files[journal_find_file(journal, number)];
    char name[JOURNAL_NAME_BYTES];
    int descriptor;

    assert(file->number == number);
    journal_name_file(number, name);
    descriptor = openat(journal->folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (count > 0)
        qsort(places, count, sizeof *places, compare_places);
    if (descriptor >= 0 && !make_holes(descriptor, file->size, places, count) &&
        errno == EOPNOTSUPP)
        journal->makes_no_holes = true;
    file->given_back = file->size - file->held; /* or so it is till more is to be had */
    journal_close_descriptor(&descriptor);
}
