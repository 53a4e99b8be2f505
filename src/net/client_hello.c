#include "net/client_hello.h"

#include <string.h>

#include "base/text.h"
#include "net/hello.h"
#include "net/octets.h"
#include "net/tls_message.h"

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER = 5,
    MESSAGE_HEADER = 4,
    RANDOM_BYTES = 32,
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_SUPPORTED_GROUPS = 10,
    EXTENSION_SIGNATURE_ALGORITHMS = 13,
    EXTENSION_PROTOCOLS = 16,
    EXTENSION_SESSION_TICKET = 35,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_SUPPORTED_VERSIONS = 43,
};

/* Joins what the records hold into one message. */
static enum client_hello_status join_records(struct span bytes, char *message, size_t size,
                                             size_t *wanted, size_t *taken)
{
    size_t used = 0;

    *wanted = MESSAGE_HEADER;
    *taken = 0;
    while (used < *wanted) {
        struct octets rest = { span_part(bytes, *taken, bytes.len), false };
        uint32_t type = octets_take(&rest, 1), version = octets_take(&rest, 2);
        struct span part = octets_take_vector(&rest, 2);

        if (bytes.len > *taken && bytes.data[*taken] != RECORD_HANDSHAKE)
            return CLIENT_HELLO_BROKEN;
        if (rest.is_short)
            return CLIENT_HELLO_PARTIAL;
        if (type != RECORD_HANDSHAKE || version >> 8 != 3 || part.len == 0 ||
            part.len > size - used)
            return CLIENT_HELLO_BROKEN;
        memcpy(message + used, part.data, part.len);
        used += part.len;
        *taken += RECORD_HEADER + part.len;
        if (used >= MESSAGE_HEADER)
            *wanted = MESSAGE_HEADER + ((size_t)(uint8_t)message[1] << 16 |
                                        (size_t)(uint8_t)message[2] << 8 | (uint8_t)message[3]);
        if (*wanted > size)
            return CLIENT_HELLO_BROKEN;
    }
    return CLIENT_HELLO_WHOLE;
}

/* 0x0a0a, 0x1a1a and so on to 0xfafa: RFC 8701 section 2. */
static bool means_nothing(uint32_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static void read_list(struct span bytes, struct client_hello_list *list)
{
    struct octets left = { bytes, false };

    list->count = 0;
    while (list->count < CLIENT_HELLO_LIST_MOST && left.left.len >= 2) {
        uint32_t value = octets_take(&left, 2);

        if (!means_nothing(value))
            list->values[list->count++] = (uint16_t)value;
    }
}

/* The name of type host_name. */
static void read_server_name(struct octets *data, struct client_hello *hello)
{
    struct octets list = { octets_take_vector(data, 2), false };
    uint32_t type = octets_take(&list, 1);
    struct span name = octets_take_vector(&list, 2);

    hello->has_sni = true;
    if (list.is_short || type != 0 || name.len >= sizeof hello->sni ||
        span_find(name, '\0') < name.len)
        return;
    if (name.len > 0)
        memcpy(hello->sni, name.data, name.len);
    hello->sni[name.len] = '\0';
}

static void read_protocols(struct octets *data, struct client_hello *hello)
{
    struct span list = octets_take_vector(data, 2);

    if (list.len == 0 || list.len > sizeof hello->protocols)
        return;
    memcpy(hello->protocols, list.data, list.len);
    hello->protocols_len = list.len;
}

static bool offers_tls13(const struct client_hello_list *versions)
{
    for (size_t i = 0; i < versions->count; i++)
        if (versions->values[i] == TLS_VERSION_1_3)
            return true;
    return false;
}

/* Empty: the client takes tickets, and has none. RFC 5077 section 3.2 */
static void note_ticket(struct span ticket, struct client_hello *hello)
{
    hello->has_ticket = true;
    hello->has_session |= ticket.len > 0;
}

static void read_extension(uint32_t type, struct span bytes, struct client_hello *hello)
{
    struct octets data = { bytes, false };

    if (type == EXTENSION_SERVER_NAME)
        read_server_name(&data, hello);
    else if (type == EXTENSION_SESSION_TICKET)
        note_ticket(bytes, hello);
    else if (type == EXTENSION_PRE_SHARED_KEY)
        hello->has_session = true;
    else if (type == EXTENSION_PROTOCOLS)
        read_protocols(&data, hello);
    else if (type == EXTENSION_SUPPORTED_GROUPS)
        read_list(octets_take_vector(&data, 2), &hello->groups);
    else if (type == EXTENSION_SIGNATURE_ALGORITHMS)
        read_list(octets_take_vector(&data, 2), &hello->signatures);
    else if (type == EXTENSION_SUPPORTED_VERSIONS)
        read_list(octets_take_vector(&data, 1), &hello->versions);
}

static bool read_extensions(struct octets extensions, struct client_hello *hello)
{
    while (extensions.left.len > 0) {
        uint32_t type = octets_take(&extensions, 2);
        struct span data = octets_take_vector(&extensions, 2);

        if (extensions.is_short)
            return false;
        read_extension(type, data, hello);
    }
    hello->has_tls13 = offers_tls13(&hello->versions);
    return true;
}

bool client_hello_parse(struct span bytes, struct client_hello *hello)
{
    struct octets body = { bytes, false }, ciphers;

    memset(hello, 0, sizeof *hello);
    hello->version = (uint16_t)octets_take(&body, 2);
    octets_take_bytes(&body, RANDOM_BYTES);
    octets_take_vector(&body, 1); /* session */
    ciphers = (struct octets){ octets_take_vector(&body, 2), false };
    octets_take_vector(&body, 1); /* compression */
    while (hello->cipher_count < CLIENT_HELLO_CIPHERS_MOST && ciphers.left.len >= 2) {
        uint32_t cipher = octets_take(&ciphers, 2);

        if (!means_nothing(cipher))
            hello->ciphers[hello->cipher_count++] = (uint16_t)cipher;
    }
    if (body.is_short)
        return false;
    if (body.left.len == 0) /* extensions may be absent: RFC 5246 section 7.4.1.2 */
        return true;
    ciphers = (struct octets){ octets_take_vector(&body, 2), false };
    return !body.is_short && read_extensions(ciphers, hello);
}

enum client_hello_status client_hello_read(struct span bytes, struct client_hello *hello)
{
    char message[CLIENT_HELLO_BYTES_MOST];
    enum client_hello_status status;
    size_t len, taken;

    memset(hello, 0, sizeof *hello);
    status = join_records(bytes, message, sizeof message, &len, &taken);
    if (status != CLIENT_HELLO_WHOLE)
        return status;
    if (message[0] != TLS_MESSAGE_CLIENT_HELLO ||
        !client_hello_parse((struct span){ message + MESSAGE_HEADER, len - MESSAGE_HEADER }, hello))
        return CLIENT_HELLO_BROKEN;
    hello->bytes = taken;
    return CLIENT_HELLO_WHOLE;
}

uint16_t client_hello_oldest(const struct client_hello *hello)
{
    uint16_t oldest = 0;

    for (size_t i = 0; i < hello->versions.count; i++)
        if (oldest == 0 || hello->versions.values[i] < oldest)
            oldest = hello->versions.values[i];
    return oldest;
}

uint16_t client_hello_newest(const struct client_hello *hello)
{
    uint16_t newest = 0;

    for (size_t i = 0; i < hello->versions.count; i++)
        if (hello->versions.values[i] > newest)
            newest = hello->versions.values[i];
    return newest == 0 ? hello->version : newest;
}

/* ---- by name ---- */

static const char *name_or_number(const char *name, uint16_t value, struct arena *arena)
{
    return name != NULL ? name : arena_format(arena, "0x%04x", value);
}

static const char **name_list(const struct client_hello_list *list,
                              const char *(*name)(uint16_t value), struct arena *arena,
                              size_t *count)
{
    const char **names = arena_new(arena, list->count, sizeof *names);

    *count = names == NULL ? 0 : list->count;
    for (size_t i = 0; i < *count; i++)
        names[i] = name_or_number(name(list->values[i]), list->values[i], arena);
    return names;
}

/* What stands for a wish and not for a cipher: RFC 5746 section 3.3, RFC 7507 section 2. */
static bool is_signal(uint16_t cipher)
{
    return cipher == 0x00ff || cipher == 0x5600;
}

static void name_ciphers(const struct client_hello *hello, struct tls_offer *offer,
                         struct arena *arena)
{
    offer->ciphers = arena_new(arena, hello->cipher_count, sizeof *offer->ciphers);
    for (size_t i = 0; offer->ciphers != NULL && i < hello->cipher_count; i++)
        if (!is_signal(hello->ciphers[i]))
            offer->ciphers[offer->cipher_count++] =
                name_or_number(hello_cipher_name(hello->ciphers[i]), hello->ciphers[i], arena);
}

/* Before supported_versions a hello names but the newest: RFC 5246 appendix E.1. */
static void name_versions(const struct client_hello *hello, struct tls_offer *offer,
                          struct arena *arena)
{
    struct client_hello_list newest = { .values = { hello->version }, .count = 1 };

    offer->versions = name_list(hello->versions.count > 0 ? &hello->versions : &newest,
                                tls_version_name, arena, &offer->version_count);
    for (size_t i = 0; i < offer->version_count; i++)
        offer->versions[i] = arena_copy(arena, span_of(offer->versions[i]));
}

static void name_protocols(const struct client_hello *hello, struct tls_offer *offer,
                           struct arena *arena)
{
    struct octets list = { { hello->protocols, hello->protocols_len }, false };

    offer->protocols = arena_new(arena, TLS_OFFER_PROTOCOLS_MOST, sizeof *offer->protocols);
    while (offer->protocols != NULL && offer->protocol_count < TLS_OFFER_PROTOCOLS_MOST &&
           list.left.len > 0) {
        struct span one = octets_take_vector(&list, 1);

        if (list.is_short)
            return;
        offer->protocols[offer->protocol_count++] = text_printable(arena, one, false);
    }
}

struct tls_offer client_hello_offer(const struct client_hello *hello, struct arena *arena)
{
    struct tls_offer offer = { .versions = NULL };

    name_versions(hello, &offer, arena);
    name_ciphers(hello, &offer, arena);
    offer.groups = name_list(&hello->groups, tls_group_name, arena, &offer.group_count);
    offer.signatures =
        name_list(&hello->signatures, tls_signature_name, arena, &offer.signature_count);
    name_protocols(hello, &offer, arena);
    return offer;
}
