/* tests/unit/net/stream_test.c - promises of net/stream.h for plain connections */
#include "../test.h"

#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void answer_and_close(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "echo");
    end_close(end);
}

static void greet(struct end *end)
{
    end_say(end, "hello");
}

static void carries_bytes_both_ways_and_tells_the_peers_fin(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.server.on_received = answer_and_close;
    peers_run(&peers);
    assert_true(peers.client.is_connected);
    assert_true(end_heard(&peers.server, "hello"));
    assert_true(end_heard(&peers.client, "echo"));
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    peers_stop(&peers);
}

static void say_and_reset(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_reset(end);
}

static void tells_a_reset_from_a_fin(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.server.on_received = say_and_reset;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_RESET);
    assert_int_equal(stream_error_number(peers.client.stream), ECONNRESET);
    peers_stop(&peers);
}

static void answer_then_reset(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "last words");
    end_reset(end);
}

/* The client writes into the broken connection before it reads. */
static void hears_what_was_said_before_a_reset(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.server.on_received = answer_then_reset;
    peers_run(&peers);
    assert_true(end_heard(&peers.client, "last words"));
    assert_int_equal(peers.client.end, STREAM_RESET);
    peers_stop(&peers);
}

static void tells_that_nobody_listens(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    listener_close(&peers.listener);
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_REFUSED);
    assert_int_equal(stream_error_number(peers.client.stream), ECONNREFUSED);
    assert_false(peers.client.is_connected);
    peers_stop(&peers);
}

static void tells_that_there_is_no_way_there(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    /* 240.0.0.0/4 is reserved: the kernel has no route or refuses the address at once. */
    assert_true(net_address_parse(span_of("255.255.255.255"), &peers.address));
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_UNREACHABLE);
    peers_stop(&peers);
}

enum { HUGE = 1024 * 1024 };

static void send_too_much(struct end *end)
{
    static char bytes[HUGE + 1];

    memset(bytes, 'x', sizeof bytes);
    assert_false(stream_send(end->stream, (struct span){ bytes, HUGE + 1 }));
    assert_true(stream_send(end->stream, (struct span){ bytes, HUGE }));
}

static void close_when_drained(struct end *end)
{
    if (stream_unsent(end->stream) == 0)
        end_close(end);
}

static void sends_a_mebibyte_and_refuses_more(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = send_too_much;
    peers.client.on_drained = close_when_drained;
    peers_run(&peers);
    assert_int_equal(peers.server.received.len, HUGE);
    assert_int_equal(peers.server.end, STREAM_CLOSED);
    peers_stop(&peers);
}

static void send_until_refused(struct end *end)
{
    static char bytes[64 * 1024];

    while (stream_send(end->stream, (struct span){ bytes, sizeof bytes }))
        assert_in_range(stream_unsent(end->stream), 0, HUGE);
    end_close(end);
}

static void holds_back_no_more_than_a_mebibyte(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = send_until_refused;
    peers_run(&peers);
    peers_stop(&peers);
}

static void close_on_bytes(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_close(end);
}

static void may_be_closed_in_every_callback(void **state)
{
    struct peers peers;

    (void)state;
    for (int i = 0; i < 4; i++) {
        peers_start(&peers);
        peers.server.on_connected = greet;
        if (i == 0)
            peers.client.on_connected = end_close;
        else if (i == 1)
            peers.client.on_received = close_on_bytes;
        else if (i == 2)
            peers.client.on_ended = end_close, peers.server.on_drained = end_close;
        else
            peers.client.on_connected = greet, peers.client.on_drained = end_close;
        peers_run(&peers);
        peers_stop(&peers);
    }
}

static void peek_then_close(struct end *end, struct span *bytes)
{
    char seen[16];

    (void)bytes;
    assert_int_equal(stream_peek(end->stream, seen, sizeof seen), 0);
    end_close(end);
}

static void sees_nothing_unread_where_all_was_read(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.server.on_received = peek_then_close;
    peers_run(&peers);
    peers_stop(&peers);
}

/* One end of a pair is a stream, the other a plain socket that is spoken to in the callback. */
struct half_closed {
    struct loop *loop;
    struct stream *stream;
    int other;
    size_t heard;
    enum stream_end end;
};

static void say_that_it_is_the_end(void *owner, struct span *bytes)
{
    struct half_closed *half = owner;
    char heard[16];

    half->heard += bytes->len;
    if (half->other < 0)
        return;
    assert_true(stream_send(half->stream, span_of("bye")));
    stream_send_end(half->stream);
    assert_int_equal(recv(half->other, heard, sizeof heard, MSG_DONTWAIT), 3);
    assert_int_equal(recv(half->other, heard, sizeof heard, MSG_DONTWAIT), 0); /* the end */
    assert_int_equal(send(half->other, "more", 4, 0), 4);
    close(half->other);
    half->other = -1;
}

static void note_the_end(void *owner, enum stream_end end)
{
    struct half_closed *half = owner;

    half->end = end;
    stream_close(&half->stream);
    loop_stop(half->loop);
}

static void hears_what_comes_after_it_said_that_it_is_the_end(void **state)
{
    static const struct stream_handlers handlers = { .received = say_that_it_is_the_end,
                                                     .ended = note_the_end };
    struct half_closed half = { .end = STREAM_RESET };
    struct error err;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    half.other = pair[1];
    assert_true(loop_open(&half.loop, &err));
    assert_true(stream_adopt(half.loop, pair[0], &handlers, &half, &half.stream, &err));
    assert_int_equal(send(half.other, "hello", 5, 0), 5);
    loop_run(half.loop);
    assert_int_equal(half.heard, strlen("hello") + strlen("more"));
    assert_int_equal(half.end, STREAM_CLOSED);
    loop_close(&half.loop);
}

static void refuses_to_send_after_the_end(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.server.on_connected = end_close;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    assert_false(stream_send(peers.client.stream, span_of("too late")));
    peers_stop(&peers);
}

static void pause_it(struct end *end)
{
    stream_pause(end->stream);
    stream_pause(end->stream);
}

static void resume_server(void *owner)
{
    struct peers *peers = owner;

    assert_int_equal(peers->server.received.len, 0);
    assert_false(peers->server.has_ended);
    stream_resume(peers->server.stream);
    assert_int_equal(peers->server.received.len, 0); /* never inside the call */
}

static void run_with_a_pause(struct peers *peers)
{
    struct loop_timer *timer = NULL;

    peers->server.on_connected = pause_it;
    assert_true(loop_timer_open(peers->loop, resume_server, peers, &timer, NULL));
    loop_timer_start(timer, 50);
    peers_run(peers);
}

static void reads_nothing_while_it_is_paused(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.server.on_received = answer_and_close;
    run_with_a_pause(&peers);
    assert_true(end_heard(&peers.server, "hello"));
    assert_true(end_heard(&peers.client, "echo"));
    peers_stop(&peers);
}

static void greet_and_close(struct end *end)
{
    end_say(end, "hello");
    end_close(end);
}

static void greet_and_reset(struct end *end)
{
    end_say(end, "hello");
    end_reset(end);
}

static void hears_after_a_pause_what_came_before_the_end(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = greet_and_close;
    run_with_a_pause(&peers);
    assert_true(end_heard(&peers.server, "hello"));
    assert_int_equal(peers.server.end, STREAM_CLOSED);
    peers_stop(&peers);
    peers_start(&peers);
    peers.client.on_connected = greet_and_reset;
    run_with_a_pause(&peers);
    assert_int_equal(peers.server.end, STREAM_RESET);
    peers_stop(&peers);
}

static void say_huge(struct end *end)
{
    static char bytes[HUGE];

    pause_it(end);
    assert_true(stream_send(end->stream, (struct span){ bytes, HUGE }));
}

static void resume_when_all_went(struct end *end)
{
    assert_int_equal(stream_unsent(end->stream), 0);
    stream_resume(end->stream);
}

static void close_at_huge(struct end *end, struct span *bytes)
{
    (void)bytes;
    if (end->received.len == HUGE)
        end_close(end);
}

static void goes_on_sending_while_it_is_paused(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.server.on_connected = say_huge;
    peers.server.on_drained = resume_when_all_went;
    peers.client.on_received = close_at_huge;
    peers_run(&peers);
    assert_int_equal(peers.client.received.len, HUGE);
    assert_true(peers.server.end == STREAM_CLOSED || peers.server.end == STREAM_RESET);
    peers_stop(&peers);
}

static void say_hello(struct end *end)
{
    end_say(end, "hello"); /* outside a callback of the stream: it goes at once */
}

static void answer_in_a_turn(struct end *end, struct span *bytes)
{
    (void)bytes;
    assert_int_equal(end->drained, 0);
    end_say(end, "well");
}

static void answer_once(struct end *end, struct span *bytes)
{
    (void)bytes;
    if (end_heard(end, "hello"))
        end_say(end, "how are you");
    else
        end_close(end);
}

static void skips_only_drains_outside_its_callbacks_where_all_went_at_once(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.server.skips_prompt_drains = true;
    peers.server.on_connected = say_hello;
    peers.server.on_received = answer_in_a_turn;
    peers.client.on_received = answer_once;
    peers_run(&peers);
    assert_int_equal(peers.server.drained, 1);
    peers_stop(&peers);
}

static void fill_up(struct end *end)
{
    static char bytes[64 * 1024];

    while (stream_send(end->stream, (struct span){ bytes, sizeof bytes }))
        continue;
    assert_true(stream_unsent(end->stream) > 0);
}

static void skips_no_drain_that_was_waited_for(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.server.skips_prompt_drains = true;
    peers.server.on_connected = fill_up;
    peers.server.on_drained = end_close;
    peers_run(&peers);
    assert_int_equal(peers.server.drained, 1);
    peers_stop(&peers);
}

static uint32_t user_of_client, user_of_server;

static void answer_with_user(struct end *end, struct span *bytes)
{
    assert_true(stream_peer_user(end->stream, &user_of_client));
    answer_and_close(end, bytes);
}

static void note_user(struct end *end, struct span *bytes)
{
    (void)bytes;
    assert_true(stream_peer_user(end->stream, &user_of_server));
}

static void talks_over_a_local_socket_and_knows_who_is_there(void **state)
{
    struct peers peers;
    char folder[] = "/tmp/postern-stream-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    peers_start(&peers);
    peers.client.on_connected = greet;
    peers.client.on_received = note_user;
    peers.server.on_received = answer_with_user;
    peers_run_local(&peers, path);
    assert_true(end_heard(&peers.server, "hello"));
    assert_true(end_heard(&peers.client, "echo"));
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    assert_int_equal(user_of_client, geteuid());
    assert_int_equal(user_of_server, geteuid());
    peers_stop(&peers);
    assert_int_equal(rmdir(folder), 0); /* the socket's file is gone */
}

static void expect_no_user(struct end *end)
{
    uint32_t user = 4711;

    assert_false(stream_peer_user(end->stream, &user));
    assert_int_equal(user, 4711);
    end_close(end);
}

static void knows_no_user_behind_an_address(void **state)
{
    struct peers peers;

    (void)state;
    peers_start(&peers);
    peers.client.on_connected = expect_no_user;
    peers.server.on_connected = expect_no_user;
    peers_run(&peers);
    peers_stop(&peers);
}

static void leave_socket_behind(const char *path)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(local.sun_path, path, strlen(path));
    assert_int_equal(bind(dead, (const struct sockaddr *)&local, sizeof local), 0);
    close(dead);
}

static void tells_why_a_local_socket_does_not_answer(void **state)
{
    struct peers peers;
    struct stream *stream = NULL;
    struct error err;
    char folder[] = "/tmp/postern-stream-XXXXXX", path[64], long_path[256] = "";

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    peers_start(&peers);
    peers_dial_local(&peers, path);
    assert_int_equal(peers.client.end, STREAM_UNREACHABLE);
    assert_int_equal(stream_error_number(peers.client.stream), ENOENT);
    peers_stop(&peers);
    leave_socket_behind(path);
    peers_start(&peers);
    peers_dial_local(&peers, path);
    assert_int_equal(peers.client.end, STREAM_REFUSED);
    memset(long_path, 'x', sizeof long_path - 1);
    assert_false(stream_connect_local(peers.loop, long_path, &(struct stream_handlers){ 0 }, NULL,
                                      &stream, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(stream);
    peers_stop(&peers);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways_and_tells_the_peers_fin),
        cmocka_unit_test(tells_a_reset_from_a_fin),
        cmocka_unit_test(hears_what_was_said_before_a_reset),
        cmocka_unit_test(tells_that_nobody_listens),
        cmocka_unit_test(tells_that_there_is_no_way_there),
        cmocka_unit_test(sends_a_mebibyte_and_refuses_more),
        cmocka_unit_test(holds_back_no_more_than_a_mebibyte),
        cmocka_unit_test(may_be_closed_in_every_callback),
        cmocka_unit_test(skips_only_drains_outside_its_callbacks_where_all_went_at_once),
        cmocka_unit_test(skips_no_drain_that_was_waited_for),
        cmocka_unit_test(sees_nothing_unread_where_all_was_read),
        cmocka_unit_test(refuses_to_send_after_the_end),
        cmocka_unit_test(hears_what_comes_after_it_said_that_it_is_the_end),
        cmocka_unit_test(reads_nothing_while_it_is_paused),
        cmocka_unit_test(hears_after_a_pause_what_came_before_the_end),
        cmocka_unit_test(goes_on_sending_while_it_is_paused),
        cmocka_unit_test(talks_over_a_local_socket_and_knows_who_is_there),
        cmocka_unit_test(knows_no_user_behind_an_address),
        cmocka_unit_test(tells_why_a_local_socket_does_not_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
