/* link/route_link.h - what a link is to know of a host that the DNS named.
 *
 * RFC 7672 section 3.2.2: the names that a certificate below a DANE-TA(2) record may bear. `check` and
 * delivery both set their links up here, so that they judge alike.
 */
#pragma once

#include "link/client_link.h"
#include "link/route.h"

/* Fills preference, dnssec, mx_dnssec, has_lookups and all about TLSA; nothing else. `host` is one of
 * the route's; both are borrowed as long as the settings are. */
void route_link_set_up(const struct route *route, const struct route_host *host,
                       struct client_link_settings *settings);
