/* tests/unit/queue/asking.h - a queue in a folder of its own, asked one request after the other. */
#pragma once

#include "queue/store.h"

struct asking {
    char folder[64];
    struct queue_store_settings settings;
    struct queue_store *store;
    struct loop *loop;
    struct queue_door *door;
    int answers;                     /* so far */
    bool requires_tls, tls_optional; /* what is put from now on */
};

enum { ASKING_NOW_S = 1795219200 };

/* An empty queue in a new folder, at a fixed time; ends the test where that fails. */
void asking_open(struct asking *asking);
/* Closes it and opens it again. */
void asking_reopen(struct asking *asking);
/* Closes it and removes its folder. */
void asking_close(struct asking *asking);

void asking_start(struct asking *asking);
void asking_stop(struct asking *asking);

/* `answered` and its owner for a request of whoever then calls asking_wait. */
void asking_answered(void *asking);
/* Runs the loop until `count` more answers have come. */
void asking_wait(struct asking *asking, int count);

/* A message of `size` bytes in parts of at most `part` to `recipients` addresses, a comma between
 * them. */
enum queue_status asking_put(struct asking *asking, const char *sender, const char *recipients,
                             size_t size, size_t part, int64_t *id);

/* One of 1,000 bytes in one part; ends the test where that fails. Gives its id. */
int64_t asking_put_some(struct asking *asking, const char *recipients);

/* Byte number `at` of the body of that message. */
char asking_byte(int64_t id, size_t at);

/* Reads the whole body; false where it is not the one that asking_put made, of `size` bytes. */
bool asking_has_body(struct asking *asking, int64_t id, size_t size);

struct queue_lease asking_lease(struct asking *asking, int64_t now_s, size_t most,
                                struct arena *arena);
struct queue_stats asking_stats(struct asking *asking);
/* Recipients in that state. */
int64_t asking_count(struct asking *asking, enum queue_state state);
struct queue_list asking_list(struct asking *asking, struct queue_selection selection,
                              struct arena *arena);
struct queue_change asking_change(struct asking *asking, enum queue_change_kind kind,
                                  struct queue_selection selection, int64_t now_s);

/* Settles recipient `index` of message `message` of the lease. Gives how many were settled. */
size_t asking_settle(struct asking *asking, const struct queue_lease *lease, size_t message,
                     size_t index, enum queue_state result, int64_t due_at_s);
