/* tools/dump_catalogue.c - prints the catalogue of findings as JSON, for the manual page and the habits. */
#include <stdio.h>

#include <jansson.h>

#include "diagnose/catalogue.h"

static json_t *row_to_json(const struct catalogue_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:s?, s:s?}", "code",
                     row->code, "step", step_name(row->step), "fault", fault_name(row->fault),
                     "severity", severity_name(row->severity), "tls_report", row->tls_report,
                     "enhanced_status", row->enhanced_status, "title", row->title, "cause",
                     row->cause, "remedy", row->remedy, "source", row->source, "lab", row->lab,
                     "lab_reason", row->lab_reason);
}

int main(void)
{
    json_t *rows = json_array();
    int status = 0;

    for (size_t i = 0; i < catalogue_count() && status == 0; i++)
        status = json_array_append_new(rows, row_to_json(catalogue_row(i)));
    if (status == 0)
        status = json_dumpf(rows, stdout, JSON_INDENT(1));
    json_decref(rows);
    return status == 0 && puts("") != EOF ? 0 : 1;
}
