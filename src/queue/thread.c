#include "queue/thread.h"

#include <signal.h>
#include <string.h>

bool queue_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument,
                        const char *name, struct error *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0)
        return true;
    return error_set(err, ERROR_SYSTEM, "starting the thread of %s: %s", name, strerror(failure));
}
