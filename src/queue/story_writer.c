#include "queue/story_writer.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "queue/errand.h"

struct story_writer {
    struct errand errand;
    _Atomic int64_t lost;
    /* The errand's while it is under way: */
    struct tracking *tracking;
    const struct story *first;
    struct arena arena;
    int64_t now_s;
};

static bool write_story(struct tracking *tracking, const struct story *story)
{
    switch (story->kind) {
    case STORY_OF_MESSAGE: return tracking_add_message(tracking, &story->envelope, NULL);
    case STORY_OF_EVENT: return tracking_add_event(tracking, &story->event, NULL);
    case STORY_OF_SESSION: return tracking_add_session(tracking, &story->session, NULL);
    case STORY_OF_NOTE: break;
    }
    return tracking_add_note(tracking, &story->note.origin, &story->note.attempt, NULL);
}

static bool write_all(struct tracking *tracking, const struct story *first, int64_t now_s)
{
    if (!tracking_begin(tracking, now_s, NULL))
        return false;
    for (const struct story *story = first; story != NULL; story = story->next)
        if (!write_story(tracking, story))
            return false;
    return tracking_commit(tracking, NULL);
}

static void write_given(void *owner)
{
    struct story_writer *writer = owner;

    if (writer->arena.exhausted || !write_all(writer->tracking, writer->first, writer->now_s)) {
        tracking_rollback(writer->tracking);
        writer->lost++;
    }
    arena_clear(&writer->arena);
}

bool story_writer_open(struct tracking *tracking, struct story_writer **writer, struct error *err)
{
    struct story_writer *made = memory_new(1, sizeof *made);

    *writer = made;
    if (made == NULL) {
        tracking_close(&tracking);
        return error_set(err, ERROR_MEMORY, "no memory for tracking");
    }
    made->tracking = tracking;
    if (errand_open(&made->errand, write_given, made, "tracking", err))
        return true;
    story_writer_close(writer);
    return false;
}

void story_writer_close(struct story_writer **writer)
{
    struct story_writer *closing = *writer;

    *writer = NULL;
    if (closing == NULL)
        return;
    errand_close(&closing->errand);
    tracking_close(&closing->tracking);
    memory_free(closing);
}

bool story_writer_give(struct story_writer *writer, const struct story *first, struct arena *arena,
                       int64_t now_s)
{
    if (errand_is_under_way(&writer->errand))
        return false;
    writer->first = first;
    writer->arena = *arena;
    writer->now_s = now_s;
    errand_start(&writer->errand);
    arena_init(arena, arena->limit);
    return true;
}

void story_writer_wait(struct story_writer *writer)
{
    errand_wait(&writer->errand);
}

int64_t story_writer_lost(struct story_writer *writer)
{
    return writer->lost;
}
