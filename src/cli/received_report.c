#include "cli/received_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/queue_access.h"
#include "cli/received_report_page.h"
#include "cli/terminal.h"
#include "gateway/received_report.h"

enum {
    ARENA_BYTES = RECEIVED_REPORT_ARENA_BYTES + (256 << 20), /* the report, and what failed here */
    PAGE_BYTES = 64 << 20,
    PIECE_BYTES = 16 * 1024,
};

struct command {
    const struct received_report_options *options;
    struct queue_access access;
    const char *state_dir; /* NULL: none is known */
    struct report_style style;
    int64_t now_s;
    size_t told;
    bool has_failures, has_trouble;
};

static void complain(struct command *command, const char *what, const char *why)
{
    fprintf(stderr, "postern report: %s: %s\n", what, why);
    command->has_trouble = true;
}

/* Without settings there is nothing of our own to compare with; those that are named have to be there. */
static bool load_settings(struct command *command, struct error *err)
{
    static const char usual_file[] = "/etc/postern/postern.conf";

    if (command->options->settings_file == NULL && access(usual_file, F_OK) != 0)
        return true;
    if (!queue_access_load(&command->access, command->options->settings_file, err))
        return false;
    command->state_dir = command->access.settings->state_dir;
    return true;
}

/* ---- telling ---- */

static bool print_page(struct command *command, const struct received_report_entry *entry,
                       struct arena *arena)
{
    struct received_report_page page = { .arena = arena, .with_utf8 = command->style.with_utf8 };
    struct buffer out;
    struct page laid_out;
    bool is_written;

    buffer_init(&out, PAGE_BYTES);
    page_init(&laid_out, &out, command->style.columns, command->style.with_colour);
    page.page = &laid_out;
    if (command->told > 0)
        page_end_line(&laid_out);
    received_report_page_put(&page, entry);
    is_written = !laid_out.has_failed && !arena->exhausted &&
                 fwrite(out.data, 1, out.len, stdout) == out.len;
    buffer_clear(&out);
    return is_written;
}

static bool print_json(const struct received_report_entry *entry, struct arena *arena)
{
    json_t *json = received_report_page_json(entry, arena);
    bool is_written = json != NULL && !arena->exhausted &&
                      json_dumpf(json, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;

    json_decref(json);
    return is_written;
}

/* What failed here at that time; NULL: nobody knows. */
static const struct inbound_failures *look_up(struct command *command,
                                              const struct tls_report *report, struct arena *arena)
{
    struct inbound_failures *failures = arena_new(arena, 1, sizeof *failures);
    struct error err;

    if (command->state_dir == NULL || failures == NULL)
        return NULL;
    if (inbound_history_failures(command->state_dir, report->start_s, report->end_s, arena,
                                 failures, &err))
        return failures;
    complain(command, "what failed here is not known", err.text);
    return NULL;
}

static bool tell(struct command *command, struct received_report_entry *entry, struct arena *arena)
{
    static const struct inbound_failures none;
    struct received_join join;
    bool is_told;

    entry->failures = look_up(command, entry->report, arena);
    if (!received_join_make(entry->report, entry->failures == NULL ? &none : entry->failures, arena,
                            &join))
        return false;
    entry->join = &join;
    is_told =
        command->options->as_json ? print_json(entry, arena) : print_page(command, entry, arena);
    command->told++;
    command->has_failures |= received_report_failed(entry->report) > 0;
    entry->join = NULL; /* it ends here */
    return is_told;
}

/* ---- files ---- */

/* At most one octet more than a report may have. */
static bool read_stream(FILE *file, struct buffer *bytes)
{
    char piece[PIECE_BYTES];
    size_t len;

    while (bytes->len <= RECEIVED_REPORT_BYTES_MOST &&
           (len = fread(piece, 1, sizeof piece, file)) > 0)
        if (!buffer_append(bytes, (struct span){ piece, len }))
            return false;
    return ferror(file) == 0;
}

static bool read_bytes(const char *path, struct buffer *bytes, struct error *err)
{
    bool is_standard = strcmp(path, "-") == 0, is_read;
    FILE *file = is_standard ? stdin : fopen(path, "rb");

    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "%s", strerror(errno));
    errno = 0;
    is_read = read_stream(file, bytes);
    if (!is_read)
        error_set(err, ERROR_SYSTEM, "%s", errno != 0 ? strerror(errno) : "no memory");
    if (!is_standard)
        fclose(file);
    return is_read;
}

static void keep(struct command *command, const char *name, const struct received_report *received)
{
    struct error err;
    bool is_new;

    if (command->state_dir != NULL && access(command->state_dir, W_OK | X_OK) == 0 &&
        !inbound_history_keep(command->state_dir, received, command->now_s, &is_new, &err))
        fprintf(stderr, "postern report: %s is not kept: %s\n", name, err.text);
}

static void read_file(struct command *command, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct received_report_entry entry = { .file = name };
    struct received_report received;
    struct error err;
    struct arena arena;
    struct buffer bytes;

    arena_init(&arena, ARENA_BYTES);
    buffer_init(&bytes, RECEIVED_REPORT_BYTES_MOST + PIECE_BYTES);
    if (!read_bytes(path, &bytes, &err) ||
        !received_report_read(buffer_span(&bytes), &arena, &received, &err)) {
        complain(command, name, err.text);
    } else {
        entry.report = &received.report;
        if (!tell(command, &entry, &arena))
            complain(command, name, "telling of it failed");
        keep(command, name, &received);
    }
    buffer_clear(&bytes);
    arena_clear(&arena);
}

/* ---- what is kept ---- */

static bool is_about(const struct tls_report *report, const char *domain)
{
    for (size_t i = 0; i < report->policy_count; i++)
        if (domain == NULL ||
            span_equal_nocase(span_of(report->policies[i].domain), span_of(domain)))
            return true;
    return domain == NULL;
}

static bool tell_kept(void *owner, const struct inbound_kept_report *kept)
{
    struct command *command = owner;
    struct received_report_entry entry = { .received_s = kept->received_s };
    struct tls_report report;
    struct error err;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    if (!tls_report_read(kept->json, &arena, &report, &err)) {
        complain(command, "a report that was kept", err.text);
    } else if (is_about(&report, command->options->domain)) {
        entry.report = &report;
        if (!tell(command, &entry, &arena))
            complain(command, "a report that was kept", "telling of it failed");
    }
    arena_clear(&arena);
    return true;
}

/* ---- both ---- */

static int begin(struct command *command, const struct received_report_options *options)
{
    const struct clock clock = clock_system();
    struct error err;

    *command = (struct command){ .options = options,
                                 .style = terminal_style(false),
                                 .now_s = clock.wall_s(&clock) };
    return load_settings(command, &err) ? EXIT_HEALTHY : failure("report", err.text);
}

static int end(struct command *command)
{
    queue_access_clear(&command->access);
    if (fflush(stdout) != 0)
        return failure("report", "writing the answer failed");
    if (command->has_trouble)
        return EXIT_COULD_NOT_TELL;
    return command->has_failures ? EXIT_FINDINGS : EXIT_HEALTHY;
}

int received_report_read_files(const struct received_report_options *options)
{
    struct command command;
    int status = begin(&command, options);

    if (status != EXIT_HEALTHY)
        return status;
    for (size_t i = 0; i < options->count; i++)
        read_file(&command, options->files[i]);
    return end(&command);
}

int received_report_list(const struct received_report_options *options)
{
    struct command command;
    struct error err;
    int status = begin(&command, options);

    if (status != EXIT_HEALTHY)
        return status;
    if (command.state_dir == NULL)
        return failure("report", "there are no settings that say where reports are kept");
    if (!inbound_history_reports(command.state_dir, options->since_s, options->until_s, tell_kept,
                                 &command, &err))
        complain(&command, "reading what is kept", err.text);
    if (command.told == 0 && !command.has_trouble && !options->as_json)
        puts("No report like that is kept.");
    return end(&command);
}
