/* cli/counted_report.h - TLS reports of ours: what the gateway has counted, before it is sent and after. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct counted_report_options {
    const char *settings_file; /* NULL: the usual one */
    const char *domain;        /* NULL: all; then there is a day */
    int64_t day;               /* since 1970; -1: all that are kept */
    bool as_json;              /* the form of RFC 8460 section 4.4, one report a line */
    bool sends;                /* those of days that are over are due at once */
};

/* An exit status: sessions that failed are EXIT_FINDINGS. */
int counted_report_tell(const struct counted_report_options *options);
