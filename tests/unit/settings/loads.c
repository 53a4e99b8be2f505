/* tests/unit/settings/loads.c - settings from a text, and what was said of it. */
#include "unit/settings/loads.h"

#include <stdio.h>
#include <string.h>

#include "unit/test.h"

static void take_said(struct loaded *loaded)
{
    buffer_init(&loaded->said, 1 << 20);
    assert_true(settings_fault_format(&loaded->faults, &loaded->said));
    assert_true(buffer_append(&loaded->said, (struct span){ "", 1 }));
}

struct loaded load_span(struct span text)
{
    struct settings_source source = { "t.conf", text, true };
    struct loaded loaded = { 0 };
    bool is_loaded = settings_load_text(&source, &loaded.settings, &loaded.faults, &loaded.err);

    assert_int_equal(is_loaded, loaded.settings != NULL);
    assert_int_equal(is_loaded, loaded.faults.fault_count == 0);
    take_said(&loaded);
    return loaded;
}

struct loaded load_text(const char *text)
{
    return load_span(span_of(text));
}

void loaded_clear(struct loaded *loaded)
{
    settings_free(&loaded->settings);
    settings_fault_clear(&loaded->faults);
    buffer_clear(&loaded->said);
}

struct loaded load_sound(const char *text)
{
    struct loaded loaded = load_text(text);

    assert_string_equal(loaded.said.data, "");
    assert_non_null(loaded.settings);
    return loaded;
}

void expect_faults(const char *text, const char *said)
{
    struct loaded loaded = load_text(text);

    assert_string_equal(loaded.said.data, said);
    loaded_clear(&loaded);
}
