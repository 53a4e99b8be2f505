/* cli/publish_look.h - what a domain of ours has live: its mail hosts, their TLSA records, its policy, where reports go. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "diagnose/publication.h"
#include "settings/settings.h"

struct publish_look;

/* Looks names up as the section `dns` of the settings has it. All is borrowed. */
MUST_CHECK bool publish_look_open(const struct settings *settings, struct anchors *anchors,
                                  const struct clock *clock, struct publish_look **look,
                                  struct error *err);
void publish_look_close(struct publish_look **look);

/* Fills in what is live, and waits for it. False: our own failure. */
MUST_CHECK bool publish_look_at(struct publish_look *look, struct publication *publication,
                                struct arena *arena, struct error *err);

/* Without a look-up: our own name, and what of the policy's hosts is ours by its name. */
MUST_CHECK bool publish_look_at_nothing(struct publication *publication, struct arena *arena,
                                        struct error *err);
