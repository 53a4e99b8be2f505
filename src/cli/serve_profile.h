/* cli/serve_profile.h - from the settings to what the gateway runs by. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "gateway/profile.h"
#include "net/tls_tickets.h"
#include "settings/settings.h"

/* Takes *settings in any case; they live as long as the profile. Loads and judges the certificates of
 * every listener as of `now_s`. `tickets` outlive the profile. False: a certificate cannot be used. */
MUST_CHECK bool serve_profile_new(struct settings **settings, struct tls_tickets *tickets,
                                  int64_t now_s, struct gateway_profile **profile,
                                  struct error *err);

/* How many descriptors all of it takes, with some to spare. */
uint64_t serve_profile_descriptors(const struct gateway_profile *profile, size_t workers);

/* Before anybody else sees the profile. Where `have` descriptors are too few, fewer clients are let in, so
 * that the queue, deliveries and control have theirs. True: there are enough. */
MUST_CHECK bool serve_profile_fit(struct gateway_profile *profile, size_t workers, uint64_t have);
