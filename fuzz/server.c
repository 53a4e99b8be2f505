/* fuzz/server.c - the server's conversation is the same however bytes, answers and replies are cut.
 *
 * The first byte of the input holds settings, the second the size of the pieces; the rest is what the
 * client says. The owner's answers follow from what is asked. Two runs, one with the bytes as they are,
 * answers at once and output sent at once, the other with pieces, late answers and late output, must
 * give the same events, the same content and the same output.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOG_BYTES = 1 << 20 };

struct log {
    char bytes[LOG_BYTES];
    size_t len;
};

struct session {
    struct smtp_server server;
    struct smtp_server_storage storages[2];
    size_t storage;
    struct log events, content, output;
    uint64_t size; /* of the last command that was asked about */
    char last;     /* letter of its argument */
    bool is_late, is_finished, was_injected, has_message, after_cr;
};

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void record(struct log *log, struct span bytes)
{
    insist(bytes.len <= sizeof log->bytes - log->len);
    if (bytes.len > 0)
        memcpy(log->bytes + log->len, bytes.data, bytes.len);
    log->len += bytes.len;
}

static void record_number(struct log *log, uint64_t number)
{
    record(log, (struct span){ (const char *)&number, sizeof number });
}

/* Lines end in CRLF, and there is no NUL: RFC 5321 section 2.3.8. */
static void check_content(struct session *session, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        insist(bytes.data[i] != '\0');
        insist((bytes.data[i] == '\n') == session->after_cr);
        session->after_cr = bytes.data[i] == '\r';
    }
}

/* Once a sender is taken, just one of its ends comes. */
static void check_course(struct session *session, const struct smtp_server_event *event)
{
    insist(!session->is_finished);
    if (event->kind == SMTP_SERVER_CONTENT || event->kind == SMTP_SERVER_DATA_CAME ||
        event->kind == SMTP_SERVER_RCPT_CAME)
        insist(session->has_message);
    if (event->kind == SMTP_SERVER_MAIL_CAME)
        insist(!session->has_message);
    if (event->kind == SMTP_SERVER_DATA_CAME)
        session->after_cr = false;
    if (event->kind == SMTP_SERVER_MESSAGE_ENDED || event->kind == SMTP_SERVER_MESSAGE_DROPPED) {
        insist(session->has_message);
        session->has_message = false;
    }
    session->was_injected |= event->kind == SMTP_SERVER_INJECTED;
    session->is_finished = event->kind == SMTP_SERVER_FINISHED;
}

/* How many injected bytes are shown depends on how many came at once, and the handshake may seem
 * to be due a moment before they come: the two ways in which a split is allowed to show. */
static void take_event(struct session *session, const struct smtp_server_event *event)
{
    check_course(session, event);
    if (event->command != NULL) {
        struct span argument = event->command->argument;

        session->size = event->command->size;
        session->last = argument.len == 0 ? 'z' : argument.data[argument.len - 1];
    }
    if (event->kind == SMTP_SERVER_CONTENT) {
        insist(event->bytes.len > 0 && event->bytes.len <= SMTP_SERVER_CONTENT_MOST);
        check_content(session, event->bytes);
        record(&session->content, event->bytes);
    } else if (event->kind != SMTP_SERVER_HANDSHAKE_NOW) {
        record_number(&session->events, event->kind);
        record_number(&session->events, event->during);
        record_number(&session->events, event->is_encrypted);
        record_number(&session->events, event->answer.code);
        record_number(&session->events, event->octets);
        record_number(&session->events, event->recipients);
        if (event->command != NULL)
            record(&session->events, event->command->argument);
        if (event->kind == SMTP_SERVER_REFUSED)
            record(&session->events, event->bytes);
    }
}

/* No, where the argument ends in a letter that says so. */
static bool answer(struct session *session)
{
    char last = session->last;
    enum smtp_server_event_kind asked = smtp_server_asked(&session->server);
    struct smtp_answer no = { last == 'a'   ? 550
                              : last == 'b' ? 451
                              : last == 'c' ? 421
                                            : 0,
                              NULL, "no" };

    if (asked == SMTP_SERVER_NOTHING)
        return false;
    if (asked == SMTP_SERVER_CONNECTED)
        no.code = 0;
    if ((asked == SMTP_SERVER_DATA_CAME || asked == SMTP_SERVER_MESSAGE_ENDED) &&
        session->size % 5 == 3)
        no.code = 452;
    if (asked == SMTP_SERVER_MAIL_CAME && no.code == 0)
        session->has_message = true;
    smtp_server_answer(&session->server, no, 0);
    return true;
}

static bool send_output(struct session *session)
{
    struct span output = smtp_server_output(&session->server);

    insist(output.len <= SMTP_SERVER_OUTPUT_BYTES);
    record(&session->output, output);
    smtp_server_sent(&session->server, output.len);
    return output.len > 0;
}

static bool pull_events(struct session *session)
{
    struct smtp_server_event event;
    bool is_any = false;

    while (smtp_server_next(&session->server, &event)) {
        take_event(session, &event);
        is_any = true;
    }
    return is_any;
}

static void swap_storage(struct session *session)
{
    if (!session->is_late || !smtp_server_is_at_rest(&session->server))
        return;
    memset(&session->storages[session->storage], 0xa5, sizeof session->storages[0]);
    session->storage = 1 - session->storage;
    smtp_server_lend(&session->server, &session->storages[session->storage]);
}

static void work(struct session *session, struct span *input)
{
    bool is_moving = true;

    while (is_moving) {
        size_t before = input->len;

        is_moving = pull_events(session);
        if (input->len > 0)
            smtp_server_feed(&session->server, input, 0);
        is_moving |= pull_events(session) || input->len < before;
        if (!is_moving || !session->is_late)
            is_moving |= send_output(session);
        if (!is_moving || !session->is_late)
            is_moving |= answer(session);
        swap_storage(session);
    }
    insist(input->len == 0);
}

/* A byte of 0xff in the stream says that the handshake succeeds here, if one is due. */
static void run(struct session *session, struct span rest, size_t piece,
                const struct smtp_server_settings *settings)
{
    struct span none = { NULL, 0 };

    session->is_late = piece < SIZE_MAX;
    session->is_finished = session->was_injected = session->has_message = false;
    session->events.len = session->content.len = session->output.len = 0;
    session->size = 0;
    session->last = 'z';
    smtp_server_init(&session->server, settings, &session->storages[0], 0);
    session->storage = 0;
    work(session, &none);
    while (rest.len > 0) {
        struct span stretch = span_take_until(&rest, '\xff');

        while (stretch.len > 0) {
            struct span part = span_take_front(&stretch, piece);

            work(session, &part);
        }
        if (smtp_server_state(&session->server) == SMTP_SERVER_HANDSHAKE)
            smtp_server_secured(&session->server, 0);
    }
    smtp_server_end_of_input(&session->server);
    work(session, &none);
    insist(session->is_finished && !session->has_message);
    insist(smtp_server_state(&session->server) == SMTP_SERVER_CLOSED);
}

static void insist_same(const struct log *one, const struct log *other)
{
    insist(one->len == other->len && memcmp(one->bytes, other->bytes, one->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session whole, split;

    if (size < 2 || size > 16384)
        return 0;
    const struct smtp_server_settings settings = {
        .hostname = "mx.example.org",
        .tls = data[0] % 4,
        .extensions = data[0] & 128 ? 0 : SMTP_SERVER_EXTENSIONS,
        .mends_bare_lf = data[0] & 4,
        .size_most = data[0] & 8 ? 40 : 0,
        .recipients_most = data[0] & 16 ? 2 : 0,
        .messages_most = data[0] & 32 ? 2 : 0,
        .errors_most = data[0] & 64 ? 2 : 0,
    };
    struct span input = { (const char *)data + 2, size - 2 };

    run(&whole, input, SIZE_MAX, &settings);
    run(&split, input, data[1] % 32 + 1U, &settings);
    insist_same(&whole.events, &split.events);
    insist_same(&whole.content, &split.content);
    if (!whole.was_injected)
        insist_same(&whole.output, &split.output);
    return 0;
}
