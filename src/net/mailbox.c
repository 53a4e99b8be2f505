#include "net/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/loop_internal.h"

struct chain {
    struct mailbox_message *first, **last;
};

/* uv_async_t would do the same, but it wakes the loop before it lets go: a receiver that comes at once
 * waits for the sender, and where processors are scarce it keeps it from running by that. */
struct mailbox {
    uv_poll_t uv;
    int bell; /* an eventfd, readable once it was rung */
    void (*arrived)(void *owner);
    void *owner;
    size_t limit;
    struct mailbox_message *taken; /* the receiver's alone: taken off `posted` all at once */
    atomic_uint ringing;           /* senders that are behind the lock and not done with the bell */

    pthread_mutex_t lock; /* of what follows */
    struct chain posted;
    bool was_rung; /* and not heard yet: who posts now need not ring */
    size_t
        waiting; /* posted, and not yet given to the receiver one by one; not counted without a limit */
};

static void hear(struct mailbox *mailbox)
{
    eventfd_t times;

    (void)!eventfd_read(mailbox->bell, &times);
    pthread_mutex_lock(&mailbox->lock);
    mailbox->was_rung = false;
    pthread_mutex_unlock(&mailbox->lock);
}

static void tell(uv_poll_t *handle, int status, int events)
{
    struct mailbox *mailbox = handle->data;

    (void)status; /* an eventfd has no errors */
    (void)events;
    hear(mailbox);
    mailbox->arrived(mailbox->owner);
}

static bool hang_bell(struct mailbox *mailbox, struct loop *loop, struct error *err)
{
    int status;

    mailbox->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->bell < 0)
        return error_set(err, ERROR_SYSTEM, "opening a mailbox: %s", strerror(errno));
    status = uv_poll_init(&loop->uv, &mailbox->uv, mailbox->bell);
    if (status == 0) {
        mailbox->uv.data = mailbox;
        uv_poll_start(&mailbox->uv, UV_READABLE, tell); /* cannot fail on an open one */
        return true;
    }
    close(mailbox->bell);
    return error_set(err, ERROR_SYSTEM, "opening a mailbox: %s", uv_strerror(status));
}

bool mailbox_open(struct loop *loop, size_t limit, void (*arrived)(void *owner), void *owner,
                  struct mailbox **mailbox, struct error *err)
{
    struct mailbox *made = memory_new(1, sizeof *made);

    *mailbox = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a mailbox");
    if (!hang_bell(made, loop, err)) {
        memory_free(made);
        return false;
    }
    made->arrived = arrived;
    made->owner = owner;
    made->limit = limit;
    made->posted.last = &made->posted.first;
    pthread_mutex_init(&made->lock, NULL); /* a default mutex: glibc and musl cannot fail here */
    *mailbox = made;
    return true;
}

/* Inside the lock. Is the bell to be rung? Then the mailbox cannot be closed before it was. */
static bool append(struct mailbox *mailbox, struct mailbox_message *first,
                   struct mailbox_message *last)
{
    bool is_first = !mailbox->was_rung;

    last->next = NULL;
    *mailbox->posted.last = first;
    mailbox->posted.last = &last->next;
    mailbox->was_rung = true;
    if (is_first)
        atomic_fetch_add(&mailbox->ringing, 1);
    return is_first;
}

/* Outside the lock, for whoever is woken wants it at once. */
static void ring(struct mailbox *mailbox)
{
    (void)!eventfd_write(mailbox->bell, 1);
    atomic_fetch_sub(&mailbox->ringing, 1);
}

bool mailbox_post(struct mailbox *mailbox, struct mailbox_message *message)
{
    bool has_room, is_to_ring = false;

    pthread_mutex_lock(&mailbox->lock);
    has_room = mailbox->limit == 0 || mailbox->waiting < mailbox->limit;
    if (has_room) {
        mailbox->waiting += mailbox->limit != 0;
        is_to_ring = append(mailbox, message, message);
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (is_to_ring)
        ring(mailbox);
    return has_room;
}

void mailbox_post_all(struct mailbox *mailbox, struct mailbox_message *first,
                      struct mailbox_message *last)
{
    bool is_to_ring;

    assert(mailbox->limit == 0);
    pthread_mutex_lock(&mailbox->lock);
    is_to_ring = append(mailbox, first, last);
    pthread_mutex_unlock(&mailbox->lock);
    if (is_to_ring)
        ring(mailbox);
}

/* Moves all that was posted to the receiver's own chain. */
static void refill(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->taken = mailbox->posted.first;
    mailbox->posted = (struct chain){ NULL, &mailbox->posted.first };
    pthread_mutex_unlock(&mailbox->lock);
}

struct mailbox_message *mailbox_take(struct mailbox *mailbox)
{
    struct mailbox_message *message;

    if (mailbox->taken == NULL)
        refill(mailbox);
    message = mailbox->taken;
    if (message == NULL)
        return NULL;
    mailbox->taken = message->next;
    message->next = NULL;
    if (mailbox->limit != 0) {
        pthread_mutex_lock(&mailbox->lock);
        mailbox->waiting--;
        pthread_mutex_unlock(&mailbox->lock);
    }
    return message;
}

static void free_mailbox(uv_handle_t *handle)
{
    memory_free(handle->data);
}

/* A sender may still be on its way out of mailbox_post: first inside the lock, then at the bell. */
static void wait_for_senders(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    assert(mailbox->taken == NULL && mailbox->posted.first == NULL);
    pthread_mutex_unlock(&mailbox->lock);
    while (atomic_load(&mailbox->ringing) > 0)
        sched_yield();
}

void mailbox_close(struct mailbox **mailbox)
{
    struct mailbox *closing = *mailbox;

    *mailbox = NULL;
    if (closing == NULL)
        return;
    wait_for_senders(closing);
    pthread_mutex_destroy(&closing->lock);
    uv_poll_stop(&closing->uv);
    close(closing->bell);
    uv_close((uv_handle_t *)&closing->uv, free_mailbox);
}
