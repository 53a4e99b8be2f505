#include "cli/track_options.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "diagnose/catalogue.h"
#include "queue/id.h"
#include "trust/policy.h"

enum { STORIES = 1000, STORIES_MOST = 100000 };

enum track_option {
    OPTION_FROM = 256,
    OPTION_TO,
    OPTION_ID,
    OPTION_MESSAGE_ID,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_DESTINATION,
    OPTION_FINDING,
    OPTION_FAILED,
    OPTION_IN_THE_CLEAR,
    OPTION_WOULD,
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
    { "until", "TIME", "not later than that", OPTION_UNTIL },
    { "destination", "DOMAIN", "messages to that domain, or that next hop", OPTION_DESTINATION },
    { "finding", "CODE", "messages with that finding in their story", OPTION_FINDING },
    { "in-the-clear", NULL, "[DOMAIN] each recipient that left without TLS, and why",
      OPTION_IN_THE_CLEAR },
    { "would", "LEVEL", "[DOMAIN] what LEVEL would have refused of all sessions", OPTION_WOULD },
    { "failed", NULL, "sessions with us that failed, in place of messages", OPTION_FAILED },
    { "most", "N", "so many at most (1000)", OPTION_MOST },
    { "json", NULL, "one JSON object a story", OPTION_JSON },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "track", rows, ARRAY_SIZE(rows) };

void track_options_print_help(void)
{
    puts("usage: postern track [OPTIONS] [DOMAIN]\n"
         "\n"
         "Tells what became of messages: accepted when and from whom, every attempt,\n"
         "the end. Times are UTC. DOMAIN goes with --in-the-clear and --would.\n");
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

/* Every session is verified, so that these can be told of each; what a domain publishes is not looked up yet. */
static bool read_level(const char *value, const char **level)
{
    enum policy_level known;

    *level = value;
    return (policy_level_parse(span_of(value), &known) &&
            (known == POLICY_ENCRYPT || known == POLICY_VERIFY || known == POLICY_SECURE)) ||
           options_refuse(&table, "would", value, "encrypt, verify or secure");
}

static bool read_time(const char *name, const char *value, int64_t now_s, int64_t *time_s)
{
    return read_since(value, now_s, time_s) ||
           options_refuse(&table, name, value, "a time, or such as 2h or 3d");
}

static bool take_option(struct track_options *options, int option, const char *value, int64_t now_s)
{
    struct tracking_query *query = &options->query;

    switch (option) {
    case 'c': options->settings_file = value; return true;
    case OPTION_FROM: query->sender = without_brackets(value); return true;
    case OPTION_TO: query->recipient = without_brackets(value); return true;
    case OPTION_ID:
        return queue_id_parse(span_of(value), &query->id) ||
               options_refuse(&table, "id", value, "the id of a message");
    case OPTION_MESSAGE_ID: query->message_id = span_of(value); return true;
    case OPTION_SINCE: return read_time("since", value, now_s, &query->since_s);
    case OPTION_UNTIL: return read_time("until", value, now_s, &query->until_s);
    case OPTION_DESTINATION: query->destination = span_of(value); return true;
    case OPTION_FINDING:
        query->finding = span_of(value);
        return catalogue_find(value) != NULL ||
               options_refuse(&table, "finding", value,
                              "the code of a finding; postern explain --list names them all");
    case OPTION_IN_THE_CLEAR: query->in_the_clear = true; return true;
    case OPTION_WOULD: return read_level(value, &options->level);
    case OPTION_FAILED: query->notes = true; return true;
    case OPTION_MOST: return read_most(value, &query->most);
    case OPTION_JSON: options->as_json = true; return true;
    case 'h': options->wants_help = true; return true;
    default: return false;
    }
}

/* Sessions belong to no sender and no message. */
static bool asks_for_messages(const struct tracking_query *query)
{
    return query->id != 0 || query->sender.len > 0 || query->recipient.len > 0 ||
           query->message_id.len > 0 || query->finding.len > 0;
}

/* One of the three at a time, and with a domain two of them. */
static bool check(struct track_options *options, int argc, char **argv, int rest)
{
    int kinds = options->query.notes + options->query.in_the_clear + (options->level != NULL);

    if (kinds > 1) {
        usage_error("track", "one of --failed, --in-the-clear and --would at a time");
        return false;
    }
    if ((options->level != NULL || options->query.notes) && asks_for_messages(&options->query)) {
        usage_error("track",
                    "--failed and --would tell of sessions: of them the time can be asked for");
        return false;
    }
    if (rest < argc && (options->query.in_the_clear || options->level != NULL))
        options->query.destination = span_of(argv[rest++]);
    if (rest + 1 == argc && !options->query.notes && kinds == 0)
        usage_error("track",
                    "\"%s\": --destination DOMAIN or --to ADDRESS asks for messages; DOMAIN alone "
                    "goes with --in-the-clear and --would",
                    argv[rest]);
    else if (rest < argc)
        usage_error("track", "\"%s\" is too much", argv[rest]);
    return rest == argc;
}

bool track_options_parse(int argc, char **argv, int64_t now_s, struct track_options *options)
{
    const char *value;
    int option, rest;

    *options = (struct track_options){ .query.most = STORIES };
    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(options, option, value, now_s))
            return false;
    return check(options, argc, argv, rest);
}
