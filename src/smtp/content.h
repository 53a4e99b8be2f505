/* smtp/content.h - reads the content of a message off the wire: DATA and BDAT (sans-I/O, no copy).
 *
 * RFC 5321 section 4.5.2 (transparency) and 2.3.8 (lines end in CRLF), RFC 3030 (BDAT). The end of
 * data is CRLF.CRLF and nothing else, whatever a setting says. A bare CR, a bare LF and a NUL are
 * flaws; behind one nothing more is content, and what follows is only searched for its end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum smtp_content_flaw {
    SMTP_CONTENT_FINE,
    SMTP_CONTENT_BARE_CR,
    SMTP_CONTENT_BARE_LF,
    SMTP_CONTENT_NUL,
};

enum smtp_content_status {
    SMTP_CONTENT_MORE,  /* *content may hold bytes; *input may too */
    SMTP_CONTENT_ENDED, /* CRLF.CRLF was taken; what is left in *input stands behind it */
    /* Behind a flaw came what some take for the end of data: a dot alone between line ends that
     * are not both CRLF. What the peer sends from here on it may mean for commands. */
    SMTP_CONTENT_FALSE_END,
};

/* A plain struct. */
struct smtp_content {
    uint64_t
        octets; /* of content so far: RFC 1870 section 5 counts neither stuffed dots nor the end */
    uint8_t state;
    bool is_data;        /* DATA: dots are doubled, and a dot ends it; else BDAT */
    bool mends_bare_lf;  /* a bare LF is no flaw: it becomes CRLF, and never ends the data */
    bool after_bare_end; /* the line began behind something other than CRLF */
    enum smtp_content_flaw flaw; /* final once set */
};

void smtp_content_init(struct smtp_content *content, bool is_data, bool mends_bare_lf);

/* Takes bytes off *input, and gives decoded ones in *decoded: borrowed from *input or static. Call
 * until *input is empty or the status is not MORE; each call takes a byte at least. */
MUST_CHECK enum smtp_content_status smtp_content_feed(struct smtp_content *content,
                                                      struct span *input, struct span *decoded);

/* BDAT: the last chunk is over. A CR that waits for its LF is a flaw now. */
void smtp_content_finish(struct smtp_content *content);
