/* gateway/control.h - people and local programs ask the queue: one local socket, JSON lines.
 *
 * Requests: gateway/control_request.h. Each is answered by lines of JSON of which the last has
 * "status": "ok", "full", "busy", "failed", "absent" (queue/store.h), "denied" (not for this user) or
 * "refused" (the request or the message is not as it should be), with "text" in words unless it is
 * ok. Before it come: list, {"message": {...}} and behind each its {"recipient": {...}}; read, {"bytes":
 * N} in the last line and behind it N octets. change, "changed": N; stats, "stats"; put, "id" when it is
 * taken: then the body follows, octets in parts of CONTROL_PART_BYTES, each answered before the next
 * is sent; after the last one "ok" means that the message is durable.
 *
 * Who may: user 0 and the user we run as all of it; everybody else who reaches the socket may put.
 * A session has bounded memory, strangers' sessions bounded time and number. A put gets a Received
 * field and the name of its user; a body that holds a bare CR, a bare LF or a NUL is refused.
 * Everything runs on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "net/loop.h"
#include "queue/store.h"

enum {
    CONTROL_STRANGERS = 48,        /* sessions of users other than our own, in all */
    CONTROL_OF_ONE_STRANGER = 16,  /* of one such user */
    CONTROL_LONG_BYTES = 1 << 20,  /* of a request that has thousands of recipients */
    CONTROL_LONG_OF_STRANGERS = 4, /* sessions that have had one, in all */
    CONTROL_PATIENCE_MS = 60000,   /* a stranger's session in which nothing goes on */
};

enum control_status {
    CONTROL_OK,
    CONTROL_FULL,
    CONTROL_BUSY,
    CONTROL_FAILED,
    CONTROL_ABSENT,
    CONTROL_DENIED,
    CONTROL_REFUSED,
    CONTROL_LOST, /* for those who ask: nobody answered, or an answer made no sense */
};

/* "ok", "full", ... */
const char *control_status_name(enum control_status status);

/* What a message must keep to. */
struct control_terms {
    const char *hostname; /* for Received */
    uint64_t message_bytes;
    size_t recipients;
};

struct control_settings {
    struct loop *loop;
    struct queue_door *door;
    struct log *log; /* NULL: none */
    const struct clock *clock;
    const char
        *path; /* of the socket, for this call alone; NULL: only what control_adopt is given */
    void (*changed)(void *owner); /* something may be due now; may be NULL */
    void (*retried)(void *owner); /* and servers that failed are to be tried again; may be NULL */
    void *owner;
};

struct control;

/* The settings' other pointers outlive it; the terms are copied. */
MUST_CHECK bool control_open(const struct control_settings *settings,
                             const struct control_terms *terms, struct control **control,
                             struct error *err);
/* For puts that begin from now on. False: no memory, the old ones stay. */
MUST_CHECK bool control_set_terms(struct control *control, const struct control_terms *terms,
                                  struct error *err);
/* Serves one more connected socket, which is control's in any case. */
void control_adopt(struct control *control, int socket);

/* Takes no more, and closes what does not wait for the store; `drained` comes when nothing is left,
 * maybe inside the call. */
void control_drain(struct control *control, void (*drained)(void *owner), void *owner);
size_t control_sessions(const struct control *control);
/* After `drained`, or while no session waits for the store. */
void control_close(struct control **control);
