/* cli/cmd_track.c - `postern track`: the story of a message, and of sessions that failed. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/queue_access.h"
#include "cli/story_page.h"
#include "cli/terminal.h"
#include "queue/id.h"
#include "queue/tracking.h"

enum { ARENA_BYTES = 512 << 20, PAGE_BYTES = 64 << 20, STORIES = 1000, STORIES_MOST = 100000 };

enum track_option {
    OPTION_FROM = 256,
    OPTION_TO,
    OPTION_ID,
    OPTION_MESSAGE_ID,
    OPTION_SINCE,
    OPTION_FAILED,
    OPTION_MOST,
    OPTION_JSON,
};

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "from", "ADDRESS", "messages of this sender", OPTION_FROM },
    { "to", "ADDRESS", "messages to this recipient", OPTION_TO },
    { "id", "ID", "the message that the queue calls so", OPTION_ID },
    { "message-id", "ID", "the message whose header says so", OPTION_MESSAGE_ID },
    { "since", "TIME", "from then on: 2026-11-21T19:05:00Z, or 2h, 3d ago", OPTION_SINCE },
    { "failed", NULL, "sessions that failed, and why, in place of messages", OPTION_FAILED },
    { "most", "N", "so many at most (1000)", OPTION_MOST },
    { "json", NULL, "one JSON object a story", OPTION_JSON },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "track", rows, ARRAY_SIZE(rows) };

/* What the command holds while it runs. */
struct track_command {
    const char *settings_file;
    struct tracking_query query;
    bool as_json, wants_help;
    int64_t now_s;
    struct queue_access access;
    struct arena stories, arena; /* the latter for one story */
    struct buffer out;
    struct report_style style;
};

static void print_help(void)
{
    puts("usage: postern track [OPTIONS]\n"
         "\n"
         "Tells what became of messages: accepted when and from whom, every attempt,\n"
         "the end. Times are UTC.\n");
    options_print(&table);
    puts("\nExit status: 0 found, 1 there is none like that, 2 wrong usage, 3 it could not\n"
         "be told.");
}

/* "2h" ago, or a time. */
static bool read_since(const char *text, int64_t now_s, int64_t *since_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
    struct span number = span_of(text);
    uint64_t count;

    if (number.len == 0)
        return false;
    number.len--;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (text[number.len] == units[i].unit && text_to_number(number, 100000, &count)) {
            *since_s = now_s - (int64_t)count * units[i].seconds;
            return true;
        }
    return text_to_time(span_of(text), since_s);
}

/* "<a@b>" as well as "a@b". */
static struct span without_brackets(const char *text)
{
    struct span span = span_of(text);

    if (span.len >= 2 && span.data[0] == '<' && span.data[span.len - 1] == '>')
        return span_part(span, 1, span.len - 2);
    return span;
}

static bool read_most(const char *value, size_t *most)
{
    uint64_t number;

    if (!text_to_number(span_of(value), STORIES_MOST, &number) || number == 0)
        return options_refuse(&table, "most", value, "a number from 1 to 100000");
    *most = (size_t)number;
    return true;
}

static bool take_option(struct track_command *command, int option, const char *value)
{
    struct tracking_query *query = &command->query;

    switch (option) {
    case 'c': command->settings_file = value; return true;
    case OPTION_FROM: query->sender = without_brackets(value); return true;
    case OPTION_TO: query->recipient = without_brackets(value); return true;
    case OPTION_ID:
        return queue_id_parse(span_of(value), &query->id) ||
               options_refuse(&table, "id", value, "the id of a message");
    case OPTION_MESSAGE_ID: query->message_id = span_of(value); return true;
    case OPTION_SINCE:
        return read_since(value, command->now_s, &query->since_s) ||
               options_refuse(&table, "since", value, "a time, or such as 2h or 3d");
    case OPTION_FAILED: query->notes = true; return true;
    case OPTION_MOST: return read_most(value, &query->most);
    case OPTION_JSON: command->as_json = true; return true;
    case 'h': command->wants_help = true; return true;
    default: return false;
    }
}

static bool parse_options(struct track_command *command, int argc, char **argv)
{
    const char *value;
    int option, rest;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(command, option, value))
            return false;
    if (rest < argc)
        usage_error("track", "\"%s\" is too much: track takes options alone", argv[rest]);
    return rest == argc;
}

static bool print_json(const struct tracking_story *story)
{
    json_t *json = story_page_json(story);
    bool is_written = json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0;

    json_decref(json);
    return is_written && putchar('\n') != EOF;
}

static bool print_story(struct track_command *command, const struct tracking_story *story)
{
    struct queue_page page = { .arena = &command->arena,
                               .now_s = command->now_s,
                               .with_utf8 = command->style.with_utf8 };
    bool is_written;

    if (command->as_json)
        return print_json(story);
    arena_init(&command->arena, ARENA_BYTES);
    page_init(&page.page, &command->out, command->style.columns, command->style.with_colour);
    if (command->query.notes)
        story_page_note(&page, story);
    else
        story_page_message(&page, story);
    is_written = !page.page.has_failed && !command->arena.exhausted &&
                 fwrite(command->out.data, 1, command->out.len, stdout) == command->out.len;
    buffer_clear(&command->out);
    arena_clear(&command->arena);
    return is_written;
}

static int print_stories(struct track_command *command, const struct tracking_story *stories,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !command->as_json)
            putchar('\n');
        if (!print_story(command, &stories[i]))
            return failure("track", "writing failed");
    }
    if (count == 0 && !command->as_json)
        puts(command->query.notes ? "No session has failed like that."
                                  : "Tracking knows of no message like that.");
    if (count == command->query.most)
        fprintf(stderr, "postern track: the first %zu are shown; --since or --most shows others\n",
                count);
    return count == 0 ? EXIT_FINDINGS : EXIT_HEALTHY;
}

static int run(struct track_command *command)
{
    struct tracking_story *stories;
    struct error err = { 0 };
    const char *folder;
    size_t count;

    if (!queue_access_load(&command->access, command->settings_file, &err))
        return failure("track", err.text);
    folder = arena_format(&command->stories, "%s/tracking", command->access.settings->state_dir);
    if (!tracking_find(folder, &command->query, &command->stories, &stories, &count, &err))
        return failure("track", err.text);
    return print_stories(command, stories, count);
}

int cmd_track(int argc, char **argv)
{
    struct clock clock = clock_system();
    struct track_command command = { .query.most = STORIES,
                                     .now_s = clock.wall_s(&clock),
                                     .style = terminal_style(false) };
    int status = EXIT_USAGE;

    arena_init(&command.stories, ARENA_BYTES);
    arena_init(&command.arena, ARENA_BYTES);
    buffer_init(&command.out, PAGE_BYTES);
    if (parse_options(&command, argc, argv)) {
        if (command.wants_help)
            print_help();
        status = command.wants_help ? EXIT_HEALTHY : run(&command);
        if (fflush(stdout) != 0)
            status = failure("track", "writing the answer failed");
    }
    queue_access_clear(&command.access);
    arena_clear(&command.stories);
    return status;
}
