/* tests/unit/settings/options_test.c - tests that the table of options, postern.conf(5) and the sample
 * file say the same. */
#include "settings/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "link/trust_files.h"
#include "settings/outline.h"
#include "settings/value.h"
#include "trust/policy.h"
#include "unit/settings/loads.h"
#include "unit/test.h"

struct room {
    struct buffer page, sample;
    struct arena arena;
};

static void read_document(const char *path, struct buffer *text)
{
    struct error err;

    buffer_init(text, 1 << 20);
    if (!trust_files_read(path, text, &err))
        fail_msg("%s", err.text);
    assert_true(buffer_append(text, (struct span){ "", 1 }));
}

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    read_document(SOURCE_ROOT "/doc/man/postern.conf.5.scd", &room->page);
    read_document(SOURCE_ROOT "/doc/postern.conf.sample", &room->sample);
    arena_init(&room->arena, 1 << 20);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    buffer_clear(&room->page);
    buffer_clear(&room->sample);
    arena_clear(&room->arena);
    free(room);
    return 0;
}

/* A copy from `begin` up to `end`, or to the end of the text; "" where it does not begin. */
static const char *cut(struct room *room, const char *text, const char *begin, const char *end)
{
    const char *from = strstr(text, begin), *to;

    if (from == NULL)
        return "";
    to = strstr(from + strlen(begin), end);
    return arena_copy(&room->arena,
                      (struct span){ from, to == NULL ? strlen(from) : (size_t)(to - from) });
}

/* The part of the page about one section. */
static const char *section_of(struct room *room, enum settings_section section)
{
    const struct settings_section_row *row = &settings_sections[section];
    char begin[64];

    if (section == SETTINGS_TOP)
        return cut(room, room->page.data, "\n# SETTINGS OUTSIDE OF SECTIONS\n", "\n# ");
    if (row->title == NULL)
        snprintf(begin, sizeof begin, "\n# %s { }\n", row->word);
    else
        snprintf(begin, sizeof begin, "\n# %s \"%s\" { }\n", row->word, row->title);
    for (char *c = begin; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return cut(room, room->page.data, begin, "\n# ");
}

/* The part of the page about one option. */
static const char *entry_of(struct room *room, const struct settings_option *option)
{
    char begin[64];

    snprintf(begin, sizeof begin, "\n*%s* = ", option->key);
    return cut(room, section_of(room, option->section), begin, "\n*");
}

static void expect_bold(const struct settings_option *option, const char *entry, struct span word)
{
    char text[128];

    snprintf(text, sizeof text, "*%.*s*", (int)word.len, word.data);
    if (strstr(entry, text) == NULL)
        fail_msg("postern.conf(5) does not have %s at %s", text, option->key);
}

static void every_option_is_in_the_manual_page(void **state)
{
    struct room *room = *state;

    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];
        const char *entry = entry_of(room, option);

        if (option->gone != NULL)
            assert_string_equal(entry, "");
        else if (entry[0] == '\0')
            fail_msg("postern.conf(5) does not have %s in %s", option->key,
                     settings_sections[option->section].word);
    }
}

static void the_manual_page_has_each_default_bound_and_word(void **state)
{
    struct room *room = *state;

    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];
        const char *entry = entry_of(room, option);
        struct span rest = span_of(option->fallback);

        while (rest.len > 0)
            expect_bold(option, entry, span_take_until(&rest, ' '));
        for (size_t j = 0; option->words != NULL && option->words[j] != NULL; j++)
            expect_bold(option, entry, span_of(option->words[j]));
        for (int j = 0; option->type == SETTINGS_LEVEL && j < POLICY_LEVEL_COUNT; j++)
            expect_bold(option, entry, span_of(policy_level_name((enum policy_level)j)));
        if (option->least > 0)
            expect_bold(option, entry,
                        span_of(settings_value_text(option, option->least, &room->arena)));
        if (option->most > 0)
            expect_bold(option, entry,
                        span_of(settings_value_text(option, option->most, &room->arena)));
    }
}

static void the_manual_page_has_no_option_that_is_not_there(void **state)
{
    struct room *room = *state;
    size_t found = 0, there = 0;

    for (const char *at = room->page.data; (at = strstr(at, "\n*")) != NULL; at++) {
        const char *end = strchr(at + 2, '*');

        found += end != NULL && strncmp(end, "* = ", 4) == 0;
    }
    for (size_t i = 0; i < settings_option_count; i++)
        there += settings_options[i].gone == NULL;
    assert_int_equal(found, there);
}

/* The sample with what stands behind a # alone: every option, at its default where it has one. */
static char *whole_sample(const struct room *room)
{
    const char *sample = room->sample.data;
    char *text = calloc(1, room->sample.len + 1);
    size_t len = 0;

    for (size_t i = 0; sample[i] != '\0'; i++)
        if (sample[i] != '#' || !islower((unsigned char)sample[i + 1]))
            text[len++] = sample[i];
    return text;
}

static void the_sample_loads_without_a_fault(void **state)
{
    struct room *room = *state;
    struct loaded loaded = load_sound(room->sample.data);

    assert_int_equal(loaded.settings->listener_count, 1);
    assert_int_equal(loaded.settings->domain_count, 1);
    assert_int_equal(loaded.settings->policy_count, 3);
    loaded_clear(&loaded);
}

static void the_sample_has_every_option(void **state)
{
    struct room *room = *state;
    char *text = whole_sample(room);
    struct settings_faults faults;
    struct settings_outline outline;
    struct loaded loaded = load_sound(text);

    settings_fault_init(&faults, "sample");
    assert_true(settings_outline_read(span_of(text), &room->arena, &outline, &faults, NULL));
    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];
        bool is_there = option->gone != NULL;

        for (size_t j = 0; j < outline.statement_count; j++)
            is_there |= outline.statements[j].option == option;
        if (!is_there)
            fail_msg("the sample does not have %s", option->key);
    }
    settings_fault_clear(&faults);
    loaded_clear(&loaded);
    free(text);
}

/* What is shown behind a # as a default is the default. */
static void the_sample_shows_the_defaults(void **state)
{
    struct room *room = *state;

    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];
        char begin[64];
        const char *line;
        struct span rest = span_of(option->fallback);

        if (option->fallback == NULL)
            continue;
        snprintf(begin, sizeof begin, "#%s = ", option->key);
        line = cut(room, room->sample.data, begin, "\n");
        if (line[0] == '\0')
            fail_msg("the sample does not show the default of %s", option->key);
        while (rest.len > 0) {
            struct span word = span_take_until(&rest, ' ');

            if (memmem(line, strlen(line), word.data, word.len) == NULL)
                fail_msg("the sample has another default: %s", line);
        }
    }
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];

        assert_ptr_equal(settings_option_find(option->section, span_of(option->key)), option);
        if (option->gone != NULL)
            continue;
        assert_non_null(option->help);
        assert_int_not_equal(option->help[strlen(option->help) - 1], '.');
        assert_non_null(option->since);
        assert_int_equal(option->words != NULL, option->type == SETTINGS_WORD);
        assert_int_equal(option->list_most > 0, option->count_offset > 0);
        assert_true(option->least <= option->most);
    }
}

static void guesses_what_was_meant(void **state)
{
    static const struct {
        enum settings_section section;
        const char *word, *guess;
    } cases[] = {
        { SETTINGS_TOP, "hostnam", "hostname" },        { SETTINGS_TOP, "state-dir", "state_dir" },
        { SETTINGS_TOP, "Listener", "listener" },       { SETTINGS_QUEUE, "live_time", "lifetime" },
        { SETTINGS_LIMITS, "recipient", "recipients" }, { SETTINGS_TOP, "x", NULL },
        { SETTINGS_TOP, "completely_else", NULL },      { SETTINGS_TOP, "includ", NULL },
        { SETTINGS_LIMITS, "listener", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum settings_section where = cases[i].section;
        const char *guess = settings_option_guess(cases[i].section, span_of(cases[i].word), &where);

        assert_int_equal(guess == NULL, cases[i].guess == NULL);
        if (guess != NULL)
            assert_string_equal(guess, cases[i].guess);
    }
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(every_option_is_in_the_manual_page),
        PROMISE(the_manual_page_has_each_default_bound_and_word),
        PROMISE(the_manual_page_has_no_option_that_is_not_there),
        PROMISE(the_sample_loads_without_a_fault),
        PROMISE(the_sample_has_every_option),
        PROMISE(the_sample_shows_the_defaults),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(guesses_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
