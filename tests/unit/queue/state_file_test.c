/* tests/unit/queue/state_file_test.c - promises of queue/state_file.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "file_limit.h"
#include "queue/state_file.h"

enum { PUT, STATEMENTS, BUSY_MS = 20 };

static const char *const statements[STATEMENTS] = { [PUT] = "INSERT INTO word VALUES (?1)" };

static bool read_words(struct database *database, void *owner, struct error *err)
{
    return database_ask(database, "SELECT count(*) FROM word", 0, owner, err);
}

static const struct state_file words = {
    .name = "words.db",
    .schema = 3,
    .busy_ms = BUSY_MS,
    .tuning = "PRAGMA synchronous = NORMAL",
    .making = "DROP TABLE IF EXISTS word; CREATE TABLE word (text TEXT NOT NULL)",
    .statements = statements,
    .statement_count = STATEMENTS,
    .read = read_words,
};

static char folder[64], path[128], aside[160];
static struct database database;
static struct error err;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-state-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/words.db", folder);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    err = (struct error){ .text = "" };
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const endings[] = { "", "-wal", "-shm", ".damaged" };
    char name[160];

    (void)state;
    database_close(&database);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    return rmdir(folder);
}

/* How many words it read; -1: it could not be opened. */
static int64_t open_words(const struct state_file *file, bool *was_put_aside)
{
    int64_t count = 0;

    if (!state_file_open(file, folder, &count, &database, was_put_aside, &err))
        return -1;
    return count;
}

static void put(const char *word)
{
    sqlite3_stmt *statement = database_use(&database, PUT);

    database_bind(statement, 1, span_of(word));
    assert_int_equal(database_do(&database, statement, &err), QUEUE_OK);
}

static void make_with(const char *word)
{
    bool was_put_aside;

    assert_int_equal(open_words(&words, &was_put_aside), 0);
    assert_false(was_put_aside);
    put(word);
    database_close(&database);
}

static void spoil(void)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database", file);
    fclose(file);
}

static void is_made_and_read_at_the_next_start(void **state)
{
    bool was_put_aside;

    (void)state;
    make_with("one");
    assert_int_equal(open_words(&words, &was_put_aside), 1);
    assert_false(was_put_aside);
}

static void another_schema_is_begun_anew_in_place(void **state)
{
    struct state_file next = words;
    bool was_put_aside;

    (void)state;
    make_with("one");
    next.schema = 4;
    assert_int_equal(open_words(&next, &was_put_aside), 0);
    assert_false(was_put_aside);
    assert_int_equal(database_number(&database, "PRAGMA user_version", 0), 4);
    assert_int_not_equal(access(aside, F_OK), 0);
}

static void what_is_no_database_is_put_aside(void **state)
{
    bool was_put_aside;

    (void)state;
    spoil();
    assert_int_equal(open_words(&words, &was_put_aside), 0);
    assert_true(was_put_aside);
    assert_int_equal(access(aside, F_OK), 0);
    put("one");
}

static void tables_that_are_not_of_their_schema_are_put_aside(void **state)
{
    bool was_put_aside;

    (void)state;
    make_with("one");
    assert_true(database_open(&database, path, DATABASE_OWN, BUSY_MS, &err));
    assert_true(database_run(&database, "ALTER TABLE word RENAME TO verb", &err));
    database_close(&database);
    assert_int_equal(open_words(&words, &was_put_aside), 0);
    assert_true(was_put_aside);
}

static void what_cannot_be_read_is_put_aside(void **state)
{
    struct state_file other = words;
    bool was_put_aside;

    (void)state;
    make_with("one");
    assert_true(database_open(&database, path, DATABASE_OWN, BUSY_MS, &err));
    assert_true(database_run(&database, "CREATE TABLE verb (text); DROP TABLE word", &err));
    database_close(&database);
    other.statement_count = 0; /* so that reading is the first to miss it */
    assert_int_equal(open_words(&other, &was_put_aside), 0);
    assert_true(was_put_aside);
}

static void damage_is_a_failure_where_another_may_have_it_open(void **state)
{
    (void)state;
    spoil();
    assert_int_equal(open_words(&words, NULL), -1);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(aside, F_OK), 0);
}

static void a_busy_file_keeps_what_it_has(void **state)
{
    struct database other;
    struct state_file next = words;
    bool was_put_aside;

    (void)state;
    make_with("one");
    assert_true(database_open(&other, path, DATABASE_OWN, BUSY_MS, &err));
    assert_true(database_run(&other, "BEGIN IMMEDIATE", &err));
    next.schema = 4; /* it wants to make tables, and may not */
    assert_int_equal(open_words(&next, &was_put_aside), -1);
    assert_false(was_put_aside);
    assert_non_null(strstr(err.text, "locked"));
    database_undo(&other);
    database_close(&other);
    assert_int_equal(open_words(&words, &was_put_aside), 1);
    assert_false(was_put_aside);
}

static void who_only_looks_finds_what_is_there_and_makes_nothing(void **state)
{
    bool is_absent;

    (void)state;
    assert_true(state_file_look(&words, folder, &database, &is_absent, &err));
    assert_true(is_absent);
    assert_int_not_equal(access(path, F_OK), 0);
    make_with("one");
    assert_true(state_file_look(&words, folder, &database, &is_absent, &err));
    assert_false(is_absent);
    assert_int_equal(database_number(&database, "SELECT count(*) FROM word", 0), 1);
    assert_false(database_run(&database, "DELETE FROM word", &err));
}

static void a_file_that_is_just_being_made_is_absent_for_who_looks(void **state)
{
    bool is_absent;

    (void)state;
    assert_true(database_open(&database, path, DATABASE_OWN, BUSY_MS, &err));
    assert_true(database_run(&database, "PRAGMA journal_mode = WAL", &err));
    database_close(&database);
    assert_true(state_file_look(&words, folder, &database, &is_absent, &err));
    assert_true(is_absent);
    assert_null(database.connection);
}

static void who_looks_is_told_of_damage_and_leaves_it(void **state)
{
    bool is_absent;

    (void)state;
    spoil();
    assert_false(state_file_look(&words, folder, &database, &is_absent, &err));
    assert_non_null(strstr(err.text, path));
    assert_null(database.connection);
    assert_int_equal(access(path, F_OK), 0);
}

static void where_there_is_no_room_what_it_has_is_read_and_later_written_to(void **state)
{
    bool was_put_aside;

    (void)state;
    make_with("one");
    limit_files_to(4096); /* less than a log, and the file beside it */
    assert_int_equal(open_words(&words, &was_put_aside), 1);
    assert_false(was_put_aside);
    assert_false(database_run(&database, "INSERT INTO word VALUES ('lost')", &err));
    assert_int_equal(err.kind, ERROR_FULL);
    limit_files_to(0);
    put("two");
    database_close(&database);
    assert_int_equal(open_words(&words, &was_put_aside), 2);
}

static void what_could_not_be_shared_for_want_of_room_is_when_there_is(void **state)
{
    struct database other;
    bool was_put_aside, is_absent;

    (void)state;
    make_with("one");
    limit_files_to(4096);
    assert_int_equal(open_words(&words, &was_put_aside), 1);
    assert_false(state_file_look(&words, folder, &other, &is_absent, &err));
    limit_files_to(0);
    assert_true(state_file_open_again(&words, &database, &err));
    put("two");
    assert_true(state_file_look(&words, folder, &other, &is_absent, &err));
    assert_int_equal(database_number(&other, "SELECT count(*) FROM word", 0), 2);
    database_close(&other);
    assert_true(state_file_open_again(&words, &database, &err)); /* and stays as it is */
    put("three");
}

static void what_could_not_be_made_for_want_of_room_is_when_there_is(void **state)
{
    bool was_put_aside;

    (void)state;
    limit_files_to(4096);
    assert_int_equal(open_words(&words, &was_put_aside), -1);
    assert_int_equal(err.kind, ERROR_FULL);
    assert_false(state_file_open_again(&words, &database, &err));
    assert_int_equal(err.kind, ERROR_FULL);
    limit_files_to(0);
    assert_true(state_file_open_again(&words, &database, &err));
    put("one");
    database_close(&database);
    assert_int_equal(open_words(&words, &was_put_aside), 1);
}

static void a_folder_whose_name_is_too_long_is_refused(void **state)
{
    static char deep[sizeof database.path + 1];
    bool was_put_aside, is_absent;

    (void)state;
    memset(deep, 'x', sizeof deep - 1);
    assert_false(state_file_open(&words, deep, NULL, &database, &was_put_aside, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(state_file_look(&words, deep, &database, &is_absent, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(is_made_and_read_at_the_next_start),
        PROMISE(another_schema_is_begun_anew_in_place),
        PROMISE(what_is_no_database_is_put_aside),
        PROMISE(tables_that_are_not_of_their_schema_are_put_aside),
        PROMISE(what_cannot_be_read_is_put_aside),
        PROMISE(damage_is_a_failure_where_another_may_have_it_open),
        PROMISE(a_busy_file_keeps_what_it_has),
        PROMISE(who_only_looks_finds_what_is_there_and_makes_nothing),
        PROMISE(a_file_that_is_just_being_made_is_absent_for_who_looks),
        PROMISE(who_looks_is_told_of_damage_and_leaves_it),
        PROMISE(where_there_is_no_room_what_it_has_is_read_and_later_written_to),
        PROMISE(what_could_not_be_shared_for_want_of_room_is_when_there_is),
        PROMISE(what_could_not_be_made_for_want_of_room_is_when_there_is),
        PROMISE(a_folder_whose_name_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
