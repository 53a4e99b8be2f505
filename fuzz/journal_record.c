/* fuzz/journal_record.c - bytes of a journal are no record, or one that is written down as the same bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "queue/journal_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 64 << 20 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_same(bool is_written, struct buffer *written, struct span bytes)
{
    insist(is_written && span_equal(buffer_span(written), bytes));
    buffer_clear(written);
}

static void check_put(struct span bytes, struct arena *arena, struct buffer *out)
{
    struct journal_put put;

    if (!journal_parse_put(bytes, arena, &put))
        return;
    insist(put.envelope.returns <= QUEUE_RETURN_HEADERS);
    insist(put.place_count == 0 || put.places != NULL);
    insist(put.recipient_count == 0 || put.recipients != NULL);
    check_same(journal_format_put(&put, out), out, bytes);
}

static void check_change(struct span bytes, struct buffer *out)
{
    struct journal_change change;

    if (!journal_parse_change(bytes, &change))
        return;
    insist(change.state < QUEUE_STATES);
    check_same(journal_format_change(&change, out), out, bytes);
}

static void check_lease(struct span bytes, struct arena *arena, struct buffer *out)
{
    struct journal_lease lease;

    if (journal_parse_lease(bytes, arena, &lease))
        check_same(journal_format_lease(&lease, out), out, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { (const char *)data, size };
    struct buffer out;
    struct arena arena;

    arena_init(&arena, ARENA);
    buffer_init(&out, size);
    check_put(bytes, &arena, &out);
    check_change(bytes, &out);
    check_lease(bytes, &arena, &out);
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}
