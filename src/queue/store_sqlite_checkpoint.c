#include "queue/store_sqlite_checkpoint.h"

#include <pthread.h>

#include "base/memory.h"
#include "queue/database.h"
#include "queue/thread.h"

enum { BUSY_MS = 250 };

struct sqlite_checkpoint {
    struct database database;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_asked, has_ended, is_closing;
};

/* What fails is tried again with the next: until then the log holds what is not in its place. */
static void *run(void *argument)
{
    struct sqlite_checkpoint *checkpoint = argument;

    pthread_mutex_lock(&checkpoint->lock);
    while (!checkpoint->is_closing) {
        if (!checkpoint->is_asked) {
            pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
            continue;
        }
        pthread_mutex_unlock(&checkpoint->lock);
        sqlite3_wal_checkpoint_v2(checkpoint->database.connection, "main",
                                  SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->is_asked = false;
        checkpoint->has_ended = true;
        pthread_cond_broadcast(&checkpoint->changed);
    }
    pthread_mutex_unlock(&checkpoint->lock);
    return NULL;
}

bool sqlite_checkpoint_open(const char *path, struct sqlite_checkpoint **checkpoint,
                            struct error *err)
{
    struct sqlite_checkpoint *made = memory_new(1, sizeof *made);

    *checkpoint = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for checkpoints");
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->has_thread = database_open(&made->database, path, DATABASE_OWN, BUSY_MS, err) &&
                       database_run(&made->database, "PRAGMA synchronous = FULL", err) &&
                       queue_thread_start(&made->thread, run, made, "checkpoints", err);
    if (made->has_thread)
        return true;
    sqlite_checkpoint_close(checkpoint);
    return false;
}

void sqlite_checkpoint_close(struct sqlite_checkpoint **checkpoint)
{
    struct sqlite_checkpoint *closing = *checkpoint;

    *checkpoint = NULL;
    if (closing == NULL)
        return;
    pthread_mutex_lock(&closing->lock);
    closing->is_closing = true;
    pthread_cond_broadcast(&closing->changed);
    pthread_mutex_unlock(&closing->lock);
    if (closing->has_thread)
        pthread_join(closing->thread, NULL);
    database_close(&closing->database);
    pthread_cond_destroy(&closing->changed);
    pthread_mutex_destroy(&closing->lock);
    memory_free(closing);
}

void sqlite_checkpoint_start(struct sqlite_checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    checkpoint->is_asked = true;
    pthread_cond_broadcast(&checkpoint->changed);
    pthread_mutex_unlock(&checkpoint->lock);
}

void sqlite_checkpoint_wait(struct sqlite_checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    while (checkpoint->is_asked)
        pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
    pthread_mutex_unlock(&checkpoint->lock);
}

bool sqlite_checkpoint_take_end(struct sqlite_checkpoint *checkpoint)
{
    bool has_ended;

    pthread_mutex_lock(&checkpoint->lock);
    has_ended = checkpoint->has_ended && !checkpoint->is_asked;
    if (has_ended)
        checkpoint->has_ended = false;
    pthread_mutex_unlock(&checkpoint->lock);
    return has_ended;
}
