/* settings/tokens.h - a settings file word by word, with the line of each (pure).
 *
 * Blanks and comments are passed over; what is no token is named as a fault and passed over, too. A text with a NUL
 * byte does not come here.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "settings/fault.h"

enum settings_token_kind {
    SETTINGS_TOKEN_END,
    SETTINGS_TOKEN_WORD,
    SETTINGS_TOKEN_STRING,
    SETTINGS_TOKEN_MARK, /* one of { } = , */
};

struct settings_token {
    enum settings_token_kind kind;
    struct span text; /* as it stands there, quotes too */
    unsigned line;
};

struct settings_tokens {
    struct span rest; /* what is not read yet */
    unsigned line;
    struct settings_token token; /* the next one, not yet used */
    bool is_broken; /* a fault was found; for the reader of statements, who resets it */
    struct settings_faults *faults;
};

/* Brings the next token. */
void settings_tokens_next(struct settings_tokens *tokens);

/* A fault that the statement does not survive. */
#define SETTINGS_TOKENS_COMPLAIN(tokens, at, ...)                                                  \
    do {                                                                                           \
        settings_fault_add((tokens)->faults, at, __VA_ARGS__);                                     \
        (tokens)->is_broken = true;                                                                \
    } while (0)
