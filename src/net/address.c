#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/compiler.h"
#include "net/address_internal.h"

bool net_address_parse(struct span text, struct net_address *address)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16] = { 0 };
    bool is_bracketed = text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']';

    if (is_bracketed)
        text = span_part(text, 1, text.len - 2);
    if (text.len == 0 || text.len >= sizeof copy || span_find(text, '\0') < text.len)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        address->is_ipv6 = false;
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        address->is_ipv6 = true;
    else
        return false;
    memcpy(address->bytes, bytes, sizeof bytes);
    return true;
}

bool net_address_is_same_host(const struct net_address *a, const struct net_address *b)
{
    return a->is_ipv6 == b->is_ipv6 && memcmp(a->bytes, b->bytes, a->is_ipv6 ? 16 : 4) == 0;
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
    return a->port == b->port && net_address_is_same_host(a, b);
}

const char *net_address_text(const struct net_address *address, char text[NET_ADDRESS_TEXT])
{
    if (inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, address->bytes, text, NET_ADDRESS_TEXT) ==
        NULL)
        text[0] = '\0';
    return text;
}

/* ---- special addresses ---- */

struct range {
    uint8_t bytes[16];
    unsigned bits;
    const char *words;
};

/* The first that holds it counts. */
static const struct range special_ipv4[] = {
    { { 0 }, 8, "of this network alone" },
    { { 10 }, 8, "private" },
    { { 100, 64 }, 10, "shared among the customers of an operator" },
    { { 127 }, 8, "loopback" },
    { { 169, 254 }, 16, "link-local" },
    { { 172, 16 }, 12, "private" },
    { { 192, 0, 0 }, 24, "kept for protocols" },
    { { 192, 0, 2 }, 24, "for documents alone" },
    { { 192, 88, 99 }, 24, "of relays that are no more" },
    { { 192, 168 }, 16, "private" },
    { { 198, 18 }, 15, "for measurements alone" },
    { { 198, 51, 100 }, 24, "for documents alone" },
    { { 203, 0, 113 }, 24, "for documents alone" },
    { { 224 }, 4, "multicast" },
    { { 240 }, 4, "reserved" },
};

static const struct range special_ipv6[] = {
    { { [15] = 1 }, 128, "loopback" },
    { { 0 }, 128, "of this network alone" },
    { { [10] = 0xff, [11] = 0xff }, 96, "IPv4 in the form of IPv6" },
    { { 0xfc }, 7, "private" },
    { { 0xfe, 0x80 }, 10, "link-local" },
    { { 0xff }, 8, "multicast" },
    { { 0x20, 0x01 }, 23, "kept for protocols" },
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "for documents alone" },
    { { 0x20, 0x02 }, 16, "of relays that are no more" },
    { { 0x3f, 0xff }, 20, "for documents alone" },
};

static const struct range nat64 = { { 0x00, 0x64, 0xff, 0x9b }, 96, "" }; /* RFC 6052 section 2.1 */
static const struct range unicast = { { 0x20 }, 3, "" };                  /* RFC 4291 section 2.4 */

static bool is_in(const struct range *range, const uint8_t *bytes)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;

    if (memcmp(range->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || (range->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static const char *find_special(const struct range *ranges, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(&ranges[i], bytes))
            return ranges[i].words;
    return NULL;
}

const char *net_address_special(const struct net_address *address)
{
    const char *words;

    if (!address->is_ipv6)
        return find_special(special_ipv4, ARRAY_SIZE(special_ipv4), address->bytes);
    if (is_in(&nat64, address->bytes))
        return find_special(special_ipv4, ARRAY_SIZE(special_ipv4), address->bytes + 12);
    words = find_special(special_ipv6, ARRAY_SIZE(special_ipv6), address->bytes);
    if (words == NULL && !is_in(&unicast, address->bytes))
        return "reserved"; /* nothing else is given to anybody yet */
    return words;
}

/* ---- as the kernel has it ---- */

socklen_t net_address_to_socket(const struct net_address *address, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (address->is_ipv6) {
        struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };

        memcpy(&six.sin6_addr, address->bytes, 16);
        memcpy(storage, &six, sizeof six);
        return sizeof six;
    }
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(address->port) };

    memcpy(&four.sin_addr, address->bytes, 4);
    memcpy(storage, &four, sizeof four);
    return sizeof four;
}

_Static_assert(sizeof((struct sockaddr_un *)NULL)->sun_path == NET_LOCAL_PATH_MOST + 1,
               "a path and its NUL");

bool net_address_local(const char *path, struct sockaddr_un *local, struct error *err)
{
    size_t len = strlen(path);

    *local = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len == 0 || len >= sizeof local->sun_path)
        return error_set(err, ERROR_USAGE, "%s: a local socket's path has 1 to %zu octets", path,
                         sizeof local->sun_path - 1);
    memcpy(local->sun_path, path, len);
    return true;
}

static void take_ipv6(const struct sockaddr_in6 *six, struct net_address *address)
{
    address->port = ntohs(six->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        memcpy(address->bytes, six->sin6_addr.s6_addr + 12, 4);
        return;
    }
    address->is_ipv6 = true;
    memcpy(address->bytes, &six->sin6_addr, 16);
}

bool net_address_from_socket(const struct sockaddr_storage *storage, struct net_address *address)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    *address = (struct net_address){ .port = 0 };
    if (storage->ss_family == AF_INET6) {
        memcpy(&six, storage, sizeof six);
        take_ipv6(&six, address);
        return true;
    }
    if (storage->ss_family != AF_INET)
        return false;
    memcpy(&four, storage, sizeof four);
    memcpy(address->bytes, &four.sin_addr, 4);
    address->port = ntohs(four.sin_port);
    return true;
}
