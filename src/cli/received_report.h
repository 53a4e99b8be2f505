/* cli/received_report.h - TLS reports of others: read from files, or those that are kept, beside what we saw. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct received_report_options {
    const char *settings_file; /* NULL: the usual one, and without it nothing of ours is known */
    const char *const *files;  /* of received_report_read; "-" is standard input */
    size_t count;
    const char *domain;       /* of received_report_list; NULL: all */
    int64_t since_s, until_s; /* of received_report_list */
    bool as_json;
};

/* Tells of each file, and keeps its report where the settings name a folder that can be written. One that cannot be
 * read is a line on stderr, and the others are told of. Both return an exit status: failures are EXIT_FINDINGS. */
int received_report_read_files(const struct received_report_options *options);
int received_report_list(const struct received_report_options *options);
