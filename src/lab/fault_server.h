/* lab/fault_server.h - plays one row of the table: listens, speaks SMTP and TLS, goes wrong as told.
 *
 * But for its fault it is a server like any other: it takes mail, counts and discards it, and
 * remembers what its clients did. Commands and replies: RFC 5321 section 4, RFC 3207.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "lab/certificates.h"
#include "lab/fault_row.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"

/* What the clients of one server did so far. */
struct fault_tally {
    unsigned connections;
    unsigned handshakes_begun, handshakes_completed;
    unsigned delivered_in_clear, delivered_over_tls; /* messages whose end of data got 250 */
    uint16_t last_version;                           /* of the last completed handshake; 0: none */
    bool showed_certificate;                         /* a client certificate came */
};

struct fault_server_settings {
    const struct fault_row *row;
    const char *host; /* the name it greets with; copied */
    const struct certificate_made *certificate;
    struct span client_ca_pem; /* for rows that ask for client certificates */
    struct span staple;        /* for rows that staple */
};

struct fault_server;

/* Everything in *settings is copied or used up here. *address gets the port where it was 0. */
MUST_CHECK bool fault_server_open(struct loop *loop, const struct fault_server_settings *settings,
                                  struct net_address *address, struct fault_server **server,
                                  struct error *err);
/* Resets what connections are left. */
void fault_server_close(struct fault_server **server);

/* Borrowed until the server is closed. */
const struct fault_tally *fault_server_tally(const struct fault_server *server);
