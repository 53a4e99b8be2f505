#include "diagnose/catalogue.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/span.h"
#include "diagnose/catalogue_rows.h"

enum { FILLED_BYTES = 16 * 1024 };

/* In the order in which a delivery meets them, then what we are told as receivers. */
static const struct {
    const struct catalogue_row *rows;
    const size_t *count;
} tables[] = {
    { catalogue_rows_smtp, &catalogue_rows_smtp_count },
    { catalogue_rows_tls, &catalogue_rows_tls_count },
    { catalogue_rows_certificate, &catalogue_rows_certificate_count },
    { catalogue_rows_policy, &catalogue_rows_policy_count },
    { catalogue_rows_inbound, &catalogue_rows_inbound_count },
    { catalogue_rows_publish, &catalogue_rows_publish_count },
};

static const struct {
    const struct catalogue_variant *variants;
    const size_t *count;
} variant_tables[] = {
    { catalogue_variants, &catalogue_variants_count },
    { catalogue_variants_dns, &catalogue_variants_dns_count },
    { catalogue_variants_inbound, &catalogue_variants_inbound_count },
    { catalogue_variants_publish, &catalogue_variants_publish_count },
};

size_t catalogue_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        count += *tables[i].count;
    return count;
}

const struct catalogue_row *catalogue_row(size_t index)
{
    size_t i = 0;

    for (; i < ARRAY_SIZE(tables) && index >= *tables[i].count; i++)
        index -= *tables[i].count;
    assert(i < ARRAY_SIZE(tables));
    return &tables[i].rows[index];
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
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(variant_tables); i++)
        count += *variant_tables[i].count;
    return count;
}

const struct catalogue_variant *catalogue_variant(size_t index)
{
    size_t i = 0;

    for (; i < ARRAY_SIZE(variant_tables) && index >= *variant_tables[i].count; i++)
        index -= *variant_tables[i].count;
    assert(i < ARRAY_SIZE(variant_tables));
    return &variant_tables[i].variants[index];
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
