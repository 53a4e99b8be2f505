#include "settings/load.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "link/trust_files.h"
#include "settings/value.h"

enum { ARENA_BYTES = 256 << 20, READ_MOST = 16 << 20 };

/* The struct that the keys of a section are stored in. */
static void *struct_of(struct settings *settings, const struct settings_outline_section *section)
{
    if (section->kind == SETTINGS_LISTENER)
        return &settings->listeners[section->ordinal];
    if (section->kind == SETTINGS_DOMAIN)
        return &settings->domains[section->ordinal];
    if (section->kind == SETTINGS_POLICY)
        return &settings->policies[section->ordinal];
    return settings;
}

/* Defaults go the way of what is written, so that there is one meaning of a text. */
static void store_default(struct settings_load *load, const struct settings_option *option,
                          void *place)
{
    struct settings_value_context context = { &load->settings->arena, true };
    struct span rest = span_of(option->fallback), values[QUEUE_SCHEDULE_RETRIES];
    size_t count = 0, wrong;
    bool is_stored;

    while (rest.len > 0 && count < ARRAY_SIZE(values))
        values[count++] = span_take_until(&rest, ' ');
    is_stored = settings_value_store(option, values, count, place, &context, &wrong, NULL);
    assert(is_stored || load->settings->arena.exhausted);
    (void)is_stored;
}

static void store_defaults(struct settings_load *load, enum settings_section kind, void *place)
{
    for (size_t i = 0; i < settings_option_count; i++)
        if (settings_options[i].section == kind && settings_options[i].fallback != NULL)
            store_default(load, &settings_options[i], place);
}

/* What is wrong with one value of a list, and with those behind it. */
static void name_values(struct settings_load *load,
                        const struct settings_outline_statement *statement,
                        const struct span *values, size_t count, struct error *err)
{
    struct settings_value_context context = { &load->scratch, load->source->leaves_files_alone };
    const struct settings_option *option = statement->option;

    for (size_t i = 0; i < count; i++)
        if (i == 0 || !settings_value_try(option, values[i], &context, err))
            settings_fault_add(load->faults, statement->line, "%s: \"%s\" %s", option->key,
                               settings_fault_quote(load->faults, values[i]), err->text);
}

static void store_statement(struct settings_load *load,
                            struct settings_outline_statement *statement)
{
    const struct settings_outline_section *section = &load->outline.sections[statement->section];
    const struct settings_option *option = statement->option;
    struct settings_value_context context = { &load->settings->arena,
                                              load->source->leaves_files_alone };
    size_t count = settings_reader_count(load->reader, section, option->key), wrong;
    struct span *values = arena_new(&load->scratch, count + 1, sizeof *values);
    struct error err = { ERROR_NONE, "" };

    if (values == NULL || (count == 0 && option->list_most == 0))
        return; /* no memory, or the reader has said what is wrong */
    for (size_t i = 0; i < count; i++)
        values[i] = settings_reader_value(load->reader, section, option->key, i);
    if (count == 0 && option->type == SETTINGS_DURATION) {
        statement->is_refused = true;
        settings_fault_add(load->faults, statement->line, "%s is an empty list", option->key);
    } else if (!settings_value_store(option, values, count, struct_of(load->settings, section),
                                     &context, &wrong, &err)) {
        statement->is_refused = true;
        name_values(load, statement, values + wrong, count - wrong, &err);
    }
}

/* --- sections and their names --- */

static void name_listener(struct settings_load *load,
                          const struct settings_outline_section *section)
{
    struct settings_listener *listener = &load->settings->listeners[section->ordinal];
    struct error err;

    listener->line = section->line;
    if (!settings_value_address(span_of(section->title), &listener->address, &err))
        settings_fault_add(load->faults, section->line, "listener: \"%s\" %s",
                           settings_fault_quote(load->faults, span_of(section->title)), err.text);
}

static void name_domain(struct settings_load *load, const struct settings_outline_section *section)
{
    struct settings_domain *domain = &load->settings->domains[section->ordinal];
    const char *why;

    domain->line = section->line;
    domain->name = settings_value_name(span_of(section->title), &load->settings->arena, &why);
    if (domain->name != NULL && domain->name[0] != '.')
        return;
    settings_fault_add(load->faults, section->line, "domain: \"%s\" is not a domain name%s",
                       settings_fault_quote(load->faults, span_of(section->title)),
                       domain->name == NULL ? why : "; each domain is named by itself");
    domain->name = "";
}

static void name_policy(struct settings_load *load, const struct settings_outline_section *section)
{
    const struct settings_value_context context = { &load->settings->arena, true };
    struct settings_policy *policy = &load->settings->policies[section->ordinal];
    struct error err;

    policy->line = section->line;
    policy->name = arena_copy(&load->settings->arena, span_of(section->title));
    if (strcmp(section->title, "default") == 0) {
        load->settings->default_policy = policy;
        return;
    }
    if (!settings_value_pattern(span_of(section->title), &context, &policy->pattern, &err))
        settings_fault_add(load->faults, section->line, "policy: \"%s\" %s",
                           settings_fault_quote(load->faults, span_of(section->title)), err.text);
}

static void begin_section(struct settings_load *load,
                          const struct settings_outline_section *section)
{
    if (settings_sections[section->kind].title == NULL)
        return; /* there once, and has its defaults */
    store_defaults(load, section->kind, struct_of(load->settings, section));
    if (section->kind == SETTINGS_LISTENER)
        name_listener(load, section);
    else if (section->kind == SETTINGS_DOMAIN)
        name_domain(load, section);
    else
        name_policy(load, section);
}

/* The policy for all that no other is for, where the file has none. */
static void add_default_policy(struct settings_load *load)
{
    struct settings *settings = load->settings;
    struct settings_policy *policy = &settings->policies[settings->policy_count];

    if (settings->default_policy != NULL)
        return;
    store_defaults(load, SETTINGS_POLICY, policy);
    policy->name = "default";
    settings->default_policy = policy;
    settings->policy_count++;
}

static bool make_room(struct settings_load *load)
{
    struct settings *settings = load->settings;
    struct arena *arena = &settings->arena;

    for (size_t i = 1; i < load->outline.section_count; i++) {
        enum settings_section kind = load->outline.sections[i].kind;

        settings->listener_count += kind == SETTINGS_LISTENER;
        settings->domain_count += kind == SETTINGS_DOMAIN;
        settings->policy_count += kind == SETTINGS_POLICY;
    }
    settings->listeners =
        arena_new(arena, settings->listener_count + 1, sizeof *settings->listeners);
    settings->domains = arena_new(arena, settings->domain_count + 1, sizeof *settings->domains);
    settings->policies = arena_new(arena, settings->policy_count + 1, sizeof *settings->policies);
    return !arena->exhausted;
}

static void fill(struct settings_load *load)
{
    for (int kind = 0; kind < SETTINGS_SECTION_COUNT; kind++)
        if (settings_sections[kind].title == NULL)
            store_defaults(load, (enum settings_section)kind, load->settings);
    for (size_t i = 1; i < load->outline.section_count; i++)
        begin_section(load, &load->outline.sections[i]);
    for (size_t i = 0; i < load->outline.statement_count; i++)
        store_statement(load, &load->outline.statements[i]);
    add_default_policy(load);
}

/* --- a whole load --- */

static bool read_parts(struct settings_load *load, struct error *err)
{
    load->settings->file = arena_copy(&load->settings->arena, span_of(load->source->name));
    if (!settings_outline_read(load->source->text, &load->scratch, &load->outline, load->faults,
                               err) ||
        !settings_reader_open(&load->outline, load->faults, &load->reader, err))
        return false;
    if (make_room(load)) {
        fill(load);
        settings_check(load);
    }
    settings_reader_close(&load->reader);
    if (load->settings->arena.exhausted || load->scratch.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    return true;
}

/* What went wrong, in one sentence; the faults say more. */
static bool count_faults(const struct settings_faults *faults, struct error *err)
{
    if (faults->fault_count == 0)
        return true;
    return error_set(err, ERROR_FORMAT, "%s has %zu fault%s", faults->file, faults->fault_count,
                     faults->fault_count == 1 ? "" : "s");
}

bool settings_load_text(const struct settings_source *source, struct settings **settings,
                        struct settings_faults *faults, struct error *err)
{
    AUTO(settings_free) struct settings *made = memory_new(1, sizeof *made);
    struct settings_load load = { .source = source, .settings = made, .faults = faults };
    bool is_read;

    *settings = NULL;
    settings_fault_init(faults, source->name);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    arena_init(&made->arena, ARENA_BYTES);
    arena_init(&load.scratch, ARENA_BYTES);
    if (source->text.len > SETTINGS_FILE_MOST) {
        settings_fault_add(faults, 0, "it is larger than %d MiB", SETTINGS_FILE_MOST >> 20);
        is_read = true;
    } else {
        is_read = read_parts(&load, err);
    }
    arena_clear(&load.scratch);
    settings_fault_sort(faults);
    if (!is_read || !count_faults(faults, err))
        return false;
    *settings = TAKE(made);
    return true;
}

bool settings_load(const char *path, struct settings **settings, struct settings_faults *faults,
                   struct error *err)
{
    struct settings_source source = { .name = path };
    struct error why = { ERROR_NONE, "" };
    struct buffer text;
    bool is_loaded;

    *settings = NULL;
    buffer_init(&text, READ_MOST);
    if (!settings_value_look_at_file(path, false, &why) || !trust_files_read(path, &text, &why)) {
        buffer_clear(&text);
        settings_fault_init(faults, path);
        settings_fault_add(faults, 0, "%s", why.text);
        return error_set(err, why.kind, "%s: %s", path, why.text);
    }
    source.text = buffer_span(&text);
    is_loaded = settings_load_text(&source, settings, faults, err);
    buffer_clear(&text);
    return is_loaded;
}

void settings_free(struct settings **settings)
{
    struct arena arena;

    if (*settings == NULL)
        return;
    arena = (*settings)->arena;
    arena_clear(&arena);
    memory_free(*settings);
    *settings = NULL;
}
