#include "smtp/command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == '\x7f';
}

bool smtp_command_path_is_safe(const char *path, bool allow_utf8)
{
    bool is_quoted = false;
    size_t i = 0;

    for (; path[i] != '\0'; i++) {
        char c = path[i];

        if (i >= SMTP_COMMAND_PATH_MOST || is_control(c) ||
            (!allow_utf8 && (unsigned char)c >= 0x80) ||
            (!is_quoted && (c == ' ' || c == '<' || c == '>' || c == '\\')))
            return false;
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_control(path[++i]))
            return false; /* the end of the text is a control, too */
    }
    return !is_quoted && i <= SMTP_COMMAND_PATH_MOST;
}

bool smtp_command_value_is_safe(const char *value, size_t most)
{
    size_t len = 0;

    for (; value[len] != '\0'; len++)
        if (len == most || value[len] <= ' ' || value[len] > '~')
            return false;
    return len > 0;
}

PRINTF_LIKE(3, 4)
static void add(char *out, size_t *len, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int added = vsnprintf(out + *len, SMTP_COMMAND_BYTES - *len, format, arguments);

    va_end(arguments);
    assert(added >= 0 && (size_t)added < SMTP_COMMAND_BYTES - *len);
    *len += (size_t)added;
}

size_t smtp_command_format_mail(char *out, const struct smtp_client_message *message,
                                uint32_t extensions)
{
    size_t len = 0;

    add(out, &len, "MAIL FROM:<%s>", message->sender);
    if ((extensions & SMTP_EXTENSION_SIZE) && message->size_bytes > 0)
        add(out, &len, " SIZE=%" PRIu64, message->size_bytes);
    if ((extensions & SMTP_EXTENSION_8BITMIME) && message->is_8bit)
        add(out, &len, " BODY=8BITMIME");
    if ((extensions & SMTP_EXTENSION_SMTPUTF8) && message->is_utf8)
        add(out, &len, " SMTPUTF8");
    if ((extensions & SMTP_EXTENSION_REQUIRETLS) && message->requires_tls)
        add(out, &len, " REQUIRETLS");
    if ((extensions & SMTP_EXTENSION_DSN) && message->return_part != NULL)
        add(out, &len, " RET=%s", message->return_part);
    if ((extensions & SMTP_EXTENSION_DSN) && message->envelope_id != NULL)
        add(out, &len, " ENVID=%s", message->envelope_id);
    add(out, &len, "\r\n");
    return len;
}

/* notify-list = "NEVER" / ("SUCCESS" / "FAILURE" / "DELAY") *("," ...) */
static void add_notify(char *out, size_t *len, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {
        { SMTP_NOTIFY_NEVER, "NEVER" },
        { SMTP_NOTIFY_SUCCESS, "SUCCESS" },
        { SMTP_NOTIFY_FAILURE, "FAILURE" },
        { SMTP_NOTIFY_DELAY, "DELAY" },
    };
    const char *before = " NOTIFY=";

    if (notify & SMTP_NOTIFY_NEVER) /* it stands alone */
        notify = SMTP_NOTIFY_NEVER;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!(notify & words[i].bit))
            continue;
        add(out, len, "%s%s", before, words[i].word);
        before = ",";
    }
}

size_t smtp_command_format_rcpt(char *out, const struct smtp_client_recipient *recipient,
                                uint32_t extensions)
{
    size_t len = 0;

    add(out, &len, "RCPT TO:<%s>", recipient->address);
    if (extensions & SMTP_EXTENSION_DSN)
        add_notify(out, &len, recipient->notify);
    if ((extensions & SMTP_EXTENSION_DSN) && recipient->original != NULL)
        add(out, &len, " ORCPT=%s", recipient->original);
    add(out, &len, "\r\n");
    return len;
}
