/* settings/check.c - what is wrong with settings that are each right: contradictions, what can have
 * no effect, and what the files hold that they name. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "gateway/sandbox.h"
#include "link/credential_files.h"
#include "link/trust_files.h"
#include "net/dns_anchor.h"
#include "net/dns_context.h"
#include "net/tls.h"
#include "settings/load.h"
#include "settings/value.h"
#include "trust/anchors.h"

enum { ANCHOR_FILE_MOST = 1 << 20 };

/* Line of a key, or of its section where it is not there. */
static unsigned line_of(const struct settings_load *load, size_t section, const char *key)
{
    unsigned line = settings_outline_line(&load->outline, section, key);

    return line != 0 ? line : load->outline.sections[section].line;
}

/* Index of a section that is there once; 0: it is not there. */
static size_t find_section(const struct settings_load *load, enum settings_section kind)
{
    for (size_t i = 1; i < load->outline.section_count; i++)
        if (load->outline.sections[i].kind == kind)
            return i;
    return 0;
}

static unsigned line_in(const struct settings_load *load, enum settings_section kind,
                        const char *key)
{
    size_t section = find_section(load, kind);

    return section == 0 ? 0 : settings_outline_line(&load->outline, section, key);
}

/* A fault that was named already; what the default in its place leads to is none of the reader's. */
static bool is_refused(const struct settings_load *load, size_t section, const char *key)
{
    return settings_outline_is_refused(&load->outline, section, key);
}

static bool is_refused_in(const struct settings_load *load, enum settings_section kind,
                          const char *key)
{
    size_t section = find_section(load, kind);

    return section != 0 && is_refused(load, section, key);
}

/* --- certificates --- */

typedef bool credentials_loader(const char *certificate, const char *key,
                                struct tls_credentials **credentials, struct error *err);

static void check_credentials(struct settings_load *load, unsigned line, const char *certificate,
                              const char *key, credentials_loader *loader)
{
    AUTO(tls_credentials_free) struct tls_credentials *credentials = NULL;
    struct error err = { ERROR_NONE, "" };

    if (load->source->leaves_files_alone ||
        !settings_value_look_at_file(certificate, false, NULL) ||
        !settings_value_look_at_file(key, false, NULL))
        return; /* said already */
    if (!loader(certificate, key, &credentials, &err))
        settings_fault_add(load->faults, line, "certificate %s: %s", certificate, err.text);
}

/* --- listeners --- */

static void check_listener_certificates(struct settings_load *load, size_t section,
                                        struct settings_listener *listener)
{
    unsigned line = line_of(load, section, "certificate");

    if (is_refused(load, section, "certificate") || is_refused(load, section, "key"))
        return;
    if (listener->key_count == 0) {
        listener->keys = listener->certificates;
        listener->key_count = listener->certificate_count;
    }
    if (listener->key_count != listener->certificate_count) {
        settings_fault_add(load->faults, line,
                           "%zu certificates and %zu keys: each certificate needs its own key",
                           listener->certificate_count, listener->key_count);
        return;
    }
    for (size_t i = 0; i < listener->certificate_count; i++)
        check_credentials(load, line, listener->certificates[i], listener->keys[i],
                          credential_files_load);
}

static void check_listener_tls(struct settings_load *load, size_t section,
                               const struct settings_listener *listener)
{
    static const char *const words[] = { "none", "may", "required", "implicit" };

    if (is_refused(load, section, "tls"))
        return;
    if (listener->tls != SETTINGS_TLS_NONE && listener->certificate_count == 0 &&
        !is_refused(load, section, "certificate"))
        settings_fault_add(load->faults, line_of(load, section, "tls"),
                           "tls = %s needs a certificate; to do without TLS say tls = none",
                           words[listener->tls]);
    if (listener->tls == SETTINGS_TLS_NONE && listener->certificate_count > 0)
        settings_fault_warn(load->faults, line_of(load, section, "certificate"),
                            "the certificate is never shown, because tls = none");
    if (listener->tls == SETTINGS_TLS_NONE &&
        listener->client_certificate != TLS_CLIENT_CERTIFICATE_NONE)
        settings_fault_add(load->faults, line_of(load, section, "client_certificate"),
                           "a certificate of clients cannot be had with tls = none");
}

static void check_client_ca(struct settings_load *load, size_t section,
                            const struct settings_listener *listener)
{
    if (listener->client_ca == NULL && !load->source->leaves_files_alone &&
        listener->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE &&
        !settings_value_look_at_file(load->settings->ca_file, false, NULL) &&
        !is_refused(load, section, "client_ca") && !is_refused_in(load, SETTINGS_TRUST, "ca_file"))
        settings_fault_add(load->faults, line_of(load, section, "client_certificate"),
                           "client_certificate = require needs client_ca, a file: ca_file is none");
}

static void check_listener(struct settings_load *load, size_t section, size_t ordinal)
{
    struct settings_listener *listener = &load->settings->listeners[ordinal];

    for (size_t i = 0; i < ordinal && listener->address.port != 0; i++)
        if (net_address_equal(&load->settings->listeners[i].address, &listener->address)) {
            settings_fault_add(load->faults, listener->line,
                               "the listener of line %u has this address already; one listener may "
                               "have several certificates",
                               load->settings->listeners[i].line);
            break;
        }
    if (load->outline.sections[section].is_damaged)
        return; /* what is missing may be what was left out */
    check_listener_certificates(load, section, listener);
    check_listener_tls(load, section, listener);
    settings_check_next_keys(load, section, listener);
    check_client_ca(load, section, listener);
}

/* --- policies and domains --- */

static void check_policy_level(struct settings_load *load, size_t section,
                               const struct settings_policy *policy)
{
    if (policy->level == POLICY_FINGERPRINT && policy->fingerprint == NULL &&
        !is_refused(load, section, "fingerprint"))
        settings_fault_add(load->faults, line_of(load, section, "level"),
                           "level = fingerprint needs a fingerprint");
    if (policy->level != POLICY_FINGERPRINT && policy->fingerprint != NULL)
        settings_fault_add(load->faults, line_of(load, section, "fingerprint"),
                           "the fingerprint is looked at only with level = fingerprint, not %s",
                           policy_level_name(policy->level));
    if (policy->level == POLICY_DANE_ONLY && policy->next_hop != NULL &&
        policy->next_hop->host == NULL)
        settings_fault_add(load->faults, line_of(load, section, "next_hop"),
                           "level = dane-only needs a host: an address has no TLSA record");
    if (policy->level == POLICY_VERIFY && policy->next_hop != NULL &&
        policy->next_hop->host == NULL)
        settings_fault_warn(load->faults, line_of(load, section, "next_hop"),
                            "at level = verify an address needs a certificate with that very "
                            "address in it; level = secure takes one that names the domain");
    if (policy->level == POLICY_NONE &&
        settings_outline_line(&load->outline, section, "minimum_tls") != 0)
        settings_fault_warn(load->faults, line_of(load, section, "minimum_tls"),
                            "minimum_tls has no effect, because level = none");
}

static void check_match(struct settings_load *load, size_t section,
                        const struct settings_policy *policy)
{
    unsigned line = settings_outline_line(&load->outline, section, "match");

    if (line != 0 && policy->level != POLICY_SECURE)
        settings_fault_add(load->faults, line,
                           "match is for level = secure, not %s: it lists the names that the "
                           "certificate may carry; which domain a policy is for its title says",
                           policy_level_name(policy->level));
    else if (line != 0 && policy->match_count == 0 && !is_refused(load, section, "match"))
        settings_fault_add(load->faults, line, "match is an empty list: no certificate would do");
}

static void note_lines(struct settings_load *load, size_t section,
                       struct settings_policy_lines *lines)
{
    const struct settings_outline *outline = &load->outline;

    lines->level = settings_outline_line(outline, section, "level");
    lines->match = settings_outline_line(outline, section, "match");
    lines->minimum_tls = settings_outline_line(outline, section, "minimum_tls");
    lines->next_hop = settings_outline_line(outline, section, "next_hop");
    lines->fingerprint = settings_outline_line(outline, section, "fingerprint");
}

static void check_policy(struct settings_load *load, size_t section, size_t ordinal)
{
    struct settings_policy *policy = &load->settings->policies[ordinal];

    note_lines(load, section, &policy->lines);
    if (load->outline.sections[section].is_damaged)
        return; /* what is missing may be what was left out */
    if (is_refused(load, section, "level"))
        return;
    check_policy_level(load, section, policy);
    check_match(load, section, policy);
}

static void check_domain(struct settings_load *load, size_t section)
{
    if (settings_outline_line(&load->outline, section, "deliver") == 0 &&
        !load->outline.sections[section].is_damaged)
        settings_fault_add(load->faults, load->outline.sections[section].line,
                           "this domain does not say where its mail goes: deliver = \"...\"");
}

static int compare_domains(const void *a, const void *b)
{
    const struct settings_domain *left = a, *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static void make_relay_rules(struct settings *settings)
{
    struct gateway_relay_domain *domains =
        arena_new(&settings->arena, settings->domain_count + 1, sizeof *domains);

    if (domains == NULL)
        return;
    for (size_t i = 0; i < settings->domain_count; i++)
        domains[i] =
            (struct gateway_relay_domain){ settings->domains[i].name,
                                           settings->domains[i].deliver.how != SETTINGS_MAILDIR };
    settings->relay.domains = domains;
    settings->relay.domain_count = settings->domain_count;
}

/* After check_sections, because sections know their domain by its place. */
static void sort_domains(struct settings_load *load)
{
    struct settings *settings = load->settings;

    if (settings->domain_count > 0)
        settings->relay.postmaster_domain = settings->domains[0].name;
    qsort(settings->domains, settings->domain_count, sizeof *settings->domains, compare_domains);
    for (size_t i = 1; i < settings->domain_count; i++)
        if (settings->domains[i].name[0] != '\0' &&
            strcmp(settings->domains[i].name, settings->domains[i - 1].name) == 0)
            settings_fault_add(load->faults, settings->domains[i].line,
                               "domain %s is there already, on line %u", settings->domains[i].name,
                               settings->domains[i - 1].line);
    make_relay_rules(settings);
}

static int compare_patterns(const void *a, const void *b)
{
    const struct gateway_policy_pattern *left = a, *right = b;
    int order = strcmp(left->text, right->text);

    if (order != 0)
        return order;
    return (left->policy->line > right->policy->line) - (left->policy->line < right->policy->line);
}

static void complain_of_doubles(struct settings_load *load,
                                const struct gateway_policy_pattern *patterns, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(patterns[i].text, patterns[i - 1].text) == 0)
            settings_fault_add(load->faults, patterns[i].policy->line,
                               "%s has a policy already, on line %u", patterns[i].text,
                               patterns[i - 1].policy->line);
}

/* Who names a next hop trusts that name, and what is below it; and where the policy is for one domain,
 * that domain as well. */
static void match_next_hop(struct settings_load *load, const char *pattern,
                           struct gateway_policy *policy)
{
    struct arena *arena = &load->settings->arena;
    const char **names;

    if (policy->level != POLICY_SECURE || policy->match_count > 0 || policy->hop_host == NULL)
        return;
    names = arena_new(arena, 4, sizeof *names);
    if (names == NULL)
        return;
    policy->match = names;
    names[policy->match_count++] = policy->hop_host;
    names[policy->match_count++] = arena_format(arena, ".%s", policy->hop_host);
    if (pattern == NULL || pattern[0] == '.')
        return;
    names[policy->match_count++] = pattern;
    names[policy->match_count++] = arena_format(arena, ".%s", pattern);
}

static void make_policy(struct settings_load *load, const struct settings_policy *from,
                        struct gateway_policy *policy)
{
    *policy = (struct gateway_policy){ .name = from->name,
                                       .level = from->level,
                                       .minimum_version = from->minimum_version,
                                       .fingerprint = from->fingerprint,
                                       .match = from->match,
                                       .match_count = from->match_count,
                                       .has_next_hop = from->next_hop != NULL,
                                       .line = from->line };
    if (from->next_hop != NULL) {
        policy->hop_host = from->next_hop->host;
        policy->hop_address = from->next_hop->address;
    }
    match_next_hop(load, from->pattern, policy);
}

static void make_policy_rules(struct settings_load *load)
{
    struct settings *settings = load->settings;
    size_t most = settings->policy_count + 1, count = 0;
    struct gateway_policy *policies = arena_new(&settings->arena, most, sizeof *policies);
    struct gateway_policy_pattern *patterns = arena_new(&settings->arena, most, sizeof *patterns);

    if (policies == NULL || patterns == NULL)
        return;
    for (size_t i = 0; i < settings->policy_count; i++) {
        struct settings_policy *from = &settings->policies[i];

        make_policy(load, from, &policies[i]);
        from->rule = &policies[i];
        if (from == settings->default_policy)
            settings->policy_rules.fallback = &policies[i];
        else if (from->pattern != NULL)
            patterns[count++] = (struct gateway_policy_pattern){ from->pattern, &policies[i] };
    }
    qsort(patterns, count, sizeof *patterns, compare_patterns);
    complain_of_doubles(load, patterns, count);
    settings->policy_rules.patterns = patterns;
    settings->policy_rules.pattern_count = count;
}

static const struct settings_domain *find_domain(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->domain_count; i++)
        if (strcmp(settings->domains[i].name, name) == 0)
            return &settings->domains[i];
    return NULL;
}

/* False: what its `deliver` says is a fault, or missing. */
static bool has_destination(const struct settings_domain *domain)
{
    return domain->deliver.path != NULL || domain->deliver.hop.address.port != 0;
}

/* What is delivered here meets no policy, and what is passed on goes where `deliver` says. */
static void check_policies_of_ours(struct settings_load *load)
{
    const struct settings *settings = load->settings;

    for (size_t i = 0; i < settings->policy_count; i++) {
        const struct settings_policy *policy = &settings->policies[i];
        const struct settings_domain *domain =
            policy->pattern == NULL ? NULL : find_domain(settings, policy->pattern);

        if (domain == NULL || !has_destination(domain))
            continue;
        if (domain->deliver.how != SETTINGS_SMTP)
            settings_fault_warn(load->faults, policy->line,
                                "this policy has no effect: mail for %s ends here, see line %u",
                                domain->name, domain->line);
        else if (policy->next_hop != NULL)
            settings_fault_warn(load->faults, policy->lines.next_hop,
                                "next_hop has no effect: mail for %s goes where line %u says",
                                domain->name, domain->line);
    }
}

/* --- sections that are there once --- */

static void check_relay(struct settings_load *load)
{
    const struct settings *settings = load->settings;

    for (size_t i = 0; i < settings->relay.network_count; i++) {
        const struct gateway_relay_network *network = &settings->relay.networks[i];
        char text[NET_ADDRESS_TEXT];

        if (gateway_relay_is_open(network))
            settings_fault_warn(load->faults, line_of(load, 0, "relay_from"),
                                "relay_from %s/%u makes an open relay: anybody may send anywhere",
                                net_address_text(&network->base, text), network->bits);
    }
}

static void check_client(struct settings_load *load)
{
    struct settings_client *client = &load->settings->client;
    size_t section = find_section(load, SETTINGS_CLIENT);

    if (section == 0 || load->outline.sections[section].is_damaged)
        return;
    if (is_refused(load, section, "certificate") || is_refused(load, section, "key"))
        return;
    if (client->certificate == NULL) {
        if (client->key != NULL)
            settings_fault_add(load->faults, line_of(load, section, "key"),
                               "a key without its certificate");
        return;
    }
    if (client->key == NULL)
        client->key = client->certificate;
    /* Few servers ask for it: a key of another one is warned of, and keeps no mail from going. */
    check_credentials(load, line_of(load, section, "certificate"), client->certificate, client->key,
                      credential_files_read);
}

static void check_queue(struct settings_load *load)
{
    const struct queue_schedule_settings *queue = &load->settings->queue;
    size_t section = find_section(load, SETTINGS_QUEUE);

    if (section == 0 || is_refused(load, section, "lifetime"))
        return;
    if (queue->lifetime_s <= queue->retry_s[0] && !is_refused(load, section, "retry"))
        settings_fault_add(
            load->faults, line_of(load, section, "lifetime"),
            "a message is given up before it is tried a second time: lifetime is not "
            "longer than the first retry");
    if (queue->warn_after_s >= queue->lifetime_s && !is_refused(load, section, "warn_after"))
        settings_fault_warn(load->faults, line_of(load, section, "warn_after"),
                            "no sender is ever warned: warn_after is not shorter than lifetime");
    if (queue->in_the_clear_after_s >= queue->lifetime_s &&
        !is_refused(load, section, "in_the_clear_after"))
        settings_fault_warn(load->faults, line_of(load, section, "in_the_clear_after"),
                            "in_the_clear_after is not shorter than lifetime: it never comes");
}

/* Before the start, when there is still somebody to read it. */
static void check_user(struct settings_load *load)
{
    const char *user = load->settings->user;
    struct error err;

    if (user != NULL && !load->source->leaves_files_alone && !sandbox_user_find(user, &err))
        settings_fault_add(load->faults, line_of(load, 0, "user"), "user: %s", err.text);
}

static void check_limits(struct settings_load *load)
{
    const struct settings_limits *limits = &load->settings->limits;
    unsigned line = line_in(load, SETTINGS_LIMITS, "per_address");

    if (line != 0 && limits->per_address > limits->connections &&
        !is_refused_in(load, SETTINGS_LIMITS, "per_address") &&
        !is_refused_in(load, SETTINGS_LIMITS, "connections"))
        settings_fault_warn(load->faults, line,
                            "per_address is more than connections, which comes first");
}

/* A default that is not there is not the operator's slip, and need not matter. */
static void complain_of_file(struct settings_load *load, unsigned line, const char *key,
                             const char *text)
{
    if (line != 0)
        settings_fault_add(load->faults, line, "%s: %s", key, text);
    else
        settings_fault_warn(load->faults, 0, "the default of %s: %s", key, text);
}

static void check_roots(struct settings_load *load)
{
    AUTO(anchors_free) struct anchors *anchors = anchors_new();
    unsigned line = line_in(load, SETTINGS_TRUST, "ca_file");
    const char *path = load->settings->ca_file;
    struct error err = { ERROR_NONE, "" };

    if (is_refused_in(load, SETTINGS_TRUST, "ca_file"))
        return;
    if (anchors != NULL && !trust_files_add(path, anchors, &err))
        complain_of_file(load, line, "ca_file", err.text);
}

static bool take_record(void *owner, const char *record)
{
    size_t *count = owner;

    (void)record;
    (*count)++;
    return true;
}

/* True: it can be used, as far as it can be read. */
static bool check_trust_anchor(struct settings_load *load)
{
    unsigned line = line_in(load, SETTINGS_DNS, "trust_anchor");
    const char *path = load->settings->dns.trust_anchor;
    struct error err = { ERROR_NONE, "" };
    struct buffer text;
    size_t count = 0;
    bool is_missing;

    if (is_refused_in(load, SETTINGS_DNS, "trust_anchor"))
        return false;
    buffer_init(&text, ANCHOR_FILE_MOST);
    if (!dns_anchor_read(path, &text, &is_missing, &err) ||
        !dns_anchor_parse(buffer_span(&text), take_record, &count, &err))
        complain_of_file(load, line, "trust_anchor", err.text);
    else if (count == 0)
        complain_of_file(load, line, "trust_anchor", "there is no DS or DNSKEY record in it");
    buffer_clear(&text);
    return count > 0 && err.kind == ERROR_NONE;
}

/* What else keeps names from being looked up: resolv.conf, or a record that only libunbound refuses. The
 * gateway runs without, so it is no fault. */
static void check_resolver(struct settings_load *load)
{
    const struct dns_settings settings = { .resolver = load->settings->dns.resolver,
                                           .trust_anchor = load->settings->dns.trust_anchor };
    unsigned line = line_in(load, SETTINGS_DNS, "trust_anchor");
    struct dns_context context;
    struct error err;

    if (load->faults->fault_count > 0)
        return; /* the resolver may be one of them */
    if (!dns_context_open(&settings, &context, &err))
        settings_fault_warn(load->faults, line, "names cannot be looked up: %s", err.text);
    else
        dns_context_close(&context);
}

static void check_sections(struct settings_load *load)
{
    for (size_t i = 1; i < load->outline.section_count; i++) {
        enum settings_section kind = load->outline.sections[i].kind;

        if (kind == SETTINGS_LISTENER)
            check_listener(load, i, load->outline.sections[i].ordinal);
        else if (kind == SETTINGS_DOMAIN)
            check_domain(load, i);
        else if (kind == SETTINGS_POLICY)
            check_policy(load, i, load->outline.sections[i].ordinal);
    }
}

void settings_check(struct settings_load *load)
{
    check_sections(load);
    sort_domains(load);
    make_policy_rules(load);
    check_policies_of_ours(load);
    check_relay(load);
    check_client(load);
    settings_check_reports(load);
    check_queue(load);
    check_limits(load);
    check_user(load);
    if (load->settings->listener_count == 0 && load->faults->fault_count == 0)
        settings_fault_warn(load->faults, 0, "there is no listener: no mail can come in");
    if (load->source->leaves_files_alone)
        return;
    check_roots(load);
    if (check_trust_anchor(load))
        check_resolver(load);
}
