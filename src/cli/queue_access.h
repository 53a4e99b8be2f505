/* cli/queue_access.h - how a subcommand comes to the queue: the settings file, then its folder. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "gateway/control_client.h"
#include "settings/settings.h"

enum { QUEUE_ACCESS_PATIENCE_MS = 15000 };

struct queue_access {
    struct settings *settings;
    char hostname[256]; /* of the settings, or the machine's own */
};

/* `path` NULL: /etc/postern/postern.conf. The files that it names are left alone: a certificate that
 * is broken keeps nobody from the queue, and a key is not for everybody to read. False:
 * ERROR_FORMAT, the file has faults, and err tells the first; else it could not be read. */
MUST_CHECK bool queue_access_load(struct queue_access *access, const char *path, struct error *err);
void queue_access_clear(struct queue_access *access);

MUST_CHECK enum control_status queue_access_open(const struct queue_access *access,
                                                 struct control_client **client, struct error *err);

/* ID or @DOMAIN, with a final dot or without; "all" is everything where `may_be_all`. Borrows `text`. */
MUST_CHECK bool queue_access_parse(const char *text, bool may_be_all,
                                   struct queue_selection *selection);

/* "1.2 KB", "12 bytes". */
const char *queue_access_size(struct arena *arena, int64_t bytes);
