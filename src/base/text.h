/* base/text.h - turns bytes into text that is safe to show, and text into numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"

/* Everything but printable ASCII becomes \r, \n, \t, \\ or \xHH; printable UTF-8 is kept
 * where `keep_utf8` (never C0, C1, bidirectional or other invisible controls). What a peer
 * sent goes through here before it reaches a terminal, a log or a page. */
const char *text_printable(struct arena *arena, struct span bytes, bool keep_utf8);
/* The same of what it may have made already, whole, cut or joined with more: its escapes stay as they are, and a
 * backslash that begins none becomes \\. */
const char *text_printable_again(struct arena *arena, struct span bytes, bool keep_utf8);

/* The front of a text, at most `most` octets: never cut within a UTF-8 character. What is cut to a limit and is
 * foreign, or may hold foreign words, goes through here. */
struct span text_front(struct span text, size_t most);

bool text_is_letter_or_digit(char c); /* of ASCII, whatever the locale */

/* A capital letter of ASCII becomes a small one, whatever the locale; every other octet stays. */
static inline char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The same of every octet: a copy with a NUL behind it, "" when the arena is exhausted. */
const char *text_lower_copy(struct arena *arena, struct span text);

/* "7", "0177", "0x7f", or nothing: a host whose last label is one is an address or nothing (URL Standard, "ends in a
 * number"; RFC 1123 section 2.1). */
bool text_is_number_in_host(struct span label);
bool text_is_utf8(struct span bytes);
bool text_is_ascii(struct span bytes);      /* no octet above 0x7f; controls are ASCII, too */
bool text_holds_control(struct span bytes); /* of ASCII: below a blank, or DEL */

const char *text_hex(struct arena *arena, struct span bytes); /* lower case, no separators */
const char *text_base64(struct arena *arena, struct span bytes);

/* Hex digits of either case; blanks between them are skipped. NULL span data on anything else. */
MUST_CHECK bool text_from_hex(struct arena *arena, struct span text, struct span *bytes);
/* RFC 4648 section 4; line breaks and blanks are skipped. */
MUST_CHECK bool text_from_base64(struct arena *arena, struct span text, struct span *bytes);

/* A whole decimal number without sign, at most `most`. */
MUST_CHECK bool text_to_number(struct span text, uint64_t most, uint64_t *number);

/* "2026-11-21T19:05:00Z" from seconds since 1970 (UTC, proleptic Gregorian, no time zone tables). */
const char *text_time(struct arena *arena, int64_t seconds);
/* "21 November 2026" */
const char *text_date(struct arena *arena, int64_t seconds);
/* "Sat, 21 Nov 2026 19:05:00 +0000", as mail has it: RFC 5322 section 3.3. */
const char *text_mail_date(struct arena *arena, int64_t seconds);
/* Seconds since 1970 from "2026-11-21", "2026-11-21T19:05:00Z" or a plain number of seconds. */
MUST_CHECK bool text_to_time(struct span text, int64_t *seconds);
/* "3 days", "1 hour", "25 minutes": the largest unit, for people. */
const char *text_duration(struct arena *arena, int64_t seconds);
