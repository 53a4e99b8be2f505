/* gateway/renewal.h - a profile with newer certificates: all else as it was.
 *
 * On the main thread. Sessions that hold the profile before go on with its certificates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "gateway/profile.h"

/* Looks at the certificate files of every listener and of the client. *renewed is a profile with those that changed; NULL:
 * nothing changed, or nothing that can be used. `judges_again`: all are taken to have changed, so that
 * one that has expired since is told of. Every finding is logged, and what cannot be used as
 * certificate-unusable; what was there before stays then. False: no memory, and the change is not
 * looked at again. */
MUST_CHECK bool gateway_renewal_look(struct gateway_profile *profile, bool judges_again,
                                     int64_t now_s, struct log *log,
                                     struct gateway_profile **renewed, struct error *err);
