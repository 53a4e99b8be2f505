#include "link/route_link.h"

#include <string.h>

static void add_name(struct client_link_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->dane_name_count; i++)
        if (strcmp(settings->dane_names[i], name) == 0)
            return;
    settings->dane_names[settings->dane_name_count++] = name;
}

/* The base domain; the domain of the mail too, and where it leads as an alias, but only where a secure
 * MX says that this host stands for it. A host that is no MX is its own domain. */
static void add_names(const struct route *route, const struct route_host *host,
                      struct client_link_settings *settings)
{
    settings->dane_name_count = 0;
    add_name(settings, host->tlsa_base != NULL ? host->tlsa_base : host->name);
    if (!route->has_mx) {
        add_name(settings, host->name);
        return;
    }
    if (route->mx_security != DNS_SECURE)
        return;
    add_name(settings, route->domain);
    if (route->canonical_domain != NULL)
        add_name(settings, route->canonical_domain);
}

void route_link_set_up(const struct route *route, const struct route_host *host,
                       struct client_link_settings *settings)
{
    settings->preference = host->preference;
    settings->has_lookups = true;
    settings->dnssec = host->security;
    settings->mx_dnssec = route->mx_security;
    settings->tlsa = host->tlsa_records;
    settings->tlsa_count = host->tlsa_count;
    settings->tlsa_state = host->tlsa;
    settings->tlsa_base = host->tlsa_base;
    settings->tlsa_failure = host->tlsa_failure;
    settings->tlsa_flaw = host->tlsa_flaw;
    add_names(route, host, settings);
}
