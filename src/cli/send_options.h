/* cli/send_options.h - the command line of sendmail, which programs have spoken for forty years. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "queue/message.h"

enum send_mode {
    SEND_MESSAGE, /* -bm */
    SEND_SESSION, /* -bs: SMTP on standard input and output */
    SEND_LIST,    /* -bp: what mailq does */
    SEND_RETRY,   /* -q: all that waits is tried */
    SEND_NOTHING, /* -bi: newaliases, for there are no aliases */
};

/* Texts are borrowed from argv. NULL: not given. */
struct send_options {
    enum send_mode mode;
    const char *settings_file;
    const char *sender, *full_name;
    const char *envid; /* as it was given, not as xtext */
    enum queue_return returns;
    unsigned notify;
    bool takes_recipients, ignores_dots, is_8bit, requires_tls, is_verbose, wants_help;
    char **recipients;
    int recipient_count;
};

/* False: one line on stderr, which begins with `name`, has said what was wrong. */
MUST_CHECK bool send_options_parse(const char *name, int argc, char **argv,
                                   struct send_options *options);

void send_options_print_help(void);
