#include "lab/client_hello.h"

#include <string.h>

enum {
    RECORD_HANDSHAKE = 22,
    MESSAGE_CLIENT_HELLO = 1,
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_SESSION_TICKET = 35,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    RECORD_HEADER = 5,
    MESSAGE_HEADER = 4,
};

/* Takes a big-endian number of `octets` off the front; false where the bytes are too few. */
static bool take_number(struct span *bytes, unsigned octets, size_t *number)
{
    *number = 0;
    if (bytes->len < octets)
        return false;
    for (unsigned i = 0; i < octets; i++)
        *number = *number << 8 | (uint8_t)span_take(bytes);
    return true;
}

/* Takes a vector whose length stands in front of it in `octets` octets: RFC 5246 section 4.3. */
static bool take_vector(struct span *bytes, unsigned octets, struct span *vector)
{
    size_t len;

    if (!take_number(bytes, octets, &len) || bytes->len < len)
        return false;
    *vector = span_take_front(bytes, len);
    return true;
}

/* Joins what the records hold into one message. */
static enum client_hello_status join_records(struct span bytes, char *message, size_t size,
                                             size_t *wanted, size_t *taken)
{
    size_t used = 0;

    *wanted = MESSAGE_HEADER;
    *taken = 0;
    while (used < *wanted) {
        struct span rest = span_part(bytes, *taken, bytes.len), part;
        size_t type, version;

        if (rest.len > 0 && rest.data[0] != RECORD_HANDSHAKE)
            return CLIENT_HELLO_BROKEN;
        if (!take_number(&rest, 1, &type) || !take_number(&rest, 2, &version) ||
            !take_vector(&rest, 2, &part))
            return CLIENT_HELLO_PARTIAL;
        if (version >> 8 != 3 || part.len == 0 || part.len > size - used)
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

static void read_server_name(struct span data, struct client_hello *hello)
{
    struct span list, name;
    size_t type;

    hello->has_sni = true;
    if (!take_vector(&data, 2, &list) || !take_number(&list, 1, &type) || type != 0 ||
        !take_vector(&list, 2, &name) || name.len >= sizeof hello->sni)
        return;
    memcpy(hello->sni, name.data, name.len);
    hello->sni[name.len] = '\0';
}

static void read_versions(struct span data, struct client_hello *hello)
{
    struct span list;
    size_t version;

    if (!take_vector(&data, 1, &list))
        return;
    while (take_number(&list, 2, &version))
        hello->has_tls13 = hello->has_tls13 || version == 0x0304;
}

static bool read_extensions(struct span extensions, struct client_hello *hello)
{
    while (extensions.len > 0) {
        struct span data;
        size_t type;

        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &data))
            return false;
        if (type == EXTENSION_SERVER_NAME)
            read_server_name(data, hello);
        else if (type == EXTENSION_SESSION_TICKET)
            hello->has_ticket = true;
        else if (type == EXTENSION_SUPPORTED_VERSIONS)
            read_versions(data, hello);
    }
    return true;
}

static bool read_message(struct span message, struct client_hello *hello)
{
    struct span session, ciphers, compressions, extensions = { NULL, 0 };
    size_t version, cipher;

    if (!take_number(&message, 2, &version) || message.len < 32)
        return false;
    hello->version = (uint16_t)version;
    span_take_front(&message, 32); /* random */
    if (!take_vector(&message, 1, &session) || !take_vector(&message, 2, &ciphers) ||
        !take_vector(&message, 1, &compressions))
        return false;
    while (hello->cipher_count < CLIENT_HELLO_CIPHERS_MOST && take_number(&ciphers, 2, &cipher))
        hello->ciphers[hello->cipher_count++] = (uint16_t)cipher;
    /* Without extensions the message ends here: RFC 5246 section 7.4.1.2. */
    return message.len == 0 ||
           (take_vector(&message, 2, &extensions) && read_extensions(extensions, hello));
}

enum client_hello_status client_hello_read(struct span bytes, struct client_hello *hello)
{
    char message[CLIENT_HELLO_BYTES_MOST];
    enum client_hello_status status;
    size_t len;
    struct span body;

    memset(hello, 0, sizeof *hello);
    status = join_records(bytes, message, sizeof message, &len, &hello->bytes);
    if (status != CLIENT_HELLO_WHOLE)
        return status;
    if (message[0] != MESSAGE_CLIENT_HELLO)
        return CLIENT_HELLO_BROKEN;
    body = (struct span){ message + MESSAGE_HEADER, len - MESSAGE_HEADER };
    return read_message(body, hello) ? CLIENT_HELLO_WHOLE : CLIENT_HELLO_BROKEN;
}

static bool offers(const struct client_hello *hello, uint16_t cipher)
{
    for (size_t i = 0; i < hello->cipher_count; i++)
        if (hello->ciphers[i] == cipher)
            return true;
    return false;
}

static size_t put(const uint8_t *bytes, size_t len, uint8_t *out, size_t size)
{
    if (len > size)
        return 0;
    memcpy(out, bytes, len);
    return len;
}

size_t client_hello_answer(const struct client_hello *hello, uint16_t version,
                           const uint16_t *ciphers, size_t cipher_count, const uint8_t random[32],
                           uint8_t *out, size_t size)
{
    uint16_t chosen = hello->version < version ? hello->version : version;
    uint8_t minor = (uint8_t)chosen;
    size_t index = 0;

    while (index < cipher_count && !offers(hello, ciphers[index]))
        index++;
    if (index == cipher_count) {
        const uint8_t alert[] = { 0x15, 3, minor, 0, 2, 2, 40 }; /* handshake_failure */
        return put(alert, sizeof alert, out, size);
    }
    uint8_t answer[47] = { RECORD_HANDSHAKE, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor };
    memcpy(answer + 11, random, 32);
    answer[43] = 0; /* no session to resume */
    answer[44] = (uint8_t)(ciphers[index] >> 8);
    answer[45] = (uint8_t)ciphers[index];
    answer[46] = 0; /* no compression */
    return put(answer, sizeof answer, out, size);
}
