/* gateway/delivery_route.h - which of our domains a recipient belongs to, and what its server is called (pure). */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "gateway/profile.h"

struct delivery_route {
    size_t domain;       /* of the profile's; domain_count: none of ours */
    struct span address; /* the recipient's, with a domain where it is "Postmaster" alone: RFC 5321
                          * section 4.1.1.3 */
};

/* Texts are the arena's, or the recipient's. */
struct delivery_route delivery_route_find(const struct gateway_profile *profile,
                                          struct span recipient, struct arena *arena);

/* What the log and tracking call the server: "lmtp:unix:/run/lmtp", "lmtp:[192.0.2.1]:24",
 * "lmtp:mail.example.org:24". */
const char *delivery_route_name(const struct gateway_profile_domain *domain, struct arena *arena);
