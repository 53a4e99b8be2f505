/* smtp/server_hello.c - how a session begins: the greeting, and what EHLO is told that we offer. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "smtp/server_steps.h"

/* RFC 5321 section 4.1.1.1: the reply to EHLO, one line for each extension. */
static void add_extension(struct smtp_server *server, const char *name, const char *values)
{
    size_t size;
    char *room = smtp_server_room(server, &size);
    int len = snprintf(room, size, "250-%s%s\r\n", name, values);

    assert(len > 0 && (size_t)len < size);
    server->output_len = (uint16_t)(server->output_len + len);
}

uint32_t smtp_server_offered(const struct smtp_server *server)
{
    enum smtp_server_tls tls = server->settings->tls;
    uint32_t extensions = server->settings->extensions & SMTP_SERVER_EXTENSIONS;

    if (!server->is_encrypted && (tls == SMTP_SERVER_TLS_MAY || tls == SMTP_SERVER_TLS_REQUIRED))
        extensions |= SMTP_EXTENSION_STARTTLS;
    if (!server
             ->is_encrypted) /* RFC 8689 section 2: a session without TLS cannot keep the promise */
        extensions &= ~(uint32_t)SMTP_EXTENSION_REQUIRETLS;
    if (server->settings->recipients_most == 0 && server->settings->messages_most == 0)
        extensions &= ~(uint32_t)SMTP_EXTENSION_LIMITS;
    return extensions;
}

static void format_values(const struct smtp_server_settings *settings, uint32_t extension,
                          char *values, size_t size)
{
    int len = 0;

    values[0] = '\0';
    if (extension == SMTP_EXTENSION_SIZE && settings->size_most > 0)
        snprintf(values, size, " %" PRIu64, settings->size_most);
    if (extension != SMTP_EXTENSION_LIMITS)
        return;
    if (settings->messages_most > 0)
        len = snprintf(values, size, " MAILMAX=%" PRIu32, settings->messages_most);
    if (settings->recipients_most > 0)
        snprintf(values + len, size - (size_t)len, " RCPTMAX=%" PRIu32, settings->recipients_most);
}

void smtp_server_welcome(struct smtp_server *server, struct smtp_answer answer)
{
    bool is_esmtp = server->storage->command.verb == SMTP_COMMAND_EHLO;
    size_t size;
    char *line = smtp_server_room(server, &size), values[64];

    (void)answer;
    smtp_server_drop_message(server);
    add_extension(server, server->settings->hostname, "");
    for (uint32_t bit = 1; is_esmtp && bit <= SMTP_EXTENSION_AUTH; bit <<= 1) {
        if (!(smtp_server_offered(server) & bit))
            continue;
        line = smtp_server_room(server, &size);
        format_values(server->settings, bit, values, sizeof values);
        add_extension(server, smtp_extension_name((enum smtp_extension)bit), values);
    }
    line[strlen("250")] = ' '; /* the last line */
    smtp_server_enter(server, SMTP_SERVER_READY);
}

void smtp_server_greet(struct smtp_server *server, struct smtp_answer answer)
{
    char words[SMTP_ANSWER_BYTES];

    snprintf(words, sizeof words, "%s ESMTP", server->settings->hostname);
    smtp_server_say(server, (struct smtp_answer){ 220, "", answer.text },
                    (struct smtp_answer){ 220, "", words });
    smtp_server_enter(server, SMTP_SERVER_HELLO);
}

/* RFC 5321 section 3.1: behind 554 we wait for QUIT. */
void smtp_server_turn_away(struct smtp_server *server, struct smtp_answer answer)
{
    smtp_server_say(server, answer, (struct smtp_answer){ 554, "5.3.2", "No mail is taken here" });
    smtp_server_enter(server, SMTP_SERVER_TURNED_AWAY);
}
