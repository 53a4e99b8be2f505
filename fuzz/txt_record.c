/* fuzz/txt_record.c - TXT records of MTA-STS and TLS reports: what is taken is whole, what is not has its reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/mta_sts.h"
#include "trust/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_flaw(enum txt_record_status answer, const char *flaw)
{
    bool is_flawed = answer == TXT_RECORD_INVALID || answer == TXT_RECORD_SEVERAL;

    insist(is_flawed == (flaw != NULL));
    insist(flaw == NULL ||
           (flaw[0] != '\0' && text_is_ascii(span_of(flaw)) && strchr(flaw, '\n') == NULL));
}

static void check_sts(const struct span *texts, size_t count, struct arena *arena)
{
    const char *id, *flaw, *again;
    enum txt_record_status answer = mta_sts_record_read(texts, count, arena, &id, &flaw);
    struct span text;

    check_flaw(answer, flaw);
    insist((answer == TXT_RECORD_VALID) == (id != NULL));
    if (id == NULL)
        return;
    insist(strlen(id) >= 1 && strlen(id) <= MTA_STS_ID_MOST);
    text = span_of(arena_format(arena, "v=STSv1;id=%s", id));
    insist(mta_sts_record_read(&text, 1, arena, &again, &flaw) == TXT_RECORD_VALID);
    insist(strcmp(id, again) == 0);
}

static void check_reports(const struct span *texts, size_t count, struct arena *arena)
{
    struct tlsrpt_record record, again;
    const char *flaw;
    enum txt_record_status answer = tlsrpt_record_read(texts, count, arena, &record, &flaw);

    check_flaw(answer, flaw);
    insist((answer == TXT_RECORD_VALID) == (record.count > 0));
    insist(record.count <= TLSRPT_URIS_MOST);
    for (size_t i = 0; i < record.count; i++) {
        struct span text = span_of(arena_format(arena, "v=TLSRPTv1;rua=%s", record.uris[i]));

        insist(tlsrpt_record_read(&text, 1, arena, &again, &flaw) == TXT_RECORD_VALID);
        insist(again.count == 1 && strcmp(again.uris[0], record.uris[i]) == 0);
    }
}

/* Lines are records of one name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size }, texts[8];
    struct arena arena;
    size_t count = 0;

    arena_init(&arena, 64 << 20);
    while (input.len > 0 && count < ARRAY_SIZE(texts))
        texts[count++] = span_take_until(&input, '\n');
    check_sts(texts, count, &arena);
    check_reports(texts, count, &arena);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
