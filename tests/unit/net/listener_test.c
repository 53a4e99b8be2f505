/* tests/unit/net/listener_test.c - promises of net/listener.h */
#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address_internal.h"
#include "net/listener.h"
#include "net/loop_internal.h"

enum { CONNECTIONS = 130, LIMIT_MS = 60000 };

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct loop_timer *limit;
    struct net_address address;
    int clients[CONNECTIONS];
    int accepted, at_second, wanted;
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
    if (++fixture->accepted + fixture->at_second == fixture->wanted) {
        listener_close(&fixture->listener); /* may be inside the call */
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
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    stop(&fixture);
}

static void note_at_second(void *owner, int socket, const struct net_address *peer)
{
    struct fixture *fixture = owner;

    assert_non_null(peer);
    close(socket);
    if (fixture->accepted + ++fixture->at_second == fixture->wanted)
        loop_stop(fixture->loop);
}

static void spreads_over_those_that_share_a_port(void **state)
{
    struct fixture fixture;
    struct listener *second = NULL;
    struct error err;
    int sockets[2];

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    listener_close(&fixture.listener);
    fixture.address.port = 0;
    assert_true(listener_bind_shared(&fixture.address, 2, sockets, &err));
    assert_true(listener_adopt(fixture.loop, sockets[0], note, &fixture, &fixture.listener, &err));
    assert_true(listener_adopt(fixture.loop, sockets[1], note_at_second, &fixture, &second, &err));
    dial(&fixture, CONNECTIONS);
    loop_run(fixture.loop);
    assert_false(fixture.ran_out);
    assert_true(fixture.accepted > 0 && fixture.at_second > 0);
    listener_close(&second);
    stop(&fixture);
}

static void shares_a_port_with_nobody_who_was_there_before(void **state)
{
    struct fixture fixture;
    int sockets[2], more[1];
    struct error err;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    assert_false(listener_bind_shared(&fixture.address, 2, sockets, &err));
    listener_close(&fixture.listener);
    assert_true(listener_bind_shared(&fixture.address, 2, sockets, &err));
    assert_false(listener_bind_shared(&fixture.address, 1, more, &err)); /* though those share it */
    assert_non_null(strstr(err.text, "Address already in use"));
    close(sockets[0]);
    close(sockets[1]);
    stop(&fixture);
}

static int listening_socket(struct net_address *address, struct sockaddr_storage *storage)
{
    socklen_t len = net_address_to_socket(address, storage);
    int made = socket(storage->ss_family, SOCK_STREAM, 0);

    assert_int_equal(bind(made, (const struct sockaddr *)storage, len), 0);
    assert_int_equal(listen(made, 16), 0);
    assert_int_equal(getsockname(made, (struct sockaddr *)storage, &len), 0);
    assert_true(net_address_from_socket(storage, address));
    return made;
}

static void takes_a_listening_socket_that_was_handed_over(void **state)
{
    struct fixture fixture;
    struct sockaddr_storage storage;
    struct error err;
    int socket;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    listener_close(&fixture.listener);
    fixture.address.port = 0;
    socket = listening_socket(&fixture.address, &storage);
    assert_true(listener_adopt(fixture.loop, socket, note, &fixture, &fixture.listener, &err));
    assert_true(fixture.address.port > 0);
    dial(&fixture, 3);
    loop_run(fixture.loop);
    assert_int_equal(fixture.accepted, 3);
    stop(&fixture);
}

static void refuses_a_descriptor_that_does_not_listen(void **state)
{
    struct fixture fixture;
    struct listener *second = NULL;
    struct error err;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    assert_false(listener_adopt(fixture.loop, socket(AF_INET, SOCK_STREAM, 0), note, &fixture,
                                &second, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(second);
    assert_false(listener_adopt(fixture.loop, 1 << 20, note, &fixture, &second, &err));
    stop(&fixture);
}

static void note_local(void *owner, int socket, const struct net_address *peer)
{
    struct fixture *fixture = owner;

    assert_null(peer);
    close(socket);
    fixture->accepted++;
    loop_stop(fixture->loop);
}

static void dial_local(struct fixture *fixture, const char *path)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };

    memcpy(local.sun_path, path, strlen(path));
    fixture->wanted = 1;
    fixture->clients[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fixture->clients[0], (const struct sockaddr *)&local, sizeof local),
                     0);
}

static void start_local(struct fixture *fixture, char *folder, char path[64])
{
    assert_true(start(fixture, "127.0.0.1"));
    listener_close(&fixture->listener);
    assert_non_null(mkdtemp(folder));
    snprintf(path, 64, "%s/socket", folder);
}

static bool open_local(struct fixture *fixture, const char *path, struct listener **listener)
{
    struct error err;

    return listener_open_local(fixture->loop, path, 0666, note_local, fixture, listener, &err);
}

static void listens_on_a_local_socket_for_whom_the_mode_says(void **state)
{
    struct fixture fixture;
    struct stat file;
    char folder[] = "/tmp/postern-listener-XXXXXX", path[64];
    mode_t before = umask(077);

    (void)state;
    start_local(&fixture, folder, path);
    assert_true(open_local(&fixture, path, &fixture.listener));
    umask(before);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0666);
    dial_local(&fixture, path);
    loop_run(fixture.loop);
    assert_int_equal(fixture.accepted, 1);
    stop(&fixture);
    assert_int_equal(rmdir(folder), 0); /* the file went with it */
}

static void replaces_a_local_socket_only_where_nobody_serves_it(void **state)
{
    struct fixture fixture;
    struct listener *second = NULL;
    char folder[] = "/tmp/postern-listener-XXXXXX", path[64], other[72];

    (void)state;
    start_local(&fixture, folder, path);
    assert_true(open_local(&fixture, path, &fixture.listener));
    assert_false(open_local(&fixture, path, &second)); /* it is served */
    assert_null(second);
    dial_local(&fixture, path); /* still by the first */
    loop_run(fixture.loop);
    assert_int_equal(fixture.accepted, 2); /* with the look that the second took at it */
    snprintf(other, sizeof other, "%s.left", path);
    assert_int_equal(rename(path, other), 0);
    listener_close(&fixture.listener); /* the file is not where it was, so it stays */
    assert_int_equal(rename(other, path), 0);
    assert_true(open_local(&fixture, path, &fixture.listener)); /* nobody serves it any more */
    stop(&fixture);
    assert_int_equal(rmdir(folder), 0);
}

static void leaves_files_alone_that_are_not_its_own(void **state)
{
    struct fixture fixture;
    struct listener *listener = NULL;
    char folder[] = "/tmp/postern-listener-XXXXXX", path[64];
    int file;

    (void)state;
    start_local(&fixture, folder, path);
    file = open(path, O_CREAT | O_WRONLY, 0600);
    close(file);
    assert_false(open_local(&fixture, path, &listener)); /* no socket */
    assert_int_equal(unlink(path), 0);                   /* and it is still there */
    assert_true(open_local(&fixture, path, &listener));
    assert_int_equal(unlink(path), 0);
    assert_true(open_local(&fixture, path, &fixture.listener));
    listener_close(&listener); /* by now it is another's */
    dial_local(&fixture, path);
    loop_run(fixture.loop);
    assert_int_equal(fixture.accepted, 1);
    stop(&fixture);
    assert_int_equal(rmdir(folder), 0);
}

struct shortage {
    struct rlimit before;
    uv_check_t check;
    int turns;
};

static void count_turn(uv_check_t *check)
{
    struct shortage *shortage = check->data;

    shortage->turns++;
}

/* No descriptor is free any more: the lowest free number is out of bounds, and accept says EMFILE. */
static void begin_shortage(struct fixture *fixture, struct shortage *shortage)
{
    struct rlimit few;
    int probe = dup(0);

    close(probe);
    shortage->turns = 0;
    assert_int_equal(uv_check_init(&fixture->loop->uv, &shortage->check), 0);
    shortage->check.data = shortage;
    uv_check_start(&shortage->check, count_turn);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &shortage->before), 0);
    few = shortage->before;
    few.rlim_cur = (rlim_t)probe;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void end_shortage(void *owner)
{
    struct shortage *shortage = owner;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &shortage->before), 0);
    uv_close((uv_handle_t *)&shortage->check, NULL);
}

/* A turn for each of what happens, which is three things, and not one after the other. */
static void pauses_without_spinning_until_there_are_descriptors_again(void **state)
{
    enum { TURNS_MOST = 20 };
    struct fixture fixture;
    struct shortage shortage;
    struct loop_timer *timer = NULL;

    (void)state;
    assert_true(start(&fixture, "127.0.0.1"));
    dial(&fixture, 2);
    begin_shortage(&fixture, &shortage);
    assert_true(loop_timer_open(fixture.loop, end_shortage, &shortage, &timer, NULL));
    loop_timer_start(timer, 250);
    loop_run(fixture.loop);
    assert_false(fixture.ran_out);
    assert_int_equal(fixture.accepted, 2);
    assert_in_range(shortage.turns, 1, TURNS_MOST);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_free_port_and_all_who_wait),
        cmocka_unit_test(listens_on_ipv6_too),
        cmocka_unit_test(refuses_a_port_that_is_taken_and_names_it),
        cmocka_unit_test(spreads_over_those_that_share_a_port),
        cmocka_unit_test(shares_a_port_with_nobody_who_was_there_before),
        cmocka_unit_test(takes_a_listening_socket_that_was_handed_over),
        cmocka_unit_test(refuses_a_descriptor_that_does_not_listen),
        cmocka_unit_test(listens_on_a_local_socket_for_whom_the_mode_says),
        cmocka_unit_test(replaces_a_local_socket_only_where_nobody_serves_it),
        cmocka_unit_test(leaves_files_alone_that_are_not_its_own),
        cmocka_unit_test(pauses_without_spinning_until_there_are_descriptors_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
