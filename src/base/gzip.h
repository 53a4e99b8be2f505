/* base/gzip.h - gzip both ways (RFC 1952, by zlib), safe against data that was made to unpack without end. */
#pragma once

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum {
    GZIP_FREE_BYTES = 256 * 1024, /* unpacked so far without a look at the ratio */
    GZIP_RATIO_MOST = 200, /* then: what it unpacks to against what was read; text has 5 to 50 */
};

/* Does it begin as gzip data does? */
bool gzip_is_begun(struct span bytes);

/* Appends what the data unpack to, all members of it (RFC 1952 section 2.2); zeros behind them are padding.
 * ERROR_FORMAT: no gzip data, damaged, cut off, something behind them, a ratio that only a bomb has, or more than
 * the buffer's limit; *out may have some of it then. */
MUST_CHECK bool gzip_read(struct span bytes, struct buffer *out, struct error *err);

/* Appends the packed data, without a name or a time, so that the same gives the same. */
MUST_CHECK bool gzip_write(struct span bytes, struct buffer *out, struct error *err);
