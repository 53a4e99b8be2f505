/* cli/cmd_report.c - `postern report`: TLS reports, RFC 8460. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/counted_report.h"
#include "cli/options.h"
#include "cli/received_report.h"

enum { OPTION_READ = 256, OPTION_RECEIVED, OPTION_DAY, OPTION_SEND, OPTION_JSON, DAY_S = 86400 };

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "read", NULL, "reports of others in each FILE: JSON, gzip or mail; - is stdin", OPTION_READ },
    { "received", NULL, "the reports of others that are kept, of DOMAIN or of all",
      OPTION_RECEIVED },
    { "day", "DAY", "those about that day: 2026-11-21", OPTION_DAY },
    { "send", NULL, "ours of days that are over are sent now", OPTION_SEND },
    { "json", NULL, "one JSON object a report; ours as RFC 8460 has it", OPTION_JSON },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "report", rows, ARRAY_SIZE(rows) };

struct report_command {
    bool reads, lists, has_day, wants_help;
    struct counted_report_options counted;
    struct received_report_options received;
};

static void print_help(void)
{
    puts("usage: postern report [OPTIONS] DOMAIN | --day DAY [DOMAIN]\n"
         "       postern report --read [OPTIONS] FILE...\n"
         "       postern report --received [OPTIONS] [DOMAIN]\n"
         "\n"
         "Tells what our TLS sessions with the servers of a domain showed, which is what\n"
         "the domain is told of us; or what others report of their sessions with us, and\n"
         "what we saw of them.\n");
    options_print(&table);
    puts("\nExit status: 0 no session failed, 1 some did, 2 wrong usage, 3 a report could\n"
         "not be read, or it could not be told.");
}

static bool read_day(const char *value, struct report_command *command)
{
    struct received_report_options *options = &command->received;

    if (!text_to_time(span_of(value), &options->since_s) || options->since_s % DAY_S != 0)
        return options_refuse(&table, "day", value, "a day, such as 2026-11-21");
    options->until_s = options->since_s + DAY_S - 1;
    command->counted.day = options->since_s / DAY_S;
    command->has_day = true;
    return true;
}

static bool take_option(struct report_command *command, int option, const char *value)
{
    switch (option) {
    case 'c': command->counted.settings_file = command->received.settings_file = value; return true;
    case OPTION_READ: command->reads = true; return true;
    case OPTION_RECEIVED: command->lists = true; return true;
    case OPTION_DAY: return read_day(value, command);
    case OPTION_SEND: command->counted.sends = true; return true;
    case OPTION_JSON: command->counted.as_json = command->received.as_json = true; return true;
    case 'h': command->wants_help = true; return true;
    default: return false; /* and it was said why */
    }
}

static bool refuse(const char *why)
{
    usage_error("report", "%s", why);
    return false;
}

/* What is left of the command line are files, or a domain. */
static bool take_rest(struct report_command *command, int argc, char **argv, int rest)
{
    struct received_report_options *received = &command->received;

    if (command->reads && command->lists)
        return refuse("one of --read and --received");
    if ((command->reads || command->lists) && command->counted.sends)
        return refuse("--send is for reports of ours");
    received->files = (const char *const *)&argv[rest];
    received->count = (size_t)(argc - rest);
    if (command->reads && received->count == 0)
        return refuse("which file?");
    if (!command->reads && received->count > 1)
        return refuse("one domain at a time");
    if (!command->reads && received->count == 1)
        command->counted.domain = received->domain = argv[rest];
    if (!command->reads && !command->lists && received->count == 0 && !command->has_day)
        return refuse("which domain, or which day (--day)?");
    return true;
}

static bool parse(int argc, char **argv, struct report_command *command)
{
    const char *value;
    int option, rest;

    *command = (struct report_command){ .received.until_s = INT64_MAX, .counted.day = -1 };
    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (!take_option(command, option, value))
            return false;
    return command->wants_help || take_rest(command, argc, argv, rest);
}

int cmd_report(int argc, char **argv)
{
    struct report_command command;

    if (!parse(argc, argv, &command))
        return EXIT_USAGE;
    if (command.wants_help) {
        print_help();
        return EXIT_HEALTHY;
    }
    if (command.reads)
        return received_report_read_files(&command.received);
    return command.lists ? received_report_list(&command.received)
                         : counted_report_tell(&command.counted);
}
