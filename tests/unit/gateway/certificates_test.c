/* tests/unit/gateway/certificates_test.c - promises of gateway/certificates.h */
#include "../test.h"
#include "gateway/certificates.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leaf_files.h"

enum { LOG_BYTES = 16384 };

/* Files, and a root that nobody trusts. */
struct room {
    struct leaf_files files;
    struct made stranger;
    struct gateway_certificates_settings settings;
    struct gateway_certificates *loaded;
    struct error err;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    leaf_files_init(&room->files);
    room->stranger = make_root("Stranger");
    room->settings =
        (struct gateway_certificates_settings){ .listener = "127.0.0.1:25",
                                                .certificates = room->files.certificates,
                                                .keys = room->files.keys,
                                                .count = 1,
                                                .hostname = "mx.example.org",
                                                .anchors = room->files.anchors };
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    gateway_certificates_release(&room->loaded);
    make_free(&room->stranger);
    leaf_files_clear(&room->files);
    free(room);
    return 0;
}

static void load(struct room *room)
{
    gateway_certificates_release(&room->loaded);
    if (!gateway_certificates_load(&room->settings, MAKE_NOW_S, &room->loaded, &room->err))
        fail_msg("%s", room->err.text);
}

/* The root cause at the n-th certificate; NULL: there is no finding. */
static const char *finding_of(const struct room *room, size_t number)
{
    const char *file;
    const struct findings *findings = gateway_certificates_findings(room->loaded, number, &file);

    assert_non_null(findings);
    assert_string_equal(file, room->files.certificates[number]);
    return findings->count == 0 ? NULL : findings->items[0].code;
}

static void a_sound_certificate_has_no_finding(void **state)
{
    struct room *room = *state;
    const struct inbound_self *self;

    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    load(room);
    assert_null(finding_of(room, 0));
    assert_non_null(gateway_certificates_tls(room->loaded));
    self = gateway_certificates_self(room->loaded);
    assert_true(self->has_verdict && self->verdict.is_trusted && self->verdict.name_matched);
    assert_string_equal(self->certificate_file, room->files.certificates[0]);
    assert_true(self->takes.version_count >= 2);
}

static void names_what_a_sender_would_find_wrong(void **state)
{
    struct room *room = *state;
    struct made intermediate = make_intermediate("Middle", &room->files.root);
    struct made expired = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &room->files.root,
                               .ends_s = MAKE_NOW_S - MAKE_DAY_S,
                               .extensions = { "subjectAltName=DNS:mx.example.org" } });

    leaf_files_make(&room->files, 0, "other.example", &room->files.root);
    load(room);
    assert_string_equal(finding_of(room, 0), "certificate-name-mismatch");
    leaf_files_make(&room->files, 0, "mx.example.org", &room->stranger);
    load(room);
    assert_string_equal(finding_of(room, 0), "certificate-chain-incomplete");
    leaf_files_make(&room->files, 0, "mx.example.org", &intermediate);
    load(room);
    assert_string_equal(finding_of(room, 0), "certificate-chain-incomplete");
    leaf_files_write(&room->files, 0, &expired, &expired);
    load(room);
    assert_string_equal(finding_of(room, 0), "certificate-expired");
    make_free(&expired);
    make_free(&intermediate);
}

static void one_of_several_has_to_name_us(void **state)
{
    struct room *room = *state;

    room->settings.count = 2;
    leaf_files_make(&room->files, 0, "other.example", &room->files.root);
    leaf_files_make(&room->files, 1, "mx.example.org", &room->files.root);
    load(room);
    assert_null(finding_of(room, 0));
    assert_null(finding_of(room, 1));
    assert_string_equal(gateway_certificates_self(room->loaded)->certificate_file,
                        room->files.certificates[1]);
    leaf_files_make(&room->files, 1, "third.example", &room->files.root);
    load(room);
    assert_string_equal(finding_of(room, 0), "certificate-name-mismatch"); /* the default */
    assert_null(finding_of(room, 1));
}

static void judges_nothing_without_roots(void **state)
{
    struct room *room = *state;

    anchors_free(&room->files.anchors);
    room->settings.anchors = room->files.anchors = make_anchors(NULL);
    leaf_files_make(&room->files, 0, "other.example", &room->stranger);
    load(room);
    assert_null(finding_of(room, 0));
    assert_false(gateway_certificates_self(room->loaded)->has_verdict);
}

static void refuses_what_cannot_work_and_names_it(void **state)
{
    struct room *room = *state;
    struct made leaf = make_leaf("mx.example.org", &room->files.root);

    assert_false(gateway_certificates_load(&room->settings, MAKE_NOW_S, &room->loaded, &room->err));
    assert_null(room->loaded);
    assert_non_null(strstr(room->err.text, room->files.certificates[0]));
    leaf_files_write(&room->files, 0, &leaf, &room->stranger);
    assert_false(gateway_certificates_load(&room->settings, MAKE_NOW_S, &room->loaded, &room->err));
    assert_non_null(strstr(room->err.text, "is not the key of this certificate"));
    make_free(&leaf);
}

static void notices_a_change_once_it_has_settled(void **state)
{
    struct room *room = *state;

    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    load(room);
    assert_false(gateway_certificates_look(room->loaded));
    assert_false(gateway_certificates_look(room->loaded));
    assert_int_equal(unlink(room->files.keys[0]), 0);
    assert_false(gateway_certificates_look(room->loaded)); /* perhaps somebody is at work */
    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_int_equal(truncate(room->files.certificates[0], 10), 0);
    assert_false(gateway_certificates_look(room->loaded));
    assert_true(gateway_certificates_look(room->loaded));
    assert_false(gateway_certificates_look(room->loaded));
}

static void a_link_that_points_elsewhere_is_a_change(void **state)
{
    struct room *room = *state;

    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_int_equal(rename(room->files.certificates[0], room->files.certificates[1]), 0);
    assert_int_equal(symlink(room->files.certificates[1], room->files.certificates[0]), 0);
    load(room);
    assert_false(gateway_certificates_look(room->loaded));
    assert_int_equal(unlink(room->files.certificates[0]), 0);
    assert_int_equal(symlink(room->files.keys[0], room->files.certificates[0]), 0);
    assert_false(gateway_certificates_look(room->loaded));
    assert_true(gateway_certificates_look(room->loaded));
}

static void loads_again_and_leaves_what_was(void **state)
{
    struct room *room = *state;
    struct gateway_certificates *again, *held;

    leaf_files_make(&room->files, 0, "other.example", &room->files.root);
    load(room);
    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_true(gateway_certificates_load_again(room->loaded, MAKE_NOW_S, &again, &room->err));
    assert_true(gateway_certificates_self(again)->verdict.name_matched);
    assert_false(gateway_certificates_self(room->loaded)->verdict.name_matched);
    held = gateway_certificates_hold(again);
    gateway_certificates_release(&again);
    assert_null(again);
    assert_true(gateway_certificates_self(held)->verdict.name_matched);
    gateway_certificates_release(&held);
}

static void logs_cause_and_remedy(void **state)
{
    struct room *room = *state;
    struct clock clock = clock_system();
    struct log log;
    char text[LOG_BYTES] = "";
    int ends[2];

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_init(&log, LOG_TEXT, LOG_NOTE, ends[1], &clock);
    leaf_files_make(&room->files, 0, "other.example", &room->files.root);
    load(room);
    gateway_certificates_log(room->loaded, &log);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, " warn certificate-name-mismatch listener=127.0.0.1:25 file="));
    assert_non_null(strstr(text, " cause=\""));
    assert_non_null(strstr(text, " remedy=\"Reissue"));
    close(ends[0]);
    close(ends[1]);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(a_sound_certificate_has_no_finding),
        IN_ROOM(names_what_a_sender_would_find_wrong),
        IN_ROOM(one_of_several_has_to_name_us),
        IN_ROOM(judges_nothing_without_roots),
        IN_ROOM(refuses_what_cannot_work_and_names_it),
        IN_ROOM(notices_a_change_once_it_has_settled),
        IN_ROOM(a_link_that_points_elsewhere_is_a_change),
        IN_ROOM(loads_again_and_leaves_what_was),
        IN_ROOM(logs_cause_and_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
