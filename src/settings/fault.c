#include "settings/fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

enum { ARENA_BYTES = 256 * 1024, TEXT_BYTES = 1024, QUOTE_BYTES = 80 };

void settings_fault_init(struct settings_faults *faults, const char *file)
{
    *faults = (struct settings_faults){ 0 };
    arena_init(&faults->arena, ARENA_BYTES);
    faults->file = arena_copy(&faults->arena, span_of(file));
}

void settings_fault_clear(struct settings_faults *faults)
{
    arena_clear(&faults->arena);
    *faults = (struct settings_faults){ 0 };
}

static void add(struct settings_faults *faults, unsigned line, bool is_warning, const char *format,
                va_list arguments) __attribute__((format(printf, 4, 0)));

static void add(struct settings_faults *faults, unsigned line, bool is_warning, const char *format,
                va_list arguments)
{
    char text[TEXT_BYTES];

    faults->fault_count += !is_warning;
    if (faults->count == SETTINGS_FAULTS_MOST) {
        faults->left_out++;
        return;
    }
    vsnprintf(text, sizeof text, format, arguments);
    faults->list[faults->count++] =
        (struct settings_fault){ line, is_warning, arena_copy(&faults->arena, span_of(text)) };
}

void settings_fault_add(struct settings_faults *faults, unsigned line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(faults, line, false, format, arguments);
    va_end(arguments);
}

void settings_fault_warn(struct settings_faults *faults, unsigned line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(faults, line, true, format, arguments);
    va_end(arguments);
}

const char *settings_fault_quote(struct settings_faults *faults, struct span text)
{
    const char *shown = text_printable(&faults->arena, span_part(text, 0, QUOTE_BYTES), false);

    return text.len <= QUOTE_BYTES ? shown : arena_format(&faults->arena, "%s...", shown);
}

/* Few and nearly in order; equal lines stay in the order in which they were found. */
void settings_fault_sort(struct settings_faults *faults)
{
    for (size_t i = 1; i < faults->count; i++) {
        struct settings_fault moved = faults->list[i];
        size_t place = i;

        for (; place > 0 && faults->list[place - 1].line > moved.line; place--)
            faults->list[place] = faults->list[place - 1];
        faults->list[place] = moved;
    }
}

static bool format_one(const char *file, const struct settings_fault *fault, struct buffer *text)
{
    const char *kind = fault->is_warning ? "warning: " : "";

    if (fault->line == 0)
        return buffer_format(text, "%s: %s%s\n", file, kind, fault->text);
    return buffer_format(text, "%s:%u: %s%s\n", file, fault->line, kind, fault->text);
}

bool settings_fault_format(const struct settings_faults *faults, struct buffer *text)
{
    for (size_t i = 0; i < faults->count; i++)
        if (!format_one(faults->file, &faults->list[i], text))
            return false;
    return faults->left_out == 0 ||
           buffer_format(text, "%s: and %zu more\n", faults->file, faults->left_out);
}
