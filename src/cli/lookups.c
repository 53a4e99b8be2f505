#include "cli/lookups.h"

bool lookups_open(const struct settings *settings, struct lookups *lookups, struct error *err)
{
    const struct dns_settings resolver = { .resolver = settings->dns.resolver,
                                           .trust_anchor = settings->dns.trust_anchor };

    *lookups = (struct lookups){ .loop = NULL };
    if (!loop_open(&lookups->loop, err))
        return false;
    if (!dns_open(lookups->loop, &resolver, &lookups->dns, err))
        error_wrap(err, "starting the resolver");
    else if (https_open(lookups->loop, &lookups->https, err))
        return true;
    lookups_close(lookups);
    return false;
}

void lookups_close(struct lookups *lookups)
{
    https_close(&lookups->https);
    dns_close(&lookups->dns);
    loop_close(&lookups->loop);
}
