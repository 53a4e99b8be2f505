#include "queue/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "queue/journal_internal.h"

enum {
    KEPT_BYTES = 8 * 1024 * 1024, /* of memory, from one group to the next */
    WRITTEN_AT_ONCE = 64 * 1024,  /* more, and Linux takes large pages, that it has to look for */
};

static const uint32_t magic = 0x31676a50; /* "Pjg1" */
static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);

struct group {
    uint32_t magic, len; /* of what follows this */
    uint64_t number;
    uint64_t sums[2];
};

struct record {
    uint32_t kind, len;
};

bool journal_open(const char *folder, struct journal **journal, struct error *err)
{
    struct journal *made = memory_new(1, sizeof *made);

    *journal = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the journal");
    made->folder = made->file = -1;
    for (size_t i = 0; i < JOURNAL_OPEN_FILES; i++)
        made->open[i].descriptor = -1;
    buffer_init(&made->held, JOURNAL_GROUP_BYTES);
    if ((size_t)snprintf(made->path, sizeof made->path, "%s", folder) >= sizeof made->path)
        error_set(err, ERROR_USAGE, "the folder's name %.100s... is too long", folder);
    else if (journal_open_folder(made, err) && journal_find_files(made, err))
        return true;
    journal_close(journal);
    return false;
}

void journal_close(struct journal **journal)
{
    struct journal *closing = *journal;

    *journal = NULL;
    if (closing == NULL)
        return;
    journal_close_descriptor(&closing->file);
    journal_close_descriptor(&closing->folder);
    for (size_t i = 0; i < JOURNAL_OPEN_FILES; i++)
        journal_close_descriptor(&closing->open[i].descriptor);
    buffer_clear(&closing->held);
    memory_free(closing->files);
    memory_free(closing);
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

/* As of SQLite's log, over words of 64 bits and twice in turn, so that neither waits for the other: what
 * is missing, old or torn shows. */
static void add_up(struct span bytes, uint64_t sums[2])
{
    uint64_t words[4], one[2] = { sums[0], sums[1] }, other[2] = { sums[1], sums[0] };
    size_t at = 0;

    for (; bytes.len - at >= sizeof words; at += sizeof words) {
        memcpy(words, bytes.data + at, sizeof words);
        one[0] += words[0] + one[1];
        other[0] += words[2] + other[1];
        one[1] += words[1] + one[0];
        other[1] += words[3] + other[0];
    }
    memset(words, 0, sizeof words);
    if (at < bytes.len)
        memcpy(words, bytes.data + at, bytes.len - at);
    sums[0] = one[0] + odd * (other[0] ^ words[0]) + words[1];
    sums[1] = one[1] + odd * (other[1] ^ words[2]) + words[3];
}

void journal_set_secret(struct journal *journal, uint64_t secret)
{
    journal->secret = secret;
}

static struct group seal(const struct journal *journal, int64_t number, struct span records)
{
    struct group group = { .magic = magic,
                           .len = (uint32_t)records.len,
                           .number = (uint64_t)number,
                           .sums = { journal->secret ^ (uint64_t)number,
                                     journal->secret * odd + (uint64_t)records.len } };

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
static char *read_group(const struct journal *journal, int descriptor, int64_t size, int64_t offset,
                        struct group *group)
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
        again = seal(journal, (int64_t)group->number, (struct span){ records, group->len });
        if (memcmp(&again, group, sizeof again) == 0)
            return records;
    }
    memory_free(records);
    return NULL;
}

static bool replay_file(struct journal *journal, int64_t number, struct journal_point *point,
                        journal_reader *read, void *owner, struct error *err)
{
    int descriptor = journal_open_to_read(journal, number);
    int64_t offset = number == point->file ? point->offset : 0;
    struct stat facts;
    struct group group;
    char *records;
    bool is_well = true, is_old = false;

    if (descriptor < 0 || fstat(descriptor, &facts) != 0)
        return journal_fail(journal, number, "opening", err);
    if (number == journal->end.file) /* behind it may be what was not kept */
        facts.st_size = journal->end.offset;
    while (is_well && !is_old &&
           (records = read_group(journal, descriptor, facts.st_size, offset, &group)) != NULL) {
        is_old = group.number < (uint64_t)point->group; /* the file was written anew */
        if (group.number > (uint64_t)point->group)
            is_well = error_set(err, ERROR_FORMAT,
                                "%s/%010lld at %lld: group %lld of the journal is missing before",
                                journal->path, (long long)number, (long long)offset,
                                (long long)point->group);
        else if (!is_old)
            is_well = read_records((struct span){ records, group.len }, read, owner, err);
        memory_free(records);
        offset += (int64_t)(sizeof group + group.len);
        if (is_well && !is_old)
            *point = (struct journal_point){ number, offset, point->group + 1 };
    }
    /* What a killed process has written it may not have synced: nobody may build on that. */
    if (is_well && journal->end.file == 0 && fdatasync(descriptor) != 0)
        return journal_fail(journal, number, "syncing", err);
    return is_well;
}

static struct span held_records(const struct journal *journal)
{
    return span_part(buffer_span(&journal->held), sizeof(struct group), journal->held.len);
}

bool journal_replay(struct journal *journal, struct journal_point *point, journal_reader *read,
                    void *owner, struct error *err)
{
    for (size_t i = journal_find_file(journal, point->file); i < journal->file_count; i++) {
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

/* Room for the header of the group, which sync fills. */
static bool begin_group(struct journal *journal)
{
    static const struct group none;

    if (journal->held.len > 0)
        return true;
    if (journal->end.offset >= JOURNAL_FILE_BYTES)
        journal_next_file(journal);
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

    journal_fail(journal, journal->end.file, doing, err);
    return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? QUEUE_FULL : QUEUE_FAILED;
}

/* A file with a name that no crash takes away. */
static enum queue_status make_file(struct journal *journal, struct error *err)
{
    char name[JOURNAL_NAME_BYTES];

    journal_name_file(journal->end.file, name);
    if (journal->file < 0)
        journal->file =
            openat(journal->folder, name,
                   O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
                       (journal_take_spare(journal, journal->end.file) ? 0 : O_CREAT | O_EXCL),
                   0600);
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
    struct group group = seal(journal, journal->end.group, held_records(journal));
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
    struct journal_file *file = journal_need_file(journal, journal->end.file);

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
    descriptor = journal_open_to_read(journal, place.file);
    got = descriptor < 0 ? -1 : read_at(descriptor, bytes, place.len, place.offset);
    if (got == (ssize_t)place.len)
        return true;
    if (got < 0)
        return journal_fail(journal, place.file, "reading", err);
    return error_set(err, ERROR_FORMAT, "%s/%010lld is cut: a body is not whole", journal->path,
                     (long long)place.file);
}
