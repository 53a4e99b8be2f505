#include "gateway/renewal.h"

#include "base/memory.h"
#include "gateway/certificates.h"
#include "gateway/client_certificate.h"

struct renewal {
    struct gateway_profile profile;
    struct gateway_profile_listener listeners[];
};

static void release(void *owner)
{
    struct renewal *renewal = owner;

    for (size_t i = 0; i < renewal->profile.listener_count; i++)
        gateway_certificates_release(&renewal->listeners[i].certificates);
    gateway_client_certificate_release(&renewal->profile.client);
    gateway_profile_release(&renewal->profile.origin);
    memory_free(renewal);
}

/* A profile like the one that is there; it holds the first of its line, not the one before, or none
 * of them would ever go. NULL: no memory. */
static struct renewal *copy_profile(struct gateway_profile *profile)
{
    struct gateway_profile *origin = profile->origin != NULL ? profile->origin : profile;
    struct renewal *made =
        memory_new(1, sizeof *made + profile->listener_count * sizeof made->listeners[0]);

    if (made == NULL)
        return NULL;
    made->profile = (struct gateway_profile){
        .references = 1,
        .origin = gateway_profile_hold(origin),
        .hostname = profile->hostname,
        .relay = profile->relay,
        .bare_lf_from = profile->bare_lf_from,
        .bare_lf_from_count = profile->bare_lf_from_count,
        .limits = profile->limits,
        .schedule = profile->schedule,
        .listeners = made->listeners,
        .listener_count = profile->listener_count,
        .domains = profile->domains,
        .domain_count = profile->domain_count,
        .policies = profile->policies,
        .anchors = profile->anchors,
        .intermediates = profile->intermediates,
        .client = profile->client == NULL ? NULL : gateway_client_certificate_hold(profile->client),
        .credentials = profile->credentials,
        .self = profile->self,
        .dns = profile->dns,
        .mx_port = profile->mx_port,
        .sts_port = profile->sts_port,
        .private_addresses = profile->private_addresses,
        .client_timeout_ms = profile->client_timeout_ms,
        .release = release,
        .owner = made,
    };
    for (size_t i = 0; i < profile->listener_count; i++) {
        made->listeners[i] = profile->listeners[i];
        if (made->listeners[i].certificates != NULL)
            gateway_certificates_hold(made->listeners[i].certificates);
    }
    return made;
}

static void use(struct gateway_profile_listener *listener, struct gateway_certificates *newer)
{
    gateway_certificates_release(&listener->certificates);
    listener->certificates = newer;
    listener->tls = gateway_certificates_tls(newer);
    listener->self = *gateway_certificates_self(newer);
}

/* The newer ones of the n-th listener; NULL: they cannot be used. What is found is told. */
static struct gateway_certificates *load_newer(const struct gateway_profile *profile, size_t number,
                                               int64_t now_s, struct log *log)
{
    const struct gateway_certificates *before = profile->listeners[number].certificates;
    bool is_told = gateway_profile_first_certificates(profile, number) == NULL;
    struct gateway_certificates *newer;
    struct error err;

    if (gateway_certificates_load_again(before, now_s, &newer, &err)) {
        if (!is_told)
            gateway_certificates_log(newer, log);
    } else if (!is_told) {
        log_event(log, LOG_WARN, "certificate-unusable", "listener=%s cause=%s remedy=%s",
                  gateway_certificates_listener(before), err.text,
                  "The certificate that was there before is shown on; put a certificate and its "
                  "key in place, and they are taken up within seconds");
    }
    return newer;
}

/* That of the client, where it is newer and can be used; what is found is told. */
static struct gateway_client_certificate *look_at_client(const struct gateway_profile *profile,
                                                         bool judges_again, int64_t now_s,
                                                         struct log *log)
{
    struct gateway_client_certificate *newer = NULL;
    struct error err;

    if (profile->client == NULL ||
        (!gateway_client_certificate_look(profile->client) && !judges_again))
        return NULL;
    if (gateway_client_certificate_load_again(profile->client, now_s, &newer, &err))
        gateway_client_certificate_log(newer, log);
    else
        log_event(log, LOG_WARN, "certificate-unusable", "file=%s cause=%s remedy=%s",
                  gateway_client_certificate_file(profile->client), err.text,
                  "The certificate that was there before is shown to servers; put a certificate "
                  "and its key in place, and they are taken up within seconds");
    return newer;
}

static void use_client(struct gateway_profile *profile, struct gateway_client_certificate *newer)
{
    gateway_client_certificate_release(&profile->client);
    profile->client = newer;
    profile->credentials = gateway_client_certificate_credentials(newer);
    gateway_client_certificate_describe(newer, &profile->self);
}

static bool renew_client(struct gateway_profile *profile, bool judges_again, int64_t now_s,
                         struct log *log, struct renewal **renewal, struct error *err)
{
    struct gateway_client_certificate *newer = look_at_client(profile, judges_again, now_s, log);

    if (newer == NULL)
        return true;
    if (*renewal == NULL)
        *renewal = copy_profile(profile);
    if (*renewal == NULL) {
        gateway_client_certificate_release(&newer);
        return error_set(err, ERROR_MEMORY, "no memory for a newer certificate");
    }
    use_client(&(*renewal)->profile, newer);
    return true;
}

bool gateway_renewal_look(struct gateway_profile *profile, bool judges_again, int64_t now_s,
                          struct log *log, struct gateway_profile **renewed, struct error *err)
{
    struct renewal *renewal = NULL;

    *renewed = NULL;
    if (!renew_client(profile, judges_again, now_s, log, &renewal, err))
        return false;
    for (size_t i = 0; i < profile->listener_count; i++) {
        struct gateway_certificates *before = profile->listeners[i].certificates, *newer;

        if (before == NULL || (!gateway_certificates_look(before) && !judges_again))
            continue;
        newer = load_newer(profile, i, now_s, log);
        if (newer == NULL)
            continue;
        if (renewal == NULL)
            renewal = copy_profile(profile);
        if (renewal == NULL) {
            gateway_certificates_release(&newer);
            return error_set(err, ERROR_MEMORY, "no memory for newer certificates");
        }
        use(&renewal->listeners[i], newer);
    }
    *renewed = renewal == NULL ? NULL : &renewal->profile;
    return true;
}
