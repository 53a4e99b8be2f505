/* smtp/command_parse.c - reads the lines of a client: verbs, paths and parameters. */
#include "base/text.h"
#include "smtp/command.h"

static bool refuse(struct smtp_answer *answer, uint16_t code, const char *enhanced,
                   const char *text)
{
    *answer = (struct smtp_answer){ code, enhanced, text };
    return false;
}

static bool take_word(struct span *rest, struct span *word)
{
    *word = span_take_until(rest, ' ');
    while (rest->len > 0 && rest->data[0] == ' ')
        span_take(rest);
    return word->len > 0;
}

static bool is_visible(char c)
{
    return c > ' ' && c <= '~';
}

static bool is_upper_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* RFC 3461 section 4: visible ASCII but '+' and '=', or "+HH"; `with_utf8`: what is not ASCII, too. */
static bool is_xtext(struct span text, bool with_utf8)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] >= 0x80 && with_utf8)
            continue;
        if (!is_visible(text.data[i]) || text.data[i] == '=')
            return false;
        if (text.data[i] != '+')
            continue;
        if (text.len - i < 3 || !is_upper_hex(text.data[i + 1]) || !is_upper_hex(text.data[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

/* size-value = 1*20DIGIT: RFC 1870 section 3. The largest do not fit, and are UINT64_MAX: too large, and no bad syntax. */
static bool read_size(struct smtp_command *command, struct span value)
{
    command->has_size = true;
    command->size = UINT64_MAX;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    return value.len <= 20 && (text_to_number(value, UINT64_MAX, &command->size) || value.len > 0);
}

static bool read_body(struct smtp_command *command, struct span value)
{
    command->is_8bit = span_equal_nocase(value, span_of("8BITMIME"));
    return command->is_8bit || span_equal_nocase(value, span_of("7BIT"));
}

static bool read_utf8(struct smtp_command *command, struct span value)
{
    (void)value;
    return command->is_utf8 = true;
}

static bool read_requiretls(struct smtp_command *command, struct span value)
{
    (void)value;
    return command->requires_tls = true;
}

static bool read_return(struct smtp_command *command, struct span value)
{
    command->parts = span_equal_nocase(value, span_of("FULL"))   ? SMTP_COMMAND_RETURN_FULL
                     : span_equal_nocase(value, span_of("HDRS")) ? SMTP_COMMAND_RETURN_HDRS
                                                                 : SMTP_COMMAND_RETURN_NONE;
    return command->parts != SMTP_COMMAND_RETURN_NONE;
}

static bool read_envelope_id(struct smtp_command *command, struct span value)
{
    command->envelope_id = value;
    return value.len > 0 && value.len <= SMTP_COMMAND_ENVID_MOST && is_xtext(value, false);
}

/* "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY"), each once: RFC 3461 section 4.1 */
static bool read_notify(struct smtp_command *command, struct span value)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = { { "NEVER", SMTP_NOTIFY_NEVER },
                  { "SUCCESS", SMTP_NOTIFY_SUCCESS },
                  { "FAILURE", SMTP_NOTIFY_FAILURE },
                  { "DELAY", SMTP_NOTIFY_DELAY } };
    bool ends_in_comma = value.len > 0 && value.data[value.len - 1] == ',';

    while (value.len > 0) {
        struct span word = span_take_until(&value, ',');
        unsigned bit = 0;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
            if (span_equal_nocase(word, span_of(words[i].word)))
                bit = words[i].bit;
        if (bit == 0 || (command->notify & bit))
            return false;
        command->notify |= bit;
    }
    return !ends_in_comma && command->notify != 0 &&
           (!(command->notify & SMTP_NOTIFY_NEVER) || command->notify == SMTP_NOTIFY_NEVER);
}

/* addr-type ";" xtext: RFC 3461 section 4.2. Behind "utf-8;" UTF-8 may stand as it is, and '+' and '=' may as
 * little: RFC 6533 section 3. */
static bool read_original(struct smtp_command *command, struct span value)
{
    size_t type_len = span_find(value, ';');
    struct span text = span_part(value, type_len + 1, value.len);
    bool is_utf8 = span_starts_with_nocase(value, "utf-8;");

    command->original = value;
    if (type_len == 0 || text.len == 0 || value.len > SMTP_COMMAND_ORCPT_MOST)
        return false;
    for (size_t i = 0; i < type_len; i++)
        if (!is_visible(value.data[i]))
            return false;
    return is_xtext(text, is_utf8) && (!is_utf8 || text_is_utf8(text));
}

/* Parameters of MAIL and RCPT, one row each. */
static const struct parameter {
    const char *name;
    enum smtp_command_verb verb;
    uint32_t extension;
    bool has_value;
    bool (*read)(struct smtp_command *, struct span);
    const char *flaw;
} parameters[] = {
    { "SIZE", SMTP_COMMAND_MAIL, SMTP_EXTENSION_SIZE, true, read_size,
      "SIZE takes a number of octets" },
    { "BODY", SMTP_COMMAND_MAIL, SMTP_EXTENSION_8BITMIME, true, read_body,
      "BODY takes 7BIT or 8BITMIME" },
    { "SMTPUTF8", SMTP_COMMAND_MAIL, SMTP_EXTENSION_SMTPUTF8, false, read_utf8,
      "SMTPUTF8 takes no value" },
    { "REQUIRETLS", SMTP_COMMAND_MAIL, SMTP_EXTENSION_REQUIRETLS, false, read_requiretls,
      "REQUIRETLS takes no value" },
    { "RET", SMTP_COMMAND_MAIL, SMTP_EXTENSION_DSN, true, read_return, "RET takes FULL or HDRS" },
    { "ENVID", SMTP_COMMAND_MAIL, SMTP_EXTENSION_DSN, true, read_envelope_id,
      "ENVID takes xtext of 1 to 100 octets" },
    { "NOTIFY", SMTP_COMMAND_RCPT, SMTP_EXTENSION_DSN, true, read_notify,
      "NOTIFY takes NEVER, or some of SUCCESS, FAILURE and DELAY" },
    { "ORCPT", SMTP_COMMAND_RCPT, SMTP_EXTENSION_DSN, true, read_original,
      "ORCPT takes an address type, a semicolon and xtext, at most 500 octets" },
};

static bool read_parameter(struct smtp_command *command, struct span word, uint32_t extensions,
                           uint32_t *seen, struct smtp_answer *answer)
{
    bool has_value = span_find(word, '=') < word.len;
    struct span value = word, name = span_take_until(&value, '=');

    for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
        const struct parameter *row = &parameters[i];

        if (row->verb != command->verb || !(extensions & row->extension) ||
            !span_equal_nocase(name, span_of(row->name)))
            continue;
        if (*seen & 1U << i)
            return refuse(answer, 501, "5.5.4", "A parameter is given twice");
        *seen |= 1U << i;
        if (has_value != row->has_value || !row->read(command, value))
            return refuse(answer, 501, "5.5.4", row->flaw);
        return true;
    }
    return refuse(answer, 555, "5.5.4", "A parameter is not known, or was not offered here");
}

static bool read_parameters(struct smtp_command *command, struct span rest, uint32_t extensions,
                            struct smtp_answer *answer)
{
    struct span word;
    uint32_t seen = 0;

    while (take_word(&rest, &word))
        if (!read_parameter(command, word, extensions, &seen, answer))
            return false;
    return true;
}

/* Index of the bracket that closes the path which `text` opens: one in quotes does not. The text's
 * length where there is none. */
static size_t find_closing(struct span text)
{
    bool is_quoted = false;

    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '"')
            is_quoted = !is_quoted;
        else if (text.data[i] == '\\' && is_quoted)
            i++;
        else if (text.data[i] == '>' && !is_quoted)
            return i;
    }
    return text.len;
}

/* What stands between the brackets. "<>" is a reverse-path alone (RFC 5321 section 4.5.5), and
 * "<Postmaster>" a forward-path. A route of old, "@one,@two:user@host", is refused as RFC 5321
 * appendix C allows: nobody needs it, and it has been a way round relay rules. */
static bool read_mailbox(struct smtp_command *command, struct smtp_answer *answer)
{
    bool is_sender = command->verb == SMTP_COMMAND_MAIL;
    const char *enhanced = is_sender ? "5.1.7" : "5.1.3";
    struct smtp_address_flaw flaw;

    if (command->argument.len == 0)
        return is_sender || refuse(answer, 501, enhanced, "A recipient needs an address");
    if (!is_sender && span_equal_nocase(command->argument, span_of("Postmaster")))
        return command->is_postmaster = true;
    if (command->argument.data[0] == '@')
        return refuse(answer, 553, enhanced, "Source routes are not taken: give user@domain alone");
    if (!smtp_address_parse(command->argument, &command->address, &flaw))
        return refuse(answer, 501, enhanced, flaw.text);
    return true;
}

static bool read_path(struct smtp_command *command, struct span *rest, const char *keyword,
                      struct smtp_answer *answer)
{
    bool is_sender = command->verb == SMTP_COMMAND_MAIL;

    if (!span_starts_with_nocase(*rest, keyword))
        return refuse(answer, 501, "5.5.4",
                      is_sender ? "Say MAIL FROM:<address>" : "Say RCPT TO:<address>");
    span_take_front(rest, strlen(keyword));
    while (rest->len > 0 && rest->data[0] == ' ') /* wrong, common, and of one meaning */
        span_take(rest);
    size_t end = find_closing(*rest);

    if (rest->len == 0 || rest->data[0] != '<' || end == rest->len)
        return refuse(answer, 501, is_sender ? "5.1.7" : "5.1.3",
                      "An address stands in angle brackets");
    command->argument = span_part(*rest, 1, end - 1);
    span_take_front(rest, end + 1);
    if (rest->len > 0 && rest->data[0] != ' ')
        return refuse(answer, 501, "5.5.4", "A blank is due behind the address");
    while (rest->len > 0 && rest->data[0] == ' ')
        span_take(rest);
    return read_mailbox(command, answer);
}

/* RFC 6531 section 3.5 names the codes. */
static bool allow_utf8(const struct smtp_command *command, struct smtp_answer *answer)
{
    if (!command->address.is_utf8 || command->is_utf8)
        return true;
    return refuse(answer, 553, "5.6.7", "An address beyond ASCII needs SMTPUTF8");
}

static bool read_mail(struct smtp_command *command, struct span rest, uint32_t extensions,
                      struct smtp_answer *answer)
{
    return read_path(command, &rest, "FROM:", answer) &&
           read_parameters(command, rest, extensions, answer) && allow_utf8(command, answer);
}

static bool read_rcpt(struct smtp_command *command, struct span rest, uint32_t extensions,
                      struct smtp_answer *answer)
{
    return read_path(command, &rest, "TO:", answer) &&
           read_parameters(command, rest, extensions, answer);
}

/* The name is taken as it is, for what a client calls itself proves nothing. */
static bool read_hello(struct smtp_command *command, struct span rest, uint32_t extensions,
                       struct smtp_answer *answer)
{
    (void)extensions;
    command->argument = rest;
    for (size_t i = 0; i < rest.len; i++)
        if (!is_visible(rest.data[i]))
            return refuse(answer, 501, "5.5.4", "Say one name, or an address in brackets");
    if (rest.len == 0 || rest.len > 255)
        return refuse(answer, 501, "5.5.4", "Say your name, of at most 255 octets");
    return true;
}

/* bdat-cmd = "BDAT" SP chunk-size [SP "LAST"]: RFC 3030 section 2 */
static bool read_bdat(struct smtp_command *command, struct span rest, uint32_t extensions,
                      struct smtp_answer *answer)
{
    struct span number, last;

    (void)extensions;
    if (!take_word(&rest, &number) || !text_to_number(number, INT64_MAX, &command->size))
        return refuse(answer, 501, "5.5.4", "Say BDAT and a number of octets");
    command->is_last = take_word(&rest, &last);
    if ((command->is_last && !span_equal_nocase(last, span_of("LAST"))) || rest.len > 0)
        return refuse(answer, 501, "5.5.4", "Behind the number nothing but LAST may stand");
    return true;
}

static bool read_nothing(struct smtp_command *command, struct span rest, uint32_t extensions,
                         struct smtp_answer *answer)
{
    (void)command;
    (void)extensions;
    return rest.len == 0 || refuse(answer, 501, "5.5.4", "This command takes no argument");
}

static bool read_text(struct smtp_command *command, struct span rest, uint32_t extensions,
                      struct smtp_answer *answer)
{
    (void)extensions;
    command->argument = rest;
    return rest.len > 0 || command->verb != SMTP_COMMAND_VRFY ||
           refuse(answer, 501, "5.5.4", "Say whom");
}

static const struct {
    const char *word;
    enum smtp_command_verb verb;
    bool (*read)(struct smtp_command *, struct span, uint32_t, struct smtp_answer *);
} verbs[] = {
    { "EHLO", SMTP_COMMAND_EHLO, read_hello },
    { "HELO", SMTP_COMMAND_HELO, read_hello },
    { "STARTTLS", SMTP_COMMAND_STARTTLS, read_nothing },
    { "MAIL", SMTP_COMMAND_MAIL, read_mail },
    { "RCPT", SMTP_COMMAND_RCPT, read_rcpt },
    { "DATA", SMTP_COMMAND_DATA, read_nothing },
    { "BDAT", SMTP_COMMAND_BDAT, read_bdat },
    { "RSET", SMTP_COMMAND_RSET, read_nothing },
    { "NOOP", SMTP_COMMAND_NOOP, read_text },
    { "VRFY", SMTP_COMMAND_VRFY, read_text },
    { "HELP", SMTP_COMMAND_HELP, read_text },
    { "QUIT", SMTP_COMMAND_QUIT, read_nothing },
};

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' || line.data[i] == '\x7f')
            return true;
    return false;
}

static bool refuse_control(struct smtp_answer *answer)
{
    return refuse(answer, 500, "5.5.2", "The line holds a control character");
}

/* Why a word is none of ours, and the rest of its line; its verb in *verb. */
static bool refuse_word(struct span word, struct span rest, enum smtp_command_verb *verb,
                        struct smtp_answer *answer)
{
    static const char *const known[] = { "EXPN", "AUTH", "ETRN", "ATRN", "TURN", "BURL",
                                         "SEND", "SOML", "SAML", "LHLO", "VERB", "XCLIENT" };
    static const char *const foreign[] = { "GET",     "POST",    "HEAD",  "PUT",
                                           "OPTIONS", "CONNECT", "PATCH", "DELETE" };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (span_equal_nocase(word, span_of(known[i]))) {
            *verb = SMTP_COMMAND_KNOWN;
            return refuse(answer, 502, "5.5.1", "This command is not implemented");
        }
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        if (span_equal_nocase(word, span_of(foreign[i]))) {
            *verb = SMTP_COMMAND_FOREIGN;
            return refuse(answer, 500, "5.5.1", "This is SMTP and not HTTP");
        }
    if (has_control(word) || has_control(rest))
        return refuse_control(answer);
    return refuse(answer, 500, "5.5.1", "This command is not known");
}

bool smtp_command_parse(struct span line, uint32_t extensions, struct smtp_command *command,
                        struct smtp_answer *answer)
{
    struct span word;

    *command = (struct smtp_command){ .verb = SMTP_COMMAND_UNKNOWN };
    while (line.len > 0 && line.data[line.len - 1] == ' ') /* RFC 5321 section 4.1.1 */
        line.len--;
    take_word(&line, &word);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!span_equal_nocase(word, span_of(verbs[i].word)))
            continue;
        command->verb = verbs[i].verb;
        if (has_control(line))
            return refuse_control(answer);
        return verbs[i].read(command, line, extensions, answer);
    }
    return refuse_word(word, line, &command->verb, answer);
}
