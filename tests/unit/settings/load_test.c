/* tests/unit/settings/load_test.c - tests of whole files on disk, of the files that they name, and that
 * a failed load leaves alone what was loaded before. */
#include "settings/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "unit/settings/loads.h"
#include "unit/test.h"
#include "unit/trust/make_chain.h"

enum { CERTIFICATE, KEY, OTHER_KEY, ANCHOR, JUNK, SETTINGS_FILE_ITSELF, FILES };

struct room {
    char directory[64], path[FILES][96];
    struct arena arena;
    struct settings *settings;
    struct settings_faults faults;
    struct error err;
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void write_pem(const char *path, const struct made *made, bool with_certificate)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    if (with_certificate)
        assert_int_equal(PEM_write_X509(file, made->x509), 1);
    else
        assert_int_equal(PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    static const char *const names[] = { "cert.pem", "cert.key", "other.key",
                                         "root.key", "junk.pem", "postern.conf" };
    struct room *room = calloc(1, sizeof *room);
    struct made leaf = make_root("mx.example.org"), other = make_root("other.example");

    snprintf(room->directory, sizeof room->directory, "/tmp/postern-settings-XXXXXX");
    assert_non_null(mkdtemp(room->directory));
    for (int i = 0; i < FILES; i++)
        snprintf(room->path[i], sizeof room->path[i], "%s/%s", room->directory, names[i]);
    write_pem(room->path[CERTIFICATE], &leaf, true);
    write_pem(room->path[KEY], &leaf, false);
    write_pem(room->path[OTHER_KEY], &other, false);
    write_text(room->path[ANCHOR],
               ". IN DS 20326 8 2 "
               "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n");
    write_text(room->path[JUNK], "nothing here\n");
    make_free(&leaf);
    make_free(&other);
    arena_init(&room->arena, 1 << 20);
    settings_fault_init(&room->faults, "");
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    for (int i = 0; i < FILES; i++)
        unlink(room->path[i]);
    rmdir(room->directory);
    settings_free(&room->settings);
    settings_fault_clear(&room->faults);
    arena_clear(&room->arena);
    free(room);
    return 0;
}

/* Writes the file with each @x replaced by the path of a file (@d: of their folder), and loads it. */
static bool load(struct room *room, const char *text)
{
    static const char letters[] = "ckoaj";
    FILE *file = fopen(room->path[SETTINGS_FILE_ITSELF], "wb");

    assert_non_null(file);
    for (; *text != '\0'; text++)
        if (*text == '@')
            fputs(*++text == 'd' ? room->directory : room->path[strchr(letters, *text) - letters],
                  file);
        else
            fputc(*text, file);
    fclose(file);
    settings_fault_clear(&room->faults);
    return settings_load(room->path[SETTINGS_FILE_ITSELF], &room->settings, &room->faults,
                         &room->err);
}

/* What is said, with the folder taken out. */
static void expect_said(struct room *room, const char *expected)
{
    struct buffer said;
    char *at;

    buffer_init(&said, 1 << 16);
    assert_true(settings_fault_format(&room->faults, &said));
    assert_true(buffer_append(&said, (struct span){ "", 1 }));
    while ((at = strstr(said.data, room->directory)) != NULL)
        memmove(at, at + strlen(room->directory), strlen(at + strlen(room->directory)) + 1);
    assert_string_equal(said.data, expected);
    buffer_clear(&said);
}

#define SOUND                                                                                      \
    "listener \"127.0.0.1:0\" { certificate = \"@c\" key = \"@k\" }\n"                             \
    "trust { ca_file = \"@c\" }\ndns { trust_anchor = \"@a\" }\n"

static void loads_a_sound_file(void **state)
{
    struct room *room = *state;

    if (!load(room, SOUND))
        expect_said(room, "");
    expect_said(room, "");
    assert_string_equal(room->settings->listeners[0].certificates[0], room->path[CERTIFICATE]);
    assert_string_equal(room->settings->file, room->path[SETTINGS_FILE_ITSELF]);
}

static void names_files_that_cannot_be_used(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        { "listener \"127.0.0.1:0\" { certificate = \"@c\" key = \"@k\"\n"
          "client_certificate = require }\ntrust { ca_file = \"@d\" }\n"
          "dns { trust_anchor = \"@a\" }",
          "/postern.conf:2: client_certificate = require needs client_ca, a file: ca_file is none\n" },
        { SOUND "client {\ncertificate = \"@c\"\nkey = \"/nonexistent/k.pem\" }",
          "/postern.conf:6: key: \"/nonexistent/k.pem\" cannot be read: No such file or "
          "directory\n" },
        { "listener \"127.0.0.1:0\" {\ncertificate = \"@c\"\nkey = \"@o\" }\n"
          "trust { ca_file = \"@c\" } dns { trust_anchor = \"@a\" }",
          "/postern.conf:2: certificate /cert.pem: the key in /other.key is not the key of this "
          "certificate\n" },
        { SOUND "client { certificate = \"@c\"\nkey = \"@j\" }",
          "/postern.conf:4: certificate /cert.pem: there is no PEM private key\n" },
        { SOUND "client { certificate = \"/dev/zero\" }",
          "/postern.conf:4: certificate: \"/dev/zero\" is not a file\n" },
        { "listener \"127.0.0.1:0\" { tls = none }\ntrust {\nca_file = \"@j\" }\n"
          "dns {\ntrust_anchor = \"@j\" }",
          "/postern.conf:3: ca_file: /junk.pem: there is no certificate in it\n" },
    };
    struct room *room = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_false(load(room, cases[i].text));
        assert_null(room->settings);
        if (i + 1 < ARRAY_SIZE(cases))
            expect_said(room, cases[i].said);
    }
    assert_int_equal(room->faults.fault_count, 2);
    assert_int_equal(room->faults.list[0].line, 3);
    assert_non_null(strstr(room->faults.list[0].text, "there is no certificate in it"));
    assert_int_equal(room->faults.list[1].line, 5);
    assert_int_equal(strncmp(room->faults.list[1].text, "trust_anchor: ", 14), 0);
}

static void a_key_that_is_not_our_client_certificates_is_no_fault(void **state)
{
    struct room *room = *state;

    assert_true(load(room, SOUND "client { certificate = \"@c\"\nkey = \"@o\" }"));
    assert_int_equal(room->faults.fault_count, 0); /* a finding, which needs a clock */
}

static void a_certificate_without_one_is_named(void **state)
{
    struct room *room = *state;

    assert_false(load(room, "listener \"127.0.0.1:0\" {\ncertificate = \"@j\" key = \"@k\" }\n"
                            "trust { ca_file = \"@c\" } dns { trust_anchor = \"@a\" }\n"));
    assert_int_equal(room->faults.fault_count, 1);
    assert_int_equal(room->faults.list[0].line, 2);
    assert_non_null(strstr(room->faults.list[0].text, room->path[JUNK]));
}

static void a_failed_load_leaves_the_settings_alone(void **state)
{
    struct room *room = *state;
    struct settings *running;

    assert_true(load(room, SOUND "hostname = mx.example.org\n"));
    running = TAKE(room->settings);
    assert_false(load(room, SOUND "hostname = \"\"\nlog = x\n"));
    assert_null(room->settings);
    assert_non_null(strstr(room->err.text, "postern.conf has 2 faults"));
    assert_string_equal(running->hostname, "mx.example.org");
    assert_string_equal(running->listeners[0].certificates[0], room->path[CERTIFICATE]);
    settings_free(&running);
    assert_null(running);
    settings_free(&running);
}

static void says_why_a_file_cannot_be_read(void **state)
{
    static const char *const paths[][2] = {
        { "/nonexistent/postern.conf", "cannot be read: No such file or directory" },
        { "/dev/zero", "is not a file" },
        { "/", "is not a file" },
    };
    struct room *room = *state;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        settings_fault_clear(&room->faults);
        assert_false(settings_load(paths[i][0], &room->settings, &room->faults, &room->err));
        assert_null(room->settings);
        assert_int_equal(room->faults.fault_count, 1);
        assert_string_equal(room->faults.list[0].text, paths[i][1]);
        assert_non_null(strstr(room->err.text, paths[i][0]));
    }
}

/* libconfuse's scanner keeps its state between two texts. */
static void a_broken_file_does_not_spoil_the_next(void **state)
{
    static const char *const broken[] = { "log = \"text", "/* ", "queue {",
                                          "log = 'a",     "#",   "log = \"\\400\"" };
    struct room *room = *state;

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        (void)!load(room, broken[i]);
        settings_free(&room->settings);
        assert_true(load(room, SOUND));
        expect_said(room, "");
        settings_free(&room->settings);
    }
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(loads_a_sound_file),
        PROMISE(names_files_that_cannot_be_used),
        PROMISE(a_key_that_is_not_our_client_certificates_is_no_fault),
        PROMISE(a_certificate_without_one_is_named),
        PROMISE(a_failed_load_leaves_the_settings_alone),
        PROMISE(says_why_a_file_cannot_be_read),
        PROMISE(a_broken_file_does_not_spoil_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
