/* gateway/name_table.h - records by their name, which also stand in a line by the time of their last use.
 *
 * A record is its owner's struct: it begins with a name_node and ends with its name (`char name[]`). What it points to
 * is the owner's to free, before the record goes. Strangers choose the names, and so the seed is to be random.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

struct name_node {
    struct name_node *in_slot;       /* the next of the table's slot */
    struct name_node *older, *newer; /* by the last use */
};

struct name_table {
    struct name_node **slots;
    size_t slot_count, count;
    size_t size_bytes, name_at; /* of a record without its name; of the name in it */
    uint64_t seed;
    struct name_node *oldest, *newest;
};

/* Slots for so many records; more may come. `size_bytes` and `name_at` are sizeof and offsetof of the record. */
MUST_CHECK bool name_table_init(struct name_table *table, size_t most, size_t size_bytes,
                                size_t name_at, uint64_t seed, struct error *err);
/* The slots, where every record has been dropped. */
void name_table_clear(struct name_table *table);

/* FNV-1a, mixed at the end. With seed 0 it is kept in files, and never changes. */
uint64_t name_table_hash(uint64_t seed, struct span text);

/* NULL: it is not there. */
void *name_table_find(const struct name_table *table, const char *name);
/* Finds or makes it, as the newest; what is made is zero behind its node. NULL: no memory. */
void *name_table_touch(struct name_table *table, const char *name);
/* Takes it out and frees it. */
void name_table_drop(struct name_table *table, void *record);
