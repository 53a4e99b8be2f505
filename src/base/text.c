#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Length of the UTF-8 sequence at the front (RFC 3629 section 4), its code point in *point;
 * 0 where there is none. */
static size_t read_utf8(struct span bytes, uint32_t *point)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        size_t len;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    const unsigned char *p = (const unsigned char *)bytes.data;

    for (size_t i = 0; bytes.len > 0 && i < ARRAY_SIZE(rows); i++) {
        if (p[0] < rows[i].first_low || p[0] > rows[i].first_high)
            continue;
        if (bytes.len < rows[i].len ||
            (rows[i].len > 1 && (p[1] < rows[i].second_low || p[1] > rows[i].second_high)))
            return 0;
        *point = p[0] & first_bits[rows[i].len];
        for (size_t k = 1; k < rows[i].len; k++) {
            if (k > 1 && (p[k] & 0xc0) != 0x80)
                return 0;
            *point = *point << 6 | (p[k] & 0x3fU);
        }
        return rows[i].len;
    }
    return 0;
}

/* Controls, and what a terminal would use to reorder or hide text: bidirectional marks,
 * zero-width characters, line and paragraph separators, tags, the byte order mark. */
static bool is_deceptive(uint32_t point)
{
    static const struct {
        uint32_t low, high;
    } ranges[] = { { 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },      { 0x61c, 0x61c },
                   { 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },  { 0x2060, 0x206f },
                   { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff } };

    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        if (point >= ranges[i].low && point <= ranges[i].high)
            return true;
    return false;
}

static size_t escape(char *out, unsigned char byte)
{
    static const char plain[] = "\r\n\t\\", letters[] = "rnt\\";
    const char *known = byte == 0 ? NULL : strchr(plain, byte);

    out[0] = '\\';
    if (known != NULL) {
        out[1] = letters[known - plain];
        return 2;
    }
    out[1] = 'x';
    out[2] = hex_digits[byte >> 4];
    out[3] = hex_digits[byte & 15];
    return 4;
}

/* Length of what escape() writes where that stands at the front, else 0. */
static size_t read_escape(struct span text)
{
    const char *p = text.data;

    if (text.len < 2 || p[0] != '\\')
        return 0;
    if (p[1] == 'x')
        return text.len >= 4 && memchr(hex_digits, p[2], 16) != NULL &&
                       memchr(hex_digits, p[3], 16) != NULL
                   ? 4
                   : 0;
    return memchr("rnt\\", p[1], 4) != NULL ? 2 : 0;
}

static const char *make_printable(struct arena *arena, struct span bytes, bool keep_utf8,
                                  bool keep_escapes)
{
    char *out = arena_new(arena, bytes.len * 4 + 1, 1);
    size_t used = 0;

    if (out == NULL)
        return "";
    while (bytes.len > 0) {
        uint32_t point = 0;
        size_t len = read_utf8(bytes, &point);
        bool is_plain = len == 1 ? point >= 0x20 && point < 0x7f && point != '\\'
                                 : len > 1 && keep_utf8 && !is_deceptive(point);
        size_t escaped = keep_escapes ? read_escape(bytes) : 0;

        if (is_plain || escaped > 0) {
            len = is_plain ? len : escaped;
            struct span whole = span_take_front(&bytes, len);

            memcpy(out + used, whole.data, whole.len);
            used += whole.len;
        } else {
            used += escape(out + used, (unsigned char)span_take(&bytes));
        }
    }
    out[used] = '\0';
    return out;
}

const char *text_printable(struct arena *arena, struct span bytes, bool keep_utf8)
{
    return make_printable(arena, bytes, keep_utf8, false);
}

const char *text_printable_again(struct arena *arena, struct span bytes, bool keep_utf8)
{
    return make_printable(arena, bytes, keep_utf8, true);
}

bool text_is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *text_lower_copy(struct arena *arena, struct span text)
{
    char *copy = arena_new(arena, text.len + 1, 1);

    for (size_t i = 0; copy != NULL && i < text.len; i++)
        copy[i] = text_lower(text.data[i]);
    return copy == NULL ? "" : copy;
}

bool text_is_number_in_host(struct span label)
{
    bool is_hex = label.len >= 2 && label.data[0] == '0' && text_lower(label.data[1]) == 'x';

    for (size_t i = is_hex ? 2 : 0; i < label.len; i++) {
        char c = text_lower(label.data[i]);

        if (!(c >= '0' && c <= '9') && !(is_hex && c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

bool text_is_ascii(struct span bytes)
{
    uint64_t words[4], all = 0;
    size_t i = 0;

    for (; bytes.len - i >= sizeof words; i += sizeof words) {
        memcpy(words, bytes.data + i, sizeof words);
        all |= (words[0] | words[1]) | (words[2] | words[3]);
    }
    for (; i < bytes.len; i++)
        all |= (unsigned char)bytes.data[i];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

bool text_holds_control(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if ((unsigned char)bytes.data[i] < ' ' || bytes.data[i] == '\x7f')
            return true;
    return false;
}

/* How many octets a sequence with this first octet has: RFC 3629 section 3. */
static size_t announced_len(unsigned char first)
{
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

struct span text_front(struct span text, size_t most)
{
    struct span front = span_part(text, 0, most);
    size_t behind = 1;

    if (front.len == text.len)
        return front;
    while (behind < 4 && behind < front.len &&
           ((unsigned char)front.data[front.len - behind] & 0xc0) == 0x80)
        behind++;
    if (front.len > 0 && announced_len((unsigned char)front.data[front.len - behind]) > behind)
        front.len -= behind;
    return front;
}

bool text_is_utf8(struct span bytes)
{
    while (bytes.len > 0) {
        uint32_t point;
        size_t len = read_utf8(bytes, &point);

        if (len == 0)
            return false;
        span_take_front(&bytes, len);
    }
    return true;
}

const char *text_hex(struct arena *arena, struct span bytes)
{
    char *out = arena_new(arena, bytes.len * 2 + 1, 1);

    if (out == NULL)
        return "";
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = hex_digits[(unsigned char)bytes.data[i] >> 4];
        out[2 * i + 1] = hex_digits[(unsigned char)bytes.data[i] & 15];
    }
    return out;
}

const char *text_base64(struct arena *arena, struct span bytes)
{
    char *out = arena_new(arena, (bytes.len + 2) / 3 * 4 + 1, 1);
    size_t used = 0;

    if (out == NULL)
        return "";
    while (bytes.len > 0) {
        struct span three = span_take_front(&bytes, 3);
        uint32_t bits = 0;

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < three.len ? (unsigned char)three.data[i] : 0U);
        for (size_t i = 0; i < 4; i++)
            out[used++] = i <= three.len ? base64_digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

static int hex_value(char c)
{
    const char *found = c == '\0' ? NULL : strchr(hex_digits, text_lower(c));

    return found == NULL ? -1 : (int)(found - hex_digits);
}

bool text_from_hex(struct arena *arena, struct span text, struct span *bytes)
{
    char *out = arena_new(arena, text.len / 2 + 1, 1);
    size_t digits = 0;

    if (out == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = hex_value(text.data[i]);

        if (value < 0 && (text.data[i] == ' ' || text.data[i] == '\t'))
            continue;
        if (value < 0)
            return false;
        out[digits / 2] = (char)(out[digits / 2] << 4 | value);
        digits++;
    }
    *bytes = (struct span){ out, digits / 2 };
    return digits % 2 == 0;
}

/* By a table and not by ranges, whose branches nobody can foresee: a trust store is a quarter of a
 * megabyte of these, and is read at every start. */
static int base64_value(char c)
{
    static const signed char values[] = {
        62, -1, -1, -1, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1,
        -1, -1, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1, -1, 26, 27, 28, 29, 30, 31,
        32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
    };
    size_t index = (size_t)(unsigned char)c - '+';

    return index < sizeof values ? values[index] : -1;
}

bool text_from_base64(struct arena *arena, struct span text, struct span *bytes)
{
    char *out = arena_new(arena, text.len / 4 * 3 + 3, 1);
    uint32_t bits = 0;
    size_t digits = 0, padding = 0, used = 0;

    if (out == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int value = base64_value(c);

        if (value < 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            continue;
        if (c == '=' && ++padding <= 2)
            continue;
        if (value < 0 || padding > 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 != 1)
            out[used++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
    }
    *bytes = (struct span){ out, used };
    return (digits + padding) % 4 == 0;
}

bool text_to_number(struct span text, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    while (text.len > 0) {
        char c = span_take(&text);

        if (c < '0' || c > '9' || value > (most - (uint64_t)(c - '0')) / 10)
            return false;
        value = value * 10 + (uint64_t)(c - '0');
    }
    *number = value;
    return value <= most;
}

struct date {
    int64_t year;
    unsigned month, day; /* both from 1 */
};

/* Days since 1 March of year 0, in eras of 400 years, so that a leap day ends a year. */
static int64_t days_from(struct date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year =
        (153 * ((int64_t)date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_from(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    return (struct date){ .year = year + era * 400 + (month >= 10),
                          .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                          .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1) };
}

enum { SECONDS_A_DAY = 86400 };

static int64_t day_of(int64_t seconds)
{
    return (seconds >= 0 ? seconds : seconds - (SECONDS_A_DAY - 1)) / SECONDS_A_DAY;
}

const char *text_time(struct arena *arena, int64_t seconds)
{
    struct date date = date_from(day_of(seconds));
    int64_t left = seconds - day_of(seconds) * SECONDS_A_DAY;

    return arena_format(arena, "%04lld-%02u-%02uT%02lld:%02lld:%02lldZ", (long long)date.year,
                        date.month, date.day, (long long)left / 3600, (long long)left / 60 % 60,
                        (long long)left % 60);
}

const char *text_date(struct arena *arena, int64_t seconds)
{
    static const char *const months[] = { "January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December" };
    struct date date = date_from(day_of(seconds));

    return arena_format(arena, "%u %s %lld", date.day, months[date.month - 1],
                        (long long)date.year);
}

const char *text_mail_date(struct arena *arena, int64_t seconds)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t day = day_of(seconds), left = seconds - day * SECONDS_A_DAY;
    struct date date = date_from(day);

    return arena_format(arena, "%s, %u %s %04lld %02lld:%02lld:%02lld +0000",
                        days[((day + 4) % 7 + 7) % 7], date.day, months[date.month - 1],
                        (long long)date.year, (long long)left / 3600, (long long)left / 60 % 60,
                        (long long)left % 60);
}

static bool take_number(struct span *text, size_t digits, uint64_t most, uint64_t *number)
{
    return text->len >= digits && text_to_number(span_take_front(text, digits), most, number);
}

bool text_to_time(struct span text, int64_t *seconds)
{
    uint64_t plain, year, month, day, hour = 0, minute = 0, second = 0;
    int64_t days;

    if (text_to_number(text, INT64_MAX / 2, &plain)) {
        *seconds = (int64_t)plain;
        return true;
    }
    if (!take_number(&text, 4, 9999, &year) || text.len == 0 || span_take(&text) != '-' ||
        !take_number(&text, 2, 12, &month) || text.len == 0 || span_take(&text) != '-' ||
        !take_number(&text, 2, 31, &day) || month == 0 || day == 0)
        return false;
    if (text.len > 0 &&
        (text_lower(span_take(&text)) != 't' || !take_number(&text, 2, 23, &hour) ||
         text.len == 0 || span_take(&text) != ':' || !take_number(&text, 2, 59, &minute) ||
         text.len == 0 || span_take(&text) != ':' || !take_number(&text, 2, 60, &second) ||
         !span_equal_nocase(text, span_of("Z"))))
        return false;
    days = days_from((struct date){ (int64_t)year, (unsigned)month, (unsigned)day });
    *seconds = days * SECONDS_A_DAY + (int64_t)(hour * 3600 + minute * 60 + second);
    return date_from(days).day == day; /* there is no 31 February */
}

const char *text_duration(struct arena *arena, int64_t seconds)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { (int64_t)365 * SECONDS_A_DAY, "year" },
                  { SECONDS_A_DAY, "day" },
                  { 3600, "hour" },
                  { 60, "minute" },
                  { 1, "second" } };

    if (seconds < 0)
        seconds = -seconds;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        int64_t count = seconds / units[i].seconds;

        /* "400 days" says more than "1 year"; from two years on, years say more */
        if (count >= (i == 0 ? 2 : 1))
            return arena_format(arena, "%lld %s%s", (long long)count, units[i].name,
                                count == 1 ? "" : "s");
    }
    return "0 seconds";
}
