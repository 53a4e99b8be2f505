/* net/loop_internal.h - what the files of net/ share about a loop and others must not see. */
#pragma once

#include <uv.h>

#include "net/loop.h"

enum {
    LOOP_READ_BYTES = 64 * 1024,  /* one read from the kernel */
    LOOP_PLAIN_BYTES = 16 * 1024, /* the most plaintext that one TLS record holds */
};

struct tls_context_cache;

struct loop {
    uv_loop_t uv;
    struct loop_timer *timers;
    struct tls_context_cache *contexts; /* owned by net/tls_context.c; NULL until one is needed */
    char *received;                     /* LOOP_READ_BYTES, for whichever stream is being read */
    char *plain;                        /* LOOP_PLAIN_BYTES, decrypted */
};

/* Accepts a loop that has none. */
void tls_context_cache_clear(struct loop *loop);
