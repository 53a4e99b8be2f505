/* fuzz/field_drop.c - a field that is taken out of a stream is the one that the whole header shows.
 *
 * The first two bytes of the input are the sizes of the pieces, in turn.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/field_drop.h"
#include "smtp/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line that is longer may hide a field: so none is. */
enum { MESSAGE_MOST = SMTP_FIELD_DROP_HELD };

static const char name[] = "Return-Path";

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static size_t add(char *out, size_t len, struct span part)
{
    insist(part.len <= MESSAGE_MOST - len);
    if (part.len > 0)
        memcpy(out + len, part.data, part.len);
    return len + part.len;
}

static size_t drop_whole(struct span message, char *out)
{
    struct smtp_field field;
    size_t len = 0;

    while (smtp_header_next(&message, &field))
        if (!smtp_field_is(&field, name))
            len = add(out, len, field.whole);
    return add(out, len, message);
}

static size_t drop_in_pieces(struct span message, const uint8_t sizes[2], char *out)
{
    struct smtp_field_drop drop;
    size_t len = 0;

    smtp_field_drop_init(&drop, name);
    for (size_t turn = 0; message.len > 0; turn++) {
        struct span input = span_take_front(&message, sizes[turn % 2] + 1U);

        while (input.len > 0) {
            size_t before = input.len;
            struct span kept = smtp_field_drop_next(&drop, &input);

            len = add(out, len, kept);
            insist(input.len <= before);
        }
    }
    return add(out, len, smtp_field_drop_end(&drop));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[MESSAGE_MOST], pieces[MESSAGE_MOST];

    if (size < 2 || size - 2 > MESSAGE_MOST)
        return 0;
    struct span message = { (const char *)data + 2, size - 2 };
    size_t whole_len = drop_whole(message, whole);
    size_t pieces_len = drop_in_pieces(message, data, pieces);

    insist(span_equal((struct span){ whole, whole_len }, (struct span){ pieces, pieces_len }));
    return 0;
}
