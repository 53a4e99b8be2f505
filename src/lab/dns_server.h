/* lab/dns_server.h - carries the questions about a zone over UDP and TCP (RFC 1035 section 4.2). */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "lab/zone.h"
#include "net/address.h"
#include "net/loop.h"

struct dns_server;

/* The zone is borrowed. Port 0 takes one that is free for both: *address is updated. */
MUST_CHECK bool dns_server_open(struct loop *loop, const struct zone *zone,
                                struct net_address *address, struct dns_server **server,
                                struct error *err);
void dns_server_close(struct dns_server **server);
