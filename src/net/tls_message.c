#include "net/tls_message.h"

#include <string.h>

#include "net/client_hello.h"
#include "net/hello.h"
#include "net/octets.h"

enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_STATUS_REQUEST = 5,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_KEY_SHARE = 51,
    EXTENSION_RENEGOTIATION_INFO = 0xff01,
    RANDOM_BYTES = 32,
    CIPHER_RENEGOTIATION_SCSV = 0x00ff, /* RFC 5746 section 3.3 */
    UNKNOWN_CIPHER = 0x0a0a,            /* reserved so that nobody means anything by it: RFC 8701 */
    UNKNOWN_EXTENSION = 0xfafa,
};

/* SHA-256 of "HelloRetryRequest": RFC 8446 section 4.1.3. */
static const uint8_t retry_random[RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static bool take_extension(struct octets *extensions, uint16_t *type, struct octets *body)
{
    if (extensions->left.len == 0)
        return false;
    *type = (uint16_t)octets_take(extensions, 2);
    *body = (struct octets){ octets_take_vector(extensions, 2), false };
    return !extensions->is_short;
}

static void read_hello_extension(uint16_t type, struct octets *body, struct tls_server_hello *hello)
{
    uint16_t number = 0;

    if (type == EXTENSION_RENEGOTIATION_INFO)
        hello->has_renegotiation_info = true;
    if (type == EXTENSION_SERVER_NAME)
        hello->has_server_name = true;
    if (type != EXTENSION_SUPPORTED_VERSIONS && type != EXTENSION_KEY_SHARE)
        return;
    number = (uint16_t)octets_take(body, 2);
    if (body->is_short)
        return;
    if (type == EXTENSION_SUPPORTED_VERSIONS)
        hello->version = number;
    else
        hello->group = number;
}

bool tls_message_server_hello(struct span bytes, struct tls_server_hello *hello)
{
    struct octets body = { bytes, false }, extensions, one;
    struct span random;
    uint16_t type;

    *hello = (struct tls_server_hello){ .version = (uint16_t)octets_take(&body, 2) };
    random = octets_take_bytes(&body, RANDOM_BYTES);
    octets_take_vector(&body, 1); /* legacy session id */
    hello->cipher = (uint16_t)octets_take(&body, 2);
    octets_take(&body, 1); /* compression */
    if (body.is_short)
        return false;
    hello->is_retry = random.data != NULL && memcmp(random.data, retry_random, RANDOM_BYTES) == 0;
    if (body.left.len == 0) /* extensions may be absent: RFC 5246 section 7.4.1.3 */
        return true;
    extensions = (struct octets){ octets_take_vector(&body, 2), false };
    while (take_extension(&extensions, &type, &one))
        read_hello_extension(type, &one, hello);
    return !body.is_short && !extensions.is_short;
}

static void set_group(uint16_t group, struct tls_facts *facts, struct arena *arena)
{
    static const int bits[] = { 2048, 3072, 4096, 6144, 8192 }; /* RFC 7919 section 2 */
    const char *name = tls_group_name(group);

    facts->group = name != NULL ? name : arena_format(arena, "group 0x%04x", group);
    if (group >= 0x100 && group < 0x100 + 5)
        facts->group_bits = bits[group - 0x100];
}

static void note_server_hello(struct span body, struct tls_facts *facts, struct arena *arena)
{
    struct tls_server_hello hello;
    const char *cipher;

    if (!tls_message_server_hello(body, &hello))
        return;
    cipher = hello_cipher_name(hello.cipher);
    if (hello.is_retry)
        facts->has_hello_retry = true;
    else
        facts->has_server_hello = true;
    facts->version = hello.version;
    facts->cipher = cipher != NULL ? cipher : arena_format(arena, "0x%04x", hello.cipher);
    facts->secure_renegotiation = hello.has_renegotiation_info || hello.version >= TLS_VERSION_1_3;
    facts->sni_was_used |= hello.has_server_name;
    if (hello.group != 0)
        set_group(hello.group, facts, arena);
}

/* TLS 1.3 has moved the server's answer to the name there: RFC 8446 section 4.3.1. */
static void note_encrypted_extensions(struct span body, struct tls_facts *facts)
{
    struct octets all = { body, false }, extensions, one;
    uint16_t type;

    extensions = (struct octets){ octets_take_vector(&all, 2), false };
    while (take_extension(&extensions, &type, &one))
        facts->sni_was_used |= type == EXTENSION_SERVER_NAME;
}

void tls_message_note_offer(struct span message, struct tls_facts *facts, struct arena *arena)
{
    struct client_hello hello;

    if (client_hello_parse(span_part(message, 4, SIZE_MAX), &hello))
        facts->offer = client_hello_offer(&hello, arena);
}

static void note_client_hello(struct span message, bool is_server, struct tls_facts *facts,
                              struct arena *arena)
{
    struct client_hello hello;

    if (facts->hello_bytes != 0) /* the second, after a HelloRetryRequest */
        return;
    facts->hello_bytes = message.len;
    if (!client_hello_parse(span_part(message, 4, SIZE_MAX), &hello))
        return;
    facts->offered_ticket = hello.has_ticket;
    if (hello.sni[0] != '\0')
        facts->sni = arena_copy(arena, span_of(hello.sni));
    if (!is_server) { /* what was allowed is known better than what a hello says */
        facts->offer = client_hello_offer(&hello, arena);
        return;
    }
    facts->offered_minimum = client_hello_oldest(&hello);
    facts->offered_maximum = client_hello_newest(&hello);
}

/* The OCSP response inside a CertificateStatus: RFC 6066 section 8. */
static void note_staple(struct octets status, struct tls_facts *facts, struct arena *arena)
{
    uint32_t type = octets_take(&status, 1);
    struct span response = octets_take_vector(&status, 3);

    if (!status.is_short && type == 1 && facts->staple.len == 0)
        facts->staple = arena_copy_bytes(arena, response);
}

static void note_entry_extensions(struct octets extensions, struct tls_facts *facts,
                                  struct arena *arena)
{
    struct octets one;
    uint16_t type;

    while (take_extension(&extensions, &type, &one))
        if (type == EXTENSION_STATUS_REQUEST)
            note_staple(one, facts, arena);
}

/* RFC 5246 section 7.4.2; with a context and extensions: RFC 8446 section 4.4.2. */
static struct octets certificate_list(struct span body, const struct tls_facts *facts)
{
    struct octets all = { body, false };

    if (facts->version >= TLS_VERSION_1_3)
        octets_take_vector(&all, 1);
    return (struct octets){ octets_take_vector(&all, 3), false };
}

static void note_chain(struct span body, struct tls_facts *facts, struct arena *arena)
{
    struct octets list = certificate_list(body, facts);
    bool has_extensions = facts->version >= TLS_VERSION_1_3;

    facts->chain_count = 0;
    while (list.left.len > 0) {
        struct span certificate = octets_take_vector(&list, 3);
        struct octets extensions = { { NULL, 0 }, false };

        if (has_extensions)
            extensions.left = octets_take_vector(&list, 2);
        if (list.is_short)
            return;
        if (facts->chain_count == TLS_CHAIN_MOST) {
            facts->chain_was_cut = true;
            return;
        }
        facts->chain[facts->chain_count++] = arena_copy_bytes(arena, certificate);
        note_entry_extensions(extensions, facts, arena);
    }
}

static bool cipher_has(const struct tls_facts *facts, const char *part)
{
    return facts->cipher != NULL && strstr(facts->cipher, part) != NULL;
}

/* Finite-field parameters: p, g and the public value: RFC 5246 section 7.4.3. */
static void take_dh_parameters(struct octets *body, struct tls_facts *facts, struct arena *arena)
{
    struct span prime = octets_take_vector(body, 2);
    int bits;

    octets_take_vector(body, 2);
    octets_take_vector(body, 2);
    if (body->is_short)
        return;
    while (prime.len > 0 && prime.data[0] == 0)
        prime = span_part(prime, 1, SIZE_MAX);
    bits = (int)prime.len * 8;
    if (prime.len > 0)
        for (unsigned top = (uint8_t)prime.data[0]; top < 0x80; top <<= 1)
            bits--;
    facts->group_bits = bits;
    facts->group = arena_format(arena, "DH %d bits", bits);
}

/* RFC 4492 section 5.4; only named curves are in use. */
static void take_ecdh_parameters(struct octets *body, struct tls_facts *facts, struct arena *arena)
{
    uint32_t type = octets_take(body, 1);
    uint16_t group = (uint16_t)octets_take(body, 2);

    octets_take_vector(body, 1);
    if (type != 3)
        body->is_short = true;
    if (!body->is_short)
        set_group(group, facts, arena);
}

static void set_signature(uint16_t signature, struct tls_facts *facts, struct arena *arena)
{
    const char *name = tls_signature_name(signature);

    facts->signature = name != NULL ? name : arena_format(arena, "0x%04x", signature);
}

/* Before TLS 1.2 the algorithm followed from the key: RFC 4346 section 7.4.3. */
static const char *signature_of_old(const struct tls_facts *facts)
{
    if (cipher_has(facts, "_ECDSA_"))
        return "ecdsa_sha1";
    return cipher_has(facts, "_DSS_") ? "dsa_sha1" : "rsa_pkcs1_md5_sha1";
}

static void note_key_exchange(struct span bytes, struct tls_facts *facts, struct arena *arena)
{
    struct octets body = { bytes, false };
    uint16_t signature;

    if (cipher_has(facts, "_PSK_") || cipher_has(facts, "_SRP_"))
        return;
    if (cipher_has(facts, "TLS_DHE_") || cipher_has(facts, "_DH_anon_"))
        take_dh_parameters(&body, facts, arena);
    else if (cipher_has(facts, "_ECDHE_") || cipher_has(facts, "_ECDH_anon_"))
        take_ecdh_parameters(&body, facts, arena);
    else
        return;
    if (body.is_short || cipher_has(facts, "_anon_"))
        return;
    if (facts->version < TLS_VERSION_1_2) {
        facts->signature = signature_of_old(facts);
        return;
    }
    signature = (uint16_t)octets_take(&body, 2);
    if (!body.is_short)
        set_signature(signature, facts, arena);
}

static void note_certificate_verify(struct span bytes, struct tls_facts *facts, struct arena *arena)
{
    struct octets body = { bytes, false };
    uint16_t signature = (uint16_t)octets_take(&body, 2);

    if (facts->version >= TLS_VERSION_1_3 && !body.is_short)
        set_signature(signature, facts, arena);
}

/* What a server says, whether we are that server or talk to it. */
static void note_from_server(uint8_t type, struct span body, struct tls_facts *facts,
                             struct arena *arena)
{
    if (type == TLS_MESSAGE_SERVER_HELLO)
        note_server_hello(body, facts, arena);
    else if (type == TLS_MESSAGE_ENCRYPTED_EXTENSIONS)
        note_encrypted_extensions(body, facts);
    else if (type == TLS_MESSAGE_SERVER_KEY_EXCHANGE)
        note_key_exchange(body, facts, arena);
    else if (type == TLS_MESSAGE_CERTIFICATE_VERIFY)
        note_certificate_verify(body, facts, arena);
    else if (type == TLS_MESSAGE_CERTIFICATE_REQUEST)
        facts->client_certificate_requested = true;
    else if (type == TLS_MESSAGE_CERTIFICATE_STATUS)
        note_staple((struct octets){ body, false }, facts, arena);
    else if (type == TLS_MESSAGE_NEW_SESSION_TICKET)
        facts->tickets_received++;
}

static void note_certificate(struct span body, bool is_sent, bool is_server,
                             struct tls_facts *facts, struct arena *arena)
{
    if (!is_sent)
        note_chain(body, facts, arena);
    if (is_sent != is_server) /* from the client */
        facts->client_certificate_sent = certificate_list(body, facts).left.len > 0;
}

void tls_message_note(struct span message, bool is_sent, bool is_server, struct tls_facts *facts,
                      struct arena *arena)
{
    uint8_t type;
    struct span body;

    if (message.len < 4)
        return;
    type = (uint8_t)message.data[0];
    body = span_part(message, 4, SIZE_MAX);
    if (is_sent)
        facts->last_message_sent = type;
    else
        facts->last_message_received = type;
    if (type == TLS_MESSAGE_CERTIFICATE)
        note_certificate(body, is_sent, is_server, facts, arena);
    else if (is_sent == is_server)
        note_from_server(type, body, facts, arena);
    else if (type == TLS_MESSAGE_CLIENT_HELLO)
        note_client_hello(message, is_server, facts, arena);
}

static void overwrite(uint8_t *message, struct span place, uint16_t number)
{
    size_t at = (size_t)((const uint8_t *)place.data - message);

    message[at] = (uint8_t)(number >> 8);
    message[at + 1] = (uint8_t)number;
}

void tls_message_forget_renegotiation(uint8_t *message, size_t len)
{
    struct octets body = { { (const char *)message, len }, false }, list;

    octets_take(&body, 4 + 2);
    octets_take_bytes(&body, RANDOM_BYTES);
    octets_take_vector(&body, 1);
    list = (struct octets){ octets_take_vector(&body, 2), false };
    while (list.left.len >= 2) {
        struct span place = list.left;

        if (octets_take(&list, 2) == CIPHER_RENEGOTIATION_SCSV)
            overwrite(message, place, UNKNOWN_CIPHER);
    }
    octets_take_vector(&body, 1);
    list = (struct octets){ octets_take_vector(&body, 2), false };
    while (list.left.len >= 4) {
        struct span place = list.left;

        if (octets_take(&list, 2) == EXTENSION_RENEGOTIATION_INFO)
            overwrite(message, place, UNKNOWN_EXTENSION);
        octets_take_vector(&list, 2);
    }
}

const char *tls_group_name(uint16_t group)
{
    switch (group) {
    case 19: return "secp192r1";
    case 21: return "secp224r1";
    case 22: return "secp256k1";
    case 23: return "secp256r1";
    case 24: return "secp384r1";
    case 25: return "secp521r1";
    case 26: return "brainpoolP256r1";
    case 27: return "brainpoolP384r1";
    case 28: return "brainpoolP512r1";
    case 29: return "X25519";
    case 30: return "X448";
    case 31: return "brainpoolP256r1tls13";
    case 32: return "brainpoolP384r1tls13";
    case 33: return "brainpoolP512r1tls13";
    case 0x100: return "ffdhe2048";
    case 0x101: return "ffdhe3072";
    case 0x102: return "ffdhe4096";
    case 0x103: return "ffdhe6144";
    case 0x104: return "ffdhe8192";
    case 0x11eb: return "SecP256r1MLKEM768";
    case 0x11ec: return "X25519MLKEM768";
    case 0x11ed: return "SecP384r1MLKEM1024";
    default: return NULL;
    }
}

const char *tls_signature_name(uint16_t signature)
{
    switch (signature) {
    case 0x0101: return "rsa_pkcs1_md5";
    case 0x0201: return "rsa_pkcs1_sha1";
    case 0x0202: return "dsa_sha1";
    case 0x0203: return "ecdsa_sha1";
    case 0x0301: return "rsa_pkcs1_sha224";
    case 0x0302: return "dsa_sha224";
    case 0x0303: return "ecdsa_sha224";
    case 0x0401: return "rsa_pkcs1_sha256";
    case 0x0402: return "dsa_sha256";
    case 0x0403: return "ecdsa_secp256r1_sha256";
    case 0x0501: return "rsa_pkcs1_sha384";
    case 0x0503: return "ecdsa_secp384r1_sha384";
    case 0x0601: return "rsa_pkcs1_sha512";
    case 0x0603: return "ecdsa_secp521r1_sha512";
    case 0x0804: return "rsa_pss_rsae_sha256";
    case 0x0805: return "rsa_pss_rsae_sha384";
    case 0x0806: return "rsa_pss_rsae_sha512";
    case 0x0807: return "ed25519";
    case 0x0808: return "ed448";
    case 0x0809: return "rsa_pss_pss_sha256";
    case 0x080a: return "rsa_pss_pss_sha384";
    case 0x080b: return "rsa_pss_pss_sha512";
    default: return NULL;
    }
}
