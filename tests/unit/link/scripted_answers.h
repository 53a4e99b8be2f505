/* tests/unit/link/scripted_answers.h - answers of the DNS and of an HTTPS server as a test has them.
 *
 * A program with scripted_answers.c, and with scripted_dns.c for the DNS, has its https_send in place of that of net/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../net/scripted_dns.h"
#include "base/arena.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/https.h"
#include "net/loop.h"

enum { SCRIPTED_RECORDS_MOST = 4 };

struct scripted_answer {
    const char *name;
    enum dns_type type;
    enum dns_outcome outcome;
    const char
        *records[SCRIPTED_RECORDS_MOST]; /* a text, its strings split at "|"; or an address */
};

#define SCRIPTED_TXT(n, text)                                                                      \
    {                                                                                              \
        .name = (n), .type = DNS_TYPE_TXT, .records = {(text) }                                    \
    }
#define SCRIPTED_A(n, text)                                                                        \
    {                                                                                              \
        .name = (n), .type = DNS_TYPE_A, .records = {(text) }                                      \
    }
#define SCRIPTED_AAAA(n, text)                                                                     \
    {                                                                                              \
        .name = (n), .type = DNS_TYPE_AAAA, .records = {(text) }                                   \
    }

extern struct scripted {
    /* by the test */
    struct loop *loop;
    struct arena *arena;
    const struct scripted_answer *answers; /* of any other name and type: there is no such name */
    size_t answer_count;
    struct https_answer https; /* to every request */
    bool cannot_send;
    bool is_judged; /* a handshake comes, and is judged */

    /* what came of it */
    unsigned sent, cancelled;
    char url[200]; /* of the last request, with what follows */
    struct net_address first;
    size_t address_count;
} scripted;

/* Nobody has an answer yet but every HTTPS server: this file, as text/plain. Both are borrowed. */
void scripted_begin(struct loop *loop, struct arena *arena, const char *file);
