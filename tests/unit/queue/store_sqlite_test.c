/* tests/unit/queue/store_sqlite_test.c - promises of queue/store.h, kept by SQLite */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "one_queue.h"
#include "queue/id.h"
#include "queue/store_sqlite_internal.h"

enum { LATER_S = ASKING_NOW_S + 300 };

static void what_was_put_comes_back_as_it_was(void **state)
{
    struct queue_list list;
    int64_t id = asking_put_some(&asking, "a@example.org,b@example.com");
    const struct queue_envelope *envelope;
    const struct queue_recipient *recipient;

    (void)state;
    list = asking_list(&asking, (struct queue_selection){ .id = id }, &arena);
    assert_int_equal(list.message_count, 1);
    envelope = &list.messages[0].envelope;
    assert_int_equal(envelope->id, id);
    assert_true(span_equal(envelope->sender, span_of("sender@example.net")));
    assert_true(span_equal(envelope->envid, span_of("QQ314159")));
    assert_true(span_equal(envelope->message_id, span_of("<one@example.net>")));
    assert_int_equal(envelope->returns, QUEUE_RETURN_HEADERS);
    assert_true(envelope->is_8bit);
    assert_false(envelope->is_smtputf8);
    assert_int_equal(envelope->received_at_s, ASKING_NOW_S);
    assert_int_equal(envelope->size_bytes, 1000);
    assert_true(span_equal(envelope->origin.client_address, span_of("192.0.2.1")));
    assert_true(span_equal(envelope->origin.helo, span_of("mail.example.net")));
    assert_true(span_equal(envelope->origin.tls_version, span_of("TLSv1.3")));
    assert_true(span_equal(envelope->origin.tls_cipher, span_of("TLS_AES_256_GCM_SHA384")));
    assert_int_equal(list.messages[0].recipient_count, 2);
    recipient = &list.messages[0].recipients[1];
    assert_true(span_equal(recipient->address, span_of("b@example.com")));
    assert_true(span_equal(recipient->orcpt, span_of("rfc822;someone@example.org")));
    assert_int_equal(recipient->notify, QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY);
    assert_int_equal(recipient->state, QUEUE_WAITING);
    assert_int_equal(recipient->attempts, 0);
    assert_true(asking_has_body(&asking, id, 1000));
}

static void bytes_of_an_address_are_kept_whatever_they_are(void **state)
{
    static const char odd[] = "\"\xff'; DROP TABLE message; --\"@\xc3\xa9xample.org";
    struct queue_list list;
    int64_t id = asking_put_some(&asking, odd);

    (void)state;
    list = asking_list(&asking, (struct queue_selection){ .id = id }, &arena);
    assert_true(span_equal(list.messages[0].recipients[0].address, span_of(odd)));
}

static void counts_in_memory_are_those_of_the_file(void **state)
{
    struct queue_stats before, after;
    struct queue_lease lease;

    (void)state;
    for (int i = 0; i < 4; i++)
        asking_put_some(&asking, "a@example.org,b@example.com");
    lease = asking_lease(&asking, ASKING_NOW_S, 6, &arena);
    asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0);
    asking_settle(&asking, &lease, 0, 1, QUEUE_DEFERRED, LATER_S);
    asking_settle(&asking, &lease, 1, 0, QUEUE_BOUNCED, 0);
    asking_settle(&asking, &lease, 1, 1, QUEUE_DONE, 0);
    asking_settle(&asking, &lease, 2, 0, QUEUE_DEFERRED, LATER_S);
    asking_settle(&asking, &lease, 2, 1, QUEUE_DEFERRED, LATER_S);
    asking_change(&asking, QUEUE_HOLD, (struct queue_selection){ .domain = span_of("example.com") },
                  ASKING_NOW_S);
    before = asking_stats(&asking);
    assert_int_equal(before.messages, 3);
    asking_reopen(&asking);
    after = asking_stats(&asking);
    assert_memory_equal(before.recipients, after.recipients, sizeof before.recipients);
    assert_int_equal(before.messages, after.messages);
    assert_int_equal(before.body_bytes, after.body_bytes);
}

static uint64_t free_bytes, disk_bytes;
static size_t looks_until_full = SIZE_MAX;

/* In the place of the system's. */
int statvfs(const char *path, struct statvfs *facts)
{
    (void)path;
    if (looks_until_full > 0)
        looks_until_full--;
    else
        free_bytes = 0;
    *facts = (struct statvfs){ .f_frsize = 1, .f_blocks = disk_bytes, .f_bavail = free_bytes };
    return 0;
}

static enum queue_status put_one(size_t size)
{
    return asking_put(&asking, "", "a@example.org", size, QUEUE_PART_BYTES, NULL);
}

static void the_last_room_of_a_disk_is_for_mail_that_is_there(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org,b@example.org");
    disk_bytes = 1 << 30;
    free_bytes = 1 << 20;
    assert_int_equal(put_one(1000), QUEUE_FULL);
    assert_int_equal(put_one(2 * QUEUE_PART_BYTES), QUEUE_FULL);
    lease = asking_lease(&asking, ASKING_NOW_S, 1, &arena);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0), 1);
    asking_change(&asking, QUEUE_DELETE, all, ASKING_NOW_S);
    assert_int_equal(asking_stats(&asking).messages, 0);
    disk_bytes = 4 << 20; /* a small one */
    assert_int_equal(put_one(1000), QUEUE_OK);
    free_bytes = 0;
    assert_int_equal(put_one(1000), QUEUE_FULL);
    disk_bytes = 0; /* a file system that does not tell */
    assert_int_equal(put_one(1000), QUEUE_OK);
}

static void a_disk_that_fills_while_a_message_comes_is_noticed(void **state)
{
    (void)state;
    disk_bytes = free_bytes = 1 << 30;
    looks_until_full = 3;
    assert_int_equal(put_one(10 * QUEUE_PART_BYTES), QUEUE_FULL);
    assert_int_equal(put_one(1000), QUEUE_FULL);
    looks_until_full = SIZE_MAX;
    free_bytes = 1 << 30;
    assert_int_equal(put_one(1000), QUEUE_OK);
    disk_bytes = 0;
}

static void a_second_instance_is_refused_with_the_holder_named(void **state)
{
    struct queue_store *second = NULL;
    struct error err = { 0 };
    char pid[32];

    (void)state;
    assert_false(queue_store_open(&asking.settings, &second, &err));
    assert_null(second);
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, asking.folder));
    asking_put_some(&asking, "a@example.org"); /* the first works on */
}

static void a_file_that_another_program_writes_to_is_busy_only_meanwhile(void **state)
{
    sqlite3 *other = NULL;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/queue.db", asking.folder);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(asking_put(&asking, "", "a@example.org", 100, 100, NULL), QUEUE_BUSY);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(asking_put(&asking, "", "a@example.org", 100, 100, NULL), QUEUE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(asking_stats(&asking).messages, 1);
}

static void a_process_that_was_killed_holds_nothing(void **state)
{
    int status;
    pid_t child;

    (void)state;
    asking_stop(&asking);
    child = fork();
    if (child == 0) {
        asking_start(&asking);
        abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    asking_start(&asking);
    asking_put_some(&asking, "a@example.org");
}

static void expect_wishes(size_t index, bool requires_tls, bool tls_optional)
{
    struct queue_list list = asking_list(&asking, (struct queue_selection){ 0 }, &arena);

    assert_int_equal(list.message_count, 3);
    assert_int_equal(list.messages[index].envelope.requires_tls, requires_tls);
    assert_int_equal(list.messages[index].envelope.tls_optional, tls_optional);
}

/* Three messages; none is in the tables when the process ends. */
static void put_wishes_and_die(void)
{
    asking_start(&asking);
    asking_put_some(&asking, "a@example.org");
    asking.requires_tls = true;
    asking_put_some(&asking, "a@example.org");
    asking.requires_tls = false;
    asking.tls_optional = true;
    asking_put_some(&asking, "a@example.org");
    abort();
}

static void what_a_message_asks_of_tls_outlives_a_crash_and_a_restart(void **state)
{
    struct queue_lease lease;
    int status;
    pid_t child;

    (void)state;
    asking_stop(&asking);
    child = fork();
    if (child == 0)
        put_wishes_and_die();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    asking_start(&asking);
    for (int starts = 0; starts < 2; starts++) { /* from the journal, then from the tables */
        expect_wishes(0, false, false);
        expect_wishes(1, true, false);
        expect_wishes(2, false, true);
        asking_reopen(&asking);
    }
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.message_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lease.messages[i].envelope.requires_tls, i == 1);
        assert_int_equal(lease.messages[i].envelope.tls_optional, i == 2);
    }
}

static void ids_go_on_behind_the_newest_after_a_restart_with_a_clock_gone_back(void **state)
{
    int64_t id = asking_put_some(&asking, "a@example.org");
    struct queue_lease lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);

    (void)state;
    asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0);
    asking.settings.clock = clock_fixed(ASKING_NOW_S - 86400, 1000);
    asking_reopen(&asking);
    assert_true(queue_door_id(asking.door) > id);
}

/* ---- behind the struct of functions ---- */

static void put_directly(struct sqlite_queue *queue, int64_t id)
{
    struct queue_recipient recipients[] = { { .address = span_of("a@example.org") },
                                            { .address = span_of("b@example.com") } };
    struct queue_envelope envelope = { .id = id, .received_at_s = ASKING_NOW_S + id % 100 };
    struct queue_put one = { .id = id,
                             .bytes = span_of("body"),
                             .envelope = &envelope,
                             .recipients = recipients,
                             .recipient_count = 2 };

    assert_int_equal(queue_sqlite.put(queue, &one, NULL), QUEUE_OK);
}

static void settle_directly(struct sqlite_queue *queue, const struct queue_lease *lease)
{
    static const enum queue_state results[] = { QUEUE_DONE, QUEUE_DEFERRED, QUEUE_WAITING,
                                                QUEUE_BOUNCED };
    bool was_settled;

    for (size_t i = 0; i < lease->message_count; i++)
        for (size_t j = 0; j < lease->messages[i].recipient_count; j++) {
            struct queue_settlement settlement = { .id = lease->messages[i].envelope.id,
                                                   .recipient = &lease->messages[i].recipients[j],
                                                   .result = results[i % 4],
                                                   .due_at_s = LATER_S };

            assert_int_equal(
                queue_sqlite.settle(queue, lease->number, &settlement, &was_settled, NULL),
                QUEUE_OK);
            assert_true(was_settled);
        }
}

/* Whatever is asked while mail flows goes by an index: it costs no more where a million wait. */
static void nothing_that_mail_needs_looks_at_all_that_waits(void **state)
{

    struct queue_lease lease = {
        .now_s = LATER_S, .until_s = LATER_S + 300, .most = 100, .with_bodies = true
    };
    struct sqlite_queue *queue;
    void *opened = NULL;

    (void)state;
    asking_stop(&asking);
    lease.arena = &arena;
    assert_true(queue_sqlite.open(asking.folder, 0, &opened, NULL));
    queue = opened;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(queue_sqlite.begin(queue, NULL), QUEUE_OK);
        for (int64_t id = 1; id <= 1000; id++)
            put_directly(queue, round * 1000 + id);
        assert_int_equal(queue_sqlite.lease(queue, &lease, NULL), QUEUE_OK);
        settle_directly(queue, &lease);
        assert_int_equal(queue_sqlite.commit(queue, NULL), QUEUE_OK);
    }
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_stmt *statement = queue->database.statements[i];

        if (i == SQL_GIVE_BACK_LEASES) /* once, when it is opened */
            continue;
        if (sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0) > 0 ||
            sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 0) > 0)
            fail_msg("%s", sqlite3_sql(statement));
    }
    queue_sqlite.close(&opened);
    asking_start(&asking);
}

/* As SQLite does it over a page that cannot be read. */
static void undo_behind_our_back(struct sqlite_queue *queue)
{
    assert_int_equal(sqlite3_exec(queue->database.connection, "ROLLBACK", NULL, NULL, NULL),
                     SQLITE_OK);
}

static void a_transaction_that_sqlite_gave_up_fails_its_batch_and_no_more(void **state)
{
    struct queue_read read = { .id = 1, .bytes = (char[QUEUE_PART_BYTES]){ 0 } };
    struct queue_lease lease = {
        .now_s = LATER_S, .until_s = LATER_S + 300, .most = 100, .arena = &arena
    };
    struct queue_envelope envelope = { .id = 2, .received_at_s = ASKING_NOW_S };
    struct queue_recipient recipient = { .address = span_of("a@example.org") };
    struct queue_put lost = {
        .id = 2, .envelope = &envelope, .recipients = &recipient, .recipient_count = 1
    };
    struct error why;
    void *opened = NULL;

    (void)state;
    asking_stop(&asking);
    assert_true(queue_sqlite.open(asking.folder, 0, &opened, NULL));
    assert_int_equal(queue_sqlite.begin(opened, NULL), QUEUE_OK);
    put_directly(opened, 1);
    assert_int_equal(queue_sqlite.commit(opened, NULL), QUEUE_OK);
    assert_int_equal(queue_sqlite.begin(opened, NULL), QUEUE_OK);
    undo_behind_our_back(opened);
    assert_int_equal(queue_sqlite.read(opened, &read, &why), QUEUE_FAILED);
    assert_int_equal(queue_sqlite.lease(opened, &lease, &why), QUEUE_FAILED);
    assert_int_equal(queue_sqlite.put(opened, &lost, &why), QUEUE_FAILED);
    queue_sqlite.rollback(opened, QUEUE_FAILED);
    assert_int_equal(queue_sqlite.begin(opened, &why), QUEUE_OK);
    put_directly(opened, 3);
    undo_behind_our_back(opened);
    assert_int_equal(queue_sqlite.commit(opened, NULL), QUEUE_OK); /* the journal has it */
    assert_int_equal(queue_sqlite.begin(opened, NULL), QUEUE_OK);
    assert_int_equal(queue_sqlite.read(opened, &read, &why), QUEUE_OK);
    assert_int_equal(queue_sqlite.commit(opened, NULL), QUEUE_OK);
    queue_sqlite.close(&opened);
    asking_start(&asking);
    assert_int_equal(asking_stats(&asking).messages, 2);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct queue_store_settings settings = queue_store_defaults("/proc/none/queue");
    struct queue_store *store = NULL;
    struct error err = { 0 };

    (void)state;
    assert_false(queue_store_open(&settings, &store, &err));
    assert_non_null(strstr(err.text, "/proc/none/queue"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_queue_open, one_queue_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_comes_back_as_it_was),
        TEST(bytes_of_an_address_are_kept_whatever_they_are),
        TEST(counts_in_memory_are_those_of_the_file),
        TEST(the_last_room_of_a_disk_is_for_mail_that_is_there),
        TEST(a_disk_that_fills_while_a_message_comes_is_noticed),
        TEST(a_second_instance_is_refused_with_the_holder_named),
        TEST(a_file_that_another_program_writes_to_is_busy_only_meanwhile),
        TEST(a_process_that_was_killed_holds_nothing),
        TEST(what_a_message_asks_of_tls_outlives_a_crash_and_a_restart),
        TEST(ids_go_on_behind_the_newest_after_a_restart_with_a_clock_gone_back),
        TEST(nothing_that_mail_needs_looks_at_all_that_waits),
        TEST(a_transaction_that_sqlite_gave_up_fails_its_batch_and_no_more),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
