/* smtp/server_commands.c - the commands that a client may say: which is in place when, and what each does. */
#include "smtp/server_steps.h"

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

static void take_rset(struct smtp_server *server)
{
    smtp_server_drop_message(server);
    if (server->state != SMTP_SERVER_HELLO)
        smtp_server_enter(server, SMTP_SERVER_READY);
    smtp_server_say_fine(server, 250, "2.0.0", "Forgotten");
}

static void take_noop(struct smtp_server *server)
{
    smtp_server_say_fine(server, 250, "2.0.0", "Here I am");
}

/* RFC 5321 section 3.5.3: neither yes nor no. */
static void take_vrfy(struct smtp_server *server)
{
    smtp_server_say_fine(server, 252, "2.5.0", "Send mail there and see");
}

static void take_help(struct smtp_server *server)
{
    smtp_server_say_fine(server, 214, "2.0.0", "RFC 5321 says it all");
}

static void take_quit(struct smtp_server *server)
{
    smtp_server_say_with_name(server, 221, "2.0.0", "Goodbye");
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

void smtp_server_take_command(struct smtp_server *server)
{
    struct smtp_command *command = &server->storage->command;
    struct smtp_answer answer, misplaced;
    bool is_good =
        smtp_command_parse(smtp_server_line(server), understood(server), command, &answer);
    const struct row *row = &rows[command->verb];
    bool is_there = command->verb <= SMTP_COMMAND_FOREIGN || is_in_place(server, row, &misplaced);

    server->skips_chunks &= command->verb == SMTP_COMMAND_BDAT;
    if (server->line_octets > SMTP_COMMAND_LINE_MOST) {
        answer = (struct smtp_answer){ 500, "5.5.2", "The line is longer than 1280 octets" };
        is_good = false;
        is_there = true;
    }
    if (is_unsafe(command->verb, is_good))
        smtp_server_refuse_and_leave(server, answer);
    else if (!is_there && command->verb == SMTP_COMMAND_BDAT)
        smtp_server_refuse_chunk(server, misplaced);
    else if (!is_there || !is_good)
        smtp_server_refuse(server, is_there ? answer : misplaced);
    else
        obey(server, row);
}
