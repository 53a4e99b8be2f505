/* fuzz/reply.c - replies are read alike however the bytes are split, and within the lent storage.
 *
 * The first byte of the input is the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    struct smtp_reply_parser parser;
    char storage[1024];
    struct smtp_reply reply;
};

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* Takes bytes of *rest in pieces until a reply is whole or broken, or all are taken. */
static enum smtp_reply_status read_reply(struct reader *reader, struct span *rest, size_t piece)
{
    enum smtp_reply_status status = SMTP_REPLY_PARTIAL;

    while (status == SMTP_REPLY_PARTIAL && rest->len > 0) {
        struct span part = span_part(*rest, 0, piece);
        size_t offered = part.len;

        status = smtp_reply_feed(&reader->parser, &part, &reader->reply);
        insist(status != SMTP_REPLY_PARTIAL || part.len == 0);
        span_take_front(rest, offered - part.len);
    }
    return status;
}

static void check_reply(const struct smtp_reply *reply, enum smtp_reply_status status,
                        struct span taken)
{
    insist(span_equal(reply->raw, taken));
    insist(reply->line_count >= 1 && reply->line_count <= SMTP_REPLY_LINES_MOST);
    insist(smtp_reply_line(reply, reply->line_count).data == NULL);
    for (size_t i = 0; i < reply->line_count; i++)
        insist(memchr(smtp_reply_line(reply, i).data, '\n', smtp_reply_line(reply, i).len) == NULL);
    insist(smtp_reply_enhanced_status(reply).len <= strlen("5.123.123"));
    insist((status == SMTP_REPLY_BROKEN) == (reply->flaws >= SMTP_REPLY_FLAW_NOT_A_CODE));
    insist(status == SMTP_REPLY_BROKEN || (reply->code >= 200 && reply->code <= 599));
    insist(status == SMTP_REPLY_BROKEN || taken.data[taken.len - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reader whole, split;
    size_t piece = size == 0 ? 1 : data[0] % 16 + 1U;
    struct span rest = { (const char *)data + (size > 0), size - (size > 0) }, again = rest;
    enum smtp_reply_status status = SMTP_REPLY_WHOLE;

    smtp_reply_init(&whole.parser, whole.storage, sizeof whole.storage);
    smtp_reply_init(&split.parser, split.storage, sizeof split.storage);
    while (status == SMTP_REPLY_WHOLE && rest.len > 0) {
        struct span taken = rest;

        status = read_reply(&whole, &rest, SIZE_MAX);
        insist(read_reply(&split, &again, piece) == status);
        insist(rest.len == again.len);
        taken.len -= rest.len;
        if (status == SMTP_REPLY_PARTIAL) {
            insist(span_equal(smtp_reply_unfinished(&whole.parser), taken));
            insist(span_equal(smtp_reply_unfinished(&split.parser), taken));
            break;
        }
        check_reply(&whole.reply, status, taken);
        check_reply(&split.reply, status, taken);
        insist(whole.reply.code == split.reply.code && whole.reply.flaws == split.reply.flaws &&
               whole.reply.line_count == split.reply.line_count);
    }
    return 0;
}
