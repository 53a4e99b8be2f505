/* cli/policy_page.h - how mail to a domain is protected, which line of the settings says so, and what is published. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "diagnose/page.h"
#include "gateway/policies.h"
#include "link/published.h"
#include "link/route.h"
#include "settings/settings.h"

/* What is published of the way to it. */
struct policy_seen {
    bool was_asked;                             /* false: only what is kept was looked at */
    const struct route *route;                  /* NULL: nobody was asked */
    const struct observed_published *published; /* NULL: nothing is known, or none applies */
    const char *cache_failure; /* why what a gateway keeps could not be read; NULL */
    const struct clock *clock;
    int64_t now_s;
};

/* What the settings say of one domain; all borrowed from them, or from the arena. */
struct policy_answer {
    const struct settings *settings;
    const char *domain;                  /* A-labels */
    const struct settings_domain *local; /* its mail ends here; NULL: elsewhere */
    struct gateway_policy_choice choice;
    const struct settings_policy *section; /* that the choice is made from */
    const struct policy_seen *seen;        /* NULL: nothing was looked at */
};

/* `name` is a domain, or a mailbox in one. False: it is neither. */
MUST_CHECK bool policy_answer_find(const struct settings *settings, const char *name,
                                   struct arena *arena, struct policy_answer *answer);

/* Only a server that is spoken to by SMTP is met by a policy. */
bool policy_answer_has_policy(const struct policy_answer *answer);
/* The server that the settings name for it; NULL: its MX hosts. */
const struct settings_hop *policy_answer_hop(const struct policy_answer *answer);

/* For people; texts that are made for it are the arena's. */
void policy_page_put(struct page *page, const struct policy_answer *answer, struct arena *arena);

/* For programs. A new reference; NULL: no memory. */
MUST_CHECK json_t *policy_page_json(const struct policy_answer *answer, struct arena *arena);
