/* gateway/gateway_change.c - a profile comes into force: by a reload, or because certificates were renewed. */
#include <unistd.h>

#include "base/memory.h"
#include "gateway/certificates.h"
#include "gateway/client_certificate.h"
#include "gateway/gateway_internal.h"
#include "gateway/renewal.h"

enum {
    LOOK_MS = 3000,
    JUDGE_AGAIN_S = 24 * 60 * 60,
    ROTATE_S = 12 * 60 * 60,
};

static int64_t now_s(const struct gateway *gateway)
{
    return gateway->settings.clock->monotonic_ms(gateway->settings.clock) / 1000;
}

void gateway_change_free(struct gateway_change *change)
{
    if (change == NULL)
        return;
    memory_free(change->letters);
    memory_free(change->places);
    memory_free(change);
}

static struct gateway_change *new_change(const struct gateway *gateway,
                                         const struct gateway_profile *profile)
{
    struct gateway_change *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return NULL;
    made->letters = memory_new(gateway->worker_count, sizeof *made->letters);
    made->places =
        memory_new(gateway->worker_count * profile->listener_count + 1, sizeof *made->places);
    if (made->letters == NULL || made->places == NULL) {
        gateway_change_free(made);
        return NULL;
    }
    for (size_t i = 0; i < gateway->worker_count * profile->listener_count; i++)
        made->places[i].socket = -1;
    return made;
}

void gateway_change_close_places(struct gateway_change *change, size_t first, size_t count)
{
    for (size_t i = first; i < count; i++)
        if (change->places[i].socket >= 0)
            close(change->places[i].socket);
}

static void log_listening(struct gateway *gateway, const struct gateway_profile_listener *listener)
{
    static const char *const words[] = { "none", "may", "required", "implicit" };
    char text[NET_ADDRESS_TEXT];

    log_event(gateway->settings.log, LOG_NOTE, "listening", "address=%s port=%u tls=%s",
              net_address_text(&listener->address, text), listener->address.port,
              words[listener->smtp.tls]);
}

/* One listener of the profile: a place for each worker. */
static bool ask_for(struct gateway *gateway, struct gateway_profile *profile, size_t index,
                    struct gateway_change *change, struct error *err)
{
    struct gateway_profile_listener *listener = &profile->listeners[index];
    int sockets[GATEWAY_WORKERS_MOST];
    struct gateway_binding binding;

    if (!gateway_bindings_ask(gateway->bindings, &listener->address, &binding, sockets, err))
        return error_wrap(err, "listener of %s",
                          listener->said_at == NULL ? "the settings" : listener->said_at);
    for (size_t i = 0; i < gateway->worker_count; i++)
        change->places[i * profile->listener_count + index] =
            (struct worker_place){ binding.number, sockets[i] };
    listener->address = binding.address; /* nobody else sees the profile yet */
    return true;
}

/* Opens what is new, for all workers; false: nothing is. */
static bool plan(struct gateway *gateway, struct gateway_profile *profile,
                 struct gateway_change *change, struct error *err)
{
    gateway_bindings_begin(gateway->bindings);
    for (size_t i = 0; i < profile->listener_count; i++)
        if (!ask_for(gateway, profile, i, change, err)) {
            gateway_change_close_places(change, 0, gateway->worker_count * profile->listener_count);
            gateway_bindings_end(gateway->bindings, false);
            return false;
        }
    gateway_bindings_end(gateway->bindings, true);
    for (size_t i = 0; i < profile->listener_count; i++)
        if (change->places[i].socket >= 0)
            log_listening(gateway, &profile->listeners[i]);
    return true;
}

struct gateway_change *gateway_change_make(struct gateway *gateway, struct gateway_profile *profile,
                                           const char *event, struct error *err)
{
    struct gateway_change *made = new_change(gateway, profile);

    if (made == NULL) {
        error_set(err, ERROR_MEMORY, "no memory to change the settings");
        return NULL;
    }
    made->event = event;
    if (plan(gateway, profile, made, err))
        return made;
    gateway_change_free(made);
    return NULL;
}

/* What a message of a local program must keep to: as what comes in by the first listener. */
struct control_terms gateway_change_terms(const struct gateway_profile *profile)
{
    struct control_terms terms = { profile->hostname, UINT64_C(50) << 20, 1000 };

    if (profile->listener_count > 0) {
        terms.message_bytes = profile->listeners[0].smtp.size_most;
        terms.recipients = profile->listeners[0].smtp.recipients_most;
    }
    return terms;
}

static void change_control(struct gateway *gateway, const struct gateway_profile *profile)
{
    const struct control_terms terms = gateway_change_terms(profile);
    struct error err;

    if (gateway->control != NULL && !control_set_terms(gateway->control, &terms, &err))
        log_event(gateway->settings.log, LOG_WARN, "control-unchanged", "reason=%s", err.text);
}

void gateway_change_policies(struct gateway *gateway)
{
    const struct policy_lookup_settings by = {
        .loop = gateway->settings.loop,
        .dns = gateway_resolver_dns(gateway->resolver),
        .https = gateway->https,
        .anchors = gateway->profile->anchors,
        .intermediates = gateway->profile->intermediates,
        .clock = gateway->settings.clock,
        .https_port = gateway->profile->sts_port,
        .private_addresses = gateway->profile->private_addresses,
    };

    if (gateway->policies != NULL && !gateway->is_draining)
        sts_keeper_refresh_by(gateway->policies, &by);
}

void gateway_change_use(struct gateway *gateway, struct gateway_profile *profile)
{
    struct gateway_profile *before = gateway->profile;

    gateway->profile = gateway_profile_hold(profile);
    gateway_change_policies(gateway);
    gateway_profile_release(&before);
    gateway_shared_limits_set(gateway->limits, &profile->limits);
    gateway_resolver_use(gateway->resolver, &profile->dns);
    if (gateway->delivery != NULL)
        delivery_reload(gateway->delivery, profile);
    if (gateway->reports != NULL)
        tls_reports_reload(gateway->reports, profile);
    change_control(gateway, profile);
}

/* By letters to workers that run. */
static bool apply(struct gateway *gateway, struct gateway_profile *profile, const char *event,
                  struct error *err)
{
    struct gateway_change *change = gateway_change_make(gateway, profile, event, err);

    if (change == NULL)
        return false;
    gateway_change_use(gateway, profile);
    change->waiting = gateway->worker_count;
    gateway->changes++;
    for (size_t i = 0; i < gateway->worker_count; i++) {
        struct worker_letter *letter = &change->letters[i];

        letter->profile = gateway_profile_hold(profile);
        letter->places = &change->places[i * profile->listener_count];
        letter->change = change;
        worker_change(gateway->workers[i], letter);
    }
    return true;
}

void gateway_change_note(struct gateway *gateway, struct gateway_change *change)
{
    if (--change->waiting > 0)
        return;
    log_event(gateway->settings.log, LOG_NOTE, change->event, "listeners=%zu",
              gateway->profile->listener_count);
    gateway->changes--;
    gateway_change_free(change);
}

void gateway_change_log_certificates(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->profile->listener_count; i++) {
        const struct gateway_certificates *own =
            gateway_profile_first_certificates(gateway->profile, i);

        if (own != NULL)
            gateway_certificates_log(own, gateway->settings.log);
    }
    if (gateway->profile->client != NULL)
        gateway_client_certificate_log(gateway->profile->client, gateway->settings.log);
}

bool gateway_reload(struct gateway *gateway, struct gateway_profile *profile, struct error *err)
{
    if (gateway->is_draining)
        return true;
    if (!apply(gateway, profile, "reloaded", err))
        return false;
    gateway_change_log_certificates(gateway);
    return true;
}

/* ---- certificates and tickets ------------------------------------------------------------- */

static void renew_certificates(struct gateway *gateway)
{
    const struct clock *clock = gateway->settings.clock;
    bool judges_again = now_s(gateway) - gateway->judged_at_s >= JUDGE_AGAIN_S;
    struct gateway_profile *renewed;
    struct error err;

    if (judges_again)
        gateway->judged_at_s = now_s(gateway);
    if (!gateway_renewal_look(gateway->profile, judges_again, clock->wall_s(clock),
                              gateway->settings.log, &renewed, &err) ||
        (renewed != NULL &&
         !apply(gateway, renewed, judges_again ? "certificates-judged" : "certificates-renewed",
                &err)))
        log_event(gateway->settings.log, LOG_ERROR, "certificates-not-renewed", "reason=%s",
                  err.text);
    gateway_profile_release(&renewed);
}

static void rotate_tickets(struct gateway *gateway)
{
    struct error err;

    if (gateway->settings.tickets == NULL || now_s(gateway) - gateway->rotated_at_s < ROTATE_S)
        return;
    gateway->rotated_at_s = now_s(gateway);
    if (!tls_tickets_rotate(gateway->settings.tickets, &err))
        log_event(gateway->settings.log, LOG_WARN, "tickets-not-rotated", "reason=%s", err.text);
}

void gateway_change_look_after(void *owner)
{
    struct gateway *gateway = owner;

    if (gateway->is_draining)
        return;
    renew_certificates(gateway);
    rotate_tickets(gateway);
    gateway_resolver_look(gateway->resolver);
    loop_timer_start(gateway->look,
                     gateway->settings.look_ms > 0 ? gateway->settings.look_ms : LOOK_MS);
}
