/* cli/publish_files.h - what our side calls for: the settings of one domain, and what the files of our listeners hold. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "diagnose/publication.h"
#include "settings/settings.h"

/* The certificates that a sender may be shown, read once for all domains. Those of the listeners with STARTTLS on port 25;
 * where there is none, of all with STARTTLS, for something may lead there from port 25. */
struct publish_files {
    struct arena arena;
    struct publication_certificate *certificates;
    size_t certificate_count;
    struct anchors *anchors;
};

/* False: a file cannot be read, err names it. Private keys are not read, but for a next_key that is one. */
MUST_CHECK bool publish_files_read(struct publish_files *files, const struct settings *settings,
                                   struct error *err);
void publish_files_clear(struct publish_files *files);

/* The part of a publication that needs no look-up; `hostname` is ours. It lives in the arena, and as long as the files
 * and settings. False: ERROR_USAGE where the domain is none of the settings, else a file cannot be read. */
MUST_CHECK bool publish_files_begin(const struct publish_files *files,
                                    const struct settings *settings, const char *hostname,
                                    const char *domain, int64_t now_s, struct arena *arena,
                                    struct publication **publication, struct error *err);
