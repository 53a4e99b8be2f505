/* queue/errand.h - a thread that does the same thing each time that it is asked to, so that whoever asks need not wait.
 *
 * One thing at a time, and asked by one thread. What it needs lies with its owner: the asker writes it while nothing is
 * under way, `run` has it from the start on, and what `run` leaves there is the asker's again when that is over.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

/* In the owner's storage, which stays where it is from the open to the close. */
struct errand {
    void (*run)(void *owner);
    void *owner;
    pthread_t thread;
    bool is_open;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_under_way, is_closing;
};

/* Starts the thread; `name` is as in queue/thread.h. False: there is nothing to close. */
MUST_CHECK bool errand_open(struct errand *errand, void (*run)(void *owner), void *owner,
                            const char *name, struct error *err);
/* Waits for what was asked for. Also for one that was not opened and is all zero. */
void errand_close(struct errand *errand);

/* Has `run` called on the thread, unless it is under way. */
void errand_start(struct errand *errand);
bool errand_is_under_way(struct errand *errand);
/* Until nothing is under way. */
void errand_wait(struct errand *errand);
