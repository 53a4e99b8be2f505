/* smtp/command.h - writes a client's MAIL and RCPT lines, and tells texts that would break them.
 *
 * RFC 5321 section 4.1.1.2 and 4.1.1.3, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8),
 * RFC 3461 section 4 (RET, ENVID, NOTIFY, ORCPT).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "smtp/client.h"

enum {
    SMTP_COMMAND_BYTES = 1280,     /* room that any line of ours fits */
    SMTP_COMMAND_PATH_MOST = 512,  /* octets of an address; twice what RFC 5321 asks for */
    SMTP_COMMAND_ENVID_MOST = 100, /* RFC 3461 section 4.4 */
    SMTP_COMMAND_ORCPT_MOST = 500, /* RFC 3461 section 4.2 */
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
