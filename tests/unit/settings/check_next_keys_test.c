/* tests/unit/settings/check_next_keys_test.c - what is said of settings for publishing, and what of them
 * is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

#define HEARS    "listener \"[::1]:25\" { tls = none }\n"
#define DELIVERS "deliver = \"maildir:/m/{user}\" "

static void refuses_more_next_keys_than_certificates(void **state)
{
    (void)state;
    expect_faults(
        "listener \"[::1]:25\" {\ncertificate = /a\nnext_key = { /b, /c } }",
        "t.conf:3: 2 next keys and 1 certificates: each is the one that a certificate has "
        "after its renewal\n");
}

static void keeps_what_a_domain_publishes(void **state)
{
    struct loaded loaded =
        load_sound("listener \"[::1]:25\" { certificate = { /a, /b } next_key = /c }\n"
                   "domain a.example { " DELIVERS "sts = enforce sts_max_age = 30d\n"
                   "    sts_mx = { MX.A.Example, \"*.b.example\" }\n"
                   "    reports_to = { \"mailto:t@a.example\", \"https://r.example/t\" } }\n"
                   "domain z.example { " DELIVERS "}\n");
    const struct settings_domain *domain = &loaded.settings->domains[0];

    (void)state;
    assert_int_equal(loaded.settings->listeners[0].next_key_count, 1);
    assert_string_equal(loaded.settings->listeners[0].next_keys[0], "/c");
    assert_int_equal(domain->sts, SETTINGS_STS_ENFORCE);
    assert_int_equal(domain->sts_max_age_s, 30 * 86400);
    assert_int_equal(domain->sts_mx_count, 2);
    assert_string_equal(domain->sts_mx[0], "mx.a.example");
    assert_string_equal(domain->sts_mx[1], "*.b.example");
    assert_int_equal(domain->reports_to_count, 2);
    assert_string_equal(domain->reports_to[1], "https://r.example/t");
    domain++;
    assert_int_equal(domain->sts, SETTINGS_STS_OFF);
    assert_int_equal(domain->sts_max_age_s, 7 * 86400);
    assert_int_equal(domain->sts_mx_count, 0);
    assert_int_equal(domain->reports_to_count, 0);
    loaded_clear(&loaded);
}

static void warns_of_a_next_key_that_is_none(void **state)
{
    char path[] = "/tmp/postern-next-XXXXXX", text[256], wanted[128];
    int file = mkstemp(path);
    struct settings_source source = { .name = "t.conf" };
    struct settings *settings;
    struct settings_faults faults;
    struct buffer said;
    struct error err;

    (void)state;
    assert_true(file >= 0);
    close(file);
    snprintf(text, sizeof text, HEARS "listener \"[::1]:26\" { \ncertificate = %s\nnext_key = %s }",
             path, path);
    source.text = span_of(text);
    assert_false(settings_load_text(&source, &settings, &faults, &err));
    buffer_init(&said, 1 << 16);
    assert_true(settings_fault_format(&faults, &said) &&
                buffer_append(&said, (struct span){ "", 1 }));
    snprintf(wanted, sizeof wanted, "t.conf:4: warning: next_key: %s: there is no key in it", path);
    if (strstr(said.data, wanted) == NULL)
        fail_msg("%s", said.data);
    buffer_clear(&said);
    settings_fault_clear(&faults);
    settings_free(&settings);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_more_next_keys_than_certificates),
        cmocka_unit_test(keeps_what_a_domain_publishes),
        cmocka_unit_test(warns_of_a_next_key_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
