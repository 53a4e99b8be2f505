/* link/credential_files.h - a certificate of ours and its key, from their files. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/tls.h"

/* PEM, leaf first; both may be one file. False: one of them cannot be read or is none: err names the file.
 * A key that is not that of the certificate is told by tls_credentials_state. */
MUST_CHECK bool credential_files_read(const char *certificate, const char *key,
                                      struct tls_credentials **credentials, struct error *err);
/* The same; false too where the key is not that of the certificate. */
MUST_CHECK bool credential_files_load(const char *certificate, const char *key,
                                      struct tls_credentials **credentials, struct error *err);
