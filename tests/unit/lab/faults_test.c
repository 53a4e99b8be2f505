/* tests/unit/lab/faults_test.c - promises of lab/faults.h */
#include "lab/faults.h"

#include <string.h>

#include "../test.h"
#include "base/compiler.h"
#include "base/span.h"
#include "lab/fault_row.h"

static void every_name_is_used_once_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < faults_count(); i++) {
        const struct fault_row *row = fault_row(i);
        assert_ptr_equal(fault_find(fault_name_of(row)), row);
        assert_true(strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
                    strlen(row->name));
        assert_in_range(strlen(row->name), 1, 63); /* it becomes a label: RFC 1035 section 2.3.4 */
    }
    assert_null(fault_find("no-such-fault"));
    assert_null(fault_row(faults_count()));
}

static void every_broken_row_says_whose_fault_it_is(void **state)
{
    static const char *const faults[] = { "server", "client", "network", "dns", "policy" };

    (void)state;
    for (size_t i = 0; i < faults_count(); i++) {
        struct fault_expectation expect = fault_expectation_of(fault_row(i));
        bool is_known = false;
        assert_true((expect.code == NULL) == (expect.fault == NULL));
        for (size_t j = 0; expect.fault != NULL && j < ARRAY_SIZE(faults); j++)
            is_known = is_known || strcmp(expect.fault, faults[j]) == 0;
        assert_true(is_known || expect.fault == NULL);
    }
}

static void healthy_rows_are_those_named_healthy(void **state)
{
    (void)state;
    for (size_t i = 0; i < faults_count(); i++) {
        bool is_named_so = span_starts_with(span_of(fault_row(i)->name), "healthy");
        assert_int_equal(is_named_so, fault_expectation_of(fault_row(i)).code == NULL);
    }
}

static void summaries_fit_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < faults_count(); i++)
        assert_in_range(strlen(fault_summary_of(fault_row(i))), 10, 79);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_used_once_and_found),
        cmocka_unit_test(every_broken_row_says_whose_fault_it_is),
        cmocka_unit_test(healthy_rows_are_those_named_healthy),
        cmocka_unit_test(summaries_fit_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
