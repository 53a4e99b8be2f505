/* cli/track_options.h - the options of `postern track`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "queue/tracking.h"

struct track_options {
    const char *settings_file;   /* NULL: the usual one */
    const char *level;           /* of --would; NULL: stories are asked for */
    struct tracking_query query; /* texts are argv's */
    bool as_json, wants_help;
};

/* False: one line on stderr has said why. */
MUST_CHECK bool track_options_parse(int argc, char **argv, int64_t now_s,
                                    struct track_options *options);
/* --help, on standard output. */
void track_options_print_help(void);
