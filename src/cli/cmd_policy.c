/* cli/cmd_policy.c - `postern policy`: the level in force for a domain, which line says so, and what is published. */
#include <stdio.h>

#include "base/buffer.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/policy_look.h"
#include "cli/policy_page.h"
#include "cli/queue_access.h"
#include "cli/terminal.h"

enum { ARENA_BYTES = 16 << 20, PAGE_BYTES = 16 << 20, OPTION_JSON = 256, OPTION_OFFLINE };

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "json", NULL, "one JSON object a domain", OPTION_JSON },
    { "offline", NULL, "asks nobody: the settings, and what is kept",
      OPTION_OFFLINE },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "policy", rows, ARRAY_SIZE(rows) };

/* What the command holds while it runs. */
struct policy_command {
    const char *settings_file;
    bool as_json, wants_help, is_offline;
    struct policy_look *look;
    struct clock clock;
    struct queue_access access;
    struct report_style style;
    struct arena arena; /* for one domain */
    struct buffer out;
};

static void print_help(void)
{
    puts("usage: postern policy [OPTIONS] DOMAIN...\n"
         "\n"
         "Says how the gateway protects mail to a domain, where that mail goes, and which\n"
         "line of the settings says so; then what the domain publishes (TLSA records,\n"
         "an MTA-STS policy), and what each of its hosts has to show. Nobody is dialled.\n");
    options_print(&table);
    puts("\nExit status: 0 all is told, 2 wrong usage, no domain, or faults in the settings,\n"
         "3 it could not be told.");
}

static bool parse(int argc, char **argv, struct policy_command *command, int *rest)
{
    const char *value;
    int option;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, rest)) != OPTIONS_END) {
        if (option == OPTIONS_REFUSED)
            return false;
        command->settings_file = option == 'c' ? value : command->settings_file;
        command->as_json |= option == OPTION_JSON;
        command->is_offline |= option == OPTION_OFFLINE;
        command->wants_help |= option == 'h';
    }
    if (*rest == argc && !command->wants_help)
        usage_error("policy", "which domain?");
    return *rest < argc || command->wants_help;
}

static bool print_json(struct policy_command *command, const struct policy_answer *answer)
{
    json_t *json = policy_page_json(answer, &command->arena);
    bool is_written = json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0;

    json_decref(json);
    return is_written && putchar('\n') != EOF;
}

static bool print_page(struct policy_command *command, const struct policy_answer *answer)
{
    struct page page;

    page_init(&page, &command->out, command->style.columns, command->style.with_colour);
    policy_page_put(&page, answer, &command->arena);
    return !page.has_failed && !command->arena.exhausted &&
           fwrite(command->out.data, 1, command->out.len, stdout) == command->out.len;
}

static int print_domain(struct policy_command *command, const char *name)
{
    struct policy_answer answer;
    struct error err = { ERROR_NONE, "" };
    bool is_written;

    if (!policy_answer_find(command->access.settings, name, &command->arena, &answer))
        return usage_error("policy", "\"%.255s\" is not a domain", name);
    if (!policy_look_at(command->look, &answer, &command->arena, &err))
        return failure("policy", err.text);
    is_written = command->as_json ? print_json(command, &answer) : print_page(command, &answer);
    return is_written ? EXIT_HEALTHY : failure("policy", "writing the answer failed");
}

static int print_domains(struct policy_command *command, char **names, int count)
{
    int status = EXIT_HEALTHY;

    for (int i = 0; i < count && status == EXIT_HEALTHY; i++) {
        arena_init(&command->arena, ARENA_BYTES);
        buffer_init(&command->out, PAGE_BYTES);
        if (i > 0 && !command->as_json)
            putchar('\n');
        status = print_domain(command, names[i]);
        buffer_clear(&command->out);
        arena_clear(&command->arena);
    }
    return status;
}

static int run(struct policy_command *command, char **names, int count)
{
    struct error err = { ERROR_NONE, "" };

    if (!queue_access_load(&command->access, command->settings_file, &err)) {
        failure("policy", err.text);
        return err.kind == ERROR_FORMAT ? EXIT_USAGE : EXIT_COULD_NOT_TELL;
    }
    if (!policy_look_open(command->access.settings, &command->clock, command->is_offline,
                          &command->look, &err))
        return failure("policy", err.text);
    return print_domains(command, names, count);
}

int cmd_policy(int argc, char **argv)
{
    struct policy_command command = { .style = terminal_style(false), .clock = clock_system() };
    int status = EXIT_HEALTHY, rest = argc;

    if (!parse(argc, argv, &command, &rest))
        return EXIT_USAGE;
    if (command.wants_help)
        print_help();
    else
        status = run(&command, argv + rest, argc - rest);
    policy_look_close(&command.look);
    queue_access_clear(&command.access);
    if (fflush(stdout) != 0)
        status = failure("policy", "writing the answer failed");
    return status;
}
