/* fuzz/client_hello.c - whatever a client says in place of a ClientHello is read within bounds, a
 * prefix never gives another verdict, and the answer fits its buffer. */
#include <assert.h>
#include <stdint.h>

#include "lab/server_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct client_hello *hello)
{
    static const uint16_t ciphers[] = { 0x0005, 0x000a, 0xc02b };
    static const uint8_t random[32];
    uint8_t out[128];
    size_t len = server_hello_answer(hello, 0x0302, ciphers, 3, random, out, sizeof out);

    assert(len == 7 || len == 47);
    assert(server_hello_answer(hello, 0x0302, ciphers, 3, random, out, len) == len);
    assert(server_hello_answer(hello, 0x0302, ciphers, 3, random, out, len - 1) == 0);
}

/* Every list fits the bound of an observation, and every name is one. */
static void name(const struct client_hello *hello)
{
    struct arena arena;
    struct tls_offer offer;

    arena_init(&arena, 1 << 20);
    offer = client_hello_offer(hello, &arena);
    assert(!arena.exhausted && offer.version_count > 0);
    assert(offer.cipher_count <= TLS_OFFER_MOST && offer.group_count <= TLS_OFFER_MOST);
    assert(offer.signature_count <= TLS_OFFER_MOST && offer.protocol_count <= TLS_OFFER_MOST);
    for (size_t i = 0; i < offer.cipher_count; i++)
        assert(offer.ciphers[i][0] != '\0');
    for (size_t i = 0; i < offer.protocol_count; i++)
        for (const char *c = offer.protocols[i]; *c != '\0'; c++)
            assert(*c >= ' ' && *c < 0x7f);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { (const char *)data, size };
    struct client_hello hello, part;
    enum client_hello_status verdict = client_hello_read(bytes, &hello);

    for (size_t len = 0; len < size; len += 1 + size / 64) {
        enum client_hello_status early = client_hello_read(span_part(bytes, 0, len), &part);

        assert(early == CLIENT_HELLO_PARTIAL || early == verdict);
    }
    if (verdict == CLIENT_HELLO_WHOLE) {
        assert(hello.bytes <= size);
        assert(hello.cipher_count <= CLIENT_HELLO_CIPHERS_MOST);
        answer(&hello);
        name(&hello);
    }
    return 0;
}
