#include "queue/story_writer.h"

#include <pthread.h>

#include "base/memory.h"
#include "queue/thread.h"

struct story_writer {
    struct tracking *tracking; /* the thread's */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_writing, is_closing;
    int64_t lost;
    /* The thread's while it writes: */
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

static bool write_given(struct story_writer *writer)
{
    bool is_written =
        !writer->arena.exhausted && write_all(writer->tracking, writer->first, writer->now_s);

    if (!is_written)
        tracking_rollback(writer->tracking);
    arena_clear(&writer->arena);
    return is_written;
}

static void *run(void *argument)
{
    struct story_writer *writer = argument;
    bool is_written;

    pthread_mutex_lock(&writer->lock);
    while (writer->is_writing || !writer->is_closing) {
        if (!writer->is_writing) {
            pthread_cond_wait(&writer->changed, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        is_written = write_given(writer);
        pthread_mutex_lock(&writer->lock);
        writer->lost += !is_written;
        writer->is_writing = false;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
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
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->has_thread = queue_thread_start(&made->thread, run, made, "tracking", err);
    if (made->has_thread)
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
    pthread_mutex_lock(&closing->lock);
    closing->is_closing = true;
    pthread_cond_broadcast(&closing->changed);
    pthread_mutex_unlock(&closing->lock);
    if (closing->has_thread)
        pthread_join(closing->thread, NULL);
    tracking_close(&closing->tracking);
    pthread_cond_destroy(&closing->changed);
    pthread_mutex_destroy(&closing->lock);
    memory_free(closing);
}

bool story_writer_give(struct story_writer *writer, const struct story *first, struct arena *arena,
                       int64_t now_s)
{
    bool is_taken;

    pthread_mutex_lock(&writer->lock);
    is_taken = !writer->is_writing;
    if (is_taken) {
        writer->first = first;
        writer->arena = *arena;
        writer->now_s = now_s;
        writer->is_writing = true;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    if (is_taken)
        arena_init(arena, arena->limit);
    return is_taken;
}

void story_writer_wait(struct story_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->is_writing)
        pthread_cond_wait(&writer->changed, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
}

int64_t story_writer_lost(struct story_writer *writer)
{
    int64_t lost;

    pthread_mutex_lock(&writer->lock);
    lost = writer->lost;
    pthread_mutex_unlock(&writer->lock);
    return lost;
}
