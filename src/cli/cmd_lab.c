/* cli/cmd_lab.c - `postern lab`: broken SMTP servers on loopback until it is told to stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "lab/faults.h"
#include "lab/lab.h"
#include "net/loop.h"

enum { FAULTS_MOST = 256, EXAM_BYTES_MOST = 1024 * 1024, PATH_BYTES = 4096 };

struct lab_options {
    const char *faults[FAULTS_MOST];
    size_t fault_count;
    uint16_t port, dns_port, sts_port;
    const char *directory; /* NULL: a temporary one */
    const char *manifest;  /* NULL: none */
    bool with_dns, as_json, judges, lists, wants_help;
};

enum lab_option {
    OPTION_LIST = 256,
    OPTION_FAULT,
    OPTION_PORT,
    OPTION_DNS,
    OPTION_DNS_PORT,
    OPTION_STS_PORT,
    OPTION_DIRECTORY,
    OPTION_MANIFEST,
    OPTION_JSON,
    OPTION_JUDGE,
};

static const struct option_row rows[] = {
    { "list", NULL, "every fault, and the finding that it shows", OPTION_LIST },
    { "fault", "NAME", "only this one; may be repeated", OPTION_FAULT },
    { "port", "N", "one port for all, each at an address of its own", OPTION_PORT },
    { "dns", NULL, "serve the signed zone lab.test for them", OPTION_DNS },
    { "dns-port", "N", "at this port of 127.0.0.1", OPTION_DNS_PORT },
    { "sts-port", "N", "the port of the web servers with their MTA-STS policies", OPTION_STS_PORT },
    { "directory", "DIR", "write the certificates here (a temporary directory)", OPTION_DIRECTORY },
    { "manifest", "FILE", "write what runs where there, as JSON", OPTION_MANIFEST },
    { "json", NULL, "the same on standard output, one line", OPTION_JSON },
    { "judge", NULL, "say at the end, and upon SIGUSR1, how senders did", OPTION_JUDGE },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "lab", rows, ARRAY_SIZE(rows) };

static void print_help(void)
{
    puts("usage: postern lab [OPTIONS]\n"
         "\n"
         "Runs SMTP servers on loopback that are broken on purpose, each in its own way,\n"
         "until it is told to stop (Ctrl-C).\n");
    options_print(&table);
    puts("\nExit status: 0 told to stop, 2 wrong usage, 3 it could not run.");
}

static bool add_fault(const char *name, struct lab_options *options)
{
    if (options->fault_count == FAULTS_MOST) {
        usage_error("lab", "more than %d faults", FAULTS_MOST);
        return false;
    }
    if (fault_find(name) == NULL) {
        usage_error("lab", "there is no fault \"%s\"; --list shows them all", name);
        return false;
    }
    options->faults[options->fault_count++] = name;
    return true;
}

static bool take_option(int option, const char *value, struct lab_options *options)
{
    switch (option) {
    case OPTION_LIST: options->lists = true; return true;
    case OPTION_FAULT: return add_fault(value, options);
    case OPTION_PORT: return options_read_port(&table, "port", value, &options->port);
    case OPTION_DNS: options->with_dns = true; return true;
    case OPTION_DNS_PORT:
        options->with_dns = true;
        return options_read_port(&table, "dns-port", value, &options->dns_port);
    case OPTION_STS_PORT:
        options->with_dns = true;
        return options_read_port(&table, "sts-port", value, &options->sts_port);
    case OPTION_DIRECTORY: options->directory = value; return true;
    case OPTION_MANIFEST: options->manifest = value; return true;
    case OPTION_JSON: options->as_json = true; return true;
    case OPTION_JUDGE: options->judges = true; return true;
    case 'h': options->wants_help = true; return true;
    default: return false;
    }
}

static bool parse_options(int argc, char **argv, struct lab_options *options)
{
    const char *value;
    int option, rest;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(option, value, options))
            return false;
    if (rest < argc)
        usage_error("lab", "\"%s\" is too much: lab takes options alone", argv[rest]);
    return rest == argc;
}

static int list_faults(void)
{
    printf("%-34s %-32s %s\n", "fault", "finding", "what the server does");
    for (size_t i = 0; i < faults_count(); i++) {
        const struct fault_row *row = fault_row(i);
        const char *code = fault_expectation_of(row).code;

        printf("%-34s %-32s %s\n", fault_name_of(row), code == NULL ? "-" : code,
               fault_summary_of(row));
    }
    return EXIT_HEALTHY;
}

/* What the command holds while it runs. */
struct bench {
    struct loop *loop;
    struct lab *lab;
    struct loop_signal *on_interrupt, *on_terminate, *on_ask;
    char directory[PATH_BYTES];
    bool has_temporary_directory;
};

static void stop(void *owner)
{
    loop_stop(owner);
}

static void print_exam(void *owner)
{
    const struct bench *bench = owner;
    struct buffer out;

    buffer_init(&out, EXAM_BYTES_MOST);
    if (lab_exam(bench->lab, &out))
        fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buffer_clear(&out);
}

static bool make_directory(struct bench *bench, const char *wanted, struct error *err)
{
    const char *temporary = getenv("TMPDIR");

    if (wanted != NULL) {
        if (realpath(wanted, bench->directory) == NULL)
            return error_set(err, ERROR_USAGE, "--directory \"%s\": %s", wanted, strerror(errno));
        return true;
    }
    snprintf(bench->directory, sizeof bench->directory, "%s/postern-lab-XXXXXX",
             temporary == NULL || temporary[0] == '\0' ? "/tmp" : temporary);
    bench->has_temporary_directory = mkdtemp(bench->directory) != NULL;
    return bench->has_temporary_directory ||
           error_set(err, ERROR_SYSTEM, "making %s: %s", bench->directory, strerror(errno));
}

static bool open_bench(struct bench *bench, const struct lab_options *options, struct error *err)
{
    struct clock clock = clock_system();
    struct lab_settings settings = {
        .faults = options->fault_count == 0 ? NULL : options->faults,
        .fault_count = options->fault_count,
        .port = options->port,
        .with_dns = options->with_dns,
        .dns_port = options->dns_port,
        .sts_port = options->sts_port,
        .now_s = clock.wall_s(&clock),
    };

    if (!loop_open(&bench->loop, err) || !make_directory(bench, options->directory, err))
        return false;
    settings.directory = bench->directory;
    return lab_open(bench->loop, &settings, &bench->lab, err) &&
           loop_on_signal(bench->loop, SIGINT, stop, bench->loop, &bench->on_interrupt, err) &&
           loop_on_signal(bench->loop, SIGTERM, stop, bench->loop, &bench->on_terminate, err) &&
           (!options->judges ||
            loop_on_signal(bench->loop, SIGUSR1, print_exam, bench, &bench->on_ask, err));
}

static void close_bench(struct bench *bench)
{
    loop_signal_close(&bench->on_interrupt);
    loop_signal_close(&bench->on_terminate);
    loop_signal_close(&bench->on_ask);
    lab_close(&bench->lab);
    loop_close(&bench->loop);
    if (bench->has_temporary_directory)
        lab_remove_files(bench->directory);
    if (bench->has_temporary_directory)
        rmdir(bench->directory);
}

/* So that the line can be given to a shell as it stands. */
static void print_word(const char *word)
{
    bool is_plain =
        word[0] != '\0' && strcspn(word, " '\"\\$&|;<>()*?[]#~`!{}\t\n") == strlen(word);

    if (is_plain)
        printf(" %s", word);
    else
        printf(" '%s'", word); /* none of ours holds a quote */
}

static void print_server(json_t *server)
{
    json_t *arguments = json_object_get(server, "arguments");
    const char *address = json_string_value(json_object_get(server, "address"));
    const char *code =
        json_string_value(json_object_get(json_object_get(server, "expect"), "code"));

    printf("\n%s: %s\n", json_string_value(json_object_get(server, "fault")),
           json_string_value(json_object_get(server, "summary")));
    if (address != NULL)
        printf("    at %s port %d", address,
               (int)json_integer_value(json_object_get(server, "port")));
    else
        printf("    in DNS alone");
    printf(", shows %s\n    postern check", code == NULL ? "nothing: it is sound" : code);
    for (size_t i = 0; i < json_array_size(arguments); i++)
        print_word(json_string_value(json_array_get(arguments, i)));
    putchar('\n');
}

static void print_table(json_t *manifest)
{
    json_t *servers = json_object_get(manifest, "servers");
    const char *dns = json_string_value(json_object_get(manifest, "dns"));

    printf("%zu servers, certificates in %s", json_array_size(servers),
           json_string_value(json_object_get(manifest, "directory")));
    if (dns != NULL)
        printf(", lab.test at %s", dns);
    putchar('\n');
    for (size_t i = 0; i < json_array_size(servers); i++)
        print_server(json_array_get(servers, i));
    puts("\nCtrl-C stops them.");
}

static bool show_manifest(const struct bench *bench, const struct lab_options *options,
                          struct error *err)
{
    json_t *manifest = lab_manifest(bench->lab);
    bool is_written = manifest != NULL;

    if (is_written && options->manifest != NULL)
        is_written = json_dump_file(manifest, options->manifest, JSON_INDENT(2)) == 0;
    if (is_written && options->as_json) {
        is_written = json_dumpf(manifest, stdout, JSON_COMPACT) == 0;
        putchar('\n');
    } else if (is_written) {
        print_table(manifest);
    }
    fflush(stdout); /* who waits for readiness waits for this */
    json_decref(manifest);
    return is_written || error_set(err, ERROR_SYSTEM, "writing the manifest%s%s failed",
                                   options->manifest == NULL ? "" : " ",
                                   options->manifest == NULL ? "" : options->manifest);
}

static int run_bench(struct bench *bench, const struct lab_options *options)
{
    struct error err = { 0 };

    if (!open_bench(bench, options, &err) || !show_manifest(bench, options, &err)) {
        if (err.kind == ERROR_USAGE)
            return usage_error("lab", "%s", err.text);
        return failure("lab", err.text);
    }
    loop_run(bench->loop);
    if (options->judges)
        print_exam(bench);
    return EXIT_HEALTHY;
}

int cmd_lab(int argc, char **argv)
{
    struct lab_options options = { 0 };
    struct bench bench = { 0 };
    int status;

    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (options.wants_help) {
        print_help();
        return EXIT_HEALTHY;
    }
    if (options.lists)
        return list_faults();
    status = run_bench(&bench, &options);
    close_bench(&bench);
    return status;
}
