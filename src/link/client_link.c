#include "link/client_link_parts.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 30 * 1000,
    QUIT_WAIT_MS = 2000, /* all is known by then: politeness has its end */
    CLOSE_WAIT_MS = 100, /* for close_notify and FIN behind the reply to QUIT */
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sets the timer for whatever is due first. */
static void arm(struct client_link *link)
{
    int64_t due_ms = link->phase_deadline_ms, wait_ms;

    if (link->phase == LINK_OVER || link->is_closed)
        return;
    if (link->phase == LINK_TALKING)
        due_ms = earlier(due_ms, smtp_client_deadline_ms(&link->engine));
    if (link->settings.deadline_ms != 0)
        due_ms = earlier(due_ms, link->settings.deadline_ms);
    if (due_ms == INT64_MAX) {
        loop_timer_stop(link->timer);
        return;
    }
    wait_ms = due_ms - client_link_now(link);
    loop_timer_start(link->timer, wait_ms > 0 ? wait_ms : 0);
}

/* ---- life ---- */

static void free_link(struct client_link *link)
{
    stream_close(&link->stream);
    loop_timer_close(&link->timer);
    tls_credentials_free(&link->made_credentials);
    tls_session_free(&link->offered);
    buffer_clear(&link->raw);
    memory_free(link);
}

static void enter(struct client_link *link)
{
    link->depth++;
}

static void leave(struct client_link *link)
{
    link->depth--;
    if (link->depth > 0)
        return;
    if (link->is_closed)
        free_link(link);
    else
        arm(link);
}

void client_link_close(struct client_link **link)
{
    struct client_link *closing = *link;

    *link = NULL;
    if (closing == NULL)
        return;
    closing->is_closed = true;
    closing->phase = LINK_OVER;
    if (closing->depth == 0)
        free_link(closing);
}

static void judge_chain(struct client_link *link)
{
    const struct clock *clock = link->settings.clock;
    int64_t began_ms = clock->monotonic_ms(clock);
    struct error err = { .kind = ERROR_NONE };

    if (!client_link_take_foreseen(link) &&
        !client_link_judge(&link->settings, link->arena, link->observation, &err))
        client_link_settle_failure(link, err.text);
    link->observation->step_ms[STEP_CERTIFICATE] = clock->monotonic_ms(clock) - began_ms;
}

static void finish(struct client_link *link)
{
    link->phase = LINK_OVER;
    loop_timer_stop(link->timer);
    client_link_settle(link, ENDING_STOPPED);
    client_link_enter_step(link, link->step);
    stream_close(&link->stream);
    if (!link->observation->has_verdict && link->observation->tls.chain_count > 0)
        judge_chain(link);
    client_link_settle_resumption(link);
    link->handlers.finished(link->owner, link->observation);
}

static void start_engine(struct client_link *link)
{
    const struct client_link_settings *settings = &link->settings;
    const struct smtp_client_settings engine = {
        .hostname = settings->hostname,
        .tls = settings->level == POLICY_NONE ? SMTP_CLIENT_TLS_NEVER : SMTP_CLIENT_TLS_IF_OFFERED,
        .is_lmtp = settings->is_lmtp,
        .is_implicit_tls = client_link_is_tls_from_first_byte(link),
        .says_helo = settings->dial == DIAL_HELO,
        .reply_timeout_ms = settings->reply_timeout_ms,
    };

    smtp_client_init(&link->engine, &engine, link->reply_storage, sizeof link->reply_storage,
                     client_link_now(link));
    client_link_enter_phase(link, LINK_TALKING, INT64_MAX);
    link->last_sent_ms = client_link_now(link);
}

static void note_tls(struct client_link *link)
{
    const struct tls_facts *tls = &link->observation->tls;

    if (link->transcript != NULL)
        transcript_note(link->transcript, client_link_now(link), "TLS: %s, %s, %s%s",
                        tls_version_name(tls->version), tls->cipher == NULL ? "?" : tls->cipher,
                        tls->group == NULL ? "no group" : tls->group,
                        tls->was_resumed ? ", resumed" : "");
}

/* ---- what the engine says ---- */

static void note_quit(struct client_link *link)
{
    bool is_whole = link->engine.is_encrypted && link->was_ready;

    link->has_quit = true;
    client_link_settle(link, is_whole || link->has_sent_message ? ENDING_QUIT : ENDING_STOPPED);
    link->phase_deadline_ms = client_link_now(link) + QUIT_WAIT_MS;
}

/* The step of what is waited for now. What ends a conversation leaves the step as it was. */
static void follow_step(struct client_link *link)
{
    bool is_inside = link->engine.is_encrypted && !client_link_is_tls_from_first_byte(link);
    enum step step = link->step;

    switch (smtp_client_state(&link->engine)) {
    case SMTP_CLIENT_GREETING: step = STEP_GREETING; break;
    case SMTP_CLIENT_EHLO:
    case SMTP_CLIENT_HELO: step = is_inside ? STEP_AFTER_TLS : STEP_EHLO; break;
    case SMTP_CLIENT_STARTTLS: step = STEP_STARTTLS; break;
    case SMTP_CLIENT_READY: step = link->engine.is_encrypted ? STEP_AFTER_TLS : step; break;
    case SMTP_CLIENT_HANDSHAKE:
    case SMTP_CLIENT_MAIL:
    case SMTP_CLIENT_RCPT:
    case SMTP_CLIENT_DATA:
    case SMTP_CLIENT_BODY:
    case SMTP_CLIENT_END_OF_DATA:
    case SMTP_CLIENT_RSET:
    case SMTP_CLIENT_QUIT:
    case SMTP_CLIENT_CLOSED: break;
    }
    if (step != link->step)
        client_link_enter_step(link, step);
}

static void become_ready(struct client_link *link)
{
    link->was_ready = true;
    link->observation->reached = link->step; /* so far; it may be judged now */
    if (link->handlers.ready != NULL)
        link->handlers.ready(link->owner, link->observation);
    else
        smtp_client_quit(&link->engine, client_link_now(link));
}

/* The conversation was cut off where the peer owed a reply. */
static void settle_cut(struct client_link *link, enum ending ending)
{
    bool is_inside = link->step == STEP_AFTER_TLS && !client_link_is_tls_from_first_byte(link);

    if (!link->is_settled && is_inside && !link->observation->ehlo_after_tls.came)
        link->observation->ended_after_tls = true;
    client_link_settle(link, ending);
}

/* Once QUIT was answered inside TLS, the way in which the peer closes is worth a short look. */
static void take_end_of_engine(struct client_link *link)
{
    bool is_open = link->stream_end == STREAM_STILL_OPEN;

    settle_cut(link, is_open ? ENDING_STOPPED : client_link_ending_of(link->stream_end));
    client_link_conclude(link, is_open && link->observation->quit.came && link->engine.is_encrypted
                                   ? CLOSE_WAIT_MS
                                   : 0);
}

/* A server may have had enough in the middle of the body. */
static bool refuses_message(const struct smtp_client_event *event)
{
    bool is_about_message = event->during == SMTP_CLIENT_MAIL ||
                            event->during == SMTP_CLIENT_DATA || event->during == SMTP_CLIENT_BODY;

    return is_about_message && event->reply.code >= 400;
}

static void tell_owner(struct client_link *link, const struct smtp_client_event *event)
{
    const struct client_link_handlers *handlers = &link->handlers;

    switch ((int)event->kind) {
    case SMTP_CLIENT_REPLIED:
        if (handlers->refused != NULL && refuses_message(event))
            handlers->refused(link->owner, &event->reply);
        break;
    case SMTP_CLIENT_RECIPIENT:
        if (handlers->recipient != NULL)
            handlers->recipient(link->owner, event->recipient, &event->reply);
        break;
    case SMTP_CLIENT_MESSAGE_DONE:
        handlers->message_done(link->owner, &event->reply, event->taken);
        break;
    case SMTP_CLIENT_MESSAGE_UNSENT:
        handlers->message_unsent(link->owner, event->unsent, event->recipient);
        break;
    }
}

static void take_event(struct client_link *link, const struct smtp_client_event *event)
{
    switch (event->kind) {
    case SMTP_CLIENT_NOTHING: break;
    case SMTP_CLIENT_HANDSHAKE_NOW: client_link_turn_to_tls(link); break;
    case SMTP_CLIENT_INJECTED: client_link_take_injection(link, event->bytes); break;
    case SMTP_CLIENT_IS_READY: become_ready(link); break;
    case SMTP_CLIENT_BROKEN_REPLY:
        client_link_record_reply(link, event);
        client_link_settle(link, ENDING_BROKEN);
        break;
    case SMTP_CLIENT_TIMED_OUT:
        client_link_record_cut(link, event);
        settle_cut(link, ENDING_TIMEOUT);
        break;
    case SMTP_CLIENT_ENDED_EARLY:
        client_link_record_cut(link, event);
        settle_cut(link, client_link_ending_of(link->stream_end));
        break;
    case SMTP_CLIENT_FINISHED: take_end_of_engine(link); break;
    case SMTP_CLIENT_REPLIED:
    case SMTP_CLIENT_RECIPIENT:
        client_link_record_reply(link, event);
        tell_owner(link, event);
        break;
    case SMTP_CLIENT_BODY_WANTED: link->owes_body = true; break;
    case SMTP_CLIENT_MESSAGE_DONE: /* its reply came as an event before */
    case SMTP_CLIENT_MESSAGE_UNSENT: tell_owner(link, event); break;
    }
}

/* Bodies never get into the transcript. */
static void send_output(struct client_link *link)
{
    struct span output = smtp_client_output(&link->engine);

    if (output.len == 0)
        return;
    if (link->transcript != NULL && !link->is_body)
        transcript_bytes(link->transcript, client_link_now(link), TRANSCRIPT_SENT,
                         link->engine.is_encrypted, output);
    if (stream_send(link->stream, output))
        link->last_sent_ms = client_link_now(link);
    smtp_client_sent(&link->engine, output.len); /* where it failed, `ended` is on its way */
}

/* A reply that stands behind 354 already answers nothing that was said, and must not be taken for that to
 * the body: the body waits until all is read. */
static bool may_give_body(const struct client_link *link)
{
    return link->owes_body && link->unread.len == 0;
}

static void want_body(struct client_link *link)
{
    link->owes_body = false;
    if (smtp_client_state(&link->engine) == SMTP_CLIENT_BODY)
        link->handlers.body_wanted(link->owner);
}

/* Takes what the engine has to say and to send, until it has neither. */
static void pump(struct client_link *link)
{
    struct smtp_client_event event;

    while (!link->is_closed && link->phase == LINK_TALKING) {
        if (smtp_client_next(&link->engine, &event)) {
            follow_step(link);
            take_event(link, &event);
        } else if (smtp_client_output(&link->engine).len > 0) {
            send_output(link);
        } else if (may_give_body(link)) {
            want_body(link);
        } else {
            break;
        }
        if (!link->has_quit && smtp_client_state(&link->engine) == SMTP_CLIENT_QUIT)
            note_quit(link);
    }
}

/* ---- what the stream says ---- */

static void on_connected(void *owner)
{
    struct client_link *link = owner;

    enter(link);
    client_link_record_own_address(link);
    if (link->transcript != NULL)
        transcript_note(link->transcript, client_link_now(link), "connected to [%s]:%u",
                        link->observation->address, link->observation->port);
    if (client_link_is_tls_from_first_byte(link)) {
        client_link_start_handshake(link);
    } else {
        client_link_enter_step(link, STEP_GREETING);
        start_engine(link);
    }
    leave(link);
}

static void on_secured(void *owner)
{
    struct client_link *link = owner;

    enter(link);
    note_tls(link);
    judge_chain(link);
    if (link->is_settled) {
        client_link_conclude(link, 0);
    } else if (client_link_is_tls_from_first_byte(link)) {
        client_link_enter_step(link, STEP_GREETING);
        start_engine(link);
    } else {
        client_link_enter_step(link, STEP_AFTER_TLS);
        client_link_enter_phase(link, LINK_TALKING, INT64_MAX);
        smtp_client_secured(&link->engine, client_link_now(link));
        pump(link);
    }
    leave(link);
}

static void on_resumable(void *owner, struct tls_session **session)
{
    client_link_keep_session(owner, session);
}

static void on_received(void *owner, struct span *bytes)
{
    struct client_link *link = owner;

    enter(link);
    if (link->phase == LINK_RAW && raw_hello_take(link, bytes)) {
        client_link_settle(link, ENDING_STOPPED);
        client_link_conclude(link, 0);
    }
    while (bytes->len > 0 && link->phase == LINK_TALKING && !link->is_closed) {
        smtp_client_feed(&link->engine, bytes, client_link_now(link));
        link->unread = *bytes;
        pump(link);
    }
    link->unread = (struct span){ NULL, 0 };
    leave(link);
}

static void on_drained(void *owner)
{
    struct client_link *link = owner;

    enter(link);
    if (link->wants_body && link->phase == LINK_TALKING) {
        link->wants_body = false;
        link->handlers.body_wanted(link->owner);
        pump(link);
    }
    leave(link);
}

static bool has_refused_inside(const struct tls_facts *tls)
{
    for (size_t i = 0; i < tls->alert_count; i++)
        if (!tls->alerts[i].is_sent && tls->alerts[i].is_fatal)
            return true;
    return false;
}

/* Under TLS 1.3 our certificate is refused after "our" handshake succeeded: until the first reply
 * came inside, the peer's alert belongs to the handshake (RFC 8446 section 4.4.2.4). What we cannot
 * read there does not: the peer goes on with something that is not TLS. */
static void end_talk(struct client_link *link, enum stream_end end)
{
    bool is_refusal = end == STREAM_TLS_FAILED && !link->has_secure_reply &&
                      has_refused_inside(&link->observation->tls);

    if (is_refusal && !link->is_settled) {
        client_link_enter_step(link, STEP_HANDSHAKE);
        client_link_settle(link, ENDING_TLS);
    }
    smtp_client_end_of_input(&link->engine);
    pump(link);
}

static void on_ended(void *owner, enum stream_end end)
{
    struct client_link *link = owner;
    struct observation *observation = link->observation;

    enter(link);
    link->stream_end = end;
    if (!link->is_settled)
        observation->error_number = stream_error_number(link->stream);
    if (link->has_quit && observation->tls.was_completed)
        observation->close_notify_missing = !observation->tls.close_notify_received;
    if (end == STREAM_FAILED && !link->is_settled)
        client_link_settle_failure(link, arena_format(link->arena, "our own socket failed: %s",
                                                      strerror(observation->error_number)));
    switch (link->phase) {
    case LINK_CONNECTING:
    case LINK_RAW: client_link_settle(link, client_link_ending_of(end)); break;
    case LINK_SECURING: client_link_end_handshake(link, end); break;
    case LINK_TALKING: end_talk(link, end); break;
    case LINK_LINGERING:
    case LINK_OVER: break;
    }
    if (!link->looks_for_reset && !link->is_closed)
        client_link_conclude(link, 0);
    leave(link);
}

/* ---- time ---- */

/* The owner's deadline, or that of a phase in which the engine does not watch the time. */
static void run_out_of_time(struct client_link *link)
{
    struct smtp_client_event event = { .kind = SMTP_CLIENT_TIMED_OUT };

    if (link->phase == LINK_TALKING) {
        event.during = smtp_client_state(&link->engine);
        event.is_encrypted = link->engine.is_encrypted;
        event.bytes = smtp_reply_unfinished(&link->engine.replies);
        if (!link->is_settled)
            client_link_record_cut(link, &event);
    }
    settle_cut(link, link->phase == LINK_CONNECTING ? ENDING_NO_CONNECT : ENDING_TIMEOUT);
    client_link_conclude(link, 0);
}

static bool is_past(int64_t now_ms, int64_t deadline_ms)
{
    return deadline_ms != 0 && now_ms >= deadline_ms;
}

static void on_timer(void *owner)
{
    struct client_link *link = owner;
    int64_t now_ms = client_link_now(link);

    enter(link);
    if (link->phase == LINK_LINGERING) {
        if (link->looks_for_reset)
            client_link_settle_reset_look(link);
        finish(link);
    } else if (is_past(now_ms, link->settings.deadline_ms) ||
               is_past(now_ms, link->phase_deadline_ms)) {
        run_out_of_time(link);
    } else if (link->phase == LINK_TALKING) {
        smtp_client_tick(&link->engine, now_ms);
        pump(link);
    }
    leave(link);
}

/* ---- the owner's calls ---- */

static bool connect_to(struct client_link *link, const struct stream_handlers *handlers,
                       struct error *err)
{
    const struct client_link_settings *settings = &link->settings;

    if (settings->local_socket != NULL)
        return stream_connect_local(link->loop, settings->local_socket, handlers, link,
                                    &link->stream, err);
    return stream_connect(link->loop, &settings->address, handlers, link, &link->stream, err);
}

static void start_connecting(struct client_link *link)
{
    static const struct stream_handlers handlers = {
        .connected = on_connected,
        .received = on_received,
        .secured = on_secured,
        .resumable = on_resumable,
        .drained = on_drained,
        .ended = on_ended,
    };
    struct error err = { .kind = ERROR_NONE };
    int64_t timeout_ms = link->settings.connect_timeout_ms;

    client_link_enter_phase(link, LINK_CONNECTING,
                            timeout_ms > 0 ? timeout_ms : CONNECT_TIMEOUT_MS);
    if (!connect_to(link, &handlers, &err)) {
        client_link_settle_failure(link, err.text);
        client_link_conclude(link, 0);
    }
    arm(link);
}

bool client_link_open(struct loop *loop, const struct client_link_settings *settings,
                      const struct client_link_handlers *handlers, void *owner, struct arena *arena,
                      struct observation *observation, struct transcript *transcript,
                      struct client_link **link, struct error *err)
{
    struct client_link *made = memory_new(1, sizeof *made);

    *link = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a connection");
    made->loop = loop;
    made->settings = *settings;
    made->handlers = *handlers;
    made->owner = owner;
    made->arena = arena;
    made->observation = observation;
    made->transcript = transcript;
    if (!loop_timer_open(loop, on_timer, made, &made->timer, err)) {
        free_link(made);
        return false;
    }
    client_link_describe(&made->settings, made->arena, made->observation);
    made->step = STEP_CONNECT;
    made->step_began_ms = client_link_now(made);
    start_connecting(made);
    *link = made;
    return true;
}

bool client_link_is_ready(const struct client_link *link)
{
    return link->phase == LINK_TALKING && smtp_client_state(&link->engine) == SMTP_CLIENT_READY;
}

void client_link_send(struct client_link *link, const struct smtp_client_message *message)
{
    assert(client_link_is_ready(link));
    enter(link);
    link->has_sent_message = true;
    smtp_client_send(&link->engine, message, client_link_now(link));
    if (link->depth == 1)
        pump(link);
    leave(link);
}

/* The engine encodes as much as its output holds; the rest waits until the kernel took enough. */
void client_link_give_body(struct client_link *link, struct span *body, bool is_last)
{
    enter(link);
    link->is_body = true;
    while (link->phase == LINK_TALKING && smtp_client_state(&link->engine) == SMTP_CLIENT_BODY &&
           (body->len > 0 || is_last) && stream_unsent(link->stream) < UNSENT_BYTES_ENOUGH) {
        smtp_client_give_body(&link->engine, body, is_last, client_link_now(link));
        send_output(link);
    }
    link->is_body = false;
    link->wants_body = smtp_client_state(&link->engine) == SMTP_CLIENT_BODY;
    if (link->transcript != NULL && !link->wants_body)
        transcript_note(link->transcript, client_link_now(link), "the body was sent");
    if (link->depth == 1)
        pump(link);
    leave(link);
}

void client_link_quit(struct client_link *link)
{
    if (link->phase != LINK_TALKING || link->has_quit)
        return;
    enter(link);
    smtp_client_quit(&link->engine, client_link_now(link));
    if (link->depth == 1)
        pump(link);
    leave(link);
}
