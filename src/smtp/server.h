/* smtp/server.h - the receiving side of one SMTP conversation (sans-I/O).
 *
 * RFC 5321, RFC 3207 (STARTTLS), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531
 * (SMTPUTF8), RFC 2034 (ENHANCEDSTATUSCODES), RFC 3461 (DSN), RFC 3030 (CHUNKING), RFC 9422 (LIMITS), RFC 8689
 * (REQUIRETLS).
 *
 * Contract: feed bytes and time, pull events with next until SMTP_SERVER_NOTHING, send what output
 * gives, close when SMTP_SERVER_FINISHED came and the output is sent. What the owner of the engine
 * decides is asked for by an event and told by answer, at once or later; until then no byte is
 * taken, so that pipelined commands wait. Any split of the input gives the same events. Memory is
 * what the caller lends. Lines end in CRLF and data in CRLF.CRLF, and in nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"
#include "smtp/answer.h"
#include "smtp/capabilities.h"
#include "smtp/command.h"
#include "smtp/content.h"

/* What the conversation waits for. */
enum smtp_server_state {
    SMTP_SERVER_GREETING,    /* our greeting */
    SMTP_SERVER_HELLO,       /* EHLO or HELO */
    SMTP_SERVER_HANDSHAKE,   /* the caller does TLS, then calls smtp_server_secured */
    SMTP_SERVER_READY,       /* MAIL */
    SMTP_SERVER_RCPT,        /* RCPT, DATA or BDAT */
    SMTP_SERVER_DATA,        /* content, up to CRLF.CRLF */
    SMTP_SERVER_CHUNK,       /* content, as many octets as BDAT said */
    SMTP_SERVER_NEXT_CHUNK,  /* BDAT */
    SMTP_SERVER_TURNED_AWAY, /* QUIT: we greeted with 5xx (RFC 5321 section 3.1) */
    SMTP_SERVER_CLOSED,
};

/* The lower-case word of a state for logs: "hello", "next-chunk". */
const char *smtp_server_state_name(enum smtp_server_state state);

enum smtp_server_tls {
    SMTP_SERVER_TLS_NONE,     /* STARTTLS is not offered */
    SMTP_SERVER_TLS_MAY,      /* it is offered */
    SMTP_SERVER_TLS_REQUIRED, /* 530 to all that would carry mail without it */
    SMTP_SERVER_TLS_IMPLICIT, /* the stream is encrypted before the greeting */
};

enum {
    /* All that we can offer but STARTTLS, which `tls` governs; REQUIRETLS inside TLS alone. */
    SMTP_SERVER_EXTENSIONS =
        SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_SIZE | SMTP_EXTENSION_8BITMIME |
        SMTP_EXTENSION_SMTPUTF8 | SMTP_EXTENSION_DSN | SMTP_EXTENSION_ENHANCEDSTATUSCODES |
        SMTP_EXTENSION_CHUNKING | SMTP_EXTENSION_LIMITS | SMTP_EXTENSION_REQUIRETLS,
    SMTP_SERVER_OUTPUT_BYTES = 2048,
    SMTP_SERVER_QUEUE_MOST = 8,
    SMTP_SERVER_CONTENT_MOST = 16384, /* octets of one SMTP_SERVER_CONTENT */
};

/* Limits of 0 are none, unless said otherwise. */
struct smtp_server_settings {
    const char *hostname; /* at most 255 octets */
    enum smtp_server_tls tls;
    uint32_t extensions;      /* of SMTP_SERVER_EXTENSIONS, those to offer */
    uint64_t size_most;       /* octets of a message */
    uint32_t recipients_most; /* of a message; those beyond get 452 */
    uint32_t beyond_most;     /* of those, since a message was taken, before 421; 0: ten times
                               * recipients_most */
    uint32_t messages_most;   /* of a session; MAIL beyond gets 421 */
    uint32_t errors_most;     /* commands that we refuse in a session, before 421; 0: 20 */
    uint32_t idle_most;       /* commands that bring no message on, and MAIL that is declined, in a
                               * row, before 421; 0: 100 */
    bool mends_bare_lf;       /* in content a bare LF becomes CRLF; elsewhere it is refused still */
    int64_t
        command_timeout_ms; /* 0: 5 minutes, RFC 5321 section 4.5.3.2.7; for content, its blocks */
    int64_t message_timeout_ms; /* for all of a message's content; 0: one hour */
};

enum smtp_server_event_kind {
    SMTP_SERVER_NOTHING,
    /* These ask: smtp_server_answer is due. */
    SMTP_SERVER_CONNECTED,  /* greet, or turn away by 4xx or 5xx */
    SMTP_SERVER_HELLO_CAME, /* `command` is EHLO or HELO */
    SMTP_SERVER_MAIL_CAME,  /* a sender is proposed. Once it is taken, just one of MESSAGE_ENDED and
                              * MESSAGE_DROPPED follows */
    SMTP_SERVER_RCPT_CAME,  /* a recipient */
    SMTP_SERVER_DATA_CAME,  /* DATA, or the first BDAT: content is to follow */
    SMTP_SERVER_MESSAGE_ENDED, /* all content came, `octets` of it: 2xx once it is safe */
    /* These tell. */
    SMTP_SERVER_CONTENT,         /* the next bytes of content, dots unstuffed: `bytes` */
    SMTP_SERVER_MESSAGE_DROPPED, /* RSET, EHLO, an end or a flaw: forget what you have of it */
    SMTP_SERVER_REFUSED,         /* we said no by ourselves: `answer`, to the line in `bytes` (for
                                  * content: none, and `octets` says where) */
    SMTP_SERVER_EARLY_TALK,      /* bytes came before our greeting: `bytes`; none was taken */
    SMTP_SERVER_HANDSHAKE_NOW,   /* send the output, do TLS, then call smtp_server_secured */
    SMTP_SERVER_INJECTED,    /* bytes stood in clear behind STARTTLS: they are in `bytes`; dead */
    SMTP_SERVER_TIMED_OUT,   /* nothing (or not enough) came before the deadline; dead */
    SMTP_SERVER_ENDED_EARLY, /* the peer closed without QUIT */
    SMTP_SERVER_FINISHED,    /* send the output, then close the stream */
};

struct smtp_server_event {
    enum smtp_server_event_kind kind;
    enum smtp_server_state during; /* the state that it came in */
    bool is_encrypted;             /* came inside TLS */
    /* Of HELLO_CAME, MAIL_CAME, RCPT_CAME and DATA_CAME, else NULL; borrowed until the answer. */
    const struct smtp_command *command;
    /* Borrowed until the next feed; those of CONTENT, EARLY_TALK and INJECTED from what was fed. */
    struct span bytes;
    struct smtp_answer answer; /* static texts */
    uint64_t octets;           /* of content so far */
    uint32_t recipients;       /* taken so far */
};

/* What a session needs while it is not at rest. */
struct smtp_server_storage {
    struct smtp_server_event events[SMTP_SERVER_QUEUE_MOST]; /* a ring */
    struct smtp_command command;
    char line[SMTP_COMMAND_LINE_MOST];
    char refusal[SMTP_ANSWER_BYTES]; /* waits for the end of content that is not taken */
    char output[SMTP_SERVER_OUTPUT_BYTES];
};

/* A plain struct: copy it (with its storage), print it, replay it. Read it through the functions
 * below. */
struct smtp_server {
    const struct smtp_server_settings *settings;
    struct smtp_server_storage *storage;
    int64_t now_ms, deadline_ms, message_deadline_ms, paused_at_ms;
    uint64_t chunk_left; /* octets of this BDAT that have not come */
    struct smtp_content content;
    uint32_t recipients, messages, errors, idle_commands;
    uint32_t beyond;      /* recipients that were too many, since a message was taken */
    uint32_t line_octets; /* of the line that is coming, with what was not kept */
    uint16_t refusal_len; /* 0: content is taken */
    uint16_t output_start, output_len;
    uint8_t first_event, event_count;
    uint8_t state, asked; /* the event that an answer is due to, or SMTP_SERVER_NOTHING */
    uint8_t after_chunk;  /* the state to go back to from a chunk that was refused from the start */
    bool is_encrypted, is_utf8, is_paused, after_cr;
    bool has_message;          /* MAIL was taken, and neither of its ends was told */
    bool skips_chunks;         /* a chunk was refused, and the peer may have sent more behind it: no
                              * errors of their own */
    bool was_early, has_ended; /* EARLY_TALK was told; no more input will come */
};

/* Settings and storage are borrowed for the engine's life. SMTP_SERVER_CONNECTED waits at once. */
void smtp_server_init(struct smtp_server *server, const struct smtp_server_settings *settings,
                      struct smtp_server_storage *storage, int64_t now_ms);

/* Takes bytes off *input, and none while events wait (pull them), an answer is due, the engine is
 * paused, or the output is nearly full (send it): then feed the rest. In HANDSHAKE every byte is
 * SMTP_SERVER_INJECTED; where bytes stand behind STARTTLS at once, HANDSHAKE_NOW does not come, and
 * the peer is told 554 in place of 220, and 421: that is the one way in which a split shows, but for
 * where one CONTENT ends and the next begins. Once CLOSED it takes and drops all. */
void smtp_server_feed(struct smtp_server *server, struct span *input, int64_t now_ms);

/* The peer closed its side (or the stream failed), and all that came before was fed and taken. An
 * answer that is due may still be given, and its reply sent. */
void smtp_server_end_of_input(struct smtp_server *server);

/* Time passed; may bring SMTP_SERVER_TIMED_OUT. */
void smtp_server_tick(struct smtp_server *server, int64_t now_ms);

/* Milliseconds on the same clock at which to call tick; INT64_MAX: no need. None while an answer
 * is due or the engine is paused, for then it is not the peer who is slow. */
int64_t smtp_server_deadline_ms(const struct smtp_server *server);

/* False: no event waits, and *event is SMTP_SERVER_NOTHING. */
MUST_CHECK bool smtp_server_next(struct smtp_server *server, struct smtp_server_event *event);

/* What is to be sent now; borrowed until the next call. Drop what was sent with sent. */
struct span smtp_server_output(const struct smtp_server *server);
void smtp_server_sent(struct smtp_server *server, size_t len);

/* Answers the event that asked last. Code 0 says yes in our words. Yes is any 2xx or 3xx: the code
 * that goes out is the one that belongs there, with the words of the answer but to EHLO and DATA.
 * 421 ends the session. Without effect where no answer is due (any more). */
void smtp_server_answer(struct smtp_server *server, struct smtp_answer answer, int64_t now_ms);

/* TLS is up: all that the peer said is forgotten, and EHLO is due (RFC 3207 section 4.2). */
void smtp_server_secured(struct smtp_server *server, int64_t now_ms);

/* Back-pressure: while paused nothing is taken and no time runs. */
void smtp_server_pause(struct smtp_server *server);
void smtp_server_resume(struct smtp_server *server, int64_t now_ms);

/* Ends the session from our side by this answer, 421 as a rule; FINISHED follows. */
void smtp_server_quit(struct smtp_server *server, struct smtp_answer answer, int64_t now_ms);

enum smtp_server_state smtp_server_state(const struct smtp_server *server);
enum smtp_server_event_kind smtp_server_asked(const struct smtp_server *server);

/* At rest the storage holds nothing: another may be lent in its place before the next call, so
 * that idle sessions share one. */
bool smtp_server_is_at_rest(const struct smtp_server *server);
void smtp_server_lend(struct smtp_server *server, struct smtp_server_storage *storage);
