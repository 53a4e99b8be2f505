/* gateway/tls_report_file_parts.h - what the files of gateway/tls_report_file share and others must not see. */
#pragma once

#include "gateway/tls_report_file.h"

enum {
    TLS_FILE_DO_ADD_POLICY,
    TLS_FILE_DO_COUNT_POLICIES,
    TLS_FILE_DO_MAKE_POLICY,
    TLS_FILE_DO_FIND_POLICY,
    TLS_FILE_DO_ADD_FAILURE,
    TLS_FILE_DO_COUNT_FAILURES,
    TLS_FILE_DO_MAKE_FAILURE,
    TLS_FILE_DO_KNOWS_REPORT,
    TLS_FILE_DO_COUNT_DOMAIN,
    TLS_FILE_DO_MAKE_REPORT,
    TLS_FILE_DO_LIST,
    TLS_FILE_DO_COPIES,
    TLS_FILE_DO_POLICIES,
    TLS_FILE_DO_FAILURES,
    TLS_FILE_DO_DUE,
    TLS_FILE_DO_BEGIN,
    TLS_FILE_DO_LOSE_COPIES,
    TLS_FILE_DO_MAKE_COPY,
    TLS_FILE_DO_TAKE_COPY,
    TLS_FILE_DO_SETTLE_COPY,
    TLS_FILE_DO_SETTLE,
    TLS_FILE_DO_HURRY,
    TLS_FILE_DO_STATEMENTS
};

/* NULL is "". */
void tls_file_bind(sqlite3_stmt *statement, int parameter, const char *text);

/* The statement, with day and domain as its first parameters. */
sqlite3_stmt *tls_file_use(struct database *database, size_t index, int64_t day,
                           const char *domain);

/* The first column of the only row; `otherwise` where there is none. */
MUST_CHECK bool tls_file_ask(struct database *database, sqlite3_stmt *statement, int64_t otherwise,
                             int64_t *number, struct error *err);

/* Ends a transaction: all of it or nothing. */
MUST_CHECK bool tls_file_end(struct database *database, bool is_good, struct error *err);

/* A copy of the column. */
const char *tls_file_text(sqlite3_stmt *statement, int column, struct arena *arena);
