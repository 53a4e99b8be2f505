/* fuzz/relay.c - no recipient makes a stranger relay, and what is ours has our domain behind its @. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "gateway/relay.h"
#include "smtp/address.h"
#include "trust/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_local(struct span text, const struct gateway_relay_domain *domain)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4096 };
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    if (span_equal_nocase(text, span_of("postmaster")))
        return;
    insist(smtp_address_parse(text, &address, &flaw) && !address.is_literal);
    insist(strcmp(names_normalize(&arena, address.domain), domain->name) == 0);
    if (domain->is_passed_on)
        for (size_t i = 0; i < address.local_part.len; i++)
            insist(address.local_part.data[i] == '\0' ||
                   strchr("@%!:", address.local_part.data[i]) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gateway_relay_domain domains[] = { { "a.example", false },
                                                           { "b.example", true } };
    static const struct gateway_relay_network network = { { .bytes = { 127 } }, 8 };
    static const struct net_address stranger = { .bytes = { 192, 0, 2, 1 } };
    const struct gateway_relay_rules rules = { domains, 2, &network, 1, "a.example" };
    struct span text = { (const char *)data, size };
    struct gateway_relay_decision decision = gateway_relay_decide(&rules, &stranger, text);

    insist(decision.choice != GATEWAY_RELAY_ANYWHERE);
    insist((decision.choice == GATEWAY_RELAY_LOCAL) == (decision.domain != NULL));
    insist((decision.choice == GATEWAY_RELAY_LOCAL) == (decision.answer.code == 0));
    if (decision.domain != NULL)
        check_local(text, decision.domain);
    return 0;
}
