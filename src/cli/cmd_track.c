/* cli/cmd_track.c - `postern track`: the story of a message, sessions that failed, what left in the clear and what a
 * stricter level would have cost. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/ledger_page.h"
#include "cli/queue_access.h"
#include "cli/story_page.h"
#include "cli/terminal.h"
#include "cli/track_options.h"
#include "queue/tracking.h"

enum { ARENA_BYTES = 512 << 20, PAGE_BYTES = 64 << 20 };

/* What the command holds while it runs. */
struct track_command {
    struct track_options options;
    int64_t now_s;
    struct queue_access access;
    struct arena stories, arena; /* the latter for one story */
    struct buffer out;
    struct report_style style;
    struct ledger_sum sum;
};

static bool print_json(json_t *json)
{
    bool is_written = json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0;

    json_decref(json);
    return is_written && putchar('\n') != EOF;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void begin_page(struct track_command *command, struct queue_page *page)
{
    arena_init(&command->arena, ARENA_BYTES);
    *page = (struct queue_page){ .arena = &command->arena,
                                 .now_s = command->now_s,
                                 .with_utf8 = command->style.with_utf8 };
    page_init(&page->page, &command->out, command->style.columns, command->style.with_colour);
}

static bool end_page(struct track_command *command, const struct queue_page *page)
{
    bool is_written = !page->page.has_failed && !command->arena.exhausted &&
                      fwrite(command->out.data, 1, command->out.len, stdout) == command->out.len;

    buffer_clear(&command->out);
    arena_clear(&command->arena);
    return is_written;
}

static bool print_story(struct track_command *command, const struct tracking_story *story)
{
    const struct tracking_query *query = &command->options.query;
    struct queue_page page;

    if (command->options.as_json)
        return print_json(story_page_json(story));
    begin_page(command, &page);
    if (query->notes)
        story_page_note(&page, story);
    else if (query->in_the_clear)
        ledger_page_entry(&page, story);
    else
        story_page_message(&page, story);
    ledger_page_count(&command->sum, story);
    return end_page(command, &page);
}

static bool print_sum(struct track_command *command)
{
    struct queue_page page;

    begin_page(command, &page);
    ledger_page_sum(&page, &command->sum);
    return end_page(command, &page);
}

/* ---- stories -------------------------------------------------------------------------------- */

static const char *nothing_of(const struct tracking_query *query)
{
    if (query->notes)
        return "No session has failed like that.";
    return query->in_the_clear ? "Nothing left in the clear, as far as tracking goes back."
                               : "Tracking knows of no message like that.";
}

static int print_stories(struct track_command *command, const struct tracking_story *stories,
                         size_t count)
{
    const struct track_options *options = &command->options;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !options->as_json)
            putchar('\n');
        if (!print_story(command, &stories[i]))
            return failure("track", "writing failed");
    }
    if (count == 0 && !options->as_json)
        puts(nothing_of(&options->query));
    if (count > 0 && options->query.in_the_clear && !options->as_json && !print_sum(command))
        return failure("track", "writing failed");
    if (count == options->query.most)
        fprintf(stderr, "postern track: the first %zu are shown; --since or --most shows others\n",
                count);
    return count == 0 ? EXIT_FINDINGS : EXIT_HEALTHY;
}

static int tell_stories(struct track_command *command, const char *folder)
{
    struct tracking_story *stories;
    struct error err = { 0 };
    size_t count;

    if (!tracking_find(folder, &command->options.query, &command->stories, &stories, &count, &err))
        return failure("track", err.text);
    return print_stories(command, stories, count);
}

/* ---- another level -------------------------------------------------------------------------- */

static bool print_shadow(struct track_command *command, const struct tracking_shadow *shadow)
{
    const struct track_options *options = &command->options;
    struct queue_page page;

    if (options->as_json)
        return print_json(ledger_page_shadow_json(options->level, shadow, options->query.most));
    begin_page(command, &page);
    ledger_page_shadow(&page, options->level, options->query.destination, shadow,
                       options->query.most);
    return end_page(command, &page);
}

static int tell_shadow(struct track_command *command, const char *folder)
{
    const struct track_options *options = &command->options;
    struct tracking_shadow shadow;
    struct error err = { 0 };

    if (!tracking_shadow_find(folder, options->level, &options->query, &command->stories, &shadow,
                              &err))
        return failure("track", err.text);
    if (shadow.all.sessions == 0 && !options->as_json)
        puts("Tracking knows of no session like that.");
    else if (!print_shadow(command, &shadow))
        return failure("track", "writing failed");
    return shadow.all.sessions == 0 ? EXIT_FINDINGS : EXIT_HEALTHY;
}

static int run(struct track_command *command)
{
    struct error err = { 0 };
    const char *folder;

    if (!queue_access_load(&command->access, command->options.settings_file, &err))
        return failure("track", err.text);
    folder = arena_format(&command->stories, "%s/tracking", command->access.settings->state_dir);
    return command->options.level == NULL ? tell_stories(command, folder)
                                          : tell_shadow(command, folder);
}

int cmd_track(int argc, char **argv)
{
    struct clock clock = clock_system();
    struct track_command command = { .now_s = clock.wall_s(&clock),
                                     .style = terminal_style(false) };
    int status = EXIT_USAGE;

    arena_init(&command.stories, ARENA_BYTES);
    arena_init(&command.arena, ARENA_BYTES);
    buffer_init(&command.out, PAGE_BYTES);
    if (track_options_parse(argc, argv, command.now_s, &command.options)) {
        if (command.options.wants_help)
            track_options_print_help();
        status = command.options.wants_help ? EXIT_HEALTHY : run(&command);
        if (fflush(stdout) != 0)
            status = failure("track", "writing the answer failed");
    }
    queue_access_clear(&command.access);
    arena_clear(&command.stories);
    return status;
}
