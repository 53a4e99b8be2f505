/* queue/thread.h - a thread that works for the queue, and that no signal reaches: those are for the threads that serve. */
#pragma once

#include <pthread.h>

#include "base/compiler.h"
#include "base/error.h"

/* `name` says in *err whose it is: "the queue". False: there is none, and *thread says nothing. */
MUST_CHECK bool queue_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument,
                                   const char *name, struct error *err);
