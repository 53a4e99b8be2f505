#include "gateway/delivery_route.h"

#include <stdlib.h>
#include <string.h>

#include "queue/message.h"
#include "trust/names.h"

static int compare_name(const void *name, const void *domain)
{
    return strcmp(name, ((const struct gateway_profile_domain *)domain)->name);
}

/* The profile's domains are in the order of their names, as gateway/relay.h has it. */
static size_t find_domain(const struct gateway_profile *profile, const char *name)
{
    const struct gateway_profile_domain *found;

    if (name == NULL || profile->domain_count == 0)
        return profile->domain_count;
    found = bsearch(name, profile->domains, profile->domain_count, sizeof profile->domains[0],
                    compare_name);
    return found == NULL ? profile->domain_count : (size_t)(found - profile->domains);
}

struct delivery_route delivery_route_find(const struct gateway_profile *profile,
                                          struct span recipient, struct arena *arena)
{
    const char *postmaster_domain = profile->relay.postmaster_domain;

    if (postmaster_domain != NULL && span_equal_nocase(recipient, span_of("Postmaster")))
        return (struct delivery_route){ find_domain(profile, postmaster_domain),
                                        span_of(arena_format(arena, "%.*s@%s", (int)recipient.len,
                                                             recipient.data, postmaster_domain)) };
    return (struct delivery_route){
        find_domain(profile, names_normalize(arena, queue_domain_of(recipient))), recipient
    };
}

const char *delivery_route_name(const struct gateway_profile_domain *domain, struct arena *arena)
{
    char text[NET_ADDRESS_TEXT];

    if (domain->kind == GATEWAY_DELIVER_LMTP_SOCKET)
        return arena_format(arena, "lmtp:unix:%s", domain->path);
    if (domain->host != NULL)
        return arena_format(arena, "lmtp:%s:%u", domain->host, domain->address.port);
    return arena_format(arena, "lmtp:[%s]:%u", net_address_text(&domain->address, text),
                        domain->address.port);
}
