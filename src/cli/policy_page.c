#include "cli/policy_page.h"

#include <string.h>

#include "base/text.h"
#include "cli/policy_hosts.h"
#include "net/address.h"
#include "net/tls.h"
#include "trust/names.h"

enum { INDENT = 2, HANG = 16 };

/* ---- what is in force --------------------------------------------------------------------- */

static const struct settings_domain *find_local(const struct settings *settings, const char *domain)
{
    for (size_t i = 0; i < settings->domain_count; i++)
        if (strcmp(settings->domains[i].name, domain) == 0)
            return &settings->domains[i];
    return NULL;
}

static const struct settings_policy *find_section(const struct settings *settings,
                                                  const struct gateway_policy *rule)
{
    for (size_t i = 0; i < settings->policy_count; i++)
        if (settings->policies[i].rule == rule)
            return &settings->policies[i];
    return settings->default_policy;
}

/* What stands behind the last @, or all of it. */
static struct span domain_of(const char *name)
{
    const char *at = strrchr(name, '@');

    return span_of(at == NULL ? name : at + 1);
}

/* [192.0.2.1]: RFC 5321 section 4.1.3. No policy but the default is for it. */
static bool is_literal(struct span domain)
{
    struct span inner = span_part(domain, 1, domain.len < 2 ? 0 : domain.len - 2);
    struct net_address address;

    if (!span_starts_with(domain, "[") || domain.data[domain.len - 1] != ']')
        return false;
    if (span_starts_with_nocase(inner, "IPv6:"))
        span_take_front(&inner, strlen("IPv6:"));
    return net_address_parse(inner, &address);
}

bool policy_answer_find(const struct settings *settings, const char *name, struct arena *arena,
                        struct policy_answer *answer)
{
    struct span domain = domain_of(name);
    const char *normal;

    *answer = (struct policy_answer){ .settings = settings };
    if (is_literal(domain)) {
        answer->domain = arena_copy(arena, domain);
    } else {
        normal = domain.len == 0 || domain.data[0] == '.' ? NULL : names_normalize(arena, domain);
        if (normal == NULL)
            return false;
        answer->domain = normal;
    }
    answer->local = find_local(settings, answer->domain);
    answer->choice = gateway_policies_find(&settings->policy_rules, span_of(answer->domain));
    answer->section = find_section(settings, answer->choice.policy);
    return true;
}

bool policy_answer_has_policy(const struct policy_answer *answer)
{
    return answer->local == NULL || answer->local->deliver.how == SETTINGS_SMTP;
}

const struct settings_hop *policy_answer_hop(const struct policy_answer *answer)
{
    if (answer->local != NULL)
        return &answer->local->deliver.hop;
    return answer->section->next_hop;
}

/* ---- words -------------------------------------------------------------------------------- */

static const char *const level_words[POLICY_LEVEL_COUNT] = {
    [POLICY_NONE] = "always in the clear",
    [POLICY_MAY] = "over TLS where it is offered, in the clear where it is not",
    [POLICY_ENCRYPT] = "over TLS or not at all, whoever the server is",
    [POLICY_FINGERPRINT] = "over TLS to the one certificate or key that is pinned",
    [POLICY_DANE] = "over TLS as the TLSA records say, where there are some",
    [POLICY_DANE_ONLY] = "over TLS as the TLSA records say, or not at all",
    [POLICY_VERIFY] = "over TLS to a trusted certificate that names the host",
    [POLICY_SECURE] = "over TLS to a trusted certificate that has one of these names",
    [POLICY_STS] = "over TLS as the domain publishes: TLSA records, an MTA-STS policy",
};

/* "FILE:41", or that nothing is said. */
static const char *source(const struct policy_answer *answer, unsigned line, struct arena *arena)
{
    if (line == 0)
        return "the default";
    return arena_format(arena, "%s:%u", answer->settings->file, line);
}

static const char *hop_text(const struct settings_hop *hop, struct arena *arena)
{
    char text[NET_ADDRESS_TEXT];

    if (hop->host != NULL)
        return arena_format(arena, "%s, port %u", hop->host, hop->address.port);
    return arena_format(arena, "[%s], port %u", net_address_text(&hop->address, text),
                        hop->address.port);
}

static const char *delivery_text(const struct settings_delivery *deliver, struct arena *arena)
{
    switch (deliver->how) {
    case SETTINGS_MAILDIR: return arena_format(arena, "the Maildir %s", deliver->path);
    case SETTINGS_LMTP_SOCKET: return arena_format(arena, "LMTP at the socket %s", deliver->path);
    case SETTINGS_LMTP: return arena_format(arena, "LMTP to %s", hop_text(&deliver->hop, arena));
    case SETTINGS_SMTP: return arena_format(arena, "SMTP to %s", hop_text(&deliver->hop, arena));
    }
    return "";
}

static const char *list_names(const struct gateway_policy *policy, struct arena *arena)
{
    const char *list = "";

    for (size_t i = 0; i < policy->match_count; i++)
        list = arena_format(arena, "%s%s%s", list, i == 0 ? "" : ", ", policy->match[i]);
    return list;
}

static const char *rule_words(const struct policy_answer *answer, struct arena *arena)
{
    switch (answer->choice.rule) {
    case GATEWAY_POLICY_EXACT: return "it is for this very domain";
    case GATEWAY_POLICY_PARENT:
        return arena_format(arena, "it is for every name below %s, and none is nearer",
                            answer->choice.pattern + 1);
    case GATEWAY_POLICY_DEFAULT: return "no other policy is for this domain";
    }
    return "";
}

static const char *policy_words(const struct policy_answer *answer, struct arena *arena)
{
    const struct gateway_policy *policy = answer->choice.policy;

    if (policy->line == 0)
        return arena_format(arena, "\"%s\", built in: %s", policy->name, rule_words(answer, arena));
    return arena_format(arena, "\"%s\", %s: %s", text_printable(arena, span_of(policy->name), true),
                        source(answer, policy->line, arena), rule_words(answer, arena));
}

static const char *version_text(const struct gateway_policy *policy)
{
    const char *name = tls_version_name(policy->minimum_version);

    return strncmp(name, "TLSv", 4) == 0 ? name + 4 : name;
}

/* ---- for people --------------------------------------------------------------------------- */

static void put_fact(struct page *page, const char *label, const char *text, const char *from,
                     struct arena *arena)
{
    page_item(page, INDENT, label, HANG, PAGE_PLAIN, arena_format(arena, "%s (%s)", text, from));
}

static void put_way(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct settings_policy *section = answer->section;

    if (answer->local != NULL)
        put_fact(page, "goes to", delivery_text(&answer->local->deliver, arena),
                 source(answer, answer->local->line, arena), arena);
    else if (section->next_hop != NULL)
        put_fact(page, "goes to", hop_text(section->next_hop, arena),
                 source(answer, section->lines.next_hop, arena), arena);
    else if (answer->domain[0] == '[')
        page_item(page, INDENT, "goes to", HANG, PAGE_PLAIN, "that address");
    else
        page_item(
            page, INDENT, "goes to", HANG, PAGE_PLAIN,
            arena_format(arena, "the MX hosts, port %u", (unsigned)answer->settings->client.port));
}

static void put_names(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct gateway_policy *policy = answer->choice.policy;
    const struct settings_policy_lines *lines = &answer->section->lines;

    if (policy->level != POLICY_SECURE)
        return;
    put_fact(page, "names",
             policy->match_count > 0
                 ? list_names(policy, arena)
                 : arena_format(arena, "%s, .%s", answer->domain, answer->domain),
             lines->match != 0 || policy->match_count == 0
                 ? source(answer, lines->match, arena)
                 : arena_format(arena, "by next_hop, %s", source(answer, lines->next_hop, arena)),
             arena);
}

static void put_policy(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    const struct gateway_policy *policy = answer->choice.policy;
    const struct settings_policy_lines *lines = &answer->section->lines;

    page_item(page, INDENT, "policy", HANG, PAGE_PLAIN, policy_words(answer, arena));
    put_fact(page, "level", policy_level_name(policy->level), source(answer, lines->level, arena),
             arena);
    page_paragraph(page, HANG, PAGE_DIM, level_words[policy->level]);
    if (policy->fingerprint != NULL)
        put_fact(page, "fingerprint", policy->fingerprint,
                 source(answer, lines->fingerprint, arena), arena);
    put_names(page, answer, arena);
    if (policy->level != POLICY_NONE)
        put_fact(page, "minimum TLS", version_text(policy),
                 source(answer, lines->minimum_tls, arena), arena);
}

static const char *heading(const struct policy_answer *answer, struct arena *arena)
{
    if (!policy_answer_has_policy(answer))
        return arena_format(arena, "%s: its mail ends here", answer->domain);
    return arena_format(arena, "%s: %s", answer->domain,
                        policy_level_name(answer->choice.policy->level));
}

void policy_page_put(struct page *page, const struct policy_answer *answer, struct arena *arena)
{
    page_put(page, PAGE_BOLD, heading(answer, arena));
    page_end_line(page);
    if (policy_answer_has_policy(answer))
        put_policy(page, answer, arena);
    put_way(page, answer, arena);
    if (policy_answer_has_policy(answer) && answer->seen != NULL)
        policy_hosts_put(page, answer, arena);
}

/* ---- for programs ------------------------------------------------------------------------- */

static json_t *line_json(unsigned line)
{
    return line == 0 ? json_null() : json_integer(line);
}

static json_t *hop_json(const struct settings_hop *hop)
{
    char text[NET_ADDRESS_TEXT];
    bool is_named = hop->host != NULL;

    return json_pack("{s:s?,s:s?,s:i}", "host", hop->host, "address",
                     is_named ? NULL : net_address_text(&hop->address, text), "port",
                     (int)hop->address.port);
}

static json_t *names_json(const struct policy_answer *answer, struct arena *arena)
{
    const struct gateway_policy *policy = answer->choice.policy;
    json_t *names = json_array();

    if (policy->level != POLICY_SECURE)
        return names;
    for (size_t i = 0; i < policy->match_count; i++)
        json_array_append_new(names, json_string(policy->match[i]));
    if (policy->match_count > 0)
        return names;
    json_array_append_new(names, json_string(answer->domain));
    json_array_append_new(names, json_string(arena_format(arena, ".%s", answer->domain)));
    return names;
}

static json_t *lines_json(const struct policy_answer *answer)
{
    const struct settings_policy_lines *lines = &answer->section->lines;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "policy", line_json(answer->section->line),
                     "level", line_json(lines->level), "match", line_json(lines->match),
                     "minimum_tls", line_json(lines->minimum_tls), "next_hop",
                     line_json(lines->next_hop), "fingerprint", line_json(lines->fingerprint));
}

static json_t *policy_json(const struct policy_answer *answer, struct arena *arena)
{
    static const char *const rules[] = {
        [GATEWAY_POLICY_EXACT] = "exact",
        [GATEWAY_POLICY_PARENT] = "parent",
        [GATEWAY_POLICY_DEFAULT] = "default",
    };
    const struct gateway_policy *policy = answer->choice.policy;
    const struct settings_hop *hop = answer->local == NULL ? answer->section->next_hop : NULL;

    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:o,s:o,s:o}", "level",
                     policy_level_name(policy->level), "policy",
                     text_printable(arena, span_of(policy->name), true), "rule",
                     rules[answer->choice.rule], "pattern", answer->choice.pattern, "minimum_tls",
                     version_text(policy), "fingerprint", policy->fingerprint, "names",
                     names_json(answer, arena), "next_hop",
                     hop == NULL ? json_null() : hop_json(hop), "lines", lines_json(answer));
}

static json_t *local_json(const struct policy_answer *answer, struct arena *arena)
{
    static const char *const ways[] = {
        [SETTINGS_MAILDIR] = "maildir",
        [SETTINGS_LMTP_SOCKET] = "lmtp",
        [SETTINGS_LMTP] = "lmtp",
        [SETTINGS_SMTP] = "smtp",
    };
    const struct settings_delivery *deliver = &answer->local->deliver;
    bool has_path = deliver->how == SETTINGS_MAILDIR || deliver->how == SETTINGS_LMTP_SOCKET;

    return json_pack("{s:s,s:s?,s:o,s:o}", "how", ways[deliver->how], "path",
                     has_path ? text_printable(arena, span_of(deliver->path), true) : NULL,
                     "server", has_path ? json_null() : hop_json(&deliver->hop), "line",
                     line_json(answer->local->line));
}

json_t *policy_page_json(const struct policy_answer *answer, struct arena *arena)
{
    return json_pack("{s:s,s:s,s:i,s:o,s:o,s:o}", "domain", answer->domain, "file",
                     text_printable(arena, span_of(answer->settings->file), true), "mx_port",
                     (int)answer->settings->client.port, "local",
                     answer->local == NULL ? json_null() : local_json(answer, arena), "policy",
                     policy_answer_has_policy(answer) ? policy_json(answer, arena) : json_null(),
                     "published",
                     answer->seen == NULL ? json_null() : policy_hosts_json(answer, arena));
}
