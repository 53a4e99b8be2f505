/* diagnose/finding.h - what went wrong, at which step, whose it is to fix, what proves it, what to do.
 *
 * A finding names the cause, not the symptom. Texts live in the checkup's arena and are safe to
 * print. The words of the catalogue are in diagnose/catalogue.c and nowhere else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "link/observation.h"

enum fault {
    FAULT_SERVER,  /* the receiving side: us where the code begins with "inbound-" */
    FAULT_CLIENT,  /* the sending side: us, but there whoever sends to us */
    FAULT_NETWORK, /* something between */
    FAULT_DNS,     /* the receiving domain's zone */
    FAULT_POLICY,  /* its published policy */
};

enum severity {
    SEVERITY_NOTICE,
    SEVERITY_WARNING,   /* works for us; or would not for others */
    SEVERITY_UNTRUSTED, /* a session, but not one that verifies */
    SEVERITY_FATAL,     /* no TLS session */
};

const char *fault_name(enum fault fault);          /* "server" */
const char *severity_name(enum severity severity); /* "untrusted" */

enum { FINDING_EVIDENCE_MOST = 12, FINDINGS_MOST = 32 };

struct finding {
    const char *code; /* the slug: a contract */
    enum step step;
    enum fault fault;
    enum severity severity;
    const char *cause; /* one plain sentence, with this case's names, dates and numbers */
    const char *evidence[FINDING_EVIDENCE_MOST]; /* at least one */
    size_t evidence_count;
    const char *remedy;          /* addressed to whoever `fault` names */
    const char *tls_report;      /* RFC 8460 section 4.3 result type; NULL where none fits */
    const char *enhanced_status; /* RFC 3463, RFC 5248: "4.7.5" */
    const char *because_of; /* code of the finding that this follows from; NULL: a root cause */
};

/* Root causes first, then what follows from them, then by severity. */
struct findings {
    struct finding items[FINDINGS_MOST];
    size_t count;
};

/* The worst severity; false where there is no finding. */
MUST_CHECK bool findings_worst(const struct findings *findings, enum severity *severity);
/* A copy whose texts are the arena's too; NULL: it is exhausted. */
const struct finding *finding_copy(struct arena *arena, const struct finding *finding);

/* NULL where there is none with that code. */
const struct finding *findings_find(const struct findings *findings, const char *code);
