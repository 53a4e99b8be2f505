/* smtp/server_message.c - takes one message: MAIL, RCPT, DATA or BDAT, its content and its end.
 *
 * RFC 5321 section 3.3, RFC 3030 section 2 (BDAT), RFC 1870 (SIZE). Content that is refused is read
 * on to its end, where that can be told, and only then comes the answer: a peer that is cut off in
 * the middle of its data would not see why, and try again for days.
 */
#include <assert.h>

#include "smtp/server_steps.h"

enum { MESSAGE_TIMEOUT_MS = 60 * 60 * 1000 };

static const struct smtp_answer
    too_large = { 552, "5.3.4", "The message is larger than the SIZE that EHLO offers" },
    bare_lf = { 554, "5.6.0", "The message holds a bare LF: lines end in CRLF" },
    bare_cr = { 554, "5.6.0", "The message holds a bare CR: lines end in CRLF" },
    nul = { 554, "5.6.0", "The message holds a NUL" },
    in_clear = { 530, "5.7.10", "REQUIRETLS needs TLS: say STARTTLS first" }, none = { 0 };

void smtp_server_drop_message(struct smtp_server *server)
{
    server->is_utf8 = false;
    if (!server->has_message)
        return;
    server->has_message = false;
    smtp_server_push(server, SMTP_SERVER_MESSAGE_DROPPED);
}

void smtp_server_take_mail(struct smtp_server *server)
{
    const struct smtp_server_settings *settings = server->settings;
    const struct smtp_command *command = &server->storage->command;

    if (settings->messages_most > 0 && server->messages >= settings->messages_most)
        smtp_server_break_off(server, "4.7.0", "Enough messages: connect again for more");
    else if (settings->size_most > 0 && command->size > settings->size_most)
        smtp_server_refuse(server, too_large);
    else if (command->requires_tls && !server->is_encrypted)
        smtp_server_refuse(server, in_clear);
    else
        smtp_server_ask(server, SMTP_SERVER_MAIL_CAME);
}

void smtp_server_open_message(struct smtp_server *server, struct smtp_answer answer)
{
    server->has_message = true;
    server->recipients = 0;
    server->content.octets = 0;
    server->is_utf8 = server->storage->command.is_utf8;
    answer.code = 250;
    smtp_server_say(server, answer, (struct smtp_answer){ 250, "2.1.0", "Sender taken" });
    smtp_server_enter(server, SMTP_SERVER_RCPT);
}

/* What needs SMTPUTF8 in a RCPT: the address, or an ORCPT in UTF-8. */
static bool needs_utf8(const struct smtp_command *command)
{
    for (size_t i = 0; i < command->original.len; i++)
        if ((unsigned char)command->original.data[i] >= 0x80)
            return true;
    return command->address.is_utf8;
}

/* RFC 5321 section 4.5.3.1.10; no error of theirs, but not without end either. */
static void refuse_beyond(struct smtp_server *server)
{
    server->beyond++;
    smtp_server_refuse(server, (struct smtp_answer){ 452, "4.5.3", "Too many recipients" });
}

void smtp_server_take_rcpt(struct smtp_server *server)
{
    uint32_t most = server->settings->recipients_most;

    if (needs_utf8(&server->storage->command) && !server->is_utf8)
        smtp_server_refuse(
            server, (struct smtp_answer){ 553, "5.6.7", "An address beyond ASCII needs SMTPUTF8" });
    else if (most > 0 && server->recipients >= most)
        refuse_beyond(server);
    else
        smtp_server_ask(server, SMTP_SERVER_RCPT_CAME);
}

void smtp_server_add_recipient(struct smtp_server *server, struct smtp_answer answer)
{
    server->recipients++;
    answer.code = answer.code == 251 ? 251 : 250; /* 251: user not local; will forward */
    smtp_server_say(server, answer, (struct smtp_answer){ 250, "2.1.5", "Recipient taken" });
    smtp_server_enter(server, SMTP_SERVER_RCPT);
}

/* RFC 5321 section 3.3: nobody is there to get it. */
static const struct smtp_answer nobody = { 554, "5.5.1", "No recipient was taken" };

void smtp_server_take_data(struct smtp_server *server)
{
    if (server->recipients == 0)
        smtp_server_refuse(server, nobody);
    else
        smtp_server_ask(server, SMTP_SERVER_DATA_CAME);
}

static void prepare_refusal(struct smtp_server *server, struct smtp_answer answer)
{
    server->refusal_len = (uint16_t)smtp_answer_format(server->storage->refusal, answer);
}

/* Content that we say no to by ourselves, from here to its end. */
static void refuse_content(struct smtp_server *server, struct smtp_answer answer)
{
    smtp_server_push(server, SMTP_SERVER_REFUSED)->answer = answer;
    server->errors++;
    server->skips_chunks = server->state == SMTP_SERVER_CHUNK;
    prepare_refusal(server, answer);
    smtp_server_drop_message(server);
}

static void say_refusal(struct smtp_server *server)
{
    size_t size;
    char *room = smtp_server_room(server, &size);

    assert(size >= server->refusal_len);
    memcpy(room, server->storage->refusal, server->refusal_len);
    server->output_len = (uint16_t)(server->output_len + server->refusal_len);
    server->refusal_len = 0;
}

static void end_chunk(struct smtp_server *server)
{
    bool is_last = server->storage->command.is_last;

    if (is_last && server->refusal_len == 0)
        smtp_content_finish(&server->content);
    if (server->content.flaw == SMTP_CONTENT_BARE_CR && server->refusal_len == 0)
        refuse_content(server, bare_cr);
    if (server->refusal_len > 0) {
        say_refusal(server);
        server->skips_chunks &= !is_last;
        smtp_server_enter(server, (enum smtp_server_state)server->after_chunk);
        smtp_server_end_if_too_wrong(server);
    } else if (is_last) {
        server->has_message = false;
        smtp_server_ask(server, SMTP_SERVER_MESSAGE_ENDED);
    } else {
        smtp_server_say(server, (struct smtp_answer){ 250, "2.0.0", "Chunk taken" }, none);
        smtp_server_enter(server, SMTP_SERVER_NEXT_CHUNK);
    }
}

static void open_chunk(struct smtp_server *server)
{
    uint64_t most = server->settings->size_most;

    smtp_server_enter(server, SMTP_SERVER_CHUNK);
    if (server->refusal_len == 0 && most > 0 && server->chunk_left > most - server->content.octets)
        refuse_content(server, too_large);
    if (server->chunk_left == 0)
        end_chunk(server);
}

static void start_content(struct smtp_server *server, bool is_data)
{
    int64_t timeout_ms = server->settings->message_timeout_ms;

    smtp_content_init(&server->content, is_data, server->settings->mends_bare_lf);
    server->message_deadline_ms =
        server->now_ms + (timeout_ms > 0 ? timeout_ms : MESSAGE_TIMEOUT_MS);
}

void smtp_server_refuse_chunk(struct smtp_server *server, struct smtp_answer answer)
{
    smtp_server_push(server, SMTP_SERVER_REFUSED)->answer = answer;
    server->errors += !server->skips_chunks;
    server->idle_commands += server->skips_chunks;
    start_content(server, false);
    prepare_refusal(server, answer);
    server->after_chunk = server->state;
    server->chunk_left = server->storage->command.size;
    open_chunk(server);
}

void smtp_server_take_chunk(struct smtp_server *server)
{
    server->chunk_left = server->storage->command.size;
    server->after_chunk = SMTP_SERVER_READY;
    if (!(server->settings->extensions & SMTP_EXTENSION_CHUNKING))
        smtp_server_refuse_chunk(server,
                                 (struct smtp_answer){ 502, "5.5.1", "CHUNKING is not offered" });
    else if (server->recipients == 0)
        smtp_server_refuse_chunk(server, nobody);
    else if (server->state == SMTP_SERVER_NEXT_CHUNK)
        open_chunk(server);
    else
        smtp_server_ask(server, SMTP_SERVER_DATA_CAME);
}

void smtp_server_open_content(struct smtp_server *server, struct smtp_answer answer)
{
    bool is_data = server->storage->command.verb == SMTP_COMMAND_DATA;

    (void)answer;
    start_content(server, is_data);
    if (!is_data) {
        open_chunk(server);
        return;
    }
    smtp_server_say(server, (struct smtp_answer){ 354, "", "Go on, up to CRLF.CRLF" }, none);
    smtp_server_enter(server, SMTP_SERVER_DATA);
}

/* DATA that is declined leaves the message as it was; of BDAT the octets come all the same, and
 * RFC 3030 section 2 has the peer start anew. */
void smtp_server_decline_content(struct smtp_server *server, struct smtp_answer answer)
{
    if (answer.enhanced == NULL)
        answer.enhanced = answer.code / 100 == 4 ? "4.0.0" : "5.0.0";
    if (answer.text == NULL)
        answer.text = "No content is taken now";
    if (server->storage->command.verb == SMTP_COMMAND_DATA) {
        smtp_server_say(server, answer, none);
        smtp_server_enter(server, SMTP_SERVER_RCPT);
        return;
    }
    start_content(server, false);
    server->skips_chunks = true;
    prepare_refusal(server, answer);
    smtp_server_drop_message(server);
    open_chunk(server);
}

void smtp_server_close_message(struct smtp_server *server, struct smtp_answer answer)
{
    bool is_taken = answer.code == 0 || answer.code / 100 == 2;

    if (is_taken) {
        answer.code = 250;
        server->messages++;
        server->idle_commands = 0;
        server->beyond = 0;
    }
    smtp_server_say(server, answer,
                    is_taken ? (struct smtp_answer){ 250, "2.0.0", "Taken" }
                             : (struct smtp_answer){ 554, "5.0.0", "Not taken" });
    server->is_utf8 = false;
    smtp_server_enter(server, SMTP_SERVER_READY);
}

/* Hands over what the limit allows, and counts no more than that. */
static void give_content(struct smtp_server *server, struct span decoded)
{
    uint64_t most = server->settings->size_most, octets = server->content.octets;
    bool is_refused = server->refusal_len > 0;
    bool is_over = most > 0 && octets > most && !is_refused;
    size_t extra = is_refused ? decoded.len : is_over ? (size_t)(octets - most) : 0;

    decoded.len -= extra;
    server->content.octets -= extra;
    if (decoded.len > 0)
        smtp_server_push(server, SMTP_SERVER_CONTENT)->bytes = decoded;
    if (is_over)
        refuse_content(server, too_large);
}

static void look_for_flaw(struct smtp_server *server)
{
    enum smtp_content_flaw flaw = server->content.flaw;

    if (flaw == SMTP_CONTENT_FINE || server->refusal_len > 0)
        return;
    refuse_content(server, flaw == SMTP_CONTENT_BARE_LF   ? bare_lf
                           : flaw == SMTP_CONTENT_BARE_CR ? bare_cr
                                                          : nul);
}

static void end_data(struct smtp_server *server)
{
    if (server->refusal_len > 0) {
        say_refusal(server);
        smtp_server_enter(server, SMTP_SERVER_READY);
        smtp_server_end_if_too_wrong(server);
    } else {
        server->has_message = false;
        smtp_server_ask(server, SMTP_SERVER_MESSAGE_ENDED);
    }
}

void smtp_server_take_content(struct smtp_server *server, struct span *input)
{
    bool is_chunk = server->state == SMTP_SERVER_CHUNK;
    struct span decoded, part = span_part(*input, 0, SMTP_SERVER_CONTENT_MOST);

    if (is_chunk && part.len > server->chunk_left)
        part.len = (size_t)server->chunk_left;
    size_t offered = part.len;
    enum smtp_content_status status = smtp_content_feed(&server->content, &part, &decoded);

    span_take_front(input, offered - part.len);
    server->chunk_left -= is_chunk ? offered - part.len : 0;
    smtp_server_enter(server, smtp_server_state(server));
    give_content(server, decoded);
    look_for_flaw(server);
    if (status == SMTP_CONTENT_FALSE_END) {
        say_refusal(server);
        smtp_server_leave(server);
    } else if (is_chunk ? server->chunk_left == 0 : status == SMTP_CONTENT_ENDED) {
        (is_chunk ? end_chunk : end_data)(server);
    }
}
