#include "cli/serve_profile.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/text.h"
#include "gateway/certificates.h"
#include "gateway/client_certificate.h"
#include "gateway/dkim.h"
#include "link/our_side.h"
#include "settings/options.h"
#include "trust/anchors.h"
#include "trust/names.h"

enum {
    ARENA_BYTES = 64 << 20,
    HOSTNAME_BYTES = 256,
    OF_A_WORKER = 16,  /* descriptors of its loop */
    OF_THE_REST = 256, /* the queue, the log, deliveries */
};

struct serve_profile {
    struct gateway_profile profile;
    struct settings *settings;
    struct dkim_key *dkim;
    struct anchors *anchors; /* the senders' roots, as far as we know, and those of servers */
    struct arena arena;
};

static void release(void *owner)
{
    struct serve_profile *made = owner;

    for (size_t i = 0; made->profile.listeners != NULL && i < made->profile.listener_count; i++)
        gateway_certificates_release(&made->profile.listeners[i].certificates);
    anchors_free(&made->anchors);
    gateway_client_certificate_release(&made->profile.client);
    dkim_key_free(&made->dkim);
    settings_free(&made->settings);
    arena_clear(&made->arena);
    memory_free(made);
}

static void free_serve_profile(struct serve_profile **made)
{
    if (*made != NULL)
        release(*made);
    *made = NULL;
}

static const char *find_hostname(struct serve_profile *made)
{
    char name[HOSTNAME_BYTES];

    if (made->settings->hostname != NULL)
        return made->settings->hostname;
    if (gethostname(name, sizeof name) != 0 || memchr(name, '\0', sizeof name) == NULL ||
        name[0] == '\0')
        return "localhost";
    return arena_copy(&made->arena, span_of(name));
}

/* ---- domains ------------------------------------------------------------------------------ */

static const enum gateway_delivery_kind kinds[] = {
    [SETTINGS_MAILDIR] = GATEWAY_DELIVER_MAILDIR,
    [SETTINGS_LMTP_SOCKET] = GATEWAY_DELIVER_LMTP_SOCKET,
    [SETTINGS_LMTP] = GATEWAY_DELIVER_LMTP,
    [SETTINGS_SMTP] = GATEWAY_DELIVER_SMTP,
};

static bool fill_domains(struct serve_profile *made)
{
    const struct settings *settings = made->settings;
    struct gateway_profile_domain *domains =
        arena_new(&made->arena, settings->domain_count + 1, sizeof *domains);

    if (domains == NULL)
        return false;
    for (size_t i = 0; i < settings->domain_count; i++) {
        const struct settings_domain *domain = &settings->domains[i];

        domains[i] = (struct gateway_profile_domain){ .name = domain->name,
                                                      .kind = kinds[domain->deliver.how],
                                                      .path = domain->deliver.path,
                                                      .host = domain->deliver.hop.host,
                                                      .address = domain->deliver.hop.address };
    }
    made->profile.domains = domains;
    made->profile.domain_count = settings->domain_count;
    return true;
}

/* ---- listeners ---------------------------------------------------------------------------- */

static const enum smtp_server_tls tls_modes[] = {
    [SETTINGS_TLS_NONE] = SMTP_SERVER_TLS_NONE,
    [SETTINGS_TLS_MAY] = SMTP_SERVER_TLS_MAY,
    [SETTINGS_TLS_REQUIRED] = SMTP_SERVER_TLS_REQUIRED,
    [SETTINGS_TLS_IMPLICIT] = SMTP_SERVER_TLS_IMPLICIT,
};

static void fill_engine(const struct serve_profile *made, const struct settings_listener *from,
                        struct gateway_profile_listener *listener)
{
    const struct settings_limits *limits = &made->settings->limits;

    listener->smtp = (struct smtp_server_settings){
        .hostname = made->profile.hostname,
        .tls = tls_modes[from->tls],
        .extensions = SMTP_SERVER_EXTENSIONS,
        .size_most = limits->message_bytes,
        .recipients_most = (uint32_t)limits->recipients,
        .errors_most = limits->session_errors > 0 ? (uint32_t)limits->session_errors : UINT32_MAX,
        .command_timeout_ms = limits->command_timeout_s * 1000,
    };
    listener->smtp_mending = listener->smtp;
    listener->smtp_mending.mends_bare_lf = true;
}

static const char *name_listener(struct serve_profile *made, const struct net_address *address)
{
    char text[NET_ADDRESS_TEXT];

    return arena_format(&made->arena, address->is_ipv6 ? "[%s]:%u" : "%s:%u",
                        net_address_text(address, text), address->port);
}

/* A certificate that is required has to hold before somebody; one that is asked for need not. */
static const char *find_client_ca(const struct serve_profile *made,
                                  const struct settings_listener *from)
{
    if (from->client_ca != NULL && from->client_certificate != TLS_CLIENT_CERTIFICATE_NONE)
        return from->client_ca;
    return from->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE ? made->settings->ca_file
                                                                      : NULL;
}

static bool fill_tls(struct serve_profile *made, const struct settings_listener *from,
                     struct tls_tickets *tickets, int64_t now_s,
                     struct gateway_profile_listener *listener, struct error *err)
{
    struct gateway_certificates_settings *settings = arena_new(&made->arena, 1, sizeof *settings);

    if (settings == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    *settings =
        (struct gateway_certificates_settings){ .listener = name_listener(made, &from->address),
                                                .certificates = from->certificates,
                                                .keys = from->keys,
                                                .count = from->certificate_count,
                                                .hostname = made->profile.hostname,
                                                .anchors = made->anchors,
                                                .client_certificate = from->client_certificate,
                                                .client_ca = find_client_ca(made, from),
                                                .names_client_ca = from->client_ca != NULL,
                                                .tickets = tickets };
    if (!gateway_certificates_load(settings, now_s, &listener->certificates, err))
        return error_wrap(err, "listener %s", settings->listener);
    listener->tls = gateway_certificates_tls(listener->certificates);
    listener->self = *gateway_certificates_self(listener->certificates);
    return true;
}

static bool fill_listeners(struct serve_profile *made, struct tls_tickets *tickets, int64_t now_s,
                           struct error *err)
{
    const struct settings *settings = made->settings;

    made->profile.listeners =
        arena_new(&made->arena, settings->listener_count + 1, sizeof *made->profile.listeners);
    if (made->profile.listeners == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for listeners");
    made->profile.listener_count = settings->listener_count;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct settings_listener *from = &settings->listeners[i];
        struct gateway_profile_listener *listener = &made->profile.listeners[i];

        listener->address = from->address;
        listener->said_at = arena_format(&made->arena, "%s:%u", made->settings->file, from->line);
        fill_engine(made, from, listener);
        if (from->tls != SETTINGS_TLS_NONE && !fill_tls(made, from, tickets, now_s, listener, err))
            return false;
    }
    return true;
}

/* ---- delivery to servers elsewhere -------------------------------------------------------- */

/* A default that is not there is none, as for every other program that validates: only what the
 * operator has named must be there. */
static const char *find_trust_anchor(const struct settings *settings)
{
    const char *fallback = settings_option_find(SETTINGS_DNS, span_of("trust_anchor"))->fallback;

    return strcmp(settings->dns.trust_anchor, fallback) == 0 ? NULL : settings->dns.trust_anchor;
}

static bool fill_client(struct serve_profile *made, int64_t now_s, struct error *err)
{
    const struct settings *settings = made->settings;
    struct gateway_profile *profile = &made->profile;

    profile->policies = settings->policy_rules;
    profile->mx_port = (uint16_t)settings->client.port;
    profile->sts_port = (uint16_t)settings->client.sts_port;
    profile->private_addresses = settings->client.private_addresses != 0;
    profile->client_timeout_ms = settings->client.timeout_s * 1000;
    profile->dns = (struct dns_settings){ .resolver = settings->dns.resolver,
                                          .trust_anchor = find_trust_anchor(settings) };
    profile->self.built_at_s = POSTERN_RELEASED_S;
    profile->anchors = made->anchors;
    our_side_read_roots(settings->ca_file, made->anchors, &made->arena, &profile->self);
    if (settings->client.certificate == NULL)
        return true;
    if (!gateway_client_certificate_load(settings->client.certificate, settings->client.key, now_s,
                                         &profile->client, err))
        return false;
    profile->credentials = gateway_client_certificate_credentials(profile->client);
    gateway_client_certificate_describe(profile->client, &profile->self);
    return true;
}

/* ---- TLS reports -------------------------------------------------------------------------- */

static const char *domain_of(const char *address, struct arena *arena)
{
    const char *at = strrchr(address, '@');
    const char *name = at == NULL ? NULL : names_normalize(arena, span_of(at + 1));

    return name == NULL ? "" : name;
}

static bool fill_reports(struct serve_profile *made, struct error *err)
{
    const struct settings_reports *from = &made->settings->reports;
    struct gateway_profile_reports *reports = &made->profile.reports;
    const char *hostname = made->profile.hostname;
    struct arena *arena = &made->arena;

    reports->sends = from->send != 0;
    reports->organization = from->organization != NULL ? from->organization : hostname;
    reports->contact =
        from->contact != NULL ? from->contact : arena_format(arena, "postmaster@%s", hostname);
    reports->from = from->from != NULL ? from->from : reports->contact;
    reports->submitter = domain_of(reports->contact, arena);
    reports->read = from->read;
    if (from->dkim_key == NULL)
        return true;
    if (!dkim_key_load(from->dkim_key,
                       from->dkim_domain != NULL ? from->dkim_domain
                                                 : domain_of(reports->from, arena),
                       from->dkim_selector, &made->dkim, err))
        return error_wrap(err, "dkim_key of reports");
    reports->key = made->dkim;
    return true;
}

/* ---- a whole profile ---------------------------------------------------------------------- */

static struct gateway_limits_settings limits_of(const struct settings_limits *limits)
{
    return (struct gateway_limits_settings){
        .connections = (uint32_t)limits->connections,
        .per_client = (uint32_t)limits->per_address,
        .connections_per_minute = (uint32_t)limits->connections_per_minute,
        .messages_per_minute = (uint32_t)limits->messages_per_minute,
        .failures_per_minute = (uint32_t)limits->failed_handshakes_per_minute,
        .session_errors = (uint32_t)limits->session_errors,
        .ban_ms = (uint32_t)(limits->ban_s * 1000),
        .clients_known = (uint32_t)limits->clients_known,
    };
}

static void fill(struct serve_profile *made)
{
    const struct settings *settings = made->settings;

    made->profile.hostname = find_hostname(made);
    made->profile.relay = settings->relay;
    made->profile.bare_lf_from = settings->bare_lf_from;
    made->profile.bare_lf_from_count = settings->bare_lf_from_count;
    made->profile.limits = limits_of(&settings->limits);
    made->profile.schedule = settings->queue;
    made->profile.release = release;
    made->profile.owner = made;
    made->profile.references = 1;
}

bool serve_profile_new(struct settings **settings, struct tls_tickets *tickets, int64_t now_s,
                       struct gateway_profile **profile, struct error *err)
{
    AUTO(free_serve_profile) struct serve_profile *made = memory_new(1, sizeof *made);

    *profile = NULL;
    if (made == NULL) {
        settings_free(settings);
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    }
    made->settings = TAKE(*settings);
    arena_init(&made->arena, ARENA_BYTES);
    made->anchors = anchors_new();
    if (made->anchors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the trust store");
    fill(made);
    if (!fill_client(made, now_s, err) || !fill_reports(made, err))
        return false;
    if (!fill_domains(made) || made->arena.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    if (!fill_listeners(made, tickets, now_s, err))
        return false;
    *profile = &made->profile;
    made = NULL;
    return true;
}

uint64_t serve_profile_descriptors(const struct gateway_profile *profile, size_t workers)
{
    return profile->limits.connections + workers * (OF_A_WORKER + profile->listener_count) +
           OF_THE_REST;
}

bool serve_profile_fit(struct gateway_profile *profile, size_t workers, uint64_t have)
{
    uint64_t need = serve_profile_descriptors(profile, workers);
    uint64_t our_own = need - profile->limits.connections;

    if (have >= need)
        return true;
    profile->limits.connections = (uint32_t)(have > our_own ? have - our_own : have / 4);
    if (profile->limits.connections == 0)
        profile->limits.connections = 1; /* 0 would be no limit */
    return false;
}
