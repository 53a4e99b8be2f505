#include "gateway/inbound.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/inbound_parts.h"

enum {
    HANDSHAKE_TIMEOUT_MS = 60 * 1000, /* what the link has where nothing is said */
    TURNED_AWAY_MOST = 8,             /* of a worker, that may begin with TLS to be told so */
};

static const struct smtp_answer no_memory = { 451, "4.3.0", "There is no memory for this now" };

static int64_t now_of(const struct inbound *inbound)
{
    return inbound->settings.clock->monotonic_ms(inbound->settings.clock);
}

void session_address_text(const struct session *session, char text[NET_ADDRESS_TEXT])
{
    net_address_text(server_link_peer(session->link), text);
}

/* ---- the sessions of a loop ---- */

static void tell_drained(void *owner)
{
    struct inbound *inbound = owner;

    inbound->drained(inbound->drained_owner);
}

bool inbound_open(const struct inbound_settings *settings, struct inbound **inbound,
                  struct error *err)
{
    struct inbound *made = memory_new(1, sizeof *made);

    *inbound = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the sessions of a worker");
    made->settings = *settings;
    if (!server_link_pool_new(settings->loop, &made->pool, err) ||
        !loop_timer_open(settings->loop, tell_drained, made, &made->drained_timer, err)) {
        server_link_pool_free(&made->pool);
        memory_free(made);
        return false;
    }
    *inbound = made;
    return true;
}

void inbound_close(struct inbound **inbound)
{
    struct inbound *closing = *inbound;

    *inbound = NULL;
    if (closing == NULL)
        return;
    assert(closing->session_count == 0 && closing->asked == 0);
    loop_timer_close(&closing->drained_timer);
    server_link_pool_free(&closing->pool);
    memory_free(closing);
}

void inbound_look_whether_drained(struct inbound *inbound)
{
    if (inbound->drained == NULL || inbound->has_told_drained || inbound->session_count > 0 ||
        inbound->asked > 0)
        return;
    inbound->has_told_drained = true;
    loop_timer_start(inbound->drained_timer, 0);
}

size_t inbound_sessions(const struct inbound *inbound)
{
    return inbound->session_count;
}

/* ---- one session ---- */

static void free_session(struct session *session)
{
    struct inbound *inbound = session->inbound;

    if (session->message != NULL)
        inbound_message_drop(&session->message);
    if (session->is_counted)
        gateway_shared_limits_close(inbound->settings.limits, &session->counted);
    inbound->turned_away -= session->waits_for_refusal;
    if (session->previous == NULL)
        inbound->sessions = session->next;
    else
        session->previous->next = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    inbound->session_count--;
    gateway_profile_release(&session->profile);
    memory_free(session);
    inbound_look_whether_drained(inbound);
}

static void leave_if_draining(struct session *session)
{
    if (session->inbound->is_draining && session->message == NULL)
        server_link_quit(session->link, (struct smtp_answer){ .code = 0 });
}

void session_hold_up(struct session *session)
{
    session->is_held_up = true;
    server_link_pause(session->link);
}

void session_let_go_on(struct session *session)
{
    if (!session->is_held_up)
        return;
    session->is_held_up = false;
    server_link_resume(session->link);
}

/* The answer lets go what the client has said behind its message: another that is refused at once ends
 * inside this call, and leaves the session to it. */
void session_end_message(struct session *session, struct smtp_answer answer)
{
    bool is_inside = session->is_answering;

    session->is_answering = true;
    server_link_answer(session->link, answer);
    if (!session->has_closed)
        session_let_go_on(session); /* its end may have come with what it was held up for */
    if (!session->has_closed)
        leave_if_draining(session);
    if (is_inside)
        return;
    session->is_answering = false;
    if (session->has_closed)
        free_session(session);
}

/* ---- what the engine asks ---- */

/* Who errs too often is sent away, and not taken for a while; those who may relay are ours, and are
 * only told. */
static bool may_err(struct session *session, struct smtp_answer *instead)
{
    struct inbound *inbound = session->inbound;

    return session->is_trusted || !session->is_counted ||
           gateway_shared_limits_take_error(inbound->settings.limits, &session->counted,
                                            now_of(inbound), instead);
}

/* Whoever floods us with connections does not flood the log. */
static void tell_turned_away(const struct session *session)
{
    struct inbound *inbound = session->inbound;
    uint32_t untold;

    if (gateway_shared_limits_may_tell(inbound->settings.limits, server_link_peer(session->link),
                                       now_of(inbound), &untold))
        inbound_log_turned_away(session, session->over_limit, untold);
}

static struct smtp_answer greet(struct session *session)
{
    if (session->inbound->is_draining)
        return (struct smtp_answer){ 421, "4.3.2", "The service is being stopped: come again" };
    if (session->is_counted)
        return (struct smtp_answer){ .code = 0 };
    tell_turned_away(session);
    return session->over_limit;
}

static struct smtp_answer take_hello(struct session *session, const struct smtp_command *command)
{
    session->is_esmtp = command->verb == SMTP_COMMAND_EHLO;
    return (struct smtp_answer){ .code = 0 };
}

static struct smtp_answer take_mail(struct session *session, const struct smtp_command *command)
{
    struct inbound *inbound = session->inbound;
    struct smtp_answer answer = { .code = 0 };

    if (!session->is_trusted &&
        !gateway_shared_limits_take_message(inbound->settings.limits, &session->counted,
                                            now_of(inbound), &answer)) {
        inbound_log_declined(session, "MAIL", command->argument, answer);
        return answer;
    }
    if (inbound_message_open(session, command))
        return (struct smtp_answer){ .code = 0 };
    if (session->message != NULL)
        inbound_message_drop(&session->message);
    return no_memory;
}

static struct smtp_answer take_rcpt(struct session *session, const struct smtp_command *command)
{
    const struct gateway_relay_rules *rules = &session->profile->relay;
    struct gateway_relay_decision decision =
        gateway_relay_decide(rules, server_link_peer(session->link), command->argument);
    struct smtp_answer instead;

    if (decision.choice == GATEWAY_RELAY_REFUSE) {
        inbound_log_declined(session, "RCPT", command->argument, decision.answer);
        return may_err(session, &instead) ? decision.answer : instead;
    }
    if (!inbound_message_add(session->message, command))
        return no_memory;
    return (struct smtp_answer){ .code = 0 };
}

static struct smtp_answer take_data(struct session *session)
{
    if (inbound_message_begin(session->message))
        return (struct smtp_answer){ .code = 0 };
    return no_memory;
}

/* ---- what the engine tells ---- */

static void take_refusal(struct session *session, const struct smtp_server_event *event)
{
    struct smtp_answer instead;

    inbound_log_refused(session, event);
    if (event->answer.code / 100 == 5 && !may_err(session, &instead)) {
        inbound_log_turned_away(session, instead, 0);
        server_link_quit(session->link, instead);
    }
}

static void answer(struct session *session, struct smtp_answer said)
{
    server_link_answer(session->link, said);
}

static void on_event(void *owner, const struct smtp_server_event *event)
{
    struct session *session = owner;

    switch (event->kind) {
    case SMTP_SERVER_CONNECTED: answer(session, greet(session)); break;
    case SMTP_SERVER_HELLO_CAME: answer(session, take_hello(session, event->command)); break;
    case SMTP_SERVER_MAIL_CAME: answer(session, take_mail(session, event->command)); break;
    case SMTP_SERVER_RCPT_CAME: answer(session, take_rcpt(session, event->command)); break;
    case SMTP_SERVER_DATA_CAME: answer(session, take_data(session)); break;
    case SMTP_SERVER_CONTENT: inbound_message_take(session->message, event->bytes); break;
    case SMTP_SERVER_MESSAGE_ENDED: inbound_message_end(session->message); break;
    case SMTP_SERVER_MESSAGE_DROPPED:
        inbound_message_drop(&session->message);
        session_let_go_on(session);
        leave_if_draining(session);
        break;
    case SMTP_SERVER_REFUSED: take_refusal(session, event); break;
    case SMTP_SERVER_TIMED_OUT:
    case SMTP_SERVER_ENDED_EARLY:
    case SMTP_SERVER_EARLY_TALK: inbound_log_cut_off(session, event); break;
    case SMTP_SERVER_INJECTED: /* on_failed has told it */
    case SMTP_SERVER_NOTHING:
    case SMTP_SERVER_HANDSHAKE_NOW:
    case SMTP_SERVER_FINISHED: break;
    }
}

static void on_secured(void *owner, const struct tls_facts *facts)
{
    struct session *session = owner;

    session->tls_version = tls_version_name(facts->version); /* static: it is one that we speak */
    snprintf(session->tls_cipher, sizeof session->tls_cipher, "%s",
             facts->cipher == NULL ? "" : facts->cipher);
    if (facts->chain_count > 0)
        inbound_log_client_certificate(session, facts->chain[0]);
}

static void on_failed(void *owner, const struct inbound_observation *observation,
                      struct arena *arena)
{
    inbound_tell_failure(owner, observation, arena);
}

static void on_closed(void *owner)
{
    struct session *session = owner;

    session->link = NULL;
    session->has_closed = true;
    if (!session->is_answering)
        free_session(session);
}

static const struct server_link_handlers handlers = {
    .event = on_event, .secured = on_secured, .failed = on_failed, .closed = on_closed
};

/* ---- from the listeners ---- */

static bool mends_bare_lf(const struct gateway_profile *profile, const struct net_address *peer)
{
    const struct gateway_relay_rules rules = { .networks = profile->bare_lf_from,
                                               .network_count = profile->bare_lf_from_count };

    return gateway_relay_match_client(&rules, peer);
}

/* A handshake may not take longer than a command may; 0: as the link has it. */
static int64_t handshake_timeout_of(const struct smtp_server_settings *smtp)
{
    return smtp->command_timeout_ms < HANDSHAKE_TIMEOUT_MS ? smtp->command_timeout_ms : 0;
}

/* Where TLS comes first, 421 costs a handshake. Some may have one for it, or a limit would keep nothing off. */
static bool may_hear_why(struct session *session)
{
    struct inbound *inbound = session->inbound;

    if (session->link_settings.smtp->tls != SMTP_SERVER_TLS_IMPLICIT)
        return true;
    session->waits_for_refusal = inbound->turned_away < TURNED_AWAY_MOST;
    inbound->turned_away += session->waits_for_refusal;
    return session->waits_for_refusal;
}

/* How often they come is not asked of those who may relay. */
static bool is_within_limits(struct session *session)
{
    struct inbound *inbound = session->inbound;
    struct gateway_shared_limits *limits = inbound->settings.limits;

    if (!gateway_shared_limits_open(limits, server_link_peer(session->link), now_of(inbound),
                                    &session->counted, &session->over_limit))
        return false;
    if (session->is_trusted ||
        gateway_shared_limits_take_connection(limits, &session->counted, now_of(inbound),
                                              &session->over_limit))
        return true;
    gateway_shared_limits_close(limits, &session->counted);
    return false;
}

/* As long as it is open, whether or not it ever says anything. False: it is over the limit, and nobody tells it. */
static bool count(struct session *session)
{
    session->is_counted = is_within_limits(session);
    if (session->is_counted || may_hear_why(session))
        return true;
    tell_turned_away(session);
    return false;
}

void inbound_accept(struct inbound *inbound, struct gateway_profile *profile, size_t listener,
                    int socket, const struct net_address *peer)
{
    const struct gateway_profile_listener *at = &profile->listeners[listener];
    struct session *made = memory_new(1, sizeof *made);
    struct error err;

    if (made == NULL) {
        close(socket);
        return;
    }
    made->inbound = inbound;
    made->is_trusted = gateway_relay_match_client(&profile->relay, peer);
    made->link_settings = (struct server_link_settings){
        .smtp = mends_bare_lf(profile, peer) ? &at->smtp_mending : &at->smtp,
        .tls = at->tls,
        .self = &at->self,
        .port = at->address.port,
        .clock = inbound->settings.clock,
        .handshake_timeout_ms = handshake_timeout_of(&at->smtp),
    };
    if (!server_link_open(inbound->pool, &made->link_settings, socket, peer, &handlers, made,
                          &made->link, &err)) {
        memory_free(made);
        return;
    }
    made->profile = gateway_profile_hold(profile);
    made->next = inbound->sessions;
    if (made->next != NULL)
        made->next->previous = made;
    inbound->sessions = made;
    inbound->session_count++;
    if (!count(made)) {
        server_link_close(&made->link);
        free_session(made);
    }
}

void inbound_drain(struct inbound *inbound, void (*drained)(void *owner), void *owner)
{
    inbound->is_draining = true;
    inbound->drained = drained;
    inbound->drained_owner = owner;
    for (struct session *session = inbound->sessions, *next; session != NULL; session = next) {
        next = session->next;
        leave_if_draining(session);
    }
    inbound_look_whether_drained(inbound);
}

void inbound_cut(struct inbound *inbound)
{
    assert(inbound->is_draining);
    while (inbound->sessions != NULL) {
        server_link_close(&inbound->sessions->link);
        free_session(inbound->sessions);
    }
}
