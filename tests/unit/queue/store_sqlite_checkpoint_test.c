/* tests/unit/queue/store_sqlite_checkpoint_test.c - promises of queue/store_sqlite_checkpoint.h */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "queue/store_sqlite_checkpoint.h"

enum { ROWS = 200 };

static char folder[64], path[96];
static sqlite3 *connection;
static struct sqlite_checkpoint *checkpoint;

static void run_sql(const char *sql)
{
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int open_all(void **state)
{
    struct error err = { .text = "" };

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/queue.db", folder);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    sqlite3_busy_timeout(connection, 10000); /* the log's header is locked for moments */
    run_sql("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(b BLOB)");
    assert_true(sqlite_checkpoint_open(path, &checkpoint, &err));
    return 0;
}

static int close_all(void **state)
{
    char command[128];

    (void)state;
    sqlite_checkpoint_close(&checkpoint);
    assert_null(checkpoint);
    sqlite3_close(connection);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void write_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        run_sql("INSERT INTO t VALUES (randomblob(4000))");
}

static long file_bytes(const char *ending)
{
    char name[128];
    struct stat facts;

    snprintf(name, sizeof name, "%s%s", path, ending);
    return stat(name, &facts) == 0 ? (long)facts.st_size : 0;
}

static void brings_all_that_was_committed_into_the_database(void **state)
{
    (void)state;
    write_rows();
    assert_true(file_bytes("") < ROWS * 4000L);
    sqlite_checkpoint_start(checkpoint);
    sqlite_checkpoint_wait(checkpoint);
    assert_true(file_bytes("") >= ROWS * 4000L);
}

static void tells_once_that_it_has_ended(void **state)
{
    (void)state;
    assert_false(sqlite_checkpoint_take_end(checkpoint));
    sqlite_checkpoint_start(checkpoint);
    sqlite_checkpoint_wait(checkpoint);
    assert_true(sqlite_checkpoint_take_end(checkpoint));
    assert_false(sqlite_checkpoint_take_end(checkpoint));
}

static void lets_commits_go_on_and_the_log_begin_anew(void **state)
{
    int log_pages = 0, done_pages = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        sqlite_checkpoint_start(checkpoint);
        write_rows();
        if (!sqlite_checkpoint_take_end(checkpoint))
            continue;
        assert_int_equal(sqlite3_wal_checkpoint_v2(connection, "main", SQLITE_CHECKPOINT_PASSIVE,
                                                   &log_pages, &done_pages),
                         SQLITE_OK);
        assert_int_equal(log_pages, done_pages);
    }
    sqlite_checkpoint_wait(checkpoint);
    run_sql("PRAGMA wal_checkpoint(PASSIVE)");
    run_sql("DELETE FROM t WHERE rowid = 1");
    assert_int_equal(sqlite3_wal_checkpoint_v2(connection, "main", SQLITE_CHECKPOINT_PASSIVE,
                                               &log_pages, &done_pages),
                     SQLITE_OK);
    assert_in_range(log_pages, 1, 10);
}

static void may_be_closed_while_it_is_under_way(void **state)
{
    (void)state;
    write_rows();
    sqlite_checkpoint_start(checkpoint); /* close_all closes it */
}

static void a_database_that_cannot_be_opened_is_an_error(void **state)
{
    struct sqlite_checkpoint *none = NULL;
    struct error err = { .text = "" };

    (void)state;
    assert_false(sqlite_checkpoint_open("/nowhere/queue.db", &none, &err));
    assert_null(none);
    assert_string_not_equal(err.text, "");
    sqlite_checkpoint_close(&none);
}

#define CHECKPOINTS(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECKPOINTS(brings_all_that_was_committed_into_the_database),
        CHECKPOINTS(tells_once_that_it_has_ended),
        CHECKPOINTS(lets_commits_go_on_and_the_log_begin_anew),
        CHECKPOINTS(may_be_closed_while_it_is_under_way),
        cmocka_unit_test(a_database_that_cannot_be_opened_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
