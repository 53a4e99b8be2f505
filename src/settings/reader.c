#include "settings/reader.h"

#include <assert.h>
#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

enum { OPTIONS_MOST = 64 };

struct settings_reader {
    cfg_t *root;
    cfg_opt_t options[SETTINGS_SECTION_COUNT][OPTIONS_MOST];
};

/* Its error hook is given nothing of ours to write to. */
static _Thread_local struct settings_faults *faults_of_now;

static void take_complaint(cfg_t *section, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void take_complaint(cfg_t *section, const char *format, va_list arguments)
{
    char text[256];

    vsnprintf(text, sizeof text, format, arguments);
    settings_fault_add(faults_of_now, section == NULL ? 0 : (unsigned)section->line, "%s",
                       settings_fault_quote(faults_of_now, span_of(text)));
}

static cfg_opt_t option_of(const struct settings_option *option)
{
    if (option->list_most > 0)
        return (cfg_opt_t)CFG_STR_LIST(option->key, NULL, CFGF_NODEFAULT);
    return (cfg_opt_t)CFG_STR(option->key, NULL, CFGF_NODEFAULT);
}

static cfg_opt_t section_of(const struct settings_section_row *row, cfg_opt_t *options)
{
    /* Without the last flag a second section of one title would be mixed into the first. */
    if (row->title != NULL)
        return (cfg_opt_t)CFG_SEC(row->word, options,
                                  CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    return (cfg_opt_t)CFG_SEC(row->word, options, CFGF_NONE);
}

/* Its own tables from ours: everything is a text, and what texts mean is settings/value.h. */
static void build_options(struct settings_reader *reader)
{
    size_t used[SETTINGS_SECTION_COUNT] = { 0 };

    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];

        if (option->gone == NULL)
            reader->options[option->section][used[option->section]++] = option_of(option);
    }
    for (size_t i = SETTINGS_TOP + 1; i < SETTINGS_SECTION_COUNT; i++)
        reader->options[SETTINGS_TOP][used[SETTINGS_TOP]++] =
            section_of(&settings_sections[i], reader->options[i]);
    for (size_t i = 0; i < SETTINGS_SECTION_COUNT; i++) {
        assert(used[i] < OPTIONS_MOST);
        reader->options[i][used[i]] = (cfg_opt_t)CFG_END();
    }
}

bool settings_reader_open(const struct settings_outline *outline, struct settings_faults *faults,
                          struct settings_reader **reader, struct error *err)
{
    AUTO(settings_reader_close) struct settings_reader *made = memory_new(1, sizeof *made);
    size_t fault_count = faults->fault_count;

    *reader = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    build_options(made);
    made->root = cfg_init(made->options[SETTINGS_TOP], CFGF_NONE);
    if (made->root == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    cfg_set_error_function(made->root, take_complaint);
    faults_of_now = faults;
    if (outline->clean.len > 0 && cfg_parse_buf(made->root, outline->clean.data) != CFG_SUCCESS &&
        faults->fault_count == fault_count)
        settings_fault_add(faults, 0, "it cannot be parsed");
    faults_of_now = NULL;
    *reader = TAKE(made);
    return true;
}

void settings_reader_close(struct settings_reader **reader)
{
    if (*reader == NULL)
        return;
    if ((*reader)->root != NULL)
        cfg_free((*reader)->root);
    memory_free(*reader);
    *reader = NULL;
}

static cfg_opt_t *find(const struct settings_reader *reader,
                       const struct settings_outline_section *section, const char *key)
{
    cfg_t *place = reader->root;

    if (section->kind != SETTINGS_TOP)
        place =
            cfg_getnsec(place, settings_sections[section->kind].word, (unsigned)section->ordinal);
    return place == NULL ? NULL : cfg_getopt(place, key);
}

size_t settings_reader_count(const struct settings_reader *reader,
                             const struct settings_outline_section *section, const char *key)
{
    cfg_opt_t *option = find(reader, section, key);

    return option == NULL ? 0 : cfg_opt_size(option);
}

struct span settings_reader_value(const struct settings_reader *reader,
                                  const struct settings_outline_section *section, const char *key,
                                  size_t index)
{
    cfg_opt_t *option = find(reader, section, key);

    return option == NULL ? span_of("") : span_of(cfg_opt_getnstr(option, (unsigned)index));
}
