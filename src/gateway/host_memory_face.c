/* gateway/host_memory_face.c - what the addresses of a host showed, the last success first. */
#include "gateway/host_memory_parts.h"

#include <string.h>

#include "base/memory.h"

void host_face_free(struct host_face **face)
{
    if (*face == NULL)
        return;
    memory_free((*face)->texts);
    memory_free(*face);
    *face = NULL;
}

void host_record_drop(struct name_table *table, struct host_record *record)
{
    while (record->faces != NULL) {
        struct host_face *face = record->faces;

        record->faces = face->next;
        host_face_free(&face);
    }
    name_table_drop(table, record);
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
