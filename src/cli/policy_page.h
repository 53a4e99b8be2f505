/* cli/policy_page.h - how mail to a domain is protected, and which line of the settings says so. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "diagnose/page.h"
#include "gateway/policies.h"
#include "settings/settings.h"

/* What the settings say of one domain; all borrowed from them, or from the arena. */
struct policy_answer {
    const struct settings *settings;
    const char *domain;                  /* A-labels */
    const struct settings_domain *local; /* its mail ends here; NULL: elsewhere */
    struct gateway_policy_choice choice;
    const struct settings_policy *section; /* that the choice is made from */
};

/* `name` is a domain, or a mailbox in one. False: it is neither. */
MUST_CHECK bool policy_answer_find(const struct settings *settings, const char *name,
                                   struct arena *arena, struct policy_answer *answer);

/* For people; texts that are made for it are the arena's. */
void policy_page_put(struct page *page, const struct policy_answer *answer, struct arena *arena);

/* For programs. A new reference; NULL: no memory. */
MUST_CHECK json_t *policy_page_json(const struct policy_answer *answer, struct arena *arena);
