/* base/error.h - our own failures: memory, disk, our own sockets, wrong usage.
 *
 * What a peer does is never an error; it is an event, then an observation,
 * then a finding. A bug of ours is an assert.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,  /* the person asked for something that makes no sense */
    ERROR_FORMAT, /* a file or a record that we were given is not well formed */
    ERROR_MEMORY, /* no memory, or a limit of ours was reached */
    ERROR_SYSTEM, /* the operating system refused: a file, a socket, a thread */
    ERROR_CRYPTO, /* the TLS library refused something of ours */
    ERROR_BUSY,   /* somebody else has what we need; later it may be free */
    ERROR_FULL,   /* no room on the disk, or a limit forbids a file to grow; later there may be */
};

struct error {
    enum error_kind kind;
    char text[512]; /* one sentence for the person, without a final full stop */
};

/* Fills *err (which may be NULL) and returns false, so that a function can end with it. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);

/* What an errno of a file means: ERROR_FULL or ERROR_SYSTEM. */
enum error_kind error_kind_of(int number);

/* Puts "context: " in front of the text that is there and returns false. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
