#include "gateway/name_table.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

enum { SLOTS_LEAST = 64 };

uint64_t name_table_hash(uint64_t seed, struct span text)
{
    uint64_t hash = seed ^ 0xcbf29ce484222325U;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * 0x100000001b3U;
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
    return hash ^ (hash >> 33);
}

bool name_table_init(struct name_table *table, size_t most, size_t size_bytes, size_t name_at,
                     uint64_t seed, struct error *err)
{
    size_t slots = SLOTS_LEAST;

    assert(size_bytes >= name_at && name_at >= sizeof(struct name_node));
    while (slots < most)
        slots *= 2;
    *table = (struct name_table){
        .slot_count = slots, .size_bytes = size_bytes, .name_at = name_at, .seed = seed
    };
    table->slots = memory_new(slots, sizeof(struct name_node *));
    return table->slots != NULL || error_set(err, ERROR_MEMORY, "no memory for %zu names", slots);
}

void name_table_clear(struct name_table *table)
{
    assert(table->count == 0);
    memory_free(table->slots);
    table->slots = NULL;
}

static char *name_of(const struct name_table *table, struct name_node *node)
{
    return (char *)node + table->name_at;
}

static struct name_node **slot_of(const struct name_table *table, const char *name)
{
    return &table->slots[name_table_hash(table->seed, span_of(name)) & (table->slot_count - 1)];
}

void *name_table_find(const struct name_table *table, const char *name)
{
    struct name_node *node = *slot_of(table, name);

    while (node != NULL && strcmp(name_of(table, node), name) != 0)
        node = node->in_slot;
    return node;
}

static void leave_line(struct name_table *table, struct name_node *node)
{
    *(node->older != NULL ? &node->older->newer : &table->oldest) = node->newer;
    *(node->newer != NULL ? &node->newer->older : &table->newest) = node->older;
}

static void join_line(struct name_table *table, struct name_node *node)
{
    node->newer = NULL;
    node->older = table->newest;
    *(table->newest != NULL ? &table->newest->newer : &table->oldest) = node;
    table->newest = node;
}

static struct name_node *make_record(struct name_table *table, const char *name)
{
    struct name_node **slot = slot_of(table, name);
    size_t len = strlen(name);
    struct name_node *node = memory_new(1, table->size_bytes + len + 1);

    if (node == NULL)
        return NULL;
    memcpy(name_of(table, node), name, len + 1);
    node->in_slot = *slot;
    *slot = node;
    table->count++;
    return node;
}

void *name_table_touch(struct name_table *table, const char *name)
{
    struct name_node *node = name_table_find(table, name);

    if (node != NULL)
        leave_line(table, node);
    else
        node = make_record(table, name);
    if (node != NULL)
        join_line(table, node);
    return node;
}

void name_table_drop(struct name_table *table, void *record)
{
    struct name_node *node = record;
    struct name_node **link = slot_of(table, name_of(table, node));

    while (*link != node)
        link = &(*link)->in_slot;
    *link = node->in_slot;
    leave_line(table, node);
    table->count--;
    memory_free(node);
}
