#include "net/hello.h"

#include <string.h>

#include "net/hello_internal.h"
#include "net/octets.h"
#include "net/tls_message.h"

enum {
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    SERVER_HELLO_MOST = 4096, /* with room to spare; no certificate is in it */
    SCSV_RENEGOTIATION = 0x00ff,
    SCSV_FALLBACK = 0x5600,
};

/* Writes forward; `is_full` instead of writing past the end. */
struct writer {
    uint8_t *out;
    size_t used, size;
    bool is_full;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t len)
{
    if (writer->is_full || len > writer->size - writer->used) {
        writer->is_full = true;
        return;
    }
    if (len > 0)
        memcpy(writer->out + writer->used, bytes, len);
    writer->used += len;
}

static void put(struct writer *writer, uint32_t number, size_t width)
{
    uint8_t bytes[4];

    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> 8 * (width - 1 - i));
    put_bytes(writer, bytes, width);
}

/* Leaves room for a length of `width` octets; finish_length fills it. */
static size_t start_length(struct writer *writer, size_t width)
{
    put(writer, 0, width);
    return writer->used;
}

static void finish_length(struct writer *writer, size_t start, size_t width)
{
    size_t len = writer->used - start;

    if (writer->is_full)
        return;
    for (size_t i = 0; i < width; i++)
        writer->out[start - width + i] = (uint8_t)(len >> 8 * (width - 1 - i));
}

static bool is_tls13_cipher(uint16_t cipher)
{
    return cipher >> 8 == 0x13;
}

static void put_all_ciphers(struct writer *writer, bool with_tls13)
{
    for (size_t i = 0; i < hello_cipher_count; i++) {
        uint16_t code = hello_ciphers[i].code;

        if (code == 0 || code == SCSV_RENEGOTIATION || code == SCSV_FALLBACK)
            continue;
        if (with_tls13 || !is_tls13_cipher(code))
            put(writer, code, 2);
    }
    put(writer, SCSV_RENEGOTIATION, 2); /* RFC 5746 section 3.3 */
}

static void put_ciphers(struct writer *writer, const struct hello_offer *offer)
{
    size_t start = start_length(writer, 2);

    if (offer->ciphers == NULL)
        put_all_ciphers(writer, offer->with_tls13);
    else
        for (size_t i = 0; i < offer->cipher_count; i++)
            put(writer, offer->ciphers[i], 2);
    finish_length(writer, start, 2);
}

/* RFC 6066 section 3. */
static void put_server_name(struct writer *writer, const char *name)
{
    size_t extension, list, host;

    put(writer, 0, 2);
    extension = start_length(writer, 2);
    list = start_length(writer, 2);
    put(writer, 0, 1);
    host = start_length(writer, 2);
    put_bytes(writer, name, strlen(name));
    finish_length(writer, host, 2);
    finish_length(writer, list, 2);
    finish_length(writer, extension, 2);
}

/* An extension that is one vector, its length in `width` octets, of numbers of two octets. */
static void put_numbers(struct writer *writer, uint16_t type, size_t width, const uint16_t *numbers,
                        size_t count)
{
    size_t extension, list;

    put(writer, type, 2);
    extension = start_length(writer, 2);
    list = start_length(writer, width);
    for (size_t i = 0; i < count; i++)
        put(writer, numbers[i], 2);
    finish_length(writer, list, width);
    finish_length(writer, extension, 2);
}

/* RFC 8446 section 4.2.8. Any 32 octets are an X25519 key, and this handshake never ends. */
static void put_key_share(struct writer *writer, const uint8_t random[32])
{
    size_t extension, list;

    put(writer, 51, 2);
    extension = start_length(writer, 2);
    list = start_length(writer, 2);
    put(writer, 29, 2);
    put(writer, 32, 2);
    for (size_t i = 0; i < 32; i++)
        put(writer, random[i] ^ 0xa5U, 1);
    finish_length(writer, list, 2);
    finish_length(writer, extension, 2);
}

static void put_tls13(struct writer *writer, const struct hello_offer *offer,
                      const uint8_t random[32])
{
    static const uint16_t versions[] = { 0x0304, 0x0303, 0x0302, 0x0301 };

    put_numbers(writer, 43, 1, versions, offer->version < 0x0303 ? 1 : ARRAY_SIZE(versions));
    put_key_share(writer, random);
}

static void put_extensions(struct writer *writer, const struct hello_offer *offer,
                           const uint8_t random[32])
{
    /* Every group there is, so that a refusal is never for want of one: the IANA registry. */
    static const uint16_t groups[] = { 29, 23, 24, 25,    30,    22,    21,    20,   19, 18,
                                       17, 16, 15, 14,    13,    12,    11,    10,   9,  8,
                                       7,  6,  5,  4,     3,     2,     1,     26,   27, 28,
                                       31, 32, 33, 0x100, 0x101, 0x102, 0x103, 0x104 };
    static const uint16_t signatures[] = {
        0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a,
        0x080b, 0x0401, 0x0501, 0x0601, 0x0402, 0x0301, 0x0303, 0x0201, 0x0203, 0x0202,
    };
    static const uint8_t point_formats[] = { 0, 11, 0, 2, 1, 0 }; /* uncompressed */
    size_t start = start_length(writer, 2);

    if (offer->sni != NULL)
        put_server_name(writer, offer->sni);
    put_numbers(writer, 10, 2, groups, ARRAY_SIZE(groups));
    put_bytes(writer, point_formats, sizeof point_formats);
    if (offer->version >= 0x0303 || offer->with_tls13)
        put_numbers(writer, 13, 2, signatures, ARRAY_SIZE(signatures));
    if (offer->with_tls13)
        put_tls13(writer, offer, random);
    finish_length(writer, start, 2);
}

size_t hello_format(const struct hello_offer *offer, const uint8_t random[32], uint8_t *out,
                    size_t size)
{
    struct writer writer = { out, 0, size, false };
    size_t record, message;

    put(&writer, RECORD_HANDSHAKE, 1);
    put(&writer, offer->version > 0x0300 ? 0x0301 : 0x0300, 2); /* RFC 5246 appendix E.1 */
    record = start_length(&writer, 2);
    put(&writer, TLS_MESSAGE_CLIENT_HELLO, 1);
    message = start_length(&writer, 3);
    put(&writer, offer->version, 2);
    put_bytes(&writer, random, 32);
    put(&writer, 0, 1); /* no session */
    put_ciphers(&writer, offer);
    put(&writer, 0x0100, 2); /* no compression */
    if (offer->with_extensions)
        put_extensions(&writer, offer, random);
    finish_length(&writer, message, 3);
    finish_length(&writer, record, 2);
    return writer.is_full ? 0 : writer.used;
}

static bool is_record_type(uint8_t type)
{
    return type >= 20 && type <= 23;
}

/* Handshake bytes of several records, up to one ServerHello. */
struct gathered {
    char bytes[SERVER_HELLO_MOST];
    size_t len;
};

static enum hello_status read_gathered(const struct gathered *gathered, struct hello_answer *answer)
{
    struct octets message = { { gathered->bytes, gathered->len }, false };
    struct tls_server_hello hello;
    uint32_t type = octets_take(&message, 1);
    uint32_t len = octets_take(&message, 3);

    if (gathered->len > 0 && gathered->bytes[0] != TLS_MESSAGE_SERVER_HELLO)
        return HELLO_MALFORMED;
    if (!message.is_short && (type != TLS_MESSAGE_SERVER_HELLO || len > SERVER_HELLO_MOST - 4))
        return HELLO_MALFORMED;
    if (message.is_short || message.left.len < len)
        return HELLO_PARTIAL;
    if (!tls_message_server_hello(span_part(message.left, 0, len), &hello))
        return HELLO_MALFORMED;
    answer->version = hello.version;
    answer->cipher = hello.cipher;
    answer->is_retry = hello.is_retry;
    return HELLO_ANSWERED;
}

static enum hello_status take_alert(struct span body, struct hello_answer *answer)
{
    if (body.len != 2)
        return HELLO_MALFORMED;
    answer->alert_level = (uint8_t)body.data[0];
    answer->alert_description = (uint8_t)body.data[1];
    return answer->alert_level == 1 && answer->alert_description != 0 ? HELLO_PARTIAL
                                                                      : HELLO_ALERTED;
}

static enum hello_status take_handshake(struct span body, struct gathered *gathered,
                                        struct hello_answer *answer)
{
    size_t room = sizeof gathered->bytes - gathered->len;
    size_t len = body.len < room ? body.len : room;

    if (body.len == 0)
        return HELLO_MALFORMED; /* RFC 8446 section 5.1 */
    memcpy(gathered->bytes + gathered->len, body.data, len);
    gathered->len += len;
    return read_gathered(gathered, answer);
}

/* A record that is not whole yet may already show that it is none. */
static enum hello_status judge_start(struct span bytes)
{
    if (bytes.len > 0 && !is_record_type((uint8_t)bytes.data[0]))
        return HELLO_NOT_TLS;
    if (bytes.len > 1 && bytes.data[1] != 3)
        return HELLO_NOT_TLS;
    return HELLO_PARTIAL;
}

enum hello_status hello_read(struct span bytes, struct hello_answer *answer)
{
    struct octets records = { bytes, false };
    struct gathered gathered = { .len = 0 };
    enum hello_status status = HELLO_PARTIAL;

    *answer = (struct hello_answer){ .version = 0 };
    while (status == HELLO_PARTIAL && records.left.len > 0) {
        struct span start = records.left, body;
        uint32_t type = octets_take(&records, 1);
        uint16_t version = (uint16_t)octets_take(&records, 2);

        status = judge_start(start);
        body = octets_take_vector(&records, 2);
        if (status != HELLO_PARTIAL || records.is_short)
            break;
        answer->record_version = version;
        if (type == RECORD_ALERT)
            status = take_alert(body, answer);
        else if (type == RECORD_HANDSHAKE)
            status = take_handshake(body, &gathered, answer);
        else
            status = HELLO_MALFORMED;
    }
    /* Only the first bytes can be foreign; later ones break a conversation that began as TLS. */
    if (status == HELLO_NOT_TLS && (answer->record_version != 0))
        status = HELLO_MALFORMED;
    return status;
}
