/* gateway/client_certificate.h - our certificate for servers that ask for one: loaded, judged, and watched
 * for a newer one.
 *
 * What was loaded never changes and is counted, for profiles share it. Loading, judging and looking are the
 * main thread's alone.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "net/tls.h"

struct gateway_client_certificate;

/* The names of both files, which may be one, are copied. False: they cannot be read; one that is expired,
 * or is not that of the key, is a finding. */
MUST_CHECK bool gateway_client_certificate_load(const char *certificate, const char *key,
                                                int64_t now_s,
                                                struct gateway_client_certificate **made,
                                                struct error *err);
/* The same files again, as they are now. */
MUST_CHECK bool
gateway_client_certificate_load_again(const struct gateway_client_certificate *before,
                                      int64_t now_s, struct gateway_client_certificate **made,
                                      struct error *err);

/* From any thread; with the last release it is gone. NULL is nothing. */
struct gateway_client_certificate *
gateway_client_certificate_hold(struct gateway_client_certificate *certificate);
void gateway_client_certificate_release(struct gateway_client_certificate **certificate);

/* Live as long as the certificate. */
const struct tls_credentials *
gateway_client_certificate_credentials(const struct gateway_client_certificate *certificate);
const char *gateway_client_certificate_file(const struct gateway_client_certificate *certificate);
const struct findings *
gateway_client_certificate_findings(const struct gateway_client_certificate *certificate);
/* Writes what sessions tell of it over that part of *self. */
void gateway_client_certificate_describe(const struct gateway_client_certificate *certificate,
                                         struct observed_self *self);

/* A line for each finding, its code the event: cause and remedy. */
void gateway_client_certificate_log(const struct gateway_client_certificate *certificate,
                                    struct log *log);

/* True once for each change of the files, when two looks have seen the same. */
MUST_CHECK bool gateway_client_certificate_look(struct gateway_client_certificate *certificate);
