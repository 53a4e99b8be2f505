/* link/trust_files.h - reads certificates from files: PEM with any number of them, or one DER.
 *
 * PEM is RFC 7468 (with explanatory text around it) and OpenSSL's "TRUSTED CERTIFICATE" is refused.
 * A file may be 16 MiB at most.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "trust/anchors.h"

/* The whole file, "-" for standard input. err names the file and what the system said. */
MUST_CHECK bool trust_files_read(const char *path, struct buffer *content, struct error *err);

/* Takes the next block labelled `label` ("CERTIFICATE", "X509 CRL") off *pem and decodes it into
 * the arena; what stands between blocks is skipped. *der is empty when there is none left. False:
 * the block is damaged, err says how. */
MUST_CHECK bool trust_files_next(struct span *pem, const char *label, struct arena *arena,
                                 struct span *der, struct error *err);

/* Every certificate of a file as DER in the arena, at most `most`. False: unreadable, none in it, or
 * one is damaged: err names the file and which one. */
MUST_CHECK bool trust_files_certificates(const char *path, struct arena *arena, struct span *der,
                                         size_t most, size_t *count, struct error *err);

/* Adds every certificate of a file, or of every file in a directory, to the anchors. A damaged one
 * does not keep the others out: all that are sound are added, and err names the first that is not
 * by its file and number. False too where there is none at all. */
MUST_CHECK bool trust_files_add(const char *path, struct anchors *anchors, struct error *err);
