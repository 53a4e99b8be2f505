#include "queue/journal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
    OPEN_FILES = 16,                /* for reading */
    KEPT_BYTES = 8 * 1024 * 1024,   /* of memory, from one group to the next */
    SMALL_FILE_BYTES = 1024 * 1024, /* a dead one that still grows may stay so small */
    NAME_BYTES = 24,
    WRITTEN_AT_ONCE = 64 * 1024, /* more, and Linux takes large pages, that it has to look for */
};

static const uint32_t magic = 0x31676a50; /* "Pjg1" */

struct group {
    uint32_t magic, len; /* of what follows this */
    uint64_t number;
    uint64_t sums[2];
};

struct record {
    uint32_t kind, len;
};

struct file {
    int64_t number, size, held;
};

struct journal {
    char path[4096];
    int folder;               /* descriptors; -1: none */
    int file;                 /* that of `end` */
    bool is_named;            /* the folder has its name for certain */
    bool is_too_long;         /* behind `end` is what is to be cut off */
    struct journal_point end; /* behind what is durable */
    struct buffer held;       /* the next group: its header, then records */
    struct file *files;       /* in order of their numbers */
    size_t file_count, file_room;
    struct {
        int64_t number;
        int descriptor;
    } open[OPEN_FILES];
};

/* ---- files ------------------------------------------------------------------------------------ */

static void name_file(int64_t number, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%010lld", (long long)number);
}

static bool fail(const struct journal *journal, int64_t number, const char *doing,
                 struct error *err)
{
    return error_set(err, ERROR_SYSTEM, "%s %s/%010lld: %s", doing, journal->path,
                     (long long)number, strerror(errno));
}

/* The index of the first one that has no lesser number. */
static size_t find_file(const struct journal *journal, int64_t number)
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
static struct file *need_file(struct journal *journal, int64_t number)
{
    size_t at = find_file(journal, number);

    if (at < journal->file_count && journal->files[at].number == number)
        return &journal->files[at];
    if (journal->file_count == journal->file_room) {
        size_t room = journal->file_room == 0 ? 16 : journal->file_room * 2;
        struct file *files = memory_grow(journal->files, room * sizeof *files);

        if (files == NULL)
            return NULL;
        journal->files = files;
        journal->file_room = room;
    }
    memmove(&journal->files[at + 1], &journal->files[at],
            (journal->file_count - at) * sizeof *journal->files);
    journal->file_count++;
    journal->files[at] = (struct file){ .number = number };
    return &journal->files[at];
}

static bool add_file(struct journal *journal, const char *name, struct error *err)
{
    char again[NAME_BYTES];
    struct stat facts;
    struct file *file;
    int64_t number = strtoll(name, NULL, 10);

    name_file(number, again);
    if (strcmp(name, again) != 0) /* not one of ours */
        return true;
    if (fstatat(journal->folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(journal, number, "looking at", err);
    file = need_file(journal, number);
    if (file == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the files of the journal");
    file->size = facts.st_size;
    return true;
}

static bool find_files(struct journal *journal, struct error *err)
{
    int again = openat(journal->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry;
    bool is_well = true;

    if (names == NULL) {
        if (again >= 0)
            close(again);
        return error_set(err, ERROR_SYSTEM, "reading %s: %s", journal->path, strerror(errno));
    }
    while (is_well && (entry = readdir(names)) != NULL)
        is_well = add_file(journal, entry->d_name, err);
    closedir(names);
    return is_well;
}

/* The folder's own name, too: without it all that is synced in it is lost. */
static bool open_folder(struct journal *journal, struct error *err)
{
    int above;
    bool is_well;

    if (mkdir(journal->path, 0700) != 0 && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, "making the folder %s: %s", journal->path,
                         strerror(errno));
    journal->folder = open(journal->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->folder < 0)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", journal->path, strerror(errno));
    above = openat(journal->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_well = above >= 0 && fsync(above) == 0;
    if (!is_well)
        error_set(err, ERROR_SYSTEM, "syncing the folder above %s: %s", journal->path,
                  strerror(errno));
    if (above >= 0)
        close(above);
    return is_well;
}

bool journal_open(const char *folder, struct journal **journal, struct error *err)
{
    struct journal *made = memory_new(1, sizeof *made);

    *journal = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the journal");
    made->folder = made->file = -1;
    for (size_t i = 0; i < OPEN_FILES; i++)
        made->open[i].descriptor = -1;
    buffer_init(&made->held, JOURNAL_GROUP_BYTES);
    if ((size_t)snprintf(made->path, sizeof made->path, "%s", folder) >= sizeof made->path)
        error_set(err, ERROR_USAGE, "the folder's name %.100s... is too long", folder);
    else if (open_folder(made, err) && find_files(made, err))
        return true;
    journal_close(journal);
    return false;
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void journal_close(struct journal **journal)
{
    struct journal *closing = *journal;

    *journal = NULL;
    if (closing == NULL)
        return;
    close_descriptor(&closing->file);
    close_descriptor(&closing->folder);
    for (size_t i = 0; i < OPEN_FILES; i++)
        close_descriptor(&closing->open[i].descriptor);
    buffer_clear(&closing->held);
    memory_free(closing->files);
    memory_free(closing);
}

/* -1: errno tells. */
static int open_to_read(struct journal *journal, int64_t number)
{
    size_t at = (size_t)number % OPEN_FILES;
    char name[NAME_BYTES];

    if (journal->open[at].descriptor >= 0 && journal->open[at].number == number)
        return journal->open[at].descriptor;
    close_descriptor(&journal->open[at].descriptor);
    name_file(number, name);
    journal->open[at].number = number;
    journal->open[at].descriptor = openat(journal->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return journal->open[at].descriptor;
}

/* How much of it is there; negative: errno tells. */
static ssize_t read_at(int descriptor, char *bytes, size_t len, int64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = pread(descriptor, bytes + done, len - done, offset + (int64_t)done);

        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

/* ---- groups ----------------------------------------------------------------------------------- */

/* As of SQLite's log, over words of 64 bits: what is missing, old or torn shows. */
static void add_up(struct span bytes, uint64_t sums[2])
{
    uint64_t words[2];

    for (size_t at = 0; at < bytes.len; at += sizeof words) {
        size_t len = bytes.len - at < sizeof words ? bytes.len - at : sizeof words;

        if (len < sizeof words)
            memset(words, 0, sizeof words);
        memcpy(words, bytes.data + at, len);
        sums[0] += words[0] + sums[1];
        sums[1] += words[1] + sums[0];
    }
}

static struct group seal(int64_t number, struct span records)
{
    struct group group = { .magic = magic,
                           .len = (uint32_t)records.len,
                           .number = (uint64_t)number,
                           .sums = { (uint64_t)number, ~(uint64_t)records.len } };

    add_up(records, group.sums);
    return group;
}

static size_t padded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* Every record of one group. */
static bool read_records(struct span records, journal_reader *read, void *owner, struct error *err)
{
    while (records.len > 0) {
        struct record record;

        if (records.len < sizeof record)
            return error_set(err, ERROR_FORMAT, "a record of the journal is cut");
        memcpy(&record, records.data, sizeof record);
        if (records.len - sizeof record < record.len)
            return error_set(err, ERROR_FORMAT, "a record of the journal is cut");
        if (!read(owner, record.kind, span_part(records, sizeof record, record.len), err))
            return false;
        records = span_part(records, sizeof record + padded(record.len), records.len);
    }
    return true;
}

/* The group at that point with memory of its own, to be freed; NULL: none that is whole is there. */
static char *read_group(int descriptor, int64_t size, int64_t offset, struct group *group)
{
    char *records = NULL;
    struct group again;

    if (read_at(descriptor, (char *)group, sizeof *group, offset) != sizeof *group ||
        group->magic != magic || group->len > JOURNAL_GROUP_BYTES ||
        size - offset - (int64_t)sizeof *group < group->len)
        return NULL;
    records = memory_new(1, group->len + 1);
    if (records == NULL)
        return NULL;
    if (read_at(descriptor, records, group->len, offset + (int64_t)sizeof *group) ==
        (ssize_t)group->len) {
        again = seal((int64_t)group->number, (struct span){ records, group->len });
        if (memcmp(&again, group, sizeof again) == 0)
            return records;
    }
    memory_free(records);
    return NULL;
}

static bool replay_file(struct journal *journal, int64_t number, struct journal_point *point,
                        journal_reader *read, void *owner, struct error *err)
{
    int descriptor = open_to_read(journal, number);
    int64_t offset = number == point->file ? point->offset : 0;
    struct stat facts;
    struct group group;
    char *records;
    bool is_well = true;

    if (descriptor < 0 || fstat(descriptor, &facts) != 0)
        return fail(journal, number, "opening", err);
    if (number == journal->end.file) /* behind it may be what was not kept */
        facts.st_size = journal->end.offset;
    while (is_well && (records = read_group(descriptor, facts.st_size, offset, &group)) != NULL) {
        if (group.number != (uint64_t)point->group)
            is_well = error_set(err, ERROR_FORMAT,
                                "%s/%010lld at %lld: group %lld of the journal is missing before",
                                journal->path, (long long)number, (long long)offset,
                                (long long)point->group);
        else
            is_well = read_records((struct span){ records, group.len }, read, owner, err);
        memory_free(records);
        offset += (int64_t)(sizeof group + group.len);
        if (is_well)
            *point = (struct journal_point){ number, offset, point->group + 1 };
    }
    /* What a killed process has written it may not have synced: nobody may build on that. */
    if (is_well && journal->end.file == 0 && fdatasync(descriptor) != 0)
        return fail(journal, number, "syncing", err);
    return is_well;
}

static struct span held_records(const struct journal *journal)
{
    return span_part(buffer_span(&journal->held), sizeof(struct group), journal->held.len);
}

bool journal_replay(struct journal *journal, struct journal_point *point, journal_reader *read,
                    void *owner, struct error *err)
{
    for (size_t i = find_file(journal, point->file); i < journal->file_count; i++) {
        int64_t number = journal->files[i].number;

        if (journal->files[i].size > 0 && !replay_file(journal, number, point, read, owner, err))
            return false;
    }
    return read_records(held_records(journal), read, owner, err);
}

void journal_start(struct journal *journal, struct journal_point point)
{
    int64_t newest = journal->file_count == 0 ? 0 : journal->files[journal->file_count - 1].number;

    journal->end =
        (struct journal_point){ 1 + (newest > point.file ? newest : point.file), 0, point.group };
}

struct journal_point journal_end(const struct journal *journal)
{
    return journal->end;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void next_file(struct journal *journal)
{
    close_descriptor(&journal->file);
    journal->is_named = journal->is_too_long = false;
    journal->end.file++;
    journal->end.offset = 0;
}

/* Room for the header of the group, which sync fills. */
static bool begin_group(struct journal *journal)
{
    static const struct group none;

    if (journal->held.len > 0)
        return true;
    if (journal->end.offset >= JOURNAL_FILE_BYTES)
        next_file(journal);
    return buffer_append(&journal->held, (struct span){ (const char *)&none, sizeof none });
}

bool journal_append(struct journal *journal, uint32_t kind, struct span head, struct span bytes,
                    struct journal_place *place)
{
    static const char zeros[8];
    struct record record = { kind, (uint32_t)(head.len + bytes.len) };
    size_t before = journal->held.len, len = head.len + bytes.len;

    if (!begin_group(journal) ||
        !buffer_append(&journal->held, (struct span){ (const char *)&record, sizeof record }) ||
        !buffer_append(&journal->held, head) || !buffer_append(&journal->held, bytes) ||
        !buffer_append(&journal->held, (struct span){ zeros, padded(len) - len })) {
        journal->held.len = before;
        return false;
    }
    *place = (struct journal_place){
        .file = (uint32_t)journal->end.file,
        .offset =
            (uint32_t)((size_t)journal->end.offset + journal->held.len - padded(len) + head.len),
        .len = (uint32_t)bytes.len,
    };
    return true;
}

size_t journal_mark(const struct journal *journal)
{
    return journal->held.len;
}

void journal_cut(struct journal *journal, size_t mark)
{
    assert(mark <= journal->held.len);
    journal->held.len = mark;
}

bool journal_is_behind(const struct journal *journal, struct journal_place place, size_t mark)
{
    return place.file == journal->end.file && place.offset >= (size_t)journal->end.offset + mark;
}

static enum queue_status refuse(const struct journal *journal, const char *doing, struct error *err)
{
    int reason = errno;

    fail(journal, journal->end.file, doing, err);
    return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? QUEUE_FULL : QUEUE_FAILED;
}

/* A file with a name that no crash takes away. */
static enum queue_status make_file(struct journal *journal, struct error *err)
{
    char name[NAME_BYTES];

    name_file(journal->end.file, name);
    if (journal->file < 0)
        journal->file = openat(journal->folder, name,
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (journal->file < 0)
        return refuse(journal, "making", err);
    if (fsync(journal->folder) != 0)
        return refuse(journal, "syncing the name of", err);
    journal->is_named = true;
    return QUEUE_OK;
}

static bool write_held(struct journal *journal)
{
    struct span left = buffer_span(&journal->held);

    while (left.len > 0) {
        size_t len = left.len < WRITTEN_AT_ONCE ? left.len : WRITTEN_AT_ONCE;
        ssize_t written = pwrite(journal->file, left.data, len,
                                 journal->end.offset + (int64_t)(journal->held.len - left.len));

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            span_take_front(&left, (size_t)written);
    }
    return true;
}

/* What a group that failed has left must not be taken for one that was kept. */
static bool cut_off(struct journal *journal)
{
    if (journal->is_too_long)
        journal->is_too_long = ftruncate(journal->file, journal->end.offset) != 0;
    return !journal->is_too_long;
}

static enum queue_status write_group(struct journal *journal, struct error *err)
{
    struct group group = seal(journal->end.group, held_records(journal));
    enum queue_status status = QUEUE_OK;

    memcpy(journal->held.data, &group, sizeof group);
    if (!cut_off(journal))
        return refuse(journal, "cutting off the end of", err);
    if (!write_held(journal))
        status = refuse(journal, "writing", err);
    else if (fdatasync(journal->file) != 0)
        status = refuse(journal, "syncing", err);
    if (status != QUEUE_OK) {
        journal->is_too_long = true;
        (void)cut_off(journal); /* else before the next */
    }
    return status;
}

enum queue_status journal_sync(struct journal *journal, struct error *err)
{
    enum queue_status status = QUEUE_OK;
    struct file *file = need_file(journal, journal->end.file);

    if (journal->held.len <= sizeof(struct group))
        return QUEUE_OK;
    if (file == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the files of the journal");
        return QUEUE_FAILED;
    }
    if (!journal->is_named)
        status = make_file(journal, err);
    if (status == QUEUE_OK)
        status = write_group(journal, err);
    if (status != QUEUE_OK)
        return status;
    journal->end.offset += (int64_t)journal->held.len;
    journal->end.group++;
    file->size = journal->end.offset;
    if (journal->held.size > KEPT_BYTES)
        buffer_clear(&journal->held);
    journal->held.len = 0;
    return QUEUE_OK;
}

/* ---- bodies ----------------------------------------------------------------------------------- */

bool journal_read(struct journal *journal, struct journal_place place, char *bytes,
                  struct error *err)
{
    int descriptor;
    ssize_t got;

    if (place.file == journal->end.file && place.offset >= journal->end.offset) {
        struct span held = span_part(buffer_span(&journal->held),
                                     place.offset - (size_t)journal->end.offset, place.len);

        assert(held.len == place.len);
        memcpy(bytes, held.data, held.len);
        return true;
    }
    descriptor = open_to_read(journal, place.file);
    got = descriptor < 0 ? -1 : read_at(descriptor, bytes, place.len, place.offset);
    if (got == (ssize_t)place.len)
        return true;
    if (got < 0)
        return fail(journal, place.file, "reading", err);
    return error_set(err, ERROR_FORMAT, "%s/%010lld is cut: a body is not whole", journal->path,
                     (long long)place.file);
}

bool journal_hold(struct journal *journal, struct journal_place place)
{
    struct file *file = need_file(journal, place.file);

    if (file == NULL)
        return false;
    file->held += place.len;
    return true;
}

void journal_release(struct journal *journal, struct journal_place place)
{
    size_t at = find_file(journal, place.file);

    assert(at < journal->file_count && journal->files[at].number == place.file &&
           journal->files[at].held >= place.len);
    journal->files[at].held -= place.len;
}

void journal_release_all(struct journal *journal)
{
    for (size_t i = 0; i < journal->file_count; i++)
        journal->files[i].held = 0;
}

static void delete_file(struct journal *journal, size_t at)
{
    size_t open_at = (size_t)journal->files[at].number % OPEN_FILES;
    char name[NAME_BYTES];

    name_file(journal->files[at].number, name);
    if (journal->open[open_at].number == journal->files[at].number)
        close_descriptor(&journal->open[open_at].descriptor);
    (void)unlinkat(journal->folder, name, 0); /* what stays is found when it is opened next */
    journal->file_count--;
    memmove(&journal->files[at], &journal->files[at + 1],
            (journal->file_count - at) * sizeof *journal->files);
}

void journal_drop_dead(struct journal *journal, struct journal_point point)
{
    size_t at = find_file(journal, journal->end.file);

    if (point.group == journal->end.group && journal->held.len == 0 &&
        journal->end.offset > SMALL_FILE_BYTES && at < journal->file_count &&
        journal->files[at].number == journal->end.file && journal->files[at].held == 0)
        next_file(journal);
    for (size_t i = journal->file_count; i-- > 0;) {
        const struct file *file = &journal->files[i];

        if (file->held == 0 && file->number < journal->end.file &&
            (file->number < point.file ||
             (file->number == point.file && file->size <= point.offset)))
            delete_file(journal, i);
    }
}
