/* gateway/maildir_path.h - from a pattern and an address to the folder of a mailbox (pure).
 *
 * What a stranger writes into an address becomes one name of a folder and never more: no '/', no
 * NUL or other control character, no dot in front (so neither "." nor ".." nor a hidden folder).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

enum { GATEWAY_MAILDIR_PATH_BYTES = 2048 };

struct gateway_maildir_path {
    char text[GATEWAY_MAILDIR_PATH_BYTES]; /* absolute, no '/' at the end */
    size_t fixed_len; /* of the folders in front that are the same for every address */
};

/* What is wrong with a pattern such as "/var/mail/{domain}/{user}"; NULL: nothing. It is absolute;
 * "{domain}" and "{user}" are all that braces may hold, and no part of it is empty, "." or "..". The
 * last part is always the mailbox's own: of "/var/mail/all" the fixed folder is "/var/mail". */
const char *gateway_maildir_path_flaw(const char *pattern);

/* The folders in front of a pattern without a flaw that are the same for every address: "/var/mail",
 * without a '/' at the end unless it is "/" alone. Borrowed from the pattern. */
struct span gateway_maildir_path_fixed(const char *pattern);

/* The mailbox of a recipient (a Mailbox by smtp/address.h). {domain}: lower case, A-labels. {user}: the
 * local part without quotes, ASCII letters in lower case. The pattern must have no flaw. False: there
 * can be no such mailbox, and *flaw (static) says why; NULL: no memory. */
MUST_CHECK bool gateway_maildir_path_format(const char *pattern, struct span recipient,
                                            struct gateway_maildir_path *path, const char **flaw);
