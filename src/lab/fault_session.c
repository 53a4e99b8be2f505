#include "lab/fault_session.h"

#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "lab/server_hello.h"
#include "net/stream.h"

enum {
    INPUT_MOST = 64 * 1024,
    LINE_MOST = 8 * 1024,
    FACTS_BYTES_MOST = 1024 * 1024,
    IDLE_MS = 10 * 60 * 1000, /* RFC 5321 section 4.5.3.2.7 asks for 5 minutes at least */
};

enum hearing {
    HEARING_NOTHING,   /* stalled for good */
    HEARING_COMMANDS,  /* SMTP lines */
    HEARING_MESSAGE,   /* up to the dot */
    HEARING_HELLO,     /* a ClientHello that is looked at before it is answered */
    HEARING_HANDSHAKE, /* TLS is the stream's business until it is up */
    HEARING_NOISE,     /* goes on in plaintext where TLS is due */
};

struct fault_session {
    struct fault_stage *stage;
    struct fault_session *previous, *next;
    struct stream *stream;
    struct loop_timer *timer;     /* of a delayed reply, or idle */
    const struct fault_say *held; /* the reply that waits for its delay; NULL: none */
    const char *held_usual;       /* what it would be on a healthy server */
    enum hearing after_held;      /* what is heard once it is out */
    enum hearing hearing;
    struct buffer input;
    struct arena arena; /* for the facts */
    struct tls_facts facts;
    bool is_encrypted;
    bool has_greeted, has_sender, has_recipient;
};

static void close_session(struct fault_session *session, bool with_reset)
{
    struct fault_stage *stage = session->stage;

    if (session->previous == NULL)
        stage->sessions = session->next;
    else
        session->previous->next = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    if (with_reset)
        stream_reset(&session->stream);
    else if (session->is_encrypted && stage->row->no_close_notify)
        stream_cut(&session->stream);
    else
        stream_close(&session->stream);
    loop_timer_close(&session->timer);
    buffer_clear(&session->input);
    arena_clear(&session->arena);
    memory_free(session);
}

void fault_sessions_close(struct fault_stage *stage)
{
    while (stage->sessions != NULL)
        close_session(stage->sessions, true);
}

/* Every function from here on that returns bool says whether the session is still there; after
 * false it must not be touched. */

static bool follow(struct fault_session *session, enum fault_then then)
{
    switch (then) {
    case FAULT_GO_ON: return true;
    case FAULT_CLOSE:
    case FAULT_RESET: close_session(session, then == FAULT_RESET); return false;
    case FAULT_STALL: session->hearing = HEARING_NOTHING; return true;
    }
    return true;
}

/* Sends the text with {host} replaced; a client that does not read loses the rest. */
static bool send_text(struct fault_session *session, const char *text)
{
    struct span rest = span_of(text);
    struct buffer out;
    bool is_sent = true;

    buffer_init(&out, INPUT_MOST);
    while (is_sent && rest.len > 0) {
        const char *found = memmem(rest.data, rest.len, "{host}", 6);
        size_t len = found == NULL ? rest.len : (size_t)(found - rest.data);

        is_sent = buffer_append(&out, span_take_front(&rest, len)) &&
                  (found == NULL || buffer_append_text(&out, session->stage->host));
        span_take_front(&rest, found == NULL ? 0 : 6);
    }
    if (is_sent && out.len > 0)
        is_sent = stream_send(session->stream, buffer_span(&out));
    buffer_clear(&out);
    if (!is_sent)
        close_session(session, true);
    return is_sent;
}

static bool say_now(struct fault_session *session, const struct fault_say *say, const char *usual,
                    enum hearing next)
{
    if (!send_text(session, say->bytes == NULL ? usual : say->bytes))
        return false;
    session->hearing = next;
    return follow(session, say->then);
}

/* The row's reply, or the usual one; `next` is what is heard afterwards. */
static bool say(struct fault_session *session, const struct fault_say *say, const char *usual,
                enum hearing next)
{
    if (say->delay_ms == 0)
        return say_now(session, say, usual, next);
    session->held = say;
    session->held_usual = usual;
    session->after_held = next;
    loop_timer_start(session->timer, say->delay_ms);
    return true;
}

static bool reply(struct fault_session *session, const char *text)
{
    return send_text(session, text);
}

static bool start_tls(struct fault_session *session, struct span early)
{
    struct fault_stage *stage = session->stage;
    struct error err = { 0 };

    stage->tally.handshakes_begun++;
    session->hearing = HEARING_HANDSHAKE;
    session->facts = (struct tls_facts){ 0 };
    if (stream_secure_server_after(session->stream, stage->context, early, &session->facts,
                                   &session->arena, &err))
        return true;
    close_session(session, true);
    return false;
}

static bool looks_at_hello(const struct fault_row *row)
{
    return row->hello.when != FAULT_HELLO_NEVER || row->obsolete.version != 0;
}

/* After the 220: the next byte is the client's TLS, or was asked to be. */
static bool turn_to_tls(struct fault_session *session)
{
    const struct fault_row *row = session->stage->row;

    buffer_clear(&session->input); /* what came behind STARTTLS is never taken: RFC 3207 4.2 */
    if (row->plaintext.bytes != NULL)
        session->hearing = HEARING_NOISE;
    else if (looks_at_hello(row))
        session->hearing = HEARING_HELLO;
    else
        return start_tls(session, (struct span){ NULL, 0 });
    return true;
}

static bool is_go_ahead(const struct fault_say *say)
{
    return say->bytes == NULL || strncmp(say->bytes, "220", 3) == 0;
}

static bool take_starttls(struct fault_session *session)
{
    const struct fault_say *starttls = &session->stage->row->starttls;
    bool goes_ahead = is_go_ahead(starttls);

    if (session->is_encrypted)
        return reply(session, "503 5.5.1 TLS is already active\r\n");
    return say(session, starttls, "220 2.0.0 Ready to start TLS\r\n",
               goes_ahead ? HEARING_HANDSHAKE : HEARING_COMMANDS);
}

static bool take_ehlo(struct fault_session *session)
{
    const struct fault_row *row = session->stage->row;

    session->has_greeted = true;
    session->has_sender = session->has_recipient = false;
    if (session->is_encrypted)
        return say(session, &row->ehlo_after_tls,
                   "250-{host} at your service\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
                   "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n",
                   HEARING_COMMANDS);
    return say(session, &row->ehlo,
               "250-{host} at your service\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
               "250-STARTTLS\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n",
               HEARING_COMMANDS);
}

static bool take_helo(struct fault_session *session)
{
    session->has_greeted = true;
    session->has_sender = session->has_recipient = false;
    return say(session, &session->stage->row->helo, "250 {host}\r\n", HEARING_COMMANDS);
}

static bool take_mail(struct fault_session *session)
{
    if (!session->has_greeted || session->has_sender)
        return reply(session, "503 5.5.1 Bad sequence of commands\r\n");
    session->has_sender = true;
    return reply(session, "250 2.1.0 Ok\r\n");
}

static bool take_rcpt(struct fault_session *session)
{
    if (!session->has_sender)
        return reply(session, "503 5.5.1 MAIL first\r\n");
    session->has_recipient = true;
    return reply(session, "250 2.1.5 Ok\r\n");
}

static bool take_data(struct fault_session *session)
{
    if (!session->has_recipient)
        return reply(session, "503 5.5.1 RCPT first\r\n");
    session->hearing = HEARING_MESSAGE;
    return reply(session, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

static bool take_end_of_data(struct fault_session *session)
{
    struct fault_tally *tally = &session->stage->tally;

    session->has_sender = session->has_recipient = false;
    session->hearing = HEARING_COMMANDS;
    *(session->is_encrypted ? &tally->delivered_over_tls : &tally->delivered_in_clear) += 1;
    return reply(session, "250 2.0.0 Ok: counted and thrown away\r\n");
}

static bool take_reset(struct fault_session *session)
{
    session->has_sender = session->has_recipient = false;
    return reply(session, "250 2.0.0 Ok\r\n");
}

static bool take_noop(struct fault_session *session)
{
    return reply(session, "250 2.0.0 Ok\r\n");
}

static bool take_vrfy(struct fault_session *session)
{
    return reply(session, "252 2.1.5 Send some mail, it will be thrown away\r\n");
}

static bool take_quit(struct fault_session *session)
{
    if (!reply(session, "221 2.0.0 Bye\r\n"))
        return false;
    close_session(session, false);
    return false;
}

static const struct {
    const char *verb;
    bool (*take)(struct fault_session *session);
} commands[] = {
    { "EHLO", take_ehlo },  { "HELO", take_helo }, { "STARTTLS", take_starttls },
    { "MAIL", take_mail },  { "RCPT", take_rcpt }, { "DATA", take_data },
    { "RSET", take_reset }, { "NOOP", take_noop }, { "VRFY", take_vrfy },
    { "QUIT", take_quit },
};

static bool take_command(struct fault_session *session, struct span line)
{
    struct span verb = span_trim(span_take_until(&line, ' '));

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (span_equal_nocase(verb, span_of(commands[i].verb)))
            return commands[i].take(session);
    return reply(session, "500 5.5.2 Command unrecognized\r\n");
}

static bool take_message_line(struct fault_session *session, struct span line)
{
    if (line.len == 1 && line.data[0] == '.')
        return take_end_of_data(session);
    return true;
}

/* A whole line, without its end; false: none is there yet. */
static bool next_line(struct fault_session *session, char line[LINE_MOST], struct span *taken)
{
    struct span input = buffer_span(&session->input);
    size_t end = span_find(input, '\n');
    size_t len = end < LINE_MOST ? end : LINE_MOST;

    if (end == input.len && input.len < LINE_MOST)
        return false;
    memcpy(line, input.data, len);
    buffer_drop(&session->input, end == input.len ? end : end + 1);
    *taken = (struct span){ line, len > 0 && line[len - 1] == '\r' ? len - 1 : len };
    return true;
}

static bool take_lines(struct fault_session *session)
{
    char line[LINE_MOST];
    struct span taken;

    while (session->held == NULL &&
           (session->hearing == HEARING_COMMANDS || session->hearing == HEARING_MESSAGE) &&
           next_line(session, line, &taken)) {
        bool is_there = session->hearing == HEARING_MESSAGE ? take_message_line(session, taken)
                                                            : take_command(session, taken);
        if (!is_there)
            return false;
        /* A go-ahead to STARTTLS is out: no line behind it counts. */
        if (session->hearing == HEARING_HANDSHAKE && session->held == NULL)
            return turn_to_tls(session);
    }
    return true;
}

static bool is_disliked(const struct fault_hello *rule, const struct client_hello *hello)
{
    switch (rule->when) {
    case FAULT_HELLO_NEVER: return false;
    case FAULT_HELLO_ALWAYS: return true;
    case FAULT_HELLO_LONGER: return hello->bytes > rule->limit;
    case FAULT_HELLO_WITH_TICKET: return hello->has_ticket;
    case FAULT_HELLO_WITH_SESSION: return hello->has_session;
    case FAULT_HELLO_WITH_SNI: return hello->has_sni;
    case FAULT_HELLO_WITH_TLS13: return hello->has_tls13;
    }
    return false;
}

/* No old client is left that could finish such a handshake, so it stops at the ServerHello. */
static bool answer_obsolete(struct fault_session *session, const struct client_hello *hello)
{
    const struct fault_obsolete *row = &session->stage->row->obsolete;
    uint8_t random[32], answer[128];
    size_t len;

    if (RAND_bytes(random, sizeof random) != 1) {
        close_session(session, true);
        return false;
    }
    len = server_hello_answer(hello, row->version, row->ciphers, row->cipher_count, random, answer,
                              sizeof answer);
    session->hearing = HEARING_NOTHING;
    if (!stream_send(session->stream, (struct span){ (const char *)answer, len })) {
        close_session(session, true);
        return false;
    }
    return answer[0] != 0x15 || follow(session, FAULT_CLOSE); /* an alert ends it */
}

/* Gives what was read to TLS. The handshake may fail, and the session end, inside the call: so the
 * bytes leave the session first, and the answer is always that it may be gone. */
static bool hand_over(struct fault_session *session)
{
    struct buffer early = session->input;

    buffer_init(&session->input, INPUT_MOST);
    (void)start_tls(session, buffer_span(&early));
    buffer_clear(&early);
    return false;
}

static bool take_hello(struct fault_session *session)
{
    const struct fault_row *row = session->stage->row;
    struct client_hello hello;
    enum client_hello_status status = client_hello_read(buffer_span(&session->input), &hello);

    if (status == CLIENT_HELLO_PARTIAL)
        return true;
    if (status == CLIENT_HELLO_BROKEN)
        return follow(session, FAULT_CLOSE);
    if (row->obsolete.version != 0)
        return answer_obsolete(session, &hello);
    if (!is_disliked(&row->hello, &hello))
        return hand_over(session);
    session->stage->tally.handshakes_begun++;
    session->hearing = HEARING_NOTHING;
    if (row->hello.bytes.len > 0 && !stream_send(session->stream, row->hello.bytes)) {
        close_session(session, true);
        return false;
    }
    return follow(session, row->hello.then);
}

/* Takes what the state of the conversation lets it take from the input. */
static bool take_input(struct fault_session *session)
{
    switch (session->hearing) {
    case HEARING_COMMANDS:
    case HEARING_MESSAGE: return take_lines(session);
    case HEARING_HELLO: return take_hello(session);
    case HEARING_NOISE:
        buffer_clear(&session->input);
        return say(session, &session->stage->row->plaintext, NULL, HEARING_NOISE);
    case HEARING_HANDSHAKE: return true;
    case HEARING_NOTHING: buffer_clear(&session->input); return true;
    }
    return true;
}

static void receive(void *owner, struct span *bytes)
{
    struct fault_session *session = owner;

    if (session->held == NULL)
        loop_timer_start(session->timer, IDLE_MS);
    if (!buffer_append(&session->input, *bytes)) {
        close_session(session, true);
        return;
    }
    if (session->held == NULL)
        (void)take_input(session);
}

static void greet(struct fault_session *session)
{
    const struct fault_say *greeting = &session->stage->row->greeting;

    (void)say(session, greeting, "220 {host} ESMTP Postern lab\r\n", HEARING_COMMANDS);
}

static void note_secured(struct fault_session *session)
{
    struct fault_tally *tally = &session->stage->tally;

    tally->handshakes_completed++;
    tally->last_version = session->facts.version;
    tally->showed_certificate = tally->showed_certificate || session->facts.chain_count > 0;
}

static void secure(void *owner)
{
    struct fault_session *session = owner;
    const struct fault_row *row = session->stage->row;

    session->is_encrypted = true;
    session->has_greeted = session->has_sender = session->has_recipient = false;
    note_secured(session);
    if (row->tls.drops_resumed && session->facts.was_resumed)
        (void)follow(session, FAULT_RESET);
    else if (row->is_implicit_tls)
        greet(session);
    else
        (void)say(session, &row->handshake_done, "", HEARING_COMMANDS);
}

static void speak_after_delay(struct fault_session *session)
{
    const struct fault_say *held = session->held;

    session->held = NULL;
    loop_timer_start(session->timer, IDLE_MS);
    if (!say_now(session, held, session->held_usual, session->after_held))
        return;
    if (session->hearing == HEARING_HANDSHAKE && !turn_to_tls(session))
        return;
    (void)take_input(session);
}

static void expire(void *owner)
{
    struct fault_session *session = owner;

    if (session->held != NULL)
        speak_after_delay(session);
    else
        close_session(session, true);
}

static void end(void *owner, enum stream_end how)
{
    (void)how;
    close_session(owner, false);
}

static const struct stream_handlers handlers = {
    .received = receive,
    .secured = secure,
    .ended = end,
};

/* NULL: no memory; the socket is closed. */
static struct fault_session *make_session(struct fault_stage *stage, int socket)
{
    struct fault_session *made = memory_new(1, sizeof *made);
    struct error err = { 0 };

    if (made == NULL) {
        close(socket);
        return NULL;
    }
    made->stage = stage;
    buffer_init(&made->input, INPUT_MOST);
    arena_init(&made->arena, FACTS_BYTES_MOST);
    if (!stream_adopt(stage->loop, socket, &handlers, made, &made->stream, &err)) {
        memory_free(made);
        return NULL;
    }
    if (!loop_timer_open(stage->loop, expire, made, &made->timer, &err)) {
        stream_close(&made->stream);
        memory_free(made);
        return NULL;
    }
    return made;
}

void fault_session_start(struct fault_stage *stage, int socket)
{
    struct fault_session *session = make_session(stage, socket);

    stage->tally.connections++;
    if (session == NULL)
        return;
    session->next = stage->sessions;
    if (session->next != NULL)
        session->next->previous = session;
    stage->sessions = session;
    loop_timer_start(session->timer, IDLE_MS);
    if (stage->row->listening == FAULT_RESETS)
        close_session(session, true);
    else if (stage->row->is_implicit_tls)
        (void)start_tls(session, (struct span){ NULL, 0 });
    else
        greet(session);
}
