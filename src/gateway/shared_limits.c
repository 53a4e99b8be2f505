#include "gateway/shared_limits.h"

#include <pthread.h>

#include "base/memory.h"

struct gateway_shared_limits {
    pthread_mutex_t lock;
    struct gateway_limits *limits;
};

bool gateway_shared_limits_new(const struct gateway_limits_settings *settings,
                               const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES],
                               struct gateway_shared_limits **limits, struct error *err)
{
    struct gateway_shared_limits *made = memory_new(1, sizeof *made);

    *limits = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the limits of clients");
    if (!gateway_limits_new(settings, secret, &made->limits, err)) {
        memory_free(made);
        return false;
    }
    pthread_mutex_init(&made->lock, NULL); /* a default mutex: glibc and musl cannot fail here */
    *limits = made;
    return true;
}

void gateway_shared_limits_free(struct gateway_shared_limits **limits)
{
    if (*limits == NULL)
        return;
    gateway_limits_free(&(*limits)->limits);
    pthread_mutex_destroy(&(*limits)->lock);
    memory_free(*limits);
    *limits = NULL;
}

void gateway_shared_limits_set(struct gateway_shared_limits *limits,
                               const struct gateway_limits_settings *settings)
{
    pthread_mutex_lock(&limits->lock);
    gateway_limits_set(limits->limits, settings);
    pthread_mutex_unlock(&limits->lock);
}

bool gateway_shared_limits_open(struct gateway_shared_limits *limits,
                                const struct net_address *client, int64_t now_ms,
                                struct gateway_limits_session *session, struct smtp_answer *answer)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_open(limits->limits, client, now_ms, session, answer);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

bool gateway_shared_limits_take_connection(struct gateway_shared_limits *limits,
                                           const struct gateway_limits_session *session,
                                           int64_t now_ms, struct smtp_answer *answer)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_take_connection(limits->limits, session, now_ms, answer);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

bool gateway_shared_limits_may_tell(struct gateway_shared_limits *limits,
                                    const struct net_address *client, int64_t now_ms,
                                    uint32_t *untold)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_may_tell(limits->limits, client, now_ms, untold);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

bool gateway_shared_limits_take_error(struct gateway_shared_limits *limits,
                                      struct gateway_limits_session *session, int64_t now_ms,
                                      struct smtp_answer *answer)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_take_error(limits->limits, session, now_ms, answer);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

bool gateway_shared_limits_take_message(struct gateway_shared_limits *limits,
                                        const struct gateway_limits_session *session,
                                        int64_t now_ms, struct smtp_answer *answer)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_take_message(limits->limits, session, now_ms, answer);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

bool gateway_shared_limits_take_failure(struct gateway_shared_limits *limits,
                                        const struct gateway_limits_session *session,
                                        int64_t now_ms)
{
    bool is_fine;

    pthread_mutex_lock(&limits->lock);
    is_fine = gateway_limits_take_failure(limits->limits, session, now_ms);
    pthread_mutex_unlock(&limits->lock);
    return is_fine;
}

void gateway_shared_limits_close(struct gateway_shared_limits *limits,
                                 const struct gateway_limits_session *session)
{
    pthread_mutex_lock(&limits->lock);
    gateway_limits_close(limits->limits, session);
    pthread_mutex_unlock(&limits->lock);
}

uint32_t gateway_shared_limits_connections(struct gateway_shared_limits *limits)
{
    uint32_t count;

    pthread_mutex_lock(&limits->lock);
    count = gateway_limits_connections(limits->limits);
    pthread_mutex_unlock(&limits->lock);
    return count;
}
