/* tests/unit/gateway/resolver_test.c - promises of gateway/resolver.h */
#include "../test.h"
#include "gateway/resolver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../net/responder.h"

enum { LONG_MS = 20000 };

/* Settings that name files which come and go. No anchor: what the responder says is insecure. */
struct room {
    struct responder responder;
    struct loop *loop;
    struct clock clock;
    struct log log;
    int log_ends[2];
    char said[4096], anchor[64], resolv_conf[64], address[32];
    struct dns_settings settings;
    struct gateway_resolver *resolver;
    struct error err;
    int answers;
    enum dns_outcome outcome;
};

static void name_file(char path[64])
{
    snprintf(path, 64, "/tmp/postern-resolver-XXXXXX");
    close(mkstemp(path));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    responder_start(&room->responder);
    name_file(room->anchor);
    name_file(room->resolv_conf);
    snprintf(room->address, sizeof room->address, "127.0.0.1:%u", room->responder.port);
    room->settings = (struct dns_settings){ room->address, room->anchor, room->resolv_conf };
    room->clock = clock_system();
    assert_int_equal(pipe2(room->log_ends, O_NONBLOCK), 0);
    log_init(&room->log, LOG_TEXT, LOG_NOTE, room->log_ends[1], &room->clock);
    assert_true(loop_open(&room->loop, &room->err));
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    gateway_resolver_close(&room->resolver);
    loop_close(&room->loop);
    responder_stop(&room->responder);
    unlink(room->anchor);
    unlink(room->resolv_conf);
    close(room->log_ends[0]);
    close(room->log_ends[1]);
    free(room);
    return 0;
}

static const char *said(struct room *room)
{
    ssize_t len = read(room->log_ends[0], room->said, sizeof room->said - 1);

    room->said[len > 0 ? len : 0] = '\0';
    return room->said;
}

static void open_resolver(struct room *room)
{
    if (!gateway_resolver_open(room->loop, &room->settings, &room->log, &room->resolver,
                               &room->err))
        fail_msg("%s", room->err.text);
}

static void note(void *owner, const struct dns_answer *answer)
{
    struct room *room = owner;

    room->answers++;
    room->outcome = answer->outcome;
}

static bool can_ask(struct room *room)
{
    struct dns_query *query;

    if (!dns_find(gateway_resolver_dns(room->resolver), "good.test", DNS_TYPE_A, LONG_MS, note,
                  room, &query, &room->err))
        return false;
    loop_run(room->loop);
    assert_int_equal(room->outcome, DNS_ANSWERED);
    return true;
}

static void answers_by_the_settings(void **state)
{
    struct room *room = *state;

    open_resolver(room);
    assert_true(can_ask(room));
    gateway_resolver_use(room->resolver, &room->settings); /* the same */
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_string_equal(said(room), "");
}

static void goes_on_where_it_cannot_be_opened_and_says_why_once(void **state)
{
    struct room *room = *state;

    room->settings.resolver = NULL;
    unlink(room->resolv_conf);
    open_resolver(room);
    assert_non_null(strstr(said(room), "error resolver-failed resolver="));
    assert_non_null(strstr(room->said, "No such file"));
    assert_non_null(strstr(room->said, " remedy="));
    assert_false(can_ask(room));
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_string_equal(said(room), "");
    write_file(room->resolv_conf, "nameserver nowhere\n");
    gateway_resolver_look(room->resolver); /* may be half written */
    assert_string_equal(said(room), "");
    gateway_resolver_look(room->resolver);
    assert_non_null(strstr(said(room), "no nameserver line"));
    write_file(room->resolv_conf, "nameserver 127.0.0.1\n");
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_non_null(strstr(said(room), "note resolver-changed resolver="));
    gateway_resolver_look(room->resolver);
    assert_string_equal(said(room), "");
}

static void takes_up_files_that_have_changed(void **state)
{
    struct room *room = *state;

    open_resolver(room);
    write_file(room->anchor, ". IN DS 20326 8 2 "
                             "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n");
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_non_null(strstr(said(room), "note resolver-changed"));
    write_file(room->anchor, "nonsense\n");
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_non_null(strstr(said(room), "error resolver-failed"));
    assert_non_null(strstr(room->said, room->anchor));
    write_file(room->anchor, "");
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_non_null(strstr(said(room), "note resolver-changed"));
    assert_true(can_ask(room));
}

static void resolv_conf_does_not_matter_to_who_names_a_resolver(void **state)
{
    struct room *room = *state;

    open_resolver(room);
    write_file(room->resolv_conf, "nameserver 192.0.2.1\n");
    gateway_resolver_look(room->resolver);
    gateway_resolver_look(room->resolver);
    assert_string_equal(said(room), "");
    assert_true(can_ask(room));
}

static void other_settings_come_into_force_or_those_before_stay(void **state)
{
    struct room *room = *state;
    struct dns_settings wrong = { room->address, "/nowhere/root.key", NULL };
    struct dns_settings right = { room->address, room->anchor, NULL };
    struct dns *dns;

    open_resolver(room);
    dns = gateway_resolver_dns(room->resolver);
    gateway_resolver_use(room->resolver, &wrong);
    assert_non_null(strstr(said(room), "/nowhere/root.key"));
    assert_true(can_ask(room));
    gateway_resolver_use(room->resolver, &right);
    assert_non_null(strstr(said(room), "note resolver-changed"));
    assert_true(can_ask(room));
    assert_ptr_equal(gateway_resolver_dns(room->resolver), dns);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(answers_by_the_settings),
        IN_ROOM(goes_on_where_it_cannot_be_opened_and_says_why_once),
        IN_ROOM(takes_up_files_that_have_changed),
        IN_ROOM(resolv_conf_does_not_matter_to_who_names_a_resolver),
        IN_ROOM(other_settings_come_into_force_or_those_before_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
