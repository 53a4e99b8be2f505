/* tests/unit/gateway/lmtp_server.c - an LMTP server on the loop, as good or bad as told. */
#include "../test.h"

#include "lmtp_server.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { CONTENT_MOST = 32 * 1024 * 1024, RECIPIENTS_MOST = 200, ADDRESS_BYTES = 128 };

struct lmtp_connection {
    struct lmtp_connection *next;
    struct lmtp_server *server;
    struct stream *stream;
    struct buffer input;
    char recipients[RECIPIENTS_MOST][ADDRESS_BYTES];
    size_t recipient_count;
    unsigned messages;
    bool is_in_data, owes_answers;
    struct tls_facts facts;
    struct arena arena;
};

static void say(struct lmtp_connection *connection, const char *line)
{
    char text[600];

    snprintf(text, sizeof text, "%s\r\n", line);
    if (connection->stream != NULL)
        assert_true(stream_send(connection->stream, span_of(text)));
}

static void drop(struct lmtp_connection *connection)
{
    if (connection->stream != NULL)
        connection->server->open--;
    stream_close(&connection->stream);
}

static void greet_back(struct lmtp_connection *connection)
{
    const char *offer = connection->server->offers;
    char line[128];

    say(connection, "250-lmtp.example");
    for (; offer != NULL && *offer != '\0'; offer += strlen(offer) + 1) {
        snprintf(line, sizeof line, "250-%s", offer);
        say(connection, line);
    }
    if (connection->server->tls != NULL && !connection->facts.was_started)
        say(connection, "250-STARTTLS");
    say(connection, "250 PIPELINING");
}

static void start_tls(struct lmtp_connection *connection)
{
    struct error err = { .text = "" };

    say(connection, "220 2.0.0 Go ahead");
    if (connection->server->breaks_handshake)
        drop(connection);
    else if (!stream_secure_server(connection->stream, connection->server->tls, &connection->facts,
                                   &connection->arena, &err))
        fail_msg("%s", err.text);
}

static void take_recipient(struct lmtp_connection *connection, const char *line)
{
    const char *begin = strchr(line, '<');
    const char *end = begin == NULL ? NULL : strchr(begin, '>');
    char *address = connection->recipients[connection->recipient_count];

    assert_true(end != NULL && connection->recipient_count < RECIPIENTS_MOST);
    snprintf(address, ADDRESS_BYTES, "%.*s", (int)(end - begin - 1), begin + 1);
    if (strncmp(address, "gone", 4) == 0) {
        say(connection, "550-5.1.1 Nobody");
        say(connection, "550 5.1.1 lives here");
    } else if (strncmp(address, "later", 5) == 0) {
        say(connection, "450 4.2.1 Busy");
    } else {
        connection->recipient_count++;
        say(connection, "250 2.1.5 OK");
    }
}

static void begin_data(struct lmtp_connection *connection)
{
    struct lmtp_server *server = connection->server;

    if (connection->recipient_count == 0) {
        say(connection, "503 5.5.1 No recipients");
        return;
    }
    say(connection, server->data_reply == NULL ? "354 Go on" : server->data_reply);
    connection->is_in_data = server->data_reply == NULL;
    if (!connection->is_in_data)
        return;
    server->transactions++;
    buffer_clear(&server->content);
    buffer_clear(&server->recipients);
    for (size_t i = 0; i < connection->recipient_count; i++)
        assert_true(buffer_format(&server->recipients, "%s,", connection->recipients[i]));
}

static void take_command(struct lmtp_connection *connection, const char *line)
{
    struct lmtp_server *server = connection->server;

    if (strncmp(line, "MAIL", 4) == 0 || strncmp(line, "RCPT", 4) == 0)
        assert_true(buffer_format(&server->commands, "%s\n", line));
    if (strncmp(line, "LHLO ", 5) == 0) {
        greet_back(connection);
    } else if (strncmp(line, "MAIL FROM:", 10) == 0) {
        connection->recipient_count = 0;
        say(connection, server->mail_reply == NULL ? "250 2.1.0 OK" : server->mail_reply);
    } else if (strncmp(line, "RCPT TO:", 8) == 0) {
        take_recipient(connection, line);
    } else if (strcmp(line, "STARTTLS") == 0 && server->tls != NULL) {
        start_tls(connection);
    } else if (strcmp(line, "DATA") == 0) {
        begin_data(connection);
    } else if (strcmp(line, "RSET") == 0) {
        say(connection, "250 2.0.0 OK");
    } else if (strcmp(line, "QUIT") == 0) {
        say(connection, "221 2.0.0 Bye");
        drop(connection);
    } else {
        say(connection, "500 5.5.2 What?");
    }
}

static void answer_for(struct lmtp_connection *connection, const char *address)
{
    char line[256];

    if (strncmp(address, "full", 4) == 0)
        snprintf(line, sizeof line, "452 4.2.2 <%s> Mailbox full", address);
    else if (strncmp(address, "large", 5) == 0)
        snprintf(line, sizeof line, "552 5.2.3 <%s> Too large", address);
    else
        snprintf(line, sizeof line, "250 2.0.0 <%s> Saved", address);
    say(connection, line);
}

static void end_data(struct lmtp_connection *connection)
{
    struct lmtp_server *server = connection->server;

    connection->is_in_data = false;
    connection->messages++;
    connection->owes_answers = server->is_silent;
    server->messages++;
    for (size_t i = 0; !server->is_silent && i < connection->recipient_count; i++) {
        answer_for(connection, connection->recipients[i]);
        if (server->cuts_between_answers) {
            drop(connection);
            return;
        }
    }
    if (connection->messages == server->closes_after)
        drop(connection);
}

static void take_content(struct lmtp_connection *connection, struct span line)
{
    struct lmtp_server *server = connection->server;

    if (server->cuts_in_data)
        drop(connection);
    else if (span_equal(line, span_of(".\r\n")))
        end_data(connection);
    else
        assert_true(buffer_append(&server->content,
                                  span_part(line, line.data[0] == '.' ? 1 : 0, line.len)));
}

static void take_line(struct lmtp_connection *connection, struct span line)
{
    char text[1200];

    if (connection->is_in_data) {
        take_content(connection, line);
        return;
    }
    assert_true(line.len >= 2 && line.data[line.len - 2] == '\r');
    snprintf(text, sizeof text, "%.*s", (int)(line.len - 2), line.data);
    take_command(connection, text);
}

static void on_received(void *owner, struct span *bytes)
{
    struct lmtp_connection *connection = owner;
    size_t done = 0;

    assert_true(buffer_append(&connection->input, *bytes));
    while (connection->stream != NULL) {
        struct span rest = span_part(buffer_span(&connection->input), done, SIZE_MAX);
        size_t len = span_find(rest, '\n');

        if (len == rest.len)
            break;
        done += len + 1;
        take_line(connection, span_part(rest, 0, len + 1));
    }
    buffer_drop(&connection->input, done);
}

static void on_secured(void *owner)
{
    ((struct lmtp_connection *)owner)->server->encrypted++;
}

static void on_ended(void *owner, enum stream_end end)
{
    (void)end;
    drop(owner);
}

static void accept_one(void *owner, int socket, const struct net_address *from)
{
    static const struct stream_handlers handlers = { .received = on_received,
                                                     .secured = on_secured,
                                                     .ended = on_ended };
    struct lmtp_server *server = owner;
    struct lmtp_connection *connection = memory_new(1, sizeof *connection);

    (void)from;
    assert_non_null(connection);
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    buffer_init(&connection->input, CONTENT_MOST);
    arena_init(&connection->arena, 1024 * 1024);
    assert_true(
        stream_adopt(server->loop, socket, &handlers, connection, &connection->stream, NULL));
    server->accepted++;
    server->open++;
    if (server->open > server->most_open)
        server->most_open = server->open;
    say(connection, server->greeting == NULL ? "220 lmtp.example LMTP" : server->greeting);
}

static void begin(struct lmtp_server *server, struct loop *loop)
{
    server->loop = loop;
    buffer_init(&server->content, CONTENT_MOST);
    buffer_init(&server->recipients, CONTENT_MOST);
    buffer_init(&server->commands, CONTENT_MOST);
}

void lmtp_server_start(struct lmtp_server *server, struct loop *loop)
{
    struct error err = { .text = "" };

    begin(server, loop);
    assert_true(net_address_parse(span_of("127.0.0.1"), &server->address));
    if (!listener_open(loop, &server->address, accept_one, server, &server->listener, &err))
        fail_msg("%s", err.text);
    if (server->wants_no_more)
        listener_close(&server->listener);
}

void lmtp_server_start_local(struct lmtp_server *server, struct loop *loop, const char *path)
{
    struct error err = { .text = "" };

    begin(server, loop);
    if (!listener_open_local(loop, path, 0600, accept_one, server, &server->listener, &err))
        fail_msg("%s", err.text);
}

void lmtp_server_speak(struct lmtp_server *server)
{
    server->is_silent = false;
    for (struct lmtp_connection *each = server->connections; each != NULL; each = each->next) {
        for (size_t i = 0; each->owes_answers && i < each->recipient_count; i++)
            answer_for(each, each->recipients[i]);
        each->owes_answers = false;
    }
}

void lmtp_server_stop(struct lmtp_server *server)
{
    while (server->connections != NULL) {
        struct lmtp_connection *gone = server->connections;

        server->connections = gone->next;
        drop(gone);
        buffer_clear(&gone->input);
        arena_clear(&gone->arena);
        memory_free(gone);
    }
    listener_close(&server->listener);
    buffer_clear(&server->content);
    buffer_clear(&server->recipients);
    buffer_clear(&server->commands);
}
