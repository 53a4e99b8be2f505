/* smtp/client.h - the sending side of one SMTP conversation (sans-I/O).
 *
 * RFC 5321 section 3 and 4, RFC 3207 (STARTTLS), RFC 2920 (PIPELINING), RFC 1870 (SIZE),
 * RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN), RFC 2033 (LMTP), RFC 9422 (LIMITS),
 * RFC 8689 (REQUIRETLS).
 *
 * Contract: feed bytes and time, pull events with next until SMTP_CLIENT_NOTHING, send what
 * output gives, close when SMTP_CLIENT_FINISHED came. Any split of the input gives the same
 * events. Memory is what the caller lends at init. Nothing behind the 220 to STARTTLS is ever
 * taken as SMTP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"
#include "smtp/capabilities.h"
#include "smtp/dot.h"
#include "smtp/reply.h"

/* What the conversation waits for. */
enum smtp_client_state {
    SMTP_CLIENT_GREETING,
    SMTP_CLIENT_EHLO,
    SMTP_CLIENT_HELO,
    SMTP_CLIENT_STARTTLS,
    SMTP_CLIENT_HANDSHAKE, /* the caller does TLS, then calls smtp_client_secured */
    SMTP_CLIENT_READY,     /* may start a message, or quit */
    SMTP_CLIENT_MAIL,
    SMTP_CLIENT_RCPT,
    SMTP_CLIENT_DATA,
    SMTP_CLIENT_BODY, /* wants bytes of the body: smtp_client_give_body */
    SMTP_CLIENT_END_OF_DATA,
    SMTP_CLIENT_RSET,
    SMTP_CLIENT_QUIT,
    SMTP_CLIENT_CLOSED,
};

/* The lower-case word of a state for logs and transcripts: "greeting", "ehlo", "end-of-data". */
const char *smtp_client_state_name(enum smtp_client_state state);

enum smtp_client_tls {
    SMTP_CLIENT_TLS_NEVER,      /* does not ask for STARTTLS */
    SMTP_CLIENT_TLS_IF_OFFERED, /* asks where a strict reading of EHLO offers it */
    SMTP_CLIENT_TLS_REQUIRED,   /* where it is not offered or refused, quits */
};

struct smtp_client_settings {
    const char *hostname; /* for EHLO; borrowed for the engine's life */
    enum smtp_client_tls tls;
    bool is_lmtp;         /* LHLO, and one reply a recipient after the data */
    bool is_implicit_tls; /* the stream is already encrypted: no STARTTLS is needed */
    bool says_helo;       /* HELO in place of EHLO, to learn whether a server takes that alone */
    /* Longest wait per reply in milliseconds; 0: RFC 5321 section 4.5.3.2 (greeting and MAIL 5
     * minutes, DATA 2, block 3, end of data 10). */
    int64_t reply_timeout_ms;
};

enum smtp_client_event_kind {
    SMTP_CLIENT_NOTHING,
    SMTP_CLIENT_REPLIED,       /* a whole reply came: `during` says to what; see `reply` */
    SMTP_CLIENT_HANDSHAKE_NOW, /* do TLS on this stream, then call smtp_client_secured */
    SMTP_CLIENT_INJECTED,    /* bytes stood behind the 220 to STARTTLS: they are in `bytes`; dead */
    SMTP_CLIENT_IS_READY,    /* a message may start: greeting, EHLO (and TLS) are done, or the
                              * message before has come to its end. After as many as the server
                              * takes in a session (MAILMAX) it does not come: QUIT is said */
    SMTP_CLIENT_RECIPIENT,   /* reply to RCPT number `recipient` (or to its LMTP end of data) */
    SMTP_CLIENT_BODY_WANTED, /* 354 came and at least one recipient was taken */
    SMTP_CLIENT_MESSAGE_DONE, /* the end of data (or the last that mattered) was answered: `taken`,
                              * `during` and reply.code tell the outcome */
    SMTP_CLIENT_BROKEN_REPLY, /* what came is not an SMTP reply: see `reply`.flaws; dead */
    SMTP_CLIENT_TIMED_OUT,    /* nothing whole came before the deadline; `bytes`: what did; dead */
    SMTP_CLIENT_ENDED_EARLY,  /* the peer closed while a reply was due; `bytes`: of it, what came.
                              * After QUIT that is common and harmless */
    SMTP_CLIENT_FINISHED,     /* close the stream once the output is sent */
    SMTP_CLIENT_MESSAGE_UNSENT, /* this server cannot be given the message: `unsent` says why */
};

/* Why a message was not sent. Nothing of it left us, but for a body that is unfit. */
enum smtp_client_unsent {
    SMTP_CLIENT_UNSENT_NONE,
    SMTP_CLIENT_UNSENT_8BIT,        /* 8BITMIME is needed and not offered */
    SMTP_CLIENT_UNSENT_UTF8,        /* SMTPUTF8 is needed and not offered */
    SMTP_CLIENT_UNSENT_REQUIRETLS,  /* REQUIRETLS is needed, and not offered inside TLS */
    SMTP_CLIENT_UNSENT_SIZE,        /* larger than the SIZE that the server takes */
    SMTP_CLIENT_UNSENT_SENDER,      /* a text that would break out of its command line */
    SMTP_CLIENT_UNSENT_RECIPIENT,   /* likewise, number `recipient` */
    SMTP_CLIENT_UNSENT_ENVELOPE_ID, /* likewise, envelope_id or return_part */
    SMTP_CLIENT_UNSENT_COUNT,       /* no recipient, or over SMTP_CLIENT_RECIPIENTS_MOST */
    SMTP_CLIENT_UNSENT_BODY,        /* a bare CR, bare LF or NUL in the body; dead */
};

struct smtp_client_event {
    enum smtp_client_event_kind kind;
    enum smtp_client_state during; /* the state that it came in */
    bool is_encrypted;             /* came inside TLS */
    struct smtp_reply reply;       /* spans borrowed until the next call that feeds */
    struct span bytes;             /* likewise */
    size_t recipient;              /* index into the message's recipients */
    size_t taken;                  /* MESSAGE_DONE: for how many the server now answers */
    enum smtp_client_unsent unsent;
};

/* DSN parameters of RFC 3461; texts are already xtext, NULL or 0: none. They are sent only to a
 * server that offers DSN. */
struct smtp_client_recipient {
    const char *address;  /* without angle brackets */
    const char *original; /* ORCPT value, "rfc822;..." */
    unsigned notify;      /* enum smtp_notify bits */
};
enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8,
};

struct smtp_client_message {
    const char *sender; /* "" for the null reverse-path */
    const struct smtp_client_recipient *recipients;
    size_t recipient_count;
    uint64_t size_bytes;   /* 0: not known */
    bool is_8bit, is_utf8; /* needs 8BITMIME; needs SMTPUTF8 */
    bool
        requires_tls; /* needs REQUIRETLS, but with the null reverse-path, where it is said if offered */
    const char *envelope_id; /* ENVID, or NULL */
    const char *return_part; /* "FULL", "HDRS" or NULL */
};

enum {
    SMTP_CLIENT_QUEUE_MOST = 8,
    SMTP_CLIENT_OUTPUT_BYTES = 4096,
    SMTP_CLIENT_STRAY_BYTES = 256,
    SMTP_CLIENT_RECIPIENTS_MOST = 1024,
};

/* The message in hand. Commands are numbered: 0 is MAIL, 1 to n are the RCPTs, n + 1 is DATA. */
struct smtp_client_transaction {
    const struct smtp_client_message *message; /* NULL: none */
    size_t written, answered; /* how many commands are in the output, how many have their reply */
    size_t taken;             /* recipients that were accepted and not refused since */
    size_t lmtp_next;         /* LMTP: the recipient whose reply to the end of data is due */
    bool mail_taken;
    uint16_t settled_code; /* of the reply that settled that nobody gets the message; 0: none */
    enum smtp_client_state settled_during;
    uint8_t is_taken[SMTP_CLIENT_RECIPIENTS_MOST / 8]; /* one bit a recipient */
    struct smtp_dot_encoder dots;
};

/* A plain struct: copy it, print it, replay it. Read it through the functions below. */
struct smtp_client {
    struct smtp_client_settings settings;
    enum smtp_client_state state;
    struct smtp_reply_parser replies;
    struct smtp_capabilities capabilities;
    bool is_encrypted;
    uint32_t mails;              /* MAIL commands of this session: RFC 9422 section 4.1 */
    bool greeting_repeated;      /* a 220 came where the reply to EHLO is due; one is forgiven */
    int64_t now_ms, deadline_ms; /* as last told; INT64_MAX: none */
    struct smtp_client_transaction transaction;
    struct smtp_client_event events[SMTP_CLIENT_QUEUE_MOST]; /* a ring */
    size_t first_event, event_count;
    char output[SMTP_CLIENT_OUTPUT_BYTES];
    size_t output_start, output_len;
    char stray[SMTP_CLIENT_STRAY_BYTES]; /* what INJECTED shows */
};

/* Lends `storage` for replies for the engine's whole life (at least 4 KiB; 16 KiB is plenty). */
void smtp_client_init(struct smtp_client *client, const struct smtp_client_settings *settings,
                      char *storage, size_t size, int64_t now_ms);

/* Takes bytes off *input up to the end of one reply, and none while events wait: pull them, then
 * feed the rest. In HANDSHAKE every byte is SMTP_CLIENT_INJECTED, and where bytes stand behind the
 * 220 at once HANDSHAKE_NOW does not come; that is the one way in which a split shows. Once CLOSED
 * it takes and drops all. */
void smtp_client_feed(struct smtp_client *client, struct span *input, int64_t now_ms);

/* The peer closed its side (or the stream failed): no more input will come. */
void smtp_client_end_of_input(struct smtp_client *client);

/* Time passed; may bring SMTP_CLIENT_TIMED_OUT. */
void smtp_client_tick(struct smtp_client *client, int64_t now_ms);

/* Milliseconds on the same clock at which to call tick; INT64_MAX: no need. */
int64_t smtp_client_deadline_ms(const struct smtp_client *client);

/* False: no event waits, and *event is SMTP_CLIENT_NOTHING. */
MUST_CHECK bool smtp_client_next(struct smtp_client *client, struct smtp_client_event *event);

/* What is to be sent now; borrowed until the next call. Drop what was sent with sent. */
struct span smtp_client_output(const struct smtp_client *client);
void smtp_client_sent(struct smtp_client *client, size_t len);

/* TLS is up: state is forgotten and EHLO is sent again (RFC 3207 section 4.2). */
void smtp_client_secured(struct smtp_client *client, int64_t now_ms);

/* What the last EHLO offered; nothing before one was answered, and nothing after HELO. */
const struct smtp_capabilities *smtp_client_capabilities(const struct smtp_client *client);
enum smtp_client_state smtp_client_state(const struct smtp_client *client);

/* In READY. The message and all it points to are borrowed until one of MESSAGE_DONE,
 * MESSAGE_UNSENT or FINISHED comes; just one of them does. IS_READY follows the first two where
 * the session can take another message. How many recipients and domains the server takes (RFC 9422)
 * is for the caller to heed: what is over it is sent, and refused by the server. */
void smtp_client_send(struct smtp_client *client, const struct smtp_client_message *message,
                      int64_t now_ms);

/* In BODY: takes off *body what fits the output now. `is_last` with an empty rest ends the data,
 * where there is room for that: while the state is still BODY, send the output and call again. */
void smtp_client_give_body(struct smtp_client *client, struct span *body, bool is_last,
                           int64_t now_ms);

/* In READY: says QUIT; FINISHED follows. In any other state: FINISHED follows at once. */
void smtp_client_quit(struct smtp_client *client, int64_t now_ms);
