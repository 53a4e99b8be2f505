/* link/record.h - a struct as data: the table of its fields, by which it is written as JSON and read back.
 *
 * A record is a struct as a list of fields. A field says under which name, of which kind and where
 * in the struct it is; lists and records nest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum field_kind {
    FIELD_BOOL,
    FIELD_U8, /* numbers by their C type; `least` and `most` bound them where not both are 0 */
    FIELD_U16,
    FIELD_U32,
    FIELD_INT,
    FIELD_I64,
    FIELD_U64,
    FIELD_SIZE,
    FIELD_TIME,         /* int64_t, seconds since 1970: years 1 to 9999, INT64_MIN or INT64_MAX */
    FIELD_TEXT,         /* const char *, never NULL */
    FIELD_TEXT_OR_NULL, /* const char * */
    FIELD_BYTES,        /* struct span, as base64 */
    FIELD_ADDRESS,      /* struct net_address without its port, as text */
    FIELD_WORD,         /* an enum, by `words` */
    FIELD_BITS,         /* uint32_t: a list of the `words` of its bits */
    FIELD_TLS_VERSION,  /* uint16_t: "TLSv1.3", "0x0305"; null for 0 */
    FIELD_STEPS,        /* int64_t[STEP_COUNT]: an object by the names of steps, without the -1 */
    FIELD_RECORD,       /* a struct by `record` */
    FIELD_ARRAY,        /* T[most] with its count at `count_offset`; `item` says what T is */
    FIELD_LIST,         /* T *, likewise */
};

struct record;

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset, count_offset;
    int64_t least, most; /* of a number; `most` of a list or of bytes: its longest */
    const struct words *words;
    const struct record *record;
    const struct field *item; /* of a list; its offset is 0 */
};

struct record {
    const struct field *fields;
    size_t count, size_bytes;
};

/* The words of an enum, or of the bits of a mask. */
struct words {
    size_t count;
    const char *(*word)(unsigned value); /* by function, or else by `list`, */
    const char *const *list;             /* which may have NULL for values that are not used */
};

const char *words_find(const struct words *words, unsigned value); /* NULL: none */

extern const struct field field_text, field_bytes; /* items of lists */

/* ---- rows of a table; `type` is the struct, `n` the name outside ---- */

#define RECORD_OF(type, table)                                                                     \
    {                                                                                              \
        (table), ARRAY_SIZE(table), sizeof(type)                                                   \
    }
#define FIELD_OF(type, k, n, member)                                                               \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(type, member)                                 \
    }
#define BOUNDED_OF(type, k, n, member, at_least, at_most)                                          \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(type, member), .least = (at_least),           \
        .most = (at_most)                                                                          \
    }
#define WORD_OF(type, n, member, w)                                                                \
    {                                                                                              \
        .name = (n), .kind = FIELD_WORD, .offset = offsetof(type, member), .words = (w)            \
    }
#define BITS_OF(type, n, member, w)                                                                \
    {                                                                                              \
        .name = (n), .kind = FIELD_BITS, .offset = offsetof(type, member), .words = (w)            \
    }
#define INNER_OF(type, n, member, r)                                                               \
    {                                                                                              \
        .name = (n), .kind = FIELD_RECORD, .offset = offsetof(type, member), .record = (r)         \
    }
/* FIELD_LIST or FIELD_ARRAY. */
#define LIST_OF(type, k, n, member, counted_by, at_most, i)                                        \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(type, member),                                \
        .count_offset = offsetof(type, counted_by), .most = (at_most), .item = (i)                 \
    }
