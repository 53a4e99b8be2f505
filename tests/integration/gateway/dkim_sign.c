/* tests/integration/gateway/dkim_sign.c - signs the message on standard input, for those who verify.
 *
 * usage: dkim-sign KEY DOMAIN SELECTOR [SECONDS]
 *        dkim-sign KEY DOMAIN SELECTOR record          the TXT record that goes with it
 *
 * Writes the signed message; exit 1 and the reason where it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "gateway/dkim.h"

enum { MESSAGE_MOST = 64 << 20, ARENA_BYTES = 4 << 20, NOW_S = 1795219200 };

static bool read_all(struct buffer *message)
{
    char piece[16384];
    size_t len;

    while ((len = fread(piece, 1, sizeof piece, stdin)) > 0)
        if (!buffer_append(message, (struct span){ piece, len }))
            return false;
    return true;
}

static bool sign(const struct dkim_key *key, int64_t now_s, struct error *err)
{
    struct buffer message;
    struct arena arena;
    const char *field;
    bool is_signed;

    buffer_init(&message, MESSAGE_MOST);
    arena_init(&arena, ARENA_BYTES);
    is_signed =
        read_all(&message) && dkim_sign(key, buffer_span(&message), now_s, &arena, &field, err);
    if (is_signed) {
        fputs(field, stdout);
        fwrite(message.data, 1, message.len, stdout);
    }
    buffer_clear(&message);
    arena_clear(&arena);
    return is_signed;
}

int main(int argc, char **argv)
{
    struct error err = { .text = "no memory" };
    int64_t now_s = NOW_S;
    struct dkim_key *key;
    struct arena arena;
    bool is_done = true;

    if (argc < 4 || !dkim_key_load(argv[1], argv[2], argv[3], &key, &err)) {
        fprintf(stderr, "dkim-sign: %s\n", argc < 4 ? "KEY DOMAIN SELECTOR" : err.text);
        return 2;
    }
    arena_init(&arena, ARENA_BYTES);
    if (argc > 4 && strcmp(argv[4], "record") == 0)
        puts(dkim_key_record(key, NULL, &arena));
    else if (argc > 4 && !text_to_time(span_of(argv[4]), &now_s))
        is_done = error_set(&err, ERROR_USAGE, "%s is no time", argv[4]);
    else
        is_done = sign(key, now_s, &err);
    arena_clear(&arena);
    dkim_key_free(&key);
    if (!is_done)
        fprintf(stderr, "dkim-sign: %s\n", err.text);
    return is_done ? 0 : 1;
}
