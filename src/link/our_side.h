/* link/our_side.h - what we bring to a session: our roots and our client certificate, from their files,
 * and what findings tell of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/observation.h"
#include "net/tls.h"
#include "trust/anchors.h"

/* Adds the roots of a file or a directory. What is wrong with it is told in *self, because a session
 * tells it too; `path` is borrowed. */
void our_side_read_roots(const char *path, struct anchors *anchors, struct arena *arena,
                         struct observed_self *self);

/* A certificate and its key, both may be one file; `certificate` is borrowed. One that is expired, or
 * is not that of the key, is told in *self. False: it cannot be read. */
MUST_CHECK bool our_side_read_certificate(const char *certificate, const char *key, int64_t now_s,
                                          struct arena *arena, struct tls_credentials **credentials,
                                          struct observed_self *self, struct error *err);
