/* tests/unit/link/trust_files_test.c - tests that sound certificates are read from files and
 * directories, and damaged ones named. */
#include "link/trust_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "unit/test.h"
#include "unit/trust/make_chain.h"

struct room {
    char directory[64], path[128];
    struct made a, b;
    struct anchors *anchors;
    struct arena arena;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    snprintf(room->directory, sizeof room->directory, "/tmp/postern-trust-XXXXXX");
    assert_non_null(mkdtemp(room->directory));
    snprintf(room->path, sizeof room->path, "%s/roots.pem", room->directory);
    room->a = make_root("Root A");
    room->b = make_root("Root B");
    room->anchors = make_anchors(NULL);
    arena_init(&room->arena, 1 << 20);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    unlink(room->path);
    rmdir(room->directory);
    make_free(&room->a);
    make_free(&room->b);
    anchors_free(&room->anchors);
    arena_clear(&room->arena);
    free(room);
    return 0;
}

static void write_file(const struct room *room, struct span content)
{
    FILE *file = fopen(room->path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static const char *pem_of(struct room *room, const struct made *made)
{
    return arena_format(&room->arena,
                        "# a comment\n-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n",
                        text_base64(&room->arena, made->der));
}

static const char damaged[] = "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n";
static const char other[] = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

static void reads_pem_der_and_directories(void **state)
{
    struct room *room = *state;
    const char *both =
        arena_format(&room->arena, "%s\r\n%s", pem_of(room, &room->a), pem_of(room, &room->b));
    struct span der[4];
    size_t count;

    write_file(room, span_of(both));
    assert_true(trust_files_add(room->path, room->anchors, NULL));
    assert_int_equal(anchors_count(room->anchors), 2);
    assert_true(trust_files_certificates(room->path, &room->arena, der, 4, &count, NULL));
    assert_int_equal(count, 2);
    assert_true(span_equal(der[1], room->b.der));
    anchors_free(&room->anchors);
    room->anchors = make_anchors(NULL);
    assert_true(trust_files_add(room->directory, room->anchors, NULL));
    assert_int_equal(anchors_count(room->anchors), 2);
    anchors_free(&room->anchors);
    room->anchors = make_anchors(NULL);
    write_file(room, room->a.der);
    assert_true(trust_files_add(room->path, room->anchors, NULL));
    assert_int_equal(anchors_count(room->anchors), 1);
}

static void adds_the_sound_ones_and_names_the_first_that_is_damaged(void **state)
{
    struct room *room = *state;
    static const char *const broken[] = { damaged, other, "-----BEGIN CERTIFICATE-----\nAAAA\n" };

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        struct error err = { ERROR_NONE, "" };

        write_file(room, span_of(arena_format(&room->arena, "%s%s%s%s", pem_of(room, &room->a),
                                              broken[i], pem_of(room, &room->b), broken[0])));
        assert_false(trust_files_add(room->path, room->anchors, &err));
        assert_non_null(strstr(err.text, room->path));
        assert_non_null(strstr(err.text, "certificate 2"));
        assert_int_equal(anchors_count(room->anchors), 2);
        anchors_free(&room->anchors);
        room->anchors = make_anchors(NULL);
    }
}

static void says_that_there_is_none(void **state)
{
    struct room *room = *state;
    struct error err = { ERROR_NONE, "" };

    write_file(room, span_of("nothing here\n"));
    assert_false(trust_files_add(room->path, room->anchors, &err));
    assert_non_null(strstr(err.text, "there is no certificate in it"));
    assert_false(trust_files_add(room->directory, room->anchors, &err));
    assert_false(trust_files_add("/nonexistent/roots.pem", room->anchors, &err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "/nonexistent/roots.pem"));
}

static void refuses_a_chain_with_a_damaged_certificate(void **state)
{
    struct room *room = *state;
    struct error err = { ERROR_NONE, "" };
    struct span der[4];
    size_t count;

    write_file(room, span_of(arena_format(&room->arena, "%s%s", pem_of(room, &room->a), damaged)));
    assert_false(trust_files_certificates(room->path, &room->arena, der, 4, &count, &err));
    assert_non_null(strstr(err.text, "certificate 2"));
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(reads_pem_der_and_directories),
        PROMISE(adds_the_sound_ones_and_names_the_first_that_is_damaged),
        PROMISE(says_that_there_is_none),
        PROMISE(refuses_a_chain_with_a_damaged_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
