/* fuzz/hello.c - whatever a server answers to a ClientHello of our own, and whatever messages go by
 * in a handshake, is read within bounds, and a prefix never gives another verdict. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "net/hello.h"
#include "net/tls_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_final(enum hello_status status)
{
    return status != HELLO_PARTIAL;
}

static void read_prefixes(struct span bytes)
{
    struct hello_answer whole, part;
    enum hello_status verdict = hello_read(bytes, &whole);

    for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 64) {
        enum hello_status early = hello_read(span_part(bytes, 0, len), &part);

        assert(!is_final(early) || early == verdict);
    }
    if (verdict == HELLO_ANSWERED)
        (void)hello_cipher_weakness(whole.cipher);
}

/* The first two octets choose the version so far and who says it. */
static void note_messages(struct span bytes)
{
    struct tls_facts *facts = memory_new(1, sizeof *facts);
    struct arena arena;

    arena_init(&arena, 1024 * 1024);
    if (facts != NULL && bytes.len > 2) {
        bool is_sent = (bytes.data[0] & 1) != 0, is_server = (bytes.data[0] & 2) != 0;

        facts->version = 0x0300 | (uint8_t)(bytes.data[1] & 7);
        facts->cipher = hello_cipher_name((uint16_t)(0xc000 | (uint8_t)bytes.data[1]));
        tls_message_note(span_part(bytes, 2, SIZE_MAX), is_sent, is_server, facts, &arena);
        tls_message_note_offer(span_part(bytes, 2, SIZE_MAX), facts, &arena);
    }
    memory_free(facts);
    arena_clear(&arena);
}

static void forget(const uint8_t *data, size_t size)
{
    uint8_t *copy = memory_new(size + 1, 1);

    if (copy != NULL) {
        memcpy(copy, data, size);
        tls_message_forget_renegotiation(copy, size);
    }
    memory_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { (const char *)data, size };

    read_prefixes(bytes);
    note_messages(bytes);
    forget(data, size);
    return 0;
}
