/* gateway/bounce_parts.h - what the files of the report share; nobody else includes it.
 */
#pragma once

#include "base/arena.h"
#include "gateway/bounce.h"

/* The words for people, lines ending in LF and at most BOUNCE_COLUMNS long but for words that are longer. */
enum { BOUNCE_COLUMNS = 76 };
MUST_CHECK bool bounce_words_write(const struct bounce *bounce, struct arena *arena,
                                   struct buffer *out);

/* What went wrong, as far as it is known and anybody's business, for reading: `remedy` may be NULL, texts are the
 * arena's. NULL: no finding is the reason. */
const struct finding *bounce_cause_of(const struct bounce_recipient *one, struct arena *arena);
/* The same for somebody who wrote a letter, and what they can do. */
const char *bounce_plain_words(const struct bounce *bounce, const struct bounce_recipient *one,
                               struct arena *arena);
/* It was tried for as long as it may be. */
bool bounce_is_given_up(const struct bounce *bounce, const struct bounce_recipient *one);

/* The body of message/delivery-status (RFC 3464 section 2.1), lines ending in CRLF. */
MUST_CHECK bool bounce_status_write(const struct bounce *bounce, struct arena *arena,
                                    struct buffer *out);

/* The name of the server that an attempt spoke to: "mx.example.org", "[192.0.2.1]"; empty: none that means
 * anything to others. Part of `relay`. */
struct span bounce_peer_of(struct span relay);

/* The text without controls, in the arena: what stands in a field of a header. */
const char *bounce_line(struct arena *arena, struct span text);
