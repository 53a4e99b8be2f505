/* smtp/reply.h - turns bytes from an SMTP server into whole replies (sans-I/O).
 *
 * Grammar: RFC 5321 section 4.2, Reply-line. Input may be split anywhere.
 * Allocates nothing; the caller lends the storage that bounds a reply's size.
 * What deviates from the grammar and can still be understood is tolerated and
 * recorded; what cannot be understood is SMTP_REPLY_BROKEN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum {
    SMTP_REPLY_LINE_LIMIT = 512,    /* octets with code and CRLF: RFC 5321 section 4.5.3.1.5 */
    SMTP_REPLY_LINE_REFUSED = 4096, /* a longer line breaks the reply */
    SMTP_REPLY_LINES_MOST = 512,
};

/* Bits: what was not as the grammar has it. The first group was tolerated. */
enum smtp_reply_flaw {
    SMTP_REPLY_FLAW_BARE_LF = 1 << 0, /* a line ended by LF alone */
    SMTP_REPLY_FLAW_BARE_CR = 1 << 1, /* a CR inside a line */
    SMTP_REPLY_FLAW_NUL = 1 << 2,
    SMTP_REPLY_FLAW_CONTROL = 1 << 3, /* another control character but HT */
    SMTP_REPLY_FLAW_EIGHT_BIT = 1 << 4,
    SMTP_REPLY_FLAW_LONG_LINE = 1 << 5,    /* over SMTP_REPLY_LINE_LIMIT */
    SMTP_REPLY_FLAW_CODE_CHANGE = 1 << 6,  /* lines of one reply carry different codes */
    SMTP_REPLY_FLAW_NO_TEXT = 1 << 7,      /* a code, then the end of the line; legal to accept */
    SMTP_REPLY_FLAW_UNKNOWN_CODE = 1 << 8, /* 2xx to 5xx, but its second digit is not 0 to 5 */
    /* These break the reply. */
    SMTP_REPLY_FLAW_NOT_A_CODE = 1 << 16, /* a line does not begin with three digits, 200 to 599 */
    SMTP_REPLY_FLAW_SEPARATOR = 1 << 17,  /* neither SP nor '-' behind the code */
    SMTP_REPLY_FLAW_ENDLESS_LINE = 1 << 18,
    SMTP_REPLY_FLAW_TOO_LARGE = 1 << 19, /* more lines or bytes than we lend */
};

enum smtp_reply_status {
    SMTP_REPLY_PARTIAL, /* every byte was taken; the reply is not complete yet */
    SMTP_REPLY_WHOLE,   /* *reply is filled; bytes after it are still in *input */
    SMTP_REPLY_BROKEN,  /* not a valid reply, see reply->flaws; final until init */
};

struct smtp_reply {
    uint16_t code;       /* 200 to 599; of the last line where codes differ */
    uint16_t line_count; /* at least 1 */
    uint32_t flaws;      /* enum smtp_reply_flaw */
    struct span raw; /* the bytes of the wire, line ends included; borrowed until the next feed */
};

struct smtp_reply_parser {
    char *storage;
    size_t size, used, line_start;
    uint32_t flaws;
    uint16_t code, line_code, line_count;
    uint8_t state, digits;
    bool more_lines;
};

/* Starts over. Lends `storage` (`size` bytes) to the parser for its whole life. */
void smtp_reply_init(struct smtp_reply_parser *parser, char *storage, size_t size);

/* Takes bytes off the front of *input until one reply is whole or input runs out.
 * Never takes a byte past the end of a reply: after STARTTLS the next byte is TLS.
 * When BROKEN, *reply has the code read so far (0 for none), the flaws and the raw bytes with
 * the offending line to its end (or to SMTP_REPLY_LINE_LIMIT, or to a byte that is no text). */
MUST_CHECK enum smtp_reply_status smtp_reply_feed(struct smtp_reply_parser *parser,
                                                  struct span *input, struct smtp_reply *reply);

/* The bytes of a reply that is still PARTIAL, for the report of a peer that stopped in the
 * middle of one. Borrowed until the next feed. */
struct span smtp_reply_unfinished(const struct smtp_reply_parser *parser);

/* The text of line `index` (from 0): without code, separator and line end. Empty past the end. */
struct span smtp_reply_line(const struct smtp_reply *reply, size_t index);

/* The enhanced status code at the front of the text (RFC 2034, RFC 3463), such as "4.7.0";
 * empty where there is none that fits the reply's class. */
struct span smtp_reply_enhanced_status(const struct smtp_reply *reply);
