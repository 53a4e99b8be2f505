/* gateway/inbound_parts.h - what the files of inbound share; nobody else includes it. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "gateway/inbound.h"
#include "link/server_link.h"

enum {
    SESSION_CIPHER_BYTES = 48,
    MESSAGE_ARENA_BYTES = 64 * 1024 * 1024, /* QUEUE_RECIPIENTS of the longest */
    HOPS_MOST = 100,                        /* RFC 5321 section 6.3 */
    NOTES_MOST = 64, /* that may wait for the store; those beyond are in the log alone */
};

struct inbound {
    struct inbound_settings settings;
    struct server_link_pool *pool;
    struct session *sessions;
    size_t session_count;
    size_t asked; /* messages and notes that the store has now */
    size_t notes;
    size_t turned_away; /* sessions that wait for TLS to be told so */
    bool is_draining;
    struct loop_timer *drained_timer; /* so that `drained` never comes inside a call */
    void (*drained)(void *owner);
    void *drained_owner;
    bool has_told_drained;
};

struct session {
    struct inbound *inbound;
    struct session *previous, *next;
    struct gateway_profile *profile;
    struct server_link *link;
    struct inbound_message *message; /* NULL: none under way */
    struct server_link_settings link_settings;
    struct gateway_limits_session counted; /* of the limits, where is_counted */
    struct smtp_answer over_limit;         /* what to say where it is not */
    bool is_counted;
    bool waits_for_refusal; /* it is one of inbound->turned_away */
    bool is_trusted;        /* its address is in relay_from */
    bool is_esmtp;
    bool is_held_up;               /* paused, until the store has taken what it was given */
    bool is_answering, has_closed; /* while it is answered it stays, though its link has gone */
    const char *tls_version;       /* NULL: in clear */
    char tls_cipher[SESSION_CIPHER_BYTES];
};

/* ---- inbound.c ---- */

/* Something that was waited for is over. */
void inbound_look_whether_drained(struct inbound *inbound);
/* The client waits, until it is let go on. The session may be gone after that. */
void session_hold_up(struct session *session);
void session_let_go_on(struct session *session);
/* What became of the message in hand, which is gone. The session may be gone after it. */
void session_end_message(struct session *session, struct smtp_answer answer);
void session_address_text(const struct session *session, char text[NET_ADDRESS_TEXT]);

/* ---- inbound_message.c: one message, from MAIL to the answer of the store ---- */

/* False: no memory. */
MUST_CHECK bool inbound_message_open(struct session *session, const struct smtp_command *mail);
MUST_CHECK bool inbound_message_add(struct inbound_message *message,
                                    const struct smtp_command *rcpt);
/* Content is to follow: the trace field goes in front of it. */
MUST_CHECK bool inbound_message_begin(struct inbound_message *message);
void inbound_message_take(struct inbound_message *message, struct span content);
/* All of it came: the session is answered once the store has said what became of it. */
void inbound_message_end(struct inbound_message *message);
/* Forget it; the session has no message any more. */
void inbound_message_drop(struct inbound_message **message);

/* ---- inbound_log.c ---- */

void inbound_log_accepted(const struct session *session, const struct queue_envelope *envelope,
                          const struct queue_recipient *recipients, size_t count);
void inbound_log_rejected(const struct session *session, const struct queue_envelope *envelope,
                          struct smtp_answer answer);
void inbound_log_refused(const struct session *session, const struct smtp_server_event *event);
void inbound_log_declined(const struct session *session, const char *command, struct span argument,
                          struct smtp_answer answer);
/* `untold` others of this client were turned away since the line before, and have none. */
void inbound_log_turned_away(const struct session *session, struct smtp_answer answer,
                             uint32_t untold);
/* What a client showed of itself, DER. */
void inbound_log_client_certificate(const struct session *session, struct span der);
void inbound_log_cut_off(const struct session *session, const struct smtp_server_event *event);
/* The log's line and a note for tracking, where it is not one too many; and one more in the history. */
void inbound_tell_failure(struct session *session, const struct inbound_observation *observation,
                          struct arena *arena);
