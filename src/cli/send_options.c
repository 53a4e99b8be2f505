#include "cli/send_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* Options end at the first recipient; those that sendmail has and we take and ignore are here too. */
static const char letters[] = "+:A:B:C:F:GIL:N:O:R:UV:X:b:c:e:f:h:imno:p:q::r:tvx";

enum { REQUIRE_TLS = 256, HELP };
static const struct option long_options[] = { { "require-tls", no_argument, NULL, REQUIRE_TLS },
                                              { "help", no_argument, NULL, HELP },
                                              { NULL, 0, NULL, 0 } };

void send_options_print_help(void)
{
    puts("usage: postern send [OPTIONS] [--] [RECIPIENT...] < MESSAGE\n"
         "\n"
         "Puts a message into the queue, as sendmail does; also when called sendmail.\n"
         "Exit status 0 means that the message is on stable storage.\n"
         "\n"
         "  -t           recipients from To, Cc and Bcc too; Bcc is removed in any case\n"
         "  -f ADDRESS   the sender; <> is nobody (also -r)\n"
         "  -F NAME      the sender's name, for a message without From\n"
         "  -i           a line of one dot does not end the message (also -oi)\n"
         "  -N WHEN      report never, or at any of success,failure,delay\n"
         "  -R WHAT      return full or hdrs with a report\n"
         "  -V ENVID     a name that reports are to carry\n"
         "  -B TYPE      7BIT or 8BITMIME\n"
         "  --require-tls\n"
         "               REQUIRETLS: authenticated TLS on the whole way, or back to the\n"
         "               sender; also -O requiretls=yes\n"
         "  -c FILE      settings (/etc/postern/postern.conf); also -C\n"
         "  -v           say under which id it was taken\n"
         "  -b MODE      m: take a message; s: speak SMTP on standard input and output;\n"
         "               p: list the queue; i: nothing\n"
         "  -q           try everything that waits\n"
         "  --help       this text\n"
         "\n"
         "-A -G -I -L -U -X -e -h -m -n -o -p -x are taken and ignored, as are other -O.\n"
         "\n"
         "Exit status: those of sysexits. 0 taken, 64 wrong usage, 65 no message that can\n"
         "be sent, 67 a recipient that is no address, 69 too large, 71 no memory, 74 the\n"
         "input could not be read, 75 not now, 77 not allowed, 78 settings with faults.");
}

/* What a program was told to pass on may hold anything. */
static bool refuse(const char *name, const char *text, const char *value)
{
    AUTO(arena_clear) struct arena arena;

    arena_init(&arena, 65536);
    fprintf(stderr, "%s: %s\"%s\"\n", name, text,
            text_printable(&arena, text_front(span_of(value), 1000), true));
    return false;
}

/* NOTIFY of RFC 3461 section 4.1. */
static bool read_notify(const char *name, const char *value, unsigned *notify)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = { { "never", QUEUE_NOTIFY_NEVER },
                  { "success", QUEUE_NOTIFY_SUCCESS },
                  { "failure", QUEUE_NOTIFY_FAILURE },
                  { "delay", QUEUE_NOTIFY_DELAY } };
    struct span rest = span_of(value);

    *notify = 0;
    while (rest.len > 0) {
        struct span word = span_take_until(&rest, ',');
        unsigned bit = 0;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
            if (span_equal_nocase(word, span_of(words[i].word)))
                bit = words[i].bit;
        if (bit == 0)
            return refuse(name, "-N takes never, or any of success,failure,delay, not ", value);
        *notify |= bit;
    }
    if (*notify == 0 || (*notify != QUEUE_NOTIFY_NEVER && (*notify & QUEUE_NOTIFY_NEVER) != 0))
        return refuse(name, "-N never stands alone, not ", value);
    return true;
}

static bool read_return(const char *name, const char *value, enum queue_return *returns)
{
    if (span_equal_nocase(span_of(value), span_of("full")))
        *returns = QUEUE_RETURN_FULL;
    else if (span_equal_nocase(span_of(value), span_of("hdrs")))
        *returns = QUEUE_RETURN_HEADERS;
    else
        return refuse(name, "-R takes full or hdrs, not ", value);
    return true;
}

static bool read_body_type(const char *name, const char *value, bool *is_8bit)
{
    *is_8bit = span_equal_nocase(span_of(value), span_of("8BITMIME"));
    return *is_8bit || span_equal_nocase(span_of(value), span_of("7BIT")) ||
           refuse(name, "-B takes 7BIT or 8BITMIME, not ", value);
}

/* -O NAME=VALUE sets whatever sendmail has; this one is ours, too. */
static bool read_setting(const char *name, const char *value, bool *requires_tls)
{
    struct span said = span_of(value), word = span_take_until(&said, '=');

    if (!span_equal_nocase(word, span_of("requiretls")))
        return true;
    *requires_tls =
        span_equal_nocase(said, span_of("yes")) || span_equal_nocase(said, span_of("true"));
    return *requires_tls || span_equal_nocase(said, span_of("no")) ||
           span_equal_nocase(said, span_of("false")) ||
           refuse(name, "-O requiretls takes yes or no, not ", value);
}

static bool read_mode(const char *name, const char *value, enum send_mode *mode)
{
    if (strcmp(value, "m") == 0)
        *mode = SEND_MESSAGE;
    else if (strcmp(value, "s") == 0)
        *mode = SEND_SESSION;
    else if (strcmp(value, "p") == 0)
        *mode = SEND_LIST;
    else if (strcmp(value, "i") == 0)
        *mode = SEND_NOTHING;
    else
        return refuse(name, "of -b there are m, s, p and i, not ", value);
    return true;
}

static bool take_option(const char *name, int option, const char *value,
                        struct send_options *options)
{
    switch (option) {
    case 't': options->takes_recipients = true; return true;
    case 'f':
    case 'r': options->sender = value; return true;
    case 'F': options->full_name = value; return true;
    case 'i': options->ignores_dots = true; return true;
    case 'o': options->ignores_dots |= strcmp(value, "i") == 0; return true;
    case 'N': return read_notify(name, value, &options->notify);
    case 'R': return read_return(name, value, &options->returns);
    case 'V': options->envid = value; return true;
    case 'B': return read_body_type(name, value, &options->is_8bit);
    case 'O': return read_setting(name, value, &options->requires_tls);
    case REQUIRE_TLS: options->requires_tls = true; return true;
    case HELP: options->wants_help = true; return true;
    case 'c':
    case 'C': options->settings_file = value; return true;
    case 'v': options->is_verbose = true; return true;
    case 'b': return read_mode(name, value, &options->mode);
    case 'I': options->mode = SEND_NOTHING; return true;
    case 'q':
        options->mode = SEND_RETRY;
        return value == NULL || refuse(name, "-q stands alone, not with ", value);
    default: return true;
    }
}

/* What looks like an option behind a recipient may be meant as one, or may be none: neither is guessed. */
static bool check_rest(const char *name, int argc, char **argv, int at)
{
    bool is_after_dashes = at > 0 && strcmp(argv[at - 1], "--") == 0;

    for (int i = at; i < argc && !is_after_dashes; i++)
        if (argv[i][0] == '-')
            return refuse(name, "options go before the recipients, and -- ends them: ", argv[i]);
    return true;
}

bool send_options_parse(const char *name, int argc, char **argv, struct send_options *options)
{
    int option;

    *options = (struct send_options){ 0 };
    opterr = 0;
    optind = 0; /* glibc: start afresh, also behind another set of options */
    while (!options->wants_help &&
           (option = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        char letter[] = { '-', (char)optopt, '\0' };

        if (option == ':')
            return refuse(name, "a value is missing behind ", letter);
        if (option == '?')
            return refuse(name, "there is no option ", optopt == 0 ? argv[optind - 1] : letter);
        if (!take_option(name, option, optarg, options))
            return false;
    }
    if (options->wants_help)
        return true;
    options->recipients = argv + optind;
    options->recipient_count = argc - optind;
    if (options->mode == SEND_SESSION && options->recipient_count > 0)
        return refuse(name, "with -bs recipients are named in the session, not by ",
                      options->recipients[0]);
    return check_rest(name, argc, argv, optind);
}
