/* diagnose/reason.h - which finding is the reason of a decision (pure).
 */
#pragma once

#include "diagnose/finding.h"
#include "trust/policy.h"

/* Of the findings of that session the one that the reason is about; NULL: none of them is, as where nothing is
 * wrong, or where an experiment would have to tell. Borrowed. */
const struct finding *reason_find(enum policy_reason reason, const struct findings *findings);

/* Its code; where none of them fits, the one that the reason stands for by itself: what a session at another
 * level shows has no finding of its own. NULL: nothing is wrong, or the level wants no TLS. */
const char *reason_code(enum policy_reason reason, const struct findings *findings);
