/* cli/save_chain.h - writes the certificates of one host as PEM files. */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "link/observation.h"

/* DIR/HOST-ADDRESS-N.pem, N from 0, the leaf; the folder is made where it is missing. */
MUST_CHECK bool save_chain(const char *directory, const struct observation *observation,
                           struct error *err);
