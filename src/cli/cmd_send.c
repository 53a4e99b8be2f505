/* cli/cmd_send.c - `postern send`, and `sendmail`: a message from a local program into the queue. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/send_message.h"
#include "cli/send_session.h"
#include "queue/id.h"
#include "smtp/address_list.h"

enum { CHUNK_BYTES = 65536 };

/* ---- who sends ---------------------------------------------------------------------------- */

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
                         listed.has_domain ? "" : sending->access->hostname);
    return true;
}

static int find_sender(struct sending *sending)
{
    const char *text = sending->options->sender;

    if (text == NULL)
        sending->sender = send_message_own_address(sending);
    else if (!read_sender(sending, text))
        return send_message_fail(
            sending, EX_USAGE,
            arena_format(&sending->arena, "-f \"%s\" is not one address",
                         text_printable(&sending->arena, span_of(text), true)));
    if (sending->sender[0] == '\0' || send_message_is_mailbox(sending->sender))
        return EX_OK;
    return send_message_fail(
        sending, EX_CONFIG,
        arena_format(&sending->arena,
                     "%s is no address: set hostname in the settings to a name of this host",
                     text_printable(&sending->arena, span_of(sending->sender), true)));
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
        bool is_end = c == '\n' && state == AFTER_DOT && !sending->options->ignores_dots;

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
        return send_message_fail(sending, EX_UNAVAILABLE, "the message is too large");
    return ferror(stdin) == 0 ? EX_OK
                              : send_message_fail(sending, EX_IOERR, "reading the message failed");
}

/* ---- to whom ------------------------------------------------------------------------------ */

static int add_recipients(struct sending *sending, const char *list, int status)
{
    size_t most = (size_t)sending->access->settings->limits.recipients;
    struct error err = { 0 };

    if (smtp_submission_add_recipients(span_of(list), sending->access->hostname, &sending->arena,
                                       sending->recipients, most, &sending->recipient_count, &err))
        return EX_OK;
    error_wrap(&err, "recipient %s", text_printable(&sending->arena, span_of(list), true));
    return send_message_fail(sending, status, err.text);
}

/* Before a message is read: who says nobody at all has done something else wrong. */
static int add_arguments(struct sending *sending)
{
    size_t most = (size_t)sending->access->settings->limits.recipients;
    int status = EX_OK;

    sending->recipients = arena_new(&sending->arena, most, sizeof *sending->recipients);
    if (sending->recipients == NULL)
        return send_message_fail(sending, EX_OSERR, "no memory for the recipients");
    for (int i = 0; status == EX_OK && i < sending->options->recipient_count; i++)
        status = add_recipients(sending, sending->options->recipients[i], EX_NOUSER);
    if (status == EX_OK && sending->recipient_count == 0 && !sending->options->takes_recipients)
        status = send_message_fail(
            sending, EX_USAGE,
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
        status =
            send_message_fail(sending, EX_USAGE, "the header names no recipient in To, Cc or Bcc");
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
    const struct send_options *options = sending->options;

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
        .returns = options->returns,
        .is_8bit = options->is_8bit,
        .requires_tls = options->requires_tls,
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
    struct control_request request = { 0 };
    enum control_status status;
    struct error err = { 0 };
    int64_t id = 0;

    if (!fill_request(sending, &request))
        return send_message_fail(sending, EX_OSERR, "no memory for the message");
    status = send_message_put(sending, &request, &id, &err);
    if (status != CONTROL_OK)
        return send_message_fail(sending, exit_status_of(status), err.text);
    if (sending->options->is_verbose) {
        char text[QUEUE_ID_TEXT + 1];

        queue_id_format(id, text);
        printf("queued as %s, %zu recipient%s\n", text, sending->recipient_count,
               sending->recipient_count == 1 ? "" : "s");
    }
    return EX_OK;
}

static int make_message(struct sending *sending)
{
    struct error err = { 0 };
    int status = send_message_make(sending, &err);

    return status == EX_OK ? EX_OK : send_message_fail(sending, status, err.text);
}

static int send_message(const char *name, const struct send_options *options,
                        const struct queue_access *access)
{
    AUTO(send_message_clear) struct sending sending;
    int status;

    send_message_init(&sending, name, options, access);
    status = find_sender(&sending);
    if (status == EX_OK)
        status = add_arguments(&sending);
    if (status == EX_OK)
        status = read_message(&sending);
    if (status == EX_OK)
        status = make_message(&sending);
    if (status == EX_OK)
        status = add_header_recipients(&sending);
    return status == EX_OK ? put(&sending) : status;
}

static int run(const char *name, const struct send_options *options)
{
    AUTO(queue_access_clear) struct queue_access access = { 0 };
    struct error err = { 0 };

    if (!queue_access_load(&access, options->settings_file, &err)) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        return EX_CONFIG;
    }
    return options->mode == SEND_SESSION ? send_session_run(name, options, &access)
                                         : send_message(name, options, &access);
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
    const char *name = strcmp(argv[0], "send") == 0 ? "postern send" : "sendmail";
    struct send_options options;

    if (!send_options_parse(name, argc, argv, &options))
        return EX_USAGE;
    if (options.wants_help) {
        send_options_print_help();
        return EX_OK;
    }
    switch (options.mode) {
    case SEND_LIST:
    case SEND_RETRY: return run_queue(&options);
    case SEND_MESSAGE:
    case SEND_SESSION: return run(name, &options);
    case SEND_NOTHING: break;
    }
    return EX_OK;
}
