/* tests/unit/gateway/delivering.h - a queue and what delivers out of it, in a folder of their own.
 *
 * box.example is a Maildir below `root`, one.example and two.example are the same LMTP server at an
 * address, sock.example is an LMTP server at a local socket, far.example is one by SMTP
 * where nobody listens.
 */
#pragma once

#include "../queue/asking.h"
#include "base/buffer.h"
#include "gateway/delivery.h"
#include "queue/tracking.h"

enum { DELIVERING_IN_HAND = 600 };

enum delivering_domain {
    DELIVERING_BOX,
    DELIVERING_FAR,
    DELIVERING_ONE,
    DELIVERING_SOCK,
    DELIVERING_TWO,
    DELIVERING_DOMAINS,
};

struct delivering {
    struct asking asking;
    char root[64], pattern[128], socket_path[128];
    struct gateway_profile_domain domains[DELIVERING_DOMAINS];
    struct gateway_profile profile;
    int released; /* profiles */
    struct clock clock;
    struct log log;
    char log_path[128];
    int log_file;
    struct delivery *delivery;
    bool is_smtputf8;          /* what is put is said to be */
    enum queue_return returns; /* what is put asks for */
    int64_t drain_ms;          /* 0: as it is by itself */
    bool is_draining, was_drained;
};

/* Everything but the delivery itself; the test may change the domains before it starts. */
void delivering_open(struct delivering *delivering);
void delivering_start(struct delivering *delivering);
/* Until nothing waits to be tried and nothing is leased. */
void delivering_settle(struct delivering *delivering);
/* Until the queue holds nothing. */
void delivering_empty(struct delivering *delivering);
/* Runs the loop for a moment. */
void delivering_turn(struct delivering *delivering);
/* Begins to drain. */
void delivering_drain(struct delivering *delivering);
/* Drains, unless that has begun, and closes what delivers. */
void delivering_stop(struct delivering *delivering);
/* Stops it where it runs, and removes everything. */
void delivering_close(struct delivering *delivering);

/* Recipients with commas between them. Gives the message's id. */
int64_t delivering_put(struct delivering *delivering, const char *sender, const char *recipients,
                       struct span body);

/* What tracking has of the last attempt for a recipient; the texts are in `arena`. */
struct tracking_event delivering_story(struct delivering *delivering, int64_t id,
                                       const char *recipient, struct arena *arena);
enum tracking_kind delivering_end_of(struct delivering *delivering, int64_t id,
                                     const char *recipient);

/* How many files root/MAILBOX/FOLDER has; the content of the last in *content, the caller's to clear. */
size_t delivering_files(struct delivering *delivering, const char *mailbox, const char *folder,
                        struct buffer *content);

/* Whether a line of the log has all of the words. */
bool delivering_logged(struct delivering *delivering, const char *const *words, size_t count);
