/* tests/unit/diagnose/finding_test.c - promises of diagnose/finding.h */
#include "../test.h"

#include "diagnose/finding.h"

static void names_what_the_json_carries(void **state)
{
    (void)state;
    assert_string_equal(fault_name(FAULT_SERVER), "server");
    assert_string_equal(fault_name(FAULT_CLIENT), "client");
    assert_string_equal(fault_name(FAULT_NETWORK), "network");
    assert_string_equal(fault_name(FAULT_DNS), "dns");
    assert_string_equal(fault_name(FAULT_POLICY), "policy");
    assert_string_equal(severity_name(SEVERITY_NOTICE), "notice");
    assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
    assert_string_equal(severity_name(SEVERITY_UNTRUSTED), "untrusted");
    assert_string_equal(severity_name(SEVERITY_FATAL), "fatal");
}

static void tells_the_worst_severity(void **state)
{
    struct findings findings = { .count = 0 };
    enum severity worst;

    (void)state;
    assert_false(findings_worst(&findings, &worst));
    findings.items[0] = (struct finding){ .code = "a", .severity = SEVERITY_NOTICE };
    findings.items[1] = (struct finding){ .code = "b", .severity = SEVERITY_FATAL };
    findings.items[2] = (struct finding){ .code = "c", .severity = SEVERITY_WARNING };
    findings.count = 3;
    assert_true(findings_worst(&findings, &worst));
    assert_int_equal(worst, SEVERITY_FATAL);
}

static void finds_by_code_alone(void **state)
{
    struct findings findings = { .count = 1 };

    (void)state;
    findings.items[0] = (struct finding){ .code = "certificate-expired" };
    assert_ptr_equal(findings_find(&findings, "certificate-expired"), &findings.items[0]);
    assert_null(findings_find(&findings, "certificate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_the_json_carries),
        cmocka_unit_test(tells_the_worst_severity),
        cmocka_unit_test(finds_by_code_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
