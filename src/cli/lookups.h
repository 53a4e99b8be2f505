/* cli/lookups.h - what a command asks the world with: a loop, a resolver as the settings have it, and HTTPS. */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "net/dns.h"
#include "net/https.h"
#include "net/loop.h"
#include "settings/settings.h"

struct lookups {
    struct loop *loop; /* NULL: not open */
    struct dns *dns;
    struct https *https;
};

MUST_CHECK bool lookups_open(const struct settings *settings, struct lookups *lookups,
                             struct error *err);
/* Also where it is not open. */
void lookups_close(struct lookups *lookups);
