/* fuzz/published.c - a saved record of what a domain publishes: read, judged, shown and written again, whatever it says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "diagnose/judge.h"
#include "diagnose/report_published.h"
#include "link/published_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_judged(const struct observed_published *published, struct arena *arena)
{
    static struct findings findings;

    findings.count = 0;
    judge_published(published, NULL, NULL, arena, &findings);
    for (size_t i = 0; i < findings.count; i++)
        insist(findings.items[i].evidence_count > 0 && findings.items[i].cause[0] != '\0');
}

static void check_shown(const struct observed_published *published, struct arena *arena)
{
    struct buffer out;
    struct page page;

    buffer_init(&out, 4 << 20);
    page_init(&page, &out, 80, false);
    report_published_write(&page, arena, published);
    insist(memchr(out.data, '\033', out.len) == NULL);
    buffer_clear(&out);
    json_decref(report_published_sts_json(published));
    json_decref(report_published_reports_json(published));
}

static void check_again(const struct observed_published *published, struct arena *arena)
{
    json_t *json = published_to_json(published);
    struct observed_published *again;
    struct error err;

    insist(json != NULL);
    insist(published_from_json(json, arena, &again, &err));
    insist(strcmp(again->domain, published->domain) == 0);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    struct observed_published *published;
    struct arena arena;
    struct error err;

    if (json == NULL)
        return 0;
    arena_init(&arena, 64 << 20);
    if (published_from_json(json, &arena, &published, &err)) {
        check_judged(published, &arena);
        check_shown(published, &arena);
        check_again(published, &arena);
    } else {
        insist(memchr(err.text, '\0', sizeof err.text) != NULL);
    }
    json_decref(json);
    arena_clear(&arena);
    return 0;
}
