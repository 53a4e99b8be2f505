/* fuzz/tlsa.c - TLSA text that parses is written and read again alike, and judging it is safe. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trust/dane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_record(struct arena *arena, const struct dane_record *record)
{
    struct dane_record again;
    const char *text = dane_format(arena, record);

    insist(dane_parse(arena, span_of(text), &again, NULL));
    insist(again.usage == record->usage && again.selector == record->selector &&
           again.matching == record->matching && span_equal(again.data, record->data));
    insist(dane_usability_text(dane_usability(record)) != NULL);
    insist(!dane_match(record, record->data) || record->matching == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size };
    struct dane_record record;
    struct arena arena;
    struct error err;

    arena_init(&arena, 16 << 20);
    if (dane_parse(&arena, input, &record, &err))
        check_record(&arena, &record);
    else
        insist(memchr(err.text, '\0', sizeof err.text) != NULL);
    if (dane_from_wire(input, &record))
        check_record(&arena, &record);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
