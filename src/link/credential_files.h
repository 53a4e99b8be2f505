/* link/credential_files.h - a certificate of ours and its key, from their files. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "net/tls.h"

/* PEM, leaf first; both may be one file. False: one of them cannot be read or is none, or the key is
 * not that of the certificate: err names the file. */
MUST_CHECK bool credential_files_load(const char *certificate, const char *key,
                                      struct tls_credentials **credentials, struct error *err);
