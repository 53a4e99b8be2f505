/* fuzz/dot.c - a stuffed body ends once, holds no bare line end, and gives the body back.
 *
 * The first two bytes of the input are the sizes of the pieces and of the room.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MOST = 4096 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static size_t encode(struct smtp_dot_encoder *encoder, struct span body, size_t piece, size_t room,
                     char *wire)
{
    size_t used = 0;

    smtp_dot_init(encoder);
    while (body.len > 0 && encoder->flaw == SMTP_DOT_FINE) {
        struct span part = span_part(body, 0, piece);
        size_t offered = part.len, written = smtp_dot_feed(encoder, &part, wire + used, room);

        insist(written <= room);
        insist(written > 0 || part.len < offered || encoder->flaw != SMTP_DOT_FINE);
        used += written;
        span_take_front(&body, offered - part.len);
    }
    return used + smtp_dot_finish(encoder, wire + used);
}

/* Reads the wire as a strict server does: lines end in CRLF, a line of one dot ends the data. */
static size_t decode(struct span wire, char *body)
{
    size_t used = 0;

    for (;;) {
        const char *end = memmem(wire.data, wire.len, "\r\n", 2);

        insist(end != NULL);
        struct span line = span_take_front(&wire, (size_t)(end - wire.data));

        span_take_front(&wire, 2);
        insist(span_find(line, '\r') == line.len && span_find(line, '\n') == line.len);
        if (span_equal(line, span_of("."))) {
            insist(wire.len == 0);
            return used;
        }
        if (line.len > 0 && line.data[0] == '.')
            span_take_front(&line, 1);
        if (line.len > 0)
            memcpy(body + used, line.data, line.len);
        memcpy(body + used + line.len, "\r\n", 2);
        used += line.len + 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char wire[2 * BODY_MOST + 8], again[2 * BODY_MOST + 8], back[BODY_MOST + 8];
    struct smtp_dot_encoder whole, split;

    if (size < 2 || size > BODY_MOST)
        return 0;
    struct span body = { (const char *)data + 2, size - 2 };
    size_t len = encode(&whole, body, SIZE_MAX, sizeof wire - 5, wire);
    size_t len_again = encode(&split, body, data[0] % 16 + 1U, data[1] % 16 + 2U, again);

    insist(whole.flaw == split.flaw);
    insist(span_equal((struct span){ wire, len }, (struct span){ again, len_again }));
    if (whole.flaw != SMTP_DOT_FINE)
        return 0;
    size_t back_len = decode((struct span){ wire, len }, back);

    insist(back_len >= body.len && back_len <= body.len + 2);
    insist(body.len == 0 || memcmp(back, body.data, body.len) == 0);
    return 0;
}
