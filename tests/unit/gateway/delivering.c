/* tests/unit/gateway/delivering.c - a queue and what delivers out of it, in a folder of their own. */
#include "../test.h"

#include "delivering.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECIPIENTS_MOST = 400, FILE_MOST = 32 * 1024 * 1024, TURNS_MOST = 20000 };

static void count_release(void *owner)
{
    ((struct delivering *)owner)->released++;
}

/* Port 1 of loopback: nobody listens there. */
static const struct net_address nowhere = { .bytes = { 127, 0, 0, 1 }, .port = 1 };

static void make_profile(struct delivering *delivering)
{
    struct gateway_profile_domain *domains = delivering->domains;

    domains[DELIVERING_BOX] = (struct gateway_profile_domain){ .name = "box.example",
                                                               .kind = GATEWAY_DELIVER_MAILDIR,
                                                               .path = delivering->pattern };
    domains[DELIVERING_FAR] = (struct gateway_profile_domain){ .name = "far.example",
                                                               .kind = GATEWAY_DELIVER_SMTP,
                                                               .address = nowhere };
    domains[DELIVERING_ONE] =
        (struct gateway_profile_domain){ .name = "one.example", .kind = GATEWAY_DELIVER_LMTP };
    domains[DELIVERING_SOCK] = (struct gateway_profile_domain){ .name = "sock.example",
                                                                .kind = GATEWAY_DELIVER_LMTP_SOCKET,
                                                                .path = delivering->socket_path };
    domains[DELIVERING_TWO] =
        (struct gateway_profile_domain){ .name = "two.example", .kind = GATEWAY_DELIVER_LMTP };
    delivering->profile = (struct gateway_profile){
        .references = 1,
        .hostname = "mx.example.org",
        .relay.postmaster_domain = "box.example",
        .schedule = queue_schedule_defaults(),
        .domains = domains,
        .domain_count = DELIVERING_DOMAINS,
        .mx_port = nowhere.port,
        .release = count_release,
        .owner = delivering,
    };
}

void delivering_open(struct delivering *delivering)
{
    *delivering = (struct delivering){ .root = "/tmp/postern-delivering-XXXXXX" };
    asking_open(&delivering->asking);
    assert_non_null(mkdtemp(delivering->root));
    snprintf(delivering->pattern, sizeof delivering->pattern, "%s/{domain}/{user}",
             delivering->root);
    snprintf(delivering->socket_path, sizeof delivering->socket_path, "%s/lmtp", delivering->root);
    snprintf(delivering->log_path, sizeof delivering->log_path, "%s/log", delivering->root);
    delivering->clock = delivering->asking.settings.clock;
    delivering->log_file =
        open(delivering->log_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(delivering->log_file >= 0);
    log_init(&delivering->log, LOG_TEXT, LOG_NOTE, delivering->log_file, &delivering->clock);
    make_profile(delivering);
}

void delivering_start(struct delivering *delivering)
{
    const struct delivery_settings settings = {
        .loop = delivering->asking.loop,
        .door = delivering->asking.door,
        .log = &delivering->log,
        .clock = &delivering->clock,
        .drain_ms = delivering->drain_ms,
        .in_hand_most = DELIVERING_IN_HAND,
    };
    struct error err = { .text = "" };

    if (!delivery_open(&settings, &delivering->profile, &delivering->delivery, &err))
        fail_msg("%s", err.text);
}

static void stop_turn(void *owner)
{
    loop_stop(((struct delivering *)owner)->asking.loop);
}

void delivering_turn(struct delivering *delivering)
{
    struct loop_timer *timer;

    assert_true(loop_timer_open(delivering->asking.loop, stop_turn, delivering, &timer, NULL));
    loop_timer_start(timer, 2);
    loop_run(delivering->asking.loop);
    loop_timer_close(&timer);
}

/* The store counts before it commits, and what it then takes back it counts again. The commit may
 * be one that fails. */
static void wait_for_commit(struct delivering *delivering)
{
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 * 1024 };
    struct queue_list list = { .selection = { .id = 1 }, .most = 1, .arena = &arena };

    queue_list(delivering->asking.door, &list, asking_answered, &delivering->asking);
    asking_wait(&delivering->asking, 1);
}

static int64_t count_busy(struct delivering *delivering)
{
    struct queue_stats stats = asking_stats(&delivering->asking);

    return stats.recipients[QUEUE_WAITING] + stats.recipients[QUEUE_LEASED];
}

static int64_t count_messages(struct delivering *delivering)
{
    return asking_stats(&delivering->asking).messages;
}

static void wait_for_none(struct delivering *delivering, int64_t (*count)(struct delivering *))
{
    for (int i = 0; i < TURNS_MOST; i++) {
        if (count(delivering) == 0) {
            wait_for_commit(delivering);
            if (count(delivering) == 0)
                return;
        }
        delivering_turn(delivering);
    }
    fail_msg("what is in the queue does not come to rest");
}

void delivering_settle(struct delivering *delivering)
{
    wait_for_none(delivering, count_busy);
}

void delivering_empty(struct delivering *delivering)
{
    wait_for_none(delivering, count_messages);
}

static void take_drained(void *owner)
{
    struct delivering *delivering = owner;

    delivering->was_drained = true;
    delivery_close(&delivering->delivery);
}

void delivering_drain(struct delivering *delivering)
{
    delivering->was_drained = false;
    delivering->is_draining = true;
    delivery_drain(delivering->delivery, take_drained, delivering);
}

void delivering_stop(struct delivering *delivering)
{
    if (!delivering->is_draining)
        delivering_drain(delivering);
    delivering->is_draining = false;
    for (int i = 0; i < TURNS_MOST && !delivering->was_drained; i++)
        delivering_turn(delivering);
    assert_true(delivering->was_drained);
    assert_null(delivering->delivery);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void delivering_close(struct delivering *delivering)
{
    if (delivering->delivery != NULL)
        delivering_stop(delivering);
    assert_int_equal(delivering->profile.references, 1);
    close(delivering->log_file);
    asking_close(&delivering->asking);
    nftw(delivering->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void append_all(struct delivering *delivering, struct queue_put *put, struct span body)
{
    while (body.len > QUEUE_PART_BYTES) {
        put->bytes = span_take_front(&body, QUEUE_PART_BYTES);
        queue_put_append(delivering->asking.door, put, asking_answered, &delivering->asking);
        asking_wait(&delivering->asking, 1);
        assert_int_equal(put->request.status, QUEUE_OK);
    }
    put->bytes = body;
}

int64_t delivering_put(struct delivering *delivering, const char *sender, const char *recipients,
                       struct span body)
{
    static struct queue_recipient list[RECIPIENTS_MOST];
    struct queue_door *door = delivering->asking.door;
    struct queue_envelope envelope = { .id = queue_door_id(door),
                                       .sender = span_of(sender),
                                       .received_at_s = ASKING_NOW_S,
                                       .is_smtputf8 = delivering->is_smtputf8,
                                       .returns = delivering->returns };
    struct queue_put put = { .id = envelope.id, .envelope = &envelope, .recipients = list };
    struct span rest = span_of(recipients);

    while (rest.len > 0) {
        assert_true(put.recipient_count < RECIPIENTS_MOST);
        list[put.recipient_count++] =
            (struct queue_recipient){ .address = span_take_until(&rest, ',') };
    }
    append_all(delivering, &put, body);
    queue_put_commit(door, &put, asking_answered, &delivering->asking);
    asking_wait(&delivering->asking, 1);
    assert_int_equal(put.request.status, QUEUE_OK);
    if (delivering->delivery != NULL)
        delivery_wake(delivering->delivery);
    return put.id;
}

struct tracking_event delivering_story(struct delivering *delivering, int64_t id,
                                       const char *recipient, struct arena *arena)
{
    const struct tracking_query query = { .id = id, .most = 1, .until_s = ASKING_NOW_S + 86400 };
    struct tracking_event found = { .kind = TRACKING_ACCEPTED };
    struct tracking_story *stories;
    struct error err = { .text = "" };
    char folder[128];
    size_t count;

    assert_int_equal(asking_stats(&delivering->asking).tracking_lost, 0);
    snprintf(folder, sizeof folder, "%s/tracking", delivering->asking.folder);
    if (!tracking_find(folder, &query, arena, &stories, &count, &err))
        fail_msg("%s", err.text);
    assert_int_equal(count, 1);
    for (size_t i = 0; i < stories[0].event_count; i++)
        if (span_equal(stories[0].events[i].recipient, span_of(recipient)))
            found = stories[0].events[i];
    return found;
}

enum tracking_kind delivering_end_of(struct delivering *delivering, int64_t id,
                                     const char *recipient)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };

    return delivering_story(delivering, id, recipient, &arena).kind;
}

static void read_file(const char *path, struct buffer *content)
{
    char piece[4096];
    FILE *file = fopen(path, "rb");
    size_t len;

    assert_non_null(file);
    buffer_clear(content);
    buffer_init(content, FILE_MOST);
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        assert_true(buffer_append(content, (struct span){ piece, len }));
    fclose(file);
}

size_t delivering_files(struct delivering *delivering, const char *mailbox, const char *folder,
                        struct buffer *content)
{
    char path[256], file[600];
    const struct dirent *entry;
    size_t count = 0;
    DIR *files;

    snprintf(path, sizeof path, "%s/%s/%s", delivering->root, mailbox, folder);
    files = opendir(path);
    while (files != NULL && (entry = readdir(files)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (content != NULL)
            read_file(file, content);
    }
    if (files != NULL)
        closedir(files);
    return count;
}

static bool has_all(struct span line, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memmem(line.data, line.len, words[i], strlen(words[i])) == NULL)
            return false;
    return true;
}

bool delivering_logged(struct delivering *delivering, const char *const *words, size_t count)
{
    struct buffer text = { .data = NULL };
    bool is_there = false;
    struct span rest;

    read_file(delivering->log_path, &text);
    rest = buffer_span(&text);
    while (!is_there && rest.len > 0)
        is_there = has_all(span_take_until(&rest, '\n'), words, count);
    buffer_clear(&text);
    return is_there;
}
