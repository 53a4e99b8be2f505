/* tests/unit/link/our_side_test.c - promises of link/our_side.h */
#include "../test.h"
#include "link/our_side.h"

#include <stdlib.h>
#include <string.h>

#include "../gateway/leaf_files.h"

struct room {
    struct leaf_files files;
    struct arena arena;
    struct observed_self self;
    struct tls_credentials *credentials;
    struct error err;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    leaf_files_init(&room->files);
    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    leaf_files_make(&room->files, 1, "other.example", &room->files.root);
    arena_init(&room->arena, 1 << 20);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    tls_credentials_free(&room->credentials);
    arena_clear(&room->arena);
    leaf_files_clear(&room->files);
    free(room);
    return 0;
}

static bool read_pair(struct room *room, size_t certificate, size_t key, int64_t now_s)
{
    return our_side_read_certificate(room->files.certificates[certificate], room->files.keys[key],
                                     now_s, &room->arena, &room->credentials, &room->self,
                                     &room->err);
}

static void tells_of_a_certificate_that_holds(void **state)
{
    struct room *room = *state;

    assert_true(read_pair(room, 0, 0, MAKE_NOW_S));
    assert_non_null(room->credentials);
    assert_true(room->self.has_client_certificate);
    assert_int_equal(room->self.client_certificate_state, TLS_CREDENTIALS_FINE);
    assert_string_equal(room->self.client_certificate_file, room->files.certificates[0]);
    assert_non_null(strstr(room->self.client_certificate_subject, "mx.example.org"));
    assert_true(room->self.client_certificate_ended_s > MAKE_NOW_S);
}

static void tells_of_one_that_is_expired_or_not_the_keys(void **state)
{
    struct room *room = *state;

    assert_true(read_pair(room, 0, 1, MAKE_NOW_S));
    assert_int_equal(room->self.client_certificate_state, TLS_CREDENTIALS_KEY_MISMATCH);
    tls_credentials_free(&room->credentials);
    assert_true(read_pair(room, 1, 1, MAKE_NOW_S + INT64_C(100) * 365 * 86400));
    assert_int_equal(room->self.client_certificate_state, TLS_CREDENTIALS_EXPIRED);
}

static void says_which_file_cannot_be_read(void **state)
{
    struct room *room = *state;

    assert_false(our_side_read_certificate("/nowhere/c.pem", "/nowhere/c.key", 0, &room->arena,
                                           &room->credentials, &room->self, &room->err));
    assert_null(room->credentials);
    assert_false(room->self.has_client_certificate);
    assert_non_null(strstr(room->err.text, "our client certificate"));
    assert_non_null(strstr(room->err.text, "/nowhere/c.pem"));
}

static void tells_how_many_roots_there_are_and_what_is_wrong_with_their_file(void **state)
{
    struct room *room = *state;
    struct anchors *anchors = anchors_new();

    assert_non_null(anchors);
    our_side_read_roots(room->files.certificates[0], anchors, &room->arena, &room->self);
    assert_int_equal(room->self.anchor_count, 1);
    assert_null(room->self.anchor_problem);
    assert_string_equal(room->self.anchor_file, room->files.certificates[0]);
    assert_true(room->self.newest_anchor_s > 0);
    our_side_read_roots("/nowhere/roots.pem", anchors, &room->arena, &room->self);
    assert_non_null(strstr(room->self.anchor_problem, "/nowhere/roots.pem"));
    anchors_free(&anchors);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(tells_of_a_certificate_that_holds),
        IN_ROOM(tells_of_one_that_is_expired_or_not_the_keys),
        IN_ROOM(says_which_file_cannot_be_read),
        IN_ROOM(tells_how_many_roots_there_are_and_what_is_wrong_with_their_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
