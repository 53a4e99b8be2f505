/* trust/der.h - walks DER (X.690 section 8) just far enough to find a field, without OpenSSL. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum {
    DER_INTEGER = 0x02,
    DER_OCTET_STRING = 0x04,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};

/* Takes one element off the front of *der. `contents` (may be NULL) lies inside it; the tag is its
 * first octet. False, with *der untouched: cut short, a length over four octets, or a long tag. */
MUST_CHECK bool der_take(struct span *der, unsigned char *tag, struct span *contents);

/* Likewise, and the tag must be this one. */
MUST_CHECK bool der_take_tag(struct span *der, unsigned char tag, struct span *contents);

/* Seconds since 1970 from the contents of a UTCTime or GeneralizedTime as RFC 5280 section
 * 4.1.2.5 restricts them: seconds present, "Z", no fraction. */
MUST_CHECK bool der_time(unsigned char tag, struct span contents, int64_t *seconds);

/* The parts of a certificate (RFC 5280 section 4.1) that are looked at without parsing it. */
struct der_certificate {
    struct span serial, issuer, subject; /* whole elements, tag included */
    struct span not_before, not_after;   /* contents */
    unsigned char not_before_tag, not_after_tag;
};

/* False: this is not one certificate and nothing behind it. */
MUST_CHECK bool der_certificate(struct span der, struct der_certificate *parts);

/* Equal for names that X509_NAME_cmp calls equal, whatever string types, case and blanks they
 * use; different for nearly all others. `name` is a Name, its tag included. */
uint64_t der_name_hash(struct span name);

/* The contents of the last organizationName (2.5.4.10) of a Name; empty where there is none. */
struct span der_organization(struct span name);
