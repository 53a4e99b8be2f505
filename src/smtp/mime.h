/* smtp/mime.h - the parts of a message, and what their bodies were before they were encoded (pure).
 *
 * RFC 2045 (Content-Type, encodings), RFC 2046 section 5.1 (multipart). Lines end in CRLF or LF. Everything is
 * borrowed from the message, but for names with escapes, which live in the arena. What is not as it should be is
 * taken as mail programs take it: no type is text/plain, a multipart whose end is missing ends with the message.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/span.h"

enum { SMTP_MIME_BOUNDARY_MOST = 200 }; /* octets; RFC 2046 has 70 */

enum smtp_mime_encoding {
    SMTP_MIME_PLAIN, /* 7bit, 8bit, binary, or none said */
    SMTP_MIME_BASE64,
    SMTP_MIME_QUOTED_PRINTABLE,
    SMTP_MIME_UNKNOWN,
};

/* A message, or a part of one. */
struct smtp_mime {
    struct span header, body; /* the body as it stands, encoded */
    struct span type; /* "multipart/report", as it is written; "text/plain" where it says none */
    struct span encoding_name;
    enum smtp_mime_encoding encoding;
    const char *boundary; /* of a multipart; NULL: it has none that can be used */
    const char *name;     /* filename= of Content-Disposition or name= of Content-Type; "" */
};

struct smtp_mime smtp_mime_read(struct span entity, struct arena *arena);

bool smtp_mime_is(const struct smtp_mime *mime, const char *type); /* letters of either case */
bool smtp_mime_is_multipart(const struct smtp_mime *mime);         /* with a boundary */

/* Before the first: all of the body is to come. */
struct span smtp_mime_parts(const struct smtp_mime *mime);
/* Takes the next part off *rest; false: there is none left. What stands before the first boundary line and
 * behind the last is no part. */
MUST_CHECK bool smtp_mime_next(const struct smtp_mime *mime, struct span *rest, struct span *part);

/* Appends the decoded body. False: *flaw says what is wrong, in the arena ("line 3 of its base64 has an octet
 * that does not belong there"), or that it is more than the buffer's limit. */
MUST_CHECK bool smtp_mime_decode(const struct smtp_mime *mime, struct buffer *out,
                                 struct arena *arena, const char **flaw);
