/* cli/commands.h - the subcommands; each returns an exit status. */
#pragma once

/* A contract; scripts depend on it. */
enum exit_status {
    EXIT_HEALTHY = 0,        /* nothing worse than a notice or a warning */
    EXIT_FINDINGS = 1,       /* findings that stop or untrust TLS */
    EXIT_USAGE = 2,          /* wrong usage */
    EXIT_COULD_NOT_TELL = 3, /* our own failure, no network */
};

/* argv[0] is the subcommand's name. */
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_cert(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_track(int argc, char **argv);
int cmd_send(int argc, char **argv); /* exit statuses of sysexits */

/* One line on stderr that says what was wrong and what would be right; returns EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line on stderr for our own failure; returns EXIT_COULD_NOT_TELL. */
int failure(const char *command, const char *text);
