/* link/question.h - one question to the DNS on its way, and what its answer showed beside the records. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "link/observation.h"
#include "net/dns.h"

/* In the caller's storage, which stays where it is until the answer, or the stop. */
struct question {
    /* set by the caller */
    struct arena *arena;  /* where texts of `seen` live, and *failure */
    const char **failure; /* why we could not ask, where that is so; else it is left alone */
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;

    struct observed_lookup
        seen; /* from the start on: its name and type; with the answer the rest */
    bool is_answered;
    struct dns_query *query; /* NULL: not asked, or answered */
};

/* Asks within `timeout_ms`, which is more than 0; `name` is borrowed for as long as `seen` is read. `answered` is
 * called once, when `seen` is filled: inside this call where such a name cannot be, for it is longer than any, which
 * is as if it did not exist; and where we cannot ask, which is as if no answer came. */
void question_start(struct question *question, struct dns *dns, const char *name,
                    enum dns_type type, int64_t timeout_ms);
/* After it no answer comes. Also for one that is answered, or was never started and is all zero. */
void question_stop(struct question *question);
