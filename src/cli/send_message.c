#include "cli/send_message.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "gateway/message_header.h"
#include "smtp/address.h"

enum { NAME_BYTES = 30 };

void send_message_init(struct sending *sending, const char *name,
                       const struct send_options *options, const struct queue_access *access)
{
    struct clock clock = clock_system();

    *sending = (struct sending){ .name = name,
                                 .options = options,
                                 .access = access,
                                 .sender = "",
                                 .now_s = clock.wall_s(&clock) };
    arena_init(&sending->arena, SEND_MESSAGE_ARENA_BYTES);
    buffer_init(&sending->input, access->settings->limits.message_bytes);
}

void send_message_clear(struct sending *sending)
{
    smtp_submission_clear(&sending->submission);
    buffer_clear(&sending->input);
    arena_clear(&sending->arena);
}

int send_message_fail(const struct sending *sending, int status, const char *text)
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

bool send_message_is_mailbox(const char *text)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    return smtp_address_parse(span_of(text), &address, &flaw);
}

/* The sender of the envelope where -f says none, and of the From field where the sender is nobody.
 * A name that is no dot-string goes in quotes. */
const char *send_message_own_address(struct sending *sending)
{
    const char *name = login_name(), *hostname = sending->access->hostname;
    const char *address = arena_format(&sending->arena, "%s@%s", name, hostname);

    if (send_message_is_mailbox(address) || strpbrk(name, "\"\\") != NULL)
        return address;
    return arena_format(&sending->arena, "\"%s\"@%s", name, hostname);
}

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

/* A display name: RFC 5322 section 3.2.5, and RFC 2047 section 5 for what is not ASCII. "" where it
 * cannot be one: a line end that is encoded is one again to who decodes it. */
static const char *format_name(struct arena *arena, struct span name)
{
    char quoted[2 * 256 + 1];
    size_t len = 0;

    if (name.len == 0 || name.len > 256 || !text_is_utf8(name) || text_holds_control(name))
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
    const char *given = sending->options->full_name;
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
    const char *address =
        sending->sender[0] == '\0' ? send_message_own_address(sending) : sending->sender;
    const char *name = full_name(sending);

    if (name[0] == '\0')
        return address;
    return arena_format(&sending->arena, "%s<%s>", name, address);
}

/* ---- the message -------------------------------------------------------------------------- */

static const char *new_message_id(struct sending *sending)
{
    unsigned char chance[12] = { 0 };

    /* Should it fail, time and process still tell messages apart. */
    if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        memcpy(chance, &(int){ getpid() }, sizeof(int));
    return arena_format(&sending->arena, "<%lld.%s@%s>", (long long)sending->now_s,
                        text_hex(&sending->arena, (struct span){ (char *)chance, sizeof chance }),
                        sending->access->hostname);
}

int send_message_make(struct sending *sending, struct error *err)
{
    const struct settings *settings = sending->access->settings;
    bool is_session = sending->options->mode == SEND_SESSION;
    struct smtp_submission_settings wanted = {
        .ignores_dots = is_session || sending->options->ignores_dots,
        .takes_recipients = !is_session && sending->options->takes_recipients,
        .hostname = sending->access->hostname,
        .from = format_from(sending),
        .date = text_mail_date(&sending->arena, sending->now_s),
        .message_id = new_message_id(sending),
        .recipients_most = (size_t)settings->limits.recipients,
    };

    if (smtp_submission_make(&wanted, buffer_span(&sending->input), settings->limits.message_bytes,
                             &sending->arena, &sending->submission, err))
        return EX_OK;
    return err->kind == ERROR_FORMAT ? EX_DATAERR : EX_UNAVAILABLE;
}

/* ---- putting ------------------------------------------------------------------------------ */

enum control_status send_message_put(struct sending *sending, struct control_request *request,
                                     int64_t *id, struct error *err)
{
    AUTO(control_client_close) struct control_client *client = NULL;
    struct message_header header = message_header_read(buffer_span(&sending->submission.header));
    struct queue_envelope *envelope = &request->envelope;
    enum control_status status;

    envelope->message_id = text_front(span_of(sending->submission.message_id), QUEUE_FACT_BYTES);
    envelope->is_8bit |= sending->submission.is_8bit;
    envelope->is_smtputf8 &=
        header.has_8bit; /* addresses that need it are seen by whoever takes them */
    envelope->tls_optional = header.tls_optional && !envelope->requires_tls;
    status = queue_access_open(sending->access, &client, err);
    if (status != CONTROL_OK)
        return status;
    return control_client_put(client, request, buffer_span(&sending->submission.header),
                              sending->submission.body, id, err);
}
