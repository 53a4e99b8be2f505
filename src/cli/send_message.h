/* cli/send_message.h - makes what a local program wrote into a message, and puts it into the queue. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "cli/queue_access.h"
#include "cli/send_options.h"
#include "smtp/submission.h"

/* One message on its way in; what it points to is borrowed for its life. */
struct sending {
    const char *name; /* what errors begin with */
    const struct send_options *options;
    const struct queue_access *access;
    struct arena arena;
    struct buffer input;
    struct smtp_submission submission;
    const char *sender;      /* of the envelope; "" is nobody */
    const char **recipients; /* of the command line and the header */
    size_t recipient_count;
    int64_t now_s;
};

enum { SEND_MESSAGE_ARENA_BYTES = 64 << 20 };

/* Room for input of the size that the settings allow. */
void send_message_init(struct sending *sending, const char *name,
                       const struct send_options *options, const struct queue_access *access);
void send_message_clear(struct sending *sending);

/* One line on stderr; returns `status`. */
int send_message_fail(const struct sending *sending, int status, const char *text);

/* Of whoever runs us: name at hostname. It may be no mailbox. */
const char *send_message_own_address(struct sending *sending);

/* Whether RFC 5321 has it as a mailbox. */
MUST_CHECK bool send_message_is_mailbox(const char *text);

/* `input` becomes `submission`, by the sender. EX_OK, EX_DATAERR or EX_UNAVAILABLE; err says why. */
MUST_CHECK int send_message_make(struct sending *sending, struct error *err);

/* Puts it for these recipients; message_id, is_8bit and tls_optional of the envelope are set here.
 * CONTROL_OK: it is durable under *id. */
MUST_CHECK enum control_status send_message_put(struct sending *sending,
                                                struct control_request *request, int64_t *id,
                                                struct error *err);
