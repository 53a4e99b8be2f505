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

static void a_copy_outlives_what_it_was_made_of(void **state)
{
    char text[] = "certificate-expired", proof[] = "notAfter: 21 November 2026";
    struct finding finding = { .code = text,
                               .step = STEP_CERTIFICATE,
                               .severity = SEVERITY_UNTRUSTED,
                               .cause = text,
                               .evidence = { proof },
                               .evidence_count = 1,
                               .remedy = proof,
                               .enhanced_status = text };
    struct arena arena;
    const struct finding *copy;

    (void)state;
    arena_init(&arena, 4096);
    copy = finding_copy(&arena, &finding);
    assert_non_null(copy);
    memset(text, 'x', sizeof text - 1);
    memset(proof, 'x', sizeof proof - 1);
    assert_string_equal(copy->code, "certificate-expired");
    assert_string_equal(copy->cause, "certificate-expired");
    assert_string_equal(copy->evidence[0], "notAfter: 21 November 2026");
    assert_int_equal(copy->evidence_count, 1);
    assert_string_equal(copy->remedy, "notAfter: 21 November 2026");
    assert_string_equal(copy->enhanced_status, "certificate-expired");
    assert_null(copy->tls_report);
    assert_null(copy->because_of);
    assert_int_equal(copy->step, STEP_CERTIFICATE);
    arena_clear(&arena);
}

static void there_is_no_copy_without_memory(void **state)
{
    struct finding finding = { .code = "certificate-expired", .cause = "c", .remedy = "r" };
    struct arena arena;

    (void)state;
    for (size_t limit = 0; limit < sizeof finding; limit += 16) {
        arena_init(&arena, limit);
        assert_null(finding_copy(&arena, &finding));
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_the_json_carries),
        cmocka_unit_test(tells_the_worst_severity),
        cmocka_unit_test(finds_by_code_alone),
        cmocka_unit_test(a_copy_outlives_what_it_was_made_of),
        cmocka_unit_test(there_is_no_copy_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
