/* trust/anchors.h - the certificates that we trust, and the intermediates that we merely know.
 *
 * Holds DER and an index by subject; a certificate is only parsed when a chain asks for its
 * subject, because parsing a whole store costs more than a checkup. Reading the files is
 * link/trust_files.h: this folder does no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

struct anchors;

/* NULL: no memory. */
MUST_CHECK struct anchors *anchors_new(void);
void anchors_free(struct anchors **anchors);

/* The same certificates for another thread; an empty store for NULL. NULL: no memory. */
MUST_CHECK struct anchors *anchors_copy(const struct anchors *anchors);

/* Copies one certificate in DER. False: it is not a certificate, or no memory. Duplicates are
 * kept once. */
MUST_CHECK bool anchors_add(struct anchors *anchors, struct span der, struct error *err);

size_t anchors_count(const struct anchors *anchors);

/* Calls `visit` for each certificate whose subject equals `subject`, until it returns false. The
 * X509 belongs to the store. Parsed certificates are kept; one thread at a time. */
void anchors_visit(struct anchors *anchors, const X509_NAME *subject,
                   bool (*visit)(X509 *certificate, void *context), void *context);

/* Does any subject in the store have the organizationName of this name? False where it has none. */
MUST_CHECK bool anchors_has_organization(const struct anchors *anchors, const X509_NAME *name);

/* Latest notBefore among the roots (seconds since 1970; 0: empty). A clock or a trust store that
 * is older than the other shows by it. Costs a light walk over every certificate. */
int64_t anchors_newest_s(const struct anchors *anchors);
