/* link/self_signed.h - a fresh client certificate that nobody vouches for.
 *
 * An experiment shows it: does a server that asks for a certificate merely want any?
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/tls.h"

/* ECDSA P-256, valid for a day on either side of now_s, named `name`. */
MUST_CHECK bool self_signed_new(const char *name, int64_t now_s,
                                struct tls_credentials **credentials, struct error *err);
