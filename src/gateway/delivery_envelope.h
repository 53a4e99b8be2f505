/* gateway/delivery_envelope.h - the envelope of one transaction, from a task (pure).
 */
#pragma once

#include "gateway/delivery_parts.h"
#include "smtp/client.h"

/* Arrays and texts live in the arena of the task's batch. */
struct delivery_envelope {
    struct smtp_client_message
        message;       /* to those that are not settled yet, and fit into a command */
    size_t *target_of; /* its n-th recipient is this target of the task */
    size_t *unfit;     /* targets whose address fits into no command */
    size_t unfit_count;
};

/* For `most` recipients at most, and of this domain alone; NULL: of any. False: no memory. */
MUST_CHECK bool delivery_envelope_make(const struct delivery_task *task, bool offers_utf8,
                                       size_t most, const char *domain,
                                       struct delivery_envelope *envelope);

/* The domain of the first that is not settled. */
struct span delivery_envelope_domain(const struct delivery_task *task);
/* Is one of this domain not settled? */
bool delivery_envelope_has(const struct delivery_task *task, const char *domain);
