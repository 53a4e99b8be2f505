/* tests/unit/gateway/control_client_test.c - promises of gateway/control_client.h: with and without a gateway */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../queue/asking.h"
#include "gateway/control_client.h"

static struct control_client_settings settings_for(const char *folder)
{
    return (struct control_client_settings){ .folder = folder,
                                             .terms = { "mx.example.org", 1000000, 100 },
                                             .tracking_days = 30,
                                             .patience_ms = 200 };
}

static struct control_client *connect_to(const char *folder)
{
    struct control_client_settings settings = settings_for(folder);
    struct control_client *client;
    struct error err = { 0 };

    if (control_client_open(&settings, &client, &err) != CONTROL_OK)
        fail_msg("%s", err.text);
    return client;
}

static int64_t put(struct control_client *client, const char *to, struct span body)
{
    struct queue_recipient recipients[] = { { .address = span_of(to) },
                                            { .address = span_of("z@z.example") } };
    struct control_request request = { .envelope.sender = span_of("a@b.example"),
                                       .recipients = recipients,
                                       .recipient_count = 2 };
    struct error err = { 0 };
    int64_t id = 0;

    if (control_client_put(client, &request, span_of("Subject: x\r\n\r\n"), body, &id, &err) !=
        CONTROL_OK)
        fail_msg("%s", err.text);
    return id;
}

struct counted {
    size_t messages, recipients, stop_after;
    int64_t last_id;
};

static bool count(void *owner, const struct queue_message *message)
{
    struct counted *counted = owner;

    assert_true(message->envelope.id > counted->last_id);
    counted->last_id = message->envelope.id;
    counted->messages++;
    counted->recipients += message->recipient_count;
    return counted->messages != counted->stop_after;
}

static struct counted list(struct control_client *client, struct queue_selection selection)
{
    const struct control_request request = { .kind = CONTROL_LIST, .selection = selection };
    struct counted counted = { 0 };
    struct error err = { 0 };

    if (control_client_list(client, &request, count, &counted, &err) != CONTROL_OK)
        fail_msg("%s", err.text);
    return counted;
}

static void check_body(struct control_client *client, int64_t id, struct span body)
{
    struct buffer whole;
    struct error err = { 0 };
    int64_t part = 0;

    buffer_init(&whole, 1 << 20);
    while (control_client_read(client, id, part, &whole, &err) == CONTROL_OK)
        part++;
    assert_true(whole.len > body.len);
    assert_memory_equal(whole.data + whole.len - body.len, body.data, body.len);
    assert_memory_equal(whole.data, "Received: by mx.example.org", 27);
    buffer_clear(&whole);
}

/* The same, whoever answers. */
static void ask_everything(struct control_client *client)
{
    static char large[3 * CONTROL_PART_BYTES + 12345];
    const struct queue_selection d_example = { .domain = span_of("D.example") };
    struct control_request change = { .kind = CONTROL_CHANGE,
                                      .change = QUEUE_HOLD,
                                      .selection = d_example };
    struct error err = { 0 };
    struct queue_stats stats;
    int64_t id, changed;

    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 26);
    id = put(client, "c@d.example", (struct span){ large, sizeof large });
    put(client, "e@f.example", span_of(""));
    assert_int_equal(list(client, (struct queue_selection){ 0 }).messages, 2);
    assert_int_equal(list(client, d_example).recipients, 2);
    check_body(client, id, (struct span){ large, sizeof large });
    assert_int_equal(control_client_change(client, &change, &changed, &err), CONTROL_OK);
    assert_int_equal(changed, 1);
    assert_int_equal(control_client_stats(client, &stats, &err), CONTROL_OK);
    assert_int_equal(stats.recipients[QUEUE_HELD], 1);
    assert_int_equal(stats.recipients[QUEUE_WAITING], 3);
    change = (struct control_request){ .kind = CONTROL_CHANGE, .change = QUEUE_DELETE };
    assert_int_equal(control_client_change(client, &change, &changed, &err), CONTROL_OK);
    assert_int_equal(changed, 4);
    assert_int_equal(list(client, (struct queue_selection){ 0 }).messages, 0);
}

static void opens_the_queue_where_no_gateway_runs(void **state)
{
    struct control_client *client;
    struct asking asking;

    (void)state;
    asking_open(&asking); /* for the folder, and to remove it */
    asking_stop(&asking);
    client = connect_to(asking.folder);
    ask_everything(client);
    control_client_close(&client);
    asking_start(&asking);
    asking_close(&asking);
}

/* A gateway on this thread; who asks it on another. */
struct gateway {
    struct asking asking;
    struct control *control;
    struct loop_timer *timer;
    atomic_bool is_done;
    void (*ask)(struct control_client *client);
};

static void *run_client(void *owner)
{
    struct gateway *gateway = owner;
    struct control_client *client = connect_to(gateway->asking.folder);

    gateway->ask(client);
    control_client_close(&client);
    atomic_store(&gateway->is_done, true);
    return NULL;
}

static void look(void *owner)
{
    struct gateway *gateway = owner;

    if (atomic_load(&gateway->is_done))
        loop_stop(gateway->asking.loop);
    loop_timer_start(gateway->timer, 5);
}

static void nothing(void *owner)
{
    (void)owner;
}

static void serve(void (*ask)(struct control_client *client))
{
    static const struct control_terms terms = { "mx.example.org", 1000000, 100 };
    struct gateway gateway = { .ask = ask };
    struct error err = { 0 };
    pthread_t thread;
    char path[128];

    asking_open(&gateway.asking);
    snprintf(path, sizeof path, "%s/control", gateway.asking.folder);
    const struct control_settings settings = { .loop = gateway.asking.loop,
                                               .door = gateway.asking.door,
                                               .clock = &gateway.asking.settings.clock,
                                               .path = path };

    assert_true(control_open(&settings, &terms, &gateway.control, &err));
    assert_true(loop_timer_open(gateway.asking.loop, look, &gateway, &gateway.timer, &err));
    loop_timer_start(gateway.timer, 5);
    assert_int_equal(pthread_create(&thread, NULL, run_client, &gateway), 0);
    while (!atomic_load(&gateway.is_done))
        loop_run(gateway.asking.loop);
    pthread_join(thread, NULL);
    loop_timer_close(&gateway.timer);
    control_drain(gateway.control, nothing, NULL);
    while (control_sessions(gateway.control) > 0)
        (void)asking_stats(&gateway.asking);
    control_close(&gateway.control);
    asking_close(&gateway.asking);
}

static void asks_the_gateway_that_runs(void **state)
{
    (void)state;
    serve(ask_everything);
}

static void list_many(struct control_client *client)
{
    for (int i = 0; i < 250; i++)
        put(client, "c@d.example", span_of("x\r\n"));
    assert_int_equal(list(client, (struct queue_selection){ 0 }).messages, 250);
}

static void lists_more_than_a_page(void **state)
{
    (void)state;
    serve(list_many);
}

static void leave_early(struct control_client *client)
{
    const struct control_request request = { .kind = CONTROL_LIST };
    struct counted counted = { .stop_after = 1 };
    struct error err = { 0 };

    put(client, "c@d.example", span_of("x\r\n"));
    put(client, "c@d.example", span_of("x\r\n"));
    assert_int_equal(control_client_list(client, &request, count, &counted, &err), CONTROL_OK);
    assert_int_equal(counted.messages, 1);
}

static void a_list_may_be_left(void **state)
{
    (void)state;
    serve(leave_early);
}

static void refuse_some(struct control_client *client)
{
    struct queue_recipient recipient = { .address = span_of("no address") };
    struct control_request request = { .recipients = &recipient, .recipient_count = 1 };
    struct error err = { 0 };
    int64_t id;

    assert_int_equal(control_client_put(client, &request, span_of(""), span_of("x\r\n"), &id, &err),
                     CONTROL_REFUSED);
    assert_string_equal(err.text, "recipient number 1 is no address");
    recipient.address = span_of("c@d.example");
    assert_int_equal(control_client_put(client, &request, span_of(""), span_of("x\ny"), &id, &err),
                     CONTROL_REFUSED);
    assert_string_equal(err.text, "the message holds an LF without CR");
    assert_int_equal(control_client_read(client, 1, 0, NULL, &err), CONTROL_ABSENT);
    put(client, "c@d.example", span_of("x\r\n")); /* the client is still of use */
}

static void says_what_was_refused(void **state)
{
    (void)state;
    serve(refuse_some);
}

static void says_that_there_is_no_queue(void **state)
{
    struct control_client_settings settings = settings_for("/tmp/postern-no-such-folder");
    struct control_client *client;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(control_client_open(&settings, &client, &err), CONTROL_LOST);
    assert_null(client);
    assert_non_null(strstr(err.text, "there is no queue yet"));
    assert_int_equal(access(settings.folder, F_OK), -1); /* nor is one made */
}

/* Somebody holds it and serves no socket: patience has an end. */
static void gives_up_on_who_does_not_answer(void **state)
{
    struct control_client *client;
    struct error err = { 0 };
    struct asking asking;

    (void)state;
    asking_open(&asking);
    struct control_client_settings settings = settings_for(asking.folder);

    assert_int_equal(control_client_open(&settings, &client, &err), CONTROL_LOST);
    assert_non_null(strstr(err.text, "does not answer"));
    asking_close(&asking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_the_queue_where_no_gateway_runs),
        cmocka_unit_test(asks_the_gateway_that_runs),
        cmocka_unit_test(lists_more_than_a_page),
        cmocka_unit_test(a_list_may_be_left),
        cmocka_unit_test(says_what_was_refused),
        cmocka_unit_test(says_that_there_is_no_queue),
        cmocka_unit_test(gives_up_on_who_does_not_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
