/* tests/unit/queue/store_sqlite_schema_test.c - a queue of the version before is the same queue now */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "asking.h"

enum { MESSAGES = 4, LATER_S = ASKING_NOW_S + 300 };

/* As version 2 made them. */
static const char tables[] =
    "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
    "CREATE TABLE message("
    "id INTEGER PRIMARY KEY, sender TEXT NOT NULL, envid TEXT NOT NULL, message_id TEXT NOT NULL,"
    "returns INTEGER NOT NULL, is_8bit INTEGER NOT NULL, is_smtputf8 INTEGER NOT NULL,"
    "received_at INTEGER NOT NULL, size INTEGER NOT NULL, client_address TEXT NOT NULL,"
    "helo TEXT NOT NULL, user TEXT NOT NULL, tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL,"
    "open INTEGER NOT NULL);"
    "CREATE TABLE recipient("
    "number INTEGER PRIMARY KEY, message INTEGER NOT NULL, address TEXT NOT NULL,"
    "orcpt TEXT NOT NULL, notify INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    "due_at INTEGER NOT NULL, lease INTEGER NOT NULL DEFAULT 0,"
    "attempts INTEGER NOT NULL DEFAULT 0, has_warned INTEGER NOT NULL DEFAULT 0,"
    "code TEXT NOT NULL DEFAULT '', reply TEXT NOT NULL DEFAULT '',"
    "finding TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX recipient_message ON recipient(message);"
    "CREATE INDEX recipient_due ON recipient(due_at) WHERE state < 3;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE part(message INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE UNIQUE INDEX part_message ON part(message, number);"
    "CREATE TABLE newest(id INTEGER NOT NULL);"
    "INSERT INTO newest VALUES (99);"
    "PRAGMA user_version = 2;";

static const struct old {
    int64_t id;
    size_t size, part; /* `part` 0: in one piece */
} olds[MESSAGES] = {
    { 11, 1000, 0 }, { 12, 0, 0 }, { 13, 150000, QUEUE_PART_BYTES }, { 14, 5000000, 50000 }
};

static struct asking asking;
static struct arena arena;
static sqlite3 *connection;

static void run(const char *sql)
{
    if (sqlite3_exec(connection, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(connection));
}

static void add_bytes(const char *sql, const struct old *old, int64_t number, size_t at, size_t len)
{
    static char bytes[QUEUE_PART_BYTES];
    sqlite3_stmt *statement = NULL;

    for (size_t i = 0; i < len; i++)
        bytes[i] = asking_byte(old->id, at + i);
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_int64(statement, 1, old->id);
    sqlite3_bind_blob(statement, 2, bytes, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, number);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

static void add_message(const struct old *old)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "INSERT INTO message VALUES (%lld, 'sender@example.net', 'QQ314159', "
             "'<one@example.net>', 2, 1, 0, 1795219200, %zu, '192.0.2.1', 'mail.example.net', '', "
             "'TLSv1.3', 'TLS_AES_256_GCM_SHA384', 2);"
             "INSERT INTO recipient(message, address, orcpt, notify, state, due_at, lease) "
             "VALUES (%lld, 'a@example.org', 'rfc822;b', 12, 2, 1795219900, 5)",
             (long long)old->id, old->size, (long long)old->id);
    run(sql);
    if (old->size > 0 && old->part == 0)
        add_bytes("INSERT INTO body VALUES (?, ?)", old, 0, 0, old->size);
    for (size_t at = 0; old->part > 0 && at < old->size; at += old->part)
        add_bytes("INSERT INTO part(message, bytes, number) VALUES (?, ?, ?)", old,
                  (int64_t)(at / old->part), at,
                  old->size - at < old->part ? old->size - at : old->part);
}

static void make_old_queue(void)
{
    char path[128];

    asking_stop(&asking);
    snprintf(path, sizeof path, "%s/queue.db", asking.folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    run(tables);
    for (size_t i = 0; i < MESSAGES; i++)
        add_message(&olds[i]);
    /* The second recipients come behind all first ones, as those of other messages may. */
    run("INSERT INTO recipient(message, address, orcpt, notify, state, due_at, attempts, "
        "has_warned, code, reply, finding) SELECT id, 'b@example.com', '', 0, 1, 1795219500, 3, 1, "
        "'4.7.5', '454 later', 'certificate-expired' FROM message;");
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static int open_one(void **state)
{
    (void)state;
    asking_open(&asking);
    arena_init(&arena, 64 * 1024 * 1024);
    make_old_queue();
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    arena_clear(&arena);
    asking_close(&asking);
    return 0;
}

static void change(const char *sql)
{
    char path[128];

    snprintf(path, sizeof path, "%s/queue.db", asking.folder);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    run(sql);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static void looks_as_it_was(const struct queue_message *message, const struct old *old)
{
    const struct queue_recipient *recipient = message->recipients;

    assert_int_equal(message->envelope.id, old->id);
    assert_int_equal(message->envelope.size_bytes, old->size);
    assert_true(span_equal(message->envelope.sender, span_of("sender@example.net")));
    assert_true(span_equal(message->envelope.origin.tls_cipher, span_of("TLS_AES_256_GCM_SHA384")));
    assert_int_equal(message->recipient_count, 2);
    assert_true(span_equal(recipient->address, span_of("a@example.org")));
    assert_int_equal(recipient->notify, QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY);
    assert_int_equal(recipient->state, QUEUE_WAITING); /* the lease went with its holder */
    recipient++;
    assert_true(span_equal(recipient->address, span_of("b@example.com")));
    assert_int_equal(recipient->state, QUEUE_DEFERRED);
    assert_int_equal(recipient->due_at_s, 1795219500);
    assert_int_equal(recipient->attempts, 3);
    assert_true(recipient->has_warned);
    assert_true(span_equal(recipient->last_finding, span_of("certificate-expired")));
    assert_true(asking_has_body(&asking, old->id, old->size));
}

static void has_all(void)
{
    struct queue_list list = asking_list(&asking, (struct queue_selection){ 0 }, &arena);

    assert_int_equal(list.message_count, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++)
        looks_as_it_was(&list.messages[i], &olds[i]);
}

static void a_queue_of_version_2_keeps_all_that_it_had(void **state)
{
    struct queue_lease lease;

    (void)state;
    asking_start(&asking);
    has_all();
    assert_int_equal(asking_stats(&asking).messages, MESSAGES);
    assert_true(queue_door_id(asking.door) > 99);
    asking_reopen(&asking);
    has_all();
    lease = asking_lease(&asking, LATER_S, 100, &arena);
    for (size_t i = 0; i < lease.message_count; i++)
        for (size_t j = 0; j < lease.messages[i].recipient_count; j++)
            assert_int_equal(asking_settle(&asking, &lease, i, j, QUEUE_DONE, 0), 1);
    assert_int_equal(asking_stats(&asking).messages, 0);
    assert_int_equal(asking_stats(&asking).body_bytes, 0);
}

/* Version 3 is this one, without what a message asks of TLS. */
static void a_queue_of_version_3_keeps_all_and_learns_what_messages_ask_of_tls(void **state)
{
    struct queue_list list;
    int64_t id;

    (void)state;
    asking_start(&asking);
    asking_stop(&asking);
    change("ALTER TABLE message DROP COLUMN requires_tls;"
           "ALTER TABLE message DROP COLUMN tls_optional; PRAGMA user_version = 3");
    asking_start(&asking);
    has_all();
    asking.requires_tls = true;
    assert_int_equal(asking_put(&asking, "s@example.net", "r@example.org", 10, 10, &id), QUEUE_OK);
    asking_reopen(&asking);
    list = asking_list(&asking, (struct queue_selection){ 0 }, &arena);
    assert_int_equal(list.message_count, MESSAGES + 1);
    for (size_t i = 0; i <= MESSAGES; i++)
        assert_int_equal(list.messages[i].envelope.requires_tls, i == MESSAGES);
}

static void a_migration_that_fails_leaves_the_old_queue(void **state)
{
    struct queue_store *store = NULL;
    struct error err = { 0 };

    (void)state;
    change("ALTER TABLE part RENAME TO hidden"); /* so that it fails in the middle */
    assert_false(queue_store_open(&asking.settings, &store, &err));
    assert_non_null(strstr(err.text, "part"));
    change("ALTER TABLE hidden RENAME TO part");
    asking_start(&asking);
    has_all();
}

static void refuses(const char *version)
{
    struct queue_store *store = NULL;
    struct error err = { 0 };

    change(version);
    assert_false(queue_store_open(&asking.settings, &store, &err));
    assert_non_null(strstr(err.text, "version"));
}

static void a_file_of_a_later_version_or_one_of_long_ago_is_refused_and_left_alone(void **state)
{
    (void)state;
    refuses("PRAGMA user_version = 9");
    refuses("PRAGMA user_version = 1");
    change("PRAGMA user_version = 2");
    asking_start(&asking);
    has_all();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queue_of_version_2_keeps_all_that_it_had),
        TEST(a_queue_of_version_3_keeps_all_and_learns_what_messages_ask_of_tls),
        TEST(a_migration_that_fails_leaves_the_old_queue),
        TEST(a_file_of_a_later_version_or_one_of_long_ago_is_refused_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
