/* trust/names.h - does a certificate name the host we meant? (RFC 9525)
 *
 * Only DNS names of subjectAltName count, never the common name (RFC 9525 sections 2 and 6.3). A
 * wildcard is the whole left-most label and stands for exactly one label (section 6.3). Names are
 * compared as A-labels without case; a trailing dot is dropped.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"

/* Does `presented` (a dNSName of the certificate) stand for `reference`? A reference that begins
 * with a dot (".example.org") means any host below it, at any depth, but not itself. */
MUST_CHECK bool names_match(struct span presented, struct span reference);

/* The form that is compared and looked up: lower case, A-labels (IDNA2008 by libidn2, UTS #46
 * non-transitional), no trailing dot; a leading dot stays. NULL where it is no domain name. */
const char *names_normalize(struct arena *arena, struct span name);
