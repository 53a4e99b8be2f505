/* cli/policy_look.h - what the DNS and a domain's web server publish of the way to it, for `postern policy`.
 *
 * By the code that delivers: link/route and link/policy_lookup. What a gateway keeps of policies (gateway/sts_cache) is
 * read, and never written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "cli/policy_page.h"
#include "settings/settings.h"

struct policy_look;

/* Reads the roots of the settings. `is_offline`: nobody is asked; what is kept is all there is. All is borrowed. */
MUST_CHECK bool policy_look_open(const struct settings *settings, const struct clock *clock,
                                 bool is_offline, struct policy_look **look, struct error *err);
void policy_look_close(struct policy_look **look);

/* Fills answer->seen, and waits for it; nothing where the mail ends here. Texts are the arena's. False: our own failure. */
MUST_CHECK bool policy_look_at(struct policy_look *look, struct policy_answer *answer,
                               struct arena *arena, struct error *err);
