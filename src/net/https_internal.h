/* net/https_internal.h - what the files of net/https share about a request and others must not see. */
#pragma once

#include <curl/curl.h>

#include "base/buffer.h"
#include "net/https.h"
#include "net/loop_internal.h"

struct https {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    struct https_query *queries;
    bool is_telling, is_closed; /* closed inside a callback: freed after it */
};

struct https_query {
    struct https *https; /* NULL: it is with no multi (any more) */
    struct https_query *previous, *next;
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
    bool (*judge)(void *judge_owner, const struct https_peer *peer);
    void *judge_owner;

    CURL *easy;
    CURLU *url;
    CURLSH *names; /* the addresses of this request alone */
    struct curl_slist *addresses, *headers;
    char failure[CURL_ERROR_SIZE]; /* libcurl's words */
    int64_t timeout_ms;

    struct arena arena;
    struct https_peer peer;
    struct buffer body;
    size_t head_bytes;
    bool is_connected, has_peer, head_is_whole, close_notify_received, is_refused, is_too_large;
};

/* Ready to be added to a multi. */
MUST_CHECK bool https_query_new(const struct https_request *request, struct https_query **query,
                                struct error *err);
void https_query_free(struct https_query **query);
/* Takes it from its multi. */
void https_query_leave(struct https_query *query);
/* It is done: leaves, tells, frees. */
void https_query_answer(struct https_query *query, CURLcode result);

/* `owner` is the query. Every chain passes the handshake, and is judged before the request. */
CURLcode https_tls_prepare(CURL *easy, void *ssl_ctx, void *owner);
/* Fills query->peer from the connection that is up. False: no certificates, or no memory. */
MUST_CHECK bool https_tls_collect(struct https_query *query);
