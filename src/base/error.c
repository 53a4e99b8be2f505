#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    err->kind = kind;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
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
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    used = strlen(err->text);
    if (used + 3 < sizeof err->text) { /* room for ": " and something behind it */
        memcpy(err->text + used, ": ", 2);
        used += 2;
        inner[sizeof inner - used - 1] = '\0';
        memcpy(err->text + used, inner, strlen(inner) + 1);
    }
    return false;
}
