/* fuzz/saved_checkup.c - a saved checkup that was tampered with is refused in words, or judged, shown and saved again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/report.h"
#include "diagnose/report_json.h"
#include "diagnose/saved_checkup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 256 << 20, PAGE_MOST = 64 << 20 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_shown(const struct checkup *checkup)
{
    const struct report_style style = { .with_transcript = true, .columns = 80 };
    json_t *json = report_json_checkup(checkup);
    struct buffer page;

    insist(json != NULL);
    json_decref(json);
    buffer_init(&page, PAGE_MOST);
    insist(report_checkup(checkup, &style, &page));
    for (size_t i = 0; i < page.len; i++)
        insist(page.data[i] == '\n' ||
               ((unsigned char)page.data[i] >= ' ' && page.data[i] != 0x7f));
    buffer_clear(&page);
}

static void check_again(const struct checkup *checkup, struct arena *arena)
{
    json_t *saved = saved_checkup_to_json(checkup), *again;
    struct checkup *read;
    struct error err;

    insist(saved != NULL && saved_checkup_from_json(saved, arena, &read, &err));
    again = saved_checkup_to_json(read);
    insist(again != NULL);
    for (size_t i = 0; i < 2; i++) { /* what was asked for is made printable with each reading */
        static const char *const asked[] = { "target", "domain" };

        json_object_del(saved, asked[i]);
        json_object_del(again, asked[i]);
    }
    insist(json_equal(saved, again));
    json_decref(saved);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    struct error err = { .kind = ERROR_NONE };
    struct checkup *checkup;
    struct arena arena;

    if (json == NULL)
        return 0;
    arena_init(&arena, ARENA);
    if (saved_checkup_from_json(json, &arena, &checkup, &err)) {
        check_shown(checkup);
        check_again(checkup, &arena);
    } else {
        insist(err.kind != ERROR_NONE && err.text[0] != '\0');
    }
    arena_clear(&arena);
    json_decref(json);
    return 0;
}
