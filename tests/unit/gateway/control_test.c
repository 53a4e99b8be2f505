/* tests/unit/gateway/control_test.c - promises of gateway/control.h: requests octet by octet */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../queue/asking.h"
#include "gateway/control.h"
#include "gateway/control_request.h"
#include "net/stream.h"
#include "queue/id.h"

enum { STRANGER = 65534 };

/* A queue, its control, and one who asks. */
struct bench {
    struct asking asking;
    struct control *control;
    int changes;
    bool is_drained;
};

struct asker {
    struct bench *bench;
    struct stream *stream;
    struct buffer heard;
    bool is_ended;
};

static void count_change(void *owner)
{
    ((struct bench *)owner)->changes++;
}

static void note_drained(void *owner)
{
    struct bench *bench = owner;

    bench->is_drained = true;
    loop_stop(bench->asking.loop);
}

static void open_bench(struct bench *bench, const char *path)
{
    struct error err = { 0 };
    const struct control_terms terms = { "mx.example.org", 200000, 3 };

    *bench = (struct bench){ 0 };
    asking_open(&bench->asking);
    const struct control_settings settings = { .loop = bench->asking.loop,
                                               .door = bench->asking.door,
                                               .clock = &bench->asking.settings.clock,
                                               .path = path,
                                               .changed = count_change,
                                               .owner = bench };

    if (!control_open(&settings, &terms, &bench->control, &err))
        fail_msg("%s", err.text);
}

static void drain(struct bench *bench)
{
    control_drain(bench->control, note_drained, bench);
    while (!bench->is_drained)
        loop_run(bench->asking.loop);
    assert_int_equal(control_sessions(bench->control), 0);
}

static void close_bench(struct bench *bench)
{
    if (!bench->is_drained)
        drain(bench);
    control_close(&bench->control);
    asking_close(&bench->asking);
}

static void hear(void *owner, struct span *bytes)
{
    struct asker *asker = owner;

    assert_true(buffer_append(&asker->heard, *bytes));
    loop_stop(asker->bench->asking.loop);
}

static void hear_end(void *owner, enum stream_end end)
{
    struct asker *asker = owner;

    (void)end;
    asker->is_ended = true;
    loop_stop(asker->bench->asking.loop);
}

/* As another user where we may: the kernel takes down who makes the pair. */
static void come(struct asker *asker, struct bench *bench, bool as_stranger)
{
    static const struct stream_handlers handlers = { .received = hear, .ended = hear_end };
    struct error err = { 0 };
    int sockets[2];

    *asker = (struct asker){ .bench = bench };
    buffer_init(&asker->heard, 16 << 20);
    assert_int_equal(as_stranger ? seteuid(STRANGER) : 0, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets),
                     0);
    assert_int_equal(as_stranger ? seteuid(0) : 0, 0);
    assert_true(
        stream_adopt(bench->asking.loop, sockets[0], &handlers, asker, &asker->stream, &err));
    control_adopt(bench->control, sockets[1]);
}

static void leave(struct asker *asker)
{
    stream_close(&asker->stream);
    buffer_clear(&asker->heard);
}

static void say(struct asker *asker, const char *text)
{
    assert_true(stream_send(asker->stream, span_of(text)));
}

/* Waits until that was heard, and forgets it and what came before. */
static void expect(struct asker *asker, const char *text)
{
    for (;;) {
        size_t len = strlen(text);

        for (size_t at = 0; at + len <= asker->heard.len; at++)
            if (memcmp(asker->heard.data + at, text, len) == 0) {
                buffer_drop(&asker->heard, at + len);
                return;
            }
        if (asker->is_ended)
            fail_msg("ended without %s", text);
        loop_run(asker->bench->asking.loop);
    }
}

static void expect_end(struct asker *asker)
{
    while (!asker->is_ended)
        loop_run(asker->bench->asking.loop);
}

#define PUT(size)                                                                                  \
    "{\"do\":\"put\",\"size\":" #size                                                              \
    ",\"envelope\":{\"sender\":\"a@b.example\"},\"recipients\":[{\"address\":\"c@d.example\"}]}\n"

static void check_messages(struct bench *bench, int64_t count)
{
    assert_int_equal(asking_stats(&bench->asking).messages, count);
}

static void answers_one_request_after_the_other(void **state)
{
    struct bench bench;
    struct asker asker;

    (void)state;
    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say(&asker,
        "{\"do\":\"list\"}\n{\"do\":\"stats\"}\n{\"do\":\"read\",\"id\":\"0000000000001\"}\n");
    expect(&asker, "{\"status\":\"ok\"}\n");
    expect(&asker, "\"stats\":{\"messages\":0");
    expect(&asker, "{\"status\":\"absent\",\"text\":\"there is no such message in the queue\"}\n");
    say(&asker, "{\"do\":\"da");
    say(&asker, "nce\"}\n");
    expect(&asker,
           "{\"status\":\"refused\",\"text\":\"\\\"do\\\" names nothing that can be done\"}\n");
    say(&asker, "{\"do\":\"delete\",\"all\":true}\n");
    expect(&asker, "{\"status\":\"ok\",\"changed\":0}\n");
    assert_int_equal(bench.changes, 0);
    leave(&asker);
    close_bench(&bench);
}

static void takes_a_message_in_parts(void **state)
{
    static char body[2 * CONTROL_PART_BYTES + 1];
    struct bench bench;
    struct asker asker;

    (void)state;
    memset(body, 'x', CONTROL_PART_BYTES * 2);
    for (size_t i = 78; i < CONTROL_PART_BYTES * 2; i += 80)
        memcpy(body + i, "\r\n", 2);
    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say(&asker, PUT(122880)); /* twice CONTROL_PART_BYTES */
    assert_int_equal(CONTROL_PART_BYTES * 2, 122880);
    expect(&asker, "{\"status\":\"ok\",\"id\":\"");
    assert_true(stream_send(asker.stream, (struct span){ body, CONTROL_PART_BYTES }));
    expect(&asker, "{\"status\":\"ok\"}\n");
    assert_true(stream_send(asker.stream, (struct span){ body + CONTROL_PART_BYTES, 1 }));
    check_messages(&bench, 0);
    assert_true(stream_send(
        asker.stream, (struct span){ body + CONTROL_PART_BYTES + 1, CONTROL_PART_BYTES - 1 }));
    expect(&asker, "{\"status\":\"ok\",\"id\":\"");
    check_messages(&bench, 1);
    assert_int_equal(bench.changes, 1);
    say(&asker, "{\"do\":\"list\"}\n");
    expect(&asker, "{\"message\":{\"id\":\"");
    expect(&asker, "\"sender\":\"a@b.example\"");
    expect(&asker, "\"origin\":{\"user\":\"");
    expect(&asker, "{\"recipient\":{\"address\":\"c@d.example\",\"state\":\"waiting\"");
    expect(&asker, "{\"status\":\"ok\"}\n");
    leave(&asker);
    close_bench(&bench);
}

static void puts_a_received_field_before_the_body(void **state)
{
    struct bench bench;
    struct asker asker;
    char id[QUEUE_ID_TEXT + 1], question[128];

    (void)state;
    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say(&asker, PUT(15));
    expect(&asker, "\"id\":\"");
    say(&asker, "Subject: x\r\n\r\ny");
    say(&asker, "\r\n"); /* one request behind it would begin here: there is none */
    expect(&asker, "{\"status\":\"ok\",\"id\":\"");
    while (asker.heard.len < QUEUE_ID_TEXT)
        loop_run(bench.asking.loop);
    memcpy(id, asker.heard.data, QUEUE_ID_TEXT);
    id[QUEUE_ID_TEXT] = '\0';
    expect(&asker, "\n");
    expect(&asker, "\"status\":\"refused\"");
    snprintf(question, sizeof question, "{\"do\":\"read\",\"id\":\"%s\"}\n", id);
    say(&asker, question);
    expect(&asker, "{\"status\":\"ok\",\"bytes\":");
    expect(&asker, "\nReceived: by mx.example.org (from user ");
    expect(&asker, "\tfor <c@d.example>;\r\n");
    expect(&asker, "Subject: x\r\n\r\ny");
    leave(&asker);
    close_bench(&bench);
}

static void check_refused(const char *request, const char *body, const char *text)
{
    struct bench bench;
    struct asker asker;

    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say(&asker, request);
    if (body != NULL) {
        expect(&asker, "\"status\":\"ok\"");
        say(&asker, body);
    }
    expect(&asker, "\"status\":\"refused\"");
    expect(&asker, text);
    check_messages(&bench, 0);
    say(&asker, "{\"do\":\"stats\"}\n"); /* the session goes on */
    expect(&asker, "\"stats\"");
    leave(&asker);
    close_bench(&bench);
}

static void refuses_what_the_queue_must_not_hold(void **state)
{
    (void)state;
    check_refused(PUT(4), "a\nb\n", "an LF without CR");
    check_refused(PUT(4), "a\rb\n", "a CR without LF");
    check_refused(PUT(3), "ab\r", "a CR without LF");
    check_refused(PUT(200001), NULL, "larger than this gateway takes");
    check_refused(
        "{\"do\":\"put\",\"size\":1,\"envelope\":{},\"recipients\":[{\"address\":\"a@b\"},"
        "{\"address\":\"c@d\"},{\"address\":\"e@f\"},{\"address\":\"g@h\"}]}\n",
        NULL, "there are 4 recipients, and 3 at most may be");
}

static void forgets_a_message_that_is_cut(void **state)
{
    static char body[CONTROL_PART_BYTES];
    struct bench bench;
    struct asker asker;

    (void)state;
    memset(body, 'x', sizeof body);
    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say(&asker, PUT(122880));
    expect(&asker, "\"id\"");
    assert_true(stream_send(asker.stream, (struct span){ body, sizeof body }));
    expect(&asker, "{\"status\":\"ok\"}\n");
    assert_true(stream_send(asker.stream, (struct span){ body, 100 }));
    leave(&asker);
    while (control_sessions(bench.control) > 0) {
        check_messages(&bench, 0); /* a turn of the loop, too */
    }
    assert_int_equal(bench.changes, 0);
    close_bench(&bench);
}

/* Of a line without end. */
static void say_blanks(struct asker *asker, size_t count)
{
    char blanks[65536];

    memset(blanks, ' ', sizeof blanks);
    for (size_t said = 0; said < count; said += sizeof blanks) {
        assert_true(stream_send(asker->stream, (struct span){ blanks, sizeof blanks }));
        while (stream_unsent(asker->stream) > 0)
            check_messages(asker->bench, 0);
    }
}

static void ends_who_says_a_line_without_end(void **state)
{
    struct bench bench;
    struct asker asker;

    (void)state;
    open_bench(&bench, NULL);
    come(&asker, &bench, false);
    say_blanks(&asker, CONTROL_LINE_BYTES);
    expect(&asker, "\"status\":\"refused\",\"text\":\"a request is too long\"");
    expect_end(&asker);
    leave(&asker);
    close_bench(&bench);
}

static void lets_strangers_hand_in_mail_and_no_more(void **state)
{
    struct bench bench;
    struct asker askers[CONTROL_OF_ONE_STRANGER], one_more, own;

    (void)state;
    if (geteuid() != 0)
        skip();
    open_bench(&bench, NULL);
    for (size_t i = 0; i < CONTROL_OF_ONE_STRANGER; i++)
        come(&askers[i], &bench, true);
    say(&askers[0], "{\"do\":\"list\"}\n{\"do\":\"delete\",\"all\":true}\n");
    expect(&askers[0], "{\"status\":\"denied\",");
    expect(&askers[0], "{\"status\":\"denied\",");
    say(&askers[0], PUT(3));
    expect(&askers[0], "\"id\":\"");
    say(&askers[0], "x\r\n");
    expect(&askers[0], "{\"status\":\"ok\",\"id\":\"");
    come(&one_more, &bench, true);
    expect(&one_more, "{\"status\":\"busy\",\"text\":\"too many others ask; try again\"}\n");
    expect_end(&one_more);
    come(&own, &bench, false);
    say(&own, "{\"do\":\"list\"}\n");
    expect(&own, "\"origin\":{\"user\":\"nobody\"}");
    leave(&own);
    leave(&one_more);
    for (size_t i = 0; i < CONTROL_OF_ONE_STRANGER; i++)
        leave(&askers[i]);
    close_bench(&bench);
}

/* Each holds memory for thousands of recipients. */
static void lets_few_strangers_ask_at_length(void **state)
{
    enum { LONG = CONTROL_LONG_BYTES + 65536 };
    struct bench bench;
    struct asker askers[CONTROL_LONG_OF_STRANGERS], one_more, own;

    (void)state;
    if (geteuid() != 0)
        skip();
    open_bench(&bench, NULL);
    for (size_t i = 0; i < CONTROL_LONG_OF_STRANGERS; i++) {
        come(&askers[i], &bench, true);
        say_blanks(&askers[i], LONG);
    }
    come(&one_more, &bench, true);
    say_blanks(&one_more, CONTROL_LONG_BYTES); /* and no octet more */
    say(&one_more, PUT(3));
    expect(&one_more, "\"status\":\"busy\",\"text\":\"too many others ask; try again\"");
    expect_end(&one_more);
    come(&own, &bench, false);
    say_blanks(&own, LONG);
    say(&own, PUT(3));
    expect(&own, "\"id\":\"");
    leave(&own);
    leave(&one_more);
    for (size_t i = 0; i < CONTROL_LONG_OF_STRANGERS; i++) {
        say(&askers[i], PUT(3));
        expect(&askers[i], "\"id\":\"");
        leave(&askers[i]);
    }
    close_bench(&bench);
}

static void answers_what_the_store_works_on_before_it_drains(void **state)
{
    struct bench bench;
    struct asker busy, idle;

    (void)state;
    open_bench(&bench, NULL);
    come(&idle, &bench, false);
    come(&busy, &bench, false);
    say(&idle, "{\"do\":\"stats\"}\n");
    expect(&idle, "\n");
    say(&busy, PUT(3));
    expect(&busy, "\n");
    say(&busy, "x\r\n");
    drain(&bench);
    expect_end(&idle);
    if (!busy.is_ended && busy.heard.len == 0)
        expect_end(&busy);
    /* Cut before the body came, or taken and answered: nothing in between. */
    check_messages(&bench, busy.heard.len > 0 ? 1 : 0);
    leave(&idle);
    leave(&busy);
    close_bench(&bench);
}

static void listens_where_everybody_may_come(void **state)
{
    char path[] = "/tmp/postern-control-XXXXXX";
    struct bench bench;
    struct stat status;

    (void)state;
    close(mkstemp(path));
    unlink(path);
    open_bench(&bench, path);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0666);
    drain(&bench);
    assert_int_equal(stat(path, &status), -1);
    close_bench(&bench);
}

static void takes_new_terms(void **state)
{
    const struct control_terms smaller = { "new.example.org", 2, 3 };
    struct error err = { 0 };
    struct bench bench;
    struct asker asker;

    (void)state;
    open_bench(&bench, NULL);
    assert_true(control_set_terms(bench.control, &smaller, &err));
    come(&asker, &bench, false);
    say(&asker, PUT(3));
    expect(&asker, "larger than this gateway takes");
    leave(&asker);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_one_request_after_the_other),
        cmocka_unit_test(takes_a_message_in_parts),
        cmocka_unit_test(puts_a_received_field_before_the_body),
        cmocka_unit_test(refuses_what_the_queue_must_not_hold),
        cmocka_unit_test(forgets_a_message_that_is_cut),
        cmocka_unit_test(ends_who_says_a_line_without_end),
        cmocka_unit_test(lets_strangers_hand_in_mail_and_no_more),
        cmocka_unit_test(lets_few_strangers_ask_at_length),
        cmocka_unit_test(answers_what_the_store_works_on_before_it_drains),
        cmocka_unit_test(listens_where_everybody_may_come),
        cmocka_unit_test(takes_new_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
