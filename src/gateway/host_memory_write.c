/* gateway/host_memory_write.c - what is new goes into the file, some seconds later and on another thread. */
#include "gateway/host_memory_parts.h"

#include "base/memory.h"
#include "net/work.h"

enum {
    WRITE_AFTER_MS = 5000,
    WRITE_AGAIN_MS = 60000, /* after a failure */
    BATCH_MOST = 1000,      /* hosts of one write */
    BATCH_ARENA = 64 << 20,
};

int64_t host_memory_now_s(const struct host_memory *memory)
{
    return memory->settings.clock->wall_s(memory->settings.clock);
}

void host_memory_complain(struct host_memory *memory, const char *event, const char *reason)
{
    if (memory->settings.log != NULL && !memory->has_complained)
        log_event(memory->settings.log, LOG_WARN, event, "reason=%s", reason);
    memory->has_complained = true;
}

void host_memory_free_batch(struct host_batch **batch)
{
    if (*batch == NULL)
        return;
    arena_clear(&(*batch)->arena);
    memory_free(*batch);
    *batch = NULL;
}

static struct host_batch *make_batch(struct host_memory *memory)
{
    struct host_batch *batch = memory_new(1, sizeof *batch);

    if (batch == NULL)
        return NULL;
    batch->memory = memory;
    batch->end = &batch->first;
    arena_init(&batch->arena, BATCH_ARENA);
    return batch;
}

static struct host_row *add_row(struct host_batch *batch)
{
    struct host_row *row = arena_new(&batch->arena, 1, sizeof *row);

    if (row == NULL)
        return NULL;
    *batch->end = row;
    batch->end = &row->next;
    return row;
}

static const char *copy(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, span_of(text));
}

static void add_face(struct host_batch *batch, const struct host_record *record,
                     const struct host_face *face)
{
    struct host_row *row = add_row(batch);

    if (row == NULL)
        return;
    row->name = copy(&batch->arena, record->name);
    row->address = copy(&batch->arena, face->address);
    row->destination = copy(&batch->arena, face->destination);
    row->at_s = face->at_s;
    row->news = face->news;
    for (size_t i = 0; i < HOST_ASPECTS; i++)
        row->look.shown[i] = copy(&batch->arena, face->look.shown[i]);
}

static void add_faces(struct host_batch *batch, struct host_record *record, int64_t at_s)
{
    for (struct host_face *face = record->faces; face != NULL; face = face->next) {
        if (!face->is_unwritten)
            continue;
        add_face(batch, record, face);
        face->is_unwritten = false;
        face->written_at_s = at_s;
    }
}

static void list_record(struct host_memory *memory, struct host_record *record)
{
    if (record->is_listed)
        return;
    record->is_listed = true;
    record->next_unwritten = memory->unwritten;
    memory->unwritten = record;
}

static void list_all(struct host_memory *memory)
{
    for (struct name_node *node = memory->table.oldest; node != NULL; node = node->newer) {
        struct host_record *record = (struct host_record *)node;

        for (struct host_face *face = record->faces; face != NULL; face = face->next)
            face->is_unwritten = true;
        list_record(memory, record);
    }
}

/* As many as the loop has the time to copy; the others go with the next batch. */
static void gather(struct host_memory *memory, struct host_batch *batch)
{
    batch->is_anew = memory->is_anew;
    if (memory->is_anew)
        list_all(memory);
    memory->is_anew = false;
    for (size_t i = 0; i < BATCH_MOST && memory->unwritten != NULL; i++) {
        struct host_record *record = memory->unwritten;

        memory->unwritten = record->next_unwritten;
        record->is_listed = false;
        add_faces(batch, record, host_memory_now_s(memory));
    }
}

static void write_batch(void *owner) /* on a pool thread */
{
    struct host_batch *batch = owner;

    batch->is_written =
        host_file_write(&batch->memory->database, batch->first, batch->is_anew, &batch->err);
}

void host_memory_go_on(struct host_memory *memory)
{
    if (memory->drained != NULL && memory->batch == NULL && !memory->is_drained)
        loop_timer_start(memory->tell, 0);
}

/* What could not be written is written with all the rest, later. */
static void note_failure(struct host_memory *memory, const char *reason)
{
    memory->is_anew = true;
    host_memory_complain(memory, "host-memory-unwritten", reason);
    memory->is_waiting = memory->drained == NULL;
    if (memory->is_waiting)
        loop_timer_start(memory->timer, WRITE_AGAIN_MS);
}

static void note_written(void *owner)
{
    struct host_batch *batch = owner;
    struct host_memory *memory = batch->memory;

    memory->batch = NULL;
    if (batch->is_written) {
        memory->has_complained = false;
        if (memory->unwritten != NULL || memory->gone != NULL)
            host_memory_write(memory);
    } else {
        note_failure(memory, batch->err.text);
    }
    host_memory_free_batch(&batch);
    host_memory_go_on(memory);
}

static bool wants_to_write(const struct host_memory *memory)
{
    return memory->has_file && memory->batch == NULL &&
           (memory->is_anew || memory->unwritten != NULL || memory->gone != NULL);
}

/* Deletions stand first in the batch: a host that is gone may have come back since. */
void host_memory_write(struct host_memory *memory)
{
    struct error err = { .text = "no memory" };

    memory->is_waiting = false;
    if (!wants_to_write(memory))
        return;
    memory->batch = memory->gone != NULL ? memory->gone : make_batch(memory);
    memory->gone = NULL;
    if (memory->batch != NULL)
        gather(memory, memory->batch);
    if (memory->batch != NULL && !memory->batch->arena.exhausted &&
        work_start(memory->settings.loop, write_batch, note_written, memory->batch, &err))
        return;
    host_memory_free_batch(&memory->batch);
    note_failure(memory, err.text);
}

static void plan_write(struct host_memory *memory)
{
    if (!memory->has_file || memory->is_waiting || memory->batch != NULL)
        return;
    memory->is_waiting = true;
    loop_timer_start(memory->timer, memory->settings.write_after_ms > 0
                                        ? memory->settings.write_after_ms
                                        : WRITE_AFTER_MS);
}

void host_memory_write_anew(struct host_memory *memory)
{
    memory->is_anew = true;
    plan_write(memory);
}

void host_memory_list(struct host_memory *memory, struct host_record *record,
                      struct host_face *face)
{
    if (!memory->has_file)
        return;
    face->is_unwritten = true;
    list_record(memory, record);
    plan_write(memory);
}

void host_memory_unlist(struct host_memory *memory, const struct host_record *record)
{
    struct host_record **link = &memory->unwritten;

    while (*link != NULL && *link != record)
        link = &(*link)->next_unwritten;
    if (*link != NULL)
        *link = record->next_unwritten;
}

/* `address` NULL: all of that name. */
void host_memory_forget(struct host_memory *memory, const char *name, const char *address)
{
    struct host_row *row = NULL;

    if (!memory->has_file)
        return;
    if (memory->gone == NULL)
        memory->gone = make_batch(memory);
    if (memory->gone != NULL)
        row = add_row(memory->gone);
    if (row == NULL)
        return; /* the next start finds one more than there should be, and drops it */
    row->is_gone = true;
    row->name = copy(&memory->gone->arena, name);
    row->address = copy(&memory->gone->arena, address);
    plan_write(memory);
}
