/* cli/main.c - finds the subcommand and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "cli/commands.h"

typedef int command(int argc, char **argv);

static const struct {
    const char *name, *arguments, *purpose;
    command *run;
} commands[] = {
    { "check", "[OPTIONS] TARGET...", "how mail to TARGET is protected, or why not", cmd_check },
    { "explain", "CODE", "what a finding means, at length", cmd_explain },
    { "cert", "[OPTIONS] CHAIN.pem", "judge a certificate file offline", cmd_cert },
    { "serve", "[-c FILE]", "run the gateway", cmd_serve },
    { "lab", "[OPTIONS]", "run broken servers on loopback", cmd_lab },
    { "queue", "VERB [ID | @DOMAIN]", "what waits: list, show, retry, hold...", cmd_queue },
    { "send", "[OPTIONS] [TO...]", "put a message into the queue, as sendmail", cmd_send },
    { "policy", "[OPTIONS] DOMAIN...", "the level in force for a domain, and why", cmd_policy },
    { "publish", "[OPTIONS] DOMAIN...", "zone lines of a domain of ours; what is live",
      cmd_publish },
    { "report", "DOMAIN | --day DAY", "what domains are told of us, and tell of us", cmd_report },
    { "track", "[OPTIONS]", "the story of a message: from whom, how, what end", cmd_track },
};

static void print_usage(FILE *out)
{
    fputs("usage: postern COMMAND ...\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-8s %-20s %s\n", commands[i].name, commands[i].arguments,
                commands[i].purpose);
    fputs("\nEach command takes --help. Manual pages: postern(1), postern-check(1).\n", out);
}

int usage_error(const char *command_name, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "postern %s: ", command_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (postern %s --help)\n", command_name);
    return EXIT_USAGE;
}

int failure(const char *command_name, const char *text)
{
    fprintf(stderr, "postern %s: %s\n", command_name, text);
    return EXIT_COULD_NOT_TELL;
}

static bool is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash == NULL ? path : slash + 1, name) == 0;
}

/* What was closed for us must not be a socket of ours by chance: stands for it what fails likewise. */
static void fill_standard_descriptors(void)
{
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What did not reach its reader was not told, but for a reader who has left (| head), and for mail:
 * what was taken is taken, and a program that hears otherwise sends it twice. */
static int finish(command *ran, int status)
{
    if (status != EXIT_HEALTHY || ran == cmd_send)
        return status;
    if ((fflush(stdout) == 0 && ferror(stdout) == 0) || errno == EPIPE)
        return status;
    fprintf(stderr, "postern: writing the answer: %s\n", strerror(errno));
    return EXIT_COULD_NOT_TELL;
}

static int run_mailq(int argc, char **argv)
{
    static char list[] = "list";
    char **words = memory_new((size_t)argc + 2, sizeof *words);
    int status;

    if (words == NULL)
        return failure("queue", "no memory");
    words[0] = argv[0];
    words[1] = list;
    for (int i = 1; i < argc; i++)
        words[i + 1] = argv[i];
    status = finish(cmd_queue, cmd_queue(argc + 1, words));
    memory_free(words);
    return status;
}

/* Under the names that programs have always called. -1: it is not one of them. */
static int run_as_sendmail(int argc, char **argv)
{
    if (is_called(argv[0], "sendmail"))
        return cmd_send(argc, argv);
    if (is_called(argv[0], "mailq"))
        return run_mailq(argc, argv);
    return is_called(argv[0], "newaliases") ? EXIT_HEALTHY : -1;
}

static int run(int argc, char **argv)
{
    int status = argc > 0 ? run_as_sendmail(argc, argv) : EXIT_USAGE;

    if (status >= 0)
        return status;
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish(commands[i].run, commands[i].run(argc - 1, argv + 1));
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("postern " POSTERN_VERSION);
        return finish(NULL, EXIT_HEALTHY);
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_usage(stdout);
        return finish(NULL, EXIT_HEALTHY);
    }
    if (argc > 1)
        fprintf(stderr, "postern: there is no command \"%s\"; postern --help names them all\n",
                argv[1]);
    else
        print_usage(stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    fill_standard_descriptors();
    return run(argc, argv);
}
