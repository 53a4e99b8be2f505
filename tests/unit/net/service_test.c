/* tests/unit/net/service_test.c - promises of net/service.h */
#include "../test.h"
#include "net/service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where a service manager puts what it hands over. */
enum { FIRST = 3, PLACES = 3 };

static int listen_on(int type, const char *address)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    int made = socket(AF_INET, type, 0);

    assert_true(made >= 0);
    inet_pton(AF_INET, address, &name.sin_addr);
    assert_int_equal(bind(made, (const struct sockaddr *)&name, sizeof name), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(made, 1), 0);
    return made;
}

/* As a manager does it, to the process `pid`. */
static void hand_over(int place, int descriptor)
{
    int high = fcntl(descriptor, F_DUPFD, 50);

    assert_true(high >= 50);
    close(descriptor);
    assert_int_equal(dup2(high, FIRST + place), FIRST + place);
    close(high);
}

static void say(const char *pid, const char *count, const char *names)
{
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", names, 1);
}

static const char *our_pid(void)
{
    static char text[24];

    snprintf(text, sizeof text, "%ld", (long)getpid());
    return text;
}

static void takes_what_listens_and_closes_the_rest(void **state)
{
    struct service_socket sockets[SERVICE_SOCKETS_MOST];
    size_t strangers;
    char text[NET_ADDRESS_TEXT];

    (void)state;
    hand_over(0, listen_on(SOCK_STREAM, "127.0.0.1"));
    hand_over(1, listen_on(SOCK_DGRAM, "127.0.0.1"));
    hand_over(2, listen_on(SOCK_STREAM, "127.0.0.2"));
    say(our_pid(), "3", "smtp:odd:submission");
    assert_int_equal(service_take_sockets(sockets, &strangers), 2);
    assert_int_equal(strangers, 1);
    assert_int_equal(sockets[0].descriptor, FIRST);
    assert_string_equal(sockets[0].name, "smtp");
    assert_int_equal(sockets[1].descriptor, FIRST + 2);
    assert_string_equal(sockets[1].name, "submission");
    assert_string_equal(net_address_text(&sockets[1].address, text), "127.0.0.2");
    assert_int_not_equal(sockets[1].address.port, 0);
    assert_int_equal(fcntl(FIRST, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(FIRST + 1, F_GETFD), -1);
    assert_null(getenv("LISTEN_FDS"));
    assert_int_equal(service_take_sockets(sockets, &strangers), 0);
    close(FIRST);
    close(FIRST + 2);
}

static void leaves_alone_what_was_handed_to_another_process(void **state)
{
    static const char *const pids[] = { "1", "", "x", "99999999999999999999" };
    struct service_socket sockets[SERVICE_SOCKETS_MOST];
    size_t strangers;

    (void)state;
    for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++) {
        hand_over(0, listen_on(SOCK_STREAM, "127.0.0.1"));
        say(pids[i], "1", "smtp");
        assert_int_equal(service_take_sockets(sockets, &strangers), 0);
        assert_int_equal(strangers, 0);
        assert_true(fcntl(FIRST, F_GETFD) >= 0);
        close(FIRST);
    }
}

static void a_number_that_is_none_hands_nothing_over(void **state)
{
    static const char *const counts[] = { "", "-1", "1025", "many" };
    struct service_socket sockets[SERVICE_SOCKETS_MOST];
    size_t strangers;

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        say(our_pid(), counts[i], "");
        assert_int_equal(service_take_sockets(sockets, &strangers), 0);
    }
}

/* A manager that hears; `address` as in NOTIFY_SOCKET. */
static int start_manager(const char *address)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int made = socket(AF_UNIX, SOCK_DGRAM, 0);
    size_t len = strlen(address);

    assert_true(made >= 0);
    memcpy(name.sun_path, address, len);
    if (address[0] == '@')
        name.sun_path[0] = '\0';
    assert_int_equal(bind(made, (const struct sockaddr *)&name,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    setenv("NOTIFY_SOCKET", address, 1);
    return made;
}

static void expect_heard(int manager, const char *begin, const char *inside)
{
    char text[1024];
    ssize_t len = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);

    assert_true(len > 0);
    text[len] = '\0';
    if (strncmp(text, begin, strlen(begin)) != 0 || strstr(text, inside) == NULL)
        fail_msg("heard \"%s\"", text);
}

static void tells_each_state_to_either_kind_of_address(void **state)
{
    char path[64], abstract[64];
    const char *const addresses[] = { path, abstract };

    (void)state;
    snprintf(path, sizeof path, "/tmp/postern-service-%ld", (long)getpid());
    snprintf(abstract, sizeof abstract, "@postern-service-%ld", (long)getpid());
    for (size_t i = 0; i < 2; i++) {
        int manager = start_manager(addresses[i]);
        struct service *service;
        struct error err;

        assert_true(service_open(&service, &err));
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_true(service_tell(service, SERVICE_RELOADING, "reading it again", &err));
        expect_heard(manager, "RELOADING=1\n", "\nMONOTONIC_USEC=");
        assert_true(service_tell(service, SERVICE_READY, "2 listeners", &err));
        expect_heard(manager, "READY=1\n", "STATUS=2 listeners\n");
        assert_true(service_tell(service, SERVICE_STOPPING, "", &err));
        expect_heard(manager, "STOPPING=1\n", "");
        service_close(&service);
        close(manager);
    }
    unlink(path);
}

static void tells_nobody_where_nobody_asked(void **state)
{
    struct service *service;
    struct error err;

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_true(service_open(&service, &err));
    assert_null(service);
    assert_true(service_tell(service, SERVICE_READY, "", &err));
    service_close(&service);
}

static void says_that_it_cannot_tell(void **state)
{
    char path[300] = "/";
    struct service *service;
    struct error err;

    (void)state;
    memset(path + 1, 'x', sizeof path - 2);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_false(service_open(&service, &err));
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_false(service_open(&service, &err));
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_true(service_open(&service, &err));
    assert_false(service_tell(service, SERVICE_READY, "", &err));
    assert_non_null(strstr(err.text, "No such file"));
    service_close(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_listens_and_closes_the_rest),
        cmocka_unit_test(leaves_alone_what_was_handed_to_another_process),
        cmocka_unit_test(a_number_that_is_none_hands_nothing_over),
        cmocka_unit_test(tells_each_state_to_either_kind_of_address),
        cmocka_unit_test(tells_nobody_where_nobody_asked),
        cmocka_unit_test(says_that_it_cannot_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
