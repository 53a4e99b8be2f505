/* settings/check_next_keys.c - what is wrong with the keys that `postern publish` alone goes by.
 *
 * No mail depends on them, so a file without a key is warned of. */
#include "base/arena.h"
#include "link/public_key_file.h"
#include "settings/load.h"
#include "settings/value.h"

enum { KEY_BYTES = 4 << 20 };

static void check_next_key(struct settings_load *load, unsigned line, const char *path)
{
    struct error err = { ERROR_NONE, "" };
    struct arena arena;
    struct span key;

    if (load->source->leaves_files_alone || !settings_value_look_at_file(path, false, NULL))
        return; /* said already */
    arena_init(&arena, KEY_BYTES);
    if (!public_key_file_read(path, &arena, &key, &err))
        settings_fault_warn(load->faults, line, "next_key: %s", err.text);
    arena_clear(&arena);
}

void settings_check_next_keys(struct settings_load *load, size_t section,
                              const struct settings_listener *listener)
{
    unsigned line = settings_outline_line(&load->outline, section, "next_key");

    if (line == 0)
        return;
    if (listener->next_key_count > listener->certificate_count &&
        !settings_outline_is_refused(&load->outline, section, "certificate"))
        settings_fault_add(load->faults, line,
                           "%zu next keys and %zu certificates: each is the one that a certificate "
                           "has after its renewal",
                           listener->next_key_count, listener->certificate_count);
    for (size_t i = 0; i < listener->next_key_count; i++)
        check_next_key(load, line, listener->next_keys[i]);
}
