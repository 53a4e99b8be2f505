#include "gateway/delivery_destination.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "trust/names.h"

enum {
    NAME_MOST = 512,
    FAILURE_BYTES = 256 * 1024,
    LMTP_CONVERSATIONS = DELIVERY_CONVERSATIONS_MOST,
    SMTP_FIRST = 5,
};

/* ---- which one ------------------------------------------------------------------------------ */

/* What makes a destination; texts are borrowed. */
struct description {
    enum delivery_kind kind;
    const char *name, *domain, *path, *host;
    struct net_address address;
    enum policy_level level;
    bool requires_tls, tls_optional;
    const struct gateway_policy *policy;
};

static const char *hop_text(struct arena *arena, const char *host,
                            const struct net_address *address)
{
    char text[NET_ADDRESS_TEXT];

    if (host != NULL)
        return arena_format(arena, "%s:%u", host, address->port);
    return arena_format(arena, "[%s]:%u", net_address_text(address, text), address->port);
}

static void describe_policy(const struct delivery_plan *plan, const char *domain,
                            struct description *description, enum gateway_policy_rule *rule)
{
    struct gateway_policy_choice choice =
        gateway_policies_find(&plan->profile->policies, span_of(domain));

    description->policy = choice.policy;
    description->level = choice.policy->level;
    *rule = choice.rule;
}

/* A server of our own house that takes mail by SMTP: the domain's policy counts there, too. */
static void describe_own(const struct delivery_plan *plan,
                         const struct gateway_profile_domain *domain, struct arena *arena,
                         struct description *description)
{
    enum gateway_policy_rule rule;

    description->domain = domain->name;
    description->host = domain->host;
    description->address = domain->address;
    if (domain->kind == GATEWAY_DELIVER_SMTP) {
        describe_policy(plan, domain->name, description, &rule);
        description->kind = DELIVERY_TO_HOP;
        description->name = arena_format(
            arena, "smtp:%s#%s", hop_text(arena, domain->host, &domain->address), domain->name);
        return;
    }
    description->name = delivery_route_name(domain, arena);
    description->path = domain->path;
    description->kind =
        domain->kind == GATEWAY_DELIVER_LMTP ? DELIVERY_TO_LMTP : DELIVERY_TO_SOCKET;
    description->level = domain->kind == GATEWAY_DELIVER_LMTP ? POLICY_MAY : POLICY_NONE;
}

/* One rule for many domains sends all their mail through one door: there it is the hop's name that a
 * certificate has to have. */
static void describe_hop(const struct gateway_policy *policy, enum gateway_policy_rule rule,
                         const char *domain, struct arena *arena, struct description *description)
{
    const char *hop = hop_text(arena, policy->hop_host, &policy->hop_address);

    description->kind = DELIVERY_TO_HOP;
    description->host = policy->hop_host;
    description->address = policy->hop_address;
    description->domain = domain;
    if (rule != GATEWAY_POLICY_EXACT)
        description->domain = policy->hop_host == NULL ? hop : policy->hop_host;
    description->name = arena_format(arena, "smtp:%s#%s", hop,
                                     rule == GATEWAY_POLICY_EXACT ? domain : policy->name);
}

/* user@[192.0.2.1]: RFC 5321 section 4.1.3. */
static bool describe_literal(const struct delivery_plan *plan, struct span domain,
                             struct arena *arena, struct description *description)
{
    enum gateway_policy_rule rule;
    struct span inner;
    const char *text;

    if (domain.len < 3 || domain.data[0] != '[' || domain.data[domain.len - 1] != ']')
        return false;
    inner = span_part(domain, 1, domain.len - 2);
    if (span_starts_with_nocase(inner, "IPv6:"))
        span_take_front(&inner, strlen("IPv6:"));
    text = arena_copy(arena, inner);
    if (!net_address_parse(inner, &description->address))
        return false;
    description->address.port = plan->profile->mx_port;
    description->kind = DELIVERY_TO_HOP;
    describe_policy(plan, "", description, &rule);
    description->domain = arena_format(arena, "[%s]", text);
    description->name =
        arena_format(arena, "smtp:%s#", hop_text(arena, NULL, &description->address));
    return true;
}

static bool describe_far(const struct delivery_plan *plan, struct span address, struct arena *arena,
                         struct description *description)
{
    struct span domain = queue_domain_of(address);
    const char *name = names_normalize(arena, domain);
    enum gateway_policy_rule rule;

    if (name == NULL)
        return describe_literal(plan, domain, arena, description);
    describe_policy(plan, name, description, &rule);
    description->domain = name;
    if (description->policy->has_next_hop) {
        describe_hop(description->policy, rule, name, arena, description);
    } else {
        description->kind = DELIVERY_TO_MX;
        description->name = arena_format(arena, "mx:%s", name);
        description->address.port = plan->profile->mx_port;
    }
    return true;
}

/* What the message asks beyond the policy makes a destination of its own. The level stays what REQUIRETLS is added
 * to, but TLS has to be tried. A sender who can do without it speaks for what goes to others, and not for the way
 * inside our own house: RFC 8689 sections 4.2.1 and 4.2.2. */
static void describe_wish(const struct delivery_target *target, struct arena *arena,
                          struct description *description)
{
    bool is_lmtp = description->kind == DELIVERY_TO_SOCKET || description->kind == DELIVERY_TO_LMTP;

    description->requires_tls = target->requires_tls && !is_lmtp;
    description->tls_optional = target->tls_optional && target->domain == NULL;
    if (description->requires_tls) {
        description->name = arena_format(arena, "%s requiretls", description->name);
        if (description->level == POLICY_NONE)
            description->level = POLICY_MAY;
    } else if (description->tls_optional) {
        description->name = arena_format(arena, "%s tls-optional", description->name);
        if (description->level != POLICY_NONE)
            description->level = POLICY_MAY;
    }
}

/* ---- the table ------------------------------------------------------------------------------ */

static size_t bucket_of(const struct delivery_plan *plan, const char *name)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211U;
    return (size_t)(hash % plan->bucket_count);
}

static bool is_unused(const struct delivery_destination *destination)
{
    return destination->line.tasks == 0 && destination->conversations == 0 &&
           destination->searched == NULL && !destination->is_wanting;
}

void delivery_destination_forget_unused(struct delivery_plan *plan)
{
    if (plan->destination_count < plan->bucket_count)
        return;
    for (size_t i = 0; i < plan->bucket_count; i++) {
        struct delivery_destination **place = &plan->buckets[i];

        while (*place != NULL) {
            struct delivery_destination *destination = *place;

            if (is_unused(destination)) {
                *place = destination->next_in_bucket;
                plan->destination_count--;
                delivery_destination_free(destination);
            } else {
                place = &destination->next_in_bucket;
            }
        }
    }
}

/* One allocation's worth of texts: the name, and behind it the domain. */
static struct delivery_destination *make(struct delivery_plan *plan,
                                         const struct description *description)
{
    const struct pace_settings of_house = { LMTP_CONVERSATIONS, LMTP_CONVERSATIONS, false };
    const struct pace_settings of_far = { SMTP_FIRST, DELIVERY_CONVERSATIONS_OUT_MOST, true };
    size_t name_len = strlen(description->name) + 1, domain_len = strlen(description->domain) + 1;
    struct delivery_destination *made = memory_new(1, sizeof *made);
    char *texts = memory_new(1, name_len + domain_len);

    if (made == NULL || texts == NULL) {
        memory_free(made);
        memory_free(texts);
        return NULL;
    }
    memcpy(texts, description->name, name_len);
    memcpy(texts + name_len, description->domain, domain_len);
    made->plan = plan;
    made->name = texts;
    made->domain = texts + name_len;
    made->kind = description->kind;
    made->path = description->path;
    made->host = description->host;
    made->address = description->address;
    made->level = description->level;
    made->requires_tls = description->requires_tls;
    made->tls_optional = description->tls_optional;
    made->policy = description->policy;
    pace_init(&made->pace, description->policy == NULL ? &of_house : &of_far);
    delivery_failure_init(&made->failure);
    return made;
}

static struct delivery_destination *find(struct delivery_plan *plan,
                                         const struct description *description)
{
    struct delivery_destination **bucket = &plan->buckets[bucket_of(plan, description->name)];
    struct delivery_destination *found = *bucket;

    while (found != NULL && strcmp(found->name, description->name) != 0)
        found = found->next_in_bucket;
    if (found != NULL)
        return found;
    found = make(plan, description);
    if (found == NULL)
        return NULL;
    found->next_in_bucket = *bucket;
    *bucket = found;
    plan->destination_count++;
    return found;
}

struct delivery_destination *delivery_destination_find(struct delivery_plan *plan,
                                                       const struct delivery_target *target)
{
    struct description description = { .name = NULL };
    struct delivery_destination *found = NULL;
    struct arena arena;
    bool is_known = true;

    arena_init(&arena, 16 * 1024);
    if (target->domain != NULL)
        describe_own(plan, target->domain, &arena, &description);
    else
        is_known = describe_far(plan, target->address, &arena, &description);
    if (is_known && !arena.exhausted)
        describe_wish(target, &arena, &description);
    if (is_known && !arena.exhausted)
        found = find(plan, &description);
    arena_clear(&arena);
    return found;
}

void delivery_destination_free(struct delivery_destination *destination)
{
    delivery_way_release(&destination->way);
    delivery_failure_clear(&destination->failure);
    memory_free(destination->name);
    memory_free(destination);
}

bool delivery_is_lmtp(const struct delivery_destination *destination)
{
    return destination->kind == DELIVERY_TO_SOCKET || destination->kind == DELIVERY_TO_LMTP;
}

const char *delivery_relay_name(const struct delivery_destination *destination,
                                const struct delivery_address *address, struct arena *arena)
{
    char text[NET_ADDRESS_TEXT];

    if (delivery_is_lmtp(destination))
        return arena_copy(arena, span_of(destination->name));
    net_address_text(&address->address, text);
    return arena_format(
        arena, "%s[%s]:%u",
        destination->kind == DELIVERY_TO_HOP && destination->host == NULL ? "" : address->name,
        text, address->address.port);
}
