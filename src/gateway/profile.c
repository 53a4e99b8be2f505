#include "gateway/profile.h"

#include <assert.h>

#include "gateway/certificates.h"

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

struct gateway_certificates *
gateway_profile_first_certificates(const struct gateway_profile *profile, size_t number)
{
    struct gateway_certificates *own = profile->listeners[number].certificates;

    for (size_t i = 0; own != NULL && i < number; i++) {
        const struct gateway_certificates *before = profile->listeners[i].certificates;

        if (before != NULL && gateway_certificates_have_same_files(before, own))
            return NULL;
    }
    return own;
}
