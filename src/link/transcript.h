/* link/transcript.h - what was said, with times: for `-v` and for the story of a message.
 *
 * Bounded; bodies and AUTH data never get in (the link that writes it says so instead).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"

enum { TRANSCRIPT_LINES_MOST = 400 };

enum transcript_kind {
    TRANSCRIPT_SENT,     /* C: a line of ours */
    TRANSCRIPT_RECEIVED, /* S: a line of theirs */
    TRANSCRIPT_NOTE,     /* what happened: "connected to ...", "TLS: ServerHello, TLSv1.3" */
};

struct transcript_line {
    enum transcript_kind kind;
    int64_t at_ms; /* since the beginning of the conversation */
    bool is_encrypted;
    const char *text; /* safe to print */
};

struct transcript {
    struct arena *arena;
    struct transcript_line *lines;
    size_t count;
    bool was_cut;
    int64_t began_ms;
};

void transcript_init(struct transcript *transcript, struct arena *arena, int64_t now_ms);
void transcript_note(struct transcript *transcript, int64_t now_ms, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Splits bytes into lines. */
void transcript_bytes(struct transcript *transcript, int64_t now_ms, enum transcript_kind kind,
                      bool is_encrypted, struct span bytes);
