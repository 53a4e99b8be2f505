/* trust/certificate_x509.h - the same facts for those inside trust/ who hold OpenSSL's object. */
#pragma once

#include <openssl/x509.h>

#include "trust/certificate.h"
#include "trust/der.h"

enum { CERTIFICATE_BYTES_MOST = 256 * 1024 };

/* NULL: not one certificate, or something stands behind it. The caller frees it. */
MUST_CHECK X509 *certificate_parse(struct span der);

/* Empty texts, the digest of the whole, and the borrowed DER. */
void certificate_init(struct arena *arena, struct span der, struct certificate *certificate);

/* Fills what certificate_init left empty. */
void certificate_read_x509(struct arena *arena, X509 *x509, struct certificate *certificate);

const char *certificate_name_text(struct arena *arena, const X509_NAME *name);
const char *certificate_signature_text(struct arena *arena, X509 *x509);
int64_t certificate_time_s(const ASN1_TIME *time, int64_t unreadable);
/* "192.0.2.1"; of IPv6 all eight groups. */
const char *certificate_address_text(struct arena *arena, struct span octets);
