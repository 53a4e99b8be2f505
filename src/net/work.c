#include "net/work.h"

#include "base/memory.h"
#include "net/loop_internal.h"

struct work {
    uv_work_t uv;
    void (*run)(void *owner);
    void (*done)(void *owner);
    void *owner;
};

static void run_on_pool(uv_work_t *handle)
{
    struct work *work = handle->data;

    work->run(work->owner);
}

static void tell_done(uv_work_t *handle, int status)
{
    struct work *work = handle->data;
    void (*done)(void *owner) = work->done;
    void *owner = work->owner;

    (void)status; /* only uv_cancel makes one, which nobody calls */
    memory_free(work);
    done(owner);
}

bool work_start(struct loop *loop, void (*run)(void *owner), void (*done)(void *owner), void *owner,
                struct error *err)
{
    struct work *made = memory_new(1, sizeof *made);
    int status;

    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a piece of work");
    made->uv.data = made;
    made->run = run;
    made->done = done;
    made->owner = owner;
    status = uv_queue_work(&loop->uv, &made->uv, run_on_pool, tell_done);
    if (status == 0)
        return true;
    memory_free(made);
    return error_set(err, ERROR_SYSTEM, "starting a piece of work: %s", uv_strerror(status));
}
