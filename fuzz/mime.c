/* fuzz/mime.c - whatever a message says of its parts, they lie inside of it, end, and are decoded within bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/header.h"
#include "smtp/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 64 << 20, DEPTH_MOST = 6 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static bool lies_in(struct span part, struct span whole)
{
    return part.len == 0 || (part.data >= whole.data && part.len <= whole.len &&
                             (size_t)(part.data - whole.data) <= whole.len - part.len);
}

/* The fields stand one behind the other, and are all of the header. */
static void check_header(struct span entity)
{
    struct span rest = entity;
    struct smtp_field field;
    size_t len = 0;

    while (smtp_header_next(&rest, &field)) {
        insist(field.whole.data == entity.data + len && field.name.len > 0);
        insist(lies_in(field.name, field.whole) && lies_in(field.value, field.whole));
        len += field.whole.len;
    }
    insist(len == smtp_header_len(entity));
    (void)smtp_header_take_end(&rest);
    insist(rest.len <= entity.len - len && lies_in(rest, entity));
}

/* No encoding makes more of a body than it was. */
static void check_decoded(const struct smtp_mime *mime, struct arena *arena)
{
    const char *flaw = NULL;
    struct buffer out;

    buffer_init(&out, mime->body.len);
    if (!smtp_mime_decode(mime, &out, arena, &flaw))
        insist(flaw != NULL && flaw[0] != '\0');
    else if (mime->encoding == SMTP_MIME_PLAIN)
        insist(span_equal(buffer_span(&out), mime->body));
    buffer_clear(&out);
}

static void check_entity(struct span entity, struct arena *arena, unsigned depth)
{
    struct smtp_mime mime = smtp_mime_read(entity, arena);
    struct span rest, part;
    const char *end = entity.data;

    check_header(entity);
    insist(lies_in(mime.header, entity) && lies_in(mime.body, entity));
    insist(mime.name != NULL && mime.type.len > 0);
    insist(mime.boundary == NULL || strlen(mime.boundary) <= SMTP_MIME_BOUNDARY_MOST);
    check_decoded(&mime, arena);
    if (!smtp_mime_is_multipart(&mime) || depth == DEPTH_MOST)
        return;
    rest = smtp_mime_parts(&mime);
    while (smtp_mime_next(&mime, &rest, &part)) {
        insist(lies_in(part, mime.body) && lies_in(rest, mime.body));
        insist(part.len == 0 || part.data >= end); /* behind the one before */
        if (part.len > 0)
            end = part.data + part.len;
        check_entity(part, arena, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;

    arena_init(&arena, ARENA);
    check_entity((struct span){ (const char *)data, size }, &arena, 0);
    arena_clear(&arena);
    return 0;
}
