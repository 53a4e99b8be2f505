/* net/stream_tls.c - the TLS half of a stream: a BIO over the loop's read buffer and the stream's
 * output, and the turns of handshake and records over it. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "net/loop_internal.h"
#include "net/stream_internal.h"
#include "net/tls_internal.h"
#include "net/tls_server.h"
#include "net/tls_server_internal.h"

/* After plaintext where TLS should begin, what follows tells a server that goes on in plaintext
 * from one whose TLS answer has bytes of somebody else in front. So wait a little: two round trips
 * and some, never long. */
enum { FOREIGN_WAIT_MS = 250, FOREIGN_WAIT_MOST_MS = 900 };

static BIO_METHOD *bio_method;

static int give_window(BIO *bio, char *bytes, size_t size, size_t *given)
{
    struct stream *stream = BIO_get_data(bio);
    struct span part = span_take_front(&stream->tls->window, size);

    BIO_clear_retry_flags(bio);
    *given = part.len;
    if (part.len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, part.data, part.len);
    return 1;
}

static int take_output(BIO *bio, const char *bytes, size_t len, size_t *taken)
{
    struct stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *taken = 0;
    if (stream->write_error == 0 && !stream_queue(stream, (struct span){ bytes, len }))
        return 0; /* out of memory, or the peer makes us say more than it ever reads */
    if (stream->tls->watch.facts != NULL)
        stream->tls->watch.facts->bytes_sent += len;
    *taken = len;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* output is flushed at the end of the turn */
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern stream");
    if (bio_method == NULL)
        return;
    BIO_meth_set_read_ex(bio_method, give_window);
    BIO_meth_set_write_ex(bio_method, take_output);
    BIO_meth_set_ctrl(bio_method, control);
}

static BIO *make_bio(struct stream *stream)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_bio_method);
    bio = bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio != NULL) {
        BIO_set_data(bio, stream);
        BIO_set_init(bio, 1);
    }
    return bio;
}

void stream_tls_free(struct stream *stream)
{
    if (stream->tls == NULL)
        return;
    SSL_free(stream->tls->ssl);
    tls_session_box_clear(&stream->tls->sessions);
    tls_server_context_free(&stream->tls->context);
    memory_free(stream->tls);
    stream->tls = NULL;
}

void stream_tls_note_end(struct stream *stream)
{
    if (stream->tls->watch.facts != NULL)
        tls_watch_ended(&stream->tls->watch, stream->tls->ssl);
}

void stream_tls_forget(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (!tls->is_secured)
        return;
    SSL_set_msg_callback(tls->ssl, NULL);
    SSL_set_msg_callback_arg(tls->ssl, NULL);
    tls->watch.facts = NULL;
    tls->watch.arena = NULL;
    tls_session_box_clear(&tls->sessions);
}

/* The library gave up, or our own memory did. */
static void fail_tls(struct stream *stream)
{
    struct tls_watch *watch = &stream->tls->watch;
    bool has_reason = ERR_peek_error() != 0; /* the peer's alert is one, too */

    if (watch->facts != NULL) {
        tls_watch_failed(watch);
        has_reason = watch->facts->library_code != 0 || watch->facts->alert_count > 0;
    }
    if (!has_reason)
        stream_finish(stream, STREAM_FAILED, ENOMEM);
    else
        stream_finish(stream, STREAM_TLS_FAILED, 0);
}

void stream_tls_finish(struct stream *stream)
{
    ERR_clear_error();
    SSL_shutdown(stream->tls->ssl); /* answer it: RFC 5246 section 7.2.1 */
    stream_finish(stream, STREAM_CLOSED, 0);
}

/* Returns false when this turn can do no more. `result`: of SSL_get_error. */
static bool take_result(struct stream *stream, int result)
{
    switch (result) {
    case SSL_ERROR_NONE: return true;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return false;
    case SSL_ERROR_ZERO_RETURN:
        stream->tls->holds_end = stream->is_paused;
        if (!stream->is_paused)
            stream_tls_finish(stream);
        return false;
    default: fail_tls(stream); return false;
    }
}

static void tell_sessions(struct stream *stream)
{
    struct tls_session *next;

    while (!stream->is_closed && stream->handlers.resumable != NULL &&
           (next = tls_session_box_next(&stream->tls->sessions)) != NULL) {
        stream->handlers.resumable(stream->owner, &next);
        tls_session_free(&next);
    }
}

static bool shake_hands(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (!take_result(stream, SSL_get_error(tls->ssl, result)))
        return false;
    tls->is_secured = true;
    tls_watch_completed(&tls->watch, tls->ssl);
    tls_session_box_completed(&tls->sessions, tls->ssl, tls->watch.facts, tls->watch.arena);
    if (stream->handlers.secured != NULL)
        stream->handlers.secured(stream->owner);
    tell_sessions(stream);
    return true;
}

static bool read_record(struct stream *stream)
{
    struct span plain;
    int count, result;

    ERR_clear_error();
    count = SSL_read(stream->tls->ssl, stream->loop->plain, LOOP_PLAIN_BYTES);
    result = SSL_get_error(stream->tls->ssl, count);
    if (result == SSL_ERROR_NONE || result == SSL_ERROR_WANT_READ)
        tell_sessions(stream);
    if (stream->is_closed)
        return false;
    if (count <= 0)
        return take_result(stream, result);
    plain = (struct span){ stream->loop->plain, (size_t)count };
    if (stream->handlers.received != NULL)
        stream->handlers.received(stream->owner, &plain);
    return true;
}

static void advance(struct stream *stream)
{
    bool goes_on = true;

    while (goes_on && !stream->is_closed && stream->state == STREAM_OPEN)
        goes_on = stream->tls->is_secured ? read_record(stream) : shake_hands(stream);
}

static bool is_record_header(const uint8_t *bytes, size_t len)
{
    return bytes[0] >= SSL3_RT_CHANGE_CIPHER_SPEC && bytes[0] <= SSL3_RT_APPLICATION_DATA &&
           (len < 2 || bytes[1] == 3) && (len < 3 || bytes[2] <= 4);
}

/* A server may still be greeted with the two-byte header of SSL 2: RFC 5246 appendix E.2. */
static bool is_old_hello(const uint8_t *bytes, size_t len)
{
    return (bytes[0] & 0x80) != 0 && (len < 3 || bytes[2] == 1);
}

static bool begins_like_tls(const struct stream_tls *tls)
{
    struct span first = tls->watch.facts->first_bytes;
    const uint8_t *bytes = (const uint8_t *)first.data;

    return first.len == 0 || is_record_header(bytes, first.len) ||
           (tls->is_server && is_old_hello(bytes, first.len));
}

static bool holds_record_header(struct span bytes)
{
    for (size_t i = 0; i + 3 <= bytes.len; i++)
        if (is_record_header((const uint8_t *)bytes.data + i, 3))
            return true;
    return false;
}

static void collect_foreign(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    struct span first = tls->watch.facts->first_bytes;
    int64_t wait_ms = FOREIGN_WAIT_MS + 2 * stream->connect_took_ms;
    bool waits_already = tls->is_foreign;

    tls->is_foreign = true;
    if (wait_ms > FOREIGN_WAIT_MOST_MS)
        wait_ms = FOREIGN_WAIT_MOST_MS;
    if (tls->is_server || first.len >= TLS_FIRST_BYTES || holds_record_header(first) ||
        (!waits_already && !stream_finish_later(stream, STREAM_NOT_TLS, 0, wait_ms, NULL)))
        stream_finish(stream, STREAM_NOT_TLS, 0);
}

/* False: the peer does not speak TLS. */
static bool note_received(struct stream_tls *tls, struct span bytes)
{
    struct tls_facts *facts = tls->watch.facts;

    if (facts == NULL)
        return true;
    facts->bytes_received += bytes.len;
    tls_watch_first_bytes(&tls->watch, bytes);
    if (!tls->is_foreign && !facts->is_not_tls && !tls->is_secured)
        facts->is_not_tls = !begins_like_tls(tls);
    return !facts->is_not_tls;
}

void stream_tls_receive(struct stream *stream, struct span bytes)
{
    struct stream_tls *tls = stream->tls;

    if (!note_received(tls, bytes)) {
        collect_foreign(stream);
        return;
    }
    tls->window = bytes;
    advance(stream);
    if (!stream->is_closed)
        tls->window = (struct span){ NULL, 0 };
}

bool stream_tls_send(struct stream *stream, struct span bytes)
{
    struct stream_tls *tls = stream->tls;

    if (!tls->is_secured || bytes.len > INT32_MAX)
        return false;
    ERR_clear_error();
    return SSL_write(tls->ssl, bytes.data, (int)bytes.len) == (int)bytes.len;
}

void stream_tls_shutdown(struct stream *stream)
{
    if (!stream->tls->is_secured)
        return;
    ERR_clear_error();
    SSL_shutdown(stream->tls->ssl);
    ERR_clear_error();
}

/* Takes `ssl` in any case. */
static bool start_tls(struct stream *stream, SSL *ssl, bool is_server, struct tls_facts *facts,
                      struct arena *arena, struct error *err)
{
    struct stream_tls *tls = memory_new(1, sizeof *tls);
    BIO *bio = make_bio(stream);

    if (tls == NULL || bio == NULL || stream->tls != NULL || stream->state != STREAM_OPEN) {
        bool has_memory = tls != NULL && bio != NULL;

        SSL_free(ssl);
        BIO_free(bio);
        memory_free(tls);
        return has_memory ? error_set(err, ERROR_SYSTEM, "TLS on a connection that cannot start it")
                          : error_set(err, ERROR_MEMORY, "no memory for TLS");
    }
    SSL_set_bio(ssl, bio, bio);
    tls->ssl = ssl;
    tls->is_server = is_server;
    tls->watch = (struct tls_watch){
        .facts = facts, .arena = arena, .loop = stream->loop, .is_server = is_server
    };
    stream->tls = tls;
    tls_watch_start(&tls->watch, ssl);
    return true;
}

bool stream_secure_client(struct stream *stream, const struct tls_client_settings *settings,
                          struct tls_facts *facts, struct arena *arena, struct error *err)
{
    SSL *ssl;
    int result;

    if (!tls_client_ssl_new(stream->loop, settings, &ssl, err))
        return false;
    if (!start_tls(stream, ssl, false, facts, arena, err))
        return false;
    facts->offered_session = tls_session_box_join(&stream->tls->sessions, ssl, settings->session,
                                                  settings->keeps_sessions ? facts : NULL) &&
                             settings->session != NULL;
    facts->offered_minimum = settings->minimum_version;
    facts->offered_maximum = (uint16_t)SSL_get_max_proto_version(ssl);
    /* The window is empty: this only says hello. Bytes that still lie in the loop's buffer came
     * in clear and never reach TLS. */
    ERR_clear_error();
    result = SSL_do_handshake(ssl);
    if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) {
        tls_watch_failed(&stream->tls->watch);
        return error_set(err, ERROR_CRYPTO, "starting a TLS handshake: %s",
                         facts->library_reason == NULL ? "no reason given" : facts->library_reason);
    }
    if (!stream->in_turn) {
        stream_flush(stream);
        stream_watch(stream);
    }
    return true;
}

bool stream_secure_server(struct stream *stream, struct tls_server_context *context,
                          struct tls_facts *facts, struct arena *arena, struct error *err)
{
    SSL *ssl;

    if (!tls_server_ssl_new(context, &ssl, err))
        return false;
    if (!start_tls(stream, ssl, true, facts, arena, err))
        return false;
    stream->tls->context = tls_server_context_hold(context);
    stream->tls->watch.forgets_renegotiation = context->legacy_renegotiation;
    return true;
}

bool stream_secure_server_after(struct stream *stream, struct tls_server_context *context,
                                struct span early, struct tls_facts *facts, struct arena *arena,
                                struct error *err)
{
    bool is_outside = !stream->in_turn;

    if (!stream_secure_server(stream, context, facts, arena, err))
        return false;
    if (early.len == 0)
        return true;
    stream_tls_receive(stream, early);
    if (is_outside && !stream->is_closed) {
        stream_flush(stream);
        stream_watch(stream);
    }
    return true;
}
