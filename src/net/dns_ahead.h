/* net/dns_ahead.h - asks the resolvers ahead of libunbound, and hears when they have an answer.
 *
 * libunbound takes a resolver for dead when some questions stay without an answer, and then asks it
 * nothing for minutes, whatever else is to be looked up. So it is asked only what the resolver has an
 * answer to, in its cache by then: a hundred names whose own servers say nothing keep no other waiting.
 * Nothing of the reply is believed but that it came. RFC 1035 section 4.1.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

enum { DNS_AHEAD_MOST = 32768 }; /* questions at a time */

struct dns_ahead;
struct dns_ahead_question;

/* *ahead is NULL where there is no resolver to ask. */
MUST_CHECK bool dns_ahead_open(struct loop *loop, const struct net_address *resolvers,
                               size_t resolver_count, struct dns_ahead **ahead, struct error *err);
/* With what is still asked, without a callback. */
void dns_ahead_close(struct dns_ahead **ahead);

/* Asks all resolvers, and again at growing intervals, until one replies: then `heard` is called once, never
 * inside this call, and *question is gone. False: it cannot be asked. */
MUST_CHECK bool dns_ahead_ask(struct dns_ahead *ahead, const char *name, uint16_t type,
                              void (*heard)(void *owner), void *owner,
                              struct dns_ahead_question **question);
/* After it no callback comes. Accepts one that is NULL. */
void dns_ahead_stop(struct dns_ahead_question **question);
