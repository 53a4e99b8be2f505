/* fuzz/tlsa.c - TLSA text that parses is written and read again alike; judging it is safe, alone and as a set. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trust/dane.h"

enum { SET_MOST = 16 };

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

/* Records as they come in one answer: each behind its length. RFC 7671 section 9: whatever the set, of the usable ones
 * of each usage and selector at least one counts. */
static void check_set(struct arena *arena, struct span input)
{
    struct dane_record records[SET_MOST];
    size_t count = 0, usable = 0, counting = 0;

    while (input.len > 0 && count < SET_MOST) {
        size_t len = (unsigned char)span_take(&input);

        count += dane_from_wire(span_part(input, 0, len), &records[count]);
        input = span_part(input, len, input.len);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_usable = dane_usability(&records[i]) == DANE_USABLE;

        check_record(arena, &records[i]);
        usable += is_usable;
        counting += is_usable && !dane_is_outdone(records, count, i);
    }
    insist((usable > 0) == (counting > 0));
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
    check_set(&arena, input);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
