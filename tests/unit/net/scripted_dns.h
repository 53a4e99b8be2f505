/* tests/unit/net/scripted_dns.h - answers of the DNS as a test has them: each comes in the loop's next turn.
 *
 * A program with scripted_dns.c has its dns_find and its dns_cancel in place of those of net/.
 */
#pragma once

#include <stdbool.h>

#include "net/dns.h"
#include "net/loop.h"

extern struct scripted_dns {
    /* by the test */
    struct loop *loop;
    /* Fills *told, which says that there is no data; what it points to lives until the next call. */
    void (*answer)(const char *name, enum dns_type type, struct dns_answer *told);
    bool cannot_ask; /* "no memory for a question" */

    /* what came of it */
    unsigned asked, cancelled;
} scripted_dns;

void scripted_dns_begin(struct loop *loop, void (*answer)(const char *name, enum dns_type type,
                                                          struct dns_answer *told));
