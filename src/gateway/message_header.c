#include "gateway/message_header.h"

/* The line up to its LF, which is taken too. */
static struct span take_line(struct span *rest)
{
    struct span line = span_take_until(rest, '\n');

    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_folded(struct span line)
{
    return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

/* "Name:" or, as RFC 5322 section 4.5 has to put up with, "Name :". */
static bool has_name(struct span line, const char *name, struct span *value)
{
    size_t colon = span_find(line, ':');

    *value = span_trim(span_part(line, colon + 1, line.len));
    return colon < line.len &&
           span_equal_nocase(span_trim(span_part(line, 0, colon)), span_of(name));
}

struct message_header message_header_read(struct span message)
{
    struct message_header header = { .hops = 0 };
    bool wants_id = false; /* the field's name stood alone in its line */

    while (message.len > 0) {
        struct span line = take_line(&message), value;

        if (line.len == 0)
            break;
        if (is_folded(line)) {
            if (wants_id)
                header.message_id = span_trim(line);
            wants_id = wants_id && header.message_id.len == 0;
            continue;
        }
        wants_id = false;
        if (has_name(line, "Received", &value)) {
            header.hops++;
        } else if (header.message_id.len == 0 && has_name(line, "Message-ID", &value)) {
            header.message_id = value;
            wants_id = value.len == 0;
        }
    }
    return header;
}
