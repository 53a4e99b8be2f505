/* cli/commands.h - the subcommands; each returns an exit status. */
#pragma once

/* A contract; scripts depend on it. */
enum exit_status {
    EXIT_HEALTHY = 0,
    EXIT_FINDINGS = 1,
    EXIT_USAGE = 2,
    EXIT_COULD_NOT_TELL = 3,
};

/* argv[0] is the subcommand's name. */
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_cert(int argc, char **argv);
int cmd_lab(int argc, char **argv);
