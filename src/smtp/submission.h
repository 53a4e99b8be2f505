/* smtp/submission.h - makes what a local program wrote into a message that SMTP carries (pure).
 *
 * RFC 6409 section 8 (what a submission may have mended), RFC 5322 section 3.6 (the fields that a
 * message must have), RFC 5321 section 2.3.8 (CRLF) and 6.3 (loops). What the sendmail command
 * has always done to its input, and no more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum { SMTP_SUBMISSION_HOPS = 100 };

struct smtp_submission_settings {
    bool ignores_dots;     /* a line of one dot does not end the message */
    bool takes_recipients; /* from To, Cc and Bcc; of a message that is resent, from Resent-To... */
    const char *hostname;  /* behind the @ of an address that has none */
    const char *from, *date, *message_id; /* values for a message that lacks these fields */
    size_t recipients_most;
};

/* The message is `header`, then `body`. Texts live in the arena, `body` in `lines`. */
struct smtp_submission {
    struct buffer header; /* with the empty line */
    struct buffer lines;
    struct span body;
    const char **recipients; /* of the header, each once; none unless takes_recipients */
    size_t recipient_count;
    const char *message_id; /* what the field says */
    bool is_8bit;
    size_t mended; /* how many CRs without LF became blanks */
};

/* Line ends of LF and CRLF become CRLF, a CR elsewhere a blank; a line "From ..." before the
 * header goes, as do Bcc, Resent-Bcc and Return-Path; From, Date and Message-ID are added behind
 * the other fields where they are missing; addresses without domain get ours. False:
 * ERROR_FORMAT, the message cannot be sent and why (a NUL, an address in -t's fields that is none,
 * too many of them, a loop); ERROR_MEMORY: `size_most` octets or the arena do not hold it. To be
 * cleared either way. */
MUST_CHECK bool smtp_submission_make(const struct smtp_submission_settings *settings,
                                     struct span input, size_t size_most, struct arena *arena,
                                     struct smtp_submission *submission, struct error *err);
void smtp_submission_clear(struct smtp_submission *submission);

/* The addresses of a list (smtp/address_list.h), with "@hostname" where they have no domain, added
 * to the array unless they are in it. False: err says what is wrong, ERROR_FORMAT. */
MUST_CHECK bool smtp_submission_add_recipients(struct span list, const char *hostname,
                                               struct arena *arena, const char **recipients,
                                               size_t most, size_t *count, struct error *err);
