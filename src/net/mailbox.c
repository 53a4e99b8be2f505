#include "net/mailbox.h"

#include <assert.h>
#include <pthread.h>

#include "base/memory.h"
#include "net/loop_internal.h"

struct chain {
    struct mailbox_message *first, **last;
};

struct mailbox {
    uv_async_t uv;
    void (*arrived)(void *owner);
    void *owner;
    size_t limit;
    struct mailbox_message *taken; /* the receiver's alone: taken off `posted` all at once */

    pthread_mutex_t lock; /* of what follows */
    struct chain posted;
    size_t
        waiting; /* posted, and not yet given to the receiver one by one; not counted without a limit */
};

static void tell(uv_async_t *handle)
{
    struct mailbox *mailbox = handle->data;

    mailbox->arrived(mailbox->owner);
}

bool mailbox_open(struct loop *loop, size_t limit, void (*arrived)(void *owner), void *owner,
                  struct mailbox **mailbox, struct error *err)
{
    struct mailbox *made = memory_new(1, sizeof *made);
    int status;

    *mailbox = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a mailbox");
    status = uv_async_init(&loop->uv, &made->uv, tell);
    if (status != 0) {
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "opening a mailbox: %s", uv_strerror(status));
    }
    made->uv.data = made;
    made->arrived = arrived;
    made->owner = owner;
    made->limit = limit;
    made->posted.last = &made->posted.first;
    pthread_mutex_init(&made->lock, NULL); /* a default mutex: glibc and musl cannot fail here */
    *mailbox = made;
    return true;
}

/* Inside the lock: once the receiver has the message it may close the mailbox, and closing waits
 * for this lock. */
static void append(struct mailbox *mailbox, struct mailbox_message *first,
                   struct mailbox_message *last)
{
    last->next = NULL;
    *mailbox->posted.last = first;
    mailbox->posted.last = &last->next;
    uv_async_send(&mailbox->uv);
}

bool mailbox_post(struct mailbox *mailbox, struct mailbox_message *message)
{
    bool has_room;

    pthread_mutex_lock(&mailbox->lock);
    has_room = mailbox->limit == 0 || mailbox->waiting < mailbox->limit;
    if (has_room) {
        mailbox->waiting += mailbox->limit != 0;
        append(mailbox, message, message);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return has_room;
}

void mailbox_post_all(struct mailbox *mailbox, struct mailbox_message *first,
                      struct mailbox_message *last)
{
    assert(mailbox->limit == 0);
    pthread_mutex_lock(&mailbox->lock);
    append(mailbox, first, last);
    pthread_mutex_unlock(&mailbox->lock);
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

void mailbox_close(struct mailbox **mailbox)
{
    struct mailbox *closing = *mailbox;

    *mailbox = NULL;
    if (closing == NULL)
        return;
    pthread_mutex_lock(&closing->lock); /* a sender may still be on its way out of mailbox_post */
    assert(closing->taken == NULL && closing->posted.first == NULL);
    pthread_mutex_unlock(&closing->lock);
    pthread_mutex_destroy(&closing->lock);
    uv_close((uv_handle_t *)&closing->uv, free_mailbox);
}
