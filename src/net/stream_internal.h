/* net/stream_internal.h - the inside of a stream, shared by its plain and its TLS half. */
#pragma once

#include <openssl/ssl.h>
#include <uv.h>

#include "base/buffer.h"
#include "net/stream.h"
#include "net/tls_session_internal.h"
#include "net/tls_watch.h"

enum {
    STREAM_UNSENT_MOST = 1024 * 1024,
    /* What TLS adds by itself: record headers, alerts, a handshake's flights. */
    STREAM_OUTPUT_MOST = STREAM_UNSENT_MOST + 256 * 1024,
};

enum stream_state { STREAM_CONNECTING, STREAM_OPEN, STREAM_ENDED };

struct stream_tls {
    SSL *ssl;
    struct tls_server_context *context; /* held; NULL: a client */
    struct tls_watch watch;             /* its facts are NULL once they are forgotten */
    struct tls_session_box sessions;    /* of a client */
    struct span window; /* what lies unread in the loop's buffer; empty outside a turn */
    bool is_server, is_secured;
    bool holds_end;  /* close_notify came while the stream was paused, and is yet to be told */
    bool is_foreign; /* the peer's first bytes were not TLS; only collecting what it says */
};

struct stream {
    struct loop *loop;
    uv_poll_t poll;
    struct loop_timer
        *later;     /* for an end that must not come inside a call of the owner; or NULL */
    int socket;     /* -1: none */
    bool is_polled; /* libuv has the poll handle, and frees the stream when that has closed */
    int events;     /* that are polled for now */
    enum stream_state state;
    bool is_closed; /* by its owner: no callback any more */
    bool is_paused; /* by its owner: nothing is read */
    bool is_deaf;   /* paused, and there is something to read: not polled for it any more */
    bool in_turn;   /* output waits for the end of the turn, to go out in one write */
    bool owes_drained;
    enum stream_end end;
    int error_number;
    int write_error; /* the write side is dead; what the peer said before is still read */
    int64_t began_ms, connect_took_ms;
    struct stream_handlers handlers;
    void *owner;
    struct buffer output;
    size_t output_sent; /* bytes at the front of output that have gone */
    struct stream_tls *tls;
};

enum stream_end stream_end_of_errno(int number);
/* Frees all of it once libuv is done with its handles; without last words. */
void stream_let_go(struct stream *stream);
/* Ends the stream once and tells its owner. */
void stream_finish(struct stream *stream, enum stream_end end, int error_number);
/* Calls stream_finish with `end` after `delay_ms`, unless something else ended it. */
MUST_CHECK bool stream_finish_later(struct stream *stream, enum stream_end end, int error_number,
                                    int64_t delay_ms, struct error *err);
MUST_CHECK bool stream_queue(struct stream *stream, struct span bytes);
/* Gives the kernel what it takes. */
void stream_flush(struct stream *stream);
/* Polls for what the stream now waits for; after a change outside a turn. */
void stream_watch(struct stream *stream);

/* The TLS half. */
void stream_tls_receive(struct stream *stream, struct span bytes);
MUST_CHECK bool stream_tls_send(struct stream *stream, struct span bytes);
void stream_tls_shutdown(struct stream *stream); /* queues close_notify */
void stream_tls_finish(struct stream *stream);   /* answers the peer's close_notify, and ends */
void stream_tls_note_end(struct stream *stream); /* fills what the facts still lack */
void stream_tls_forget(struct stream *stream);
void stream_tls_free(struct stream *stream);
