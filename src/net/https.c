#include "net/https.h"

#include <assert.h>
#include <pthread.h>

#include "base/memory.h"
#include "net/https_internal.h"

/* One socket of libcurl's. */
struct watch {
    uv_poll_t poll;
    struct https *https;
    curl_socket_t socket;
};

static void tell_finished(struct https *https)
{
    CURLMsg *message;
    int left;

    https->is_telling = true;
    while (!https->is_closed && (message = curl_multi_info_read(https->multi, &left)) != NULL) {
        struct https_query *query = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &query) == CURLE_OK &&
            query != NULL)
            https_query_answer(query, message->data.result);
    }
    https->is_telling = false;
    if (https->is_closed)
        memory_free(https);
}

static void act(struct https *https, curl_socket_t socket, int events)
{
    int running;

    curl_multi_socket_action(https->multi, socket, events, &running);
    tell_finished(https);
}

static void expire(void *owner)
{
    act(owner, CURL_SOCKET_TIMEOUT, 0);
}

static void notice(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);

    act(watch->https, watch->socket, status < 0 ? CURL_CSELECT_ERR : what);
}

static void free_watch(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static struct watch *new_watch(struct https *https, curl_socket_t socket)
{
    struct watch *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return NULL;
    if (uv_poll_init(&https->loop->uv, &made->poll, socket) != 0) {
        memory_free(made);
        return NULL;
    }
    made->poll.data = made;
    made->https = https;
    made->socket = socket;
    curl_multi_assign(https->multi, socket, made);
    return made;
}

/* libcurl says what it waits for at a socket. Where that cannot be watched the deadline ends it. */
static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *owner, void *known)
{
    struct https *https = owner;
    struct watch *watch = known;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            curl_multi_assign(https->multi, socket, NULL);
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, free_watch);
        }
        return 0;
    }
    if (watch == NULL)
        watch = new_watch(https, socket);
    if (watch == NULL)
        return -1;
    uv_poll_start(
        &watch->poll,
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), notice);
    return 0;
}

/* At once means in a moment: libuv runs a timer of 0 ms that starts itself again without ever
 * looking at a socket. */
static int set_timer(CURLM *multi, long timeout_ms, void *owner)
{
    struct https *https = owner;

    (void)multi;
    if (timeout_ms < 0)
        loop_timer_stop(https->timer);
    else
        loop_timer_start(https->timer, timeout_ms == 0 ? 1 : timeout_ms);
    return 0;
}

static CURLcode started;

static void start_library(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool https_open(struct loop *loop, struct https **https, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AUTO(https_close) struct https *made = NULL;

    *https = NULL;
    pthread_once(&once, start_library);
    if (started != CURLE_OK)
        return error_set(err, ERROR_SYSTEM, "starting libcurl: %s", curl_easy_strerror(started));
    made = memory_new(1, sizeof *made);
    if (made == NULL || (made->multi = curl_multi_init()) == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for HTTPS");
    made->loop = loop;
    if (!loop_timer_open(loop, expire, made, &made->timer, err))
        return false;
    curl_multi_setopt(made->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(made->multi, CURLMOPT_SOCKETDATA, made);
    curl_multi_setopt(made->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(made->multi, CURLMOPT_TIMERDATA, made);
    *https = TAKE(made);
    return true;
}

void https_close(struct https **https)
{
    struct https *closing = *https;

    *https = NULL;
    if (closing == NULL)
        return;
    while (closing->queries != NULL) {
        struct https_query *query = closing->queries;

        https_cancel(&query);
    }
    if (closing->multi != NULL)
        curl_multi_cleanup(closing->multi);
    loop_timer_close(&closing->timer);
    closing->is_closed = true;
    if (!closing->is_telling)
        memory_free(closing);
}

bool https_send(struct https *https, const struct https_request *request,
                void (*answered)(void *owner, const struct https_answer *answer), void *owner,
                struct https_query **query, struct error *err)
{
    AUTO(https_cancel) struct https_query *made = NULL;

    *query = NULL;
    if (!https_query_new(request, &made, err))
        return false;
    made->answered = answered;
    made->owner = owner;
    if (curl_multi_add_handle(https->multi, made->easy) != CURLM_OK)
        return error_set(err, ERROR_MEMORY, "no memory for an HTTPS request");
    made->https = https;
    made->next = https->queries;
    if (made->next != NULL)
        made->next->previous = made;
    https->queries = made;
    *query = TAKE(made);
    return true;
}

void https_query_leave(struct https_query *query)
{
    struct https *https = query->https;

    if (https == NULL)
        return;
    curl_multi_remove_handle(https->multi, query->easy);
    if (query->previous == NULL)
        https->queries = query->next;
    else
        query->previous->next = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    query->https = NULL;
    query->previous = query->next = NULL;
}

void https_cancel(struct https_query **query)
{
    struct https_query *cancelled = *query;

    *query = NULL;
    if (cancelled == NULL)
        return;
    https_query_leave(cancelled);
    https_query_free(&cancelled);
}
