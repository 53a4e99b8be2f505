/* tests/unit/link/scripted_client.c - a client on the loop that waits for words and says others. */
#include "../test.h"

#include "scripted_client.h"

#include <string.h>

enum { HEARD_MOST = 4 * 1024 * 1024 };

static bool has_come(struct scripted_client *client, const char *until)
{
    struct span rest = span_part(buffer_span(&client->heard), client->seen, SIZE_MAX);
    const char *at;

    if (until == NULL)
        return true;
    at = rest.len == 0 ? NULL : memmem(rest.data, rest.len, until, strlen(until));
    if (at == NULL)
        return false;
    client->seen += (size_t)(at - rest.data) + strlen(until);
    return true;
}

static void secure(struct scripted_client *client)
{
    struct error err = { .text = "" };

    if (client->tls.minimum_version == 0)
        tls_client_defaults(&client->tls);
    if (!stream_secure_client(client->stream, &client->tls, &client->facts, &client->arena, &err))
        fail_msg("%s", err.text);
}

static void go_on(struct scripted_client *client)
{
    while (client->stream != NULL && !client->has_ended) {
        const struct client_step *step = &client->steps[client->at];
        struct span said = { step->say, step->len };

        if (step->action == CLIENT_STAY || !has_come(client, step->until))
            return;
        client->at++;
        switch (step->action) {
        case CLIENT_SAY:
            if (!stream_send(client->stream, step->len == 0 ? span_of(step->say) : said))
                client->has_ended = true;
            break;
        case CLIENT_SECURE: secure(client); return;
        case CLIENT_END: stream_send_end(client->stream); break;
        case CLIENT_CLOSE: stream_close(&client->stream); return;
        case CLIENT_RESET: stream_reset(&client->stream); return;
        case CLIENT_STAY: return;
        }
    }
}

static void note_connected(void *owner)
{
    struct scripted_client *client = owner;

    if (client->is_implicit)
        secure(client);
    else
        go_on(client);
}

static void note_received(void *owner, struct span *bytes)
{
    struct scripted_client *client = owner;

    assert_true(buffer_append(&client->heard, *bytes));
    go_on(client);
}

static void note_secured(void *owner)
{
    go_on(owner);
}

static void note_ended(void *owner, enum stream_end end)
{
    struct scripted_client *client = owner;

    client->has_ended = true;
    client->end = end;
    stream_close(&client->stream);
}

void scripted_client_start(struct scripted_client *client, struct loop *loop,
                           const struct net_address *address)
{
    static const struct stream_handlers handlers = { .connected = note_connected,
                                                     .received = note_received,
                                                     .secured = note_secured,
                                                     .ended = note_ended };
    struct error err = { .text = "" };

    for (size_t i = 0; i < CLIENT_STEPS_MOST; i++)
        if (client->steps[i].action == CLIENT_SAY && client->steps[i].say == NULL)
            client->steps[i].action = CLIENT_STAY;
    client->loop = loop;
    arena_init(&client->arena, 1024 * 1024);
    buffer_init(&client->heard, HEARD_MOST);
    if (!stream_connect(loop, address, &handlers, client, &client->stream, &err))
        fail_msg("%s", err.text);
}

bool scripted_client_heard(const struct scripted_client *client, const char *text)
{
    struct span all = buffer_span(&client->heard);

    return all.len > 0 && memmem(all.data, all.len, text, strlen(text)) != NULL;
}

void scripted_client_stop(struct scripted_client *client)
{
    stream_close(&client->stream);
    buffer_clear(&client->heard);
    arena_clear(&client->arena);
}
