#include "link/server_link.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "link/handshake_watch.h"
#include "link/server_link_pool.h"

enum {
    HANDSHAKE_TIMEOUT_MS = 60 * 1000,
    COMMAND_TIMEOUT_MS = 5 * 60 * 1000, /* the engine's own preset */
    UNREAD_MOST = 256 * 1024,           /* more than one turn of the stream can bring */
};

enum phase {
    PHASE_NEW,      /* nothing was done yet: the timer brings the first turn */
    PHASE_SECURING, /* the handshake; the engine waits */
    PHASE_TALKING,
    PHASE_FAREWELL, /* our last word is said; what the peer still sends is dropped */
    PHASE_OVER,
};

struct server_link {
    struct server_link_pool *pool;
    const struct server_link_settings *settings;
    const struct server_link_handlers *handlers;
    void *owner;
    struct stream *stream;
    struct loop_timer *timer;
    struct server_link_spare *spare; /* the engine's storage; NULL at rest */
    struct handshake_watch *watch;   /* NULL: no handshake, or one that is proved */
    char *hello;
    struct net_address peer;
    struct buffer unread; /* came while the engine could not take it */
    int64_t armed_ms, phase_deadline_ms;
    uint8_t phase, depth;
    bool is_engine_running; /* not before an implicit handshake is done */
    bool has_ended, has_told_end;
    bool is_clogged; /* the peer does not read: nothing more is taken */
    bool is_closed;  /* by its owner, inside a callback */
    struct smtp_server engine;
};

static int64_t now_of(const struct server_link *link)
{
    return loop_now_ms(link->pool->loop);
}

/* ---- storage ---- */

/* Before anything is asked of the engine. */
static bool wake_engine(struct server_link *link)
{
    if (link->spare != NULL)
        return true;
    link->spare = server_link_pool_take(link->pool);
    if (link->spare == NULL)
        return false;
    smtp_server_lend(&link->engine, &link->spare->storage);
    return true;
}

static void rest_engine(struct server_link *link)
{
    if (link->spare != NULL && link->is_engine_running && link->unread.len == 0 &&
        smtp_server_is_at_rest(&link->engine))
        server_link_pool_give(link->pool, &link->spare);
}

/* ---- life ---- */

static void free_link(struct server_link *link)
{
    stream_close(&link->stream);
    loop_timer_close(&link->timer);
    handshake_watch_free(&link->watch);
    server_link_pool_give(link->pool, &link->spare);
    buffer_clear(&link->unread);
    memory_free(link->hello);
    link->pool->links--;
    memory_free(link);
}

/* Deadlines mostly move away: the timer is left alone then, and looks again when it comes. */
static void arm(struct server_link *link)
{
    int64_t due_ms = link->phase_deadline_ms;

    if (link->phase == PHASE_TALKING) {
        int64_t engine_ms = smtp_server_deadline_ms(&link->engine);

        due_ms = engine_ms < due_ms ? engine_ms : due_ms;
    }
    if (due_ms >= link->armed_ms)
        return;
    link->armed_ms = due_ms;
    loop_timer_start(link->timer, due_ms - now_of(link));
}

static void enter(struct server_link *link)
{
    link->depth++;
}

static void leave(struct server_link *link)
{
    link->depth--;
    if (link->depth > 0)
        return;
    if (!link->is_closed && link->phase == PHASE_OVER) {
        link->is_closed = true;
        link->handlers->closed(link->owner);
    }
    if (link->is_closed) {
        free_link(link);
        return;
    }
    rest_engine(link);
    arm(link);
}

void server_link_close(struct server_link **link)
{
    struct server_link *closing = *link;

    *link = NULL;
    if (closing == NULL)
        return;
    closing->is_closed = true;
    closing->phase = PHASE_OVER;
    if (closing->depth == 0)
        free_link(closing);
}

static void enter_phase(struct server_link *link, enum phase phase, int64_t most_ms)
{
    link->phase = (uint8_t)phase;
    link->phase_deadline_ms = most_ms == INT64_MAX ? INT64_MAX : now_of(link) + most_ms;
}

/* ---- TLS ---- */

MUST_CHECK static bool start_handshake(struct server_link *link, struct error *err)
{
    int64_t timeout_ms = link->settings->handshake_timeout_ms;

    assert(link->settings->tls != NULL);
    link->is_clogged = false; /* who goes on to TLS reads what is unsent in front of it */
    enter_phase(link, PHASE_SECURING, timeout_ms > 0 ? timeout_ms : HANDSHAKE_TIMEOUT_MS);
    assert(link->watch == NULL);
    link->watch = handshake_watch_new();
    if (link->watch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a handshake");
    stream_resume(link->stream); /* STARTTLS may have waited for an answer, when nothing is read */
    return stream_secure_server(link->stream, link->settings->tls, &link->watch->observation.tls,
                                &link->watch->arena, err);
}

static void tell_failure(struct server_link *link)
{
    AUTO(handshake_watch_free) struct handshake_watch *watch = TAKE(link->watch);

    handshake_watch_complete(watch, link->settings, &link->peer, server_link_hello(link));
    link->handlers->failed(link->owner, &watch->observation, &watch->arena);
}

/* The handshake takes too long, or nothing follows it: the client is slow, or has hung up unseen. */
static void give_up_handshake(struct server_link *link, int64_t timeout_ms)
{
    link->watch->observation.ending = ENDING_TIMEOUT;
    link->watch->observation.timeout_ms = timeout_ms;
    stream_close(&link->stream); /* it writes into the record up to here */
    tell_failure(link);
    enter_phase(link, PHASE_OVER, INT64_MAX);
}

/* There was no handshake, and will be none; but it is told like one that failed. */
static void take_injection(struct server_link *link, const struct smtp_server_event *event)
{
    assert(link->watch == NULL);
    link->watch = handshake_watch_new();
    if (link->watch == NULL)
        return;
    inbound_observation_inject(&link->watch->observation, event->bytes, &link->watch->arena);
    tell_failure(link);
}

/* ---- the engine ---- */

static void keep_hello(struct server_link *link, struct span name)
{
    memory_free(link->hello);
    link->hello = memory_new(name.len + 1, 1);
    if (link->hello != NULL)
        memcpy(link->hello, name.data, name.len);
}

static void start_engine(struct server_link *link)
{
    link->spare = server_link_pool_take(link->pool);
    if (link->spare == NULL) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
        return;
    }
    link->spare->storage.command.verb = SMTP_COMMAND_UNKNOWN;
    smtp_server_init(&link->engine, link->settings->smtp, &link->spare->storage, now_of(link));
    link->is_engine_running = true;
    enter_phase(link, PHASE_TALKING, INT64_MAX);
}

/* A reset would eat our last word, and closing while the peer still sends makes one: we say that this
 * is the end, and close when the peer does. */
static void say_farewell(struct server_link *link)
{
    bool is_quit = link->spare->storage.command.verb == SMTP_COMMAND_QUIT;

    buffer_clear(&link->unread);
    if (link->has_ended || is_quit) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
        return;
    }
    enter_phase(link, PHASE_FAREWELL, SERVER_LINK_FAREWELL_MS);
    stream_send_end(link->stream);
    stream_resume(link->stream);
}

static void send_output(struct server_link *link)
{
    struct span output = smtp_server_output(&link->engine);

    if (output.len == 0)
        return;
    if (!link->has_ended && stream_send(link->stream, output))
        link->is_clogged = stream_unsent(link->stream) > SERVER_LINK_UNSENT_MOST;
    smtp_server_sent(&link->engine, output.len); /* where it failed, `ended` is on its way */
}

static int64_t engine_timeout_ms(const struct server_link *link)
{
    int64_t timeout_ms = link->settings->smtp->command_timeout_ms;

    return timeout_ms > 0 ? timeout_ms : COMMAND_TIMEOUT_MS;
}

static void take_event(struct server_link *link, const struct smtp_server_event *event)
{
    switch (event->kind) {
    case SMTP_SERVER_NOTHING: break;
    case SMTP_SERVER_HANDSHAKE_NOW:
        send_output(link);
        if (!start_handshake(link, NULL)) /* no memory: the peer sees us go */
            enter_phase(link, PHASE_OVER, INT64_MAX);
        break;
    case SMTP_SERVER_FINISHED:
        send_output(link);
        say_farewell(link);
        break;
    case SMTP_SERVER_INJECTED:
        take_injection(link, event);
        link->handlers->event(link->owner, event);
        break;
    case SMTP_SERVER_HELLO_CAME:
        keep_hello(link, event->command->argument);
        link->handlers->event(link->owner, event);
        break;
    case SMTP_SERVER_CONNECTED:
    case SMTP_SERVER_MAIL_CAME:
    case SMTP_SERVER_RCPT_CAME:
    case SMTP_SERVER_DATA_CAME:
    case SMTP_SERVER_MESSAGE_ENDED:
    case SMTP_SERVER_CONTENT:
    case SMTP_SERVER_MESSAGE_DROPPED:
    case SMTP_SERVER_REFUSED:
    case SMTP_SERVER_EARLY_TALK:
    case SMTP_SERVER_TIMED_OUT:
    case SMTP_SERVER_ENDED_EARLY: link->handlers->event(link->owner, event); break;
    }
    if (event->kind == SMTP_SERVER_TIMED_OUT && link->watch != NULL && !link->is_closed) {
        send_output(link); /* 421, inside TLS: whoever is there may hear why */
        give_up_handshake(link, engine_timeout_ms(link));
    }
}

/* Takes what the engine has to tell and to send, until it has neither. */
static void pull(struct server_link *link)
{
    struct smtp_server_event event;

    while (!link->is_closed && link->phase == PHASE_TALKING) {
        if (smtp_server_next(&link->engine, &event))
            take_event(link, &event);
        else if (smtp_server_output(&link->engine).len > 0)
            send_output(link);
        else
            break;
    }
}

/* Feeds what it takes of *bytes; the rest has to wait. */
static void feed(struct server_link *link, struct span *bytes)
{
    while (bytes->len > 0 && !link->is_closed && link->phase == PHASE_TALKING &&
           !link->is_clogged) {
        size_t before = bytes->len;

        smtp_server_feed(&link->engine, bytes, now_of(link));
        pull(link);
        if (bytes->len == before && smtp_server_asked(&link->engine) != SMTP_SERVER_NOTHING)
            break;
        if (bytes->len == before && link->engine.is_paused)
            break;
    }
}

/* What waits is older than what comes now. */
static void feed_unread(struct server_link *link)
{
    struct span rest = buffer_span(&link->unread);
    size_t len = rest.len;

    if (len == 0)
        return;
    feed(link, &rest);
    if (link->is_closed || link->phase != PHASE_TALKING || rest.len == 0)
        buffer_clear(&link->unread);
    else
        buffer_drop(&link->unread, len - rest.len);
}

/* Goes on after an answer, a pause, or a clog. */
static void go_on(struct server_link *link)
{
    if (!wake_engine(link)) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
        return;
    }
    pull(link);
    if (!link->is_closed && link->phase == PHASE_TALKING)
        feed_unread(link);
    if (link->is_closed || link->phase != PHASE_TALKING || link->unread.len > 0)
        return;
    if (!link->has_ended) {
        if (!link->is_clogged && !link->engine.is_paused &&
            smtp_server_asked(&link->engine) == SMTP_SERVER_NOTHING)
            stream_resume(link->stream);
    } else if (!link->has_told_end) {
        link->has_told_end = true;
        smtp_server_end_of_input(&link->engine);
        pull(link);
    }
}

/* ---- what the stream says ---- */

static void keep_unread(struct server_link *link, struct span bytes)
{
    if (!buffer_append(&link->unread, bytes)) {
        enter_phase(link, PHASE_OVER, INT64_MAX); /* no memory */
        return;
    }
    stream_pause(link->stream);
}

/* The first word inside proves the handshake: nothing of it is needed any more. */
static void prove_handshake(struct server_link *link)
{
    if (link->watch == NULL)
        return;
    stream_forget_facts(link->stream);
    handshake_watch_free(&link->watch);
}

/* While an answer is due, no end is looked for: a client that has said all and closed its side only hears
 * the answer still. What is paused here costs nothing, and goes on with the answer. */
static void wait_for_answer(struct server_link *link)
{
    if (!link->is_closed && link->phase == PHASE_TALKING &&
        smtp_server_asked(&link->engine) != SMTP_SERVER_NOTHING)
        stream_pause(link->stream);
}

static void on_received(void *owner, struct span *bytes)
{
    struct server_link *link = owner;

    enter(link);
    if (link->phase == PHASE_TALKING && link->engine.is_encrypted)
        prove_handshake(link);
    if (link->phase == PHASE_TALKING && !wake_engine(link))
        enter_phase(link, PHASE_OVER, INT64_MAX);
    if (link->phase == PHASE_NEW) {
        keep_unread(link, *bytes);
    } else if (link->phase == PHASE_TALKING) {
        if (link->unread.len == 0)
            feed(link, bytes);
        if (bytes->len > 0 && !link->is_closed && link->phase == PHASE_TALKING)
            keep_unread(link, *bytes);
        wait_for_answer(link);
    }
    leave(link);
}

static void on_secured(void *owner)
{
    struct server_link *link = owner;

    enter(link);
    link->handlers->secured(link->owner, &link->watch->observation.tls);
    if (!link->is_closed && !link->is_engine_running) {
        start_engine(link);
        pull(link);
    } else if (!link->is_closed) {
        enter_phase(link, PHASE_TALKING, INT64_MAX);
        smtp_server_secured(&link->engine, now_of(link));
    }
    leave(link);
}

static void on_drained(void *owner)
{
    struct server_link *link = owner;

    enter(link);
    if (link->is_clogged && link->phase == PHASE_TALKING) {
        link->is_clogged = false;
        go_on(link);
    }
    leave(link);
}

static void on_ended(void *owner, enum stream_end end)
{
    struct server_link *link = owner;

    enter(link);
    link->has_ended = true;
    if (link->watch != NULL) {
        inbound_observation_end(&link->watch->observation, end);
        stream_close(&link->stream);
        tell_failure(link);
    }
    if (link->phase == PHASE_TALKING && !link->is_closed) {
        link->is_clogged = false;
        go_on(link);
    } else if (!link->is_closed) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
    }
    leave(link);
}

static const struct stream_handlers stream_handlers = { .received = on_received,
                                                        .secured = on_secured,
                                                        .drained = on_drained,
                                                        .ended = on_ended,
                                                        .skips_prompt_drains = true };

static void on_time(void *owner)
{
    struct server_link *link = owner;
    bool is_due;

    enter(link);
    link->armed_ms = INT64_MAX;
    is_due = now_of(link) >= link->phase_deadline_ms;
    if (link->phase == PHASE_NEW) {
        start_engine(link);
        go_on(link);
    } else if (link->phase == PHASE_SECURING && is_due) {
        give_up_handshake(link, now_of(link) - link->watch->observation.tls.began_ms);
    } else if (link->phase == PHASE_FAREWELL && is_due) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
    } else if (link->phase == PHASE_TALKING && wake_engine(link)) {
        smtp_server_tick(&link->engine, now_of(link));
        pull(link);
    }
    leave(link);
}

bool server_link_open(struct server_link_pool *pool, const struct server_link_settings *settings,
                      int socket, const struct net_address *peer,
                      const struct server_link_handlers *handlers, void *owner,
                      struct server_link **link, struct error *err)
{
    struct server_link *made = memory_new(1, sizeof *made);
    struct stream *stream;

    *link = NULL;
    if (!stream_adopt(pool->loop, socket, &stream_handlers, made, &stream, err)) {
        memory_free(made);
        return false;
    }
    if (made == NULL) {
        stream_close(&stream);
        return error_set(err, ERROR_MEMORY, "no memory for a session");
    }
    *made = (struct server_link){ .pool = pool,
                                  .settings = settings,
                                  .handlers = handlers,
                                  .owner = owner,
                                  .peer = *peer,
                                  .stream = stream,
                                  .armed_ms = INT64_MAX };
    buffer_init(&made->unread, UNREAD_MOST);
    enter_phase(made, PHASE_NEW, 0);
    pool->links++;
    if (!loop_timer_open(pool->loop, on_time, made, &made->timer, err) ||
        (settings->smtp->tls == SMTP_SERVER_TLS_IMPLICIT && !start_handshake(made, err))) {
        free_link(made);
        return false;
    }
    arm(made);
    *link = made;
    return true;
}

/* ---- what the owner asks for ---- */

void server_link_answer(struct server_link *link, struct smtp_answer answer)
{
    enter(link);
    if (link->phase == PHASE_TALKING)
        smtp_server_answer(&link->engine, answer, now_of(link));
    if (link->depth == 1 && link->phase == PHASE_TALKING)
        go_on(link);
    leave(link);
}

void server_link_pause(struct server_link *link)
{
    if (link->phase == PHASE_TALKING)
        smtp_server_pause(&link->engine);
}

void server_link_resume(struct server_link *link)
{
    enter(link);
    if (link->phase == PHASE_TALKING && wake_engine(link)) /* the end of input may have waited */
        smtp_server_resume(&link->engine, now_of(link));
    if (link->depth == 1 && link->phase == PHASE_TALKING)
        go_on(link);
    leave(link);
}

void server_link_quit(struct server_link *link, struct smtp_answer answer)
{
    enter(link);
    if (link->phase == PHASE_NEW) /* it has not been greeted, and is told so */
        start_engine(link);
    if (link->phase == PHASE_SECURING) {
        enter_phase(link, PHASE_OVER, INT64_MAX);
    } else if (link->phase == PHASE_TALKING && wake_engine(link)) {
        smtp_server_quit(&link->engine, answer, now_of(link));
        if (link->depth == 1)
            pull(link);
    }
    leave(link);
}

const char *server_link_hello(const struct server_link *link)
{
    return link->hello == NULL ? "" : link->hello;
}

const struct net_address *server_link_peer(const struct server_link *link)
{
    return &link->peer;
}
