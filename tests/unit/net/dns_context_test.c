/* tests/unit/net/dns_context_test.c - promises of net/dns_context.h: odd files of the machine. */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/dns_context.h"

struct room {
    char path[64];
    struct dns_settings settings;
    struct dns_context context;
    struct error err;
};

static int set_up(void **state)
{
    static struct room room;

    memset(&room, 0, sizeof room);
    snprintf(room.path, sizeof room.path, "/tmp/postern-resolv-XXXXXX");
    close(mkstemp(room.path));
    room.settings.resolv_conf = room.path;
    *state = &room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    dns_context_close(&room->context);
    unlink(room->path);
    return 0;
}

static bool open_with(struct room *room, const char *text)
{
    FILE *file = fopen(room->path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return dns_context_open(&room->settings, &room->context, &room->err);
}

static void expect_resolver(const struct room *room, size_t index, const char *address)
{
    char text[NET_ADDRESS_TEXT];

    assert_true(index < room->context.resolver_count);
    assert_string_equal(net_address_text(&room->context.resolvers[index], text), address);
    assert_int_equal(room->context.resolvers[index].port, 53);
}

static void takes_the_nameservers_of_the_file(void **state)
{
    struct room *room = *state;

    assert_true(open_with(room, "# made by hand\n"
                                "search example.org\n"
                                "nameserver 192.0.2.1\n"
                                "\tnameserver\t2001:db8::1   \n"
                                "nameserver 192.0.2.3 # the third\r\n"
                                "nameserver 192.0.2.4"));
    assert_int_equal(room->context.resolver_count, 3); /* more than are asked whether they live */
    expect_resolver(room, 0, "192.0.2.1");
    expect_resolver(room, 1, "2001:db8::1");
    expect_resolver(room, 2, "192.0.2.3");
    assert_false(room->context.has_others);
}

static void one_odd_line_keeps_the_others_in_use(void **state)
{
    struct room *room = *state;

    assert_true(open_with(room, "nameserver\n"
                                "nameserver resolver.example\n"
                                "nameservers 192.0.2.9\n"
                                "nameserver fe80::1%lo\n"
                                "nameserver 192.0.2.1\n"
                                "options edns0 trust-ad\n"));
    assert_int_equal(room->context.resolver_count, 1);
    expect_resolver(room, 0, "192.0.2.1");
    assert_true(room->context.has_others);
}

static void a_file_without_nameservers_leaves_the_world_to_libunbound(void **state)
{
    struct room *room = *state;

    assert_true(open_with(room, "search example.org\n"));
    assert_int_equal(room->context.resolver_count, 0);
}

static void says_that_no_line_can_be_used(void **state)
{
    struct room *room = *state;

    assert_false(open_with(room, "nameserver resolver.example\nnameserver 300.1.1.1\n"));
    assert_non_null(strstr(room->err.text, room->path));
    assert_null(room->context.unbound);
}

static void says_that_the_file_is_not_there(void **state)
{
    struct room *room = *state;

    unlink(room->path);
    assert_false(dns_context_open(&room->settings, &room->context, &room->err));
    assert_non_null(strstr(room->err.text, room->path));
    assert_non_null(strstr(room->err.text, "No such file"));
    room->settings.resolver = "127.0.0.1:53"; /* then it is not read */
    assert_true(dns_context_open(&room->settings, &room->context, &room->err));
}

static void names_the_files_that_settings_come_to(void **state)
{
    const struct dns_settings none = { NULL, NULL, NULL }, all = { NULL, "/a", "/r" };

    (void)state;
    assert_string_equal(dns_settings_resolv_conf(&none), "/etc/resolv.conf");
    assert_string_equal(dns_settings_anchor(&none), "/usr/share/dns/root.key");
    assert_string_equal(dns_settings_resolv_conf(&all), "/r");
    assert_string_equal(dns_settings_anchor(&all), "/a");
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(takes_the_nameservers_of_the_file),
        IN_ROOM(one_odd_line_keeps_the_others_in_use),
        IN_ROOM(a_file_without_nameservers_leaves_the_world_to_libunbound),
        IN_ROOM(says_that_no_line_can_be_used),
        IN_ROOM(says_that_the_file_is_not_there),
        IN_ROOM(names_the_files_that_settings_come_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
