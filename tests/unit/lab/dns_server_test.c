/* tests/unit/lab/dns_server_test.c - promises of lab/dns_server.h */
#include "lab/dns_server.h"

#include <string.h>

#include "../test.h"
#include "base/buffer.h"
#include "net/stream.h"
#include "net/udp.h"

enum { NOW_S = 1795000000, LIMIT_MS = 60000 };

/* A question for the SOA of lab.test by hand: id 0x1234, RD. */
static const char question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                               "\x03lab\x04test\x00\x00\x06\x00\x01";
enum { QUESTION_LEN = sizeof question - 1 };

struct asker {
    struct loop *loop;
    struct loop_timer *limit;
    struct zone *zone;
    struct dns_server *server;
    struct net_address address;
    struct buffer answer;
    size_t wanted; /* octets, then the loop stops */
    struct stream *stream;
    struct span first, second; /* sent apart once connected */
    bool ran_out, has_ended;
};

static void run_out(void *owner)
{
    struct asker *asker = owner;

    asker->ran_out = true;
    loop_stop(asker->loop);
}

static int set_up(void **state)
{
    static struct asker asker;
    struct error err = { 0 };

    memset(&asker, 0, sizeof asker);
    buffer_init(&asker.answer, 1 << 20);
    *state = &asker;
    return loop_open(&asker.loop, &err) &&
                   loop_timer_open(asker.loop, run_out, &asker, &asker.limit, &err) &&
                   zone_new("lab.test.", NOW_S, &asker.zone, &err) && zone_sign(asker.zone, &err) &&
                   net_address_parse(span_of("127.0.0.1"), &asker.address) &&
                   dns_server_open(asker.loop, asker.zone, &asker.address, &asker.server, &err)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct asker *asker = *state;

    dns_server_close(&asker->server);
    zone_free(&asker->zone);
    loop_timer_close(&asker->limit);
    loop_close(&asker->loop);
    buffer_clear(&asker->answer);
    return 0;
}

static void take(struct asker *asker, struct span bytes)
{
    assert_true(buffer_append(&asker->answer, bytes));
    if (asker->answer.len >= asker->wanted)
        loop_stop(asker->loop);
}

static void take_datagram(void *owner, const struct net_address *peer, struct span bytes)
{
    (void)peer;
    take(owner, bytes);
}

static void take_stream(void *owner, struct span *bytes)
{
    take(owner, *bytes);
}

static void note_end(void *owner, enum stream_end end)
{
    struct asker *asker = owner;

    (void)end;
    asker->has_ended = true;
    loop_stop(asker->loop);
}

static void run(struct asker *asker, size_t wanted)
{
    asker->wanted = wanted;
    loop_timer_start(asker->limit, LIMIT_MS);
    loop_run(asker->loop);
    assert_false(asker->ran_out);
}

static void assert_is_answer(struct span bytes)
{
    assert_true(bytes.len > QUESTION_LEN);
    assert_memory_equal(bytes.data, "\x12\x34", 2);
    assert_true((uint8_t)bytes.data[2] & 0x80); /* an answer */
    assert_int_equal(bytes.data[3] & 0x0f, 0);  /* NOERROR */
    assert_int_equal(bytes.data[7], 1);         /* one record */
}

static void a_question_over_udp_is_answered(void **state)
{
    struct asker *asker = *state;
    struct net_address own = { .bytes = { 127, 0, 0, 1 } };
    struct udp *udp = NULL;
    struct error err = { 0 };

    assert_true(udp_open(asker->loop, &own, take_datagram, asker, &udp, &err));
    udp_send(udp, &asker->address, span_of("noise"));
    udp_send(udp, &asker->address, (struct span){ question, QUESTION_LEN });
    run(asker, 1);
    assert_is_answer(buffer_span(&asker->answer));
    udp_close(&udp);
}

static void send_both(void *owner)
{
    struct asker *asker = owner;

    assert_true(stream_send(asker->stream, asker->first));
    assert_true(stream_send(asker->stream, asker->second));
}

static void dial(struct asker *asker)
{
    static const struct stream_handlers handlers = { .connected = send_both,
                                                     .received = take_stream,
                                                     .ended = note_end };
    struct error err = { 0 };

    buffer_drop(&asker->answer, asker->answer.len);
    assert_true(
        stream_connect(asker->loop, &asker->address, &handlers, asker, &asker->stream, &err));
}

/* RFC 7766 section 6.2.1: several questions on one connection. */
static void two_questions_over_one_connection_are_answered(void **state)
{
    struct asker *asker = *state;
    char twice[2 * (QUESTION_LEN + 2)];
    size_t len;

    for (int i = 0; i < 2; i++) {
        char *at = twice + (size_t)i * (QUESTION_LEN + 2);

        at[0] = 0;
        at[1] = QUESTION_LEN;
        memcpy(at + 2, question, QUESTION_LEN);
    }
    for (size_t cut = 1; cut < sizeof twice; cut++) {
        asker->first = (struct span){ twice, cut };
        asker->second = (struct span){ twice + cut, sizeof twice - cut };
        dial(asker);
        run(asker, 2);
        len = (size_t)(uint8_t)asker->answer.data[0] << 8 | (uint8_t)asker->answer.data[1];
        if (asker->answer.len < 2 * (len + 2))
            run(asker, 2 * (len + 2));
        assert_int_equal(asker->answer.len, 2 * (len + 2));
        assert_is_answer(span_part(buffer_span(&asker->answer), 2, len));
        assert_is_answer(span_part(buffer_span(&asker->answer), len + 4, len));
        assert_false(asker->has_ended);
        stream_close(&asker->stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_over_udp_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_questions_over_one_connection_are_answered, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
