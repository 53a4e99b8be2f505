#include "smtp/server.h"

#include <assert.h>
#include <stdio.h>

#include "smtp/server_steps.h"

enum {
    COMMAND_TIMEOUT_MS = 5 * 60 * 1000, /* RFC 5321 section 4.5.3.2.7 */
    ERRORS_MOST = 20,
    IDLE_MOST = 100,
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

/* For 221 and 421, whose words begin with our name: RFC 5321 section 4.2.2. */
static void say_with_name(struct smtp_server *server, uint16_t code, const char *enhanced,
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
        say_with_name(server, 421, enhanced, text);
    smtp_server_finish(server);
}

static uint32_t limit_or(uint32_t limit, uint32_t preset)
{
    return limit == 0 ? preset : limit;
}

static struct span line_of(const struct smtp_server *server)
{
    size_t len = server->line_octets;

    return (struct span){ server->storage->line,
                          len < SMTP_COMMAND_LINE_MOST ? len : SMTP_COMMAND_LINE_MOST };
}

static void note_refusal(struct smtp_server *server, struct smtp_answer answer)
{
    struct smtp_server_event *event = smtp_server_push(server, SMTP_SERVER_REFUSED);

    event->answer = answer;
    event->bytes = line_of(server);
}

void smtp_server_end_if_too_wrong(struct smtp_server *server)
{
    if (server->errors >= limit_or(server->settings->errors_most, ERRORS_MOST))
        smtp_server_break_off(server, "4.7.0", "Too many errors");
    else if (server->idle_commands > limit_or(server->settings->idle_most, IDLE_MOST))
        smtp_server_break_off(server, "4.7.0", "Too many commands that bring no message on");
}

void smtp_server_refuse(struct smtp_server *server, struct smtp_answer answer)
{
    note_refusal(server, answer);
    smtp_server_say(server, answer, (struct smtp_answer){ 0 });
    smtp_server_enter(server, smtp_server_state(server));
    server->errors += answer.code / 100 == 5;
    smtp_server_end_if_too_wrong(server);
}

/* For what leaves no way to tell where the next command begins. */
static void refuse_and_leave(struct smtp_server *server, struct smtp_answer answer)
{
    note_refusal(server, answer);
    smtp_server_say(server, answer, (struct smtp_answer){ 0 });
    smtp_server_finish(server);
}

static void decline(struct smtp_server *server, struct smtp_answer answer)
{
    smtp_server_say(server, answer, (struct smtp_answer){ 550, "5.0.0", "This is refused" });
    smtp_server_enter(server, smtp_server_state(server));
}

static const struct question {
    smtp_server_step *yes, *no;
} questions[] = {
    [SMTP_SERVER_CONNECTED] = { smtp_server_greet, smtp_server_turn_away },
    [SMTP_SERVER_HELLO_CAME] = { smtp_server_welcome, decline },
    [SMTP_SERVER_MAIL_CAME] = { smtp_server_open_message, decline },
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

static void take_hello(struct smtp_server *server)
{
    smtp_server_ask(server, SMTP_SERVER_HELLO_CAME);
}

/* The rest is up to feed, which sees what stands behind the line. */
static void take_starttls(struct smtp_server *server)
{
    if (server->is_encrypted)
        smtp_server_refuse(server, (struct smtp_answer){ 503, "5.5.1", "TLS is in use already" });
    else if (!(smtp_server_offered(server) & SMTP_EXTENSION_STARTTLS))
        smtp_server_refuse(server,
                           (struct smtp_answer){ 502, "5.5.1", "STARTTLS is not offered here" });
    else
        smtp_server_enter(server, SMTP_SERVER_HANDSHAKE);
}

static void say_fine(struct smtp_server *server, uint16_t code, const char *enhanced,
                     const char *text)
{
    smtp_server_say(server, (struct smtp_answer){ code, enhanced, text },
                    (struct smtp_answer){ 0 });
    smtp_server_enter(server, smtp_server_state(server));
}

static void take_rset(struct smtp_server *server)
{
    smtp_server_drop_message(server);
    if (server->state != SMTP_SERVER_HELLO)
        smtp_server_enter(server, SMTP_SERVER_READY);
    say_fine(server, 250, "2.0.0", "Forgotten");
}

static void take_noop(struct smtp_server *server)
{
    say_fine(server, 250, "2.0.0", "Here I am");
}

/* RFC 5321 section 3.5.3: neither yes nor no. */
static void take_vrfy(struct smtp_server *server)
{
    say_fine(server, 252, "2.5.0", "Send mail there and see");
}

static void take_help(struct smtp_server *server)
{
    say_fine(server, 214, "2.0.0", "RFC 5321 says it all");
}

static void take_quit(struct smtp_server *server)
{
    say_with_name(server, 221, "2.0.0", "Goodbye");
    smtp_server_finish(server);
}

/* Sets of states. */
#define IN(state) (1U << SMTP_SERVER_##state)
#define ANYTIME   (IN(HELLO) | IN(READY) | IN(RCPT) | IN(NEXT_CHUNK))

/* One row a command. Without TLS, where it is required, RFC 3207 section 4 lets few pass. */
static const struct row {
    void (*act)(struct smtp_server *);
    unsigned states;
    bool may_be_clear, is_idle;
    const char *out_of_place;
} rows[] = {
    [SMTP_COMMAND_EHLO] = { take_hello, ANYTIME, true, true, "" },
    [SMTP_COMMAND_HELO] = { take_hello, ANYTIME, false, true, "" },
    [SMTP_COMMAND_STARTTLS] = { take_starttls, IN(READY), true, true, "A message is under way" },
    [SMTP_COMMAND_MAIL] = { smtp_server_take_mail, IN(READY), false, false,
                            "A message is under way" },
    [SMTP_COMMAND_RCPT] = { smtp_server_take_rcpt, IN(RCPT), false, false, "Say MAIL first" },
    [SMTP_COMMAND_DATA] = { smtp_server_take_data, IN(RCPT), false, false, "Say MAIL first" },
    [SMTP_COMMAND_BDAT] = { smtp_server_take_chunk, IN(RCPT) | IN(NEXT_CHUNK), false, false,
                            "Say MAIL first" },
    [SMTP_COMMAND_RSET] = { take_rset, ANYTIME, false, true, "" },
    [SMTP_COMMAND_NOOP] = { take_noop, ANYTIME, true, true, "" },
    [SMTP_COMMAND_VRFY] = { take_vrfy, ANYTIME, false, true, "" },
    [SMTP_COMMAND_HELP] = { take_help, ANYTIME, false, true, "" },
    [SMTP_COMMAND_QUIT] = { take_quit, ANYTIME | IN(TURNED_AWAY), true, false, "" },
};

/* Whether the command may be said now; *answer where not. */
static bool is_in_place(const struct smtp_server *server, const struct row *row,
                        struct smtp_answer *answer)
{
    bool lacks_tls = server->settings->tls == SMTP_SERVER_TLS_REQUIRED && !server->is_encrypted;

    *answer = (struct smtp_answer){ 503, "5.5.1", row->out_of_place };
    if (server->state == SMTP_SERVER_TURNED_AWAY)
        answer->text = "Nothing but QUIT is taken";
    else if (lacks_tls && !row->may_be_clear)
        *answer = (struct smtp_answer){ 530, "5.7.0", "Say STARTTLS first" };
    else if (server->state == SMTP_SERVER_HELLO)
        answer->text = "Say EHLO first";
    else if (server->state == SMTP_SERVER_NEXT_CHUNK)
        answer->text = "BDAT has begun: go on to BDAT LAST, or say RSET";
    return (row->states >> server->state & 1) != 0 &&
           (!lacks_tls || row->may_be_clear || server->state == SMTP_SERVER_TURNED_AWAY);
}

static void obey(struct smtp_server *server, const struct row *row)
{
    bool is_first_hello = server->state == SMTP_SERVER_HELLO && row->act == take_hello;

    server->idle_commands += row->is_idle && !is_first_hello;
    smtp_server_end_if_too_wrong(server);
    if (server->state != SMTP_SERVER_CLOSED)
        row->act(server);
}

/* BDAT that was not understood: octets follow, and nobody can say how many. */
static bool is_unsafe(enum smtp_command_verb verb, bool is_good)
{
    return verb == SMTP_COMMAND_FOREIGN || (verb == SMTP_COMMAND_BDAT && !is_good);
}

/* Extensions whose parameters are understood. REQUIRETLS is, where TLS is still to come, so that the
 * refusal says what is missing. */
static uint32_t understood(const struct smtp_server *server)
{
    uint32_t offered = smtp_server_offered(server);

    return offered & SMTP_EXTENSION_STARTTLS
               ? offered | (server->settings->extensions & SMTP_EXTENSION_REQUIRETLS)
               : offered;
}

static void take_command(struct smtp_server *server)
{
    struct smtp_command *command = &server->storage->command;
    struct smtp_answer answer, misplaced;
    bool is_good = smtp_command_parse(line_of(server), understood(server), command, &answer);
    const struct row *row = &rows[command->verb];
    bool is_there = command->verb <= SMTP_COMMAND_FOREIGN || is_in_place(server, row, &misplaced);

    server->skips_chunks &= command->verb == SMTP_COMMAND_BDAT;
    if (server->line_octets > SMTP_COMMAND_LINE_MOST) {
        answer = (struct smtp_answer){ 500, "5.5.2", "The line is longer than 1280 octets" };
        is_good = false;
        is_there = true;
    }
    if (is_unsafe(command->verb, is_good))
        refuse_and_leave(server, answer);
    else if (!is_there && command->verb == SMTP_COMMAND_BDAT)
        smtp_server_refuse_chunk(server, misplaced);
    else if (!is_there || !is_good)
        smtp_server_refuse(server, is_there ? answer : misplaced);
    else
        obey(server, row);
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
        refuse_and_leave(server, bare_cr);
    } else if (server->after_cr) {
        take_command(server);
    } else if (c == '\n') {
        refuse_and_leave(server, bare_lf);
    } else if (c == TLS_RECORD && server->line_octets == 0) {
        refuse_and_leave(server, tls_record);
    } else if (server->line_octets >= ENDLESS_LINE) {
        refuse_and_leave(server, endless);
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
static void refuse_injection(struct smtp_server *server, struct span *input)
{
    smtp_server_push(server, SMTP_SERVER_INJECTED)->bytes = *input;
    span_take_front(input, input->len);
    smtp_server_finish(server);
}

static void start_tls(struct smtp_server *server, struct span *input)
{
    if (input->len > 0) {
        say_fine(server, 554, "5.5.1", "Nothing may stand behind STARTTLS");
        refuse_injection(server, input);
    } else {
        say_fine(server, 220, "2.0.0", "Go ahead with TLS");
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

void smtp_server_feed(struct smtp_server *server, struct span *input, int64_t now_ms)
{
    server->now_ms = now_ms;
    if (server->state == SMTP_SERVER_CLOSED)
        span_take_front(input, input->len);
    else if (server->state == SMTP_SERVER_GREETING && input->len > 0)
        note_early_talk(server, *input);
    else if (server->state == SMTP_SERVER_HANDSHAKE && input->len > 0 && server->event_count == 0)
        refuse_injection(server, input);
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
