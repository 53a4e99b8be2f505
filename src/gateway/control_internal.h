/* gateway/control_internal.h - what the files of the control socket share: a session and its steps. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "gateway/control.h"
#include "gateway/control_request.h"
#include "net/listener.h"
#include "net/stream.h"
#include "smtp/content.h"

struct control {
    struct control_settings settings;
    struct control_terms terms; /* hostname: our copy */
    struct listener *listener;
    struct control_session *sessions;
    size_t session_count;
    bool is_draining;
    void (*drained)(void *owner);
    void *drained_owner;
};

enum control_state {
    CONTROL_IN_LINE, /* waits for a request */
    CONTROL_WORKING, /* the store has been asked */
    CONTROL_LISTING, /* waits until more of a list fits into the socket */
    CONTROL_IN_PART, /* waits for a part of a body */
};

struct control_session {
    struct control *control;
    struct control_session *next, **link;
    struct stream *stream; /* NULL: it is gone, and the store still has a request */
    struct loop_timer *patience;
    struct buffer input, output;
    enum control_state state;
    uint32_t user_id;
    bool may_all, is_ending;
    bool is_long;       /* had a request of more than CONTROL_LONG_BYTES, and has its memory */
    char user[64];      /* their name, looked up for the first put */
    struct arena arena; /* of one request */
    struct control_request request;
    union {
        struct queue_list list;
        struct queue_change change;
        struct queue_read read;
        struct queue_stats stats;
    } ask;
    struct arena page;                  /* of a list */
    size_t message_at, recipients_sent; /* of a list: what goes out next; 0: the message itself */
    char *bytes;                        /* of a read */
    struct queue_put put;
    struct buffer part; /* of the body that is being put */
    struct smtp_content content;
    int64_t left, part_left;     /* octets of the body that are to come: in all, in this part */
    enum control_status outcome; /* of a put that the store was told to forget */
    const char *outcome_text;
};

/* The last line of an answer; what is asked next may be read after it. Text is static, or NULL. */
void control_session_answer(struct control_session *session, enum control_status status,
                            const char *text);
/* The same, where there is more to say: the reference is taken, NULL means no memory. */
void control_session_answer_with(struct control_session *session, json_t *answer);
/* The same for what the store answered. */
void control_session_answer_queue(struct control_session *session, enum queue_status status);
/* A line before it, or octets behind it. */
void control_session_send(struct control_session *session, json_t *line);
void control_session_send_bytes(struct control_session *session, struct span bytes);
/* Gives what was said to the socket. True: all of it has gone on. */
bool control_session_flush(struct control_session *session);
/* Goes on after an answer of the store, or ends where that is due. The last thing that its caller does
 * with the session. */
void control_session_run(struct control_session *session);

enum control_status control_status_of(enum queue_status status);

/* gateway/control_put.c: a put whose request has been read; its bytes from the session's input, false:
 * more must come; and one that its client left in the middle, true: the store was told to forget it, and
 * runs the session again. */
void control_put_begin(struct control_session *session);
MUST_CHECK bool control_put_feed(struct control_session *session);
MUST_CHECK bool control_put_abandon(struct control_session *session);

/* gateway/control_people.c: all other requests, and a list once more of it can be sent. */
void control_people_begin(struct control_session *session);
void control_people_go_on(struct control_session *session);
