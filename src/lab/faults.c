#include "lab/faults.h"

#include <string.h>

#include "base/compiler.h"
#include "lab/fault_row.h"

static const struct fault_part *const parts[] = {
    &faults_healthy,     &faults_smtp,   &faults_handshake,
    &faults_certificate, &faults_policy, &faults_published,
};

size_t faults_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        count += parts[i]->count;
    return count;
}

const struct fault_row *fault_row(size_t index)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (index < parts[i]->count)
            return &parts[i]->rows[index];
        index -= parts[i]->count;
    }
    return NULL;
}

const struct fault_row *fault_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (size_t j = 0; j < parts[i]->count; j++)
            if (strcmp(parts[i]->rows[j].name, name) == 0)
                return &parts[i]->rows[j];
    return NULL;
}

const char *fault_name_of(const struct fault_row *row)
{
    return row->name;
}

const char *fault_summary_of(const struct fault_row *row)
{
    return row->summary;
}

struct fault_expectation fault_expectation_of(const struct fault_row *row)
{
    return row->expect;
}
