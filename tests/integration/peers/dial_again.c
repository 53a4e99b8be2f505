/* tests/integration/peers/dial_again.c - dials a server again and again, and keeps its TLS sessions.
 *
 * usage: dial_again HOST PORT ROOT.pem TIMES [CLIENT.pem KEY.pem]
 *
 * The port is one of loopback. Prints one JSON object a line for each conversation: how it ended, what the TLS was, whether a
 * session was offered and resumed, and what the chain was found to be.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "link/client_link.h"
#include "link/credential_files.h"
#include "link/trust_files.h"

enum { TIMEOUT_MS = 10000, ARENA_BYTES = 4 << 20 };

struct caller {
    struct loop *loop;
    struct arena arena;
    struct client_link_settings settings;
    struct anchors *anchors;
    struct tls_credentials *credentials;
    struct client_link *link;
    struct observation observation;
    int times;
};

static void stop_if(bool is_bad, const struct error *err)
{
    if (!is_bad)
        return;
    fprintf(stderr, "dial_again: %s\n", err->text);
    exit(3);
}

static void tell(const struct observation *seen)
{
    json_t *told = json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:i, s:b}", "reached",
        step_name(seen->reached), "ending", ending_name(seen->ending), "version",
        tls_version_name(seen->tls.version), "offered", seen->tls.offered_session, "resumed",
        seen->tls.was_resumed, "trusted", seen->has_verdict && seen->verdict.is_trusted, "named",
        seen->host_named, "sent_certificate", seen->tls.client_certificate_sent, "tickets",
        (int)seen->tls.tickets_received, "chain", (int)seen->tls.chain_count, "broke_resuming",
        client_link_should_dial_without_resuming(seen));

    json_dumpf(told, stdout, JSON_COMPACT);
    json_decref(told);
    puts("");
}

static void dial(struct caller *caller);

static void take_end(void *owner, struct observation *observation)
{
    struct caller *caller = owner;

    tell(observation);
    client_link_close(&caller->link);
    caller->times--;
    if (caller->times > 0)
        dial(caller);
    else
        loop_stop(caller->loop);
}

static void dial(struct caller *caller)
{
    static const struct client_link_handlers handlers = { .finished = take_end };
    struct error err = { .text = "" };

    arena_clear(&caller->arena);
    stop_if(!client_link_open(caller->loop, &caller->settings, &handlers, caller, &caller->arena,
                              &caller->observation, NULL, &caller->link, &err),
            &err);
}

static void set_up(struct caller *caller, char **arguments, int count, const struct clock *clock)
{
    struct error err = { .text = "what it was called with" };

    caller->anchors = anchors_new();
    stop_if(caller->anchors == NULL, &err);
    caller->settings = (struct client_link_settings){ .hostname = "sender.example",
                                                      .domain = arguments[1],
                                                      .host = arguments[1],
                                                      .level = POLICY_MAY,
                                                      .reply_timeout_ms = TIMEOUT_MS,
                                                      .anchors = caller->anchors,
                                                      .clock = clock };
    stop_if(!net_address_parse(span_of("127.0.0.1"), &caller->settings.address), &err);
    caller->settings.address.port = (uint16_t)strtoul(arguments[2], NULL, 10);
    stop_if(!trust_files_add(arguments[3], caller->anchors, &err), &err);
    if (count == 7)
        stop_if(!credential_files_load(arguments[5], arguments[6], &caller->credentials, &err),
                &err);
    caller->settings.credentials = caller->credentials;
    caller->times = (int)strtol(arguments[4], NULL, 10);
    stop_if(!link_tickets_new(&caller->settings.tickets, &err), &err);
    stop_if(!loop_open(&caller->loop, &err), &err);
    arena_init(&caller->arena, ARENA_BYTES);
}

int main(int count, char **arguments)
{
    struct caller caller = { .times = 0 };
    struct clock clock = clock_system();

    if (count != 5 && count != 7) {
        fputs("usage: dial_again HOST PORT ROOT.pem TIMES [CLIENT.pem KEY.pem]\n", stderr);
        return 2;
    }
    set_up(&caller, arguments, count, &clock);
    dial(&caller);
    loop_run(caller.loop);
    link_tickets_free(&caller.settings.tickets);
    loop_close(&caller.loop);
    tls_credentials_free(&caller.credentials);
    anchors_free(&caller.anchors);
    arena_clear(&caller.arena);
    return 0;
}
