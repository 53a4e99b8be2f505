/* lab/policy_server.h - the HTTPS server for the MTA-STS policy of one domain of the lab, broken as its row says.
 *
 * RFC 8461 section 3.3: GET /.well-known/mta-sts.txt over HTTP/1.1, one answer a connection. A request
 * is 8 KiB at most.
 */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "lab/certificates.h"
#include "lab/fault_row.h"
#include "net/address.h"
#include "net/loop.h"

struct policy_server;

struct policy_server_settings {
    const struct fault_published *published;    /* borrowed for as long as the server lives */
    const char *mail_host;                      /* what stands for {host} in the policy */
    const struct certificate_made *certificate; /* for mta-sts.DOMAIN; used up by the call */
};

/* Port 0: a free one; *address gets the one that it is. Where the row says that nobody listens, nothing
 * does, and the port is one that was free. */
MUST_CHECK bool policy_server_open(struct loop *loop, const struct policy_server_settings *settings,
                                   struct net_address *address, struct policy_server **server,
                                   struct error *err);
void policy_server_close(struct policy_server **server);

/* How often the policy was asked for. */
size_t policy_server_requests(const struct policy_server *server);
