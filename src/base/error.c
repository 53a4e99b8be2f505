#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* What does not fit is cut, between two characters. */
PRINTF_LIKE(2, 0)
static void write_text(struct error *err, const char *format, va_list arguments)
{
    int len = vsnprintf(err->text, sizeof err->text, format, arguments);
    struct span whole = { err->text, sizeof err->text };

    if (len >= (int)sizeof err->text)
        err->text[text_front(whole, sizeof err->text - 1).len] = '\0';
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    err->kind = kind;
    va_start(arguments, format);
    write_text(err, format, arguments);
    va_end(arguments);
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    char inner[sizeof err->text];
    va_list arguments;
    size_t used;

    if (err == NULL)
        return false;
    memcpy(inner, err->text, sizeof inner);
    va_start(arguments, format);
    write_text(err, format, arguments);
    va_end(arguments);
    used = strlen(err->text);
    if (used + 3 < sizeof err->text) { /* room for ": " and something behind it */
        struct span kept = text_front(span_of(inner), sizeof inner - used - 3);

        memcpy(err->text + used, ": ", 2);
        used += 2;
        memcpy(err->text + used, kept.data, kept.len);
        err->text[used + kept.len] = '\0';
    }
    return false;
}

enum error_kind error_kind_of(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? ERROR_FULL : ERROR_SYSTEM;
}
