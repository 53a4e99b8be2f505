/* fuzz/submission.c - whatever a program writes: refused, or sound lines and a whole header. */
#include <stdint.h>
#include <stdlib.h>

#include "smtp/content.h"
#include "smtp/header.h"
#include "smtp/submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_lines(struct span text)
{
    struct smtp_content content;
    struct span decoded;

    smtp_content_init(&content, false, false);
    insist(text.len == 0 || text.data[text.len - 1] == '\n');
    while (text.len > 0)
        insist(smtp_content_feed(&content, &text, &decoded) == SMTP_CONTENT_MORE);
    smtp_content_finish(&content);
    insist(content.flaw == SMTP_CONTENT_FINE);
}

static void check_header(struct span header)
{
    unsigned from = 0, date = 0, message_id = 0;
    struct smtp_field field;

    while (smtp_header_next(&header, &field)) {
        from += smtp_field_is(&field, "From");
        date += smtp_field_is(&field, "Date");
        message_id += smtp_field_is(&field, "Message-ID");
        insist(!smtp_field_is(&field, "Bcc") && !smtp_field_is(&field, "Resent-Bcc"));
    }
    insist(from > 0 && date > 0 && message_id > 0);
    insist(smtp_header_take_end(&header) && header.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_submission_settings settings = { .hostname = "host.example",
                                                 .from = "me@host.example",
                                                 .date = "now",
                                                 .message_id = "<i@host.example>",
                                                 .recipients_most = 8 };
    struct smtp_submission submission;
    struct arena arena;

    if (size == 0)
        return 0;
    settings.ignores_dots = data[0] & 1;
    settings.takes_recipients = data[0] & 2;
    arena_init(&arena, 65536);
    if (smtp_submission_make(&settings, (struct span){ (const char *)data + 1, size - 1 }, 16384,
                             &arena, &submission, NULL)) {
        check_lines(buffer_span(&submission.header));
        check_lines(submission.body);
        check_header(buffer_span(&submission.header));
        insist(submission.message_id[0] != '\0');
    }
    smtp_submission_clear(&submission);
    arena_clear(&arena);
    return 0;
}
