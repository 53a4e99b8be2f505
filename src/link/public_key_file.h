/* link/public_key_file.h - the public half of a key, from whichever PEM file holds it.
 *
 * A private key, a public key or a certificate (its leaf). Nothing of a private key is kept.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

/* The SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), in the arena. False: unreadable, or no key is
 * in it; err names the file. */
MUST_CHECK bool public_key_file_read(const char *path, struct arena *arena, struct span *key,
                                     struct error *err);

/* That of a certificate in DER; empty where it is none. */
struct span public_key_of_certificate(struct span der, struct arena *arena);
