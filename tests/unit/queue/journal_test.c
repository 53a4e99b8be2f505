/* tests/unit/queue/journal_test.c - promises of queue/journal.h */
#include "queue/journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../test.h"
#include "base/compiler.h"
#include "file_limit.h"

static const struct journal_point beginning = { .group = 1 };

static char above[64], folder[128];
static struct journal *journal;
static struct error err;
static struct journal_place place;

static bool sync_fails, cut_fails, read_fails;

/* In the place of the system's: what was written stays where it is. */
int fdatasync(int descriptor)
{
    if (!sync_fails)
        return (int)syscall(SYS_fdatasync, descriptor);
    errno = EIO;
    return -1;
}

int ftruncate(int descriptor, off_t len)
{
    if (!cut_fails)
        return (int)syscall(SYS_ftruncate, descriptor, len);
    errno = EIO;
    return -1;
}

ssize_t pread(int descriptor, void *bytes, size_t len, off_t offset)
{
    if (!read_fails)
        return syscall(SYS_pread64, descriptor, bytes, len, offset);
    errno = EIO;
    return -1;
}

/* What a replay gave: the kinds and the texts of the records, each with a blank behind it. */
static char told[65536];

static bool read_record(void *owner, uint32_t kind, struct span bytes, struct error *error)
{
    size_t used = strlen(told);

    (void)owner;
    (void)error;
    snprintf(told + used, sizeof told - used, "%u:%.*s ", (unsigned)kind,
             bytes.len > 100 ? 3 : (int)bytes.len, bytes.data);
    return true;
}

static bool replay(struct journal_point from)
{
    told[0] = '\0';
    return journal_replay(journal, &from, read_record, NULL, &err);
}

static uint64_t secret = 4711;

static void open_journal(void)
{
    if (!journal_open(folder, &journal, &err))
        fail_msg("%s", err.text);
    journal_set_secret(journal, secret);
}

/* As whoever starts anew does: replays all, and goes on behind it. */
static void open_again(void)
{
    struct journal_point point = beginning;

    journal_close(&journal);
    open_journal();
    told[0] = '\0';
    if (!journal_replay(journal, &point, read_record, NULL, &err))
        fail_msg("%s", err.text);
    journal_start(journal, point);
}

static int open_one(void **state)
{
    (void)state;
    snprintf(above, sizeof above, "/tmp/postern-journal-XXXXXX");
    assert_non_null(mkdtemp(above));
    snprintf(folder, sizeof folder, "%s/journal", above);
    err.text[0] = '\0';
    open_journal();
    journal_start(journal, beginning);
    return 0;
}

/* The files of the journal in order, for `each`; how many. */
static size_t for_files(void (*each)(const char *path))
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    size_t files = 0;

    for (int i = 0; i < count; i++) {
        char path[512];

        snprintf(path, sizeof path, "%s/%.200s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            files++;
            if (each != NULL)
                each(path);
        }
        free(names[i]);
    }
    free(names);
    return files;
}

static size_t spares;

static void count_spare(const char *path)
{
    spares += strstr(path, "/spare") != NULL;
}

/* Those that somebody needs. */
static size_t count_files(void)
{
    size_t count = for_files(count_spare) - spares;

    spares = 0;
    return count;
}

static void delete_it(const char *path)
{
    unlink(path);
}

static int close_one(void **state)
{
    (void)state;
    journal_close(&journal);
    for_files(delete_it);
    rmdir(folder);
    rmdir(above);
    return 0;
}

static void append(uint32_t kind, const char *text)
{
    assert_true(journal_append(journal, kind, span_of("("), span_of(text), &place));
}

static void lend(uint32_t kind, const char *text)
{
    assert_true(journal_lend(journal, kind, span_of(text), &place));
}

static void sync_it(void)
{
    assert_int_equal(journal_sync(journal, &err), QUEUE_OK);
}

static void has_text(struct journal_place at, const char *text)
{
    char bytes[64];

    assert_int_equal(at.len, strlen(text));
    assert_true(journal_read(journal, at, bytes, &err));
    assert_memory_equal(bytes, text, at.len);
}

static void what_was_synced_is_replayed_in_order_and_nothing_else(void **state)
{
    (void)state;
    append(1, "one");
    append(2, "two and more");
    sync_it();
    append(3, "");
    sync_it();
    append(4, "held");
    assert_true(replay(beginning));
    assert_string_equal(told, "1:(one 2:(two and more 3:( 4:(held ");
    open_again();
    assert_string_equal(told, "1:(one 2:(two and more 3:( ");
}

static void a_replay_begins_where_it_is_told(void **state)
{
    struct journal_point middle;

    (void)state;
    append(1, "one");
    sync_it();
    middle = journal_end(journal);
    append(2, "two");
    sync_it();
    assert_true(replay(middle));
    assert_string_equal(told, "2:(two ");
    assert_true(replay(journal_end(journal)));
    assert_string_equal(told, "");
}

static void a_place_can_be_read_while_it_is_held_and_when_it_is_synced(void **state)
{
    struct journal_place first, second;

    (void)state;
    append(1, "first");
    first = place;
    has_text(first, "first");
    sync_it();
    append(1, "second one");
    second = place;
    has_text(first, "first");
    has_text(second, "second one");
    sync_it();
    open_again();
    has_text(first, "first");
    has_text(second, "second one");
}

static void what_is_cut_was_never_there(void **state)
{
    size_t mark;

    (void)state;
    append(1, "kept");
    mark = journal_mark(journal);
    assert_false(journal_is_behind(journal, place, mark));
    append(2, "cut");
    assert_true(journal_is_behind(journal, place, mark));
    journal_cut(journal, mark);
    append(3, "kept too");
    has_text(place, "kept too");
    sync_it();
    assert_false(journal_is_behind(journal, place, 0));
    open_again();
    assert_string_equal(told, "1:(kept 3:(kept too ");
}

static void what_is_lent_is_read_and_replayed_as_what_is_copied(void **state)
{
    struct journal_place first, second;
    size_t mark;

    (void)state;
    lend(1, "lent");
    first = place;
    append(2, "copied");
    has_text(place, "copied");
    mark = journal_mark(journal);
    append(3, "cut");
    lend(4, "cut, too");
    lend(4, "and this");
    assert_true(journal_is_behind(journal, place, mark));
    has_text(place, "and this");
    journal_cut(journal, mark);
    assert_int_equal(journal_mark(journal), mark);
    lend(5, "lent behind it");
    second = place;
    has_text(first, "lent");
    has_text(second, "lent behind it");
    sync_fails = true;
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    sync_fails = false;
    has_text(first, "lent");
    sync_it();
    open_again();
    assert_string_equal(told, "1:lent 2:(copied 5:lent behind it ");
    has_text(first, "lent");
    has_text(second, "lent behind it");
}

enum { LONG_BYTES = 200 * 1024 };

static char written[2 * 1024 * 1024];
static size_t written_len;

static void read_file(const char *path)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    written_len = fread(written, 1, sizeof written, file);
    fclose(file);
}

/* Of every length that is lent, around what is written at once, one after the other and between others. */
static void the_file_does_not_tell_what_was_lent(void **state)
{
    static char copied[sizeof written];
    static const size_t lengths[] = {
        1, 7, 8, 9, 31, 32, 33, 4096, 65535, 65536, 65537, LONG_BYTES
    };
    static char long_text[LONG_BYTES];
    size_t copied_len = 0;

    for (size_t i = 0; i < LONG_BYTES; i++)
        long_text[i] = (char)(i * i % 251);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
            if (i % 3 != 0)
                append(2, "between");
            struct span text = { long_text, lengths[i] };

            assert_true(round == 0 ? journal_append(journal, 1, (struct span){ 0 }, text, &place)
                                   : journal_lend(journal, 1, text, &place));
        }
        sync_it();
        for_files(read_file);
        if (round == 0) {
            copied_len = written_len;
            memcpy(copied, written, written_len);
            close_one(state);
            open_one(state);
        }
    }
    assert_int_equal(written_len, copied_len);
    assert_memory_equal(written, copied, copied_len);
}

static void no_group_is_larger_than_can_be_read_again(void **state)
{
    static char text[1024 * 1024];
    size_t mark;

    (void)state;
    while (journal_lend(journal, 1, (struct span){ text, sizeof text }, &place))
        assert_true(journal_mark(journal) <= JOURNAL_GROUP_BYTES);
    mark = journal_mark(journal);
    assert_true(mark > JOURNAL_GROUP_BYTES - 2 * sizeof text);
    assert_false(
        journal_append(journal, 1, span_of("("), (struct span){ text, sizeof text }, &place));
    assert_int_equal(journal_mark(journal), mark);
}

static void who_comes_next_goes_on_behind_in_a_new_file(void **state)
{
    struct journal_place first;

    (void)state;
    append(1, "first");
    first = place;
    sync_it();
    open_again();
    append(2, "second");
    sync_it();
    assert_int_equal(count_files(), 2);
    open_again();
    assert_string_equal(told, "1:(first 2:(second ");
    has_text(first, "first");
}

/* Where in the file something happened to its last group. */
static long broken_at;

static void cut_tail(const char *path)
{
    assert_int_equal(truncate(path, broken_at), 0);
}

/* As where some of it has reached the disk, and of the rest the room that was made before. */
static void lose_tail(const char *path)
{
    struct stat facts;

    assert_int_equal(stat(path, &facts), 0);
    cut_tail(path);
    assert_int_equal(truncate(path, facts.st_size), 0);
}

static void spoil_octet(const char *path)
{
    FILE *file = fopen(path, "r+");

    assert_non_null(file);
    fseek(file, broken_at, SEEK_SET);
    fputc(0x5a, file);
    fclose(file);
}

/* At each octet of the last group. */
static void a_group_that_is_not_whole_never_was(void **state)
{
    static void (*const ways[])(const char *) = { cut_tail, lose_tail, spoil_octet };

    for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
        for (long tail = 1; tail <= 32 + 16; tail++) {
            append(1, "kept");
            sync_it();
            append(2, "torn it"); /* of eight octets with what is before it: no padding */
            sync_it();
            broken_at = journal_end(journal).offset - tail;
            for_files(ways[way]);
            open_again();
            assert_string_equal(told, "1:(kept ");
            append(3, "next");
            sync_it();
            open_again();
            assert_string_equal(told, "1:(kept 3:(next ");
            close_one(state);
            open_one(state);
        }
}

static void a_group_that_is_missing_before_others_is_an_error(void **state)
{
    (void)state;
    append(1, "kept");
    sync_it();
    append(2, "lost");
    sync_it();
    broken_at = journal_end(journal).offset - 1;
    open_again();
    append(3, "behind it");
    sync_it();
    journal_close(&journal);
    {
        char path[256];

        snprintf(path, sizeof path, "%s/0000000001", folder);
        spoil_octet(path);
    }
    open_journal();
    assert_false(replay(beginning));
    assert_non_null(strstr(err.text, "missing"));
    assert_non_null(strstr(err.text, "0000000002"));
}

static void a_group_for_which_there_is_no_room_leaves_no_trace(void **state)
{
    char large[8192];
    size_t mark;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    append(1, "kept");
    sync_it();
    append(2, "held");
    mark = journal_mark(journal);
    append(3, large);
    limit_files_to(4096);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    journal_cut(journal, mark);
    sync_it();
    limit_files_to(0);
    append(4, "kept too");
    sync_it();
    open_again();
    assert_string_equal(told, "1:(kept 2:(held 4:(kept too ");
}

static void a_file_that_has_no_room_is_followed_by_the_next(void **state)
{
    char large[8192];
    size_t nothing = journal_mark(journal);

    (void)state;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    append(1, "kept");
    sync_it();
    append(2, large);
    limit_files_to(4096);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    journal_cut(journal, nothing);
    append(3, "in the next");
    sync_it();
    assert_int_equal(count_files(), 2);
    append(4, large);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    limit_files_to(0);
    sync_it(); /* what was held has its place already */
    append(5, "behind it");
    sync_it();
    assert_int_equal(count_files(), 2);
    limit_files_to(4096);
    append(6, large);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    journal_cut(journal, nothing);
    append(7, large);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    journal_cut(journal, nothing);
    append(8, large);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FULL);
    journal_cut(journal, nothing);
    limit_files_to(0);
    append(9, "last");
    sync_it();
    assert_int_equal(count_files(), 3); /* and no further one for each that failed */
    open_again();
    assert_string_equal(told, "1:(kept 3:(in the next 4:(xx 5:(behind it 9:(last ");
}

static void a_group_that_could_not_be_synced_leaves_no_trace(void **state)
{
    size_t mark;

    (void)state;
    append(1, "kept");
    sync_it();
    append(2, "held");
    append(3, "refused");
    sync_fails = true;
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    sync_fails = false;
    open_again(); /* as after a crash at this moment */
    assert_string_equal(told, "1:(kept ");
    append(2, "held");
    mark = journal_mark(journal);
    append(3, "refused");
    sync_fails = true;
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    journal_cut(journal, mark);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    sync_fails = false;
    sync_it();
    open_again();
    assert_string_equal(told, "1:(kept 2:(held ");
}

/* Else it would be found there in the place of the group that is in the next file. */
static void what_could_be_neither_synced_nor_cut_off_keeps_its_file(void **state)
{
    static char large[9 * 1024 * 1024];
    struct journal_point point;

    (void)state;
    memset(large, 'y', sizeof large - 1);
    append(1, "needed");
    assert_true(journal_hold(journal, place, 7));
    append(1, large);
    sync_it();
    point = journal_end(journal);
    append(2, "refused");
    sync_fails = cut_fails = true;
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    journal_cut(journal, 0);
    journal_drop_dead(journal, point);
    append(3, "refused too");
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    journal_cut(journal, 0);
    sync_fails = cut_fails = false;
    append(4, "promised");
    sync_it();
    append(5, "promised too");
    sync_it();
    journal_drop_dead(journal, journal_end(journal));
    append(6, "in the next");
    sync_it();
    assert_int_equal(count_files(), 2);
    open_again();
    assert_string_equal(told, "1:(needed 1:(yy 4:(promised 5:(promised too 6:(in the next ");
}

static void what_cannot_be_read_is_no_end_of_the_journal(void **state)
{
    struct journal_point point = beginning;

    (void)state;
    append(1, "promised");
    sync_it();
    journal_close(&journal);
    open_journal();
    told[0] = '\0';
    read_fails = true;
    assert_false(journal_replay(journal, &point, read_record, NULL, &err));
    read_fails = false;
    assert_non_null(strstr(err.text, "reading"));
    assert_non_null(strstr(err.text, "/0000000001: Input/output error"));
    open_again();
    assert_string_equal(told, "1:(promised ");
}

static void a_spare_file_for_which_there_was_no_descriptor_is_taken_later(void **state)
{
    static char large[2 * 1024 * 1024];
    struct rlimit limit, none;
    struct journal_point point;

    (void)state;
    memset(large, 'y', sizeof large - 1);
    append(1, large);
    sync_it();
    journal_drop_dead(journal, journal_end(journal));
    point = journal_end(journal);
    append(2, "promised");
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    setrlimit(RLIMIT_NOFILE, &limit);
    sync_it();
    assert_int_equal(for_files(NULL), 1);
    assert_true(replay(point));
    assert_string_equal(told, "2:(promised ");
}

static void rename_to(const char *path, const char *name)
{
    char other[512];

    snprintf(other, sizeof other, "%s/%s", folder, name);
    assert_int_equal(rename(path, other), 0);
}

static bool has_file(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void name_as_an_old_spare(const char *path)
{
    rename_to(path, "spare0");
}

static void name_as_another_old_spare(const char *path)
{
    if (strstr(path, "spare0") == NULL)
        rename_to(path, "spare1");
}

static void old_spares_go_if_this_queue_made_them(void **state)
{
    (void)state;
    append(1, "dead");
    sync_it();
    for_files(name_as_an_old_spare);
    journal_drop_old_spares(journal);
    assert_false(has_file("spare0"));
    open_again();
    append(1, "dead, too");
    sync_it();
    for_files(name_as_an_old_spare);
    open_again();
    append(1, "dead");
    sync_it();
    for_files(name_as_another_old_spare);
    journal_set_secret(journal, secret + 1);
    journal_drop_old_spares(journal);
    assert_true(has_file("spare0") && has_file("spare1"));
    journal_set_secret(journal, secret);
    journal_drop_old_spares(journal);
    assert_false(has_file("spare0") || has_file("spare1"));
}

static void fill_file(void)
{
    static char large[1024 * 1024];
    struct journal_point end = journal_end(journal);

    memset(large, 'y', sizeof large - 1);
    do {
        append(1, large);
        sync_it();
    } while (journal_end(journal).offset < JOURNAL_FILE_BYTES &&
             journal_end(journal).file == end.file);
}

static void a_file_goes_when_nothing_in_it_is_held_or_to_be_replayed(void **state)
{
    struct journal_place needed;

    (void)state;
    append(1, "needed");
    needed = place;
    assert_true(journal_hold(journal, needed, 7));
    fill_file();
    append(2, "in the second");
    sync_it();
    assert_int_equal(count_files(), 2);
    journal_drop_dead(journal, journal_end(journal));
    assert_int_equal(count_files(), 2);
    journal_release(journal, needed);
    journal_drop_dead(journal, beginning);
    assert_int_equal(count_files(), 2);
    journal_drop_dead(journal, journal_end(journal));
    assert_int_equal(count_files(), 1);
    fill_file();
    journal_drop_dead(journal, journal_end(journal)); /* nothing is needed, not even the newest */
    assert_int_equal(count_files(), 0);
    append(3, "goes on");
    sync_it();
    has_text(place, "goes on");
}

/* Groups of one size, so that old ones begin exactly where new ones end. */
static void a_file_that_is_written_anew_has_nothing_of_what_it_was(void **state)
{
    static char text[1024 * 1024];
    struct journal_point point;

    (void)state;
    memset(text, 'z', sizeof text - 1);
    for (int round = 0; round < 3; round++)
        for (int64_t file = journal_end(journal).file; file == journal_end(journal).file;) {
            append(1, text);
            sync_it();
            if (journal_end(journal).offset >= JOURNAL_FILE_BYTES)
                break;
        }
    append(1, text);
    sync_it();
    journal_drop_dead(journal, journal_end(journal));
    spares = 0;
    for_files(count_spare);
    assert_int_equal(spares, 1);
    spares = 0;
    while (journal_end(journal).offset < JOURNAL_FILE_BYTES) {
        append(1, text);
        sync_it();
    }
    point = journal_end(journal);
    append(2, text);
    sync_it(); /* the first group of a file that was one of those */
    for_files(count_spare);
    assert_int_equal(spares, 0);
    journal_close(&journal);
    open_journal();
    told[0] = '\0';
    assert_true(journal_replay(journal, &point, read_record, NULL, &err));
    assert_string_equal(told, "2:(zz ");
    journal_start(journal, point);
    append(3, "next");
    sync_it();
    assert_true(replay(point));
    assert_string_equal(told, "3:(next ");
}

static int64_t largest;

static void take_size(const char *path)
{
    struct stat facts;

    assert_int_equal(stat(path, &facts), 0);
    if (facts.st_size > largest)
        largest = facts.st_size;
}

static int64_t largest_file(void)
{
    largest = 0;
    for_files(take_size);
    return largest;
}

static void small_groups_find_room_in_a_file_that_need_not_grow(void **state)
{
    static char text[10000];
    int64_t size;
    int growths = 0;

    (void)state;
    memset(text, 'z', sizeof text - 1);
    append(1, text);
    sync_it();
    size = largest_file();
    assert_true(size > 10 * journal_end(journal).offset);
    while (journal_end(journal).offset < 4 * 1024 * 1024) {
        append(1, text);
        sync_it();
        assert_true(largest_file() >= journal_end(journal).offset);
        growths += largest != size;
        size = largest;
    }
    assert_in_range(growths, 2, 32);
    append(2, "last");
    sync_it();
    open_again(); /* what is behind it is nothing */
    assert_string_equal(told + strlen(told) - strlen(" 2:(last "), " 2:(last ");
}

static void a_large_group_makes_no_room_behind_it(void **state)
{
    static char text[100000];

    (void)state;
    memset(text, 'z', sizeof text - 1);
    append(1, text);
    sync_it();
    assert_int_equal(largest_file(), journal_end(journal).offset);
}

static void room_never_goes_beyond_what_a_file_takes(void **state)
{
    static char large[512 * 1024], text[8192];

    (void)state;
    memset(large, 'y', sizeof large - 1);
    memset(text, 'z', sizeof text - 1);
    while (journal_end(journal).offset < JOURNAL_FILE_BYTES - 2 * (int64_t)sizeof large) {
        append(1, large);
        sync_it();
    }
    while (journal_end(journal).offset < JOURNAL_FILE_BYTES - 2 * (int64_t)sizeof text) {
        append(1, text);
        sync_it();
    }
    assert_int_equal(largest_file(), JOURNAL_FILE_BYTES);
}

static void room_that_was_cut_off_is_made_again(void **state)
{
    (void)state;
    append(1, "kept");
    sync_it();
    append(2, "held");
    sync_fails = true;
    assert_int_equal(journal_sync(journal, &err), QUEUE_FAILED);
    sync_fails = false;
    assert_int_equal(largest_file(), journal_end(journal).offset);
    sync_it();
    assert_true(largest_file() > 10 * journal_end(journal).offset);
    open_again();
    assert_string_equal(told, "1:(kept 2:(held ");
}

static void no_room_for_later_groups_is_no_failure(void **state)
{
    (void)state;
    limit_files_to(8192);
    append(1, "kept");
    sync_it();
    assert_true(largest_file() <= 8192);
    append(2, "kept too");
    sync_it();
    limit_files_to(0);
    open_again();
    assert_string_equal(told, "1:(kept 2:(kept too ");
}

static void what_was_sealed_with_another_secret_never_was(void **state)
{
    (void)state;
    append(1, "of another");
    sync_it();
    secret++;
    open_again();
    assert_string_equal(told, "");
    append(2, "ours");
    sync_it();
    open_again();
    assert_string_equal(told, "2:(ours ");
}

static int64_t blocks;

static void count_blocks(const char *path)
{
    struct stat facts;

    assert_int_equal(stat(path, &facts), 0);
    blocks += facts.st_blocks;
}

static void what_nobody_needs_of_a_file_goes_back_and_the_rest_stays(void **state)
{
    static const char *const texts[] = { "needed", "also needed", "not needed at first" };
    struct journal_place needed[3];
    struct journal_waste waste;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        append(1, texts[i]);
        needed[i] = place;
        assert_true(journal_hold(journal, place, 10 - (int64_t)i));
        fill_file();
        append(1, "in the next");
    }
    sync_it();
    assert_false(journal_find_waste(journal, beginning, &waste));
    for (size_t i = 0; i < 3; i++) {
        blocks = 0;
        for_files(count_blocks);
        int64_t before = blocks;

        assert_true(journal_find_waste(journal, journal_end(journal), &waste));
        assert_int_equal(waste.file, needed[i].file);
        assert_int_equal(waste.first_holder, 10 - (int64_t)i);
        assert_int_equal(waste.last_holder, 10 - (int64_t)i);
        journal_give_back(journal, waste.file, &needed[i], 1);
        blocks = 0;
        for_files(count_blocks);
        if (i == 0 && journal_find_waste(journal, journal_end(journal), &waste) == false)
            skip(); /* here no holes can be made */
        assert_true(blocks < before - JOURNAL_FILE_BYTES / 512 / 2);
        has_text(needed[i], texts[i]);
    }
    assert_false(journal_find_waste(journal, journal_end(journal), &waste));
}

static void a_body_that_is_not_there_is_an_error(void **state)
{
    char bytes[64];

    (void)state;
    append(1, "text");
    sync_it();
    place.file += 5;
    assert_false(journal_read(journal, place, bytes, &err));
    assert_non_null(strstr(err.text, "0000000006"));
    place.file -= 5;
    place.len = 60;
    assert_false(journal_read(journal, place, bytes, &err));
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct journal *none = NULL;
    struct error error = { 0 };

    (void)state;
    assert_false(journal_open("/proc/none/journal", &none, &error));
    assert_null(none);
    assert_non_null(strstr(error.text, "/proc/none/journal"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_synced_is_replayed_in_order_and_nothing_else),
        TEST(a_replay_begins_where_it_is_told),
        TEST(a_place_can_be_read_while_it_is_held_and_when_it_is_synced),
        TEST(what_is_cut_was_never_there),
        TEST(what_is_lent_is_read_and_replayed_as_what_is_copied),
        TEST(the_file_does_not_tell_what_was_lent),
        TEST(no_group_is_larger_than_can_be_read_again),
        TEST(who_comes_next_goes_on_behind_in_a_new_file),
        TEST(a_group_that_is_not_whole_never_was),
        TEST(a_group_that_is_missing_before_others_is_an_error),
        TEST(a_group_for_which_there_is_no_room_leaves_no_trace),
        TEST(a_file_that_has_no_room_is_followed_by_the_next),
        TEST(what_could_be_neither_synced_nor_cut_off_keeps_its_file),
        TEST(what_cannot_be_read_is_no_end_of_the_journal),
        TEST(a_spare_file_for_which_there_was_no_descriptor_is_taken_later),
        TEST(old_spares_go_if_this_queue_made_them),
        TEST(a_group_that_could_not_be_synced_leaves_no_trace),
        TEST(a_file_goes_when_nothing_in_it_is_held_or_to_be_replayed),
        TEST(a_file_that_is_written_anew_has_nothing_of_what_it_was),
        TEST(small_groups_find_room_in_a_file_that_need_not_grow),
        TEST(a_large_group_makes_no_room_behind_it),
        TEST(room_never_goes_beyond_what_a_file_takes),
        TEST(room_that_was_cut_off_is_made_again),
        TEST(no_room_for_later_groups_is_no_failure),
        TEST(what_was_sealed_with_another_secret_never_was),
        TEST(what_nobody_needs_of_a_file_goes_back_and_the_rest_stays),
        TEST(a_body_that_is_not_there_is_an_error),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
