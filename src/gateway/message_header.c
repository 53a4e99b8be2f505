#include "gateway/message_header.h"

#include <string.h>

#include "base/text.h"
#include "smtp/header.h"

/* The first word of a field, which may begin in a folded line. */
static struct span first_word(struct span value)
{
    size_t len = 0;

    while (value.len > 0 && strchr(" \t\r\n", value.data[0]) != NULL)
        span_take_front(&value, 1);
    while (len < value.len && strchr(" \t\r\n", value.data[len]) == NULL)
        len++;
    return span_part(value, 0, len);
}

/* "No" is all that the field can say, with blanks around it. */
static bool says_no(struct span value)
{
    struct span word = first_word(value);
    size_t behind = (size_t)(word.data - value.data) + word.len;

    return word.len > 0 && span_equal_nocase(word, span_of("No")) &&
           first_word(span_part(value, behind, value.len)).len == 0;
}

struct message_header message_header_read(struct span message)
{
    struct message_header header = { .hops = 0 };
    struct smtp_field field;
    unsigned wishes = 0;

    while (smtp_header_next(&message, &field)) {
        header.has_8bit |= !text_is_ascii(field.whole);
        if (smtp_field_is(&field, "Received"))
            header.hops++;
        else if (smtp_field_is(&field, "TLS-Required"))
            header.tls_optional = wishes++ == 0 && says_no(field.value);
        else if (header.message_id.len == 0 && smtp_field_is(&field, "Message-ID"))
            header.message_id = first_word(field.value);
    }
    header.is_whole = smtp_header_take_end(&message);
    return header;
}
