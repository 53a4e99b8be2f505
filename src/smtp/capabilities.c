#include "smtp/capabilities.h"

#include "base/compiler.h"
#include "base/text.h"

/* What may stand behind a keyword, so far as it tells a keyword from a host's name. */
enum parameters {
    WITHOUT, /* takes none */
    NUMBER,  /* a number or none */
    WORDS,   /* words in capitals, digits and signs, or none */
};

static const struct {
    const char *name;
    enum smtp_extension extension;
    enum parameters parameters;
} keywords[] = {
    { "STARTTLS", SMTP_EXTENSION_STARTTLS, WITHOUT },
    { "PIPELINING", SMTP_EXTENSION_PIPELINING, WITHOUT },
    { "SIZE", SMTP_EXTENSION_SIZE, NUMBER },
    { "8BITMIME", SMTP_EXTENSION_8BITMIME, WITHOUT },
    { "SMTPUTF8", SMTP_EXTENSION_SMTPUTF8, WITHOUT },
    { "DSN", SMTP_EXTENSION_DSN, WITHOUT },
    { "ENHANCEDSTATUSCODES", SMTP_EXTENSION_ENHANCEDSTATUSCODES, WITHOUT },
    { "CHUNKING", SMTP_EXTENSION_CHUNKING, WITHOUT },
    { "BINARYMIME", SMTP_EXTENSION_BINARYMIME, WITHOUT },
    { "REQUIRETLS", SMTP_EXTENSION_REQUIRETLS, WITHOUT },
    { "LIMITS", SMTP_EXTENSION_LIMITS, WORDS },
    { "AUTH", SMTP_EXTENSION_AUTH, WORDS },
};

const char *smtp_extension_name(enum smtp_extension extension)
{
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
        if (keywords[i].extension == extension)
            return keywords[i].name;
    return "unknown";
}

static bool is_letter(char c)
{
    return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

static bool has_lower_case(struct span word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.data[i] >= 'a' && word.data[i] <= 'z')
            return true;
    return false;
}

/* Spaces, tabs and stray carriage returns at the end carry no meaning. */
static struct span trim_line(struct span line)
{
    while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1]) != NULL &&
           line.data[line.len - 1] != '\0')
        line.len--;
    return line;
}

/* The first word; the rest without blanks in front stays in *line. */
static struct span take_word(struct span *line)
{
    size_t at = 0;

    while (at < line->len && line->data[at] != ' ' && line->data[at] != '\t')
        at++;
    struct span word = span_take_front(line, at);

    *line = span_trim(*line);
    return word;
}

/* The row of a keyword, or the number of rows where it is not one of ours. */
static size_t find_keyword(struct span word)
{
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
        if (span_equal_nocase(word, span_of(keywords[i].name)))
            return i;
    return ARRAY_SIZE(keywords);
}

/* limits-name-value of RFC 9422 section 3. */
static void read_limits(struct smtp_capabilities *capabilities, struct span parameters)
{
    struct {
        const char *name;
        uint32_t *value;
    } limits[] = {
        { "RCPTMAX", &capabilities->limit_recipients },
        { "MAILMAX", &capabilities->limit_mails },
        { "RCPTDOMAINMAX", &capabilities->limit_domains },
    };

    while (parameters.len > 0) {
        struct span value = take_word(&parameters), name = span_take_until(&value, '=');
        uint64_t number;

        for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
            if (span_equal_nocase(name, span_of(limits[i].name)) &&
                text_to_number(value, UINT32_MAX, &number))
                *limits[i].value = (uint32_t)number;
    }
}

static void take_keyword(struct smtp_capabilities *capabilities, size_t row, struct span word,
                         struct span parameters, uint16_t index)
{
    capabilities->extensions |= keywords[row].extension;
    capabilities->is_lower_case |= has_lower_case(word);
    if (keywords[row].extension == SMTP_EXTENSION_STARTTLS) {
        capabilities->starttls_line = index;
        capabilities->starttls_has_parameter = parameters.len > 0;
    } else if (keywords[row].extension == SMTP_EXTENSION_SIZE) {
        if (!text_to_number(parameters, UINT64_MAX, &capabilities->size_most))
            capabilities->size_most = 0;
    } else if (keywords[row].extension == SMTP_EXTENSION_LIMITS) {
        read_limits(capabilities, parameters);
    }
}

static bool is_filler(char c)
{
    return c != '\0' && strchr("Xx*#?.-_~", c) != NULL;
}

/* STARTTLS with some of its letters overwritten: each a filler ("STARXXXX"), or at most two
 * of them by anything ("STARTTLY"). */
static bool is_masked_starttls(struct span word)
{
    static const char name[] = "STARTTLS";
    size_t changed = 0, filled = 0;

    if (word.len != strlen(name))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (text_lower(word.data[i]) == text_lower(name[i]))
            continue;
        changed++;
        filled += is_filler(word.data[i]);
    }
    return changed > 0 && (changed == filled || changed <= 2);
}

/* What inspecting firewalls leave of a keyword: one sign again and again, perhaps with a letter
 * at the end that counts the lines ("XXXXXXXA"). "X-..." and the like are private keywords. */
static bool is_masked(struct span word)
{
    size_t run = 0;

    if (word.len > 0 && strchr("Xx*#", word.data[0]) != NULL && word.data[0] != '\0')
        while (run < word.len && word.data[run] == word.data[0])
            run++;
    return run >= 3 && (run == word.len || (run + 1 == word.len && is_letter(word.data[run])));
}

/* The first masked line counts, but one that has the length of STARTTLS before all others. */
static void note_masked(struct smtp_capabilities *capabilities, struct span word, uint16_t index,
                        bool *is_certain)
{
    bool is_starttls = is_masked_starttls(word) || (is_masked(word) && word.len == 8);

    if (*is_certain || !(is_starttls || (is_masked(word) && capabilities->masked_line == 0)))
        return;
    capabilities->masked_line = index;
    *is_certain = is_starttls;
}

static bool is_capital_or_sign(char c)
{
    return (c >= ' ' && c < 'a') || (c > 'z' && c <= '~');
}

static bool parameters_fit(size_t row, struct span parameters)
{
    uint64_t number;

    if (parameters.len == 0)
        return true;
    switch (keywords[row].parameters) {
    case WITHOUT: return false;
    case NUMBER: return text_to_number(parameters, UINT64_MAX, &number);
    case WORDS: break;
    }
    for (size_t i = 0; i < parameters.len; i++)
        if (!is_capital_or_sign(parameters.data[i]))
            return false;
    return true;
}

/* ehlo-ok-rsp = "250" SP Domain [ SP ehlo-greet ] / "250-" Domain [ SP ehlo-greet ] ...: behind
 * the code a domain is due. A keyword with just what that keyword takes is no domain; a host may
 * well be called "size.example", or greet with "dsn Hello". */
static void read_first_line(struct smtp_capabilities *capabilities, struct span line)
{
    struct span word = take_word(&line);
    size_t row = find_keyword(span_part(word, 0, span_find(word, '=')));

    if (row < ARRAY_SIZE(keywords) && parameters_fit(row, line))
        capabilities->on_greeting_line = keywords[row].extension;
}

void smtp_capabilities_parse(struct smtp_capabilities *capabilities, const struct smtp_reply *reply)
{
    bool is_certain = false;

    *capabilities = (struct smtp_capabilities){ 0 };
    read_first_line(capabilities, trim_line(smtp_reply_line(reply, 0)));
    for (uint16_t index = 1; index < reply->line_count; index++) {
        struct span line = trim_line(smtp_reply_line(reply, index)), word = take_word(&line);
        size_t row = find_keyword(word);

        /* "AUTH=LOGIN" is for clients from before RFC 2554 */
        if (row == ARRAY_SIZE(keywords) && span_starts_with_nocase(word, "AUTH="))
            row = find_keyword(span_of("AUTH"));
        if (row < ARRAY_SIZE(keywords))
            take_keyword(capabilities, row, word, line, index);
        else
            note_masked(capabilities, word, index, &is_certain);
    }
}
