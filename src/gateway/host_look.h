/* gateway/host_look.h - what one session showed of a host, as short texts, and in words what differs from before.
 *
 * Pure. Texts are safe to print and bounded: HOST_LOOK_TEXT octets each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "diagnose/finding.h"
#include "link/observation.h"

enum { HOST_LOOK_TEXT = 480 };

enum host_aspect {
    HOST_ISSUER,          /* of the leaf, for people: "R11 (Let's Encrypt)" */
    HOST_KEY,             /* SHA-256 of the leaf's SubjectPublicKeyInfo, hex */
    HOST_VERSION,         /* "TLSv1.3"; "none": a message went in the clear */
    HOST_KEYWORDS,        /* of EHLO, sorted, with blanks between them */
    HOST_KEYWORDS_INSIDE, /* of EHLO inside TLS */
    HOST_VERDICT,         /* findings that untrust or stop TLS, root causes first; "": none */
    HOST_ORGANIZATION,    /* of the issuer: what decides whether it is another one */
    HOST_ASPECTS,
};

/* NULL: the session came not so far as to show it. */
struct host_look {
    const char *shown[HOST_ASPECTS];
};

void host_look_read(const struct observation *seen, const struct findings *findings,
                    bool was_success, struct arena *arena, struct host_look *look);

/* Both show it, and not the same. Never of HOST_ORGANIZATION, which is told with the issuer. */
bool host_look_differs(const struct host_look *before, const struct host_look *now,
                       enum host_aspect aspect);

/* "since 2026-11-22 02:10 UTC the issuer is FGT60F (Fortinet); before, R11 (Let's Encrypt)\n" for an aspect that
 * differs. False: no room. */
MUST_CHECK bool host_look_tell(const struct host_look *before, const struct host_look *now,
                               enum host_aspect aspect, int64_t since_s, struct buffer *words);

/* "2026-11-22 02:10 UTC" */
const char *host_look_minute(struct arena *arena, int64_t seconds);
