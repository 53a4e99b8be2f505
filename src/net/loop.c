#include "net/loop.h"

#include <assert.h>
#include <stddef.h>

#include "base/memory.h"
#include "net/loop_internal.h"

struct loop_timer {
    uv_timer_t uv;
    struct loop *loop;
    struct loop_timer *previous, *next;
    void (*expired)(void *owner);
    void *owner;
};

bool loop_open(struct loop **loop, struct error *err)
{
    struct loop *made = memory_new(1, sizeof *made);
    int status;

    *loop = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for an event loop");
    made->received = memory_new(1, LOOP_READ_BYTES + LOOP_PLAIN_BYTES);
    if (made->received == NULL) {
        memory_free(made);
        return error_set(err, ERROR_MEMORY, "no memory for an event loop's read buffer");
    }
    made->plain = made->received + LOOP_READ_BYTES;
    status = uv_loop_init(&made->uv);
    if (status != 0) {
        memory_free(made->received);
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "starting an event loop: %s", uv_strerror(status));
    }
    *loop = made;
    return true;
}

void loop_close(struct loop **loop)
{
    struct loop *closing = *loop;
    int status = UV_EBUSY;

    if (closing == NULL)
        return;
    while (closing->timers != NULL) {
        struct loop_timer *timer = closing->timers;

        loop_timer_close(&timer);
    }
    /* Closing takes libuv a turn for its callbacks; whatever is busy after a few of them was
     * never closed by its owner. */
    for (int turn = 0; turn < 4 && status == UV_EBUSY; turn++) {
        uv_run(&closing->uv, UV_RUN_NOWAIT);
        status = uv_loop_close(&closing->uv);
    }
    assert(status == 0);
    tls_context_cache_clear(closing);
    memory_free(closing->received);
    memory_free(closing);
    *loop = NULL;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

bool loop_timer_open(struct loop *loop, void (*expired)(void *owner), void *owner,
                     struct loop_timer **timer, struct error *err)
{
    struct loop_timer *made = memory_new(1, sizeof *made);

    *timer = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a timer");
    uv_timer_init(&loop->uv, &made->uv);
    made->uv.data = made;
    made->loop = loop;
    made->expired = expired;
    made->owner = owner;
    made->next = loop->timers;
    if (made->next != NULL)
        made->next->previous = made;
    loop->timers = made;
    return true;
}

static void expire(uv_timer_t *handle)
{
    struct loop_timer *timer = handle->data;

    timer->expired(timer->owner);
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    /* libuv counts from the time it read at the start of the turn; work done since then would
     * shorten the delay. */
    int64_t late_ms = (int64_t)(uv_hrtime() / 1000000) - loop_now_ms(timer->loop);

    if (delay_ms < 0)
        delay_ms = 0;
    if (late_ms > 0 && delay_ms > 0)
        delay_ms += late_ms;
    uv_timer_start(&timer->uv, expire, (uint64_t)delay_ms, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

static void free_timer(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void loop_timer_close(struct loop_timer **timer)
{
    struct loop_timer *closing = *timer;

    if (closing == NULL)
        return;
    if (closing->previous == NULL)
        closing->loop->timers = closing->next;
    else
        closing->previous->next = closing->next;
    if (closing->next != NULL)
        closing->next->previous = closing->previous;
    uv_close((uv_handle_t *)&closing->uv, free_timer);
    *timer = NULL;
}
