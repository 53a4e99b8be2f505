/* fuzz/capabilities.c - what an EHLO reply offers stands in it, behind its first line. */
#include <stdint.h>
#include <stdlib.h>

#include "smtp/capabilities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char storage[8192];
    struct smtp_reply_parser parser;
    struct smtp_reply reply;
    struct span input = { (const char *)data, size };
    struct smtp_capabilities found;

    smtp_reply_init(&parser, storage, sizeof storage);
    if (smtp_reply_feed(&parser, &input, &reply) == SMTP_REPLY_PARTIAL)
        return 0;
    smtp_capabilities_parse(&found, &reply);
    insist(found.extensions < 1U << 12 && found.on_greeting_line < 1U << 12);
    insist((found.on_greeting_line & (found.on_greeting_line - 1)) == 0);
    insist(found.masked_line < reply.line_count && found.starttls_line < reply.line_count);
    insist(!(found.extensions & SMTP_EXTENSION_STARTTLS) == (found.starttls_line == 0));
    insist(found.starttls_line == 0 ||
           span_starts_with_nocase(smtp_reply_line(&reply, found.starttls_line), "STARTTLS") ||
           span_starts_with_nocase(span_trim(smtp_reply_line(&reply, found.starttls_line)),
                                   "STARTTLS"));
    insist(found.masked_line == 0 || found.masked_line != found.starttls_line);
    insist(found.size_most == 0 || (found.extensions & SMTP_EXTENSION_SIZE));
    insist(
        found.on_greeting_line == 0 ||
        span_starts_with_nocase(smtp_reply_line(&reply, 0),
                                smtp_extension_name((enum smtp_extension)found.on_greeting_line)));
    return 0;
}
