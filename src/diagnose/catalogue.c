#include "diagnose/catalogue.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/span.h"
#include "diagnose/catalogue_rows.h"

enum { FILLED_BYTES = 16 * 1024 };

size_t catalogue_count(void)
{
    return catalogue_rows_smtp_count + catalogue_rows_tls_count + catalogue_rows_trust_count +
           catalogue_rows_inbound_count;
}

const struct catalogue_row *catalogue_row(size_t index)
{
    if (index < catalogue_rows_smtp_count)
        return &catalogue_rows_smtp[index];
    index -= catalogue_rows_smtp_count;
    if (index < catalogue_rows_tls_count)
        return &catalogue_rows_tls[index];
    index -= catalogue_rows_tls_count;
    if (index < catalogue_rows_trust_count)
        return &catalogue_rows_trust[index];
    index -= catalogue_rows_trust_count;
    assert(index < catalogue_rows_inbound_count);
    return &catalogue_rows_inbound[index];
}

const struct catalogue_row *catalogue_find(const char *code)
{
    for (size_t i = 0; i < catalogue_count(); i++)
        if (strcmp(catalogue_row(i)->code, code) == 0)
            return catalogue_row(i);
    return NULL;
}

size_t catalogue_variant_count(void)
{
    return catalogue_variants_count + catalogue_variants_inbound_count;
}

const struct catalogue_variant *catalogue_variant(size_t index)
{
    if (index < catalogue_variants_count)
        return &catalogue_variants[index];
    index -= catalogue_variants_count;
    assert(index < catalogue_variants_inbound_count);
    return &catalogue_variants_inbound[index];
}

const struct catalogue_variant *catalogue_variant_find(const char *key)
{
    for (size_t i = 0; i < catalogue_variant_count(); i++)
        if (strcmp(catalogue_variant(i)->key, key) == 0)
            return catalogue_variant(i);
    return NULL;
}

/* Later values win, so that a judge can say something closer than the values of every finding. */
static const char *find_value(struct span name, const struct catalogue_value *values, size_t count)
{
    while (count > 0)
        if (span_equal(name, span_of(values[--count].name)))
            return values[count].value;
    return NULL;
}

const char *catalogue_fill(struct arena *arena, const char *template_text,
                           const struct catalogue_value *values, size_t count)
{
    AUTO(buffer_clear) struct buffer filled;
    struct span rest = span_of(template_text);

    buffer_init(&filled, FILLED_BYTES);
    while (rest.len > 0) {
        const char *value;
        bool fits;

        fits = buffer_append(&filled, span_part(rest, 0, span_find(rest, '{')));
        rest = span_part(rest, span_find(rest, '{'), rest.len);
        if (rest.len == 0 || !fits)
            break;
        (void)span_take(&rest);
        assert(span_find(rest, '}') < rest.len);
        value = find_value(span_take_until(&rest, '}'), values, count);
        assert(value != NULL);
        if (!buffer_append_text(&filled, value))
            break;
    }
    return arena_copy(arena, buffer_span(&filled));
}
