#include "queue/errand.h"

#include "queue/thread.h"

static void *serve(void *argument)
{
    struct errand *errand = argument;

    pthread_mutex_lock(&errand->lock);
    while (errand->is_under_way || !errand->is_closing) {
        if (!errand->is_under_way) {
            pthread_cond_wait(&errand->changed, &errand->lock);
            continue;
        }
        pthread_mutex_unlock(&errand->lock);
        errand->run(errand->owner);
        pthread_mutex_lock(&errand->lock);
        errand->is_under_way = false;
        pthread_cond_broadcast(&errand->changed);
    }
    pthread_mutex_unlock(&errand->lock);
    return NULL;
}

static void drop(struct errand *errand)
{
    pthread_cond_destroy(&errand->changed);
    pthread_mutex_destroy(&errand->lock);
    errand->is_open = false;
}

bool errand_open(struct errand *errand, void (*run)(void *owner), void *owner, const char *name,
                 struct error *err)
{
    *errand = (struct errand){ .run = run, .owner = owner };
    pthread_mutex_init(&errand->lock, NULL);
    pthread_cond_init(&errand->changed, NULL);
    errand->is_open = queue_thread_start(&errand->thread, serve, errand, name, err);
    if (!errand->is_open)
        drop(errand);
    return errand->is_open;
}

void errand_close(struct errand *errand)
{
    if (!errand->is_open)
        return;
    pthread_mutex_lock(&errand->lock);
    errand->is_closing = true;
    pthread_cond_broadcast(&errand->changed);
    pthread_mutex_unlock(&errand->lock);
    pthread_join(errand->thread, NULL);
    drop(errand);
}

void errand_start(struct errand *errand)
{
    pthread_mutex_lock(&errand->lock);
    errand->is_under_way = true;
    pthread_cond_broadcast(&errand->changed);
    pthread_mutex_unlock(&errand->lock);
}

bool errand_is_under_way(struct errand *errand)
{
    bool is_under_way;

    pthread_mutex_lock(&errand->lock);
    is_under_way = errand->is_under_way;
    pthread_mutex_unlock(&errand->lock);
    return is_under_way;
}

void errand_wait(struct errand *errand)
{
    pthread_mutex_lock(&errand->lock);
    while (errand->is_under_way)
        pthread_cond_wait(&errand->changed, &errand->lock);
    pthread_mutex_unlock(&errand->lock);
}
