/* lab/server_hello.h - answers a ClientHello as servers of an older time did.
 *
 * RFC 5246 sections 6.2.1 and 7.4.1.3. A pure function over bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/client_hello.h"

/* A ServerHello of `version` (or of the client's, where that is older) with the first of `ciphers`
 * that the client offers, or a fatal handshake_failure where it offers none. Returns the length;
 * 128 octets are enough. */
MUST_CHECK size_t server_hello_answer(const struct client_hello *hello, uint16_t version,
                                      const uint16_t *ciphers, size_t cipher_count,
                                      const uint8_t random[32], uint8_t *out, size_t size);
