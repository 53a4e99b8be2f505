/* gateway/delivery_body.c - reads the body of a message out of the queue, one part after the other. */
#include "base/memory.h"
#include "gateway/delivery_parts.h"

bool delivery_body_open(struct delivery_body *body, struct queue_door *door,
                        const struct queue_envelope *envelope)
{
    *body = (struct delivery_body){ .door = door, .size_bytes = envelope->size_bytes };
    body->read.id = envelope->id;
    body->read.bytes = memory_new(1, QUEUE_PART_BYTES);
    return body->read.bytes != NULL;
}

static void take_part(void *owner)
{
    struct delivery_body *body = owner;

    body->is_reading = false;
    body->part = (struct span){ NULL, 0 };
    body->has_failed = body->read.request.status != QUEUE_OK;
    if (!body->has_failed) {
        body->read.number++;
        body->taken += (int64_t)body->read.len;
        body->part = (struct span){ body->read.bytes, body->read.len };
        body->has_failed = body->read.len == 0 || body->taken > body->size_bytes;
    } else if (body->read.request.status == QUEUE_ABSENT && body->size_bytes == 0) {
        body->has_failed = false; /* an empty body has no part */
    }
    body->came(body->owner);
}

void delivery_body_next(struct delivery_body *body, void (*came)(void *owner), void *owner)
{
    body->came = came;
    body->owner = owner;
    body->is_reading = true;
    queue_read(body->door, &body->read, take_part, body);
}

bool delivery_body_is_whole(const struct delivery_body *body)
{
    return !body->has_failed && body->taken == body->size_bytes;
}

struct delivery_outcome delivery_body_outcome(const struct delivery_body *body)
{
    switch (body->read.request.status) {
    case QUEUE_FULL:
        return delivery_outcome_of(DELIVERY_DEFERRED, "4.3.1", "no room for the queue");
    case QUEUE_BUSY: return delivery_outcome_of(DELIVERY_DEFERRED, "4.3.2", "the queue is busy");
    case QUEUE_OK:
    case QUEUE_FAILED:
    case QUEUE_ABSENT: break;
    }
    return delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "the queue does not give the message");
}

void delivery_body_close(struct delivery_body *body)
{
    memory_free(body->read.bytes);
    body->read.bytes = NULL;
}
