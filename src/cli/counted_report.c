#include "cli/counted_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/counted_report_page.h"
#include "cli/queue_access.h"
#include "cli/terminal.h"
#include "trust/names.h"

enum { LIST_ARENA = 256 << 20, ARENA_BYTES = 64 << 20, PAGE_BYTES = 16 << 20, LISTED_MOST = 50000 };

struct command {
    const struct counted_report_options *options;
    struct queue_access access;
    struct database database;
    struct arena arena;
    struct report_style style;
    const char *domain;
    int64_t now_s;
    bool has_failures;
};

/* ---- telling ---- */

/* As gateway/profile.h has it. */
static void sign(struct command *command, struct arena *arena, struct tls_report *report)
{
    const struct settings_reports *ours = &command->access.settings->reports;
    const char *hostname = command->access.hostname;

    report->organization = ours->organization != NULL ? ours->organization : hostname;
    report->contact =
        ours->contact != NULL ? ours->contact : arena_format(arena, "postmaster@%s", hostname);
}

static bool print_json(const struct tls_report *report, struct arena *arena)
{
    const char *json = tls_report_write(report, arena);

    return json != NULL && puts(json) != EOF;
}

static bool print_page(const struct command *command, const struct tls_file_entry *entry,
                       const struct tls_report *report, struct arena *arena)
{
    AUTO(buffer_clear) struct buffer out;
    const struct counted_report counted = { entry, report, command->now_s,
                                            command->access.settings->reports.send != 0 };

    buffer_init(&out, PAGE_BYTES);
    return counted_report_page(&counted, &command->style, arena, &out) &&
           fwrite(out.data, 1, out.len, stdout) == out.len;
}

static bool tell(struct command *command, const struct tls_file_entry *entry, struct error *err)
{
    AUTO(arena_clear) struct arena arena;
    struct tls_report report;

    arena_init(&arena, ARENA_BYTES);
    if (!tls_file_load(&command->database, entry->day, entry->domain, &arena, &report, err))
        return false;
    sign(command, &arena, &report);
    command->has_failures |= entry->failures > 0;
    return (command->options->as_json ? print_json(&report, &arena)
                                      : print_page(command, entry, &report, &arena)) ||
           error_set(err, ERROR_SYSTEM, "writing failed");
}

static bool tell_all(struct command *command, struct error *err)
{
    struct tls_file_entry *entries;
    size_t count;

    if (!tls_file_list(&command->database, command->options->day, command->domain, LISTED_MOST,
                       &command->arena, &entries, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !command->options->as_json)
            putchar('\n');
        if (!tell(command, &entries[i], err))
            return false;
    }
    if (count == 0 && !command->options->as_json)
        puts("No session like that is counted.");
    return true;
}

/* ---- sending ---- */

static bool hurry(struct command *command, struct error *err)
{
    struct database database;
    int64_t found;
    bool is_done;

    if (!command->access.settings->reports.send)
        return error_set(err, ERROR_USAGE, "nothing is sent: send of the section reports is no");
    if (!tls_file_open(&database, command->access.settings->state_dir, NULL,
                       err)) /* it is there, for it was looked into */
        return false;
    is_done = tls_file_hurry(&database, command->options->day, command->domain, command->now_s,
                             &found, err);
    database_close(&database);
    if (!is_done)
        return false;
    if (found == 0)
        fputs("postern report: nothing of a day that is over waits to be sent\n", stderr);
    else
        fprintf(stderr, "postern report: %" PRId64 " report%s due now, for the gateway to send\n",
                found, found == 1 ? " is" : "s are");
    return true;
}

/* ---- the command ---- */

static bool run(struct command *command, struct error *err)
{
    const struct counted_report_options *options = command->options;

    if (options->domain != NULL) {
        command->domain = names_normalize(&command->arena, span_of(options->domain));
        if (command->domain == NULL)
            return error_set(err, ERROR_USAGE, "\"%s\" is not a domain name",
                             text_printable(&command->arena, span_of(options->domain), false));
    }
    return queue_access_load(&command->access, options->settings_file, err) &&
           tls_file_look(&command->database, command->access.settings->state_dir, err) &&
           (!options->sends || hurry(command, err)) && tell_all(command, err);
}

int counted_report_tell(const struct counted_report_options *options)
{
    struct clock clock = clock_system();
    struct command command = { .options = options,
                               .style = terminal_style(false),
                               .now_s = clock.wall_s(&clock) };
    struct error err = { .text = "" };
    int status;

    arena_init(&command.arena, LIST_ARENA);
    if (run(&command, &err))
        status = command.has_failures ? EXIT_FINDINGS : EXIT_HEALTHY;
    else
        status = failure("report", err.text);
    if (fflush(stdout) != 0)
        status = failure("report", "writing the answer failed");
    database_close(&command.database);
    queue_access_clear(&command.access);
    arena_clear(&command.arena);
    return status;
}
