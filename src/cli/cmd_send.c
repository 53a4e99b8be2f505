/* cli/cmd_send.c - `postern send`, and `sendmail`: a message from a local program into the queue. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/queue_access.h"
#include "cli/send_options.h"
#include "gateway/message_header.h"
#include "queue/id.h"
#include "smtp/address.h"
#include "smtp/address_list.h"
#include "smtp/submission.h"

enum { ARENA_BYTES = 64 << 20, CHUNK_BYTES = 65536, NAME_BYTES = 30 };

/* One message on its way in. */
struct sending {
    const char *name; /* what errors begin with */
    struct send_options options;
    struct queue_access access;
    struct arena arena;
    struct buffer input;
    struct smtp_submission submission;
    const char *sender;      /* of the envelope; "" is nobody */
    const char **recipients; /* of the command line and the header */
    size_t recipient_count;
    int64_t now_s;
};

static int fail(const struct sending *sending, int status, const char *text)
{
    fprintf(stderr, "%s: %s\n", sending->name, text);
    return status;
}

/* ---- who sends ---------------------------------------------------------------------------- */

static const char *login_name(void)
{
    const struct passwd *entry = getpwuid(getuid());

    return entry == NULL ? "nobody" : entry->pw_name;
}

static bool is_mailbox(const char *text)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    return smtp_address_parse(span_of(text), &address, &flaw);
}

/* The sender of the envelope where -f says none, and of the From field where the sender is nobody.
 * A name that is no dot-string goes in quotes. */
static const char *own_address(struct sending *sending)
{
    const char *name = login_name(), *hostname = sending->access.hostname;
    const char *address = arena_format(&sending->arena, "%s@%s", name, hostname);

    if (is_mailbox(address) || strpbrk(name, "\"\\") != NULL)
        return address;
    return arena_format(&sending->arena, "\"%s\"@%s", name, hostname);
}

/* One address, or <>. */
static bool read_sender(struct sending *sending, const char *text)
{
    struct smtp_address_list list;
    struct smtp_listed listed, more;

    smtp_address_list_init(&list, span_of(text));
    sending->sender = "";
    if (text[0] == '\0')
        return true;
    if (smtp_address_list_next(&list, &listed) != SMTP_LISTED_ADDRESS ||
        smtp_address_list_next(&list, &more) != SMTP_LISTED_END)
        return false;
    if (listed.len > 0)
        sending->sender =
            arena_format(&sending->arena, "%s%s%s", listed.text, listed.has_domain ? "" : "@",
                         listed.has_domain ? "" : sending->access.hostname);
    return true;
}

static int find_sender(struct sending *sending)
{
    const char *text = sending->options.sender;

    if (text == NULL)
        sending->sender = own_address(sending);
    else if (!read_sender(sending, text))
        return fail(sending, EX_USAGE,
                    arena_format(&sending->arena, "-f \"%s\" is not one address",
                                 text_printable(&sending->arena, span_of(text), true)));
    if (sending->sender[0] == '\0' || is_mailbox(sending->sender))
        return EX_OK;
    return fail(
        sending, EX_CONFIG,
        arena_format(&sending->arena,
                     "%s is no address: set hostname in the settings to a name of this host",
                     text_printable(&sending->arena, span_of(sending->sender), true)));
}

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

/* A display name: RFC 5322 section 3.2.5, and RFC 2047 section 5 for what is not ASCII. "" where it
 * cannot be one. */
static const char *format_name(struct arena *arena, struct span name)
{
    char quoted[2 * 256 + 1];
    size_t len = 0;

    if (name.len == 0 || name.len > 256 || !text_is_utf8(name))
        return "";
    if (!is_plain(name))
        return name.len > NAME_BYTES
                   ? ""
                   : arena_format(arena, "=?utf-8?B?%s?= ", text_base64(arena, name));
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            quoted[len++] = '\\';
        quoted[len++] = name.data[i];
    }
    quoted[len] = '\0';
    return arena_format(arena, "\"%s\" ", quoted);
}

/* -F, $NAME, or what the system calls the user: up to a comma, where the telephone begins. */
static const char *full_name(struct sending *sending)
{
    const struct passwd *entry = getpwuid(getuid());
    const char *given = sending->options.full_name;
    struct span gecos;

    if (given == NULL && entry == NULL)
        return "";
    if (given != NULL)
        return format_name(&sending->arena, span_of(given));
    gecos = span_of(entry->pw_gecos);
    return format_name(&sending->arena, span_take_until(&gecos, ','));
}

static const char *format_from(struct sending *sending)
{
    const char *address = sending->sender[0] == '\0' ? own_address(sending) : sending->sender;
    const char *name = full_name(sending);

    if (name[0] == '\0')
        return address;
    return arena_format(&sending->arena, "%s<%s>", name, address);
}

/* ---- the message -------------------------------------------------------------------------- */

/* Up to the end, or to a line of one dot, so that a person at a terminal need not end the input. */
static bool read_lines(struct sending *sending)
{
    enum { LINE_START, AFTER_DOT, IN_LINE } state = LINE_START;
    char chunk[CHUNK_BYTES];
    size_t len = 0;
    int c;

    while ((c = getc_unlocked(stdin)) != EOF) {
        bool is_end = c == '\n' && state == AFTER_DOT && !sending->options.ignores_dots;

        chunk[len++] = (char)c;
        if (c == '\n')
            state = LINE_START;
        else
            state = c == '.' && state == LINE_START ? AFTER_DOT : IN_LINE;
        if (is_end)
            break;
        if (len == CHUNK_BYTES) {
            if (!buffer_append(&sending->input, (struct span){ chunk, len }))
                return false;
            len = 0;
        }
    }
    return buffer_append(&sending->input, (struct span){ chunk, len });
}

static int read_message(struct sending *sending)
{
    if (!read_lines(sending))
        return fail(sending, EX_UNAVAILABLE, "the message is too large");
    return ferror(stdin) == 0 ? EX_OK : fail(sending, EX_IOERR, "reading the message failed");
}

static const char *new_message_id(struct sending *sending)
{
    unsigned char chance[12] = { 0 };

    /* Should it fail, time and process still tell messages apart. */
    if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        memcpy(chance, &(int){ getpid() }, sizeof(int));
    return arena_format(&sending->arena, "<%lld.%s@%s>", (long long)sending->now_s,
                        text_hex(&sending->arena, (struct span){ (char *)chance, sizeof chance }),
                        sending->access.hostname);
}

static int make_message(struct sending *sending)
{
    const struct settings *settings = sending->access.settings;
    struct smtp_submission_settings wanted = {
        .ignores_dots = sending->options.ignores_dots,
        .takes_recipients = sending->options.takes_recipients,
        .hostname = sending->access.hostname,
        .from = format_from(sending),
        .date = text_mail_date(&sending->arena, sending->now_s),
        .message_id = new_message_id(sending),
        .recipients_most = (size_t)settings->limits.recipients,
    };
    struct error err = { 0 };

    if (smtp_submission_make(&wanted, buffer_span(&sending->input), settings->limits.message_bytes,
                             &sending->arena, &sending->submission, &err))
        return EX_OK;
    return fail(sending, err.kind == ERROR_FORMAT ? EX_DATAERR : EX_UNAVAILABLE, err.text);
}

/* ---- to whom ------------------------------------------------------------------------------ */

static int add_recipients(struct sending *sending, const char *list, int status)
{
    size_t most = (size_t)sending->access.settings->limits.recipients;
    struct error err = { 0 };

    if (smtp_submission_add_recipients(span_of(list), sending->access.hostname, &sending->arena,
                                       sending->recipients, most, &sending->recipient_count, &err))
        return EX_OK;
    error_wrap(&err, "recipient %s", text_printable(&sending->arena, span_of(list), true));
    return fail(sending, status, err.text);
}

/* Before a message is read: who says nobody at all has done something else wrong. */
static int add_arguments(struct sending *sending)
{
    size_t most = (size_t)sending->access.settings->limits.recipients;
    int status = EX_OK;

    sending->recipients = arena_new(&sending->arena, most, sizeof *sending->recipients);
    if (sending->recipients == NULL)
        return fail(sending, EX_OSERR, "no memory for the recipients");
    for (int i = 0; status == EX_OK && i < sending->options.recipient_count; i++)
        status = add_recipients(sending, sending->options.recipients[i], EX_NOUSER);
    if (status == EX_OK && sending->recipient_count == 0 && !sending->options.takes_recipients)
        status = fail(sending, EX_USAGE,
                      "there is no recipient; name some, or take those of the header with -t");
    return status;
}

/* With -t those of the header too. */
static int add_header_recipients(struct sending *sending)
{
    int status = EX_OK;

    for (size_t i = 0; status == EX_OK && i < sending->submission.recipient_count; i++)
        status = add_recipients(sending, sending->submission.recipients[i], EX_DATAERR);
    if (status == EX_OK && sending->recipient_count == 0)
        status = fail(sending, EX_USAGE, "the header names no recipient in To, Cc or Bcc");
    return status;
}

/* ---- putting ------------------------------------------------------------------------------ */

/* RFC 3461 section 4: xtext. */
static const char *format_envid(struct arena *arena, const char *text)
{
    char out[QUEUE_ADDRESS_BYTES + 4];
    size_t len = 0;

    for (; *text != '\0' && len < QUEUE_ADDRESS_BYTES; text++) {
        if (*text > ' ' && *text <= '~' && *text != '+' && *text != '=')
            out[len++] = *text;
        else
            len += (size_t)snprintf(out + len, 4, "+%02X", (unsigned char)*text);
    }
    return arena_copy(arena, (struct span){ out, len });
}

static bool fill_request(struct sending *sending, struct control_request *request)
{
    const struct send_options *options = &sending->options;
    struct message_header header = message_header_read(buffer_span(&sending->submission.header));

    request->recipients =
        arena_new(&sending->arena, sending->recipient_count, sizeof *request->recipients);
    if (request->recipients == NULL)
        return false;
    request->recipient_count = sending->recipient_count;
    for (size_t i = 0; i < sending->recipient_count; i++)
        request->recipients[i] =
            (struct queue_recipient){ .address = span_of(sending->recipients[i]),
                                      .notify = options->notify };
    request->envelope = (struct queue_envelope){
        .sender = span_of(sending->sender),
        .envid =
            span_of(options->envid == NULL ? "" : format_envid(&sending->arena, options->envid)),
        .message_id = span_part(span_of(sending->submission.message_id), 0, QUEUE_FACT_BYTES),
        .returns = options->returns,
        .is_8bit = options->is_8bit || sending->submission.is_8bit,
        .requires_tls = options->requires_tls,
        .tls_optional = header.tls_optional && !options->requires_tls,
    };
    return !sending->arena.exhausted;
}

static int exit_status_of(enum control_status status)
{
    switch (status) {
    case CONTROL_OK: return EX_OK;
    case CONTROL_DENIED: return EX_NOPERM;
    case CONTROL_REFUSED: return EX_DATAERR;
    case CONTROL_FULL:
    case CONTROL_BUSY:
    case CONTROL_FAILED:
    case CONTROL_ABSENT:
    case CONTROL_LOST: return EX_TEMPFAIL;
    }
    return EX_SOFTWARE;
}

static int put(struct sending *sending)
{
    AUTO(control_client_close) struct control_client *client = NULL;
    struct control_request request = { 0 };
    enum control_status status;
    struct error err = { 0 };
    int64_t id = 0;

    if (!fill_request(sending, &request))
        return fail(sending, EX_OSERR, "no memory for the message");
    status = queue_access_open(&sending->access, &client, &err);
    if (status == CONTROL_OK)
        status = control_client_put(client, &request, buffer_span(&sending->submission.header),
                                    sending->submission.body, &id, &err);
    if (status != CONTROL_OK)
        return fail(sending, exit_status_of(status), err.text);
    if (sending->options.is_verbose) {
        char text[QUEUE_ID_TEXT + 1];

        queue_id_format(id, text);
        printf("queued as %s, %zu recipient%s\n", text, sending->recipient_count,
               sending->recipient_count == 1 ? "" : "s");
    }
    return EX_OK;
}

static int send_message(struct sending *sending)
{
    struct clock clock = clock_system();
    struct error err = { 0 };
    int status;

    if (!queue_access_load(&sending->access, sending->options.settings_file, &err))
        return fail(sending, EX_CONFIG, err.text);
    sending->now_s = clock.wall_s(&clock);
    buffer_init(&sending->input, sending->access.settings->limits.message_bytes);
    status = find_sender(sending);
    if (status == EX_OK)
        status = add_arguments(sending);
    if (status == EX_OK)
        status = read_message(sending);
    if (status == EX_OK)
        status = make_message(sending);
    if (status == EX_OK)
        status = add_header_recipients(sending);
    return status == EX_OK ? put(sending) : status;
}

/* -bp and -q are what `postern queue` does, as is its exit status. */
static int run_queue(const struct send_options *options)
{
    char queue[] = "queue", list[] = "list", retry[] = "retry", all[] = "all",
         config[] = "--config";
    char file[4096] = "";
    bool is_list = options->mode == SEND_LIST;
    char *arguments[6] = { queue, is_list ? list : retry };
    int count = 2;

    if (!is_list)
        arguments[count++] = all;
    if (options->settings_file != NULL) {
        snprintf(file, sizeof file, "%s", options->settings_file);
        arguments[count++] = config;
        arguments[count++] = file;
    }
    return cmd_queue(count, arguments);
}

int cmd_send(int argc, char **argv)
{
    struct sending sending = { .name = strcmp(argv[0], "send") == 0 ? "postern send" : "sendmail" };
    int status = EX_OK;

    arena_init(&sending.arena, ARENA_BYTES);
    if (!send_options_parse(sending.name, argc, argv, &sending.options))
        status = EX_USAGE;
    else if (sending.options.wants_help)
        send_options_print_help();
    else if (sending.options.mode == SEND_LIST || sending.options.mode == SEND_RETRY)
        status = run_queue(&sending.options);
    else if (sending.options.mode == SEND_MESSAGE)
        status = send_message(&sending);
    smtp_submission_clear(&sending.submission);
    buffer_clear(&sending.input);
    queue_access_clear(&sending.access);
    arena_clear(&sending.arena);
    return status;
}
