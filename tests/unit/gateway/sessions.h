/* tests/unit/gateway/sessions.h - what conversations with hosts showed, made up. */
#pragma once

#include "../test.h"
#include "base/arena.h"
#include "diagnose/finding.h"
#include "link/observation.h"

struct sessions {
    struct arena arena;
};

enum sessions_issuer { SESSIONS_PUBLIC, SESSIONS_OTHER_PUBLIC, SESSIONS_FIREWALL };

int sessions_open(void **state);
int sessions_close(void **state);

/* A session over TLS 1.3 in which nothing failed; that of the firewall is not trusted. The key depends on
 * host and issuer. */
struct observation *sessions_over_tls(struct sessions *sessions, const char *host,
                                      const char *address, enum sessions_issuer issuer);
/* STARTTLS is not among the keywords. */
struct observation *sessions_in_clear(struct sessions *sessions, const char *host,
                                      const char *address);
/* No connection. */
struct observation *sessions_refused(struct sessions *sessions, const char *host,
                                     const char *address);

/* One finding that untrusts, or none for NULL. */
struct findings *sessions_findings(struct sessions *sessions, const char *code);
