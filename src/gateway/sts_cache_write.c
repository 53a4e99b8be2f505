/* gateway/sts_cache_write.c - policies go into the file, some seconds later and on another thread. */
#include "gateway/sts_cache_parts.h"

#include "base/memory.h"
#include "net/work.h"

enum {
    WRITE_AFTER_MS = 5000,
    WRITE_AGAIN_MS = 60000, /* after a failure */
    BATCH_ARENA = 256 << 20,
};

void sts_batch_free(struct sts_batch **batch)
{
    if (*batch == NULL)
        return;
    arena_clear(&(*batch)->arena);
    memory_free(*batch);
    *batch = NULL;
}

static struct sts_batch *make_batch(struct sts_keeper *keeper)
{
    struct sts_batch *batch = memory_new(1, sizeof *batch);

    if (batch == NULL)
        return NULL;
    batch->keeper = keeper;
    batch->end = &batch->first;
    arena_init(&batch->arena, BATCH_ARENA);
    return batch;
}

static void add_row(struct sts_batch *batch, const struct sts_entry *entry)
{
    struct sts_row *row = arena_new(&batch->arena, 1, sizeof *row);

    if (row == NULL)
        return;
    row->domain = arena_copy(&batch->arena, span_of(entry->domain));
    if (entry->policy != NULL) {
        const char *text = entry->policy + strlen(entry->policy) + 1;

        row->id = arena_copy(&batch->arena, span_of(entry->policy));
        row->policy = arena_copy(&batch->arena, span_of(text));
    }
    row->fetched_at_s = entry->fetched_at_s;
    row->ends_at_s = entry->ends_at_s;
    *batch->end = row;
    batch->end = &row->next;
}

static void write_batch(void *owner) /* on a pool thread */
{
    struct sts_batch *batch = owner;

    batch->is_written =
        sts_file_write(&batch->keeper->database, batch->first, batch->is_anew, &batch->err);
}

void sts_keeper_go_on(struct sts_keeper *keeper)
{
    if (keeper->drained != NULL && keeper->writing == NULL && !keeper->is_drained)
        loop_timer_start(keeper->tell, 0);
}

/* What could not be written is written with all the rest, later. */
static void note_failure(struct sts_keeper *keeper, const char *reason)
{
    keeper->is_anew = true;
    sts_batch_free(&keeper->waiting);
    sts_keeper_complain(keeper, reason);
    keeper->is_waiting = keeper->drained == NULL;
    if (keeper->is_waiting)
        loop_timer_start(keeper->write_timer, WRITE_AGAIN_MS);
}

static void note_written(void *owner)
{
    struct sts_batch *batch = owner;
    struct sts_keeper *keeper = batch->keeper;

    keeper->writing = NULL;
    if (batch->is_written) {
        keeper->has_complained = false;
        sts_keeper_write(keeper);
    } else {
        note_failure(keeper, batch->err.text);
    }
    sts_batch_free(&batch);
    sts_keeper_go_on(keeper);
}

/* All of it, in place of what waits. */
static void gather_anew(struct sts_keeper *keeper)
{
    sts_batch_free(&keeper->waiting);
    keeper->waiting = make_batch(keeper);
    if (keeper->waiting == NULL)
        return;
    keeper->waiting->is_anew = true;
    for (const struct name_node *node = keeper->table.oldest; node != NULL; node = node->newer)
        if (((const struct sts_entry *)node)->policy != NULL)
            add_row(keeper->waiting, (const struct sts_entry *)node);
    keeper->is_anew = false;
}

void sts_keeper_write(struct sts_keeper *keeper)
{
    struct error err = { .text = "no memory" };

    keeper->is_waiting = false;
    if (!keeper->has_file || keeper->writing != NULL)
        return;
    if (keeper->is_anew)
        gather_anew(keeper);
    else if (keeper->waiting == NULL)
        return;
    keeper->writing = TAKE(keeper->waiting);
    if (keeper->writing != NULL && !keeper->writing->arena.exhausted &&
        work_start(keeper->settings.loop, write_batch, note_written, keeper->writing, &err))
        return;
    sts_batch_free(&keeper->writing);
    note_failure(keeper, err.text);
}

static void plan_write(struct sts_keeper *keeper)
{
    if (keeper->is_waiting || keeper->writing != NULL)
        return;
    keeper->is_waiting = true;
    loop_timer_start(keeper->write_timer, keeper->settings.write_after_ms > 0
                                              ? keeper->settings.write_after_ms
                                              : WRITE_AFTER_MS);
}

void sts_keeper_write_anew(struct sts_keeper *keeper)
{
    keeper->is_anew = true;
    plan_write(keeper);
}

void sts_keeper_list(struct sts_keeper *keeper, const struct sts_entry *entry)
{
    if (!keeper->has_file || keeper->is_drained)
        return;
    if (keeper->waiting == NULL && !keeper->is_anew)
        keeper->waiting = make_batch(keeper);
    if (keeper->waiting == NULL)
        keeper->is_anew = true;
    else
        add_row(keeper->waiting, entry);
    plan_write(keeper);
}
