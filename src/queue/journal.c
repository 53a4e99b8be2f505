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

enum { KEPT_BYTES = 8 * 1024 * 1024 }; /* of memory, from one group to the next */

bool journal_open(const char *folder, struct journal **journal, struct error *err)
{
    struct journal *made = memory_new(1, sizeof *made);

    *journal = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the journal");
    made->folder = made->file = -1;
    for (size_t i = 0; i < JOURNAL_OPEN_FILES; i++)
        made->open[i].descriptor = -1;
    journal_group_init(&made->held, JOURNAL_GROUP_BYTES);
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
    journal_group_clear(&closing->held);
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

void journal_set_secret(struct journal *journal, uint64_t secret)
{
    journal->secret = secret;
}

/* Every record of one group. */
static bool read_records(struct span records, journal_reader *read, void *owner, struct error *err)
{
    while (records.len > 0) {
        struct journal_record_header record;

        if (records.len < sizeof record)
            return error_set(err, ERROR_FORMAT, "a record of the journal is cut");
        memcpy(&record, records.data, sizeof record);
        if (records.len - sizeof record < record.len)
            return error_set(err, ERROR_FORMAT, "a record of the journal is cut");
        if (!read(owner, record.kind, span_part(records, sizeof record, record.len), err))
            return false;
        records = span_part(records, sizeof record + journal_group_padded(record.len), records.len);
    }
    return true;
}

/* A file that is read anew, from one group to the next. */
struct reading {
    const struct journal *journal;
    int64_t number, size, offset;
    int descriptor;
    struct journal_group_header header;
    char *records; /* of that group, to be freed; NULL: no whole one is there */
};

/* False: nobody knows what is there. */
static bool read_group(struct reading *reading, struct error *err)
{
    struct journal_group_header *header = &reading->header;
    int64_t behind = reading->offset + (int64_t)sizeof *header;
    ssize_t got = read_at(reading->descriptor, (char *)header, sizeof *header, reading->offset);
    char *records;

    reading->records = NULL;
    if (got < 0)
        return journal_fail(reading->journal, reading->number, "reading", err);
    if (got != sizeof *header || !journal_group_is_header(header) ||
        header->len > JOURNAL_GROUP_BYTES || reading->size - behind < header->len)
        return true;
    records = memory_new(1, header->len + 1);
    if (records == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a group of the journal");
    got = read_at(reading->descriptor, records, header->len, behind);
    if (got < 0)
        journal_fail(reading->journal, reading->number, "reading", err);
    if (got == (ssize_t)header->len &&
        journal_group_fits(header, (struct span){ records, header->len }, reading->journal->secret))
        reading->records = records;
    else
        memory_free(records);
    return got >= 0;
}

/* The next group of the file, which nobody has had yet; *is_old: the file was written anew, and there is none. */
static bool replay_group(struct reading *reading, struct journal_point *point, bool *is_old,
                         journal_reader *read, void *owner, struct error *err)
{
    const struct journal_group_header *header = &reading->header;

    *is_old = header->number < (uint64_t)point->group;
    if (header->number > (uint64_t)point->group)
        return error_set(err, ERROR_FORMAT,
                         "%s/%010lld at %lld: group %lld of the journal is missing before",
                         reading->journal->path, (long long)reading->number,
                         (long long)reading->offset, (long long)point->group);
    if (*is_old)
        return true;
    if (!read_records((struct span){ reading->records, header->len }, read, owner, err))
        return false;
    reading->offset += (int64_t)(sizeof *header + header->len);
    *point = (struct journal_point){ reading->number, reading->offset, point->group + 1 };
    return true;
}

static bool replay_file(struct journal *journal, int64_t number, struct journal_point *point,
                        journal_reader *read, void *owner, struct error *err)
{
    struct reading reading = { .journal = journal,
                               .number = number,
                               .offset = number == point->file ? point->offset : 0,
                               .descriptor = journal_open_to_read(journal, number) };
    struct stat facts;
    bool is_well = true, is_over = false;

    if (reading.descriptor < 0 || fstat(reading.descriptor, &facts) != 0)
        return journal_fail(journal, number, "opening", err);
    /* behind the end may be what was not kept */
    reading.size = number == journal->end.file ? journal->end.offset : facts.st_size;
    while (is_well && !is_over) {
        is_well = read_group(&reading, err);
        is_over = reading.records == NULL;
        if (!is_over)
            is_well = replay_group(&reading, point, &is_over, read, owner, err);
        memory_free(reading.records);
    }
    /* What a killed process has written it may not have synced: nobody may build on that. */
    if (is_well && journal->end.file == 0 && fdatasync(reading.descriptor) != 0)
        return journal_fail(journal, number, "syncing", err);
    return is_well;
}

bool journal_replay(struct journal *journal, struct journal_point *point, journal_reader *read,
                    void *owner, struct error *err)
{
    for (size_t i = journal_find_file(journal, point->file); i < journal->file_count; i++) {
        int64_t number = journal->files[i].number;

        if (journal->files[i].size > 0 && !replay_file(journal, number, point, read, owner, err))
            return false;
    }
    return read_records(journal_group_records(&journal->held), read, owner, err);
}

void journal_start(struct journal *journal, struct journal_point point)
{
    int64_t newest = journal->file_count == 0 ? 0 : journal->files[journal->file_count - 1].number;

    journal->end =
        (struct journal_point){ 1 + (newest > point.file ? newest : point.file), 0, point.group };
}

/* A dead file begins with a whole group, and only this queue can have made that: each has its own secret. */
static bool is_dead_file_of_ours(struct journal *journal, const char *name)
{
    struct reading reading = { .journal = journal };
    struct stat facts;
    bool is_ours = false;

    reading.descriptor =
        openat(journal->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (reading.descriptor >= 0 && fstat(reading.descriptor, &facts) == 0 &&
        S_ISREG(facts.st_mode)) {
        reading.size = facts.st_size;
        is_ours = read_group(&reading, NULL) && reading.records != NULL;
        memory_free(reading.records);
    }
    journal_close_descriptor(&reading.descriptor);
    return is_ours;
}

void journal_drop_old_spares(struct journal *journal)
{
    static const char *const names[] = { "spare0", "spare1" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (is_dead_file_of_ours(journal, names[i]))
            (void)unlinkat(journal->folder, names[i], 0);
}

struct journal_point journal_end(const struct journal *journal)
{
    return journal->end;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static bool takes_no_more(const struct journal *journal)
{
    return journal->end.offset >= JOURNAL_FILE_BYTES ||
           (journal->is_full && journal->end.offset > 0);
}

static bool hold(struct journal *journal, uint32_t kind, struct span head, struct span bytes,
                 bool is_lent, struct journal_place *place)
{
    size_t offset;

    if (journal_group_len(&journal->held) == 0 && takes_no_more(journal))
        journal_end_file(journal);
    if (!journal_group_add(&journal->held, kind, head, bytes, is_lent, &offset))
        return false;
    *place = (struct journal_place){
        .file = (uint32_t)journal->end.file,
        .offset = (uint32_t)((size_t)journal->end.offset + offset),
        .len = (uint32_t)bytes.len,
    };
    return true;
}

bool journal_append(struct journal *journal, uint32_t kind, struct span head, struct span bytes,
                    struct journal_place *place)
{
    return hold(journal, kind, head, bytes, false, place);
}

bool journal_lend(struct journal *journal, uint32_t kind, struct span bytes,
                  struct journal_place *place)
{
    return hold(journal, kind, (struct span){ 0 }, bytes, true, place);
}

size_t journal_mark(const struct journal *journal)
{
    return journal_group_len(&journal->held);
}

void journal_cut(struct journal *journal, size_t mark)
{
    journal_group_cut(&journal->held, mark);
}

bool journal_is_behind(const struct journal *journal, struct journal_place place, size_t mark)
{
    return place.file == journal->end.file && place.offset >= (size_t)journal->end.offset + mark;
}

static enum queue_status refuse(const struct journal *journal, const char *doing, struct error *err)
{
    int reason = errno;

    journal_fail(journal, journal->end.file, doing, err);
    return error_kind_of(reason) == ERROR_FULL ? QUEUE_FULL : QUEUE_FAILED;
}

/* A file with a name that no crash takes away. */
static enum queue_status make_file(struct journal *journal, struct error *err)
{
    char name[JOURNAL_NAME_BYTES];
    struct stat facts;

    journal_name_file(journal->end.file, name);
    if (journal->file < 0)
        journal->file = journal_take_spare(journal, journal->end.file);
    if (journal->file < 0)
        journal->file = openat(journal->folder, name,
                               O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_CREAT | O_EXCL, 0600);
    if (journal->file < 0)
        return refuse(journal, "making", err);
    if (fsync(journal->folder) != 0)
        return refuse(journal, "syncing the name of", err);
    if (fstat(journal->file, &facts) != 0)
        return refuse(journal, "looking at", err);
    journal->room = facts.st_size;
    journal->is_named = true;
    return QUEUE_OK;
}

/* Whatever happens it may be in the file. */
static enum queue_status write_and_wait(struct journal *journal, struct error *err)
{
    struct journal_group_header header =
        journal_group_seal(&journal->held, journal->secret, journal->end.group);

    if (!journal_group_write(&journal->held, &header, journal->file, journal->end.offset))
        return refuse(journal, "writing", err);
    journal_make_room(journal);
    if (fdatasync(journal->file) != 0)
        return refuse(journal, "syncing", err);
    return QUEUE_OK;
}

static enum queue_status write_group(struct journal *journal, struct error *err)
{
    enum queue_status status;

    if (!journal_cut_off(journal))
        return refuse(journal, "cutting off the end of", err);
    status = write_and_wait(journal, err);
    if (status != QUEUE_OK) {
        journal->is_too_long = true;
        (void)journal_cut_off(journal); /* else before the next */
    }
    return status;
}

enum queue_status journal_sync(struct journal *journal, struct error *err)
{
    enum queue_status status = QUEUE_OK;
    struct journal_file *file = journal_need_file(journal, journal->end.file);

    if (journal_group_len(&journal->held) == 0)
        return QUEUE_OK;
    if (file == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the files of the journal");
        return QUEUE_FAILED;
    }
    if (!journal->is_named)
        status = make_file(journal, err);
    if (status == QUEUE_OK)
        status = write_group(journal, err);
    journal->is_full = status == QUEUE_FULL;
    if (status != QUEUE_OK)
        return status;
    journal->was_cut = false;
    journal->end.offset += (int64_t)journal_group_len(&journal->held);
    journal->end.group++;
    file->size = journal->end.offset;
    journal_group_empty(&journal->held, KEPT_BYTES);
    return QUEUE_OK;
}

/* Behind what a file has of the journal there may be room. */
static bool is_in_file(const struct journal *journal, struct journal_place place)
{
    size_t at = journal_find_file(journal, place.file);

    return at == journal->file_count || journal->files[at].number != place.file ||
           (int64_t)place.offset + place.len <= journal->files[at].size;
}

/* ---- bodies ----------------------------------------------------------------------------------- */

bool journal_read(struct journal *journal, struct journal_place place, char *bytes,
                  struct error *err)
{
    int descriptor;
    ssize_t got;

    if (place.file == journal->end.file && place.offset >= journal->end.offset) {
        journal_group_read(&journal->held, place.offset - (size_t)journal->end.offset, bytes,
                           place.len);
        return true;
    }
    descriptor = journal_open_to_read(journal, place.file);
    got = descriptor < 0 ? -1 : read_at(descriptor, bytes, place.len, place.offset);
    if (got < 0)
        return journal_fail(journal, place.file, "reading", err);
    if (got == (ssize_t)place.len && is_in_file(journal, place))
        return true;
    return error_set(err, ERROR_FORMAT, "%s/%010lld is cut: a body is not whole", journal->path,
                     (long long)place.file);
}
