#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/address_internal.h"
#include "net/loop_internal.h"
#include "net/stream_internal.h"

enum { DISCARDS_MOST = 64 }; /* reads of unread bytes before a close */

enum stream_end stream_end_of_errno(int number)
{
    switch (number) {
    case EAGAIN: /* a local socket's queue is full */
    case ECONNREFUSED: return STREAM_REFUSED;
    case ECONNRESET:
    case EPIPE: return STREAM_RESET;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENOENT: /* of a local socket: no such file, or none can be there */
    case ENOTDIR:
    case ENOPROTOOPT: /* ICMP: protocol unreachable */
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return STREAM_UNREACHABLE;
    case ETIMEDOUT: return STREAM_CONNECT_TIMEOUT;
    default: return STREAM_FAILED;
    }
}

/* The kernel's report of a broken connection that had been up. */
static enum stream_end end_of_open(int number)
{
    enum stream_end end = stream_end_of_errno(number);

    if (end == STREAM_REFUSED)
        return STREAM_RESET;
    return end == STREAM_CONNECT_TIMEOUT ? STREAM_UNREACHABLE : end;
}

void stream_finish(struct stream *stream, enum stream_end end, int error_number)
{
    if (stream->state == STREAM_ENDED || stream->is_closed)
        return;
    if (stream->tls != NULL && stream->tls->is_foreign &&
        (end == STREAM_CLOSED || end == STREAM_RESET))
        end = STREAM_NOT_TLS;
    stream_flush(stream); /* an alert of ours may wait */
    stream->state = STREAM_ENDED;
    stream->end = end;
    stream->error_number = error_number;
    if (stream->socket >= 0)
        uv_poll_stop(&stream->poll);
    loop_timer_close(&stream->later);
    stream->events = 0;
    if (stream->tls != NULL)
        stream_tls_note_end(stream);
    if (stream->handlers.ended != NULL)
        stream->handlers.ended(stream->owner, end);
}

static void finish_now(void *owner)
{
    struct stream *stream = owner;

    stream_finish(stream, stream->end, stream->error_number);
}

bool stream_finish_later(struct stream *stream, enum stream_end end, int error_number,
                         int64_t delay_ms, struct error *err)
{
    stream->end = end;
    stream->error_number = error_number;
    if (!loop_timer_open(stream->loop, finish_now, stream, &stream->later, err))
        return false;
    loop_timer_start(stream->later, delay_ms);
    return true;
}

size_t stream_unsent(const struct stream *stream)
{
    return stream->output.len - stream->output_sent;
}

bool stream_queue(struct stream *stream, struct span bytes)
{
    if (stream->output_sent > stream->output.len / 2) {
        buffer_drop(&stream->output, stream->output_sent);
        stream->output_sent = 0;
    }
    return buffer_append(&stream->output, bytes);
}

static void fail_writing(struct stream *stream, int number)
{
    stream->write_error = number;
    buffer_clear(&stream->output);
    stream->output_sent = 0;
    /* The end is told by the read side, after what the peer said before: its reset is readable,
     * and for an error of our own making shutdown() makes the socket so. */
    if (number != EPIPE && number != ECONNRESET)
        shutdown(stream->socket, SHUT_RDWR);
}

void stream_flush(struct stream *stream)
{
    while (stream->state == STREAM_OPEN && stream_unsent(stream) > 0) {
        struct span rest = span_part(buffer_span(&stream->output), stream->output_sent, SIZE_MAX);
        ssize_t taken = send(stream->socket, rest.data, rest.len, MSG_NOSIGNAL);

        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0 && errno == EAGAIN)
            return;
        if (taken < 0) {
            fail_writing(stream, errno);
            return;
        }
        stream->output_sent += (size_t)taken;
        if ((size_t)taken < rest.len)
            return;
    }
    if (stream_unsent(stream) == 0) {
        buffer_clear(&stream->output);
        stream->output_sent = 0;
    }
}

static void run_turn(uv_poll_t *poll, int status, int events);

/* What has been read already makes no socket readable again. */
static bool owes_end(const struct stream *stream)
{
    return stream->tls != NULL && stream->tls->holds_end && !stream->is_paused;
}

void stream_watch(struct stream *stream)
{
    int events = stream->is_deaf ? 0 : UV_READABLE;

    if (stream->is_closed || stream->state == STREAM_ENDED || stream->socket < 0)
        return;
    if (stream->state == STREAM_CONNECTING)
        events = UV_WRITABLE;
    else if (stream->write_error == 0 && (stream_unsent(stream) > 0 || stream->owes_drained))
        events |= UV_WRITABLE;
    else if (owes_end(stream))
        events |= UV_WRITABLE;
    if (events == stream->events)
        return;
    stream->events = events;
    if (events == 0)
        uv_poll_stop(&stream->poll);
    else
        uv_poll_start(&stream->poll, events, run_turn);
}

static void take_bytes(struct stream *stream, struct span bytes)
{
    if (stream->tls != NULL)
        stream_tls_receive(stream, bytes);
    else if (stream->handlers.received != NULL)
        stream->handlers.received(stream->owner, &bytes);
}

static void finish_reading(struct stream *stream, ssize_t count, int number)
{
    int wrote = stream->write_error;

    if (wrote != 0 && wrote != EPIPE && wrote != ECONNRESET)
        stream_finish(stream, end_of_open(wrote), wrote);
    else if (wrote == ECONNRESET) /* send() took the reset that recv() would have told */
        stream_finish(stream, STREAM_RESET, wrote);
    else if (count == 0)
        stream_finish(stream, STREAM_CLOSED, 0);
    else
        stream_finish(stream, end_of_open(number), number);
}

/* One read, or all there is where the kernel reported an error: an alert may lie in front of it. */
static void read_turn(struct stream *stream, bool until_end)
{
    do {
        ssize_t count = recv(stream->socket, stream->loop->received, LOOP_READ_BYTES, 0);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0)
            finish_reading(stream, count, errno);
        else
            take_bytes(stream, (struct span){ stream->loop->received, (size_t)count });
    } while (until_end && !stream->is_closed && !stream->is_paused && stream->state == STREAM_OPEN);
}

/* A pause costs nothing until something comes: most end before that. */
static void wake_reader(struct stream *stream, bool until_end)
{
    if (stream->is_paused)
        stream->is_deaf = true;
    else
        read_turn(stream, until_end);
}

static void finish_connecting(struct stream *stream)
{
    int number = 0;
    socklen_t len = sizeof number;

    if (getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    if (number != 0) {
        stream_finish(stream, stream_end_of_errno(number), number);
        return;
    }
    stream->state = STREAM_OPEN;
    stream->connect_took_ms = loop_now_ms(stream->loop) - stream->began_ms;
    if (stream->handlers.connected != NULL)
        stream->handlers.connected(stream->owner);
}

static void tell_drained(struct stream *stream)
{
    if (stream->is_closed || stream->state != STREAM_OPEN || !stream->owes_drained ||
        stream_unsent(stream) > 0 || stream->write_error != 0)
        return;
    stream->owes_drained = false;
    stream->handlers.drained(stream->owner);
    if (!stream->is_closed)
        stream_flush(stream);
}

static void run_turn(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    if (status < 0) /* libuv has stopped polling: the socket is in error */
        stream->events = 0;
    stream->in_turn = true;
    if (stream->state == STREAM_CONNECTING)
        finish_connecting(stream);
    else if (owes_end(stream))
        stream_tls_finish(stream);
    else if (status < 0 || (events & UV_READABLE) != 0)
        wake_reader(stream, status < 0);
    if (!stream->is_closed)
        stream_flush(stream);
    tell_drained(stream);
    stream->in_turn = false;
    stream_watch(stream);
}

static void free_stream(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void stream_let_go(struct stream *stream)
{
    stream->is_closed = true;
    if (stream->tls != NULL && stream->state == STREAM_OPEN)
        stream_tls_note_end(stream);
    loop_timer_close(&stream->later);
    if (stream->is_polled)
        uv_close((uv_handle_t *)&stream->poll, free_stream); /* later, and before its socket goes */
    if (stream->socket >= 0)
        close(stream->socket);
    stream->socket = -1;
    stream_tls_free(stream);
    buffer_clear(&stream->output);
    if (!stream->is_polled)
        memory_free(stream);
}

static bool has_room(const struct stream *stream, size_t len)
{
    return len <= STREAM_UNSENT_MOST && stream_unsent(stream) <= STREAM_UNSENT_MOST - len;
}

bool stream_send(struct stream *stream, struct span bytes)
{
    if (stream->state != STREAM_OPEN || stream->write_error != 0)
        return false;
    if (bytes.len == 0)
        return true;
    if (!has_room(stream, bytes.len))
        stream_flush(stream); /* in a turn, what was queued has not been offered yet */
    if (!has_room(stream, bytes.len))
        return false;
    if (stream->tls != NULL ? !stream_tls_send(stream, bytes) : !stream_queue(stream, bytes))
        return false;
    stream->owes_drained = stream->handlers.drained != NULL;
    if (!stream->in_turn) {
        stream_flush(stream);
        if (stream->handlers.skips_prompt_drains && stream_unsent(stream) == 0)
            stream->owes_drained = false;
        stream_watch(stream);
    }
    return true;
}

void stream_pause(struct stream *stream)
{
    stream->is_paused = true;
}

void stream_resume(struct stream *stream)
{
    stream->is_paused = false;
    stream->is_deaf = false;
    if (!stream->in_turn)
        stream_watch(stream);
}

void stream_forget_facts(struct stream *stream)
{
    if (stream->tls != NULL)
        stream_tls_forget(stream);
}

void stream_send_end(struct stream *stream)
{
    if (stream->state != STREAM_OPEN || stream->write_error != 0)
        return;
    if (stream->tls != NULL)
        stream_tls_shutdown(stream);
    stream_flush(stream);
    if (stream_unsent(stream) == 0)
        shutdown(stream->socket, SHUT_WR);
}

/* Closing a socket with unread bytes would send RST, and a reset can eat our last words. */
static void discard_unread(int socket)
{
    char bytes[4096];

    for (int i = 0; i < DISCARDS_MOST; i++)
        if (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            return;
}

static void close_stream(struct stream *closing, bool with_notify)
{
    const int on = 1;

    /* Last words and FIN travel in one segment. */
    if (closing->state == STREAM_OPEN && closing->socket >= 0)
        setsockopt(closing->socket, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    if (with_notify && closing->tls != NULL && closing->state == STREAM_OPEN &&
        closing->write_error == 0)
        stream_tls_shutdown(closing);
    if (closing->state != STREAM_CONNECTING && closing->socket >= 0) {
        stream_flush(closing);
        discard_unread(closing->socket);
    }
    stream_let_go(closing);
}

void stream_close(struct stream **stream)
{
    struct stream *closing = *stream;

    *stream = NULL;
    if (closing != NULL)
        close_stream(closing, true);
}

void stream_cut(struct stream **stream)
{
    struct stream *closing = *stream;

    *stream = NULL;
    if (closing != NULL)
        close_stream(closing, false);
}

void stream_reset(struct stream **stream)
{
    struct stream *closing = *stream;
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    *stream = NULL;
    if (closing == NULL)
        return;
    if (closing->socket >= 0 && closing->state != STREAM_CONNECTING)
        stream_flush(closing);
    if (closing->socket >= 0)
        setsockopt(closing->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    stream_let_go(closing);
}

bool stream_own_address(const struct stream *stream, struct net_address *address)
{
    struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof storage;

    return stream->socket >= 0 &&
           getsockname(stream->socket, (struct sockaddr *)&storage, &len) == 0 &&
           net_address_from_socket(&storage, address);
}

int stream_error_number(const struct stream *stream)
{
    return stream->state == STREAM_ENDED ? stream->error_number : 0;
}

size_t stream_peek(const struct stream *stream, char *bytes, size_t size)
{
    ssize_t count = -1;

    if (stream->socket >= 0 && stream->state == STREAM_OPEN)
        count = recv(stream->socket, bytes, size, MSG_PEEK | MSG_DONTWAIT);
    return count < 0 ? 0 : (size_t)count;
}

bool stream_peek_end(const struct stream *stream)
{
    char byte;
    ssize_t count = 1;

    if (stream->socket >= 0 && stream->state == STREAM_OPEN)
        count = recv(stream->socket, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Behind a FIN the kernel reports a reset as EPIPE, and recv() goes on saying 0. */
bool stream_was_reset(const struct stream *stream)
{
    int number = 0;
    socklen_t len = sizeof number;

    return stream->socket >= 0 &&
           getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &number, &len) == 0 &&
           (number == EPIPE || number == ECONNRESET);
}
