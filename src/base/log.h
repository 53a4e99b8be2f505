/* base/log.h - one line an event: text or JSON, to a descriptor or to syslog.
 *
 * An event has a stable name and named values, such as
 *
 *     log_event(log, LOG_WARN, "starttls-refused", "mx=%s code=%u", host, code);
 *     2026-11-21T19:05:00Z warn starttls-refused mx=mx.example.org code=454
 *     {"time":"2026-11-21T19:05:00Z","level":"warn","event":"starttls-refused",
 *      "mx":"mx.example.org","code":454}                             (in one line)
 *
 * Whatever a peer put into a value, a line stays one line and a field one field: controls and what
 * hides text are escaped (text_printable), values with blanks are quoted. AUTH data, keys and
 * message bodies are never given to it. One log may be shared by threads: a line is one write.
 *
 * No reader keeps anybody waiting for long (base/log_sink.h): lines are lost then, and the next one that can be
 * written says how many they were (lost=N).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log_sink.h"

enum log_level {
    LOG_ERROR,  /* somebody has to act */
    LOG_WARN,   /* something is not as it should be; service goes on */
    LOG_NOTE,   /* what happened: a delivery, a start, a stop */
    LOG_DETAIL, /* for finding a fault; off by default */
};

enum log_form { LOG_TEXT, LOG_JSON };

enum {
    LOG_LINE_MOST = 4096,  /* octets with its end: PIPE_BUF, so lines never mix in a pipe */
    LOG_VALUE_MOST = 1024, /* octets of one value before escaping; the rest is cut */
};

struct log {
    enum log_form form;
    enum log_level most; /* what is more detailed than this is left out */
    struct log_sink sink;
    const struct clock *clock;
    atomic_uint lost; /* lines that could not be written since the last one that could */
};

/* The clock outlives the log. */
void log_init(struct log *log, enum log_form form, enum log_level most, int descriptor,
              const struct clock *clock);
/* To the syslog daemon that listens at the path, which adds time and level itself. */
void log_init_syslog(struct log *log, enum log_form form, enum log_level most, const char *path,
                     const struct clock *clock);

/* Is it worth the trouble to gather values for this level? */
bool log_wants(const struct log *log, enum log_level level);

/* Lines that could not be written since the last one that could. */
unsigned log_lost(const struct log *log);

/* `event`: lower-case words and hyphens. `format`: "name=value" joined by single blanks; a value is
 * text with conversions out of %s %c %d %u %x %% with the lengths l, ll, z and j, a precision for %s
 * and zeros and a width for numbers; NULL for %s is "". A value with %-s is of texts that text_printable
 * made: what it escaped is not escaped again. In JSON a value that is one %d or %u is a
 * number, all else a text. What no longer fits a line is left out, and the line says cut=true.
 * Anything else in `format` is a bug of ours. */
void log_event(struct log *log, enum log_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(4, 5);
