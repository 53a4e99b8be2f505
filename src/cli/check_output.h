/* cli/check_output.h - where the results of `postern check` go: the terminal, JSON, files. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "cli/check_options.h"
#include "diagnose/checkup.h"
#include "diagnose/report.h"

enum { CHECK_OBSERVATIONS_MOST = 256 };

struct check_output {
    const struct check_options *options;
    struct report_style style;
    json_t *saved;   /* what --observation will write; NULL: not asked for */
    int exit_status; /* the worst so far */
    int count;       /* checkups printed */
    const struct observation *observations[CHECK_OBSERVATIONS_MOST]; /* of all targets */
    size_t observation_count;
};

void check_output_init(struct check_output *output, const struct check_options *options,
                       struct report_style style);
void check_output_clear(struct check_output *output);

/* Prints one checkup. The checkup must live until check_output_end. */
MUST_CHECK bool check_output_checkup(struct check_output *output, const struct checkup *checkup,
                                     struct error *err);
/* Prints what all targets together show, and writes the observation file. */
MUST_CHECK bool check_output_end(struct check_output *output, struct error *err);
/* Judges a saved file anew and prints it. */
MUST_CHECK bool check_output_saved(struct check_output *output, const char *path,
                                   struct arena *arena, struct error *err);
