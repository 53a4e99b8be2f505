/* cli/cmd_publish.c - `postern publish`: what a domain of ours is to publish, and how that compares with what is live. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/publish_files.h"
#include "cli/publish_look.h"
#include "cli/publish_page.h"
#include "cli/queue_access.h"
#include "cli/terminal.h"

enum {
    ARENA_BYTES = 64 << 20,
    PAGE_BYTES = 16 << 20,
    PATH_BYTES = 4096,
    OPTION_JSON = 256,
    OPTION_OFFLINE,
    OPTION_POLICY_FILE
};

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "offline", NULL, "look nothing up; only print what is called for", OPTION_OFFLINE },
    { "policy-file", "PATH", "write the MTA-STS policy of the one DOMAIN there",
      OPTION_POLICY_FILE },
    { "json", NULL, "one JSON object a domain", OPTION_JSON },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "publish", rows, ARRAY_SIZE(rows) };

/* What the command holds while it runs. */
struct publish_command {
    const char *settings_file, *policy_file;
    bool as_json, is_offline, wants_help;
    struct queue_access access;
    struct publish_files files;
    struct publish_look *look; /* NULL: offline */
    struct clock clock;
    struct report_style style;
    struct arena arena; /* for one domain */
    struct buffer out;
    struct findings findings;
};

static void print_help(void)
{
    puts("usage: postern publish [OPTIONS] DOMAIN...\n"
         "\n"
         "Prints what our settings and certificates call for in a domain of ours: TLSA,\n"
         "the MTA-STS record and policy, where TLS reports go. Looks up what is live, and\n"
         "says what is missing, stale, or breaks with the next renewal.\n");
    options_print(&table);
    puts("\nExit status: 0 nothing worse than a warning, 1 mail is kept away or could be, 2\n"
         "wrong usage or faults in the settings, 3 it could not be told.");
}

static bool take_option(struct publish_command *command, int option, const char *value)
{
    switch (option) {
    case 'c': command->settings_file = value; break;
    case 'h': command->wants_help = true; break;
    case OPTION_JSON: command->as_json = true; break;
    case OPTION_OFFLINE: command->is_offline = true; break;
    case OPTION_POLICY_FILE: command->policy_file = value; break;
    default: return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct publish_command *command, int *rest)
{
    const char *value;
    int option;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, rest)) != OPTIONS_END)
        if (!take_option(command, option, value))
            return false;
    if (command->wants_help)
        return true;
    if (*rest == argc)
        usage_error("publish", "which domain?");
    else if (command->policy_file != NULL && *rest + 1 < argc)
        usage_error("publish", "--policy-file is for one domain, and there are %d", argc - *rest);
    else
        return true;
    return false;
}

/* ---- the policy file ---- */

static bool write_all(const char *path, const char *text, struct error *err)
{
    FILE *file = fopen(path, "wb");
    bool is_written;

    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    is_written = fchmod(fileno(file), 0644) == 0 && fputs(text, file) != EOF && fflush(file) == 0 &&
                 fsync(fileno(file)) == 0;
    is_written = fclose(file) == 0 && is_written;
    return is_written || error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
}

/* Whole or not at all: a web server may read it meanwhile. */
static bool write_policy(const char *path, const char *text, struct error *err)
{
    char beside[PATH_BYTES];

    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return error_set(err, ERROR_USAGE, "the path of the policy file is too long");
    if (!write_all(beside, text, err)) {
        unlink(beside);
        return false;
    }
    if (rename(beside, path) == 0)
        return true;
    error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    unlink(beside);
    return false;
}

/* ---- one domain ---- */

static bool print_answer(struct publish_command *command, const struct publication *publication)
{
    json_t *json;
    bool is_written;

    if (!command->as_json)
        return publish_page_put(publication, &command->findings, &command->style, &command->arena,
                                &command->out) &&
               fwrite(command->out.data, 1, command->out.len, stdout) == command->out.len;
    json = publish_page_json(publication, &command->findings, &command->arena);
    is_written =
        json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(json);
    return is_written;
}

/* What we could not look up for a reason of our own is neither right nor wrong. */
static bool is_untold(const struct publication *publication)
{
    const struct route *route = publication->route;

    if (publication->live != NULL && publication->live->failure != NULL)
        return true;
    for (size_t i = 0; route != NULL && i < route->lookup_count; i++)
        if (route->lookups[i].resolver_is_silent)
            return true;
    return false;
}

static int status_of(const struct publish_command *command, const struct publication *publication)
{
    enum severity worst;

    if (is_untold(publication))
        return EXIT_COULD_NOT_TELL;
    return findings_worst(&command->findings, &worst) && worst >= SEVERITY_UNTRUSTED ? EXIT_FINDINGS
                                                                                     : EXIT_HEALTHY;
}

static bool find_out(struct publish_command *command, struct publication *publication,
                     struct error *err)
{
    bool is_found = command->look == NULL
                        ? publish_look_at_nothing(publication, &command->arena, err)
                        : publish_look_at(command->look, publication, &command->arena, err);

    if (!is_found || !publication_compare(publication, &command->arena, err))
        return false;
    judge_publication(publication, &command->arena, &command->findings);
    if (command->policy_file == NULL)
        return true;
    return write_policy(command->policy_file, publication->policy_text, err);
}

static int publish_domain(struct publish_command *command, const char *name)
{
    const struct settings *settings = command->access.settings;
    struct error err = { ERROR_NONE, "" };
    struct publication *publication;

    if (!publish_files_begin(&command->files, settings, command->access.hostname, name,
                             command->clock.wall_s(&command->clock), &command->arena, &publication,
                             &err))
        return err.kind == ERROR_USAGE ? usage_error("publish", "%s", err.text)
                                       : failure("publish", err.text);
    if (command->policy_file != NULL && !publication->wants_sts)
        return usage_error("publish", "the settings say sts = off for %s: there is no policy",
                           publication->domain);
    if (!find_out(command, publication, &err))
        return failure("publish", err.text);
    if (!print_answer(command, publication))
        return failure("publish", "writing the answer failed");
    return status_of(command, publication);
}

/* The worst of all: what could not be told before what was found. */
static int publish_domains(struct publish_command *command, char **names, int count)
{
    int worst = EXIT_HEALTHY;

    for (int i = 0; i < count && worst != EXIT_USAGE; i++) {
        int status;

        arena_init(&command->arena, ARENA_BYTES);
        buffer_init(&command->out, PAGE_BYTES);
        if (i > 0 && !command->as_json)
            putchar('\n');
        status = publish_domain(command, names[i]);
        worst = status > worst ? status : worst;
        buffer_clear(&command->out);
        arena_clear(&command->arena);
    }
    return worst;
}

static int run(struct publish_command *command, char **names, int count)
{
    struct error err = { ERROR_NONE, "" };

    if (!queue_access_load(&command->access, command->settings_file, &err)) {
        failure("publish", err.text);
        return err.kind == ERROR_FORMAT ? EXIT_USAGE : EXIT_COULD_NOT_TELL;
    }
    command->clock = clock_system();
    if (!publish_files_read(&command->files, command->access.settings, &err) ||
        (!command->is_offline &&
         !publish_look_open(command->access.settings, command->files.anchors, &command->clock,
                            &command->look, &err)))
        return failure("publish", err.text);
    return publish_domains(command, names, count);
}

int cmd_publish(int argc, char **argv)
{
    struct publish_command command = { .style = terminal_style(false) };
    int status = EXIT_HEALTHY, rest = argc;

    if (!parse(argc, argv, &command, &rest))
        return EXIT_USAGE;
    if (command.wants_help)
        print_help();
    else
        status = run(&command, argv + rest, argc - rest);
    publish_look_close(&command.look);
    publish_files_clear(&command.files);
    queue_access_clear(&command.access);
    if (fflush(stdout) != 0)
        status = failure("publish", "writing the answer failed");
    return status;
}
