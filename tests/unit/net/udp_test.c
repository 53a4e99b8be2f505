/* tests/unit/net/udp_test.c - promises of net/udp.h */
#include "net/udp.h"

#include <string.h>

#include "../test.h"

struct place {
    struct loop *loop;
    struct udp *udp;
    struct net_address address;
    char text[64];
    bool answers;
};

static void receive(void *owner, const struct net_address *peer, struct span bytes)
{
    struct place *place = owner;

    assert_true(bytes.len < sizeof place->text);
    memcpy(place->text, bytes.data, bytes.len);
    if (place->answers)
        udp_send(place->udp, peer, span_of("pong"));
    else
        loop_stop(place->loop);
}

static void open_place(struct place *place, struct loop *loop)
{
    struct error err = { 0 };

    place->loop = loop;
    assert_true(net_address_parse(span_of("127.0.0.1"), &place->address));
    assert_true(udp_open(loop, &place->address, receive, place, &place->udp, &err));
}

static void a_datagram_comes_with_the_address_to_answer(void **state)
{
    struct loop *loop = NULL;
    struct error err = { 0 };
    struct place asker = { 0 }, answerer = { .answers = true };

    (void)state;
    assert_true(loop_open(&loop, &err));
    open_place(&asker, loop);
    open_place(&answerer, loop);
    assert_int_not_equal(answerer.address.port, 0);
    udp_send(asker.udp, &answerer.address, span_of("ping"));
    loop_run(loop);
    assert_string_equal(answerer.text, "ping");
    assert_string_equal(asker.text, "pong");
    udp_close(&asker.udp);
    udp_close(&answerer.udp);
    assert_null(asker.udp);
    loop_close(&loop);
}

static void a_port_that_is_taken_is_named(void **state)
{
    struct loop *loop = NULL;
    struct error err = { 0 };
    struct place first = { 0 };
    struct udp *second = NULL;

    (void)state;
    assert_true(loop_open(&loop, &err));
    open_place(&first, loop);
    assert_false(udp_open(loop, &first.address, receive, &first, &second, &err));
    assert_non_null(strstr(err.text, "127.0.0.1 UDP port"));
    assert_null(second);
    udp_close(&first.udp);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_comes_with_the_address_to_answer),
        cmocka_unit_test(a_port_that_is_taken_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
