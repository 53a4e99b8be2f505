/* trust/txt_record.h - the grammar that the TXT records of MTA-STS and of TLS reports share.
 *
 * RFC 8461 section 3.1 and RFC 8460 section 3: a version, then fields "name=value", each behind a
 * ";" that may have blanks around it; a last ";" may stand at the end. Pure and bounded by its input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"

enum { TXT_RECORD_FLAW_TEXT = 60 }; /* characters of a record that a sentence about it repeats */

/* How many of the texts begin with the version ("v=STSv1") and a ";": others share the name with them, and do not count.
 * *picked is the first of them; where there is none, the first in which `word` ("stsv") stands in any case and place,
 * which was likely meant for one, or else empty. */
size_t txt_record_pick(const struct span *texts, size_t count, const char *version,
                       const char *word, struct span *picked);

/* What stands behind the version of such a record, for txt_record_next. */
struct span txt_record_begin(struct span text, const char *version);

/* Takes the next field off; *name empty: there is none. The name is 1 to 32 letters, digits, "_", "-" and ".",
 * the first a letter or digit; the value is not empty and has no blank at its ends. False: *flaw says what is wrong. */
MUST_CHECK bool txt_record_next(struct span *rest, struct arena *arena, struct span *name,
                                struct span *value, const char **flaw);

/* May it be the value of a field that nobody knows? Printable ASCII without "=", ";" and blanks. */
MUST_CHECK bool txt_record_is_value(struct span value);

/* May it be the name of a field? */
MUST_CHECK bool txt_record_is_name(struct span name);

/* As much of it as a sentence bears, printable and in quotes. */
const char *txt_record_quote(struct arena *arena, struct span text);
