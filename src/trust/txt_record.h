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

/* What tells one kind of record from the others. */
struct txt_record_kind {
    const char *version; /* "v=STSv1" */
    const char *word;    /* "stsv": in whatever was likely meant for one */
    const char *field;   /* "id": the one that it must have, and whose value its reader judges */
};

/* What all TXT records of one name come to, as one of a kind. */
enum txt_record_status {
    TXT_RECORD_NONE, /* there is no record of this kind */
    TXT_RECORD_VALID,
    TXT_RECORD_INVALID, /* one that cannot be read, or that others will not take for one */
    TXT_RECORD_SEVERAL, /* which is as none: RFC 8461 section 3.1, RFC 8460 section 3 */
    TXT_RECORD_STATUS_COUNT,
};
const char *txt_record_status_name(enum txt_record_status status); /* "several" */

/* RFC 1035 section 3.3.14: the strings of the data of a TXT record, joined. */
struct span txt_record_join(struct arena *arena, struct span rdata);

/* How many of the texts begin with the version and a ";": others share the name with them, and do not count.
 * *picked is the first of them; where there is none, the first in which the word stands in any case and place,
 * which was likely meant for one, or else empty. */
size_t txt_record_pick(const struct txt_record_kind *kind, const struct span *texts, size_t count,
                       struct span *picked);

/* The same, and *flaw says in words why none of them counts: there are several, or none that begins so. NULL
 * where one does, or where nothing was meant for one. */
size_t txt_record_choose(const struct txt_record_kind *kind, const struct span *texts, size_t count,
                         struct arena *arena, struct span *picked, const char **flaw);

/* What stands behind the version of such a record, for txt_record_next. */
struct span txt_record_begin(const struct txt_record_kind *kind, struct span text);

/* Takes the next field off; *name empty: there is none. The name is 1 to 32 letters, digits, "_", "-" and ".", the
 * first a letter or digit; the value is not empty and has no blank at its ends, and but for the kind's own field it is
 * printable ASCII without "=", ";" and blanks. False: *flaw says what is wrong. */
MUST_CHECK bool txt_record_next(const struct txt_record_kind *kind, struct span *rest,
                                struct arena *arena, struct span *name, struct span *value,
                                const char **flaw);

/* May it be the name of a field? */
MUST_CHECK bool txt_record_is_name(struct span name);

/* As much of it as a sentence bears, printable and in quotes. */
const char *txt_record_quote(struct arena *arena, struct span text);
