/* gateway/certificates.h - the certificates of one listener: loaded, judged as a careful sender would,
 * and watched for newer ones.
 *
 * What was loaded never changes and is counted, for profiles of several threads share it. Loading,
 * judging and looking are the main thread's alone. The files' modification time, inode and size are
 * what is looked at, as they were before they were read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "diagnose/finding.h"
#include "link/inbound_observation.h"
#include "net/tls_server.h"
#include "trust/anchors.h"

enum { GATEWAY_CERTIFICATES_MOST = 64 };

/* All borrowed for the life of whatever is loaded by it, and of all that is loaded again from that. */
struct gateway_certificates_settings {
    const char *listener; /* for the log: "192.0.2.1:25" */
    const char *const *certificates, *const
                                         *keys; /* files; the n-th key is the n-th certificate's */
    size_t count;                               /* 1 to GATEWAY_CERTIFICATES_MOST */
    const char *hostname;                       /* ours, that one of them should name */
    struct anchors *anchors;                    /* whom a sender trusts; empty: nothing is judged */
    enum tls_client_certificate client_certificate;
    const char *client_ca; /* a PEM file: who vouches for clients; NULL: anybody, themselves too */
    bool names_client_ca;  /* clients are told who it is */
    struct tls_tickets *tickets; /* shared with other listeners; NULL: keys of its own */
};

struct gateway_certificates;

/* Reads and judges all of it. False: TLS cannot work with them, err says why and names the file. */
MUST_CHECK bool gateway_certificates_load(const struct gateway_certificates_settings *settings,
                                          int64_t now_s, struct gateway_certificates **certificates,
                                          struct error *err);
/* The same settings again, from the files as they are now; what was loaded before stays. */
MUST_CHECK bool gateway_certificates_load_again(const struct gateway_certificates *before,
                                                int64_t now_s,
                                                struct gateway_certificates **certificates,
                                                struct error *err);

/* From any thread; with the last release they are gone. NULL is nothing. */
struct gateway_certificates *gateway_certificates_hold(struct gateway_certificates *certificates);
void gateway_certificates_release(struct gateway_certificates **certificates);

/* Live as long as the certificates. */
struct tls_server_context *
gateway_certificates_tls(const struct gateway_certificates *certificates);
/* With the verdict of the one that names us, else of the first. */
const struct inbound_self *
gateway_certificates_self(const struct gateway_certificates *certificates);
const char *gateway_certificates_listener(const struct gateway_certificates *certificates);

/* Are both of the same files? */
MUST_CHECK bool gateway_certificates_have_same_files(const struct gateway_certificates *a,
                                                     const struct gateway_certificates *b);

/* What is wrong with the n-th; NULL: there is no n-th. */
const struct findings *
gateway_certificates_findings(const struct gateway_certificates *certificates, size_t number,
                              const char **file);
/* A line for each finding, its code the event: cause and remedy. */
void gateway_certificates_log(const struct gateway_certificates *certificates, struct log *log);

/* Looks at the files. True once for each change, and not before two looks have seen the same, so that
 * a certificate that was copied a moment before its key is not taken without it. */
MUST_CHECK bool gateway_certificates_look(struct gateway_certificates *certificates);
