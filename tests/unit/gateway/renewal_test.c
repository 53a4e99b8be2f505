/* tests/unit/gateway/renewal_test.c - promises of gateway/renewal.h */
#include "../test.h"
#include "gateway/renewal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/certificates.h"
#include "gateway/client_certificate.h"
#include "leaf_files.h"

enum { LOG_BYTES = 65536 };

/* A profile of two listeners with a certificate each, and one without TLS. */
struct room {
    struct leaf_files files;
    struct gateway_certificates_settings settings[LEAF_PAIRS];
    struct gateway_profile_listener listeners[LEAF_PAIRS + 1];
    struct gateway_profile profile, *current;
    int released;
    struct clock clock;
    struct log log;
    int log_ends[2];
    char said[LOG_BYTES];
    struct error err;
};

static void release(void *owner)
{
    struct room *room = owner;

    for (int i = 0; i < LEAF_PAIRS; i++)
        gateway_certificates_release(&room->listeners[i].certificates);
    room->released++;
}

static void load(struct room *room, int pair)
{
    struct gateway_profile_listener *listener = &room->listeners[pair];

    leaf_files_make(&room->files, pair, "mx.example.org", &room->files.root);
    room->settings[pair] =
        (struct gateway_certificates_settings){ .listener = pair == 0 ? "first" : "second",
                                                .certificates = &room->files.certificates[pair],
                                                .keys = &room->files.keys[pair],
                                                .count = 1,
                                                .hostname = "mx.example.org",
                                                .anchors = room->files.anchors };
    assert_true(gateway_certificates_load(&room->settings[pair], MAKE_NOW_S,
                                          &listener->certificates, &room->err));
    listener->tls = gateway_certificates_tls(listener->certificates);
    listener->self = *gateway_certificates_self(listener->certificates);
}

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    leaf_files_init(&room->files);
    for (int i = 0; i < LEAF_PAIRS; i++)
        load(room, i);
    room->profile.references = 1;
    room->profile.hostname = "mx.example.org";
    room->profile.listeners = room->listeners;
    room->profile.listener_count = LEAF_PAIRS + 1;
    room->profile.release = release;
    room->profile.owner = room;
    room->current = &room->profile;
    room->clock = clock_system();
    assert_int_equal(pipe2(room->log_ends, O_NONBLOCK), 0);
    log_init(&room->log, LOG_TEXT, LOG_NOTE, room->log_ends[1], &room->clock);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    gateway_profile_release(&room->current);
    assert_int_equal(room->released, 1);
    leaf_files_clear(&room->files);
    close(room->log_ends[0]);
    close(room->log_ends[1]);
    free(room);
    return 0;
}

static struct gateway_profile *look(struct room *room, bool judges_again)
{
    struct gateway_profile *renewed;
    ssize_t len;

    assert_true(gateway_renewal_look(room->current, judges_again, MAKE_NOW_S, &room->log, &renewed,
                                     &room->err));
    len = read(room->log_ends[0], room->said, sizeof room->said - 1);
    room->said[len > 0 ? len : 0] = '\0';
    return renewed;
}

static void replace(struct room *room, struct gateway_profile *renewed)
{
    gateway_profile_release(&room->current);
    room->current = renewed;
}

static void nothing_is_renewed_where_nothing_changed(void **state)
{
    struct room *room = *state;

    assert_null(look(room, false));
    assert_null(look(room, false));
    assert_string_equal(room->said, "");
}

static void renews_what_changed_and_keeps_the_rest(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed;

    leaf_files_make(&room->files, 1, "other.example", &room->files.root);
    assert_null(look(room, false));
    renewed = look(room, false);
    assert_non_null(renewed);
    assert_non_null(strstr(room->said, "warn certificate-name-mismatch listener=second"));
    assert_int_equal(renewed->listener_count, LEAF_PAIRS + 1);
    assert_string_equal(renewed->hostname, "mx.example.org");
    assert_ptr_equal(renewed->listeners[0].tls, room->listeners[0].tls);
    assert_ptr_not_equal(renewed->listeners[1].tls, room->listeners[1].tls);
    assert_null(renewed->listeners[LEAF_PAIRS].tls);
    assert_true(room->listeners[1].self.verdict.name_matched); /* as it was */
    assert_false(renewed->listeners[1].self.verdict.name_matched);
    replace(room, renewed);
    assert_null(look(room, false));
}

static void servers_elsewhere_are_met_as_before(void **state)
{
    static const struct gateway_policy fallback = { .name = "default", .level = POLICY_VERIFY };
    struct room *room = *state;
    struct gateway_profile *renewed, *before = &room->profile;

    before->policies.fallback = &fallback;
    before->anchors = before->intermediates = room->files.anchors;
    before->self.anchor_count = 1;
    before->dns.resolver = "192.0.2.1";
    before->mx_port = 2525;
    before->sts_port = 8443;
    before->private_addresses = true;
    before->client_timeout_ms = 8000;
    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_null(look(room, false));
    renewed = look(room, false);
    assert_non_null(renewed);
    assert_ptr_equal(renewed->policies.fallback, &fallback);
    assert_ptr_equal(renewed->anchors, room->files.anchors);
    assert_ptr_equal(renewed->intermediates, room->files.anchors);
    assert_int_equal(renewed->self.anchor_count, 1);
    assert_string_equal(renewed->dns.resolver, "192.0.2.1");
    assert_int_equal(renewed->mx_port, 2525);
    assert_int_equal(renewed->sts_port, 8443);
    assert_true(renewed->private_addresses);
    assert_int_equal(renewed->client_timeout_ms, 8000);
    replace(room, renewed);
}

static void a_newer_certificate_for_servers_is_taken_up(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed, *before = &room->profile;
    const struct tls_credentials *old;

    assert_true(gateway_client_certificate_load(room->files.certificates[0], room->files.keys[0],
                                                MAKE_NOW_S, &before->client, &room->err));
    old = before->credentials = gateway_client_certificate_credentials(before->client);
    gateway_client_certificate_describe(before->client, &before->self);
    leaf_files_make(&room->files, 0, "newer.example", &room->files.root);
    assert_null(look(room, false));
    renewed = look(room, false);
    assert_non_null(renewed);
    assert_ptr_not_equal(renewed->credentials, old);
    assert_ptr_equal(before->credentials, old);
    assert_non_null(strstr(renewed->self.client_certificate_subject, "newer.example"));
    replace(room, renewed);
    assert_int_equal(truncate(room->files.keys[0], 20), 0);
    assert_null(look(room, false));
    assert_null(look(room, false)); /* told, and the one before stays */
    assert_non_null(strstr(room->said, " warn certificate-unusable file="));
    gateway_client_certificate_release(&before->client);
}

static void a_line_of_renewals_keeps_none_but_the_first(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed;

    for (int i = 0; i < 3; i++) {
        leaf_files_make(&room->files, i % 2, "mx.example.org", &room->files.root);
        assert_null(look(room, false));
        renewed = look(room, false);
        assert_non_null(renewed);
        replace(room, renewed);
        assert_ptr_equal(room->current->origin, &room->profile);
        assert_int_equal(room->profile.references, 1);
        assert_int_equal(room->released, 0);
    }
}

static void what_cannot_be_used_is_told_once_and_not_taken(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed;

    assert_int_equal(truncate(room->files.keys[0], 20), 0);
    assert_null(look(room, false));
    assert_null(look(room, false));
    assert_non_null(strstr(room->said, " warn certificate-unusable listener=first cause="));
    assert_non_null(strstr(room->said, room->files.certificates[0]));
    assert_null(look(room, false));
    assert_string_equal(room->said, "");
    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_null(look(room, false));
    renewed = look(room, false);
    assert_non_null(renewed);
    replace(room, renewed);
}

static void what_two_listeners_share_is_told_once(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed;

    room->settings[1].certificates = room->settings[0].certificates;
    room->settings[1].keys = room->settings[0].keys;
    gateway_certificates_release(&room->listeners[1].certificates);
    assert_true(gateway_certificates_load(&room->settings[1], MAKE_NOW_S,
                                          &room->listeners[1].certificates, &room->err));
    assert_non_null(gateway_profile_first_certificates(room->current, 0));
    assert_null(gateway_profile_first_certificates(room->current, 1));
    assert_null(gateway_profile_first_certificates(room->current, LEAF_PAIRS));
    leaf_files_make(&room->files, 0, "other.example", &room->files.root);
    assert_null(look(room, false));
    renewed = look(room, false);
    assert_non_null(renewed);
    assert_false(renewed->listeners[1].self.verdict.name_matched);
    assert_non_null(strstr(room->said, " listener=first "));
    assert_null(strstr(room->said, " listener=second "));
    replace(room, renewed);
    assert_int_equal(truncate(room->files.keys[0], 20), 0);
    assert_null(look(room, false));
    assert_null(look(room, false));
    assert_non_null(strstr(room->said, " certificate-unusable listener=first "));
    assert_null(strstr(room->said, " listener=second "));
}

static void judges_all_again_when_told_to(void **state)
{
    struct room *room = *state;
    struct gateway_profile *renewed = look(room, true);

    assert_non_null(renewed);
    assert_ptr_not_equal(renewed->listeners[0].tls, room->listeners[0].tls);
    assert_ptr_not_equal(renewed->listeners[1].tls, room->listeners[1].tls);
    replace(room, renewed);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(nothing_is_renewed_where_nothing_changed),
        IN_ROOM(renews_what_changed_and_keeps_the_rest),
        IN_ROOM(servers_elsewhere_are_met_as_before),
        IN_ROOM(a_newer_certificate_for_servers_is_taken_up),
        IN_ROOM(a_line_of_renewals_keeps_none_but_the_first),
        IN_ROOM(what_cannot_be_used_is_told_once_and_not_taken),
        IN_ROOM(what_two_listeners_share_is_told_once),
        IN_ROOM(judges_all_again_when_told_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
