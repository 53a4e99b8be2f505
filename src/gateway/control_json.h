/* gateway/control_json.h - messages of the queue as JSON, both ways: on the control socket and for
 * machines that read `postern queue --json`.
 *
 * {"id", "sender", "received", "size", "message_id", "envid", "return", "eight_bit", "smtputf8",
 * "origin": {"address", "helo", "user", "tls_version", "tls_cipher"}}, and for each recipient
 * {"address", "state", "due", "attempts", "notify", "orcpt", "code", "reply", "finding"}. Times are
 * seconds since 1970; a text that is empty is left out. Octets that are no UTF-8 become U+FFFD.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "queue/message.h"
#include "queue/store.h"

/* New references; NULL: no memory. */
MUST_CHECK json_t *control_json_of_envelope(const struct queue_envelope *envelope);
MUST_CHECK json_t *control_json_of_recipient(const struct queue_recipient *recipient);
MUST_CHECK json_t *control_json_of_stats(const struct queue_stats *stats);
/* Any octets as a JSON string. */
MUST_CHECK json_t *control_json_of_text(struct span text);

/* Texts go to the arena. False: ERROR_FORMAT names the field that is wrong. */
MUST_CHECK bool control_json_read_envelope(const json_t *json, struct arena *arena,
                                           struct queue_envelope *envelope, struct error *err);
MUST_CHECK bool control_json_read_recipient(const json_t *json, struct arena *arena,
                                            struct queue_recipient *recipient, struct error *err);
MUST_CHECK bool control_json_read_stats(const json_t *json, struct queue_stats *stats,
                                        struct error *err);

/* A field of an object; one that is absent is empty, or 0. False where it has another type, or a
 * number is not from 0 to `most`, or a text is longer than that. */
MUST_CHECK bool control_json_read_text(const json_t *json, const char *key, size_t most,
                                       struct arena *arena, struct span *text, struct error *err);
MUST_CHECK bool control_json_read_number(const json_t *json, const char *key, int64_t most,
                                         int64_t *number, struct error *err);
MUST_CHECK bool control_json_read_bool(const json_t *json, const char *key, bool *claim,
                                       struct error *err);
/* The text of an id; 0 where it is absent. */
MUST_CHECK bool control_json_read_id(const json_t *json, int64_t *id, struct error *err);
