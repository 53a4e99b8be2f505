/* smtp/answer.h - one reply of a server as a line: its code, its enhanced code and its words.
 *
 * RFC 5321 section 4.2, RFC 2034 and RFC 3463 (enhanced status codes).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum { SMTP_ANSWER_BYTES = 512 }; /* room that any answer fits: RFC 5321 section 4.5.3.1.5 */

struct smtp_answer {
    uint16_t code; /* 200 to 599; 0: none */
    const char
        *enhanced;    /* "5.1.1"; NULL or "": none, as RFC 2034 section 3 has it for 220 and 354 */
    const char *text; /* one line; NULL: none */
};

/* Writes "550 5.1.1 text" and CRLF to `out` (SMTP_ANSWER_BYTES), and returns the length. What is
 * not printable ASCII in the text becomes '?', and what does not fit is cut off, so that whatever
 * a text quotes, the answer stays one line. */
MUST_CHECK size_t smtp_answer_format(char *out, struct smtp_answer answer);
