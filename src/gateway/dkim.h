/* gateway/dkim.h - signs mail of our own with DKIM.
 *
 * RFC 6376 with relaxed/relaxed canonicalization and no l= tag; rsa-sha256 (keys of 1024 bits and more:
 * RFC 8301) and ed25519-sha256 (RFC 8463). Signed are all fields of the list in section 5.4.1 that the
 * message has, and those of TLS reports; a field that a reader takes once is named once more than it
 * stands there, so that none can be added. Bodies of any length, headers of at most
 * DKIM_HEADER_MOST and DKIM_FIELDS_MOST.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum { DKIM_HEADER_MOST = 256 * 1024 /* octets */, DKIM_FIELDS_MOST = 1000 };

struct dkim_key;

/* `pem`: an unencrypted private key, RSA or Ed25519. `domain` and `selector` are d= and s=; U-labels become
 * A-labels. False: err says which of the three is wrong, and why. */
MUST_CHECK bool dkim_key_read(struct span pem, const char *domain, const char *selector,
                              struct dkim_key **key, struct error *err);
/* The same from a file; err names it. */
MUST_CHECK bool dkim_key_load(const char *file, const char *domain, const char *selector,
                              struct dkim_key **key, struct error *err);
void dkim_key_free(struct dkim_key **key);

/* Where the public key has to be published, "selector._domainkey.example.org", and what as: the text of one
 * TXT record. Keys that sign TLS reports alone may say `service` "tlsrpt" (RFC 8460 section 3); NULL: any. */
const char *dkim_key_name(const struct dkim_key *key, struct arena *arena);
const char *dkim_key_record(const struct dkim_key *key, const char *service, struct arena *arena);

/* The DKIM-Signature field with its CRLF, folded, to be put in front of the message as it is. `message` is whole,
 * and its lines end in CRLF: a CR or LF alone, a line of the header that is no field,
 * blanks before a colon, or anything but one From
 * field is ERROR_FORMAT, because not everybody would verify it. A key may sign on several threads. */
MUST_CHECK bool dkim_sign(const struct dkim_key *key, struct span message, int64_t now_s,
                          struct arena *arena, const char **header_field, struct error *err);
