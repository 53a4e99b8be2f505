/* fuzz/dkim.c - any message is refused in words, or signed the same whatever mail servers change of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/dkim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 8 << 20, LINE_MOST = 78, MESSAGE_MOST = 1 << 20, NOW_S = 1795219200 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* RFC 8463 appendix A.2; such a signature has no chance in it. */
static const struct dkim_key *the_key(void)
{
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
    static struct dkim_key *key;
    struct error err;

    if (key == NULL)
        insist(dkim_key_read(span_of(pem), "example.org", "s", &key, &err));
    return key;
}

static void check_field(struct span field)
{
    insist(span_starts_with(field, "DKIM-Signature: "));
    while (field.len > 0) {
        struct span line = span_take_until(&field, '\n');

        insist(line.len > 1 && line.len <= LINE_MOST + 1 && line.data[line.len - 1] == '\r');
        insist(memchr(line.data, '\r', line.len - 1) == NULL);
        insist(field.len == 0 || field.data[0] == ' ');
    }
}

/* A trace field in front, and empty lines behind. */
static bool change(struct span message, struct buffer *changed)
{
    bool has_body = memmem(message.data, message.len, "\r\n\r\n", 4) != NULL;

    return buffer_append_text(changed, "Received: from a by b;\r\n\tnow\r\n") &&
           buffer_append(changed, message) &&
           (!has_body || message.data[message.len - 1] != '\n' ||
            buffer_append_text(changed, " \r\n\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span message = { (const char *)data, size };
    struct error err = { .kind = ERROR_NONE };
    const char *field, *again;
    struct buffer changed;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    buffer_init(&changed, MESSAGE_MOST);
    if (!dkim_sign(the_key(), message, NOW_S, &arena, &field, &err)) {
        insist(err.kind == ERROR_FORMAT && err.text[0] != '\0' && field == NULL);
    } else {
        check_field(span_of(field));
        if (change(message, &changed) &&
            dkim_sign(the_key(), buffer_span(&changed), NOW_S, &arena, &again, &err))
            insist(strcmp(field, again) == 0);
    }
    buffer_clear(&changed);
    arena_clear(&arena);
    return 0;
}
