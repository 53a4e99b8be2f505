/* fuzz/received_report.c - whatever is sent for a TLS report is read or refused in words, within bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/gzip.h"
#include "gateway/received_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_words(const char *text)
{
    insist(*text != '\0');
    for (; *text != '\0'; text++)
        insist((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f);
}

/* What was read lies in the report's bounds, and the JSON that was kept says the same again. */
static void check_report(const struct received_report *received)
{
    struct received_report again;
    struct arena arena;
    struct error err;

    insist(received->json.len <= TLS_REPORT_BYTES_MOST);
    insist(received->report.policy_count <= TLS_REPORT_POLICIES_MOST);
    insist(received->report.start_s <= received->report.end_s);
    arena_init(&arena, RECEIVED_REPORT_ARENA_BYTES);
    insist(received_report_read(received->json, &arena, &again, &err));
    insist(strcmp(again.report.id, received->report.id) == 0);
    insist(again.report.policy_count == received->report.policy_count);
    arena_clear(&arena);
}

static void read_one(struct span bytes)
{
    struct error err = { .kind = ERROR_NONE };
    struct received_report received;
    struct arena arena;

    arena_init(&arena, RECEIVED_REPORT_ARENA_BYTES);
    if (received_report_read(bytes, &arena, &received, &err))
        check_report(&received);
    else
        check_words(err.text);
    arena_clear(&arena);
}

/* The first octet: 'z', and the rest is packed first, so that what is behind gzip's checksum is reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size };
    struct buffer packed;
    struct error err;

    if (size == 0 || span_take(&input) != 'z') {
        read_one((struct span){ (const char *)data, size });
        return 0;
    }
    buffer_init(&packed, 1 << 20);
    if (gzip_write(input, &packed, &err))
        read_one(buffer_span(&packed));
    buffer_clear(&packed);
    return 0;
}
