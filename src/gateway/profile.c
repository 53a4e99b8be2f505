#include "gateway/profile.h"

#include <assert.h>

struct gateway_profile *gateway_profile_hold(struct gateway_profile *profile)
{
    unsigned before = atomic_fetch_add_explicit(&profile->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
    return profile;
}

void gateway_profile_release(struct gateway_profile **profile)
{
    struct gateway_profile *released = *profile;

    *profile = NULL;
    /* Acquire too: the last one must see what the others did with it before it is freed. */
    if (released != NULL &&
        atomic_fetch_sub_explicit(&released->references, 1, memory_order_acq_rel) == 1)
        released->release(released->owner);
}
