/* lab/faults.h - the table of servers that are broken on purpose, and the healthy ones.
 *
 * Each row says what a server does wrong and which finding a careful client must name. A row is
 * data: greeting, replies, TLS settings, which certificate, where it stops; lab/fault_server plays it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What `check` must say of it, and how it is to be asked. */
struct fault_expectation {
    const char *code;       /* of the first finding; NULL: healthy */
    const char *fault;      /* "server", "client", ... */
    const char *tls_report; /* RFC 8460 type; NULL: none */
};

size_t faults_count(void);
struct fault_row; /* the layout is lab/fault_row.h, for lab/ alone */
const struct fault_row *fault_row(size_t index);
const struct fault_row *fault_find(const char *name);

const char *fault_name_of(const struct fault_row *row);    /* "wrong-name" */
const char *fault_summary_of(const struct fault_row *row); /* one line for --list */
struct fault_expectation fault_expectation_of(const struct fault_row *row);
