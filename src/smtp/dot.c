#include "smtp/dot.h"

#include <assert.h>

void smtp_dot_init(struct smtp_dot_encoder *encoder)
{
    *encoder = (struct smtp_dot_encoder){ .at_line_start = true };
}

/* Length of the front that goes out as it is: no line end, no NUL, no dot to be doubled. */
static size_t plain_len(struct span body, bool at_line_start)
{
    size_t len = 0;

    if (body.len > 0 && at_line_start && body.data[0] == '.')
        return 0;
    while (len < body.len && body.data[len] != '\r' && body.data[len] != '\n' &&
           body.data[len] != '\0')
        len++;
    return len;
}

static void copy_out(char *out, struct span bytes)
{
    if (bytes.len > 0)
        memcpy(out, bytes.data, bytes.len);
}

/* One byte that is not plain. A CR is held back until its LF has come, so that a bare one never
 * goes out. Returns how many bytes it wrote. */
static size_t take_special(struct smtp_dot_encoder *encoder, struct span *body, char *out)
{
    char c = body->data[0];

    if (encoder->after_cr ? c != '\n' : c == '\n' || c == '\0') {
        encoder->flaw = encoder->after_cr ? SMTP_DOT_BARE_CR
                        : c == '\n'       ? SMTP_DOT_BARE_LF
                                          : SMTP_DOT_NUL;
        return 0;
    }
    span_take_front(body, 1);
    if (c == '\r') {
        encoder->after_cr = true;
        return 0;
    }
    copy_out(out, c == '\n' ? span_of("\r\n") : span_of(".."));
    encoder->after_cr = false;
    encoder->at_line_start = c == '\n';
    return 2;
}

size_t smtp_dot_feed(struct smtp_dot_encoder *encoder, struct span *body, char *out, size_t size)
{
    size_t used = 0;

    assert(size >= 2);
    while (encoder->flaw == SMTP_DOT_FINE && body->len > 0 && size - used >= 2) {
        size_t len = encoder->after_cr ? 0 : plain_len(*body, encoder->at_line_start);
        struct span plain = span_take_front(body, len < size - used ? len : size - used);

        encoder->is_started = true;
        if (plain.len > 0) {
            copy_out(out + used, plain);
            used += plain.len;
            encoder->at_line_start = false;
        } else {
            used += take_special(encoder, body, out + used);
        }
    }
    return used;
}

size_t smtp_dot_finish(struct smtp_dot_encoder *encoder, char out[5])
{
    struct span end = encoder->at_line_start ? span_of(".\r\n") : span_of("\r\n.\r\n");

    if (encoder->after_cr && encoder->flaw == SMTP_DOT_FINE)
        encoder->flaw = SMTP_DOT_BARE_CR;
    if (encoder->flaw != SMTP_DOT_FINE)
        return 0;
    copy_out(out, end);
    return end.len;
}
