/* tests/scenario/escape.h - the escapes of scenario files: \r \n \t \\ \0, \xHH and \{c*N}. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

/* Writes the bytes that `text` means to `out` and their number to *len. False: it means nothing, or
 * they are more than `size`. */
MUST_CHECK bool escape_undo(struct span text, char *out, size_t size, size_t *len);
