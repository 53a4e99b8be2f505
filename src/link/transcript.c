#include "link/transcript.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES_MOST = 1024 };

void transcript_init(struct transcript *transcript, struct arena *arena, int64_t now_ms)
{
    *transcript = (struct transcript){ .arena = arena, .began_ms = now_ms };
}

/* The text that says that lines are missing takes the last place. */
static void add_line(struct transcript *transcript, struct transcript_line line)
{
    if (transcript->was_cut)
        return;
    if (transcript->lines == NULL)
        transcript->lines = arena_new(transcript->arena, TRANSCRIPT_LINES_MOST, sizeof line);
    if (transcript->lines == NULL)
        return;
    if (transcript->count == TRANSCRIPT_LINES_MOST - 1) {
        transcript->was_cut = true;
        line.kind = TRANSCRIPT_NOTE;
        line.text = "what follows was left out: too many lines";
    }
    transcript->lines[transcript->count++] = line;
}

void transcript_note(struct transcript *transcript, int64_t now_ms, const char *format, ...)
{
    char text[LINE_BYTES_MOST];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_line(transcript, (struct transcript_line){
                             .kind = TRANSCRIPT_NOTE,
                             .at_ms = now_ms - transcript->began_ms,
                             .text = text_printable(transcript->arena, span_of(text), true),
                         });
}

void transcript_bytes(struct transcript *transcript, int64_t now_ms, enum transcript_kind kind,
                      bool is_encrypted, struct span bytes)
{
    while (bytes.len > 0 && !transcript->was_cut) {
        struct span line = text_front(span_take_line(&bytes), LINE_BYTES_MOST);

        add_line(transcript, (struct transcript_line){
                                 .kind = kind,
                                 .at_ms = now_ms - transcript->began_ms,
                                 .is_encrypted = is_encrypted,
                                 .text = text_printable(transcript->arena, line, true),
                             });
    }
}
