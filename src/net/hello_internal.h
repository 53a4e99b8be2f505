/* net/hello_internal.h - the table of cipher suites, for the writer of hellos. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hello_cipher {
    uint16_t code;
    const char *name;
};

extern const struct hello_cipher hello_ciphers[];
extern const size_t hello_cipher_count;
