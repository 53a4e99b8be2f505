/* tests/unit/settings/check_reports_test.c - what is said of the section `reports`, and what of it is kept. */
#include <string.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

#define HEARS "listener \"[::1]:25\" { tls = none }\n"

static void keeps_what_reports_are_made_by(void **state)
{
    struct loaded loaded = load_sound(
        HEARS "domain \"A.example\" { deliver = \"maildir:/var/mail/{user}\" }\n"
              "reports { send = yes organization = \"Example\" contact = tls@a.example\n"
              "from = noreply@a.example dkim_key = /k.pem dkim_selector = S1 dkim_domain = "
              "A.Example\nread = tlsrpt@a.example }\n");
    const struct settings_reports *reports = &loaded.settings->reports;

    (void)state;
    assert_int_equal(reports->send, 1);
    assert_string_equal(reports->organization, "Example");
    assert_string_equal(reports->contact, "tls@a.example");
    assert_string_equal(reports->from, "noreply@a.example");
    assert_string_equal(reports->dkim_key, "/k.pem");
    assert_string_equal(reports->dkim_selector, "s1");
    assert_string_equal(reports->dkim_domain, "a.example");
    assert_string_equal(reports->read, "tlsrpt@a.example");
    loaded_clear(&loaded);
}

static void without_the_section_nothing_is_sent_or_read(void **state)
{
    struct loaded loaded = load_sound(HEARS);

    (void)state;
    assert_int_equal(loaded.settings->reports.send, 0);
    assert_null(loaded.settings->reports.contact);
    assert_null(loaded.settings->reports.dkim_key);
    assert_null(loaded.settings->reports.read);
    loaded_clear(&loaded);
}

static void a_key_and_its_selector_go_together(void **state)
{
    (void)state;
    expect_faults(HEARS "reports {\ndkim_key = /k.pem }",
                  "t.conf:3: dkim_key needs dkim_selector\n");
    expect_faults(HEARS "reports {\ndkim_selector = s1 }",
                  "t.conf:3: dkim_selector without dkim_key\n");
}

static void reports_that_go_unsigned_are_warned_of(void **state)
{
    struct loaded loaded = load_text(HEARS "reports {\nsend = yes }");

    (void)state;
    assert_non_null(loaded.settings);
    assert_non_null(
        strstr(loaded.said.data, "t.conf:3: warning: reports by mail go without a DKIM signature"));
    loaded_clear(&loaded);
}

static void an_address_that_nobody_can_write_to_is_warned_of(void **state)
{
    struct loaded loaded = load_text(HEARS "reports {\nread = tlsrpt@b.example }");

    (void)state;
    assert_non_null(loaded.settings);
    assert_string_equal(loaded.said.data,
                        "t.conf:3: warning: nobody can send reports to tlsrpt@b.example: no "
                        "domain \"b.example\" is ours\n");
    loaded_clear(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_reports_are_made_by),
        cmocka_unit_test(without_the_section_nothing_is_sent_or_read),
        cmocka_unit_test(a_key_and_its_selector_go_together),
        cmocka_unit_test(reports_that_go_unsigned_are_warned_of),
        cmocka_unit_test(an_address_that_nobody_can_write_to_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
