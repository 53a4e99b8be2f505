/* net/stream.h - one connection that can turn to TLS: bytes in, bytes out, how it ended.
 *
 * Over TCP, or over a local socket. Plain and encrypted bytes go through the same calls. TLS runs over a custom BIO on one read
 * buffer shared by all streams of a loop, drained before a callback returns. TCP_NODELAY is on.
 * Every callback may close the stream.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_session.h"

struct stream;

enum stream_end {
    STREAM_STILL_OPEN,
    STREAM_REFUSED,     /* connect: RST to our SYN */
    STREAM_UNREACHABLE, /* connect: no route, host or network unreachable */
    STREAM_CONNECT_TIMEOUT,
    STREAM_CLOSED,     /* the peer's FIN, or its close_notify: see the facts */
    STREAM_RESET,      /* the peer's RST */
    STREAM_TLS_FAILED, /* the TLS library gave up, or the peer sent a fatal alert: see the facts */
    STREAM_NOT_TLS,    /* the peer's first bytes in the handshake are no TLS record */
    STREAM_FAILED,     /* our own side: see `error_number` */
};

struct stream_handlers {
    void (*connected)(void *owner);
    /* Plaintext. What is left in *bytes is lost: the reader keeps what it needs. */
    void (*received)(void *owner, struct span *bytes);
    void (*secured)(void *owner); /* the handshake is done on our side */
    /* The server lets us resume: take *session (TAKE), or leave it. With `keeps_sessions` alone. Before
     * TLS 1.3 behind `secured`; in TLS 1.3 as tickets come, in front of the bytes behind them. */
    void (*resumable)(void *owner, struct tls_session **session);
    void (*drained)(void *owner); /* all that was given to stream_send has gone to the kernel */
    void (*ended)(void *owner, enum stream_end end); /* last call; then close it */
    /* `drained` is not told where a stream_send outside a callback gave all to the kernel at once.
     * For owners that only wait when stream_unsent says so: being told costs four system calls. */
    bool skips_prompt_drains;
};

/* Starts connecting. NULL handlers are skipped. */
MUST_CHECK bool stream_connect(struct loop *loop, const struct net_address *address,
                               const struct stream_handlers *handlers, void *owner,
                               struct stream **stream, struct error *err);

/* The same to a local socket (AF_UNIX). Nothing there: STREAM_UNREACHABLE; nobody serves it, or more
 * wait for it than it takes: STREAM_REFUSED. A path that no socket can have is an error. */
MUST_CHECK bool stream_connect_local(struct loop *loop, const char *path,
                                     const struct stream_handlers *handlers, void *owner,
                                     struct stream **stream, struct error *err);

/* Takes over a connected socket (a listener's). */
MUST_CHECK bool stream_adopt(struct loop *loop, int socket, const struct stream_handlers *handlers,
                             void *owner, struct stream **stream, struct error *err);

/* Queues bytes; false: over the limit of 1 MiB of unsent bytes, or the stream has ended, or a
 * handshake is still under way. What is queued during a callback goes out in one write after it. */
MUST_CHECK bool stream_send(struct stream *stream, struct span bytes);
size_t stream_unsent(const struct stream *stream);

/* From now on TLS as a client. *facts is started over, filled as things happen, and must outlive
 * the stream or be forgotten; its texts live in `arena`. May be called inside `received`: bytes that came in clear
 * behind those that were taken never reach TLS, and are lost like any that the reader leaves. */
MUST_CHECK bool stream_secure_client(struct stream *stream,
                                     const struct tls_client_settings *settings,
                                     struct tls_facts *facts, struct arena *arena,
                                     struct error *err);

/* As a server, with a context that tls_server_context made. */
struct tls_server_context;
MUST_CHECK bool stream_secure_server(struct stream *stream, struct tls_server_context *context,
                                     struct tls_facts *facts, struct arena *arena,
                                     struct error *err);

/* The same where the first bytes of the ClientHello were already taken in clear: they are `early`,
 * borrowed during the call. Callbacks may come, and close the stream, inside it. */
MUST_CHECK bool stream_secure_server_after(struct stream *stream,
                                           struct tls_server_context *context, struct span early,
                                           struct tls_facts *facts, struct arena *arena,
                                           struct error *err);

/* Nothing more is read from the kernel, and no end is told; what this turn has read still comes, but
 * for close_notify, which waits as a FIN does. Idempotent. */
void stream_pause(struct stream *stream);
/* Undoes it: reading goes on with the loop's next turn, never inside the call. */
void stream_resume(struct stream *stream);

/* After `secured`: facts and arena are let go and no longer written; TLS goes on. What an idle
 * connection need not hold. Before it, or without TLS: nothing. */
void stream_forget_facts(struct stream *stream);

/* We have nothing more to say: what is queued, close_notify where TLS is up, then FIN; what the peer
 * still sends comes all the same. Where the kernel does not take all at once, the peer hears of the end
 * at close. */
void stream_send_end(struct stream *stream);

/* Sends close_notify where TLS is up, then FIN, and frees. After it no callback comes. Unsent bytes
 * are offered to the kernel once, and a peer that goes on sending (TLS 1.3 tickets) is answered by
 * RST: who must be sure that all arrived waits for the peer's reply or its end. */
void stream_close(struct stream **stream);
/* FIN without close_notify, for the lab. */
void stream_cut(struct stream **stream);
/* RST instead, behind what was queued, for the lab. */
void stream_reset(struct stream **stream);

/* Our own end of the connection, with its port; false: it is local, or there is none any more. */
MUST_CHECK bool stream_own_address(const struct stream *stream, struct net_address *address);
int stream_error_number(const struct stream *stream); /* errno of the end, 0: none */
/* The user at the other end of a local socket, when it connected or began to listen; false: it is not
 * a local one, or has been closed. */
MUST_CHECK bool stream_peer_user(const struct stream *stream, uint32_t *user_id);
/* Looks at what lies unread in the kernel without taking it; for bytes behind a 220. */
size_t stream_peek(const struct stream *stream, char *bytes, size_t size);
/* Has the peer's FIN or RST come already, with nothing unread in front of it? */
MUST_CHECK bool stream_peek_end(const struct stream *stream);
/* After STREAM_CLOSED: did an RST follow the FIN? A peer that has closed answers with it what we
 * sent later; one that took our bytes before it closed does not. */
MUST_CHECK bool stream_was_reset(const struct stream *stream);
