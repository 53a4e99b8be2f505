/* trust/dane_x509.h - TLSA records against OpenSSL's objects, for those inside trust/. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "trust/dane.h"

/* RFC 7218 section 2 */
enum { DANE_TA = 2, DANE_EE = 3 };
enum { DANE_CERTIFICATE = 0, DANE_SPKI = 1 };
enum { DANE_FULL = 0, DANE_SHA256 = 1, DANE_SHA512 = 2 };

MUST_CHECK bool dane_match_x509(const struct dane_record *record, X509 *x509, struct span der);

/* The certificate of "x 0 0" or the key of "x 1 0"; NULL: another record, or unreadable. The
 * caller frees it. */
MUST_CHECK X509 *dane_bare_certificate(const struct dane_record *record);
MUST_CHECK EVP_PKEY *dane_bare_key(const struct dane_record *record);
