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
    }
    return 0;
}
