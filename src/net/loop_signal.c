/* net/loop_signal.c - signals as events of a loop. */
#include "net/loop.h"

#include "base/memory.h"
#include "net/loop_internal.h"

struct loop_signal {
    uv_signal_t uv;
    void (*arrived)(void *owner);
    void *owner;
};

static void tell(uv_signal_t *handle, int number)
{
    struct loop_signal *on = handle->data;

    (void)number;
    on->arrived(on->owner);
}

bool loop_on_signal(struct loop *loop, int number, void (*arrived)(void *owner), void *owner,
                    struct loop_signal **on, struct error *err)
{
    struct loop_signal *made = memory_new(1, sizeof *made);

    *on = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to wait for a signal");
    made->arrived = arrived;
    made->owner = owner;
    uv_signal_init(&loop->uv, &made->uv);
    made->uv.data = made;
    *on = made;
    if (uv_signal_start(&made->uv, tell, number) == 0)
        return true;
    loop_signal_close(on);
    return error_set(err, ERROR_SYSTEM, "waiting for signal %d failed", number);
}

static void free_signal(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void loop_signal_close(struct loop_signal **on)
{
    struct loop_signal *closing = *on;

    *on = NULL;
    if (closing == NULL)
        return;
    uv_close((uv_handle_t *)&closing->uv, free_signal);
}
