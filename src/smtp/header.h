/* smtp/header.h - the fields of a message's header, one after the other, as they stand.
 *
 * RFC 5322 section 2.2 (fields, folding) and 4.5 (blanks before the colon). Lines end in CRLF or LF.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/span.h"

/* All borrowed from the message. */
struct smtp_field {
    struct span name;  /* without the colon */
    struct span value; /* behind the colon, folds and all, without the last line end */
    struct span whole; /* with its last line end, where it has one */
};

/* Takes the next field off the front of *message. False: the header is over, and *message begins
 * with the empty line, with what is no field, or is empty. */
MUST_CHECK bool smtp_header_next(struct span *message, struct smtp_field *field);

/* Is that its name? Letters of either case. */
bool smtp_field_is(const struct smtp_field *field, const char *name);

/* Takes an empty line off the front of *message, where one stands there. */
bool smtp_header_take_end(struct span *message);

/* How many octets of the message its header has, without the empty line. */
size_t smtp_header_len(struct span message);
