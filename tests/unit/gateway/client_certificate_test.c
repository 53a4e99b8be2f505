/* tests/unit/gateway/client_certificate_test.c - promises of gateway/client_certificate.h */
#include "../test.h"
#include "gateway/client_certificate.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "leaf_files.h"

enum { FAR_S = INT32_MAX };

struct room {
    struct leaf_files files;
    struct gateway_client_certificate *certificate;
    struct error err;
};

static int set_up(void **state)
{
    static struct room room;

    memset(&room, 0, sizeof room);
    leaf_files_init(&room.files);
    leaf_files_make(&room.files, 0, "one.example", &room.files.root);
    leaf_files_make(&room.files, 1, "two.example", &room.files.root);
    *state = &room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    gateway_client_certificate_release(&room->certificate);
    leaf_files_clear(&room->files);
    return 0;
}

static bool load(struct room *room, int certificate, int key, int64_t now_s)
{
    return gateway_client_certificate_load(room->files.certificates[certificate],
                                           room->files.keys[key], now_s, &room->certificate,
                                           &room->err);
}

static const char *finding_of(const struct room *room)
{
    const struct findings *findings = gateway_client_certificate_findings(room->certificate);

    return findings->count == 0 ? "" : findings->items[0].code;
}

static void tells_what_sessions_tell_of_it(void **state)
{
    struct room *room = *state;
    struct observed_self self = { .anchor_count = 7 };

    assert_true(load(room, 0, 0, MAKE_NOW_S));
    gateway_client_certificate_describe(room->certificate, &self);
    assert_true(self.has_client_certificate);
    assert_int_equal(self.client_certificate_state, TLS_CREDENTIALS_FINE);
    assert_string_equal(self.client_certificate_file, room->files.certificates[0]);
    assert_int_equal(self.anchor_count, 7); /* the rest is left alone */
    assert_non_null(gateway_client_certificate_credentials(room->certificate));
    assert_string_equal(finding_of(room), "");
}

static void its_flaws_are_findings(void **state)
{
    struct room *room = *state;

    assert_true(load(room, 0, 1, MAKE_NOW_S));
    assert_string_equal(finding_of(room), "client-certificate-unusable");
    gateway_client_certificate_release(&room->certificate);
    assert_true(load(room, 0, 0, MAKE_NOW_S + FAR_S));
    assert_string_equal(finding_of(room), "client-certificate-expired");
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct room *room = *state;

    unlink(room->files.keys[0]);
    assert_false(load(room, 0, 0, MAKE_NOW_S));
    assert_null(room->certificate);
    assert_non_null(strstr(room->err.text, room->files.keys[0]));
}

static void a_newer_one_is_another_and_the_first_stays(void **state)
{
    struct room *room = *state;
    struct gateway_client_certificate *newer, *held;

    assert_true(load(room, 0, 0, MAKE_NOW_S));
    assert_false(gateway_client_certificate_look(room->certificate));
    leaf_files_make(&room->files, 0, "three.example", &room->files.root);
    assert_false(gateway_client_certificate_look(room->certificate)); /* may be half written */
    assert_true(gateway_client_certificate_look(room->certificate));
    assert_false(gateway_client_certificate_look(room->certificate));
    assert_true(
        gateway_client_certificate_load_again(room->certificate, MAKE_NOW_S, &newer, &room->err));
    held = gateway_client_certificate_hold(newer);
    gateway_client_certificate_release(&newer);
    assert_false(tls_credentials_leaf(gateway_client_certificate_credentials(held)).len == 0 ||
                 span_equal(tls_credentials_leaf(gateway_client_certificate_credentials(held)),
                            tls_credentials_leaf(
                                gateway_client_certificate_credentials(room->certificate))));
    gateway_client_certificate_release(&held);
}

static void each_finding_is_a_line(void **state)
{
    struct room *room = *state;
    struct clock clock = clock_system();
    char said[4096] = "";
    struct log log;
    int ends[2];

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_init(&log, LOG_TEXT, LOG_NOTE, ends[1], &clock);
    assert_true(load(room, 0, 0, MAKE_NOW_S + FAR_S));
    gateway_client_certificate_log(room->certificate, &log);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, " warn client-certificate-expired file="));
    assert_non_null(strstr(said, " remedy="));
    close(ends[0]);
    close(ends[1]);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(tells_what_sessions_tell_of_it),
        IN_ROOM(its_flaws_are_findings),
        IN_ROOM(what_cannot_be_read_is_an_error),
        IN_ROOM(a_newer_one_is_another_and_the_first_stays),
        IN_ROOM(each_finding_is_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
