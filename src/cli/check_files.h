/* cli/check_files.h - the files that a check needs: roots, intermediates, our own certificate. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "cli/check_options.h"
#include "link/observation.h"
#include "net/tls.h"
#include "trust/anchors.h"

struct check_files {
    struct anchors *anchors, *intermediates;
    struct tls_credentials *credentials; /* NULL: none given */
    struct observed_self self;           /* texts live in the arena */
};

/* A trust store that cannot be read is no error: it is what the check will report. A client
 * certificate that cannot be read is one. */
MUST_CHECK bool check_files_load(struct check_files *files, const struct check_options *options,
                                 const struct clock *clock, struct arena *arena, struct error *err);
void check_files_clear(struct check_files *files);
