#include "lab/server_hello.h"

#include <string.h>

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

size_t server_hello_answer(const struct client_hello *hello, uint16_t version,
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
    uint8_t answer[47] = { 22, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor };
    memcpy(answer + 11, random, 32);
    answer[43] = 0; /* no session to resume */
    answer[44] = (uint8_t)(ciphers[index] >> 8);
    answer[45] = (uint8_t)ciphers[index];
    answer[46] = 0; /* no compression */
    return put(answer, sizeof answer, out, size);
}
