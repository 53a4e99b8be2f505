/* tests/unit/lab/exam_test.c - promises of lab/exam.h */
#include "lab/exam.h"

#include <string.h>

#include "../test.h"
#include "base/compiler.h"

static void a_deed_is_the_worst_that_was_done(void **state)
{
    struct fault_tally tally = { 0 };

    (void)state;
    assert_int_equal(exam_deed(&tally), EXAM_NOT_SEEN);
    tally.connections = 1;
    assert_int_equal(exam_deed(&tally), EXAM_REFUSED);
    tally.delivered_over_tls = 1;
    assert_int_equal(exam_deed(&tally), EXAM_OVER_TLS);
    tally.delivered_in_clear = 1;
    assert_int_equal(exam_deed(&tally), EXAM_IN_CLEAR);
}

static void marks_follow_the_level(void **state)
{
    static const struct {
        enum fault_safety safety;
        enum exam_deed deed;
        enum exam_mark may, encrypt, verify;
    } cases[] = {
        { FAULT_SAFE, EXAM_OVER_TLS, EXAM_RIGHT, EXAM_RIGHT, EXAM_RIGHT },
        { FAULT_SAFE, EXAM_IN_CLEAR, EXAM_TOO_LAX, EXAM_TOO_LAX, EXAM_TOO_LAX },
        { FAULT_SAFE, EXAM_REFUSED, EXAM_TOO_STRICT, EXAM_TOO_STRICT, EXAM_TOO_STRICT },
        { FAULT_UNTRUSTED, EXAM_OVER_TLS, EXAM_RIGHT, EXAM_RIGHT, EXAM_TOO_LAX },
        { FAULT_UNTRUSTED, EXAM_IN_CLEAR, EXAM_TOO_LAX, EXAM_TOO_LAX, EXAM_TOO_LAX },
        { FAULT_UNTRUSTED, EXAM_REFUSED, EXAM_TOO_STRICT, EXAM_TOO_STRICT, EXAM_RIGHT },
        { FAULT_NO_TLS, EXAM_IN_CLEAR, EXAM_RIGHT, EXAM_TOO_LAX, EXAM_TOO_LAX },
        { FAULT_NO_TLS, EXAM_REFUSED, EXAM_TOO_STRICT, EXAM_RIGHT, EXAM_RIGHT },
        { FAULT_INJECTED, EXAM_OVER_TLS, EXAM_TOO_LAX, EXAM_TOO_LAX, EXAM_TOO_LAX },
        { FAULT_INJECTED, EXAM_REFUSED, EXAM_RIGHT, EXAM_RIGHT, EXAM_RIGHT },
        { FAULT_DEAD, EXAM_REFUSED, EXAM_RIGHT, EXAM_RIGHT, EXAM_RIGHT },
        { FAULT_DEAD, EXAM_NOT_SEEN, EXAM_NO_MARK, EXAM_NO_MARK, EXAM_NO_MARK },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum fault_safety safety = cases[i].safety;
        enum exam_deed deed = cases[i].deed;

        assert_int_equal(exam_mark(safety, EXAM_MAY, deed), cases[i].may);
        assert_int_equal(exam_mark(safety, EXAM_ENCRYPT, deed), cases[i].encrypt);
        assert_int_equal(exam_mark(safety, EXAM_VERIFY, deed), cases[i].verify);
    }
}

/* A sender that is right for a level that asks for more is never too lax for one that asks less. */
static void more_trust_is_never_too_lax_for_less(void **state)
{
    (void)state;
    for (int safety = FAULT_SAFE; safety <= FAULT_DEAD; safety++)
        for (int deed = EXAM_NOT_SEEN; deed <= EXAM_OVER_TLS; deed++)
            for (int level = EXAM_MAY; level < EXAM_VERIFY; level++)
                if (exam_mark((enum fault_safety)safety, (enum exam_level)(level + 1),
                              (enum exam_deed)deed) == EXAM_RIGHT)
                    assert_int_not_equal(exam_mark((enum fault_safety)safety,
                                                   (enum exam_level)level, (enum exam_deed)deed),
                                         EXAM_TOO_LAX);
}

static void a_line_fits_eighty_columns_and_names_fault_and_version(void **state)
{
    struct fault_tally tally = { .connections = 1,
                                 .delivered_over_tls = 1,
                                 .last_version = 0x0304 };
    struct buffer out;

    (void)state;
    for (size_t i = 0; i < faults_count(); i++) {
        buffer_init(&out, 1000);
        assert_true(exam_line(fault_row(i), &tally, &out));
        assert_true(out.len <= 80 + 1);
        assert_non_null(memmem(out.data, out.len, "TLSv1.3", 7));
        assert_non_null(memmem(out.data, out.len, fault_name_of(fault_row(i)),
                               strlen(fault_name_of(fault_row(i)))));
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deed_is_the_worst_that_was_done),
        cmocka_unit_test(marks_follow_the_level),
        cmocka_unit_test(more_trust_is_never_too_lax_for_less),
        cmocka_unit_test(a_line_fits_eighty_columns_and_names_fault_and_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
