/* gateway/control_client.h - asks the queue from another program, whether a gateway runs or not.
 *
 * Where a gateway serves the socket (gateway/control.h), it is asked; where none does, the queue is
 * opened here and the same requests go to the same code over a pair of sockets. Calls wait for
 * their answer. A client is for one thread, one call at a time.
 */
#pragma once

#include "gateway/control.h"
#include "gateway/control_request.h"
#include "queue/tracking.h"

struct control_client;

struct control_client_settings {
    const char *folder;         /* of the queue: queue.db, queue.lock, and the socket "control" */
    struct control_terms terms; /* where no gateway runs */
    int64_t tracking_days;
    int64_t patience_ms; /* for a queue that is held by somebody who does not answer (yet) */
};

/* CONTROL_DENIED: a gateway may run, and this user may not reach it. CONTROL_LOST: the folder is not
 * there, or is not this user's to open, or the queue is held and nobody answers; err says which. A queue
 * that is opened here is opened as the owner of its folder: root becomes that user, for good. */
MUST_CHECK enum control_status control_client_open(const struct control_client_settings *settings,
                                                   struct control_client **client,
                                                   struct error *err);
void control_client_close(struct control_client **client);

/* All that follow: err says what is wrong unless it is CONTROL_OK. */

/* Calls `visit` for each message, in order of their ids; it is borrowed for the call. False from it
 * ends the list, and with it the client's use. */
MUST_CHECK enum control_status
control_client_list(struct control_client *client, const struct control_request *request,
                    bool (*visit)(void *owner, const struct queue_message *message), void *owner,
                    struct error *err);
MUST_CHECK enum control_status control_client_change(struct control_client *client,
                                                     const struct control_request *request,
                                                     int64_t *changed, struct error *err);
/* Appends a part of a body. CONTROL_ABSENT behind the last. */
MUST_CHECK enum control_status control_client_read(struct control_client *client, int64_t id,
                                                   int64_t part, struct buffer *out,
                                                   struct error *err);
MUST_CHECK enum control_status control_client_stats(struct control_client *client,
                                                    struct queue_stats *stats, struct error *err);
/* The body is `header` and then `body`; request->size_bytes is set here. CONTROL_OK: durable. */
MUST_CHECK enum control_status control_client_put(struct control_client *client,
                                                  struct control_request *request,
                                                  struct span header, struct span body, int64_t *id,
                                                  struct error *err);
