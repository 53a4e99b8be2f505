/* cli/cmd_serve.c - `postern serve`: runs the gateway by a file of settings. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/serve_profile.h"
#include "cli/terminal.h"
#include "gateway/certificates.h"
#include "gateway/client_certificate.h"
#include "gateway/gateway.h"
#include "gateway/sandbox.h"
#include "net/loop.h"
#include "net/service.h"
#include "net/tls_tickets.h"
#include "settings/settings.h"

enum {
    OPTION_CHECK_CONFIG = 256,
    ARENA_BYTES = 1 << 20,
    FAULTS_BYTES = 1 << 20,
    WORDS_BYTES = 8192
};
enum { FREED_BYTES = 4 << 20 }; /* that each thread keeps for the next message */

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "check-config", NULL, "say what is wrong with them, and end", OPTION_CHECK_CONFIG },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "serve", rows, ARRAY_SIZE(rows) };

/* What a reload does not change, as it was at the start. */
struct fixed {
    const char *state_dir;
    const char *user; /* "": nobody else */
    unsigned sandbox;
    size_t workers;
    enum log_form form;
    enum settings_log_to to;
    const char *syslog_socket;
    uint32_t clients_known;
};

struct serve {
    const char *path;
    bool only_checks, wants_help;
    struct arena arena;
    struct clock clock;
    struct log log;
    struct fixed fixed;
    struct tls_tickets *tickets;
    struct gateway_profile *profile; /* the first; until it is started */
    struct loop *loop;
    struct loop_signal *hangup, *terminate, *interrupt;
    struct service *service;
    struct gateway *gateway;
    struct sandbox *sandbox; /* NULL: there is none */
    bool is_ending;
};

/* ---- settings ----------------------------------------------------------------------------- */

static int64_t wall_s(const struct serve *serve)
{
    return serve->clock.wall_s(&serve->clock);
}

static void print_faults(const struct settings_faults *faults)
{
    AUTO(buffer_clear) struct buffer text;

    buffer_init(&text, FAULTS_BYTES);
    if (!settings_fault_format(faults, &text))
        fprintf(stderr, "%s: more faults than can be told\n", faults->file);
    terminal_tell(buffer_span(&text));
}

/* A line of the file as a whole. */
static void say(const struct serve *serve, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(const struct serve *serve, const char *format, ...)
{
    AUTO(buffer_clear) struct buffer text;
    char words[WORDS_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    buffer_init(&text, FAULTS_BYTES);
    if (buffer_format(&text, "%s: %s", serve->path, words))
        terminal_tell(buffer_span(&text));
}

static void log_faults(struct serve *serve, const struct settings_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct settings_fault *fault = &faults->list[i];

        log_event(&serve->log, LOG_WARN, fault->is_warning ? "settings-warning" : "settings-fault",
                  "file=%s line=%u text=%-s", faults->file, fault->line, fault->text);
    }
}

static const char *user_of(const struct settings *settings)
{
    return settings->user == NULL ? "" : settings->user;
}

static struct fixed fix(struct serve *serve, const struct settings *settings)
{
    return (struct fixed){ .state_dir = arena_copy(&serve->arena, span_of(settings->state_dir)),
                           .user = arena_copy(&serve->arena, span_of(user_of(settings))),
                           .sandbox = settings->sandbox,
                           .workers = (size_t)settings->workers,
                           .form = settings->log,
                           .to = settings->log_to,
                           .syslog_socket =
                               arena_copy(&serve->arena, span_of(settings->syslog_socket)),
                           .clients_known = (uint32_t)settings->limits.clients_known };
}

/* Once: who becomes another user could not open the pipe of root again (base/log_sink.c). */
static void open_log(struct serve *serve)
{
    if (serve->log.clock != NULL)
        return;
    if (serve->fixed.to == SETTINGS_LOG_TO_SYSLOG)
        log_init_syslog(&serve->log, serve->fixed.form, LOG_NOTE, serve->fixed.syslog_socket,
                        &serve->clock);
    else
        log_init(&serve->log, serve->fixed.form, LOG_NOTE, STDERR_FILENO, &serve->clock);
}

/* Faults go to whoever started us. Warnings wait for the second time where there is one. */
static int read_settings(struct serve *serve, struct settings **settings)
{
    struct settings_faults faults;
    struct error err = { ERROR_NONE, "" };
    bool is_loaded = settings_load(serve->path, settings, &faults, &err);
    bool has_faults = faults.fault_count > 0;
    bool is_last = is_loaded && ((*settings)->user == NULL || geteuid() != 0);

    if (is_loaded) {
        serve->fixed = fix(serve, *settings);
        open_log(serve);
    }
    if (!is_loaded || (is_last && serve->only_checks))
        print_faults(&faults);
    else if (is_last)
        log_faults(serve, &faults);
    settings_fault_clear(&faults);
    if (is_loaded)
        return EXIT_HEALTHY;
    return has_faults ? EXIT_USAGE : failure("serve", err.text);
}

/* From root, or from nobody else: who only checks the settings may be anybody. */
static int become(struct serve *serve)
{
    const char *state_dir = serve->only_checks ? NULL : serve->fixed.state_dir;
    struct error err;

    if ((serve->only_checks && geteuid() != 0) ||
        sandbox_become(serve->fixed.user, state_dir, &err))
        return EXIT_HEALTHY;
    say(serve, "%s", err.text);
    return err.kind == ERROR_USAGE ? EXIT_USAGE : EXIT_COULD_NOT_TELL;
}

/* The first load. Where another user is to serve it is read again as that user, who has to be able to: a
 * reload reads the same files. */
static int load(struct serve *serve)
{
    struct settings *settings = NULL;
    struct error err = { ERROR_NONE, "" };
    bool was_root = geteuid() == 0;
    int status = read_settings(serve, &settings);

    if (status == EXIT_HEALTHY && serve->fixed.user[0] != '\0') {
        status = become(serve);
        if (status == EXIT_HEALTHY && was_root) {
            settings_free(&settings);
            status = read_settings(serve, &settings);
        }
    }
    if (status == EXIT_HEALTHY && !tls_tickets_new(&serve->tickets, &err))
        status = failure("serve", err.text);
    if (status != EXIT_HEALTHY) {
        settings_free(&settings);
        return status;
    }
    if (serve_profile_new(&settings, serve->tickets, wall_s(serve), &serve->profile, &err))
        return EXIT_HEALTHY;
    say(serve, "%s", err.text);
    return EXIT_USAGE;
}

/* RFC 5321 section 2.3.5: a name that others can look up. */
static bool is_short(const char *hostname)
{
    return strchr(hostname, '.') == NULL;
}

static const char short_remedy[] = "Set hostname to the full name under which others know this "
                                   "machine";

/* ---- --check-config ----------------------------------------------------------------------- */

static void print_findings(const struct serve *serve, const struct gateway_certificates *own)
{
    const struct findings *findings;
    const char *file;

    for (size_t i = 0; (findings = gateway_certificates_findings(own, i, &file)) != NULL; i++)
        for (size_t j = 0; j < findings->count; j++)
            say(serve, "%s: listener %s: certificate %s: %s: %s. To do: %s",
                findings->items[j].severity == SEVERITY_NOTICE ? "notice" : "warning",
                gateway_certificates_listener(own), file, findings->items[j].code,
                findings->items[j].cause, findings->items[j].remedy);
}

static void print_client_certificate(const struct serve *serve)
{
    const struct gateway_client_certificate *client = serve->profile->client;
    const struct findings *findings =
        client == NULL ? NULL : gateway_client_certificate_findings(client);

    for (size_t i = 0; findings != NULL && i < findings->count; i++)
        say(serve, "warning: client: %s: %s. To do: %s", findings->items[i].code,
            findings->items[i].cause, findings->items[i].remedy);
}

static int check(const struct serve *serve)
{
    for (size_t i = 0; i < serve->profile->listener_count; i++) {
        const struct gateway_certificates *own =
            gateway_profile_first_certificates(serve->profile, i);

        if (own != NULL)
            print_findings(serve, own);
    }
    print_client_certificate(serve);
    if (is_short(serve->profile->hostname))
        say(serve, "warning: our name is \"%s\", which has no domain. To do: %s",
            serve->profile->hostname, short_remedy);
    printf("%s: no fault\n", serve->path);
    return fflush(stdout) == 0 ? EXIT_HEALTHY : failure("serve", "writing the answer failed");
}

/* ---- descriptors -------------------------------------------------------------------------- */

static size_t worker_count(const struct serve *serve)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return serve->fixed.workers > 0 ? serve->fixed.workers : cores > 0 ? (size_t)cores : 1;
}

/* As many as we may have. */
static uint64_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UINT64_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        const struct rlimit raised = { limit.rlim_max, limit.rlim_max };

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

/* Where they are too few for what the settings allow, a line says so, and fewer clients are let in. */
static void fit_descriptors(struct serve *serve, struct gateway_profile *profile)
{
    uint64_t have = raise_descriptors();
    uint64_t need = serve_profile_descriptors(profile, worker_count(serve));

    if (!serve_profile_fit(profile, worker_count(serve), have))
        log_event(&serve->log, LOG_WARN, "descriptors-few",
                  "have=%llu need=%llu connections=%u remedy=%s", (unsigned long long)have,
                  (unsigned long long)need, profile->limits.connections,
                  "Only so many clients are let in at once: raise LimitNOFILE of the service "
                  "(ulimit -Hn), or lower limits.connections");
}

/* ---- signals ------------------------------------------------------------------------------ */

static void tell(struct serve *serve, enum service_state state, const char *words)
{
    struct error err;

    if (!service_tell(serve->service, state, words, &err))
        log_event(&serve->log, LOG_WARN, "service-not-told", "reason=%s", err.text);
}

/* What the new settings say and only a new start brings. */
static void log_what_waits(struct serve *serve, const struct settings *settings)
{
    const struct fixed *fixed = &serve->fixed;
    const struct {
        const char *key;
        bool differs;
    } keys[] = {
        { "state_dir", strcmp(settings->state_dir, fixed->state_dir) != 0 },
        { "user", strcmp(user_of(settings), fixed->user) != 0 },
        { "sandbox", settings->sandbox != fixed->sandbox },
        { "workers", settings->workers != fixed->workers },
        { "log", settings->log != fixed->form },
        { "log_to", settings->log_to != fixed->to },
        { "syslog_socket", strcmp(settings->syslog_socket, fixed->syslog_socket) != 0 },
        { "clients_known", settings->limits.clients_known != fixed->clients_known },
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].differs)
            log_event(&serve->log, LOG_WARN, "restart-needed", "key=%s", keys[i].key);
}

static bool load_again(struct serve *serve, struct gateway_profile **profile, struct error *err)
{
    struct settings *settings = NULL;
    struct settings_faults faults;
    bool is_loaded = settings_load(serve->path, &settings, &faults, err);

    log_faults(serve, &faults);
    settings_fault_clear(&faults);
    if (!is_loaded)
        return false;
    log_what_waits(serve, settings);
    if (!serve_profile_new(&settings, serve->tickets, wall_s(serve), profile, err) ||
        !sandbox_permits(serve->sandbox, *profile, err))
        return false;
    fit_descriptors(serve, *profile);
    return true;
}

static void reload(void *owner)
{
    struct serve *serve = owner;
    struct gateway_profile *profile = NULL;
    struct error err = { ERROR_NONE, "" };

    if (serve->is_ending || serve->gateway == NULL)
        return;
    tell(serve, SERVICE_RELOADING, "reading the settings again");
    if (load_again(serve, &profile, &err) && gateway_reload(serve->gateway, profile, &err)) {
        tell(serve, SERVICE_READY, "serving by the settings as they are now");
    } else {
        log_event(&serve->log, LOG_ERROR, "reload-failed", "reason=%s remedy=%s", err.text,
                  "The settings that were there before are in force; correct the file and send "
                  "SIGHUP again");
        tell(serve, SERVICE_READY, "serving by the settings as they were before the last reload");
    }
    gateway_profile_release(&profile);
}

static void stop(void *owner)
{
    struct serve *serve = owner;

    gateway_stop(&serve->gateway);
    loop_stop(serve->loop);
}

/* The second time somebody has lost patience. A signal may also come when the gateway is gone, or never
 * came up and its end is waited for. */
static void end(void *owner)
{
    struct serve *serve = owner;

    if (serve->gateway == NULL)
        return;
    if (serve->is_ending) {
        gateway_hurry(serve->gateway);
        return;
    }
    serve->is_ending = true;
    tell(serve, SERVICE_STOPPING, "waiting for messages that are under way");
    gateway_drain(serve->gateway, stop, serve);
}

/* ---- running ------------------------------------------------------------------------------ */

static bool open_signals(struct serve *serve, struct error *err)
{
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of a write, like any other */
    return loop_on_signal(serve->loop, SIGHUP, reload, serve, &serve->hangup, err) &&
           loop_on_signal(serve->loop, SIGTERM, end, serve, &serve->terminate, err) &&
           loop_on_signal(serve->loop, SIGINT, end, serve, &serve->interrupt, err);
}

/* Before the first thread: gateway/sandbox.h. */
static bool enter_sandbox(struct serve *serve, struct error *err)
{
    const struct sandbox_settings settings = { .state_dir = serve->fixed.state_dir,
                                               .profile = serve->profile,
                                               .log = &serve->log };

    if (geteuid() == 0)
        log_event(
            &serve->log, LOG_WARN, "running-as-root", "remedy=%s",
            "Write user = \"postern\" into the settings, make that user (systemd-sysusers), and "
            "give it state_dir and the Maildirs (chown -R postern:)");
    if (serve->fixed.sandbox)
        return sandbox_enter(&settings, &serve->sandbox, err);
    log_event(&serve->log, LOG_NOTE, "sandbox", "user=%s landlock=%u seccomp=%s",
              sandbox_user_name(), 0U, "no");
    return true;
}

static bool start(struct serve *serve, struct error *err)
{
    struct service_socket sockets[SERVICE_SOCKETS_MOST];
    size_t strangers = 0;
    struct gateway_settings settings = { .state_dir = serve->fixed.state_dir,
                                         .workers = serve->fixed.workers,
                                         .log = &serve->log,
                                         .clock = &serve->clock,
                                         .tickets = serve->tickets,
                                         .sockets = sockets };

    fit_descriptors(serve, serve->profile);
    if (is_short(serve->profile->hostname))
        log_event(&serve->log, LOG_WARN, "hostname-short", "hostname=%s remedy=%s",
                  serve->profile->hostname, short_remedy);
    if (!enter_sandbox(serve, err) || !service_open(&serve->service, err) ||
        !loop_open(&serve->loop, err) || !open_signals(serve, err))
        return false;
    settings.loop = serve->loop;
    settings.socket_count = service_take_sockets(sockets, &strangers);
    if (strangers > 0)
        log_event(&serve->log, LOG_WARN, "socket-unused", "count=%zu remedy=%s", strangers,
                  "Only sockets that listen on TCP are taken from the service manager");
    if (!gateway_start(&settings, serve->profile, &serve->gateway, err)) {
        sandbox_name_foreign(serve->fixed.state_dir, err);
        return false;
    }
    gateway_profile_release(&serve->profile);
    return true;
}

/* Whoever started us hears what no syslog daemon took; what is lost later is told in the log itself. */
static void tell_what_was_lost(const struct serve *serve, const struct error *err)
{
    unsigned lost = serve->fixed.to == SETTINGS_LOG_TO_SYSLOG ? log_lost(&serve->log) : 0;

    if (lost == 0)
        return;
    fprintf(
        stderr,
        "postern serve: no syslog daemon reads at %s: %u lines of the log are lost so far. Start "
        "one, set syslog_socket, or write log_to = stderr\n",
        serve->fixed.syslog_socket, lost);
    if (err->kind != ERROR_NONE)
        failure("serve", err->text);
}

static int run(struct serve *serve)
{
    struct error err = { ERROR_NONE, "" };
    bool is_started = start(serve, &err);

    if (!is_started)
        log_event(&serve->log, LOG_ERROR, "start-failed", "reason=%s", err.text);
    tell_what_was_lost(serve, &err);
    if (!is_started)
        return EXIT_COULD_NOT_TELL;
    tell(serve, SERVICE_READY, "serving");
    loop_run(serve->loop);
    return EXIT_HEALTHY;
}

static void clear(struct serve *serve)
{
    gateway_profile_release(&serve->profile);
    loop_signal_close(&serve->hangup);
    loop_signal_close(&serve->terminate);
    loop_signal_close(&serve->interrupt);
    if (serve->loop != NULL)
        loop_close(&serve->loop);
    service_close(&serve->service);
    tls_tickets_free(&serve->tickets);
    sandbox_free(&serve->sandbox);
    arena_clear(&serve->arena);
}

/* ---- the command line --------------------------------------------------------------------- */

static void print_help(void)
{
    puts("usage: postern serve [-c FILE] [--check-config]\n"
         "\n"
         "Runs the gateway in the foreground. SIGHUP reads the settings again, SIGTERM\n"
         "lets messages that are under way end, and stops.\n");
    options_print(&table);
    puts("\nExit status: 0 stopped as told (with --check-config: no fault), 2 wrong usage or\n"
         "faults in the settings, 3 it could not start.");
}

static bool parse(int argc, char **argv, struct serve *serve)
{
    const char *value;
    int option, rest;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END) {
        if (option == OPTIONS_REFUSED)
            return false;
        serve->path = option == 'c' ? value : serve->path;
        serve->only_checks |= option == OPTION_CHECK_CONFIG;
        serve->wants_help |= option == 'h';
    }
    if (rest < argc && !serve->wants_help)
        usage_error("serve", "there is nothing to do with \"%s\"", argv[rest]);
    return rest == argc || serve->wants_help;
}

int cmd_serve(int argc, char **argv)
{
    static struct serve serve; /* the log is shared by threads for the process's life */
    int status;

    memory_keep_freed(FREED_BYTES);
    serve.path = "/etc/postern/postern.conf";
    serve.clock = clock_system();
    if (!parse(argc, argv, &serve))
        return EXIT_USAGE;
    if (serve.wants_help) {
        print_help();
        return EXIT_HEALTHY;
    }
    arena_init(&serve.arena, ARENA_BYTES);
    status = load(&serve);
    if (status == EXIT_HEALTHY)
        status = serve.only_checks ? check(&serve) : run(&serve);
    clear(&serve);
    return status;
}
