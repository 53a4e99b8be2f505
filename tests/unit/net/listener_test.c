/* tests/unit/net/listener_test.c - promises of net/listener.h */
#include "../test.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address_internal.h"
#include "net/listener.h"

enum { CONNECTIONS = 130, LIMIT_MS = 20000 };

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct loop_timer *limit;
    struct net_address address;
    int clients[CONNECTIONS];
    int accepted, wanted;
    bool ran_out;
};

static void run_out(void *owner)
{
    struct fixture *fixture = owner;

    fixture->ran_out = true;
    loop_stop(fixture->loop);
}

static void note(void *owner, int socket, const struct net_address *peer)
{
    struct fixture *fixture = owner;

    assert_int_equal(peer->is_ipv6, fixture->address.is_ipv6);
    assert_memory_equal(peer->bytes, fixture->address.bytes, sizeof peer->bytes);
    close(socket);
    if (++fixture->accepted == fixture->wanted) {
        listener_close(&fixture->listener);
        loop_stop(fixture->loop);
    }
}

static bool start(struct fixture *fixture, const char *address)
{
    struct error err;

    memset(fixture, 0, sizeof *fixture);
    assert_true(loop_open(&fixture->loop, &err));
    assert_true(loop_timer_open(fixture->loop, run_out, fixture, &fixture->limit, &err));
    loop_timer_start(fixture->limit, LIMIT_MS);
    assert_true(net_address_parse(span_of(address), &fixture->address));
    return listener_open(fixture->loop, &fixture->address, note, fixture, &fixture->listener, &err);
}

static void dial(struct fixture *fixture, int count)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(&fixture->address, &storage);

    fixture->wanted = count;
    for (int i = 0; i < count; i++) {
        fixture->clients[i] = socket(storage.ss_family, SOCK_STREAM, 0);
        assert_int_equal(connect(fixture->clients[i], (const struct sockaddr *)&storage, len), 0);
    }
}

static void stop(struct fixture *fixture)
{
    for (int i = 0; i < fixture->wanted; i++)
        close(fixture->clients[i]);
    listener_close(&fixture->listener);
    loop_close(&fixture->loop);
}

static void takes_a_free_port_and_all_who_wait(void **state)
{
    struct fixture fixture;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    assert_true(fixture.address.port > 0);
    dial(&fixture, CONNECTIONS); /* more than one turn takes, before the loop runs at all */
    loop_run(fixture.loop);
    assert_false(fixture.ran_out);
    assert_int_equal(fixture.accepted, CONNECTIONS);
    stop(&fixture);
}

static void listens_on_ipv6_too(void **state)
{
    struct fixture fixture;

    (void)state;
    if (!start(&fixture, "::1")) { /* a machine without it */
        loop_close(&fixture.loop);
        skip();
    }
    dial(&fixture, 1);
    loop_run(fixture.loop);
    assert_int_equal(fixture.accepted, 1);
    stop(&fixture);
}

static void refuses_a_port_that_is_taken_and_names_it(void **state)
{
    struct fixture fixture;
    struct listener *second = NULL;
    struct error err;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    assert_false(listener_open(fixture.loop, &fixture.address, note, &fixture, &second, &err));
    assert_null(second);
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    stop(&fixture);
}

static void give_descriptors_back(void *owner)
{
    const struct rlimit *before = owner;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

static void goes_on_once_there_are_descriptors_again(void **state)
{
    struct fixture fixture;
    struct rlimit before, few;
    struct loop_timer *timer = NULL;
    int probe;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    dial(&fixture, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    probe = dup(0);
    close(probe);
    few = before;
    few.rlim_cur = (rlim_t)probe; /* the lowest free number is out of bounds: EMFILE */
    assert_true(loop_timer_open(fixture.loop, give_descriptors_back, &before, &timer, NULL));
    loop_timer_start(timer, 50);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    loop_run(fixture.loop);
    assert_false(fixture.ran_out);
    assert_int_equal(fixture.accepted, 1);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_free_port_and_all_who_wait),
        cmocka_unit_test(listens_on_ipv6_too),
        cmocka_unit_test(refuses_a_port_that_is_taken_and_names_it),
        cmocka_unit_test(goes_on_once_there_are_descriptors_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
