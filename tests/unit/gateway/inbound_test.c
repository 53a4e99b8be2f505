/* tests/unit/gateway/inbound_test.c - promises of gateway/inbound.h: clients on one side, a queue on the other */
#include "../test.h"
#include "gateway/inbound.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../link/scripted_client.h"
#include "../queue/asking.h"
#include "queue/id.h"
#include "queue/tracking.h"

enum { LIMIT_MS = 60000, BODY_MOST = 4 << 20 };

static const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES] = "0123456789abcde";

struct scene {
    struct asking asking;
    struct clock clock;
    struct log log;
    char log_path[64];
    struct loop_timer *limit, *later;
    struct listener *listener;
    struct net_address address;
    struct gateway_relay_domain domains[2];
    struct gateway_relay_network networks[1], bare[1];
    struct gateway_profile_listener at;
    struct gateway_profile profile;
    struct gateway_shared_limits *limits;
    struct tls_credentials *credentials;
    struct inbound *inbound;
    struct scripted_client client;
    int accepted, released;
    bool drains_at_accept, drains, is_drained, ran_out;
};

static void count_release(void *owner)
{
    struct scene *scene = owner;

    scene->released++;
}

static void count_accepted(void *owner)
{
    struct scene *scene = owner;

    scene->accepted++;
}

static void note_drained(void *owner)
{
    struct scene *scene = owner;

    scene->is_drained = true;
    inbound_close(&scene->inbound);
    loop_stop(scene->asking.loop);
}

static void run_out(void *owner)
{
    struct scene *scene = owner;

    scene->ran_out = true;
    loop_stop(scene->asking.loop);
}

/* Over when the client is, and its session. */
static void look(void *owner)
{
    struct scene *scene = owner;

    if (scene->inbound == NULL || scene->drains)
        return;
    if (scene->client.stream == NULL && inbound_sessions(scene->inbound) == 0)
        loop_stop(scene->asking.loop);
    else
        loop_timer_start(scene->later, 5);
}

static void accept_one(void *owner, int socket, const struct net_address *peer)
{
    struct scene *scene = owner;

    inbound_accept(scene->inbound, &scene->profile, 0, socket, peer);
    scene->drains = scene->drains_at_accept;
    if (scene->drains_at_accept)
        inbound_drain(scene->inbound, note_drained, scene);
}

static void fill_profile(struct scene *scene)
{
    struct gateway_profile *profile = &scene->profile;

    scene->domains[0] = (struct gateway_relay_domain){ .name = "ours.test" };
    scene->at.smtp = (struct smtp_server_settings){ .hostname = "mx.test",
                                                    .tls = SMTP_SERVER_TLS_MAY,
                                                    .extensions = SMTP_SERVER_EXTENSIONS,
                                                    .size_most = BODY_MOST };
    profile->references = 1;
    profile->hostname = "mx.test";
    profile->relay = (struct gateway_relay_rules){ .domains = scene->domains,
                                                   .domain_count = 1,
                                                   .networks = scene->networks,
                                                   .postmaster_domain = "ours.test" };
    profile->bare_lf_from = scene->bare;
    profile->limits = gateway_limits_defaults();
    profile->listeners = &scene->at;
    profile->listener_count = 1;
    profile->release = count_release;
    profile->owner = scene;
}

static void begin(struct scene *scene)
{
    *scene = (struct scene){ .clock = clock_system(), .log_path = "/tmp/postern-log-XXXXXX" };
    asking_open(&scene->asking);
    log_init(&scene->log, LOG_TEXT, LOG_DETAIL, mkstemp(scene->log_path), &scene->clock);
    assert_true(net_address_parse(span_of("127.0.0.1"), &scene->address));
    fill_profile(scene);
}

static void open_all(struct scene *scene)
{
    struct loop *loop = scene->asking.loop;
    struct inbound_settings settings = { .loop = loop,
                                         .door = scene->asking.door,
                                         .log = &scene->log,
                                         .clock = &scene->clock,
                                         .accepted = count_accepted,
                                         .owner = scene };
    struct tls_server_settings tls = { .security_level = 1 };
    struct error err = { .text = "" };

    tls.credentials = scene->credentials = made_credentials(MADE_EC);
    assert_true(tls_server_context_new(&tls, &scene->at.tls, &err));
    scene->at.smtp_mending = scene->at.smtp;
    scene->at.smtp_mending.mends_bare_lf = true;
    assert_true(gateway_shared_limits_new(&scene->profile.limits, secret, &scene->limits, &err));
    settings.limits = scene->limits;
    assert_true(inbound_open(&settings, &scene->inbound, &err));
    assert_true(loop_timer_open(loop, run_out, scene, &scene->limit, &err));
    assert_true(loop_timer_open(loop, look, scene, &scene->later, &err));
    assert_true(listener_open(loop, &scene->address, accept_one, scene, &scene->listener, &err));
    scene->at.address = scene->address;
}

static void run(struct scene *scene)
{
    loop_timer_start(scene->limit, LIMIT_MS);
    loop_timer_start(scene->later, 5);
    loop_run(scene->asking.loop);
    assert_false(scene->ran_out);
}

#define STEPS(...)                                                                                 \
    (struct client_step[CLIENT_STEPS_MOST])                                                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void play(struct scene *scene, const struct client_step steps[CLIENT_STEPS_MOST])
{
    memcpy(scene->client.steps, steps, sizeof scene->client.steps);
    open_all(scene);
    scripted_client_start(&scene->client, scene->asking.loop, &scene->address);
    run(scene);
}

/* Once more with other words. */
static void play_again(struct scene *scene, const struct client_step steps[CLIENT_STEPS_MOST])
{
    scripted_client_stop(&scene->client);
    scene->client = (struct scripted_client){ .at = 0 };
    memcpy(scene->client.steps, steps, sizeof scene->client.steps);
    scripted_client_start(&scene->client, scene->asking.loop, &scene->address);
    run(scene);
}

static void end(struct scene *scene)
{
    scripted_client_stop(&scene->client);
    if (scene->inbound != NULL && !scene->is_drained) {
        inbound_drain(scene->inbound, note_drained, scene);
        loop_run(scene->asking.loop);
    }
    assert_int_equal(atomic_load(&scene->profile.references), 1); /* ours */
    assert_int_equal(gateway_shared_limits_connections(scene->limits), 0);
    listener_close(&scene->listener);
    loop_timer_close(&scene->limit);
    loop_timer_close(&scene->later);
    gateway_shared_limits_free(&scene->limits);
    tls_server_context_free(&scene->at.tls);
    tls_credentials_free(&scene->credentials);
    asking_close(&scene->asking);
    close(scene->log.sink.descriptor);
    unlink(scene->log_path);
}

static bool heard(const struct scene *scene, const char *text)
{
    return scripted_client_heard(&scene->client, text);
}

static size_t count_logged(const struct scene *scene, const char *text)
{
    char log[64 * 1024];
    ssize_t len = pread(scene->log.sink.descriptor, log, sizeof log, 0);
    size_t count = 0;

    for (ssize_t i = 0; i + (ssize_t)strlen(text) <= len; i++)
        count += memcmp(log + i, text, strlen(text)) == 0;
    return count;
}

static bool is_logged(const struct scene *scene, const char *text)
{
    return count_logged(scene, text) > 0;
}

/* All that is in the queue. */
static struct queue_list listed(struct scene *scene, struct arena *arena)
{
    arena_init(arena, 8 << 20);
    return asking_list(&scene->asking, (struct queue_selection){ .id = 0 }, arena);
}

/* The whole body, in the arena. */
static struct span body_of(struct scene *scene, int64_t id, struct arena *arena)
{
    char *body = arena_new(arena, BODY_MOST, 1);
    struct span whole = { body, 0 };

    assert_non_null(body);
    for (int64_t number = 0;; number++) {
        struct queue_read read = { .id = id, .number = number, .bytes = body + whole.len };

        queue_read(scene->asking.door, &read, asking_answered, &scene->asking);
        asking_wait(&scene->asking, 1);
        if (read.request.status == QUEUE_ABSENT)
            return whole;
        assert_int_equal(read.request.status, QUEUE_OK);
        whole.len += read.len;
    }
}

#define GREET                                                                                      \
    {                                                                                              \
        CLIENT_SAY, "220 ", "EHLO me.test\r\n", 0                                                  \
    }
#define STARTTLS                                                                                   \
    { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },                                                     \
    {                                                                                              \
        CLIENT_SECURE, "220 ", NULL, 0                                                             \
    }
#define AGAIN                                                                                      \
    {                                                                                              \
        CLIENT_SAY, NULL, "EHLO me.test\r\n", 0                                                    \
    }

static void keeps_what_it_says_250_to(void **state)
{
    struct scene scene;
    struct arena arena;
    struct queue_list list;
    const struct queue_envelope *envelope;
    struct span body;
    char id[QUEUE_ID_TEXT + 1];

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, STARTTLS, AGAIN,
                       { CLIENT_SAY, "250 ",
                         "MAIL FROM:<a@b.test> BODY=8BITMIME RET=HDRS ENVID=e1\r\n"
                         "RCPT TO:<c@ours.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test\r\n"
                         "RCPT TO:<Postmaster>\r\nDATA\r\n",
                         0 },
                       { CLIENT_SAY, "354 ", "Message-ID: <1@me>\r\n\r\n..dot\r\n.\r\n", 0 },
                       { CLIENT_SAY, "250 2.0.0 Taken as ", "QUIT\r\n", 0 }));
    assert_int_equal(scene.accepted, 1);
    list = listed(&scene, &arena);
    assert_int_equal(list.message_count, 1);
    envelope = &list.messages[0].envelope;
    queue_id_format(envelope->id, id);
    assert_true(heard(&scene, id) && is_logged(&scene, id));
    assert_false(is_logged(&scene, "size=0 "));
    assert_true(span_equal(envelope->sender, span_of("a@b.test")));
    assert_true(span_equal(envelope->envid, span_of("e1")));
    assert_true(span_equal(envelope->message_id, span_of("<1@me>")));
    assert_false(envelope->is_8bit || envelope->is_smtputf8); /* it could do without */
    assert_int_equal(envelope->returns, QUEUE_RETURN_HEADERS);
    assert_true(span_equal(envelope->origin.client_address, span_of("127.0.0.1")));
    assert_true(span_equal(envelope->origin.helo, span_of("me.test")));
    assert_true(span_equal(envelope->origin.tls_version, span_of("TLSv1.3")));
    assert_int_equal(list.messages[0].recipient_count, 2);
    assert_true(span_equal(list.messages[0].recipients[0].address, span_of("c@ours.test")));
    assert_true(span_equal(list.messages[0].recipients[0].orcpt, span_of("rfc822;x@y.test")));
    assert_int_equal(list.messages[0].recipients[0].notify,
                     QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY);
    assert_true(
        span_equal(list.messages[0].recipients[1].address, span_of("postmaster@ours.test")));
    body = body_of(&scene, envelope->id, &arena);
    assert_true(span_starts_with(body, "Received: from me.test ([127.0.0.1])"));
    assert_true(memmem(body.data, body.len, "TLSv1.3", 7) != NULL);
    assert_true(memmem(body.data, body.len, id, strlen(id)) != NULL);
    assert_memory_equal(body.data + body.len - 28, "Message-ID: <1@me>\r\n\r\n.dot\r\n", 28);
    arena_clear(&arena);
    end(&scene);
}

/* What a client asks for out of habit must not keep a message from servers that lack it. */
static void asks_of_the_next_server_only_what_a_message_needs(void **state)
{
#define ASKING  "MAIL FROM:<a@b.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n"
#define UMLAUTS "MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n"
#define SILENT  "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n"
    static const struct {
        const char *commands, *content;
        bool is_8bit, is_smtputf8;
    } rows[] = {
        { ASKING, "Subject: x\r\n\r\nplain\r\n.\r\n", false, false },
        { ASKING, "Subject: x\r\n\r\ncaf\xc3\xa9\r\n.\r\n", true, false },
        { ASKING, "Subject: caf\xc3\xa9\r\n\r\nx\r\n.\r\n", true, true },
        { ASKING, "no header\r\n.\r\n", false, true },
        { UMLAUTS, "Subject: x\r\n\r\nx\r\n.\r\n", false, true },
        { SILENT, "Subject: x\r\n\r\ncaf\xc3\xa9\r\n.\r\n", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        struct arena arena;
        struct queue_list list;

        begin(&scene);
        play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", rows[i].commands, 0 },
                           { CLIENT_SAY, "354 ", rows[i].content, 0 },
                           { CLIENT_SAY, "250 2.0.0 Taken as ", "QUIT\r\n", 0 }));
        list = listed(&scene, &arena);
        assert_int_equal(list.message_count, 1);
        assert_int_equal(list.messages[0].envelope.is_8bit, rows[i].is_8bit);
        assert_int_equal(list.messages[0].envelope.is_smtputf8, rows[i].is_smtputf8);
        arena_clear(&arena);
        end(&scene);
    }
}

/* Parts are of QUEUE_PART_BYTES; sizes on either side of one and of several; of 131,000 the end comes while the client is held up. */
static void keeps_large_messages_byte_for_byte(void **state)
{
    static const size_t sizes[] = { 1, 65000, 65536, 65537, 131000, 131072, 1000000 };
    static char command[BODY_MOST];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct scene scene;
        struct arena arena;
        struct queue_list list;
        struct span body;
        size_t head;

        begin(&scene);
        head = (size_t)snprintf(command, sizeof command,
                                "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nBDAT %zu LAST\r\n",
                                sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            command[head + at] = (char)('!' + at * 7 % 90);
        memcpy(command + head + sizes[i], "QUIT\r\n", 6);
        play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", command, head + sizes[i] + 6 }));
        assert_true(heard(&scene, "221 "));
        list = listed(&scene, &arena);
        assert_int_equal(list.message_count, 1);
        body = body_of(&scene, list.messages[0].envelope.id, &arena);
        assert_true(body.len > sizes[i]);
        assert_memory_equal(body.data + body.len - sizes[i], command + head, sizes[i]);
        arena_clear(&arena);
        end(&scene);
    }
}

static void keeps_nothing_of_what_has_no_end(void **state)
{
    static char head[200 * 1024];
    struct scene scene;
    struct arena arena;
    struct queue_list list;

    (void)state;
    begin(&scene);
    memset(head, 'x', sizeof head);
    memcpy(head, "\r\n", 2);
    play(&scene,
         STEPS(GREET,
               { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n", 0 },
               { CLIENT_SAY, "354 ", head, sizeof head }, { CLIENT_CLOSE, NULL, NULL, 0 }));
    play_again(&scene,
               STEPS(GREET, { CLIENT_SAY, "250 ",
                              "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nRSET\r\nQUIT\r\n", 0 }));
    list = listed(&scene, &arena);
    assert_int_equal(list.message_count, 0);
    assert_int_equal(asking_stats(&scene.asking).body_bytes, 0);
    arena_clear(&arena);
    assert_int_equal(scene.accepted, 0);
    end(&scene);
}

static void relays_for_nobody_but_relay_from(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ",
                                "MAIL FROM:<>\r\nRCPT TO:<c@elsewhere.test>\r\nQUIT\r\n", 0 }));
    assert_true(heard(&scene, "550 5.7.1 "));
    assert_true(is_logged(&scene, "refused client=127.0.0.1 helo=me.test"));
    scene.networks[0] = (struct gateway_relay_network){ .base = scene.address, .bits = 32 };
    scene.profile.relay.network_count = 1;
    play_again(&scene,
               STEPS(GREET, { CLIENT_SAY, "250 ",
                              "MAIL FROM:<>\r\nRCPT TO:<c@elsewhere.test>\r\nQUIT\r\n", 0 }));
    assert_true(heard(&scene, "250 2.1.5 "));
    end(&scene);
}

static void mends_bare_lf_for_bare_lf_from_alone(void **state)
{
    static const char message[] = "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n";
    struct scene scene;
    struct arena arena;
    struct queue_list list;
    struct span body;

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", message, 0 },
                       { CLIENT_SAY, "354 ", "a\nb\r\n.\r\nQUIT\r\n", 0 }));
    assert_true(heard(&scene, "554 5.6.0 "));
    scene.bare[0] = (struct gateway_relay_network){ .base = scene.address, .bits = 32 };
    scene.profile.bare_lf_from_count = 1;
    play_again(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", message, 0 },
                             { CLIENT_SAY, "354 ", "a\nb\n.\nc\r\n.\r\nQUIT\r\n", 0 }));
    list = listed(&scene, &arena);
    assert_int_equal(list.message_count, 1);
    body = body_of(&scene, list.messages[0].envelope.id, &arena);
    assert_memory_equal(body.data + body.len - 12, "a\r\nb\r\n.\r\nc\r\n", 12);
    arena_clear(&arena);
    end(&scene);
}

static void sends_away_who_is_over_the_limit(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.profile.limits.session_errors = 2;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ",
                                "MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n"
                                "RCPT TO:<c@ours.test>\r\n",
                                0 }));
    assert_true(heard(&scene, "421 4.7.0 "));
    assert_false(heard(&scene, "250 2.1.5 "));
    play_again(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "QUIT\r\n", 0 }));
    assert_true(heard(&scene, "421 ") && !heard(&scene, "220 "));
    assert_true(is_logged(&scene, "turned-away client=127.0.0.1"));
    end(&scene);
}

static void turns_away_who_comes_too_often_and_tells_it_once(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.profile.limits.connections_per_minute = 1;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "QUIT\r\n", 0 }));
    assert_true(heard(&scene, "220 "));
    for (int i = 0; i < 5; i++) {
        play_again(&scene, STEPS(GREET));
        assert_true(heard(&scene, "421 4.7.0 ") && !heard(&scene, "220 "));
    }
    assert_int_equal(count_logged(&scene, "turned-away client=127.0.0.1"), 1);
    scene.networks[0] = (struct gateway_relay_network){ .base = scene.address, .bits = 32 };
    scene.profile.relay.network_count = 1;
    play_again(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "QUIT\r\n", 0 }));
    assert_true(heard(&scene, "220 ")); /* who may relay may come */
    end(&scene);
}

static void says_452_where_one_client_sends_too_much(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.profile.limits.messages_per_minute = 1;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ",
                                "MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nQUIT\r\n", 0 }));
    assert_true(heard(&scene, "250 2.1.0 ") && heard(&scene, "452 4."));
    end(&scene);
}

/* A message that is one part, and one of several: the rest of it is read, and then the client is told. */
static void says_451_where_the_queue_has_too_much_to_do(void **state)
{
    static char large[2 * QUEUE_PART_BYTES + 64];
    const char *const messages[] = { "Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n", large };

    (void)state;
    for (size_t i = 0; i < 2 * (size_t)QUEUE_PART_BYTES; i += 64)
        snprintf(large + i, 65, "%062zu\r\n", i);
    snprintf(large + 2 * (size_t)QUEUE_PART_BYTES, 64, ".\r\nQUIT\r\n");
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        struct scene scene;

        begin(&scene);
        scene.asking.settings.patience_ms = -1; /* whatever is put has waited for too long */
        asking_reopen(&scene.asking);
        play(&scene,
             STEPS(GREET,
                   { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n", 0 },
                   { CLIENT_SAY, "354 ", messages[i], 0 }));
        assert_true(heard(&scene, "451 4.3.2 ") && !heard(&scene, "Taken as"));
        assert_true(heard(&scene, "221 "));
        assert_int_equal(scene.accepted, 0);
        end(&scene);
    }
}

static void refuses_a_loop(void **state)
{
    static char message[8192];
    struct scene scene;
    size_t used = 0;

    (void)state;
    begin(&scene);
    for (int i = 0; i < 101; i++)
        used += (size_t)snprintf(message + used, sizeof message - used, "Received: from here\r\n");
    snprintf(message + used, sizeof message - used, "\r\nhi\r\n.\r\nQUIT\r\n");
    play(&scene,
         STEPS(GREET,
               { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n", 0 },
               { CLIENT_SAY, "354 ", message, 0 }));
    assert_true(heard(&scene, "554 5.4.6 "));
    assert_int_equal(scene.accepted, 0);
    end(&scene);
}

/* What stands behind a message waits for its answer, and is taken inside of it: a second message that is
 * refused without the store, then the end. */
static void outlives_a_loop_pipelined_behind_a_message(void **state)
{
    static char all[8192];
    const char *message = "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nBDAT";
    const char *field = "Received: from here\r\n";
    struct scene scene;
    int used;

    (void)state;
    begin(&scene);
    used = snprintf(all, sizeof all, "%s 6 LAST\r\nA: b\r\n%s %zu LAST\r\n", message, message,
                    101 * strlen(field));
    for (int i = 0; i < 101; i++)
        used += snprintf(all + used, sizeof all - (size_t)used, "%s", field);
    snprintf(all + used, sizeof all - (size_t)used, "QUIT\r\n");
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", all, 0 }));
    assert_true(heard(&scene, "250 2.0.0 Taken as "));
    assert_true(heard(&scene, "554 5.4.6 "));
    assert_true(heard(&scene, "221 2.0.0 "));
    assert_int_equal(scene.accepted, 1);
    end(&scene);
}

/* What tracking has of sessions that failed, once all is written; in the arena. */
static struct tracking_story *notes_at_the_end(struct scene *scene, struct arena *arena,
                                               size_t *count)
{
    struct tracking_query query = { .notes = true, .most = 10 };
    struct tracking_story *stories;
    struct error err = { .text = "" };
    char folder[128];

    scene->drains = true;
    inbound_drain(scene->inbound, note_drained, scene);
    run(scene);
    assert_true(scene->is_drained);
    assert_int_equal(asking_stats(&scene->asking).tracking_lost, 0);
    arena_init(arena, 1 << 20);
    snprintf(folder, sizeof folder, "%s/tracking", scene->asking.folder);
    assert_true(tracking_find(folder, &query, arena, &stories, count, &err));
    return stories;
}

static void tells_log_and_tracking_why_tls_failed(void **state)
{
    struct scene scene;
    struct arena arena;
    struct tracking_story *stories;
    size_t count;

    (void)state;
    begin(&scene);
    scene.client.tls.minimum_version = scene.client.tls.maximum_version = TLS_VERSION_1_1;
    scene.client.tls.security_level = 0;
    play(&scene, STEPS(GREET, STARTTLS));
    assert_true(is_logged(&scene, "tls-failed client=127.0.0.1 helo=me.test"));
    assert_true(is_logged(&scene, "finding=inbound-no-common-version side=client"));
    stories = notes_at_the_end(&scene, &arena, &count);
    assert_int_equal(count, 1);
    assert_true(
        span_equal(stories[0].events[0].attempt.finding, span_of("inbound-no-common-version")));
    assert_true(span_equal(stories[0].envelope.origin.client_address, span_of("127.0.0.1")));
    arena_clear(&arena);
    end(&scene);
}

/* By a client that says STARTTLS, and then no TLS. */
static void fail_once(struct scene *scene,
                      void (*run_steps)(struct scene *, const struct client_step *))
{
    run_steps(scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },
                           { CLIENT_SAY, "220 2.0.0 ", "no TLS\r\n", 0 }));
}

static void tells_failures_of_a_client_up_to_their_own_limit(void **state)
{
    struct scene scene;
    struct arena arena;
    size_t count;

    (void)state;
    begin(&scene);
    scene.log.most = LOG_NOTE;
    scene.profile.limits.messages_per_minute = 1;
    scene.profile.limits.failures_per_minute = 2;
    fail_once(&scene, play);
    for (int i = 0; i < 4; i++)
        fail_once(&scene, play_again);
    assert_int_equal(count_logged(&scene, "tls-failed client=127.0.0.1"), 2);
    play_again(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nQUIT\r\n", 0 }));
    assert_true(heard(&scene, "250 2.1.0 ")); /* failures are no messages */
    (void)notes_at_the_end(&scene, &arena, &count);
    assert_int_equal(count, 2);
    arena_clear(&arena);
    end(&scene);
}

static void tells_421_to_who_has_come_when_it_drains(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.drains_at_accept = true;
    play(&scene, STEPS(GREET));
    assert_true(scene.is_drained);
    assert_true(heard(&scene, "421 4.3.2 "));
    assert_false(heard(&scene, "220 "));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_says_250_to),
        cmocka_unit_test(asks_of_the_next_server_only_what_a_message_needs),
        cmocka_unit_test(keeps_large_messages_byte_for_byte),
        cmocka_unit_test(keeps_nothing_of_what_has_no_end),
        cmocka_unit_test(relays_for_nobody_but_relay_from),
        cmocka_unit_test(mends_bare_lf_for_bare_lf_from_alone),
        cmocka_unit_test(sends_away_who_is_over_the_limit),
        cmocka_unit_test(turns_away_who_comes_too_often_and_tells_it_once),
        cmocka_unit_test(says_452_where_one_client_sends_too_much),
        cmocka_unit_test(says_451_where_the_queue_has_too_much_to_do),
        cmocka_unit_test(refuses_a_loop),
        cmocka_unit_test(outlives_a_loop_pipelined_behind_a_message),
        cmocka_unit_test(tells_log_and_tracking_why_tls_failed),
        cmocka_unit_test(tells_failures_of_a_client_up_to_their_own_limit),
        cmocka_unit_test(tells_421_to_who_has_come_when_it_drains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
