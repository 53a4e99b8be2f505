/* tests/unit/gateway/bindings_test.c - promises of gateway/bindings.h */
#include "../test.h"
#include "gateway/bindings.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 3 };

struct room {
    struct gateway_bindings *bindings;
    struct gateway_binding binding;
    int sockets[WORKERS];
    struct error err;
};

static struct net_address address_of(const char *text, uint16_t port)
{
    struct net_address address = { .port = port };

    assert_true(net_address_parse(span_of(text), &address));
    return address;
}

static void begin(struct room *room)
{
    *room = (struct room){ .sockets = { -1, -1, -1 } };
    assert_true(gateway_bindings_new(WORKERS, NULL, 0, &room->bindings, &room->err));
}

static bool ask(struct room *room, const char *text, uint16_t port)
{
    struct net_address address = address_of(text, port);

    return gateway_bindings_ask(room->bindings, &address, &room->binding, room->sockets,
                                &room->err);
}

/* A whole round with one address; the sockets go. */
static void listen_on(struct room *room, const char *text, uint16_t port)
{
    gateway_bindings_begin(room->bindings);
    assert_true(ask(room, text, port));
    gateway_bindings_end(room->bindings, true);
}

static void close_sockets(const struct room *room)
{
    for (int i = 0; i < WORKERS; i++)
        close(room->sockets[i]);
}

static bool listens(int socket)
{
    int value = 0;
    socklen_t len = sizeof value;

    return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

static void opens_a_socket_for_each_worker(void **state)
{
    struct room room;

    (void)state;
    begin(&room);
    listen_on(&room, "127.0.0.1", 0);
    assert_true(room.binding.is_new);
    assert_int_not_equal(room.binding.address.port, 0);
    for (int i = 0; i < WORKERS; i++)
        assert_true(listens(room.sockets[i]));
    close_sockets(&room);
    gateway_bindings_free(&room.bindings);
}

static void what_is_asked_for_again_stays(void **state)
{
    struct room room;
    struct gateway_binding first;
    int sockets[WORKERS];

    (void)state;
    begin(&room);
    listen_on(&room, "127.0.0.1", 0);
    first = room.binding;
    memcpy(sockets, room.sockets, sizeof sockets);
    listen_on(&room, "127.0.0.1", 0);
    assert_false(room.binding.is_new);
    assert_int_equal(room.sockets[0], -1);
    assert_int_equal(room.binding.number, first.number);
    assert_int_equal(room.binding.address.port, first.address.port);
    listen_on(&room, "127.0.0.1", first.address.port); /* by the port that it got */
    assert_int_equal(room.binding.number, first.number);
    memcpy(room.sockets, sockets, sizeof sockets);
    close_sockets(&room);
    gateway_bindings_free(&room.bindings);
}

static void each_listener_of_port_0_has_its_own_port(void **state)
{
    struct room room;
    uint64_t first;

    (void)state;
    begin(&room);
    gateway_bindings_begin(room.bindings);
    assert_true(ask(&room, "127.0.0.1", 0));
    first = room.binding.number;
    close_sockets(&room);
    assert_true(ask(&room, "127.0.0.1", 0));
    assert_true(room.binding.is_new);
    assert_int_not_equal(room.binding.number, first);
    close_sockets(&room);
    gateway_bindings_end(room.bindings, true);
    gateway_bindings_free(&room.bindings);
}

static void what_was_not_asked_for_is_opened_anew_later(void **state)
{
    struct room room;
    uint64_t first;

    (void)state;
    begin(&room);
    listen_on(&room, "127.0.0.1", 0);
    first = room.binding.number;
    close_sockets(&room);
    listen_on(&room, "127.0.0.2", 0);
    close_sockets(&room);
    listen_on(&room, "127.0.0.1", 0);
    assert_true(room.binding.is_new);
    assert_int_not_equal(room.binding.number, first);
    close_sockets(&room);
    gateway_bindings_free(&room.bindings);
}

static void a_round_that_fails_changes_nothing(void **state)
{
    struct room room, other;
    uint16_t taken;
    uint64_t first;

    (void)state;
    begin(&room);
    begin(&other);
    listen_on(&other, "127.0.0.1", 0);
    taken = other.binding.address.port;
    listen_on(&room, "127.0.0.1", 0);
    first = room.binding.number;
    close_sockets(&room);
    gateway_bindings_begin(room.bindings);
    assert_true(ask(&room, "127.0.0.2", 0));
    close_sockets(&room);
    assert_false(ask(&room, "127.0.0.1", taken));
    assert_non_null(strstr(room.err.text, "127.0.0.1"));
    gateway_bindings_end(room.bindings, false);
    listen_on(&room, "127.0.0.1", 0);
    assert_false(room.binding.is_new);
    assert_int_equal(room.binding.number, first);
    close_sockets(&other);
    gateway_bindings_free(&other.bindings);
    gateway_bindings_free(&room.bindings);
}

static struct service_socket handed_over(const char *address, const char *name)
{
    struct sockaddr_in where = { .sin_family = AF_INET };
    struct service_socket made = { .descriptor = socket(AF_INET, SOCK_STREAM, 0) };
    socklen_t len = sizeof where;

    inet_pton(AF_INET, address, &where.sin_addr);
    assert_int_equal(bind(made.descriptor, (const struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(made.descriptor, 1), 0);
    assert_int_equal(getsockname(made.descriptor, (struct sockaddr *)&where, &len), 0);
    made.address = address_of(address, ntohs(where.sin_port));
    strncpy(made.name, name, sizeof made.name - 1);
    return made;
}

static void uses_what_was_handed_over_for_its_address(void **state)
{
    struct room room = { .sockets = { -1, -1, -1 } };
    struct service_socket sockets[2] = { handed_over("127.0.0.1", "smtp"),
                                         handed_over("127.0.0.1", "odd") };

    (void)state;
    assert_true(gateway_bindings_new(WORKERS, sockets, 2, &room.bindings, &room.err));
    listen_on(&room, "127.0.0.1", sockets[0].address.port); /* nobody else could bind to it */
    assert_true(room.binding.is_new);
    for (int i = 0; i < WORKERS; i++)
        assert_true(listens(room.sockets[i]));
    assert_string_equal(gateway_bindings_unused(room.bindings, 0)->name, "odd");
    assert_null(gateway_bindings_unused(room.bindings, 1));
    close_sockets(&room);
    listen_on(&room, "127.0.0.1", sockets[1].address.port);
    assert_string_equal(gateway_bindings_unused(room.bindings, 0)->name, "smtp");
    close_sockets(&room);
    gateway_bindings_free(&room.bindings);
    assert_int_equal(fcntl(sockets[0].descriptor, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_a_socket_for_each_worker),
        cmocka_unit_test(what_is_asked_for_again_stays),
        cmocka_unit_test(each_listener_of_port_0_has_its_own_port),
        cmocka_unit_test(what_was_not_asked_for_is_opened_anew_later),
        cmocka_unit_test(a_round_that_fails_changes_nothing),
        cmocka_unit_test(uses_what_was_handed_over_for_its_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
