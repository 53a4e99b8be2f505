/* tests/unit/gateway/maildir_path_test.c - promises of gateway/maildir_path.h */
#include "../test.h"
#include "gateway/maildir_path.h"

#include <stdio.h>
#include <string.h>

#define PATTERN "/var/mail/{domain}/{user}"
#define LONG64  "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"

static void an_address_becomes_the_folder_that_its_owner_expects(void **state)
{
    static const struct {
        const char *pattern, *recipient, *path;
        size_t fixed_len;
    } cases[] = {
        { PATTERN, "user@example.org", "/var/mail/example.org/user", 9 },
        { PATTERN, "User.Name+Tag@EXAMPLE.org", "/var/mail/example.org/user.name+tag", 9 },
        { PATTERN, "\"user\"@example.org", "/var/mail/example.org/user", 9 },
        { PATTERN, "\"us\\er\"@example.org", "/var/mail/example.org/user", 9 },
        { PATTERN, "\"a b\\\"c\\\\\"@example.org", "/var/mail/example.org/a b\"c\\", 9 },
        { PATTERN, "\"a@b\"@example.org", "/var/mail/example.org/a@b", 9 },
        { PATTERN, "a..@example.org", NULL, 0 },
        { PATTERN,
          "j\xc3\xb6rg@b\xc3\xbc"
          "cher.example",
          "/var/mail/xn--bcher-kva.example/j\xc3\xb6rg", 9 },
        { PATTERN, "{domain}@example.org", "/var/mail/example.org/{domain}", 9 },
        { PATTERN, "%s%n@example.org", "/var/mail/example.org/%s%n", 9 },
        { PATTERN, "~root@example.org", "/var/mail/example.org/~root", 9 },
        { PATTERN, "-rf@example.org", "/var/mail/example.org/-rf", 9 },
        { PATTERN, LONG64 "@example.org", "/var/mail/example.org/" LONG64, 9 },
        { "/{user}", "u@example.org", "/u", 1 },
        { "/{domain}", "u@example.org", "/example.org", 1 },
        { "/var/mail/{user}@{domain}/Maildir", "u@example.org", "/var/mail/u@example.org/Maildir",
          9 },
        { "/srv/x-{domain}", "u@example.org", "/srv/x-example.org", 4 },
        { "/var/mail/all", "u@example.org", "/var/mail/all", 9 },
        { "/all", "u@example.org", "/all", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct gateway_maildir_path path;
        const char *flaw = NULL;

        if (!gateway_maildir_path_format(cases[i].pattern, span_of(cases[i].recipient), &path,
                                         &flaw)) {
            assert_null(cases[i].path);
            continue;
        }
        assert_string_equal(path.text, cases[i].path);
        assert_int_equal(path.fixed_len, cases[i].fixed_len);
        assert_int_equal(gateway_maildir_path_fixed(cases[i].pattern).len, cases[i].fixed_len);
    }
}

/* Each would leave the folder, hide in it, or end a text early. */
static const char *const hostile[] = {
    "\"..\"@example.org",
    "\".\"@example.org",
    "\"../root\"@example.org",
    "\"../../etc/passwd\"@example.org",
    "\"\\.\\.\"@example.org",
    "\"\\../x\"@example.org",
    "\".hidden\"@example.org",
    "\"/etc/passwd\"@example.org",
    "/etc/passwd@example.org",
    "a/b@example.org",
    "a/../../b@example.org",
    "\"a\\/b\"@example.org",
    "/@example.org",
    "../x@example.org",
    "..@example.org",
    ".@example.org",
    ".user@example.org",
    "user.@example.org",
    "\"\"@example.org",
    "\"a\tb\"@example.org",
    "\"a\nb\"@example.org",
    "\"a\\\nb\"@example.org",
    "\"a\x7f\"@example.org",
    "@example.org",
    "user",
    "",
    "user@",
    "user@..",
    "user@.",
    "user@../../etc",
    "user@example.org/../../etc",
    "user@example.org/",
    "user@.example.org",
    "user@example..org",
    "user@[127.0.0.1]",
    "user@[IPv6:::1]",
    "user@127.0.0.1",
    "user@example.org\xe2\x88\x95x", /* a slash that looks like one */
    "user@\xef\xbc\x8e\xef\xbc\x8e", /* fullwidth dots */
    "user@a\xef\xbc\x8f.example",    /* fullwidth slash: normalization would make it one */
    "\xc0\xaf/@example.org",         /* an overlong slash */
    "\xc0\xae\xc0\xae@example.org",
    (LONG64 "a@example.org"),
};

static void no_address_leads_out_of_its_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct gateway_maildir_path path;
        const char *flaw = NULL;

        if (gateway_maildir_path_format(PATTERN, span_of(hostile[i]), &path, &flaw))
            fail_msg("<%s>: %s", hostile[i], path.text);
        assert_non_null(flaw);
    }
}

static void a_byte_of_zero_is_in_no_path(void **state)
{
    static const char quoted[] = "\"us\0er\"@example.org", plain[] = "user\0@example.org";
    static const char domain[] = "user@example.org\0.evil.example";
    const struct span cases[] = { { quoted, sizeof quoted - 1 },
                                  { plain, sizeof plain - 1 },
                                  { domain, sizeof domain - 1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct gateway_maildir_path path;
        const char *flaw = NULL;

        assert_false(gateway_maildir_path_format(PATTERN, cases[i], &path, &flaw));
        assert_non_null(flaw);
    }
}

/* All 256 bytes at each end and in the middle of a quoted local part. */
static void whatever_byte_comes_the_folder_has_one_name(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (int place = 0; place < 3; place++) {
            char text[] = "\"\\aa\\aa\\a\"@example.org";
            struct gateway_maildir_path path;
            const char *flaw = NULL, *name;

            text[2 + 3 * place] = (char)byte;
            if (!gateway_maildir_path_format(PATTERN, (struct span){ text, sizeof text - 1 }, &path,
                                             &flaw))
                continue;
            name = path.text + strlen("/var/mail/example.org/");
            assert_int_equal(strlen(name), 5);
            assert_true(name[0] != '.' && strchr(name, '/') == NULL);
        }
}

static void names_longer_than_a_folder_takes_are_refused(void **state)
{
    static const char long_domain[] = LONG64 "@" LONG64;
    char recipient[256];
    struct gateway_maildir_path path;
    const char *flaw = NULL;

    (void)state;
    snprintf(recipient, sizeof recipient, "%.*s@%.60s.%.60s.%.60s", 64, long_domain, LONG64, LONG64,
             LONG64);
    assert_true(
        gateway_maildir_path_format("/m/{domain}/{user}", span_of(recipient), &path, &flaw));
    assert_false(
        gateway_maildir_path_format("/m/{user}{user}{domain}", span_of(recipient), &path, &flaw));
    assert_non_null(flaw);
    assert_false(gateway_maildir_path_format(
        "/m/{domain}/{domain}/{domain}/{domain}/{domain}/{domain}/{domain}/{domain}/{domain}/"
        "{domain}/{domain}/{domain}",
        span_of(recipient), &path, &flaw));
    assert_non_null(flaw);
}

static void a_pattern_with_a_flaw_is_named(void **state)
{
    static const char *const wrong[] = {
        "",
        "var/mail/{user}",
        "/",
        "/var/mail/",
        "/var//mail/{user}",
        "/var/../x",
        "/./{user}",
        "/x/{User}",
        "/x/{user",
        "/x/user}",
        "/x/{}",
        "/x/{user}/..",
        "/{domain}//",
        "/x/{{user}}",
        "/x/{home}",
        "{user}",
        "/..",
        "//",
        "/x/{user}/./new",
        "/x/{user }",
    };
    static const char *const right[] = { PATTERN, "/{user}", "/a/b.c/..d/{user}-{domain}", "/a" };
    char much[GATEWAY_MAILDIR_PATH_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (gateway_maildir_path_flaw(wrong[i]) == NULL)
            fail_msg("%s", wrong[i]);
    for (size_t i = 0; i < ARRAY_SIZE(right); i++)
        assert_null(gateway_maildir_path_flaw(right[i]));
    memset(much, 'a', sizeof much);
    much[0] = '/';
    much[sizeof much - 1] = '\0';
    assert_non_null(gateway_maildir_path_flaw(much));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_becomes_the_folder_that_its_owner_expects),
        cmocka_unit_test(no_address_leads_out_of_its_folder),
        cmocka_unit_test(a_byte_of_zero_is_in_no_path),
        cmocka_unit_test(whatever_byte_comes_the_folder_has_one_name),
        cmocka_unit_test(names_longer_than_a_folder_takes_are_refused),
        cmocka_unit_test(a_pattern_with_a_flaw_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
