/* net/mailbox.h - messages from any thread to the one thread that runs a loop.
 *
 * A bounded queue and a wake of the loop: the one place where threads meet, and so the one with a
 * lock. Messages are the sender's own structures with a link inside, so that posting allocates
 * nothing and cannot fail but for the bound. What the sender wrote before mailbox_post the
 * receiver sees after mailbox_take.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/loop.h"

struct mailbox;

/* A link inside the sender's structure; in one mailbox at a time. */
struct mailbox_message {
    struct mailbox_message *next; /* the mailbox's from mailbox_post until mailbox_take */
};

/* Opened on the loop's own thread. `arrived` is called there, once for however many messages came
 * since; it takes them, or leaves them for later and takes then (nothing wakes it for what it
 * left). `limit` is how many messages may wait, 0: as many as come (where something else bounds
 * them). An open mailbox keeps loop_run running. */
MUST_CHECK bool mailbox_open(struct loop *loop, size_t limit, void (*arrived)(void *owner),
                             void *owner, struct mailbox **mailbox, struct error *err);

/* From any thread. The message is the receiver's from here on. False: `limit` messages wait
 * already, the message is still the sender's. */
MUST_CHECK bool mailbox_post(struct mailbox *mailbox, struct mailbox_message *message);

/* Several at once, linked by `next` from the first to the last, in that order: one lock and one wake
 * for all. Only for a mailbox without a limit. */
void mailbox_post_all(struct mailbox *mailbox, struct mailbox_message *first,
                      struct mailbox_message *last);

/* On the loop's thread: the oldest message, now the caller's; NULL where none waits. */
struct mailbox_message *mailbox_take(struct mailbox *mailbox);

/* On the loop's thread. Nobody may post from here on, and nothing may be left inside: whoever
 * closes knows that the senders are done, and has taken what they sent. */
void mailbox_close(struct mailbox **mailbox);
