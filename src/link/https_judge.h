/* link/https_judge.h - judges an HTTPS server's certificates by the code that judges mail servers.
 *
 * For `judge` of net/https.h. RFC 8461 section 3.3 (the policy host's certificate), RFC 9525 (its
 * name). The server is asked only where a path to a trusted root holds and its name is matched.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/https.h"
#include "trust/anchors.h"
#include "trust/chain.h"

/* All borrowed until the request's callback, or its cancel. */
struct https_judge {
    struct anchors *anchors, *intermediates; /* intermediates may be NULL */
    const struct clock *clock;
    struct arena *arena; /* where the verdict lives */

    /* filled by the judging */
    bool has_verdict; /* false: no handshake came so far, or `failed` */
    struct chain_verdict verdict;
    bool failed; /* our own failure: `err` says which, and the server was not asked */
    struct error err;
};

/* Has `request` judged by *judge, whose first fields are set. */
void https_judge_use(struct https_judge *judge, struct https_request *request);
