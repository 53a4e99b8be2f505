/* tests/unit/net/responder.h - a DNS server on a thread whose answers the asked name chooses.
 *
 * The first label is what it does: "good" (an A record), "two" (two MX), "alias" (a CNAME to
 * good.), "nodata", "nx", "servfail", "refused", "garbage", "silent". Nothing is signed, and
 * every answer has the AD bit.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct responder {
    int socket;
    uint16_t port;
    pthread_t thread;
};

void responder_start(struct responder *responder);
void responder_stop(struct responder *responder);
