#include "settings/network.h"

#include <stdint.h>

#include "base/text.h"

static unsigned width_of(const struct net_address *address)
{
    return address->is_ipv6 ? 128 : 32;
}

static bool bit_at(const struct net_address *address, unsigned index)
{
    return (address->bytes[index / 8] >> (7 - index % 8) & 1) != 0;
}

static bool refuse_bits_beyond(const struct gateway_relay_network *network, struct error *err)
{
    struct net_address meant = network->base;
    char text[NET_ADDRESS_TEXT];

    for (unsigned i = network->bits; i < width_of(&meant); i++)
        meant.bytes[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
    return error_set(err, ERROR_FORMAT,
                     "has bits set beyond its first %u; is it the network %s/%u, or one address?",
                     network->bits, net_address_text(&meant, text), network->bits);
}

bool settings_network_parse(struct span text, struct gateway_relay_network *network,
                            struct error *err)
{
    struct span address = text;
    uint64_t bits;
    bool has_length = span_find(text, '/') < text.len;

    *network = (struct gateway_relay_network){ 0 };
    if (has_length)
        address = span_take_until(&text, '/');
    if (!net_address_parse(address, &network->base))
        return error_set(err, ERROR_FORMAT,
                         "is no network such as 192.0.2.0/24, 2001:db8::/32 or one address");
    network->bits = width_of(&network->base);
    if (!has_length)
        return true;
    if (!text_to_number(text, network->bits, &bits))
        return error_set(err, ERROR_FORMAT, "needs a length of 0 to %u behind the /",
                         network->bits);
    network->bits = (unsigned)bits;
    for (unsigned i = network->bits; i < width_of(&network->base); i++)
        if (bit_at(&network->base, i))
            return refuse_bits_beyond(network, err);
    return true;
}
