/* tests/unit/smtp/isemail.h - how whoever takes addresses fares on the set of is_email. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

/* Fails the test where fewer are judged rightly than Postfix does at its strictest; skips it where
 * the set is absent. The addresses hold no CR, LF or NUL. */
void isemail_check(bool (*takes)(struct span address));
