/* net/dns_anchor.h - reads a file of trust anchors (DS or DNSKEY records), because libunbound is
 * silent about one that it cannot read. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

/* Calls `take` with each record as one line without comments, and stops where it returns false.
 * What is no DS or DNSKEY record is an error that names the line. Parentheses may join lines:
 * RFC 1035 section 5.1. */
MUST_CHECK bool dns_anchor_parse(struct span text, bool (*take)(void *owner, const char *record),
                                 void *owner, struct error *err);

/* The whole file, at most 1 MiB. `is_missing` is set where there is none. */
MUST_CHECK bool dns_anchor_read(const char *path, struct buffer *text, bool *is_missing,
                                struct error *err);
