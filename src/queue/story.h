/* queue/story.h - one thing that tracking is to be told of, with memory of somebody's arena. */
#pragma once

#include "base/arena.h"
#include "queue/tracking.h"

struct story {
    struct story *next;
    enum { STORY_OF_MESSAGE, STORY_OF_EVENT, STORY_OF_NOTE, STORY_OF_SESSION } kind;
    union {
        struct queue_envelope envelope;
        struct tracking_event event;
        struct {
            struct queue_origin origin;
            struct queue_attempt attempt;
        } note;
        struct queue_session session;
    };
};
