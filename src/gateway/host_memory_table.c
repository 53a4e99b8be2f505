/* gateway/host_memory_table.c - hosts by name and by the time of their last success, and their faces. */
#include "gateway/host_memory_parts.h"

#include <string.h>

#include "base/memory.h"

/* FNV-1a, mixed at the end. */
uint64_t host_table_hash(uint64_t seed, struct span text)
{
    uint64_t hash = seed ^ 0xcbf29ce484222325U;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * 0x100000001b3U;
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
    return hash ^ (hash >> 33);
}

bool host_table_init(struct host_table *table, size_t hosts_most, uint64_t seed, struct error *err)
{
    size_t slots = 64;

    while (slots < hosts_most)
        slots *= 2;
    *table = (struct host_table){ .slot_count = slots, .seed = seed };
    table->slots = memory_new(slots, sizeof(struct host_record *));
    return table->slots != NULL || error_set(err, ERROR_MEMORY, "no memory for %zu hosts", slots);
}

static struct host_record **slot_of(const struct host_table *table, const char *name)
{
    return &table->slots[host_table_hash(table->seed, span_of(name)) & (table->slot_count - 1)];
}

struct host_record *host_table_find(const struct host_table *table, const char *name)
{
    struct host_record *record = *slot_of(table, name);

    while (record != NULL && strcmp(record->name, name) != 0)
        record = record->in_slot;
    return record;
}

static void leave_line(struct host_table *table, struct host_record *record)
{
    *(record->older != NULL ? &record->older->newer : &table->oldest) = record->newer;
    *(record->newer != NULL ? &record->newer->older : &table->newest) = record->older;
}

static void join_line(struct host_table *table, struct host_record *record)
{
    record->newer = NULL;
    record->older = table->newest;
    *(table->newest != NULL ? &table->newest->newer : &table->oldest) = record;
    table->newest = record;
}

static struct host_record *make_record(struct host_table *table, const char *name)
{
    struct host_record **slot = slot_of(table, name);
    size_t len = strlen(name);
    struct host_record *record = memory_new(1, sizeof *record + len + 1);

    if (record == NULL)
        return NULL;
    memcpy(record->name, name, len + 1);
    record->in_slot = *slot;
    *slot = record;
    table->count++;
    return record;
}

struct host_record *host_table_touch(struct host_table *table, const char *name)
{
    struct host_record *record = host_table_find(table, name);

    if (record != NULL)
        leave_line(table, record);
    else
        record = make_record(table, name);
    if (record != NULL)
        join_line(table, record);
    return record;
}

static void free_record(struct host_record *record)
{
    while (record->faces != NULL) {
        struct host_face *face = record->faces;

        record->faces = face->next;
        host_face_free(&face);
    }
    memory_free(record);
}

void host_table_drop(struct host_table *table, struct host_record *record)
{
    struct host_record **link = slot_of(table, record->name);

    while (*link != record)
        link = &(*link)->in_slot;
    *link = record->in_slot;
    leave_line(table, record);
    table->count--;
    free_record(record);
}

void host_table_clear(struct host_table *table)
{
    while (table->oldest != NULL)
        host_table_drop(table, table->oldest);
    memory_free(table->slots);
    table->slots = NULL;
}

/* ---- faces ---- */

void host_face_free(struct host_face **face)
{
    if (*face == NULL)
        return;
    memory_free((*face)->texts);
    memory_free(*face);
    *face = NULL;
}

struct host_face *host_record_face(const struct host_record *record, const char *address)
{
    struct host_face *face = record->faces;

    while (face != NULL && strcmp(face->address, address) != 0)
        face = face->next;
    return face;
}

static size_t room_for(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

/* The next text of the block. */
static const char *put_text(char **end, const char *text)
{
    const char *start = *end;

    if (text == NULL)
        return NULL;
    memcpy(*end, text, strlen(text) + 1);
    *end += strlen(text) + 1;
    return start;
}

/* A block of its own for all texts; the old one goes when they have been copied. */
static bool set_texts(struct host_face *face, const char *address, const char *destination,
                      const struct host_look *look)
{
    size_t bytes = room_for(address) + room_for(destination);
    char *block, *end;

    for (size_t i = 0; i < HOST_ASPECTS; i++)
        bytes += room_for(look->shown[i]);
    block = end = memory_new(bytes, 1);
    if (block == NULL)
        return false;
    face->address = put_text(&end, address);
    face->destination = put_text(&end, destination);
    for (size_t i = 0; i < HOST_ASPECTS; i++)
        face->look.shown[i] = put_text(&end, look->shown[i]);
    memory_free(face->texts);
    face->texts = block;
    return true;
}

static void unlink_face(struct host_record *record, const struct host_face *face)
{
    struct host_face **link = &record->faces;

    while (*link != NULL && *link != face)
        link = &(*link)->next;
    if (*link != NULL)
        *link = face->next;
}

static struct host_face *take_last_of_too_many(struct host_record *record)
{
    struct host_face **link = &record->faces;
    struct host_face *last;

    for (size_t i = 0; i < HOST_MEMORY_ADDRESSES_MOST; i++) {
        if (*link == NULL)
            return NULL;
        link = &(*link)->next;
    }
    last = *link;
    *link = NULL; /* one at a time is added, so that nothing is behind it */
    return last;
}

struct host_face *host_record_remember(struct host_record *record, const char *address,
                                       const char *destination, const struct host_look *look,
                                       int64_t at_s, struct host_face **dropped)
{
    struct host_face *face = host_record_face(record, address);
    struct host_face *made = face == NULL ? memory_new(1, sizeof *made) : NULL;
    struct host_look whole = *look;

    *dropped = NULL;
    if (face == NULL)
        face = made;
    if (face == NULL)
        return NULL;
    for (size_t i = 0; i < HOST_ASPECTS; i++)
        if (whole.shown[i] == NULL)
            whole.shown[i] = face->look.shown[i];
    if (!set_texts(face, address, destination, &whole)) {
        memory_free(made);
        return NULL;
    }
    unlink_face(record, face);
    face->next = record->faces;
    record->faces = face;
    face->at_s = at_s;
    face->news = (struct host_news){ .hash = { 0 } };
    *dropped = take_last_of_too_many(record);
    return face;
}
