/* tests/unit/queue/asking.c - a queue in a folder of its own, asked one request after the other. */
#include "asking.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test.h"

enum { RECIPIENTS_MOST = 300 };

void asking_start(struct asking *asking)
{
    struct error err = { 0 };

    if (!queue_store_open(&asking->settings, &asking->store, &err))
        fail_msg("%s", err.text);
    assert_true(loop_open(&asking->loop, &err));
    assert_true(queue_door_open(asking->store, asking->loop, &asking->door, &err));
}

void asking_stop(struct asking *asking)
{
    queue_door_close(&asking->door);
    queue_store_close(&asking->store);
    loop_close(&asking->loop);
}

void asking_open(struct asking *asking)
{
    *asking = (struct asking){ .folder = "/tmp/postern-queue-XXXXXX" };
    assert_non_null(mkdtemp(asking->folder));
    asking->settings = queue_store_defaults(asking->folder);
    asking->settings.clock = clock_fixed(ASKING_NOW_S, 1000);
    asking_start(asking);
}

void asking_reopen(struct asking *asking)
{
    asking_stop(asking);
    asking_start(asking);
}

static void remove_files(const char *folder)
{
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    char path[512];

    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(path) != 0)
            remove_files(path);
    }
    if (open_folder != NULL)
        closedir(open_folder);
    rmdir(folder);
}

void asking_close(struct asking *asking)
{
    asking_stop(asking);
    remove_files(asking->folder);
}

void asking_answered(void *owner)
{
    struct asking *asking = owner;

    asking->answers++;
    loop_stop(asking->loop);
}

void asking_wait(struct asking *asking, int count)
{
    int goal = asking->answers + count;

    while (asking->answers < goal)
        loop_run(asking->loop);
}

char asking_byte(int64_t id, size_t at)
{
    uint64_t mixed = ((uint64_t)id + at) * UINT64_C(0x9E3779B97F4A7C15);

    return (char)(mixed >> 56);
}

static size_t split(const char *addresses, struct queue_recipient *recipients)
{
    struct span rest = span_of(addresses);
    size_t count = 0;

    while (rest.len > 0 && count < RECIPIENTS_MOST)
        recipients[count++] =
            (struct queue_recipient){ .address = span_take_until(&rest, ','),
                                      .orcpt = span_of("rfc822;someone@example.org"),
                                      .notify = QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY };
    return count;
}

static void append_parts(struct asking *asking, struct queue_put *put, size_t size, size_t part)
{
    static char bytes[QUEUE_PART_BYTES];
    size_t done = 0;

    for (;;) {
        size_t len = size - done < part ? size - done : part;

        for (size_t i = 0; i < len; i++)
            bytes[i] = asking_byte(put->id, done + i);
        done += len;
        put->bytes = (struct span){ bytes, len };
        if (done == size)
            return;
        queue_put_append(asking->door, put, asking_answered, asking);
        asking_wait(asking, 1);
        if (put->request.status != QUEUE_OK)
            return;
    }
}

enum queue_status asking_put(struct asking *asking, const char *sender, const char *recipients,
                             size_t size, size_t part, int64_t *id)
{
    struct queue_recipient split_recipients[RECIPIENTS_MOST];
    struct queue_envelope envelope = {
        .id = queue_door_id(asking->door),
        .sender = span_of(sender),
        .envid = span_of("QQ314159"),
        .message_id = span_of("<one@example.net>"),
        .returns = QUEUE_RETURN_HEADERS,
        .is_8bit = true,
        .requires_tls = asking->requires_tls,
        .tls_optional = asking->tls_optional,
        .received_at_s = ASKING_NOW_S,
        .origin = { .client_address = span_of("192.0.2.1"),
                    .helo = span_of("mail.example.net"),
                    .tls_version = span_of("TLSv1.3"),
                    .tls_cipher = span_of("TLS_AES_256_GCM_SHA384") },
    };
    struct queue_put put = { .id = envelope.id, .envelope = &envelope };

    if (id != NULL)
        *id = put.id;
    put.recipients = split_recipients;
    put.recipient_count = split(recipients, split_recipients);
    append_parts(asking, &put, size, part);
    if (put.request.status != QUEUE_OK) {
        enum queue_status status = put.request.status;

        queue_put_abort(asking->door, &put, asking_answered, asking);
        asking_wait(asking, 1);
        return status;
    }
    queue_put_commit(asking->door, &put, asking_answered, asking);
    asking_wait(asking, 1);
    return put.request.status;
}

int64_t asking_put_some(struct asking *asking, const char *recipients)
{
    int64_t id;

    assert_int_equal(asking_put(asking, "sender@example.net", recipients, 1000, 1000, &id),
                     QUEUE_OK);
    return id;
}

bool asking_has_body(struct asking *asking, int64_t id, size_t size)
{
    static char bytes[QUEUE_PART_BYTES];
    struct queue_read read = { .id = id, .bytes = bytes };
    bool is_same = true;
    size_t at = 0;

    for (;; read.number++) {
        queue_read(asking->door, &read, asking_answered, asking);
        asking_wait(asking, 1);
        if (read.request.status != QUEUE_OK)
            return is_same && read.request.status == QUEUE_ABSENT && at == size;
        for (size_t i = 0; i < read.len; i++)
            is_same &= bytes[i] == asking_byte(id, at++);
    }
}

struct queue_lease asking_lease(struct asking *asking, int64_t now_s, size_t most,
                                struct arena *arena)
{
    struct queue_lease lease = {
        .now_s = now_s, .until_s = now_s + 600, .most = most, .arena = arena
    };

    queue_lease(asking->door, &lease, asking_answered, asking);
    asking_wait(asking, 1);
    assert_int_equal(lease.request.status, QUEUE_OK);
    return lease;
}

struct queue_stats asking_stats(struct asking *asking)
{
    struct queue_stats stats = { 0 };

    queue_stats(asking->door, &stats, asking_answered, asking);
    asking_wait(asking, 1);
    assert_int_equal(stats.request.status, QUEUE_OK);
    return stats;
}

int64_t asking_count(struct asking *asking, enum queue_state state)
{
    return asking_stats(asking).recipients[state];
}

struct queue_list asking_list(struct asking *asking, struct queue_selection selection,
                              struct arena *arena)
{
    struct queue_list list = { .selection = selection,
                               .most = QUEUE_LISTED_AT_ONCE,
                               .arena = arena };

    queue_list(asking->door, &list, asking_answered, asking);
    asking_wait(asking, 1);
    assert_int_equal(list.request.status, QUEUE_OK);
    return list;
}

struct queue_change asking_change(struct asking *asking, enum queue_change_kind kind,
                                  struct queue_selection selection, int64_t now_s)
{
    struct queue_change change = { .kind = kind, .selection = selection, .now_s = now_s };

    do {
        queue_change(asking->door, &change, asking_answered, asking);
        asking_wait(asking, 1);
        assert_int_equal(change.request.status, QUEUE_OK);
    } while (change.has_more);
    return change;
}

size_t asking_settle(struct asking *asking, const struct queue_lease *lease, size_t message,
                     size_t index, enum queue_state result, int64_t due_at_s)
{
    struct queue_settlement settlement = {
        .id = lease->messages[message].envelope.id,
        .recipient = &lease->messages[message].recipients[index],
        .result = result,
        .due_at_s = due_at_s,
        .has_warned = result == QUEUE_DEFERRED,
        .attempt = { .at_s = lease->now_s,
                     .milliseconds = 12,
                     .relay = span_of("mx.example.org[192.0.2.9]:25"),
                     .tls = span_of("secure:TLSv1.3"),
                     .code = span_of(result == QUEUE_DONE ? "2.0.0" : "4.7.5"),
                     .reply = span_of("454 later"),
                     .finding = span_of(result == QUEUE_DONE ? "" : "certificate-expired") },
    };
    struct queue_settle settle = { .lease = lease->number, .settlements = &settlement, .count = 1 };

    queue_settle(asking->door, &settle, asking_answered, asking);
    asking_wait(asking, 1);
    assert_int_equal(settle.request.status, QUEUE_OK);
    return settle.settled;
}
