#include "settings/tokens.h"

#include <string.h>

#include "base/text.h"

#define COMPLAIN SETTINGS_TOKENS_COMPLAIN

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_.:/-[]@%", c) != NULL);
}

static void take_line_end(struct settings_tokens *tokens, char c)
{
    tokens->line += c == '\n';
}

static void skip_line(struct settings_tokens *tokens)
{
    span_take_front(&tokens->rest, span_find(tokens->rest, '\n'));
}

static void skip_long_comment(struct settings_tokens *tokens)
{
    unsigned began = tokens->line;

    span_take_front(&tokens->rest, 2);
    while (tokens->rest.len > 0 && !span_starts_with(tokens->rest, "*/"))
        take_line_end(tokens, span_take(&tokens->rest));
    if (tokens->rest.len == 0)
        settings_fault_add(tokens->faults, began,
                           "the comment that begins here does not end: \"*/\" is missing");
    span_take_front(&tokens->rest, 2);
}

static void skip_blanks_and_comments(struct settings_tokens *tokens)
{
    while (tokens->rest.len > 0) {
        if (is_blank(tokens->rest.data[0]))
            take_line_end(tokens, span_take(&tokens->rest));
        else if (tokens->rest.data[0] == '#' || span_starts_with(tokens->rest, "//"))
            skip_line(tokens);
        else if (span_starts_with(tokens->rest, "/*"))
            skip_long_comment(tokens);
        else
            return;
    }
}

/* What libconfuse would read otherwise than it is meant. */
static void check_string(struct settings_tokens *tokens, struct span inside, char quote)
{
    for (size_t i = 0; i < inside.len; i++) {
        unsigned char c = (unsigned char)inside.data[i];

        if (c == '\\') {
            i++; /* what stands behind it was seen when the end was looked for */
            if (inside.data[i] != '\\' && inside.data[i] != quote)
                COMPLAIN(tokens, tokens->line,
                         "a \\ stands only before another or before %c; "
                         "write \\\\ for the character itself",
                         quote);
        } else if (c < 0x20 || c == 0x7f) {
            COMPLAIN(tokens, tokens->line, "a control character (0x%02x) within a text", c);
        }
    }
    if (memmem(inside.data, inside.len, "${", 2) != NULL)
        COMPLAIN(
            tokens, tokens->line,
            "\"${\": the environment is not looked at; only {domain} and {user} are filled in");
    if (!text_is_utf8(inside))
        COMPLAIN(tokens, tokens->line, "a text that is not UTF-8");
}

static struct span take_string(struct settings_tokens *tokens)
{
    struct span text = tokens->rest;
    char quote = text.data[0];
    size_t at = 1;

    while (at < text.len && text.data[at] != quote && text.data[at] != '\n')
        at += text.data[at] == '\\' && at + 1 < text.len && text.data[at + 1] != '\n' ? 2 : 1;
    if (at >= text.len || text.data[at] != quote) {
        COMPLAIN(tokens, tokens->line, "a text begins here with %c and does not end on its line",
                 quote);
        return span_take_front(&tokens->rest, at);
    }
    check_string(tokens, span_part(text, 1, at - 1), quote);
    return span_take_front(&tokens->rest, at + 1);
}

static struct span take_word(struct settings_tokens *tokens)
{
    struct span word;
    size_t len = 0;

    while (len < tokens->rest.len && is_in_word(tokens->rest.data[len]))
        len++;
    word = span_take_front(&tokens->rest, len);
    if (memmem(word.data, word.len, "//", 2) != NULL)
        COMPLAIN(tokens, tokens->line, "%s: a value with // in it has to stand in quotes",
                 settings_fault_quote(tokens->faults, word));
    return word;
}

/* Never written out, so the statement around it may be sound otherwise. */
static void skip_strange(struct settings_tokens *tokens)
{
    size_t len = 0;

    if (span_starts_with(tokens->rest, "+=")) {
        span_take(&tokens->rest);
        settings_fault_add(tokens->faults, tokens->line,
                           "there is no +=: give the whole list with =");
        return;
    }
    while (len < tokens->rest.len && !is_blank(tokens->rest.data[len]) &&
           !is_in_word(tokens->rest.data[len]) &&
           strchr("{}=,\"'#", tokens->rest.data[len]) == NULL)
        len++;
    settings_fault_add(tokens->faults, tokens->line,
                       "unexpected %s; other values than plain words stand in quotes",
                       settings_fault_quote(tokens->faults, span_take_front(&tokens->rest, len)));
}

void settings_tokens_next(struct settings_tokens *tokens)
{
    for (;;) {
        char c;

        skip_blanks_and_comments(tokens);
        tokens->token = (struct settings_token){ SETTINGS_TOKEN_END, span_of("the end of the file"),
                                                 tokens->line };
        if (tokens->rest.len == 0)
            return;
        c = tokens->rest.data[0];
        if (is_in_word(c)) {
            tokens->token.kind = SETTINGS_TOKEN_WORD;
            tokens->token.text = take_word(tokens);
        } else if (c == '"' || c == '\'') {
            tokens->token.kind = SETTINGS_TOKEN_STRING;
            tokens->token.text = take_string(tokens);
        } else if (strchr("{}=,", c) != NULL) {
            tokens->token.kind = SETTINGS_TOKEN_MARK;
            tokens->token.text = span_take_front(&tokens->rest, 1);
        } else {
            skip_strange(tokens);
            continue;
        }
        return;
    }
}
