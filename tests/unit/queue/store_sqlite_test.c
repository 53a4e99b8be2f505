/* tests/unit/queue/store_sqlite_test.c - promises of queue/store.h, kept by SQLite */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "asking.h"
#include "file_limit.h"
#include "queue/id.h"
#include "queue/store_sqlite_internal.h"

enum { LATER_S = ASKING_NOW_S + 300, ARENA_BYTES = 64 * 1024 * 1024 };

static struct asking asking;
static struct arena arena;

static int open_one(void **state)
{
    (void)state;
    asking_open(&asking);
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    arena_clear(&arena);
    asking_close(&asking);
    return 0;
}

static int64_t put(const char *recipients)
{
    int64_t id;

    assert_int_equal(asking_put(&asking, "sender@example.net", recipients, 1000, 1000, &id),
                     QUEUE_OK);
    return id;
}

static int64_t in_state(enum queue_state state)
{
    return asking_stats(&asking).recipients[state];
}

static void what_was_put_comes_back_as_it_was(void **state)
{
    struct queue_list list;
    int64_t id = put("a@example.org,b@example.com");
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

static void a_body_of_any_size_and_in_any_parts_comes_back_byte_for_byte(void **state)
{
    static const struct {
        size_t size, part;
    } cases[] = { { 0, 1 },
                  { 1, 1 },
                  { 10, 3 },
                  { QUEUE_PART_BYTES, QUEUE_PART_BYTES },
                  { QUEUE_PART_BYTES + 1, QUEUE_PART_BYTES },
                  { 10 * 1024 * 1024, QUEUE_PART_BYTES },
                  { 100000, 1024 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t id;

        assert_int_equal(
            asking_put(&asking, "", "a@example.org", cases[i].size, cases[i].part, &id), QUEUE_OK);
        assert_true(asking_has_body(&asking, id, cases[i].size));
    }
    asking_reopen(&asking);
    assert_int_equal(asking_stats(&asking).messages, 7);
    assert_int_equal(asking_stats(&asking).body_bytes,
                     12 + 2 * QUEUE_PART_BYTES + 10 * 1024 * 1024 + 100000);
}

static void a_put_that_is_aborted_leaves_nothing(void **state)
{
    static char bytes[1000];
    struct queue_put put = { .id = queue_door_id(asking.door), .bytes = { bytes, sizeof bytes } };

    (void)state;
    queue_put_append(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(put.request.status, QUEUE_OK);
    queue_put_abort(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(put.request.status, QUEUE_OK);
    assert_true(asking_has_body(&asking, put.id, 0));
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void parts_that_never_became_a_message_are_gone_after_a_restart(void **state)
{
    static char bytes[1000];
    struct queue_put put = { .id = queue_door_id(asking.door), .bytes = { bytes, sizeof bytes } };

    (void)state;
    queue_put_append(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    asking_reopen(&asking);
    assert_true(asking_has_body(&asking, put.id, 0));
}

/* A part, and in the same commit a lease that fails and takes the part with it. */
static void append_in_vain(struct queue_put *put)
{
    static char bytes[1000];
    struct arena small;
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .arena = &small
    };

    arena_init(&small, 64);
    put->bytes = (struct span){ bytes, sizeof bytes };
    queue_put_append(asking.door, put, asking_answered, &asking);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 2);
    assert_int_equal(put->request.status, QUEUE_OK);
    assert_int_equal(lease.request.status, QUEUE_FAILED);
    arena_clear(&small);
}

static void a_message_that_lost_a_part_to_a_failed_commit_is_refused(void **state)
{
    struct queue_recipient recipient = { .address = span_of("a@example.org") };
    bool was_refused = false;

    (void)state;
    put("a@example.org"); /* for the lease to stumble over */
    /* On a busy machine the part may be committed before the lease comes: then it is kept. */
    for (int i = 0; i < 1000 && !was_refused; i++) {
        struct queue_envelope envelope = { .id = queue_door_id(asking.door) };
        struct queue_put one = { .id = envelope.id, .envelope = &envelope };

        one.recipients = &recipient;
        one.recipient_count = 1;
        append_in_vain(&one);
        one.bytes = span_of("the end");
        queue_put_commit(asking.door, &one, asking_answered, &asking);
        asking_wait(&asking, 1);
        was_refused = one.request.status == QUEUE_FAILED;
        assert_true(was_refused || one.request.status == QUEUE_OK);
        assert_int_equal(
            asking_list(&asking, (struct queue_selection){ .id = one.id }, &arena).message_count,
            was_refused ? 0 : 1);
    }
    assert_true(was_refused);
}

static void bytes_of_an_address_are_kept_whatever_they_are(void **state)
{
    static const char odd[] = "\"\xff'; DROP TABLE message; --\"@\xc3\xa9xample.org";
    struct queue_list list;
    int64_t id = put(odd);

    (void)state;
    list = asking_list(&asking, (struct queue_selection){ .id = id }, &arena);
    assert_true(span_equal(list.messages[0].recipients[0].address, span_of(odd)));
}

static void a_lease_takes_what_is_due_and_nobody_else_gets_it(void **state)
{
    struct queue_lease first, second;
    int64_t id = put("a@example.org,b@example.com");

    (void)state;
    first = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(first.message_count, 1);
    assert_int_equal(first.messages[0].envelope.id, id);
    assert_int_equal(first.messages[0].recipient_count, 2);
    assert_int_equal(first.next_due_at_s, first.until_s);
    second = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(second.message_count, 0);
    assert_int_equal(in_state(QUEUE_LEASED), 2);
}

static void a_lease_that_ends_gives_back(void **state)
{
    struct queue_lease first, second;

    (void)state;
    put("a@example.org");
    first = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    second = asking_lease(&asking, first.until_s, 10, &arena);
    assert_int_equal(second.message_count, 1);
    /* The first holder comes late: a deferral counts no more, a delivery does. */
    assert_int_equal(asking_settle(&asking, &first, 0, 0, QUEUE_DEFERRED, LATER_S), 0);
    assert_int_equal(asking_settle(&asking, &first, 0, 0, QUEUE_DONE, 0), 1);
    assert_int_equal(asking_settle(&asking, &second, 0, 0, QUEUE_DONE, 0), 0);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void a_restart_gives_leases_back_at_once(void **state)
{
    struct queue_lease lease;

    (void)state;
    put("a@example.org");
    asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_reopen(&asking);
    assert_int_equal(in_state(QUEUE_WAITING), 1);
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(lease.message_count, 1);
}

static void a_lease_is_no_larger_than_asked_and_says_when_more_is_due(void **state)
{
    struct queue_lease lease;

    (void)state;
    for (int i = 0; i < 5; i++)
        put("a@example.org,b@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 3, &arena);
    assert_int_equal(lease.message_count, 2);
    assert_int_equal(lease.messages[0].recipient_count, 2);
    assert_int_equal(lease.messages[1].recipient_count, 1);
    assert_true(lease.messages[0].envelope.id < lease.messages[1].envelope.id);
    assert_int_equal(lease.next_due_at_s, ASKING_NOW_S);
}

static bool has_leased_body(const struct queue_message *message, size_t size)
{
    if (message->body.len != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (message->body.data[i] != asking_byte(message->envelope.id, i))
            return false;
    return true;
}

static void a_lease_with_bodies_brings_the_small_ones_whole(void **state)
{
    static const struct {
        size_t size, part, brought;
    } cases[] = { { 0, 1, 0 },
                  { 1, 1, 1 },
                  { 5000, 1000, 5000 },
                  { QUEUE_LEASED_BODY, QUEUE_PART_BYTES, QUEUE_LEASED_BODY },
                  { QUEUE_LEASED_BODY + 1, QUEUE_PART_BYTES, 0 },
                  { 100000, QUEUE_PART_BYTES, 0 } };
    enum { CASES = sizeof cases / sizeof cases[0] };
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .with_bodies = true, .arena = &arena
    };

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        assert_int_equal(
            asking_put(&asking, "", "a@example.org", cases[i].size, cases[i].part, NULL), QUEUE_OK);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(lease.request.status, QUEUE_OK);
    assert_int_equal(lease.message_count, CASES);
    for (size_t i = 0; i < CASES; i++)
        assert_true(has_leased_body(&lease.messages[i], cases[i].brought));
}

static void a_lease_without_bodies_brings_none(void **state)
{
    struct queue_lease lease;

    (void)state;
    put("a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(lease.messages[0].body.len, 0);
}

static void what_is_deferred_comes_back_when_it_is_due_with_its_last_attempt(void **state)
{
    struct queue_lease lease;
    const struct queue_recipient *recipient;

    (void)state;
    put("a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DEFERRED, LATER_S), 1);
    assert_int_equal(in_state(QUEUE_DEFERRED), 1);
    lease = asking_lease(&asking, LATER_S - 1, 10, &arena);
    assert_int_equal(lease.message_count, 0);
    assert_int_equal(lease.next_due_at_s, LATER_S);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.message_count, 1);
    recipient = &lease.messages[0].recipients[0];
    assert_int_equal(recipient->attempts, 1);
    assert_true(recipient->has_warned);
    assert_true(span_equal(recipient->last_code, span_of("4.7.5")));
    assert_true(span_equal(recipient->last_reply, span_of("454 later")));
    assert_true(span_equal(recipient->last_finding, span_of("certificate-expired")));
}

static void what_is_given_back_untried_has_no_attempt(void **state)
{
    struct queue_lease lease;

    (void)state;
    put("a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_WAITING, LATER_S), 1);
    assert_int_equal(in_state(QUEUE_WAITING), 1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.messages[0].recipients[0].attempts, 0);
}

static void a_message_goes_with_its_last_recipient_and_not_before(void **state)
{
    int64_t id = put("a@example.org,b@example.org,c@example.org");
    struct queue_lease lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);

    (void)state;
    asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0);
    asking_settle(&asking, &lease, 0, 1, QUEUE_BOUNCED, 0);
    assert_int_equal(in_state(QUEUE_DONE), 1);
    assert_int_equal(in_state(QUEUE_BOUNCED), 1);
    assert_true(asking_has_body(&asking, id, 1000));
    asking_settle(&asking, &lease, 0, 2, QUEUE_DONE, 0);
    assert_int_equal(asking_stats(&asking).messages, 0);
    assert_int_equal(asking_stats(&asking).body_bytes, 0);
    for (unsigned i = 0; i < QUEUE_STATES; i++)
        assert_int_equal(in_state((enum queue_state)i), 0);
    assert_true(asking_has_body(&asking, id, 0));
}

static void counts_in_memory_are_those_of_the_file(void **state)
{
    struct queue_stats before, after;
    struct queue_lease lease;

    (void)state;
    for (int i = 0; i < 4; i++)
        put("a@example.org,b@example.com");
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

static void what_is_held_waits_for_a_release(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    put("a@example.org,b@EXAMPLE.com");
    assert_int_equal(asking_change(&asking, QUEUE_HOLD,
                                   (struct queue_selection){ .domain = span_of("example.COM") },
                                   ASKING_NOW_S)
                         .changed,
                     1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.messages[0].recipient_count, 1);
    assert_true(span_equal(lease.messages[0].recipients[0].address, span_of("a@example.org")));
    assert_int_equal(asking_change(&asking, QUEUE_RELEASE, all, LATER_S).changed, 1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_true(span_equal(lease.messages[0].recipients[0].address, span_of("b@EXAMPLE.com")));
}

static void holding_what_is_under_way_lets_it_end(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    put("a@example.org,b@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_change(&asking, QUEUE_HOLD, all, ASKING_NOW_S).changed, 2);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0), 1);
    assert_int_equal(asking_settle(&asking, &lease, 0, 1, QUEUE_DEFERRED, LATER_S), 0);
    assert_int_equal(in_state(QUEUE_DONE), 1);
    assert_int_equal(in_state(QUEUE_HELD), 1);
}

static void a_retry_makes_due_what_waits(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    put("a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_settle(&asking, &lease, 0, 0, QUEUE_DEFERRED, LATER_S);
    assert_int_equal(asking_change(&asking, QUEUE_RETRY, all, ASKING_NOW_S + 1).changed, 1);
    lease = asking_lease(&asking, ASKING_NOW_S + 1, 10, &arena);
    assert_int_equal(lease.message_count, 1);
    assert_int_equal(lease.messages[0].recipients[0].attempts, 1);
}

static void what_is_deleted_is_gone_and_nothing_else(void **state)
{
    int64_t id = put("a@example.org"), other = put("a@example.org,b@example.com");
    struct queue_lease lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);

    (void)state;
    assert_int_equal(
        asking_change(&asking, QUEUE_DELETE, (struct queue_selection){ .id = id }, ASKING_NOW_S)
            .changed,
        1);
    assert_true(asking_has_body(&asking, id, 0));
    assert_true(asking_has_body(&asking, other, 1000));
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0), 0);
    assert_int_equal(asking_settle(&asking, &lease, 1, 0, QUEUE_DONE, 0), 1);
    asking_change(&asking, QUEUE_DELETE,
                  (struct queue_selection){ .domain = span_of("example.com") }, ASKING_NOW_S);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void a_change_goes_through_more_than_one_round(void **state)
{
    enum { MESSAGES = 30, EACH = 100 };
    struct queue_selection all = { 0 };
    char recipients[EACH * 20] = "";
    size_t used = 0;

    (void)state;
    for (int i = 0; i < EACH; i++)
        used += (size_t)snprintf(recipients + used, sizeof recipients - used, "%sr%d@example.org",
                                 i == 0 ? "" : ",", i);
    for (int i = 0; i < MESSAGES; i++)
        put(recipients);
    assert_int_equal(asking_change(&asking, QUEUE_HOLD, all, ASKING_NOW_S).changed,
                     MESSAGES * EACH);
    assert_int_equal(in_state(QUEUE_HELD), MESSAGES * EACH);
    assert_int_equal(asking_change(&asking, QUEUE_DELETE, all, ASKING_NOW_S).changed,
                     MESSAGES * EACH);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

/* What the journal and the database take on the disk. */
static int64_t size_of_the_files(void)
{
    char command[128], answer[64] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "du -s -B1 %s", asking.folder);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(answer, sizeof answer, pipe));
    pclose(pipe);
    return strtoll(answer, NULL, 10);
}

static void room_that_is_free_goes_back_to_the_file_system(void **state)
{
    enum { LARGE = 160 * 1024 * 1024, SPARE = 72 * 1024 * 1024 };
    struct queue_selection all = { 0 };

    (void)state;
    assert_int_equal(asking_put(&asking, "", "a@example.org", LARGE, QUEUE_PART_BYTES, NULL),
                     QUEUE_OK);
    asking_reopen(&asking);
    assert_true(size_of_the_files() > LARGE);
    asking_change(&asking, QUEUE_DELETE, all, ASKING_NOW_S);
    for (int i = 0; i < 100 && size_of_the_files() > SPARE; i++)
        usleep(100 * 1000); /* after any work it looks for room to give back */
    assert_true(size_of_the_files() <= SPARE);
    put("a@example.org");
}

static void one_message_that_stays_does_not_keep_the_room_of_all(void **state)
{
    enum { LARGE = 100 * 1024, COUNT = 400, STAYS = 150, SPARE = 26 * 1024 * 1024 };
    struct queue_lease lease;
    int64_t ids[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(asking_put(&asking, "", "a@example.org", LARGE, QUEUE_PART_BYTES, &ids[i]),
                         QUEUE_OK);
    lease = asking_lease(&asking, ASKING_NOW_S, COUNT, &arena);
    for (size_t i = 0; i < COUNT; i++)
        asking_settle(&asking, &lease, i, 0, i % STAYS == 0 ? QUEUE_DEFERRED : QUEUE_DONE, LATER_S);
    for (int i = 0; i < 100 && size_of_the_files() > SPARE; i++)
        usleep(100 * 1000);
    assert_true(size_of_the_files() <= SPARE);
    asking_reopen(&asking);
    for (int i = 0; i < COUNT; i += STAYS)
        assert_true(asking_has_body(&asking, ids[i], LARGE));
}

/* ---- files that may not grow ---- */

enum { FILE_MOST = 256 * 1024, THIRD = 100 * 1024 };

static void *alone;
static struct error why;

/* Only what nobody else asks for in between tells what is in which batch. */
static void open_alone(void)
{
    if (asking.store != NULL)
        asking_stop(&asking);
    if (!queue_sqlite.open(asking.folder, 0, &alone, &why))
        fail_msg("%s", why.text);
}

static void close_alone(void)
{
    queue_sqlite.close(&alone);
    asking_start(&asking);
}

/* What was done since begin: its end. */
static enum queue_status end_batch(enum queue_status status)
{
    if (status == QUEUE_OK)
        status = queue_sqlite.commit(alone, &why);
    if (status != QUEUE_OK)
        queue_sqlite.rollback(alone, status);
    return status;
}

static struct span body_of(int64_t id, size_t from, size_t len)
{
    static char bytes[QUEUE_PART_BYTES];

    for (size_t i = 0; i < len; i++)
        bytes[i] = asking_byte(id, from + i);
    return (struct span){ bytes, len };
}

static enum queue_status append_alone(int64_t id, size_t from, size_t len)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    return status != QUEUE_OK
               ? status
               : end_batch(queue_sqlite.append(alone, id, 0, body_of(id, from, len), &why));
}

/* A message of which so many octets were appended in that many parts, and `len` are its last; in a batch. */
static enum queue_status commit_alone(int64_t id, int64_t parts, size_t appended, size_t len)
{
    const struct queue_recipient recipient = { .address = span_of("a@example.org") };
    const struct queue_envelope envelope = { .id = id, .received_at_s = ASKING_NOW_S };
    const struct queue_put put = { .id = id,
                                   .bytes = body_of(id, appended, len),
                                   .parts = parts,
                                   .size_bytes = (int64_t)appended,
                                   .envelope = &envelope,
                                   .recipients = &recipient,
                                   .recipient_count = 1 };

    return queue_sqlite.put(alone, &put, &why);
}

static enum queue_status put_alone(int64_t id, int64_t parts, size_t appended, size_t len)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    return status != QUEUE_OK ? status : end_batch(commit_alone(id, parts, appended, len));
}

static void parts_under_way_do_not_tie_the_journal_to_a_file_that_is_full(void **state)
{
    (void)state;
    open_alone();
    limit_files_to(FILE_MOST);
    assert_int_equal(put_alone(1, 0, 0, THIRD), QUEUE_OK);
    assert_int_equal(append_alone(2, 0, THIRD),
                     QUEUE_OK); /* it waits for who is promised something */
    assert_int_equal(append_alone(3, 0, 1000), QUEUE_OK);
    assert_int_equal(append_alone(2, THIRD, 1000), QUEUE_OK);
    assert_int_equal(put_alone(4, 0, 0, THIRD), QUEUE_FULL);
    assert_int_equal(put_alone(5, 0, 0, THIRD), QUEUE_OK);
    assert_int_equal(append_alone(2, THIRD + 1000, 1000), QUEUE_OK);
    assert_int_equal(put_alone(3, 1, 1000, 1000), QUEUE_OK);
    assert_int_equal(put_alone(2, 3, THIRD + 2000, 1000), QUEUE_OK);
    limit_files_to(0);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, 4);
    assert_true(asking_has_body(&asking, 1, THIRD));
    assert_true(asking_has_body(&asking, 2, THIRD + 3000));
    assert_true(asking_has_body(&asking, 3, 2000));
    assert_true(asking_has_body(&asking, 5, THIRD));
}

static enum queue_status put_with_a_part_of_another(int64_t id, int64_t other)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    if (status == QUEUE_OK)
        status = queue_sqlite.append(alone, other, 0, body_of(other, 0, 1000), &why);
    return status != QUEUE_OK ? status : end_batch(commit_alone(id, 0, 0, THIRD));
}

static void parts_that_a_full_disk_took_are_known_for_that(void **state)
{
    const struct queue_put other = { .id = 2, .parts = 1, .size_bytes = 1000 };

    (void)state;
    open_alone();
    limit_files_to(THIRD);
    assert_int_equal(put_with_a_part_of_another(1, 2), QUEUE_FULL);
    limit_files_to(0);
    assert_int_equal(queue_sqlite.find_loss(alone, &other, &why), QUEUE_FULL);
    assert_int_equal(put_with_a_part_of_another(3, 4), QUEUE_OK);
    assert_int_equal(put_alone(4, 1, 1000, 1000), QUEUE_OK);
    assert_int_equal(queue_sqlite.find_loss(alone, &other, &why), QUEUE_FULL);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, 2);
    assert_true(asking_has_body(&asking, 4, 2000));
}

static void a_log_that_may_not_grow_begins_anew(void **state)
{
    enum { COUNT = 200 };

    (void)state;
    open_alone();
    limit_files_to(FILE_MOST);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(put_alone(i + 1, 0, 0, 100), QUEUE_OK);
        queue_sqlite.tidy(alone); /* writes the index */
    }
    limit_files_to(0);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, COUNT);
    assert_true(asking_has_body(&asking, COUNT, 100));
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
    put("a@example.org,b@example.org");
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

static void a_list_shows_whole_messages_page_by_page(void **state)
{
    struct queue_list list = { .most = 2, .arena = &arena };
    int64_t ids[5], seen[5];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        ids[i] = put("a@example.org,b@example.com");
    do {
        queue_list(asking.door, &list, asking_answered, &asking);
        asking_wait(&asking, 1);
        assert_int_equal(list.request.status, QUEUE_OK);
        for (size_t i = 0; i < list.message_count; i++) {
            assert_int_equal(list.messages[i].recipient_count, 2);
            seen[count++] = list.messages[i].envelope.id;
        }
    } while (list.has_more);
    assert_int_equal(count, 5);
    assert_memory_equal(ids, seen, sizeof ids);
}

static void a_list_shows_only_what_was_asked_for(void **state)
{
    struct queue_list list = { .most = 10, .arena = &arena, .by_state = true };
    int64_t id = put("a@example.org,b@example.com");

    (void)state;
    put("a@example.org");
    list.selection.domain = span_of("Example.Com");
    list.state = QUEUE_WAITING;
    queue_list(asking.door, &list, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(list.message_count, 1);
    assert_int_equal(list.messages[0].envelope.id, id);
    list.state = QUEUE_HELD;
    list.after = 0;
    queue_list(asking.door, &list, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(list.message_count, 0);
    assert_int_equal(
        asking_list(&asking, (struct queue_selection){ .id = 5 }, &arena).message_count, 0);
}

static void memory_that_is_too_small_for_an_answer_is_an_error_and_leases_nothing(void **state)
{
    struct arena small;
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .arena = &small
    };

    (void)state;
    put("a@example.org");
    arena_init(&small, 64);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(lease.request.status, QUEUE_FAILED);
    assert_int_equal(in_state(QUEUE_WAITING), 1);
    assert_int_equal(asking_stats(&asking).failures, 1);
    assert_true(strlen(asking_stats(&asking).last_failure) > 0);
    arena_clear(&small);
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
    put("a@example.org"); /* the first works on */
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
    put("a@example.org");
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
    put("a@example.org");
    asking.requires_tls = true;
    put("a@example.org");
    asking.requires_tls = false;
    asking.tls_optional = true;
    put("a@example.org");
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
    int64_t id = put("a@example.org");
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

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct queue_store_settings settings = queue_store_defaults("/proc/none/queue");
    struct queue_store *store = NULL;
    struct error err = { 0 };

    (void)state;
    assert_false(queue_store_open(&settings, &store, &err));
    assert_non_null(strstr(err.text, "/proc/none/queue"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_comes_back_as_it_was),
        TEST(a_body_of_any_size_and_in_any_parts_comes_back_byte_for_byte),
        TEST(a_put_that_is_aborted_leaves_nothing),
        TEST(parts_that_never_became_a_message_are_gone_after_a_restart),
        TEST(a_message_that_lost_a_part_to_a_failed_commit_is_refused),
        TEST(bytes_of_an_address_are_kept_whatever_they_are),
        TEST(a_lease_takes_what_is_due_and_nobody_else_gets_it),
        TEST(a_lease_that_ends_gives_back),
        TEST(a_restart_gives_leases_back_at_once),
        TEST(a_lease_is_no_larger_than_asked_and_says_when_more_is_due),
        TEST(a_lease_with_bodies_brings_the_small_ones_whole),
        TEST(a_lease_without_bodies_brings_none),
        TEST(what_is_deferred_comes_back_when_it_is_due_with_its_last_attempt),
        TEST(what_is_given_back_untried_has_no_attempt),
        TEST(a_message_goes_with_its_last_recipient_and_not_before),
        TEST(counts_in_memory_are_those_of_the_file),
        TEST(what_is_held_waits_for_a_release),
        TEST(holding_what_is_under_way_lets_it_end),
        TEST(a_retry_makes_due_what_waits),
        TEST(what_is_deleted_is_gone_and_nothing_else),
        TEST(a_change_goes_through_more_than_one_round),
        TEST(room_that_is_free_goes_back_to_the_file_system),
        TEST(one_message_that_stays_does_not_keep_the_room_of_all),
        TEST(parts_under_way_do_not_tie_the_journal_to_a_file_that_is_full),
        TEST(parts_that_a_full_disk_took_are_known_for_that),
        TEST(a_log_that_may_not_grow_begins_anew),
        TEST(the_last_room_of_a_disk_is_for_mail_that_is_there),
        TEST(a_disk_that_fills_while_a_message_comes_is_noticed),
        TEST(a_list_shows_whole_messages_page_by_page),
        TEST(a_list_shows_only_what_was_asked_for),
        TEST(memory_that_is_too_small_for_an_answer_is_an_error_and_leases_nothing),
        TEST(a_second_instance_is_refused_with_the_holder_named),
        TEST(a_file_that_another_program_writes_to_is_busy_only_meanwhile),
        TEST(a_process_that_was_killed_holds_nothing),
        TEST(what_a_message_asks_of_tls_outlives_a_crash_and_a_restart),
        TEST(ids_go_on_behind_the_newest_after_a_restart_with_a_clock_gone_back),
        TEST(nothing_that_mail_needs_looks_at_all_that_waits),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
