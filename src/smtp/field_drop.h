/* smtp/field_drop.h - takes the fields of one name out of a message that streams by.
 *
 * RFC 5322 section 2.2 (fields, folding) and 4.5 (blanks before the colon): what a field is and where the
 * header ends is as in smtp/header.h, for any split of the message. Lines end in LF; a CR in front of it is
 * part of the line. Allocates nothing; at most SMTP_FIELD_DROP_HELD octets wait: as many as a line may have by RFC
 * 5322 section 2.1.1, so a name with more blanks behind it than fit there is left in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum { SMTP_FIELD_DROP_HELD = 1000 };

struct smtp_field_drop {
    const char *name;
    uint8_t state;
    uint16_t held_len;
    bool is_dropping, has_field;     /* of the field that is coming, or that came last */
    char held[SMTP_FIELD_DROP_HELD]; /* what may turn out to be the name */
};

/* Borrows the name, of at most 32 octets, for its life. */
void smtp_field_drop_init(struct smtp_field_drop *drop, const char *name);

/* Takes bytes off *input and gives what is to be kept of them and of those before: empty or not, call until the
 * input is empty. Borrowed from the input, or from *drop until the next call. */
MUST_CHECK struct span smtp_field_drop_next(struct smtp_field_drop *drop, struct span *input);

/* The message is over: what still waited. */
MUST_CHECK struct span smtp_field_drop_end(struct smtp_field_drop *drop);
