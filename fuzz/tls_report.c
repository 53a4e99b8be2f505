/* fuzz/tls_report.c - the JSON of a TLS report; what can be read can be written, and read again the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trust/tls_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_clear) struct arena arena;
    struct tls_report report, again;
    struct error err = { 0 };
    const char *once, *twice;

    arena_init(&arena, 64 << 20);
    if (!tls_report_read((struct span){ (const char *)data, size }, &arena, &report, &err)) {
        assert(err.kind != ERROR_NONE && err.text[0] != '\0');
        return 0;
    }
    once = tls_report_write(&report, &arena);
    assert(once != NULL);
    if (!tls_report_read(span_of(once), &arena, &again, &err))
        abort();
    twice = tls_report_write(&again, &arena);
    assert(twice != NULL && strcmp(once, twice) == 0);
    return 0;
}
