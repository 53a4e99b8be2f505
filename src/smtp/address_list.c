#include "smtp/address_list.h"

#include <string.h>

#include "smtp/address.h"

enum token_kind { WORD, QUOTED, LITERAL, SPECIAL, END, BROKEN };

struct token {
    enum token_kind kind;
    char special; /* of SPECIAL */
    struct span text;
    size_t end; /* where the next one begins at the earliest */
};

/* The first flaw stays. */
static bool reject(struct smtp_address_list *list, const char *flaw, size_t at)
{
    if (list->flaw == NULL) {
        list->flaw = flaw;
        list->flaw_at = at;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* atext of RFC 5322 section 3.2.3, widened by RFC 6532 section 3.2. Brackets, braces and the like
 * that are not atext break a word as a blank does not: they are refused. */
static bool is_atext(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Leaves *at behind a comment, which may hold others. */
static bool skip_comment(struct smtp_address_list *list, size_t *at)
{
    size_t start = *at;
    unsigned depth = 0;

    for (; *at < list->text.len; ++*at) {
        char c = list->text.data[*at];

        if (c == '\\' && *at + 1 < list->text.len)
            ++*at;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0) {
            ++*at;
            return true;
        }
    }
    return reject(list, "a comment does not end", start);
}

static bool skip_blanks_and_comments(struct smtp_address_list *list, size_t *at)
{
    while (*at < list->text.len) {
        if (is_blank(list->text.data[*at]))
            ++*at;
        else if (list->text.data[*at] != '(')
            break;
        else if (!skip_comment(list, at))
            return false;
    }
    return true;
}

/* Up to the closing quote or bracket; `at` is on the opening one. 0: there is none. */
static size_t find_close(struct span text, size_t at, char close)
{
    for (at++; at < text.len; at++) {
        if (text.data[at] == close)
            return at;
        if (text.data[at] == '\\')
            at++;
    }
    return 0;
}

static struct token enclosed(struct smtp_address_list *list, size_t at, char close,
                             enum token_kind kind, const char *flaw)
{
    size_t end = find_close(list->text, at, close);

    if (end == 0) {
        reject(list, flaw, at);
        return (struct token){ .kind = BROKEN };
    }
    return (struct token){ kind, '\0', span_part(list->text, at, end + 1 - at), end + 1 };
}

/* What stands at list->at; blanks and comments before it are skipped for good. */
static struct token look(struct smtp_address_list *list)
{
    struct span text = list->text;
    size_t at, end;

    if (!skip_blanks_and_comments(list, &list->at))
        return (struct token){ .kind = BROKEN };
    at = end = list->at;
    if (at == text.len)
        return (struct token){ .kind = END, .end = at };
    if (text.data[at] == '"')
        return enclosed(list, at, '"', QUOTED, "a quote does not end");
    if (text.data[at] == '[')
        return enclosed(list, at, ']', LITERAL, "a bracket does not end");
    while (end < text.len && is_atext(text.data[end]))
        end++;
    if (end > at)
        return (struct token){ WORD, '\0', span_part(text, at, end - at), end };
    if (text.data[at] != '\0' && strchr("<>@,:;.", text.data[at]) != NULL)
        return (struct token){ SPECIAL, text.data[at], span_part(text, at, 1), at + 1 };
    reject(list, "a character stands there that only quotes allow", at);
    return (struct token){ .kind = BROKEN };
}

static bool is_special(const struct token *token, char c)
{
    return token->kind == SPECIAL && token->special == c;
}

static void move_behind(struct smtp_address_list *list, const struct token *token)
{
    list->at = token->end;
}

static bool add(struct smtp_address_list *list, struct smtp_listed *listed, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n')
            continue; /* a fold in a quoted string: its blank is kept, its line end is not */
        if (listed->len == SMTP_LISTED_BYTES)
            return reject(list, "an address is too long", list->at);
        listed->text[listed->len++] = text.data[i];
    }
    return true;
}

/* What a run of words can be. A display name may be as long as it likes. */
enum words { WORDS_ADDRESS, WORDS_PHRASE, WORDS_TOO_LONG };

/* word *("." word), with dots where they do not belong too: whether they do is judged at the end.
 * listed->end is behind the last of them. */
static bool take_words(struct smtp_address_list *list, struct smtp_listed *listed,
                       enum words *words)
{
    bool was_word = false;

    *words = WORDS_ADDRESS;
    for (;;) {
        struct token token = look(list);
        bool is_word = token.kind == WORD || token.kind == QUOTED;

        if (token.kind == BROKEN)
            return false;
        if (!is_word && !is_special(&token, '.'))
            return true;
        if (was_word && is_word)
            *words = WORDS_PHRASE;
        else if (*words == WORDS_ADDRESS && listed->len + token.text.len > SMTP_LISTED_BYTES)
            *words = WORDS_TOO_LONG;
        if (*words == WORDS_ADDRESS && !add(list, listed, token.text))
            return false;
        was_word = is_word;
        move_behind(list, &token);
        listed->end = token.end;
    }
}

/* `phrase` is the flaw where several words stand. */
static bool insist_on_address(struct smtp_address_list *list, enum words words, const char *phrase,
                              size_t at)
{
    if (words == WORDS_PHRASE)
        return reject(list, phrase, at);
    return words == WORDS_ADDRESS || reject(list, "an address is too long", at);
}

/* "@" has been seen, not taken. */
static bool take_domain(struct smtp_address_list *list, struct smtp_listed *listed)
{
    struct token token = look(list);
    bool has_some = false, was_dot = true;

    move_behind(list, &token);
    if (!add(list, listed, token.text))
        return false;
    listed->has_domain = true;
    for (;; has_some = true) {
        bool is_part;

        token = look(list);
        is_part = (token.kind == WORD && was_dot) || is_special(&token, '.') ||
                  (token.kind == LITERAL && !has_some);
        was_dot = is_special(&token, '.');
        if (token.kind == BROKEN)
            return false;
        if (!is_part)
            break;
        if (!add(list, listed, token.text))
            return false;
        move_behind(list, &token);
    }
    return has_some || reject(list, "there is no domain behind the @", list->at);
}

/* obs-route of RFC 5322 section 4.4: "@a,@b:", which is dropped. */
static bool skip_route(struct smtp_address_list *list)
{
    struct token token = look(list);
    struct smtp_listed hop;

    if (!is_special(&token, '@'))
        return token.kind != BROKEN;
    while (is_special(&token, '@') || is_special(&token, ',')) {
        hop.len = 0;
        if (is_special(&token, ','))
            move_behind(list, &token);
        else if (!take_domain(list, &hop))
            return false;
        token = look(list);
    }
    if (!is_special(&token, ':'))
        return reject(list, "a route before an address does not end in a colon", list->at);
    move_behind(list, &token);
    return true;
}

static bool judge(struct smtp_address_list *list, struct smtp_listed *listed, size_t start)
{
    static const struct span domain = { "@x.test", 7 };
    char whole[SMTP_LISTED_BYTES + 8];
    struct smtp_address address;
    struct smtp_address_flaw flaw;
    size_t len = listed->len;

    listed->text[len] = '\0';
    if (len == 0)
        return true;
    memcpy(whole, listed->text, len);
    if (!listed->has_domain) {
        memcpy(whole + len, domain.data, domain.len);
        len += domain.len;
    }
    return smtp_address_parse((struct span){ whole, len }, &address, &flaw) ||
           reject(list, flaw.text, start);
}

/* "<" has been seen, not taken. */
static bool take_angle(struct smtp_address_list *list, struct smtp_listed *listed)
{
    struct token token = look(list);
    enum words words;

    move_behind(list, &token);
    listed->len = 0;
    if (!skip_route(list) || !take_words(list, listed, &words))
        return false;
    token = look(list);
    if (!insist_on_address(list, words, "several words stand where an address should be", list->at))
        return false;
    if (is_special(&token, '@') && !take_domain(list, listed))
        return false;
    token = look(list);
    if (!is_special(&token, '>'))
        return reject(list, "an address in brackets does not end in >", list->at);
    move_behind(list, &token);
    return true;
}

/* An address must be followed by a comma, the end of its group, or nothing. */
static bool take_separator(struct smtp_address_list *list)
{
    struct token token = look(list);

    if (token.kind == BROKEN)
        return false;
    if (is_special(&token, ','))
        move_behind(list, &token);
    else if (token.kind != END && !is_special(&token, ';'))
        return reject(list, "a comma is missing between two addresses", list->at);
    return true;
}

/* The end of a group, a comma that separates nothing: section 4.4, obs-addr-list. */
static bool skip_between(struct smtp_address_list *list, struct token *token)
{
    for (;;) {
        *token = look(list);
        if (is_special(token, ';') && !list->is_in_group)
            return reject(list, "a semicolon stands outside a group", list->at);
        if (is_special(token, ';'))
            list->is_in_group = false;
        else if (!is_special(token, ','))
            return token->kind != BROKEN;
        move_behind(list, token);
    }
}

/* What begins at list->at: a mailbox (*is_group false), or the name of a group and its colon. */
static bool take_element(struct smtp_address_list *list, struct smtp_listed *listed, bool *is_group)
{
    size_t start = list->at;
    struct token token;
    enum words words;

    *listed = (struct smtp_listed){ .end = start };
    if (!take_words(list, listed, &words))
        return false;
    token = look(list);
    *is_group = is_special(&token, ':') && !list->is_in_group;
    if (*is_group) {
        move_behind(list, &token);
        list->is_in_group = true;
        return true;
    }
    if (is_special(&token, '<'))
        return take_angle(list, listed) && judge(list, listed, start) && take_separator(list);
    if (!insist_on_address(list, words, "several words stand there and no address in brackets",
                           start))
        return false;
    if (is_special(&token, '@') && !take_domain(list, listed))
        return false;
    if (listed->len == 0)
        return reject(list, "an address is missing there", start);
    return judge(list, listed, start) && take_separator(list);
}

void smtp_address_list_init(struct smtp_address_list *list, struct span text)
{
    *list = (struct smtp_address_list){ .text = text };
}

enum smtp_address_list_status smtp_address_list_next(struct smtp_address_list *list,
                                                     struct smtp_listed *listed)
{
    bool is_group = true;
    struct token token;

    while (is_group && list->flaw == NULL) {
        if (!skip_between(list, &token))
            break;
        if (token.kind == END && list->is_in_group)
            reject(list, "a group does not end in a semicolon", token.end);
        else if (token.kind == END)
            return SMTP_LISTED_END;
        else if (take_element(list, listed, &is_group) && !is_group)
            return SMTP_LISTED_ADDRESS;
    }
    return SMTP_LISTED_BROKEN;
}
