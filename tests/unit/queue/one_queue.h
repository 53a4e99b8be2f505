/* tests/unit/queue/one_queue.h - each test has an empty queue to ask, and memory for its answers. */
#pragma once

#include "asking.h"

extern struct asking asking;
extern struct arena arena;

/* Before a test and after it, for cmocka; after it files may grow again. */
int one_queue_open(void **state);
int one_queue_close(void **state);
