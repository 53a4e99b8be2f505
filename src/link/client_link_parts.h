/* link/client_link_parts.h - what the files of client_link share; nobody else includes it. */
#pragma once

#include "base/buffer.h"
#include "link/client_link.h"
#include "net/stream.h"

enum {
    RAW_ANSWER_BYTES_MOST = 64 * 1024, /* hello_read needs no more */
    UNSENT_BYTES_ENOUGH = 128 * 1024,  /* of a body that the kernel has not taken yet */
};

enum link_phase {
    LINK_CONNECTING,
    LINK_SECURING,  /* the handshake; the stream tells its end */
    LINK_TALKING,   /* the engine takes what comes */
    LINK_RAW,       /* our own ClientHello was sent; its answer is gathered */
    LINK_LINGERING, /* all is settled; a last look at how the peer closes */
    LINK_OVER,      /* `finished` was or is being called */
};

struct client_link {
    struct loop *loop;
    struct client_link_settings settings;
    struct client_link_handlers handlers;
    void *owner;
    struct arena *arena;
    struct observation *observation;
    struct transcript *transcript;
    struct stream *stream;
    struct loop_timer *timer;
    struct tls_credentials *made_credentials; /* for DIAL_WITH_CLIENT_CERTIFICATE */
    struct buffer raw;                        /* what came in LINK_RAW */

    enum link_phase phase;
    int64_t phase_deadline_ms; /* INT64_MAX: the engine's and the owner's alone count */
    int64_t phase_began_ms;
    enum step step;
    int64_t step_began_ms, last_sent_ms;
    bool is_settled; /* observation.ending is known */
    bool has_quit;   /* QUIT is on its way, or was answered */
    bool has_sent_message;
    bool was_ready;        /* a message could have started */
    bool has_secure_reply; /* the first reply inside TLS came: the handshake was good */
    bool is_body;          /* what is being sent is content: nothing for a transcript */
    bool looks_for_reset;  /* LINK_LINGERING does so before it settles the end */
    enum stream_end stream_end;
    bool wants_body; /* body_wanted is due once the output has drained */
    bool owes_body;  /* it is due once all that has come is read: see pump */
    bool is_closed;  /* by its owner, inside a callback */
    unsigned depth;  /* callbacks that are running: the struct must outlive them */

    const char *ticket_name;      /* under which sessions are kept; NULL: none are */
    struct tls_session *offered;  /* held; NULL: none */
    struct observation *foreseen; /* what of it was judged beforehand; NULL: none was offered */

    struct span unread; /* of what came in this turn, what the engine has not taken */

    struct smtp_client engine;
    char reply_storage[OBSERVATION_REPLY_BYTES];
};

/* ---- client_link_course.c ---- */

int64_t client_link_now(const struct client_link *link);
/* The time until now belongs to the step before. */
void client_link_enter_step(struct client_link *link, enum step step);
void client_link_enter_phase(struct client_link *link, enum link_phase phase, int64_t most_ms);
/* The first cause counts; what follows from it is not the end of the conversation. */
void client_link_settle(struct client_link *link, enum ending ending);
void client_link_settle_failure(struct client_link *link, const char *text);
/* `finished` follows on the next turn of the loop, or after a last look of `linger_ms`. */
void client_link_conclude(struct client_link *link, int64_t linger_ms);
enum ending client_link_ending_of(enum stream_end end);
bool client_link_is_tls_from_first_byte(const struct client_link *link);

/* ---- client_link_handshake.c ---- */

void client_link_start_handshake(struct client_link *link);
/* After the 220 to STARTTLS. */
void client_link_turn_to_tls(struct client_link *link);
void client_link_take_injection(struct client_link *link, struct span bytes);
/* The stream ended before the handshake was done. */
void client_link_end_handshake(struct client_link *link, enum stream_end end);
/* With looks_for_reset, when the wait is over. */
void client_link_settle_reset_look(struct client_link *link);

/* ---- the others ---- */

/* client_link_tls.c: how the handshake is done under the link's dial. Texts are borrowed from the
 * settings; a certificate that is made for it belongs to the link. */
MUST_CHECK bool client_link_tls_settings(struct client_link *link,
                                         struct tls_client_settings *settings, struct error *err);

/* client_link_resume.c: has sessions kept, and the newest offered where it may be. */
void client_link_prepare_resumption(struct client_link *link, struct tls_client_settings *tls);
/* After the handshake: the verdict of a resumed session. False: the chain is to be judged. */
MUST_CHECK bool client_link_take_foreseen(struct client_link *link);
void client_link_keep_session(struct client_link *link, struct tls_session **session);
/* At the end of all: a session over which the conversation broke is not kept. */
void client_link_settle_resumption(struct client_link *link);

/* client_link_verdict.c: judges the chain that the handshake collected. */
MUST_CHECK bool client_link_judge(const struct client_link_settings *settings, struct arena *arena,
                                  struct observation *observation, struct error *err);

/* client_link_record.c: what the engine and the stream tell goes into the observation. */
void client_link_record_reply(struct client_link *link, const struct smtp_client_event *event);
void client_link_record_own_address(struct client_link *link);
void client_link_record_cut(struct client_link *link, const struct smtp_client_event *event);
/* Plaintext in front of a TLS record, among the first bytes of the handshake: somebody put it
 * there. Empty: none. */
struct span client_link_find_injected(struct span first_bytes);

/* raw_hello.c: our own ClientHello for DIAL_RAW_*. */
MUST_CHECK bool raw_hello_send(struct client_link *link);
/* True: the answer is whole, or can no longer become one; the observation has it. */
MUST_CHECK bool raw_hello_take(struct client_link *link, struct span *bytes);
