/* gateway/limits.h - how much one client, and all of them, may ask of us (pure: time and chance are
 * inputs).
 *
 * Counts connections in all and for each client (an IPv4 address, or the /64 of an IPv6 one, within
 * which a host takes any address it likes: RFC 4291 section 2.5.4), errors of a session,
 * connections, messages and failed handshakes of a client in a minute. smtp/server.h bounds what one session does out of turn, and how many
 * commands may bring no message on; what several sessions do together is bounded here.
 *
 * Memory is one table of fixed size. A row is given up only when it says nothing more: no connection is
 * open, no ban runs and what the last minute has cost is paid off. So no flood of addresses makes us
 * forget a ban or a debt. A client for whom no row is free joins the crowd of its part of the table:
 * all of a crowd together may do what one client may. Which part that is depends on a secret, so that
 * nobody can fill the part of another on purpose.
 *
 * Not for several threads at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "smtp/answer.h"

enum { GATEWAY_LIMITS_SECRET_BYTES = 16 };

/* 0 is no limit, but for clients_known. */
struct gateway_limits_settings {
    uint32_t connections;            /* open at once, in all */
    uint32_t per_client;             /* open at once, of one client */
    uint32_t connections_per_minute; /* of one client; as many may come at once */
    uint32_t messages_per_minute;    /* of one client; as many may come at once */
    uint32_t failures_per_minute;    /* of TLS, of one client, that are told one by one; likewise */
    uint32_t session_errors;         /* commands that we refused, whoever refused them */
    uint32_t ban_ms;        /* a client whose session had too many errors is not taken so long */
    uint32_t clients_known; /* rows of the table, at least 64 and rounded up; 68 bytes each */
};

/* 10000 connections, 50 of one client, 600 messages and as many failed handshakes a minute, 20 errors, a ban
 * of five minutes, 65536 clients. */
struct gateway_limits_settings gateway_limits_defaults(void);

struct gateway_limits;

/* One connection, in the caller's storage; of use between open and close. */
struct gateway_limits_session {
    uint32_t row, errors;
};

/* The secret is from a good source of chance, and the caller's to wipe. */
MUST_CHECK bool gateway_limits_new(const struct gateway_limits_settings *settings,
                                   const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES],
                                   struct gateway_limits **limits, struct error *err);

/* Sessions that are open are forgotten with it. */
void gateway_limits_free(struct gateway_limits **limits);

/* New settings from now on, clients_known apart: that stays as it was. What is counted stays counted. */
void gateway_limits_set(struct gateway_limits *limits,
                        const struct gateway_limits_settings *settings);

/* Below, `now_ms` is of a clock that does not go back; should it, nothing is forgiven for that. False:
 * *answer (static texts) is what to say: with 421 the session ends, with 452 this message waits. */

/* A client has come. False: it is not counted, and there is no session to close. */
MUST_CHECK bool gateway_limits_open(struct gateway_limits *limits, const struct net_address *client,
                                    int64_t now_ms, struct gateway_limits_session *session,
                                    struct smtp_answer *answer);

/* It is one of those that count by the minute. */
MUST_CHECK bool gateway_limits_take_connection(struct gateway_limits *limits,
                                               const struct gateway_limits_session *session,
                                               int64_t now_ms, struct smtp_answer *answer);

/* Somebody was turned away. True, once a minute for a client: that is worth a line of the log, and *untold
 * (of this client, or of its crowd) were turned away since the line before. */
MUST_CHECK bool gateway_limits_may_tell(struct gateway_limits *limits,
                                        const struct net_address *client, int64_t now_ms,
                                        uint32_t *untold);

/* We refused a command. The answer, where there is one, goes out in place of the refusal; the client is
 * banned then, unless it is one of a crowd, whose others did nothing. */
MUST_CHECK bool gateway_limits_take_error(struct gateway_limits *limits,
                                          struct gateway_limits_session *session, int64_t now_ms,
                                          struct smtp_answer *answer);

/* MAIL has come. */
MUST_CHECK bool gateway_limits_take_message(struct gateway_limits *limits,
                                            const struct gateway_limits_session *session,
                                            int64_t now_ms, struct smtp_answer *answer);

/* A handshake has failed. False: so many did that this one is only to be counted. */
MUST_CHECK bool gateway_limits_take_failure(struct gateway_limits *limits,
                                            const struct gateway_limits_session *session,
                                            int64_t now_ms);

/* The connection has gone. */
void gateway_limits_close(struct gateway_limits *limits,
                          const struct gateway_limits_session *session);

/* How many are open now. */
uint32_t gateway_limits_connections(const struct gateway_limits *limits);
