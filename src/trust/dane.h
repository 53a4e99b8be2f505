/* trust/dane.h - TLSA records for SMTP (RFC 6698, 7671, 7672).
 *
 * In SMTP only DANE-TA(2) and DANE-EE(3) count (RFC 7672 section 3.1.3); 0 and 1 and unknown
 * values make a record unusable, and a set with no usable record means: encrypt, do not verify.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

struct dane_record {
    uint8_t usage, selector, matching;
    struct span data;
};

enum dane_usability {
    DANE_USABLE,
    DANE_USAGE_UNSUITED, /* PKIX-TA(0) or PKIX-EE(1): RFC 7672 section 3.1.3 */
    DANE_USAGE_UNKNOWN,
    DANE_SELECTOR_UNKNOWN,
    DANE_MATCHING_UNKNOWN,
    DANE_LENGTH_WRONG,    /* the digest has another length than its algorithm gives */
    DANE_DATA_UNREADABLE, /* matching type 0 and not a certificate or key */
};

/* "3 1 1 HEX"; digits may hold blanks. On false err names what is wrong with the text itself;
 * a record that parses may still be unusable. */
MUST_CHECK bool dane_parse(struct arena *arena, struct span text, struct dane_record *record,
                           struct error *err);
/* The rdata of a TLSA answer. False: shorter than 4 octets. */
MUST_CHECK bool dane_from_wire(struct span rdata, struct dane_record *record);

const char *dane_format(struct arena *arena, const struct dane_record *record);

enum dane_usability dane_usability(const struct dane_record *record);
const char *dane_usability_text(enum dane_usability usability); /* a clause for people */

/* Is there a usable record with the same usage and selector and a stronger digest? Then this one does not count
 * (RFC 7671 section 9). One of matching type 0 always does. */
MUST_CHECK bool dane_is_outdone(const struct dane_record *records, size_t count, size_t index);

/* Does the record match this very certificate (selector and matching type applied)? */
MUST_CHECK bool dane_match(const struct dane_record *record, struct span certificate_der);

/* The record that would match this certificate, such as "3 1 1 HEX". */
const char *dane_record_for(struct arena *arena, struct span certificate_der, uint8_t usage,
                            uint8_t selector, uint8_t matching);
