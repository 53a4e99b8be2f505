/* cli/cmd_check.c - `postern check`: runs checkups and prints what they found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/check_files.h"
#include "cli/check_options.h"
#include "cli/check_output.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "diagnose/checkup.h"
#include "net/dns.h"
#include "net/https.h"
#include "net/loop.h"

enum { ARENA_BYTES = 16 << 20, AT_ONCE = 8, HOSTNAME_BYTES = 256 };

/* One target of the command line. */
struct target {
    struct check *check;
    struct checkup_run *run;
    struct checkup *checkup; /* NULL until it is done; owned by the run */
};

/* All of one `postern check`. */
struct check {
    struct check_options options;
    struct arena arena;
    struct clock clock;
    struct check_files files;
    struct check_output output;
    struct loop *loop;
    struct dns *dns;
    struct https *https;
    struct checkup_settings settings;
    struct target *targets;
    int started, printed, running;
    bool has_failed;
    struct error err;
};

static void start_targets(struct check *check);

static void show_progress(void *owner, const char *what)
{
    const struct target *target = owner;
    const struct check *check = target->check;

    if (check->options.target_count == 1)
        terminal_progress(what);
}

/* In the order of the command line, whatever order they end in; what is printed is freed. */
static void print_what_is_done(struct check *check)
{
    while (check->printed < check->started) {
        struct target *target = &check->targets[check->printed];

        if (target->checkup == NULL)
            return;
        terminal_progress(NULL);
        if (!check_output_checkup(&check->output, target->checkup, &check->err))
            check->has_failed = true;
        check->printed++;
    }
}

static void finish_target(void *owner, struct checkup *checkup)
{
    struct target *target = owner;
    struct check *check = target->check;

    target->checkup = checkup;
    check->running--;
    print_what_is_done(check);
    start_targets(check);
    if (check->running == 0)
        loop_stop(check->loop);
}

static void start_targets(struct check *check)
{
    while (!check->has_failed && check->running < AT_ONCE &&
           check->started < check->options.target_count) {
        struct target *target = &check->targets[check->started];

        target->check = check;
        if (!checkup_start(&check->settings, check->options.targets[check->started], finish_target,
                           show_progress, target, &target->run, &check->err)) {
            check->has_failed = true;
            return;
        }
        check->started++;
        check->running++;
    }
}

/* Only a domain needs look-ups, and starting a resolver costs time. */
static bool needs_dns(const struct check_options *options)
{
    for (int i = 0; options->connect == NULL && i < options->target_count; i++)
        if (checkup_needs_dns(options->targets[i]))
            return true;
    return false;
}

static const char *find_hostname(struct check *check)
{
    char name[HOSTNAME_BYTES];

    if (check->options.hostname != NULL)
        return check->options.hostname;
    if (gethostname(name, sizeof name) != 0 || memchr(name, '\0', sizeof name) == NULL ||
        name[0] == '\0')
        return "localhost";
    return arena_copy(&check->arena, span_of(name));
}

static bool prepare(struct check *check, struct error *err)
{
    const struct check_options *options = &check->options;
    const struct dns_settings resolver = { .resolver = options->resolver,
                                           .trust_anchor = options->trust_anchor };

    if (!loop_open(&check->loop, err))
        return false;
    if (needs_dns(options) && !dns_open(check->loop, &resolver, &check->dns, err))
        return error_wrap(err, "starting the resolver");
    if (needs_dns(options) && !https_open(check->loop, &check->https, err))
        return error_wrap(err, "starting the HTTPS client");
    check->targets = memory_new((size_t)options->target_count, sizeof *check->targets);
    if (check->targets == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the targets");
    check->settings = (struct checkup_settings){
        .hostname = find_hostname(check),
        .level = options->level,
        .requires_tls = options->requires_tls,
        .port = options->port,
        .connect = options->connect,
        .name = options->name,
        .anchors = check->files.anchors,
        .intermediates = check->files.intermediates,
        .credentials = check->files.credentials,
        .tlsa = options->tlsa,
        .tlsa_count = options->tlsa_count,
        .fingerprint = options->fingerprint,
        .timeout_ms = options->timeout_ms,
        .with_experiments = !options->without_experiments,
        .as_others = options->as_others,
        .with_transcript = options->is_verbose,
        .self = &check->files.self,
        .clock = &check->clock,
        .loop = check->loop,
        .dns = check->dns,
        .https = check->https,
        .sts_port = options->sts_port,
        .private_addresses = options->private_addresses,
    };
    return true;
}

/* The exit status for a failure of ours: what the person asked for wrongly is usage. */
static int report_failure(const struct error *err)
{
    if (err->kind == ERROR_USAGE)
        return usage_error("check", "%s", err->text);
    return failure("check", err->text);
}

static int run_targets(struct check *check)
{
    if (!prepare(check, &check->err))
        return report_failure(&check->err);
    start_targets(check);
    if (check->running > 0)
        loop_run(check->loop);
    terminal_progress(NULL);
    if (check->has_failed)
        return report_failure(&check->err);
    if (!check_output_end(&check->output, &check->err))
        return report_failure(&check->err);
    return check->output.exit_status;
}

static void clear(struct check *check)
{
    for (int i = 0; check->targets != NULL && i < check->options.target_count; i++)
        checkup_close(&check->targets[i].run);
    memory_free(check->targets);
    https_close(&check->https);
    dns_close(&check->dns);
    loop_close(&check->loop);
    check_files_clear(&check->files);
    check_output_clear(&check->output);
    arena_clear(&check->arena);
}

int cmd_check(int argc, char **argv)
{
    AUTO(clear) struct check check = { .clock = clock_system() };

    arena_init(&check.arena, ARENA_BYTES);
    if (!check_options_parse(argc, argv, &check.arena, &check.options))
        return EXIT_USAGE;
    if (check.options.wants_help) {
        check_options_print_help();
        return EXIT_HEALTHY;
    }
    if (!check_files_load(&check.files, &check.options, &check.clock, &check.arena, &check.err))
        return report_failure(&check.err);
    check_output_init(&check.output, &check.options, terminal_style(check.options.is_verbose));
    if (check.options.from_observation != NULL) {
        if (!check_output_saved(&check.output, check.options.from_observation, &check.arena,
                                &check.err))
            return report_failure(&check.err);
        return check.output.exit_status;
    }
    return run_targets(&check);
}
