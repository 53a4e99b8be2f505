/* smtp/command.h - the lines of a client: writes MAIL and RCPT, and reads them all as a server.
 *
 * RFC 5321 section 4.1.1, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 section 4
 * (RET, ENVID, NOTIFY, ORCPT), RFC 3030 (BDAT), RFC 3207 (STARTTLS), RFC 8689 (REQUIRETLS).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "smtp/address.h"
#include "smtp/answer.h"
#include "smtp/client.h"

enum {
    SMTP_COMMAND_BYTES = 1280,     /* room that any line of ours fits */
    SMTP_COMMAND_PATH_MOST = 512,  /* octets of an address; twice what RFC 5321 asks for */
    SMTP_COMMAND_ENVID_MOST = 100, /* RFC 3461 section 4.4 */
    SMTP_COMMAND_ORCPT_MOST = 500, /* RFC 3461 section 4.2 */
    /* Octets of a line that a server takes, CRLF not counted: 512 and what the extensions add to
     * MAIL (RFC 1870: 26, RFC 6152: 17, RFC 6531: 10 and longer addresses, RFC 3461: 109, RFC 8689:
     * 11) or RCPT (RFC 3461: 528). */
    SMTP_COMMAND_LINE_MOST = 1280,
};

/* Whether the text stays within the angle brackets: no control character anywhere, and no blank
 * or angle bracket outside of quotes. It may be less than a mailbox: a queue holds what was once
 * accepted, and odd addresses ("a..b@example.org") are for the server to judge. */
MUST_CHECK bool smtp_command_path_is_safe(const char *path, bool allow_utf8);

/* Whether the text is one word of visible ASCII, at most `most` octets and not empty. */
MUST_CHECK bool smtp_command_value_is_safe(const char *value, size_t most);

/* Each writes one line with its CRLF to `out` (SMTP_COMMAND_BYTES) and returns its length. The
 * texts must be safe. Parameters of an extension that the server lacks are left out. */
MUST_CHECK size_t smtp_command_format_mail(char *out, const struct smtp_client_message *message,
                                           uint32_t extensions);
MUST_CHECK size_t smtp_command_format_rcpt(char *out, const struct smtp_client_recipient *recipient,
                                           uint32_t extensions);

enum smtp_command_verb {
    SMTP_COMMAND_UNKNOWN,
    SMTP_COMMAND_KNOWN,   /* a word of SMTP that we do not implement: EXPN, AUTH, ETRN ... */
    SMTP_COMMAND_FOREIGN, /* a word of HTTP: whoever says it does not know that this is SMTP */
    SMTP_COMMAND_EHLO,
    SMTP_COMMAND_HELO,
    SMTP_COMMAND_STARTTLS,
    SMTP_COMMAND_MAIL,
    SMTP_COMMAND_RCPT,
    SMTP_COMMAND_DATA,
    SMTP_COMMAND_BDAT,
    SMTP_COMMAND_RSET,
    SMTP_COMMAND_NOOP,
    SMTP_COMMAND_VRFY,
    SMTP_COMMAND_HELP,
    SMTP_COMMAND_QUIT,
};

enum smtp_command_return {
    SMTP_COMMAND_RETURN_NONE,
    SMTP_COMMAND_RETURN_FULL,
    SMTP_COMMAND_RETURN_HDRS
};

/* One line of a client; its spans are borrowed from the line. */
struct smtp_command {
    enum smtp_command_verb verb;
    struct span argument; /* of EHLO, HELO, VRFY, NOOP, HELP; of MAIL and RCPT the mailbox as it
                           * stands between the brackets: empty for the null reverse-path, and in
                           * any case "Postmaster" where is_postmaster */
    struct smtp_address address;    /* of MAIL and RCPT; all empty for those two */
    bool is_postmaster;             /* RCPT TO:<Postmaster>: RFC 5321 section 4.1.1.3 */
    bool has_size;                  /* SIZE was given: RFC 1870 */
    bool is_8bit, is_utf8;          /* BODY=8BITMIME; SMTPUTF8 */
    bool requires_tls;              /* REQUIRETLS */
    bool is_last;                   /* BDAT n LAST */
    uint64_t size;                  /* SIZE=n, UINT64_MAX where it is more; or BDAT n */
    enum smtp_command_return parts; /* RET */
    unsigned notify;                /* NOTIFY: enum smtp_notify bits, 0 where not given */
    struct span envelope_id;        /* ENVID, as xtext */
    struct span original;           /* ORCPT, "rfc822;" and xtext, or "utf-8;" and text */
};

/* Reads a line without its CRLF. Extensions (enum smtp_extension bits) are those that the server
 * offers; parameters of the others are not known. False: *answer is the 5xx that says why, and
 * command->verb tells which command it would have been. Source routes are refused (RFC 5321
 * appendix C); '%' and '!' are plain characters of a local part. That BDAT came with no extension
 * CHUNKING is not judged here, for its bytes follow all the same. */
MUST_CHECK bool smtp_command_parse(struct span line, uint32_t extensions,
                                   struct smtp_command *command, struct smtp_answer *answer);
