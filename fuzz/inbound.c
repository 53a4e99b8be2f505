/* fuzz/inbound.c - a saved inbound observation that was tampered with is refused or judged, never more.
 *
 * What is read gives at most one finding, with its proof and nothing that could upset a terminal, and
 * the same one again when it is saved and read once more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/judge.h"
#include "link/inbound_observation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 * 1024 * 1024 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_text(const char *text)
{
    insist(text != NULL && text[0] != '\0');
    for (; *text != '\0'; text++)
        insist((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void judge(const struct inbound_observation *seen, struct arena *arena,
                  struct findings *findings)
{
    judge_inbound(seen, arena, findings);
    insist(findings->count <= 1);
    for (size_t i = 0; i < findings->count; i++) {
        check_text(findings->items[i].cause);
        check_text(findings->items[i].remedy);
        insist(findings->items[i].evidence_count > 0);
        for (size_t k = 0; k < findings->items[i].evidence_count; k++)
            check_text(findings->items[i].evidence[k]);
    }
}

/* The texts of the peer are escaped as they are read, so they change but once. */
static void judge_again(const struct inbound_observation *first, struct arena *arena,
                        const struct findings *before)
{
    static struct inbound_observation second;
    static struct findings after;
    struct error err = { .kind = ERROR_NONE };
    json_t *saved = inbound_observation_to_json(first);

    insist(saved != NULL);
    insist(inbound_observation_from_json(saved, arena, &second, &err));
    judge(&second, arena, &after);
    insist(after.count == before->count);
    insist(after.count == 0 || strcmp(after.items[0].code, before->items[0].code) == 0);
    json_decref(saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct inbound_observation seen;
    static struct findings findings;
    struct error err = { .kind = ERROR_NONE };
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    struct arena arena;

    if (json == NULL)
        return 0;
    arena_init(&arena, ARENA_BYTES);
    if (inbound_observation_from_json(json, &arena, &seen, &err)) {
        judge(&seen, &arena, &findings);
        judge_again(&seen, &arena, &findings);
    } else {
        insist(err.kind != ERROR_NONE && err.text[0] != '\0');
    }
    arena_clear(&arena);
    json_decref(json);
    return 0;
}
