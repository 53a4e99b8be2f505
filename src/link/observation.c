#include "link/observation.h"

const char *step_name(enum step step)
{
    static const char *const names[] = {
        [STEP_DNS] = "dns",
        [STEP_CONNECT] = "connect",
        [STEP_GREETING] = "greeting",
        [STEP_EHLO] = "ehlo",
        [STEP_STARTTLS] = "starttls",
        [STEP_HANDSHAKE] = "handshake",
        [STEP_CERTIFICATE] = "certificate",
        [STEP_POLICY] = "policy",
        [STEP_AFTER_TLS] = "after-tls",
    };

    return (size_t)step < ARRAY_SIZE(names) ? names[step] : "unknown";
}

const char *ending_name(enum ending ending)
{
    static const char *const names[] = {
        [ENDING_QUIT] = "quit",
        [ENDING_CLOSED] = "closed",
        [ENDING_RESET] = "reset",
        [ENDING_TIMEOUT] = "timeout",
        [ENDING_REFUSED] = "refused",
        [ENDING_UNREACHABLE] = "unreachable",
        [ENDING_NO_CONNECT] = "no-connect",
        [ENDING_TLS] = "tls",
        [ENDING_NOT_TLS] = "not-tls",
        [ENDING_INJECTED] = "injected",
        [ENDING_BROKEN] = "broken",
        [ENDING_STOPPED] = "stopped",
        [ENDING_FAILED] = "failed",
        [ENDING_BARRED] = "barred",
    };

    return (size_t)ending < ARRAY_SIZE(names) ? names[ending] : "unknown";
}

const char *dial_name(enum dial dial)
{
    static const char *const names[] = {
        [DIAL_AS_CONFIGURED] = "as-configured",
        [DIAL_OLD_VERSIONS] = "old-versions",
        [DIAL_SECURITY_LEVEL_0] = "security-level-0",
        [DIAL_WITHOUT_SNI] = "without-sni",
        [DIAL_TLS12_ONLY] = "tls12-only",
        [DIAL_TLS13_ONLY] = "tls13-only",
        [DIAL_SMALL_HELLO] = "small-hello",
        [DIAL_WITHOUT_CLIENT_CERTIFICATE] = "without-client-certificate",
        [DIAL_WITH_CLIENT_CERTIFICATE] = "with-client-certificate",
        [DIAL_RSA_ONLY] = "rsa-only",
        [DIAL_WITHOUT_TICKETS] = "without-tickets",
        [DIAL_LEGACY_RENEGOTIATION] = "legacy-renegotiation",
        [DIAL_LARGE_GROUPS_ONLY] = "large-groups-only",
        [DIAL_RAW_OBSOLETE] = "raw-obsolete",
        [DIAL_RAW_SSL3] = "raw-ssl3",
        [DIAL_PLAIN_TLS] = "plain-tls",
        [DIAL_HELO] = "helo",
    };

    return (size_t)dial < ARRAY_SIZE(names) ? names[dial] : "unknown";
}

void observed_lookup_note(struct observed_lookup *lookup, const struct dns_answer *answer,
                          struct arena *arena)
{
    lookup->outcome = answer->outcome;
    lookup->security = answer->security;
    lookup->rcode = answer->rcode;
    lookup->anchor_failed = answer->anchor_failed;
    lookup->resolver_is_silent = answer->resolver_is_silent;
    lookup->given_up_after_ms = answer->given_up_after_ms;
    lookup->record_count = answer->record_count;
    if (answer->canonical_name != NULL)
        lookup->canonical_name =
            arena_copy(arena, span_without_final_dot(span_of(answer->canonical_name)));
    if (answer->why_bogus != NULL)
        lookup->why_bogus = arena_copy(arena, span_of(answer->why_bogus));
}

bool observed_lookup_was_cut_short(const struct observed_lookup *lookup)
{
    return lookup->given_up_after_ms > 0 && lookup->given_up_after_ms < DNS_SILENCE_MS;
}

void observation_init(struct observation *observation)
{
    *observation = (struct observation){
        .domain = "",
        .host = "",
        .address = "",
        .preference = -1,
        .tls = { .last_message_received = 0xff, .last_message_sent = 0xff },
    };
    for (size_t i = 0; i < STEP_COUNT; i++)
        observation->step_ms[i] = -1;
}

static bool was_accepted(const struct observed_reply *reply)
{
    return reply->came && !reply->is_broken && reply->code / 100 == 2;
}

static bool was_refused(const struct observed_reply *reply)
{
    return reply->came && !reply->is_broken && (reply->code / 100 == 4 || reply->code / 100 == 5);
}

/* Alerts by which a server turns our certificate down (RFC 8446 section 6.2). handshake_failure
 * and decrypt_error may mean other things too, but once we have shown one it is the likeliest;
 * to dial again without it then costs one connection. */
static bool is_about_certificate(uint8_t description)
{
    static const uint8_t descriptions[] = { 40, 42, 43, 44, 45, 46, 48, 49, 51 };

    for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++)
        if (description == descriptions[i])
            return true;
    return false;
}

static bool client_certificate_was_refused(const struct tls_facts *tls)
{
    for (size_t i = 0; tls->client_certificate_sent && i < tls->alert_count; i++)
        if (!tls->alerts[i].is_sent && is_about_certificate(tls->alerts[i].description))
            return true;
    return false;
}

/* RFC 8689 section 4.2.1: the MX answer is secure, or the domain's policy lists the host. Who has no MX is asked
 * for by the domain's own name, and so is whoever names itself. */
static bool host_is_insecure(const struct observation *observation)
{
    bool has_list =
        observation->sts == POLICY_STS_ENFORCE || observation->sts == POLICY_STS_TESTING;

    return observation->has_lookups && observation->mx_dnssec != DNS_SECURE &&
           !(has_list && observation->sts_host_listed) &&
           !span_equal_nocase(span_of(observation->host), span_of(observation->domain));
}

/* Said inside TLS: whatever stood in the clear may be anybody's. */
static bool offers_requiretls(const struct observation *observation, bool from_first_byte)
{
    const struct smtp_capabilities *inside =
        from_first_byte ? &observation->capabilities : &observation->capabilities_after_tls;

    return (from_first_byte ? observation->has_capabilities
                            : observation->has_capabilities_after_tls) &&
           (inside->extensions & SMTP_EXTENSION_REQUIRETLS) != 0;
}

struct policy_session observation_session(const struct observation *observation)
{
    const struct tls_facts *tls = &observation->tls;
    bool from_first_byte = observation->is_implicit_tls || observation->dial == DIAL_PLAIN_TLS;
    const struct observed_reply *hello =
        from_first_byte ? &observation->ehlo : &observation->ehlo_after_tls;
    bool has_reply_inside = hello->came || (from_first_byte ? observation->greeting.came
                                                            : observation->second_greeting.came);
    bool began = from_first_byte ? tls->was_started : was_accepted(&observation->starttls);
    bool is_injected = observation->ending == ENDING_INJECTED || observation->injected.len > 0;
    bool is_encrypted = tls->was_completed && has_reply_inside;

    return (struct policy_session){
        .unanswered = !from_first_byte && observation->ending != ENDING_BARRED &&
                      (!was_accepted(&observation->greeting) ||
                       (!was_accepted(&observation->ehlo) && !was_accepted(&observation->helo))),
        .offered = from_first_byte ||
                   (observation->has_capabilities &&
                    (observation->capabilities.extensions & SMTP_EXTENSION_STARTTLS) != 0),
        .refused = was_refused(&observation->starttls),
        .encrypted = is_encrypted,
        .handshake_failed = began && !is_encrypted && !is_injected && !observation->ended_after_tls,
        .after_tls_failed = tls->was_completed && (observation->ended_after_tls || is_encrypted) &&
                            !was_accepted(hello) && !was_accepted(&observation->helo),
        .injected = is_injected,
        .client_certificate_refused = client_certificate_was_refused(tls),
        .chain_trusted = observation->has_verdict && observation->verdict.is_trusted,
        .trusts_nobody = observation->self.anchor_count == 0,
        .host_named = observation->host_named,
        .domain_named = observation->domain_named,
        .fingerprint_matched = observation->fingerprint_matched,
        .tlsa = observation->tlsa,
        .mx_insecure = observation->has_lookups && observation->mx_dnssec != DNS_SECURE,
        .tlsa_matched = observation->has_verdict && observation->verdict.tlsa == CHAIN_TLSA_MATCHED,
        .sts = observation->sts,
        .sts_host_listed = observation->sts_host_listed,
        .requires_tls = observation->requires_tls,
        .offers_requiretls = is_encrypted && offers_requiretls(observation, from_first_byte),
        .host_insecure = host_is_insecure(observation),
        .version_too_old = tls->was_completed && tls->version < observation->minimum_version,
    };
}
