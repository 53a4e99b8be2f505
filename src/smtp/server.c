#include "smtp/server.h"

#include <assert.h>
#include <stdio.h>

#include "smtp/server_steps.h"

enum {
    COMMAND_TIMEOUT_MS = 5 * 60 * 1000, /* RFC 5321 section 4.5.3.2.7 */
    ERRORS_MOST = 20,
    IDLE_MOST = 100,
    BEYOND_TIMES = 10, /* recipients_most */
    ENDLESS_LINE = 64 * 1024,
    ROOM = 1100, /* in the output for what one command can bring: EHLO's reply, then 421 */
    TLS_RECORD = 0x16,
};

static const char *const names[] = {
    [SMTP_SERVER_GREETING] = "greeting",
    [SMTP_SERVER_HELLO] = "hello",
    [SMTP_SERVER_HANDSHAKE] = "handshake",
    [SMTP_SERVER_READY] = "ready",
    [SMTP_SERVER_RCPT] = "rcpt",
    [SMTP_SERVER_DATA] = "data",
    [SMTP_SERVER_CHUNK] = "chunk",
    [SMTP_SERVER_NEXT_CHUNK] = "next-chunk",
    [SMTP_SERVER_TURNED_AWAY] = "turned-away",
    [SMTP_SERVER_CLOSED] = "closed",
};

const char *smtp_server_state_name(enum smtp_server_state state)
{
    return names[state];
}

void smtp_server_init(struct smtp_server *server, const struct smtp_server_settings *settings,
                      struct smtp_server_storage *storage, int64_t now_ms)
{
    assert(settings->hostname != NULL && strlen(settings->hostname) <= 255);
    *server = (struct smtp_server){ .settings = settings,
                                    .storage = storage,
                                    .now_ms = now_ms,
                                    .is_encrypted = settings->tls == SMTP_SERVER_TLS_IMPLICIT };
    smtp_server_enter(server, SMTP_SERVER_GREETING);
    smtp_server_ask(server, SMTP_SERVER_CONNECTED);
}

void smtp_server_enter(struct smtp_server *server, enum smtp_server_state state)
{
    int64_t timeout_ms = server->settings->command_timeout_ms;

    server->state = (uint8_t)state;
    server->deadline_ms = server->now_ms + (timeout_ms > 0 ? timeout_ms : COMMAND_TIMEOUT_MS);
}

struct smtp_server_event *smtp_server_push(struct smtp_server *server,
                                           enum smtp_server_event_kind kind)
{
    size_t at = (server->first_event + server->event_count) % SMTP_SERVER_QUEUE_MOST;
    struct smtp_server_event *event = &server->storage->events[at];

    assert(server->event_count < SMTP_SERVER_QUEUE_MOST);
    server->event_count++;
    *event = (struct smtp_server_event){ .kind = kind,
                                         .during = (enum smtp_server_state)server->state,
                                         .is_encrypted = server->is_encrypted,
                                         .octets = server->content.octets,
                                         .recipients = server->recipients };
    return event;
}

bool smtp_server_next(struct smtp_server *server, struct smtp_server_event *event)
{
    *event = (struct smtp_server_event){ .kind = SMTP_SERVER_NOTHING };
    if (server->event_count == 0)
        return false;
    *event = server->storage->events[server->first_event];
    server->first_event = (uint8_t)((server->first_event + 1) % SMTP_SERVER_QUEUE_MOST);
    server->event_count--;
    return true;
}

void smtp_server_ask(struct smtp_server *server, enum smtp_server_event_kind kind)
{
    struct smtp_server_event *event = smtp_server_push(server, kind);

    if (kind != SMTP_SERVER_CONNECTED && kind != SMTP_SERVER_MESSAGE_ENDED)
        event->command = &server->storage->command;
    server->asked = (uint8_t)kind;
}

char *smtp_server_room(struct smtp_server *server, size_t *size)
{
    char *output = server->storage->output;

    if (server->output_start > 0)
        memmove(output, output + server->output_start, server->output_len);
    server->output_start = 0;
    *size = SMTP_SERVER_OUTPUT_BYTES - server->output_len;
    return output + server->output_len;
}

struct span smtp_server_output(const struct smtp_server *server)
{
    if (server->output_len == 0)
        return (struct span){ NULL, 0 };
    return (struct span){ server->storage->output + server->output_start, server->output_len };
}

void smtp_server_sent(struct smtp_server *server, size_t len)
{
    assert(len <= server->output_len);
    server->output_start = (uint16_t)(server->output_start + len);
    server->output_len = (uint16_t)(server->output_len - len);
}

/* The least that an enhanced code can say: RFC 3463 section 3.1. */
static const char *class_of(uint16_t code)
{
    return code / 100 == 2 ? "2.0.0" : code / 100 == 4 ? "4.0.0" : "5.0.0";
}

void smtp_server_say(struct smtp_server *server, struct smtp_answer answer,
                     struct smtp_answer preset)
{
    size_t size;
    char *room = smtp_server_room(server, &size);

    if (answer.code == 0) {
        answer.code = preset.code;
        answer.enhanced = NULL;
    }
    if (answer.enhanced == NULL)
        answer.enhanced =
            answer.code / 100 == preset.code / 100 ? preset.enhanced : class_of(answer.code);
    if (answer.text == NULL)
        answer.text = preset.text;
    assert(size >= SMTP_ANSWER_BYTES);
    server->output_len = (uint16_t)(server->output_len + smtp_answer_format(room, answer));
}

void smtp_server_say_fine(struct smtp_server *server, uint16_t code, const char *enhanced,
                          const char *text)
{
    smtp_server_say(server, (struct smtp_answer){ code, enhanced, text },
                    (struct smtp_answer){ 0 });
    smtp_server_enter(server, smtp_server_state(server));
}

void smtp_server_say_with_name(struct smtp_server *server, uint16_t code, const char *enhanced,
                               const char *text)
{
    char words[SMTP_ANSWER_BYTES];

    snprintf(words, sizeof words, "%s %s", server->settings->hostname, text);
    smtp_server_say(server, (struct smtp_answer){ code, enhanced, words },
                    (struct smtp_answer){ 0 });
}

void smtp_server_finish(struct smtp_server *server)
{
    smtp_server_drop_message(server);
    smtp_server_push(server, SMTP_SERVER_FINISHED);
    smtp_server_enter(server, SMTP_SERVER_CLOSED);
    server->asked = SMTP_SERVER_NOTHING;
    server->is_paused = false;
}

void smtp_server_break_off(struct smtp_server *server, const char *enhanced, const char *text)
{
    if (SMTP_SERVER_OUTPUT_BYTES - server->output_len >= SMTP_ANSWER_BYTES)
        smtp_server_say_with_name(server, 421, enhanced, text);
    smtp_server_finish(server);
}

void smtp_server_leave(struct smtp_server *server)
{
    smtp_server_break_off(server, "4.7.0", "This session cannot go on");
}

static uint32_t limit_or(uint32_t limit, uint32_t preset)
{
    return limit == 0 ? preset : limit;
}

struct span smtp_server_line(const struct smtp_server *server)
{
    size_t len = server->line_octets;

    return (struct span){ server->storage->line,
                          len < SMTP_COMMAND_LINE_MOST ? len : SMTP_COMMAND_LINE_MOST };
}

static void note_refusal(struct smtp_server *server, struct smtp_answer answer)
{
    struct smtp_server_event *event = smtp_server_push(server, SMTP_SERVER_REFUSED);

    event->answer = answer;
    event->bytes = smtp_server_line(server);
}

/* RFC 5321 section 4.5.3.1.10 has an honest client come again with those that were too many, however many
 * it had: so this is far more than one message can have. */
static bool goes_too_far_beyond(const struct smtp_server *server)
{
    uint64_t preset = (uint64_t)server->settings->recipients_most * BEYOND_TIMES;
    uint64_t most = server->settings->beyond_most;

    return server->beyond > (most == 0 ? preset : most);
}

void smtp_server_end_if_too_wrong(struct smtp_server *server)
{
    if (server->errors >= limit_or(server->settings->errors_most, ERRORS_MOST))
        smtp_server_break_off(server, "4.7.0", "Too many errors");
    else if (server->idle_commands > limit_or(server->settings->idle_most, IDLE_MOST))
        smtp_server_break_off(server, "4.7.0", "Too many commands that bring no message on");
    else if (goes_too_far_beyond(server))
        smtp_server_break_off(server, "4.5.3", "Too many recipients beyond the limit");
}

void smtp_server_refuse(struct smtp_server *server, struct smtp_answer answer)
{
    note_refusal(server, answer);
    smtp_server_say(server, answer, (struct smtp_answer){ 0 });
    smtp_server_enter(server, smtp_server_state(server));
    server->errors += answer.code / 100 == 5;
    smtp_server_end_if_too_wrong(server);
}

void smtp_server_refuse_and_leave(struct smtp_server *server, struct smtp_answer answer)
{
    note_refusal(server, answer);
    smtp_server_say(server, answer, (struct smtp_answer){ 0 });
    smtp_server_leave(server);
}

static void decline(struct smtp_server *server, struct smtp_answer answer)
{
    smtp_server_say(server, answer, (struct smtp_answer){ 550, "5.0.0", "This is refused" });
    smtp_server_enter(server, smtp_server_state(server));
}

/* Whoever only says MAIL again, and is told "later" again, would never be done. */
static void decline_mail(struct smtp_server *server, struct smtp_answer answer)
{
    decline(server, answer);
    server->idle_commands++;
    smtp_server_end_if_too_wrong(server);
}

static const struct question {
    smtp_server_step *yes, *no;
} questions[] = {
    [SMTP_SERVER_CONNECTED] = { smtp_server_greet, smtp_server_turn_away },
    [SMTP_SERVER_HELLO_CAME] = { smtp_server_welcome, decline },
    [SMTP_SERVER_MAIL_CAME] = { smtp_server_open_message, decline_mail },
    [SMTP_SERVER_RCPT_CAME] = { smtp_server_add_recipient, decline },
    [SMTP_SERVER_DATA_CAME] = { smtp_server_open_content, smtp_server_decline_content },
    [SMTP_SERVER_MESSAGE_ENDED] = { smtp_server_close_message, smtp_server_close_message },
};

static void conclude_input(struct smtp_server *server)
{
    if (server->state == SMTP_SERVER_CLOSED)
        return;
    smtp_server_push(server, SMTP_SERVER_ENDED_EARLY);
    smtp_server_finish(server);
}

void smtp_server_answer(struct smtp_server *server, struct smtp_answer answer, int64_t now_ms)
{
    const struct question *question = &questions[server->asked];

    if (server->asked == SMTP_SERVER_NOTHING)
        return;
    server->now_ms = now_ms;
    server->asked = SMTP_SERVER_NOTHING;
    if (answer.code == 421)
        smtp_server_quit(server, answer, now_ms);
    else if (answer.code == 0 || answer.code / 100 == 2 || answer.code / 100 == 3)
        question->yes(server, answer);
    else
        question->no(server, answer);
    if (server->has_ended && server->asked == SMTP_SERVER_NOTHING && !server->is_paused)
        conclude_input(server);
}

/* Each ends the session, for after it nobody can say where a command of this peer ends. */
static const struct smtp_answer bare_lf = { 500, "5.5.2", "A bare LF came: lines end in CRLF" },
                                bare_cr = { 500, "5.5.2", "A bare CR came: lines end in CRLF" },
                                tls_record = { 500, "5.5.2",
                                               "TLS came where SMTP is due: say STARTTLS first" },
                                endless = { 500, "5.5.2", "The line does not end" };

/* One byte of a line. True: the line is whole, or it has ended the session. */
static bool take_byte(struct smtp_server *server, char c)
{
    if (server->after_cr && c != '\n') {
        smtp_server_refuse_and_leave(server, bare_cr);
    } else if (server->after_cr) {
        smtp_server_take_command(server);
    } else if (c == '\n') {
        smtp_server_refuse_and_leave(server, bare_lf);
    } else if (c == TLS_RECORD && server->line_octets == 0) {
        smtp_server_refuse_and_leave(server, tls_record);
    } else if (server->line_octets >= ENDLESS_LINE) {
        smtp_server_refuse_and_leave(server, endless);
    } else {
        server->after_cr = c == '\r';
        if (c == '\r')
            return false;
        if (server->line_octets < SMTP_COMMAND_LINE_MOST)
            server->storage->line[server->line_octets] = c;
        server->line_octets++;
        return false;
    }
    server->after_cr = false;
    server->line_octets = 0;
    return true;
}

static void take_line(struct smtp_server *server, struct span *input)
{
    while (input->len > 0)
        if (take_byte(server, span_take(input)))
            return;
}

/* RFC 3207 section 4.2: what stands in clear behind STARTTLS may come from anybody on the way. It is
 * neither executed nor answered inside TLS. */
static void drop_injection(struct smtp_server *server, struct span *input)
{
    smtp_server_push(server, SMTP_SERVER_INJECTED)->bytes = *input;
    span_take_front(input, input->len);
}

static void start_tls(struct smtp_server *server, struct span *input)
{
    if (input->len > 0) {
        smtp_server_say_fine(server, 554, "5.5.1", "Nothing may stand behind STARTTLS");
        drop_injection(server, input);
        smtp_server_leave(server);
    } else {
        smtp_server_say_fine(server, 220, "2.0.0", "Go ahead with TLS");
        smtp_server_push(server, SMTP_SERVER_HANDSHAKE_NOW);
    }
}

static bool may_take(const struct smtp_server *server)
{
    return server->event_count == 0 && server->asked == SMTP_SERVER_NOTHING && !server->is_paused &&
           server->state != SMTP_SERVER_CLOSED &&
           SMTP_SERVER_OUTPUT_BYTES - server->output_len >= ROOM;
}

static void note_early_talk(struct smtp_server *server, struct span input)
{
    if (server->was_early)
        return;
    server->was_early = true;
    smtp_server_push(server, SMTP_SERVER_EARLY_TALK)->bytes = input;
}

/* 220 was said: whoever reads on reads TLS, and gets no 421 in clear. */
static void break_off_handshake(struct smtp_server *server, struct span *input)
{
    drop_injection(server, input);
    smtp_server_finish(server);
}

void smtp_server_feed(struct smtp_server *server, struct span *input, int64_t now_ms)
{
    server->now_ms = now_ms;
    if (server->state == SMTP_SERVER_CLOSED)
        span_take_front(input, input->len);
    else if (server->state == SMTP_SERVER_GREETING && input->len > 0)
        note_early_talk(server, *input);
    else if (server->state == SMTP_SERVER_HANDSHAKE && input->len > 0 && server->event_count == 0)
        break_off_handshake(server, input);
    while (input->len > 0 && may_take(server)) {
        if (server->state == SMTP_SERVER_DATA || server->state == SMTP_SERVER_CHUNK)
            smtp_server_take_content(server, input);
        else
            take_line(server, input);
        if (server->state == SMTP_SERVER_HANDSHAKE)
            start_tls(server, input);
    }
}

void smtp_server_end_of_input(struct smtp_server *server)
{
    server->has_ended = true;
    if (server->asked == SMTP_SERVER_NOTHING && !server->is_paused)
        conclude_input(server);
}

int64_t smtp_server_deadline_ms(const struct smtp_server *server)
{
    bool is_content = server->state == SMTP_SERVER_DATA || server->state == SMTP_SERVER_CHUNK ||
                      server->state == SMTP_SERVER_NEXT_CHUNK;

    if (server->state == SMTP_SERVER_CLOSED || server->is_paused ||
        server->asked != SMTP_SERVER_NOTHING)
        return INT64_MAX;
    return is_content && server->message_deadline_ms < server->deadline_ms
               ? server->message_deadline_ms
               : server->deadline_ms;
}

/* In HANDSHAKE the peer may wait for TLS, and must get nothing in clear. */
void smtp_server_tick(struct smtp_server *server, int64_t now_ms)
{
    int64_t deadline_ms = smtp_server_deadline_ms(server);

    server->now_ms = now_ms;
    if (deadline_ms == INT64_MAX || now_ms < deadline_ms)
        return;
    smtp_server_push(server, SMTP_SERVER_TIMED_OUT);
    if (server->state == SMTP_SERVER_HANDSHAKE)
        smtp_server_finish(server);
    else
        smtp_server_break_off(server, "4.4.2", "Nothing came for too long");
}

void smtp_server_secured(struct smtp_server *server, int64_t now_ms)
{
    assert(server->state == SMTP_SERVER_HANDSHAKE);
    server->now_ms = now_ms;
    server->is_encrypted = true;
    server->output_start = server->output_len = 0;
    server->line_octets = 0;
    server->after_cr = false;
    smtp_server_enter(server, SMTP_SERVER_HELLO);
}

void smtp_server_pause(struct smtp_server *server)
{
    if (server->is_paused || server->state == SMTP_SERVER_CLOSED)
        return;
    server->is_paused = true;
    server->paused_at_ms = server->now_ms;
}

void smtp_server_resume(struct smtp_server *server, int64_t now_ms)
{
    if (!server->is_paused)
        return;
    server->now_ms = now_ms;
    server->is_paused = false;
    server->deadline_ms += now_ms - server->paused_at_ms;
    server->message_deadline_ms += now_ms - server->paused_at_ms;
    if (server->has_ended && server->asked == SMTP_SERVER_NOTHING)
        conclude_input(server);
}

void smtp_server_quit(struct smtp_server *server, struct smtp_answer answer, int64_t now_ms)
{
    bool has_room = SMTP_SERVER_OUTPUT_BYTES - server->output_len >= SMTP_ANSWER_BYTES;
    char words[SMTP_ANSWER_BYTES];

    server->now_ms = now_ms;
    if (server->state == SMTP_SERVER_CLOSED)
        return;
    snprintf(words, sizeof words, "%s The service ends here", server->settings->hostname);
    if (has_room && server->state != SMTP_SERVER_HANDSHAKE)
        smtp_server_say(server, answer, (struct smtp_answer){ 421, "4.3.2", words });
    smtp_server_finish(server);
}

enum smtp_server_state smtp_server_state(const struct smtp_server *server)
{
    return (enum smtp_server_state)server->state;
}

enum smtp_server_event_kind smtp_server_asked(const struct smtp_server *server)
{
    return (enum smtp_server_event_kind)server->asked;
}

bool smtp_server_is_at_rest(const struct smtp_server *server)
{
    return server->event_count == 0 && server->output_len == 0 && server->refusal_len == 0 &&
           server->line_octets == 0 && !server->after_cr && server->asked == SMTP_SERVER_NOTHING &&
           server->state != SMTP_SERVER_CHUNK;
}

void smtp_server_lend(struct smtp_server *server, struct smtp_server_storage *storage)
{
    assert(smtp_server_is_at_rest(server));
    server->storage = storage;
}
