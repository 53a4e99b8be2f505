#include "cli/save_chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/text.h"

enum { PEM_LINE = 64, ARENA_BYTES = 1 << 20 };

static bool write_pem(FILE *file, struct arena *arena, struct span der)
{
    struct span digits = span_of(text_base64(arena, der));

    fputs("-----BEGIN CERTIFICATE-----\n", file);
    while (digits.len > 0) {
        struct span line = span_take_front(&digits, PEM_LINE);

        fprintf(file, "%.*s\n", (int)line.len, line.data);
    }
    fputs("-----END CERTIFICATE-----\n", file);
    return !arena->exhausted && ferror(file) == 0;
}

/* A host name comes from a zone file that strangers write: only what is harmless in a file name. */
static const char *file_name_of(struct arena *arena, const char *text)
{
    char *name = arena_new(arena, strlen(text) + 1, 1);

    for (size_t i = 0; name != NULL && text[i] != '\0'; i++)
        name[i] = strchr("/\\: \t\n", text[i]) != NULL || (unsigned char)text[i] < ' ' ||
                          (i == 0 && text[i] == '.')
                      ? '_'
                      : text[i];
    return name == NULL ? "" : name;
}

bool save_chain(const char *directory, const struct observation *observation, struct error *err)
{
    AUTO(arena_clear) struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, "%s: %s", directory, strerror(errno));
    for (size_t i = 0; i < observation->tls.chain_count; i++) {
        const char *path = arena_format(&arena, "%s/%s-%s-%zu.pem", directory,
                                        file_name_of(&arena, observation->host),
                                        file_name_of(&arena, observation->address), i);
        FILE *file = fopen(path, "w");
        bool is_written = file != NULL && write_pem(file, &arena, observation->tls.chain[i]);

        if ((file != NULL && fclose(file) != 0) || !is_written)
            return error_set(err, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    }
    return true;
}
