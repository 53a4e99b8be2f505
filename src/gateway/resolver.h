/* gateway/resolver.h - who answers for names while the gateway runs: opened as the settings say, and again
 * when they, resolv.conf or the trust anchor change.
 *
 * Where it cannot be opened the gateway goes on: look-ups fail, mail that needs them waits, and every look
 * tries again. Of the main thread.
 *
 * Log: resolver-failed, resolver-changed.
 */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "net/dns.h"
#include "net/loop.h"

struct gateway_resolver;

/* False: no memory. All else that is wrong is logged. The settings are copied. */
MUST_CHECK bool gateway_resolver_open(struct loop *loop, const struct dns_settings *settings,
                                      struct log *log, struct gateway_resolver **resolver,
                                      struct error *err);
void gateway_resolver_close(struct gateway_resolver **resolver);

/* One and the same for the resolver's life. */
struct dns *gateway_resolver_dns(const struct gateway_resolver *resolver);

/* From now on by these; where they cannot be used, by those before. */
void gateway_resolver_use(struct gateway_resolver *resolver, const struct dns_settings *settings);

/* Now and then: takes up files that have changed, once they are the same at two looks. */
void gateway_resolver_look(struct gateway_resolver *resolver);
