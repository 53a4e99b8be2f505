/* tests/unit/gateway/lmtp_server.h - an LMTP server on the loop (RFC 2033), as good or bad as told.
 *
 * What becomes of a recipient is in the first letters of its address: "gone" 550 and "later" 450 to RCPT,
 * "full" 452 and "large" 552 behind the data, all else is taken.
 */
#pragma once

#include "base/buffer.h"
#include "net/listener.h"
#include "net/stream.h"

struct lmtp_server {
    /* set by the test */
    const char *greeting;   /* NULL: 220 */
    const char *mail_reply; /* NULL: 250 */
    const char *data_reply; /* NULL: 354 */
    const char *
        offers; /* extensions, "8BITMIME\0SIZE 10\0" ends with an empty one; NULL: none but PIPELINING */
    unsigned closes_after;          /* messages of one connection, without a word; 0: never */
    bool cuts_in_data;              /* closes at the first bytes of a body */
    bool cuts_between_answers;      /* closes behind the reply for the first recipient of a body */
    bool is_silent;                 /* says nothing behind the data */
    struct tls_server_context *tls; /* offers STARTTLS; NULL: does not */
    bool breaks_handshake;          /* closes behind the 220 to STARTTLS */
    bool wants_no_more;             /* listens no longer: refuses */

    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct lmtp_connection *connections;
    unsigned encrypted; /* connections that turned to TLS */
    unsigned accepted, open, most_open, transactions, messages;
    struct buffer content;    /* of the last message, without its dots */
    struct buffer recipients; /* of the last transaction, a comma behind each */
    struct buffer commands;   /* all lines of MAIL and RCPT */
};

/* At an address of loopback. */
void lmtp_server_start(struct lmtp_server *server, struct loop *loop);
/* At a local socket. */
void lmtp_server_start_local(struct lmtp_server *server, struct loop *loop, const char *path);
/* Gives the answers that a silent one owes, and is silent no more. */
void lmtp_server_speak(struct lmtp_server *server);
void lmtp_server_stop(struct lmtp_server *server);
