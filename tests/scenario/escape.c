/* tests/scenario/escape.c - undoes the escapes of scenario files. */
#include "escape.h"

#include <string.h>

#include "base/text.h"

struct room {
    char *out;
    size_t size, used;
};

static bool add_bytes(struct room *room, char c, size_t count)
{
    if (count > room->size - room->used)
        return false;
    memset(room->out + room->used, c, count);
    room->used += count;
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    return found == NULL ? -1 : (int)(found - digits);
}

/* Behind a backslash: r n t \ 0, xHH, or {c*N} for N times c. */
static bool take_escape(struct room *room, struct span *text)
{
    static const char letters[] = "rnt\\0", meant[] = "\r\n\t\\";
    char c = text->len == 0 ? '!' : span_take(text);
    const char *known = c == '\0' ? NULL : strchr(letters, c);

    if (known != NULL)
        return add_bytes(room, meant[known - letters], 1);
    if (c == 'x' && text->len >= 2) {
        int high = hex_digit(span_take(text)), low = hex_digit(span_take(text));

        return high >= 0 && low >= 0 && add_bytes(room, (char)(high << 4 | low), 1);
    }
    if (c == '{' && text->len >= 4) {
        struct span inner = span_take_until(text, '}');
        char repeated = span_take(&inner);
        uint64_t count;

        return span_starts_with(inner, "*") &&
               text_to_number(span_part(inner, 1, inner.len), room->size, &count) &&
               add_bytes(room, repeated, (size_t)count);
    }
    return false;
}

bool escape_undo(struct span text, char *out, size_t size, size_t *len)
{
    struct room room = { out, size, 0 };

    while (text.len > 0) {
        char c = span_take(&text);

        if (c == '\\' ? !take_escape(&room, &text) : !add_bytes(&room, c, 1))
            return false;
    }
    *len = room.used;
    return true;
}
