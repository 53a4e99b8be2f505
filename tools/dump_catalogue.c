/* tools/dump_catalogue.c - prints the findings and the faults of the lab as JSON, for the manual page and
 * the habits.
 *
 * {"findings": [rows of diagnose/catalogue.h], "faults": [{"name", "summary", "code", "fault",
 * "tls_report"}]}
 */
#include <stdio.h>

#include <jansson.h>

#include "diagnose/catalogue.h"
#include "lab/faults.h"

static json_t *row_to_json(const struct catalogue_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:s?, s:s?}", "code",
                     row->code, "step", step_name(row->step), "fault", fault_name(row->fault),
                     "severity", severity_name(row->severity), "tls_report", row->tls_report,
                     "enhanced_status", row->enhanced_status, "title", row->title, "cause",
                     row->cause, "remedy", row->remedy, "source", row->source, "lab", row->lab,
                     "lab_reason", row->lab_reason);
}

static json_t *fault_to_json(const struct fault_row *row)
{
    struct fault_expectation expect = fault_expectation_of(row);

    return json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "name", fault_name_of(row), "summary",
                     fault_summary_of(row), "code", expect.code, "fault", expect.fault,
                     "tls_report", expect.tls_report);
}

int main(void)
{
    json_t *findings = json_array(), *faults = json_array(), *all;
    int status = 0;

    for (size_t i = 0; i < catalogue_count(); i++)
        status |= json_array_append_new(findings, row_to_json(catalogue_row(i)));
    for (size_t i = 0; i < faults_count(); i++)
        status |= json_array_append_new(faults, fault_to_json(fault_row(i)));
    all = json_pack("{s:o, s:o}", "findings", findings, "faults", faults);
    if (status != 0 || all == NULL || json_dumpf(all, stdout, JSON_INDENT(1)) != 0)
        return 1;
    json_decref(all);
    return puts("") == EOF;
}
