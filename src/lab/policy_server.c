#include "lab/policy_server.h"

#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls_server.h"

enum {
    REQUEST_MOST = 8 * 1024,
    ARENA_MOST = 256 * 1024, /* of what one handshake shows */
    ANSWER_MOST = 64 * 1024,
    DRIP_MS = 1000,
};

#define PATH         "/.well-known/mta-sts.txt"
#define USUAL_POLICY "version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: 604800\r\n"

struct session {
    struct policy_server *server;
    struct session *previous, *next;
    struct stream *stream;
    struct tls_facts facts;
    struct arena arena;
    struct buffer request;
    struct loop_timer *drip; /* NULL: it has none */
    bool is_answered;
};

struct policy_server {
    struct loop *loop;
    const struct fault_published *published;
    struct listener *listener;
    struct tls_credentials *credentials;
    struct tls_server_context *context;
    struct buffer policy, answer;
    struct session *sessions;
    size_t requests;
};

static void end_session(struct session *session)
{
    if (session->previous == NULL)
        session->server->sessions = session->next;
    else
        session->previous->next = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    stream_close(&session->stream);
    loop_timer_close(&session->drip);
    buffer_clear(&session->request);
    arena_clear(&session->arena);
    memory_free(session);
}

static void note_ended(void *owner, enum stream_end how)
{
    (void)how;
    end_session(owner);
}

/* `bytes` over and over, as fast as they are taken. */
static bool say_without_end(struct session *session)
{
    static char chunk[16 * 1024];
    static const char head[] = "3ff0\r\n"; /* its length, 16,368 octets */

    if (chunk[0] == '\0') {
        memset(chunk, 'x', sizeof chunk);
        memcpy(chunk, head, sizeof head - 1);
        memcpy(chunk + sizeof head - 1 + 0x3ff0, "\r\n", 2);
    }
    return stream_send(session->stream, (struct span){ chunk, sizeof head - 1 + 0x3ff0 + 2 });
}

static void note_drained(void *owner)
{
    struct session *session = owner;

    if (session->is_answered && session->server->published->server == FAULT_POLICY_HUGE &&
        !say_without_end(session))
        end_session(session);
}

static void drip(void *owner)
{
    struct session *session = owner;

    if (stream_send(session->stream, span_of("x")))
        loop_timer_start(session->drip, DRIP_MS);
    else
        end_session(session);
}

/* False: the session is over. */
static bool start_drip(struct session *session)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";

    if (!stream_send(session->stream, span_of(head)) ||
        !loop_timer_open(session->server->loop, drip, session, &session->drip, NULL))
        return false;
    loop_timer_start(session->drip, 0);
    return true;
}

static bool say_whole(struct session *session, struct span answer)
{
    if (!stream_send(session->stream, answer))
        return false;
    stream_send_end(session->stream);
    return true;
}

static bool asks_for_policy(struct span request)
{
    return span_starts_with(request, "GET " PATH " HTTP/1.");
}

/* False: the session is over. */
static bool answer(struct session *session)
{
    static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    static const char huge[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    struct policy_server *server = session->server;
    struct span whole = buffer_span(&server->answer);

    server->requests++;
    if (!asks_for_policy(buffer_span(&session->request)))
        return say_whole(session, span_of(none));
    switch (server->published->server) {
    case FAULT_POLICY_SILENT: return true;
    case FAULT_POLICY_DRIPS: return start_drip(session);
    case FAULT_POLICY_NOT_HTTP: return say_whole(session, span_of("220 mx.lab.test ESMTP\r\n"));
    case FAULT_POLICY_HUGE: return stream_send(session->stream, span_of(huge));
    case FAULT_POLICY_CUT: whole.len -= server->policy.len / 2; return say_whole(session, whole);
    case FAULT_POLICY_ANSWERS:
    case FAULT_POLICY_REFUSES:
    case FAULT_POLICY_NOT_TLS:
    case FAULT_POLICY_STALLS:
    case FAULT_POLICY_NO_ADDRESS:
    case FAULT_POLICY_SERVFAIL: break;
    }
    return say_whole(session, whole);
}

static void note_received(void *owner, struct span *bytes)
{
    struct session *session = owner;
    struct span all;

    if (session->is_answered)
        return;
    if (!buffer_append(&session->request, *bytes)) { /* too long: no more is heard of it */
        end_session(session);
        return;
    }
    all = buffer_span(&session->request);
    if (memmem(all.data, all.len, "\r\n\r\n", 4) == NULL)
        return;
    session->is_answered = true;
    if (!answer(session))
        end_session(session);
}

static const struct stream_handlers handlers = { .received = note_received,
                                                 .drained = note_drained,
                                                 .ended = note_ended };

/* False: the session is over. */
static bool begin(struct session *session)
{
    struct policy_server *server = session->server;

    if (server->published->server == FAULT_POLICY_STALLS) {
        session->is_answered = true; /* with nothing */
        return true;
    }
    if (server->published->server == FAULT_POLICY_NOT_TLS)
        return say_whole(session, span_of("HTTP/1.1 400 Bad Request\r\n\r\n"));
    return stream_secure_server(session->stream, server->context, &session->facts, &session->arena,
                                NULL);
}

static void accept_client(void *owner, int socket, const struct net_address *peer)
{
    struct policy_server *server = owner;
    struct session *session = memory_new(1, sizeof *session);

    (void)peer;
    if (session == NULL ||
        !stream_adopt(server->loop, socket, &handlers, session, &session->stream, NULL)) {
        memory_free(session);
        return;
    }
    session->server = server;
    session->next = server->sessions;
    if (session->next != NULL)
        session->next->previous = session;
    server->sessions = session;
    arena_init(&session->arena, ARENA_MOST);
    buffer_init(&session->request, REQUEST_MOST);
    if (!begin(session))
        end_session(session);
}

/* The text with each {host} replaced. */
static bool write_policy(struct policy_server *server, const char *host)
{
    const char *text = server->published->policy == NULL ? USUAL_POLICY : server->published->policy;

    for (const char *place; (place = strstr(text, "{host}")) != NULL; text = place + 6)
        if (!buffer_append(&server->policy, (struct span){ text, (size_t)(place - text) }) ||
            !buffer_append_text(&server->policy, host))
            return false;
    return buffer_append_text(&server->policy, text);
}

static bool write_answer(struct policy_server *server)
{
    const struct fault_published *published = server->published;
    bool moves = published->location != NULL;

    return buffer_format(&server->answer,
                         "HTTP/1.1 %d Answer\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s"
                         "Connection: close\r\n\r\n",
                         published->status == 0 ? 200 : published->status,
                         published->content_type == NULL ? "text/plain" : published->content_type,
                         server->policy.len, moves ? "Location: " : "",
                         moves ? published->location : "", moves ? "\r\n" : "") &&
           buffer_append(&server->answer, buffer_span(&server->policy));
}

static bool make_context(struct policy_server *server, const struct certificate_made *certificate,
                         struct error *err)
{
    struct tls_server_settings wanted = {
        .minimum_version = server->published->minimum_version,
        .maximum_version = server->published->maximum_version,
        .security_level = 0,
    };

    if (!tls_credentials_load(certificate->chain_pem, certificate->key_pem, &server->credentials,
                              err))
        return false;
    wanted.credentials = server->credentials;
    return tls_server_context_new(&wanted, &server->context, err);
}

bool policy_server_open(struct loop *loop, const struct policy_server_settings *settings,
                        struct net_address *address, struct policy_server **server,
                        struct error *err)
{
    AUTO(policy_server_close) struct policy_server *made = memory_new(1, sizeof *made);

    *server = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a policy server");
    made->loop = loop;
    made->published = settings->published;
    buffer_init(&made->policy, ANSWER_MOST);
    buffer_init(&made->answer, ANSWER_MOST);
    if (!write_policy(made, settings->mail_host) || !write_answer(made))
        return error_set(err, ERROR_MEMORY, "a policy of the lab is too long");
    if (!make_context(made, settings->certificate, err) ||
        !listener_open(loop, address, accept_client, made, &made->listener, err))
        return error_wrap(err, "policy server for %s", settings->mail_host);
    if (made->published->server == FAULT_POLICY_REFUSES) /* the port is known to be free now */
        listener_close(&made->listener);
    *server = TAKE(made);
    return true;
}

void policy_server_close(struct policy_server **server)
{
    struct policy_server *closing = *server;

    *server = NULL;
    if (closing == NULL)
        return;
    while (closing->sessions != NULL)
        end_session(closing->sessions);
    listener_close(&closing->listener);
    tls_server_context_free(&closing->context);
    tls_credentials_free(&closing->credentials);
    buffer_clear(&closing->policy);
    buffer_clear(&closing->answer);
    memory_free(closing);
}

size_t policy_server_requests(const struct policy_server *server)
{
    return server->requests;
}
