/* fuzz/certificate.c - any bytes give facts that are safe to print, by both ways of reading them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/anchors.h"
#include "trust/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_text(const char *text)
{
    insist(text != NULL && text_is_utf8(span_of(text)));
    for (; *text != '\0'; text++)
        insist((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_facts(const struct certificate *facts)
{
    const char *const texts[] = { facts->subject,     facts->issuer,
                                  facts->common_name, facts->serial,
                                  facts->key,         facts->signature,
                                  facts->sha256,      facts->spki_sha256,
                                  facts->issuer_url,  facts->issuer_common_name };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        check_text(texts[i]);
    for (size_t i = 0; i < facts->name_count; i++)
        check_text(facts->names[i]);
    for (size_t i = 0; i < facts->address_count; i++)
        check_text(facts->addresses[i]);
    insist(strlen(facts->sha256) == 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span der = { (const char *)data, size };
    struct anchors *anchors = anchors_new();
    struct certificate facts;
    struct arena arena;
    struct error err;

    arena_init(&arena, 32 << 20);
    certificate_read(&arena, der, &facts);
    check_facts(&facts);
    /* OpenSSL also takes some BER, the light walk does not: only memory could go wrong here. */
    insist(anchors_add(anchors, der, &err) || err.kind == ERROR_FORMAT);
    insist(anchors_newest_s(anchors) == 0 || anchors_count(anchors) == 1);
    anchors_free(&anchors);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
