#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

enum {
    ARENA_BYTES = 128 * LOG_VALUE_MOST, /* escaping takes up to four octets for one */
    TAIL_BYTES = 32, /* kept free for what ends a line: cut=true, a brace, the line feed */
    NUMBER_BYTES = 48,
};

struct line {
    enum log_form form;
    struct buffer *bytes;
    struct arena *arena;
    bool was_cut;
};

/* One value, as its conversions give it. */
struct value {
    char bytes[LOG_VALUE_MOST];
    size_t len;
    size_t conversions;
    bool is_number; /* of the last conversion: %d or %u */
    bool has_literal;
    bool has_escapes; /* of text_printable, by %-s */
};

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_NOTE] = "note", [LOG_DETAIL] = "detail"
    };

    assert((size_t)level < ARRAY_SIZE(names));
    return names[level];
}

static void init(struct log *log, enum log_form form, enum log_level most,
                 const struct clock *clock)
{
    log->form = form;
    log->most = most;
    log->clock = clock;
    atomic_init(&log->lost, 0);
}

void log_init(struct log *log, enum log_form form, enum log_level most, int descriptor,
              const struct clock *clock)
{
    init(log, form, most, clock);
    log_sink_init(&log->sink, descriptor);
}

void log_init_syslog(struct log *log, enum log_form form, enum log_level most, const char *path,
                     const struct clock *clock)
{
    init(log, form, most, clock);
    log_sink_init_syslog(&log->sink, path);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return level <= log->most;
}

unsigned log_lost(const struct log *log)
{
    return atomic_load(&log->lost);
}

/* ---- values ---- */

static void value_add(struct value *value, struct span bytes)
{
    bytes = text_front(bytes, sizeof value->bytes - value->len);
    if (bytes.len > 0)
        memcpy(value->bytes + value->len, bytes.data, bytes.len);
    value->len += bytes.len;
}

static void value_add_text(struct value *value, const char *text, int precision)
{
    if (text == NULL)
        return;
    value_add(value, (struct span){ text, precision < 0 ? strlen(text)
                                                        : strnlen(text, (size_t)precision) });
}

/* Digits with zeros up to the width; the value's sign stands in front. */
static void value_add_number(struct value *value, bool is_negative, uintmax_t number, bool is_hex,
                             size_t width)
{
    char digits[NUMBER_BYTES];
    int len = is_hex ? snprintf(digits, sizeof digits, "%0*" PRIxMAX, (int)width, number)
                     : snprintf(digits, sizeof digits, "%0*" PRIuMAX, (int)width, number);

    if (is_negative)
        value_add(value, span_of("-"));
    value_add(value, (struct span){ digits, (size_t)len });
}

/* va_list by pointer, so that what one conversion takes is gone for the next. */
struct arguments {
    va_list list;
};

static uintmax_t take_unsigned(struct arguments *arguments, size_t longs, char size)
{
    if (size == 'z')
        return va_arg(arguments->list, size_t);
    if (size == 'j')
        return va_arg(arguments->list, uintmax_t);
    if (longs == 2)
        return va_arg(arguments->list, unsigned long long);
    return longs == 1 ? va_arg(arguments->list, unsigned long)
                      : va_arg(arguments->list, unsigned int);
}

static intmax_t take_signed(struct arguments *arguments, size_t longs, char size)
{
    assert(size != 'z');
    if (size == 'j')
        return va_arg(arguments->list, intmax_t);
    if (longs == 2)
        return va_arg(arguments->list, long long);
    return longs == 1 ? va_arg(arguments->list, long) : va_arg(arguments->list, int);
}

static size_t take_digits(struct span *format)
{
    size_t width = 0;

    while (format->len > 0 && format->data[0] >= '0' && format->data[0] <= '9')
        width = width * 10 + (size_t)(span_take(format) - '0');
    return width;
}

static int take_precision(struct span *format, struct arguments *arguments)
{
    if (format->len == 0 || format->data[0] != '.')
        return -1;
    span_take(format);
    if (format->len > 0 && format->data[0] == '*') {
        span_take(format);
        return va_arg(arguments->list, int);
    }
    return (int)take_digits(format);
}

static void convert_number(struct value *value, char conversion, size_t width, size_t longs,
                           char size, struct arguments *arguments)
{
    value->is_number = conversion != 'x' && width == 0;
    if (conversion == 'd') {
        intmax_t number = take_signed(arguments, longs, size);

        value_add_number(value, number < 0,
                         number < 0 ? (uintmax_t) - (number + 1) + 1 : (uintmax_t)number, false,
                         width);
        return;
    }
    value_add_number(value, false, take_unsigned(arguments, longs, size), conversion == 'x', width);
}

/* What follows a '%'. */
static void convert(struct value *value, struct span *format, struct arguments *arguments)
{
    bool is_escaped = format->len > 0 && format->data[0] == '-';
    size_t width, longs = 0;
    char size = '\0', conversion;
    int precision;

    if (is_escaped)
        span_take(format);
    width = take_digits(format);
    precision = take_precision(format, arguments);
    while (format->len > 0 && strchr("lzj", format->data[0]) != NULL) {
        size = span_take(format);
        longs += size == 'l';
    }
    assert(format->len > 0 && width < NUMBER_BYTES);
    conversion = span_take(format);
    value->conversions++;
    value->is_number = false;
    value->has_escapes |= is_escaped;
    assert(!is_escaped || conversion == 's');
    switch (conversion) {
    case 's': value_add_text(value, va_arg(arguments->list, const char *), precision); break;
    case 'c': {
        char byte = (char)va_arg(arguments->list, int);

        value_add(value, (struct span){ &byte, 1 });
        break;
    }
    case 'd':
    case 'u':
    case 'x': convert_number(value, conversion, width, longs, size, arguments); break;
    default: assert(conversion == '%'); value_add(value, span_of("%"));
    }
}

/* Up to the next blank of the format. */
static void read_value(struct value *value, struct span *format, struct arguments *arguments)
{
    value->len = value->conversions = 0;
    value->is_number = value->has_literal = value->has_escapes = false;
    while (format->len > 0 && format->data[0] != ' ') {
        char next = span_take(format);

        if (next == '%') {
            convert(value, format, arguments);
            continue;
        }
        value->has_literal = true;
        value_add(value, (struct span){ &next, 1 });
    }
}

/* ---- lines ---- */

static bool put_escaped(struct buffer *out, const char *text, const char *special)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((strchr(special, *c) != NULL && !buffer_append_text(out, "\\")) ||
            !buffer_append(out, (struct span){ c, 1 }))
            return false;
    return true;
}

/* A backslash of text_printable is one in text form already, and has to be doubled in JSON. */
static bool put_text(struct line *line, const char *text)
{
    bool is_quoted = line->form == LOG_JSON || text[0] == '\0' || strpbrk(text, " \"") != NULL;

    if (!is_quoted)
        return buffer_append_text(line->bytes, text);
    return buffer_append_text(line->bytes, "\"") &&
           put_escaped(line->bytes, text, line->form == LOG_JSON ? "\"\\" : "\"") &&
           buffer_append_text(line->bytes, "\"");
}

static bool put_key(struct line *line, struct span key)
{
    if (line->form == LOG_TEXT)
        return buffer_append_text(line->bytes, " ") && buffer_append(line->bytes, key) &&
               buffer_append_text(line->bytes, "=");
    return buffer_append_text(line->bytes, ",\"") && buffer_append(line->bytes, key) &&
           buffer_append_text(line->bytes, "\":");
}

static void put_field(struct line *line, struct span key, const struct value *value)
{
    size_t before = line->bytes->len;
    bool is_bare = value->is_number && value->conversions == 1 && !value->has_literal;
    struct span bytes = { value->bytes, value->len };
    const char *text = value->has_escapes ? text_printable_again(line->arena, bytes, true)
                                          : text_printable(line->arena, bytes, true);

    if (!put_key(line, key) ||
        !(is_bare ? buffer_append_text(line->bytes, text) : put_text(line, text)) ||
        line->bytes->len > LOG_LINE_MOST - TAIL_BYTES || line->arena->exhausted) {
        line->bytes->len = before;
        line->was_cut = true;
    }
}

static bool is_word(struct span word, char joint)
{
    for (size_t i = 0; i < word.len; i++)
        if (!(word.data[i] >= 'a' && word.data[i] <= 'z') &&
            !(word.data[i] >= '0' && word.data[i] <= '9') && word.data[i] != joint)
            return false;
    return word.len > 0;
}

static void put_fields(struct line *line, const char *text, struct arguments *arguments)
{
    struct span format = span_of(text);
    struct value value;

    while (format.len > 0) {
        struct span key = span_take_until(&format, '=');

        assert(is_word(key, '_'));
        read_value(&value, &format, arguments);
        if (format.len > 0) {
            span_take(&format);
            assert(format.len > 0); /* a blank stands between two fields */
        }
        put_field(line, key, &value);
    }
}

static bool put_head(struct line *line, const struct log *log, enum log_level level,
                     const char *event)
{
    static const int severities[] = { [LOG_ERROR] = LOG_ERR,
                                      [LOG_WARN] = LOG_WARNING,
                                      [LOG_NOTE] = LOG_INFO,
                                      [LOG_DETAIL] = LOG_DEBUG };
    int64_t wall_s = log->clock->wall_s(log->clock);
    const char *time = text_time(line->arena, wall_s);
    const char *level_word = level_name(level);

    if (!log_sink_begin(&log->sink, severities[level], wall_s, line->bytes))
        return false;
    if (line->form == LOG_JSON)
        return buffer_format(line->bytes, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"",
                             time, level_word, event);
    if (log_sink_is_syslog(&log->sink))
        return buffer_append_text(line->bytes, event);
    return buffer_format(line->bytes, "%s %s %s", time, level_word, event);
}

static bool put_tail(struct line *line)
{
    const char *cut = line->form == LOG_JSON ? ",\"cut\":true" : " cut=true";

    return (!line->was_cut || buffer_append_text(line->bytes, cut)) &&
           (line->form != LOG_JSON || buffer_append_text(line->bytes, "}"));
}

/* How many lines are missing in front of this one. */
static void put_lost(struct line *line, unsigned lost)
{
    struct value value = { .conversions = 1, .is_number = true };

    if (lost == 0)
        return;
    value_add_number(&value, false, lost, false, 0);
    put_field(line, span_of("lost"), &value);
}

void log_event(struct log *log, enum log_level level, const char *event, const char *format, ...)
{
    AUTO(buffer_clear) struct buffer bytes;
    AUTO(arena_clear) struct arena arena;
    struct line line = { .form = log->form, .bytes = &bytes, .arena = &arena };
    struct arguments arguments;
    unsigned lost;
    bool is_whole;

    buffer_init(&bytes, LOG_LINE_MOST);
    arena_init(&arena, ARENA_BYTES);
    assert(is_word(span_of(event), '-'));
    if (!log_wants(log, level))
        return;
    lost = atomic_exchange(&log->lost, 0);
    is_whole = put_head(&line, log, level, event);
    put_lost(&line, lost);
    va_start(arguments.list, format);
    put_fields(&line, format, &arguments);
    va_end(arguments.list);
    if (!is_whole || !put_tail(&line) || !log_sink_write(&log->sink, &bytes))
        atomic_fetch_add(&log->lost, lost + 1);
}
