#include "gateway/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "smtp/address.h"
#include "trust/names.h"

enum { SCRATCH_BYTES = 1024 };

static struct net_address without_mapping(struct net_address address, unsigned *bits)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* RFC 4291 section 2.5.5.2 */
    struct net_address plain = { .is_ipv6 = false };

    if (!address.is_ipv6 || *bits < 96 || memcmp(address.bytes, mapped, sizeof mapped) != 0)
        return address;
    memcpy(plain.bytes, address.bytes + sizeof mapped, 4);
    *bits -= 96;
    return plain;
}

static bool starts_alike(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool holds(const struct gateway_relay_network *network, const struct net_address *client)
{
    unsigned bits = network->bits, all = 128;
    struct net_address base = without_mapping(network->base, &bits);
    struct net_address plain = without_mapping(*client, &all);

    assert(bits <= (base.is_ipv6 ? 128 : 32));
    return base.is_ipv6 == plain.is_ipv6 && starts_alike(base.bytes, plain.bytes, bits);
}

bool gateway_relay_is_open(const struct gateway_relay_network *network)
{
    unsigned bits = network->bits;
    struct net_address base = without_mapping(network->base, &bits);

    return bits < (base.is_ipv6 ? 16 : 8);
}

bool gateway_relay_match_client(const struct gateway_relay_rules *rules,
                                const struct net_address *client)
{
    for (size_t i = 0; i < rules->network_count; i++)
        if (holds(&rules->networks[i], client))
            return true;
    return false;
}

static int compare_name(const void *name, const void *domain)
{
    return strcmp(name, ((const struct gateway_relay_domain *)domain)->name);
}

static const struct gateway_relay_domain *find_domain(const struct gateway_relay_rules *rules,
                                                      const char *name)
{
    if (name == NULL || rules->domain_count == 0)
        return NULL;
    return bsearch(name, rules->domains, rules->domain_count, sizeof rules->domains[0],
                   compare_name);
}

/* Routes of old: user%host, host!user, "user@host", "@host:user" - and what NFKC makes of others. */
static bool looks_like_a_route(struct span local_part)
{
    static const char *const signs[] = {
        "@",
        "%",
        "!",
        ":",
        "\xef\xbc\xa0", /* U+FF20 fullwidth @ */
        "\xef\xb9\xab", /* U+FE6B small @ */
        "\xef\xbc\x85", /* U+FF05 fullwidth % */
        "\xef\xb9\xaa", /* U+FE6A small % */
        "\xef\xbc\x81", /* U+FF01 fullwidth ! */
        "\xef\xb9\x97", /* U+FE57 small ! */
        "\xef\xb8\x95", /* U+FE15 vertical ! */
        "\xe2\x80\xbc", /* U+203C double ! */
        "\xef\xbc\x9a", /* U+FF1A fullwidth : */
        "\xef\xb9\x95", /* U+FE55 small : */
        "\xef\xb8\x93", /* U+FE13 vertical : */
    };

    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (memmem(local_part.data, local_part.len, signs[i], strlen(signs[i])) != NULL)
            return true;
    return false;
}

static struct gateway_relay_decision refuse(uint16_t code, const char *enhanced, const char *text)
{
    return (struct gateway_relay_decision){ GATEWAY_RELAY_REFUSE, NULL, { code, enhanced, text } };
}

static struct gateway_relay_decision accept(const struct gateway_relay_domain *domain)
{
    return (struct gateway_relay_decision){
        domain == NULL ? GATEWAY_RELAY_ANYWHERE : GATEWAY_RELAY_LOCAL, domain, { 0 }
    };
}

static struct gateway_relay_decision decide_postmaster(const struct gateway_relay_rules *rules)
{
    const struct gateway_relay_domain *domain = find_domain(rules, rules->postmaster_domain);

    if (domain == NULL)
        return refuse(550, "5.1.1", "Nobody lives here; write to the postmaster of a domain");
    return accept(domain);
}

static struct gateway_relay_decision decide_stranger(const struct gateway_relay_domain *domain,
                                                     const struct smtp_address *address)
{
    if (domain == NULL) /* RFC 3463 section 3.8: X.7.1 */
        return refuse(550, "5.7.1", "Relaying denied: this domain is not ours, nor are you");
    if (domain->is_passed_on && looks_like_a_route(address->local_part))
        return refuse(550, "5.7.1", "Relaying denied: the local part looks like a route");
    return accept(domain);
}

struct gateway_relay_decision gateway_relay_decide(const struct gateway_relay_rules *rules,
                                                   const struct net_address *client,
                                                   struct span recipient)
{
    AUTO(arena_clear) struct arena arena = { .limit = SCRATCH_BYTES };
    const struct gateway_relay_domain *domain = NULL;
    struct smtp_address_flaw flaw;
    struct smtp_address address;

    if (span_equal_nocase(recipient, span_of("Postmaster")))
        return decide_postmaster(rules);
    if (!smtp_address_parse(recipient, &address, &flaw))
        return refuse(553, "5.1.3", flaw.text);
    if (!address.is_literal) {
        domain = find_domain(rules, names_normalize(&arena, address.domain));
        if (arena.exhausted) /* no memory: neither yes nor no */
            return refuse(451, "4.3.0", "Out of memory, try again later");
    }
    if (gateway_relay_match_client(rules, client))
        return accept(domain);
    return decide_stranger(domain, &address);
}
