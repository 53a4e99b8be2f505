/* tests/scenario/scenario.h - a scripted conversation: what a peer says and what must follow.
 *
 * One step a line; "#" starts a comment line. README.md tells the words. Bounds: 256 steps, and
 * 16 KiB for all bytes of one scenario.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"
#include "smtp/client.h"

enum scenario_word {
    SCENARIO_SERVER,       /* bytes from the server; neighbours are one stretch of the stream */
    SCENARIO_CLIENT,       /* a line that the client must send next */
    SCENARIO_EVENT,        /* an event that must come next */
    SCENARIO_CAPABILITIES, /* what the last EHLO must have offered */
    SCENARIO_TLS,          /* the handshake succeeded */
    SCENARIO_CLOSE,        /* the peer closes */
    SCENARIO_TIME,         /* milliseconds pass */
    SCENARIO_SEND,         /* the message is given to the engine */
    SCENARIO_BODY,         /* its body, too */
    SCENARIO_QUIT,
};

struct scenario_step {
    enum scenario_word word;
    int line; /* number in the file */
    struct span text;
    int64_t time_ms;
};

enum { SCENARIO_STEPS_MOST = 256, SCENARIO_BYTES_MOST = 64 * 1024, SCENARIO_RECIPIENTS_MOST = 64 };

struct scenario {
    struct smtp_client_settings settings;
    struct smtp_client_message message;
    struct smtp_client_recipient recipients[SCENARIO_RECIPIENTS_MOST];
    struct span body;
    struct scenario_step steps[SCENARIO_STEPS_MOST];
    size_t step_count;
    char bytes[SCENARIO_BYTES_MOST]; /* what all the spans and texts point into */
    size_t used;
};

/* False: *why says what is wrong, `*line` where. */
MUST_CHECK bool scenario_parse(struct scenario *scenario, const char *path, const char **why,
                               int *line);
