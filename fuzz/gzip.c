/* fuzz/gzip.c - any bytes unpack within their bound or are refused in words; what is packed unpacks to the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 2 << 20 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_unpacked(struct span bytes)
{
    struct error err = { .kind = ERROR_NONE };
    struct buffer out;

    buffer_init(&out, MOST);
    if (gzip_read(bytes, &out, &err)) {
        insist(gzip_is_begun(bytes));
        insist(out.len <= GZIP_FREE_BYTES || out.len / GZIP_RATIO_MOST <= bytes.len);
    } else {
        insist(err.kind == ERROR_FORMAT && err.text[0] != '\0');
    }
    insist(out.len <= MOST);
    buffer_clear(&out);
}

static void check_packed(struct span bytes)
{
    struct buffer packed, out;
    struct error err;

    buffer_init(&packed, MOST);
    buffer_init(&out, bytes.len);
    insist(gzip_write(bytes, &packed, &err) && gzip_read(buffer_span(&packed), &out, &err));
    insist(span_equal(buffer_span(&out), bytes));
    buffer_clear(&packed);
    buffer_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { (const char *)data, size };

    check_unpacked(bytes);
    check_packed(bytes);
    return 0;
}
