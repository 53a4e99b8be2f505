#include "smtp/client.h"

#include <assert.h>

#include "smtp/client_steps.h"

static smtp_client_handler greet, read_capabilities, try_helo, go_on_plainly, start_tls,
    decline_tls, be_ready_again, say_quit, finish;

enum { MINUTE = 60 };

/* One row for every state that waits; the table is the conversation. Waits: RFC 5321 section
 * 4.5.3.2. A reply in READY or BODY was not asked for: what follows could not be told apart from
 * it, so that it ends the session. */
static const struct wait {
    const char *name;
    int timeout_s;
    unsigned want; /* first digit of a reply that means yes: RFC 5321 section 4.2.1 */
    smtp_client_handler *accepted, *refused;
} waits[] = {
    [SMTP_CLIENT_GREETING] = { "greeting", 5 * MINUTE, 2, greet, say_quit },
    [SMTP_CLIENT_EHLO] = { "ehlo", 5 * MINUTE, 2, read_capabilities, try_helo },
    [SMTP_CLIENT_HELO] = { "helo", 5 * MINUTE, 2, go_on_plainly, say_quit },
    [SMTP_CLIENT_STARTTLS] = { "starttls", 5 * MINUTE, 2, start_tls, decline_tls },
    [SMTP_CLIENT_HANDSHAKE] = { "handshake", 5 * MINUTE, 0, NULL, NULL },
    [SMTP_CLIENT_READY] = { "ready", 0, 2, finish, finish },
    [SMTP_CLIENT_MAIL] = { "mail", 5 * MINUTE, 2, smtp_client_take_mail, smtp_client_take_mail },
    [SMTP_CLIENT_RCPT] = { "rcpt", 5 * MINUTE, 2, smtp_client_take_rcpt, smtp_client_take_rcpt },
    [SMTP_CLIENT_DATA] = { "data", 2 * MINUTE, 3, smtp_client_take_data, smtp_client_take_data },
    [SMTP_CLIENT_BODY] = { "body", 3 * MINUTE, 2, finish, finish },
    [SMTP_CLIENT_END_OF_DATA] = { "end-of-data", 10 * MINUTE, 2, smtp_client_take_end_of_data,
                                  smtp_client_take_end_of_data },
    [SMTP_CLIENT_RSET] = { "rset", 5 * MINUTE, 2, be_ready_again, say_quit },
    [SMTP_CLIENT_QUIT] = { "quit", 20, 2, finish, finish },
    [SMTP_CLIENT_CLOSED] = { "closed", 0, 0, NULL, NULL },
};

const char *smtp_client_state_name(enum smtp_client_state state)
{
    return waits[state].name;
}

void smtp_client_init(struct smtp_client *client, const struct smtp_client_settings *settings,
                      char *storage, size_t size, int64_t now_ms)
{
    assert(settings->hostname != NULL && strlen(settings->hostname) <= 255);
    *client = (struct smtp_client){ .settings = *settings,
                                    .now_ms = now_ms,
                                    .is_encrypted = settings->is_implicit_tls };
    smtp_reply_init(&client->replies, storage, size);
    smtp_client_enter(client, SMTP_CLIENT_GREETING);
}

void smtp_client_enter(struct smtp_client *client, enum smtp_client_state state)
{
    int64_t timeout_ms = (int64_t)waits[state].timeout_s * 1000;

    if (timeout_ms > 0 && client->settings.reply_timeout_ms > 0)
        timeout_ms = client->settings.reply_timeout_ms;
    client->state = state;
    client->deadline_ms = timeout_ms == 0 ? INT64_MAX : client->now_ms + timeout_ms;
}

struct smtp_client_event *smtp_client_push(struct smtp_client *client,
                                           enum smtp_client_event_kind kind,
                                           enum smtp_client_state during)
{
    size_t at = (client->first_event + client->event_count) % SMTP_CLIENT_QUEUE_MOST;

    assert(client->event_count < SMTP_CLIENT_QUEUE_MOST);
    client->event_count++;
    client->events[at] = (struct smtp_client_event){ .kind = kind,
                                                     .during = during,
                                                     .is_encrypted = client->is_encrypted };
    return &client->events[at];
}

bool smtp_client_next(struct smtp_client *client, struct smtp_client_event *event)
{
    *event = (struct smtp_client_event){ .kind = SMTP_CLIENT_NOTHING };
    if (client->event_count == 0)
        return false;
    *event = client->events[client->first_event];
    client->first_event = (client->first_event + 1) % SMTP_CLIENT_QUEUE_MOST;
    client->event_count--;
    return true;
}

static void drop_output(struct smtp_client *client)
{
    client->output_start = client->output_len = 0;
}

char *smtp_client_room(struct smtp_client *client, size_t *size)
{
    if (client->output_start > 0)
        memmove(client->output, client->output + client->output_start, client->output_len);
    client->output_start = 0;
    *size = sizeof client->output - client->output_len;
    return client->output + client->output_len;
}

void smtp_client_write(struct smtp_client *client, const char *text)
{
    struct span bytes = span_of(text);
    size_t size;
    char *room = smtp_client_room(client, &size);

    assert(bytes.len <= size);
    memcpy(room, bytes.data, bytes.len);
    client->output_len += bytes.len;
}

struct span smtp_client_output(const struct smtp_client *client)
{
    return (struct span){ client->output + client->output_start, client->output_len };
}

void smtp_client_sent(struct smtp_client *client, size_t len)
{
    assert(len <= client->output_len);
    client->output_start += len;
    client->output_len -= len;
    smtp_client_write_commands(client);
}

void smtp_client_finish(struct smtp_client *client)
{
    enum smtp_client_state during = client->state;

    drop_output(client);
    smtp_client_enter(client, SMTP_CLIENT_CLOSED);
    smtp_client_push(client, SMTP_CLIENT_FINISHED, during);
}

static void finish(struct smtp_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    smtp_client_finish(client);
}

static void begin_to_quit(struct smtp_client *client)
{
    smtp_client_write(client, "QUIT\r\n");
    smtp_client_enter(client, SMTP_CLIENT_QUIT);
}

static void say_quit(struct smtp_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    begin_to_quit(client);
}

/* MAILMAX counts every MAIL command of the session, a refused one as well: RFC 9422 section 4.1. */
bool smtp_client_is_used_up(const struct smtp_client *client)
{
    uint32_t most = client->capabilities.limit_mails;

    return most > 0 && client->mails >= most;
}

void smtp_client_become_ready(struct smtp_client *client)
{
    if (smtp_client_is_used_up(client)) {
        begin_to_quit(client);
        return;
    }
    smtp_client_enter(client, SMTP_CLIENT_READY);
    smtp_client_push(client, SMTP_CLIENT_IS_READY, SMTP_CLIENT_READY);
}

static void be_ready_again(struct smtp_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    smtp_client_become_ready(client);
}

static void say_hello(struct smtp_client *client, const char *verb, enum smtp_client_state state)
{
    smtp_client_write(client, verb);
    smtp_client_write(client, client->settings.hostname);
    smtp_client_write(client, "\r\n");
    smtp_client_enter(client, state);
}

static void greet(struct smtp_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    if (client->settings.says_helo)
        say_hello(client, "HELO ", SMTP_CLIENT_HELO);
    else
        say_hello(client, client->settings.is_lmtp ? "LHLO " : "EHLO ", SMTP_CLIENT_EHLO);
}

/* Without TLS: either that is allowed, or the session ends here. */
static void decline_tls(struct smtp_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    if (client->settings.tls == SMTP_CLIENT_TLS_REQUIRED && !client->is_encrypted)
        begin_to_quit(client);
    else
        smtp_client_become_ready(client);
}

static void read_capabilities(struct smtp_client *client, const struct smtp_reply *reply)
{
    /* A greeting that comes twice (some servers greet again inside TLS) answers nothing. */
    if (reply->code == 220 && !client->greeting_repeated) {
        client->greeting_repeated = true;
        return;
    }
    smtp_capabilities_parse(&client->capabilities, reply);
    if (!client->is_encrypted && client->settings.tls != SMTP_CLIENT_TLS_NEVER &&
        (client->capabilities.extensions & SMTP_EXTENSION_STARTTLS)) {
        smtp_client_write(client, "STARTTLS\r\n");
        smtp_client_enter(client, SMTP_CLIENT_STARTTLS);
    } else {
        decline_tls(client, reply);
    }
}

/* These codes mean that the command is not known (RFC 5321 section 3.2 and 4.1.4); LMTP knows no
 * HELO (RFC 2033 section 4.1). */
static void try_helo(struct smtp_client *client, const struct smtp_reply *reply)
{
    static const uint16_t unknown_command[] = { 500, 501, 502, 504, 550 };

    for (size_t i = 0; !client->settings.is_lmtp && i < ARRAY_SIZE(unknown_command); i++)
        if (reply->code == unknown_command[i]) {
            say_hello(client, "HELO ", SMTP_CLIENT_HELO);
            return;
        }
    begin_to_quit(client);
}

static void go_on_plainly(struct smtp_client *client, const struct smtp_reply *reply)
{
    client->capabilities = (struct smtp_capabilities){ 0 };
    decline_tls(client, reply);
}

static void start_tls(struct smtp_client *client, const struct smtp_reply *reply)
{
    if (reply->code == 220) /* the one success: RFC 3207 section 4 */
        smtp_client_enter(client, SMTP_CLIENT_HANDSHAKE);
    else
        decline_tls(client, reply);
}

/* RFC 3207 section 4.2 and CVE-2011-0411: what stands in clear behind the 220 may come from
 * anybody on the way. It reaches neither TLS nor SMTP. */
static void refuse_injection(struct smtp_client *client, struct span *input)
{
    struct span shown = span_part(*input, 0, sizeof client->stray);
    size_t last = (client->first_event + client->event_count - 1) % SMTP_CLIENT_QUEUE_MOST;

    if (client->event_count > 0 && client->events[last].kind == SMTP_CLIENT_HANDSHAKE_NOW)
        client->event_count--; /* nobody has seen it yet */
    memcpy(client->stray, shown.data, shown.len);
    span_take_front(input, input->len);
    smtp_client_push(client, SMTP_CLIENT_INJECTED, SMTP_CLIENT_HANDSHAKE)->bytes =
        (struct span){ client->stray, shown.len };
    smtp_client_finish(client);
}

static void take_reply(struct smtp_client *client, const struct smtp_reply *reply)
{
    const struct wait *wait = &waits[client->state];
    size_t recipient = 0;
    bool is_recipient = smtp_client_recipient_is_due(client, &recipient);
    struct smtp_client_event *event = smtp_client_push(
        client, is_recipient ? SMTP_CLIENT_RECIPIENT : SMTP_CLIENT_REPLIED, client->state);

    event->reply = *reply;
    event->recipient = recipient;
    if (reply->code == 421) /* may come at any step: RFC 5321 section 3.8 */
        smtp_client_finish(client);
    else if (reply->code / 100 == wait->want)
        wait->accepted(client, reply);
    else
        wait->refused(client, reply);
}

static void break_off(struct smtp_client *client, const struct smtp_reply *reply)
{
    smtp_client_push(client, SMTP_CLIENT_BROKEN_REPLY, client->state)->reply = *reply;
    smtp_client_finish(client);
}

void smtp_client_feed(struct smtp_client *client, struct span *input, int64_t now_ms)
{
    struct smtp_reply reply;

    client->now_ms = now_ms;
    if (client->state == SMTP_CLIENT_CLOSED)
        span_take_front(input, input->len);
    else if (client->state == SMTP_CLIENT_HANDSHAKE && input->len > 0)
        refuse_injection(client, input);
    if (client->event_count > 0 || input->len == 0)
        return;
    switch (smtp_reply_feed(&client->replies, input, &reply)) {
    case SMTP_REPLY_PARTIAL: return;
    case SMTP_REPLY_BROKEN: break_off(client, &reply); return;
    case SMTP_REPLY_WHOLE: take_reply(client, &reply); break;
    }
    if (client->state != SMTP_CLIENT_HANDSHAKE)
        return;
    if (input->len > 0)
        refuse_injection(client, input);
    else
        smtp_client_push(client, SMTP_CLIENT_HANDSHAKE_NOW, SMTP_CLIENT_HANDSHAKE);
}

/* The last of a conversation that a peer or the clock cut off. */
static void cut_off(struct smtp_client *client, enum smtp_client_event_kind kind)
{
    smtp_client_push(client, kind, client->state)->bytes = smtp_reply_unfinished(&client->replies);
    smtp_client_finish(client);
}

void smtp_client_end_of_input(struct smtp_client *client)
{
    if (client->state == SMTP_CLIENT_READY)
        smtp_client_finish(client);
    else if (client->state != SMTP_CLIENT_CLOSED)
        cut_off(client, SMTP_CLIENT_ENDED_EARLY);
}

void smtp_client_tick(struct smtp_client *client, int64_t now_ms)
{
    client->now_ms = now_ms;
    if (client->state != SMTP_CLIENT_CLOSED && now_ms >= client->deadline_ms)
        cut_off(client, SMTP_CLIENT_TIMED_OUT);
}

int64_t smtp_client_deadline_ms(const struct smtp_client *client)
{
    return client->deadline_ms;
}

void smtp_client_secured(struct smtp_client *client, int64_t now_ms)
{
    assert(client->state == SMTP_CLIENT_HANDSHAKE);
    client->now_ms = now_ms;
    client->is_encrypted = true;
    client->greeting_repeated = false;
    client->capabilities = (struct smtp_capabilities){ 0 };
    smtp_reply_init(&client->replies, client->replies.storage, client->replies.size);
    drop_output(client);
    greet(client, NULL);
}

const struct smtp_capabilities *smtp_client_capabilities(const struct smtp_client *client)
{
    return &client->capabilities;
}

enum smtp_client_state smtp_client_state(const struct smtp_client *client)
{
    return client->state;
}

void smtp_client_quit(struct smtp_client *client, int64_t now_ms)
{
    client->now_ms = now_ms;
    if (client->state == SMTP_CLIENT_READY)
        begin_to_quit(client);
    else if (client->state != SMTP_CLIENT_CLOSED)
        smtp_client_finish(client);
}
