/* tests/integration/inbound/inbound_server.c - a server for one client, which says why that one failed.
 *
 * usage: inbound_server CHAIN.pem KEY.pem ROOT.pem HOST [NAME=VALUE]...
 *
 * Prints its port, serves one connection, prints one JSON object: the observation and the findings.
 * It speaks just enough SMTP to come to STARTTLS. NAME is minimum, maximum (770 and so on), ciphers,
 * groups, signatures, only_sni, client_ca (a file), implicit (1), or silence_ms: how long a client may
 * take from where TLS begins, however long it took to come there.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "diagnose/judge.h"
#include "link/inbound_observation.h"
#include "link/trust_files.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls_server.h"
#include "trust/anchors.h"
#include "trust/chain.h"

enum { FILE_MOST = 1 << 20, LINES_MOST = 64 * 1024, PATIENCE_MS = 120000 };

struct server {
    struct loop *loop;
    struct listener *listener;
    struct stream *stream;
    struct loop_timer *limit;
    struct tls_server_context *context;
    struct arena arena;
    struct buffer lines;
    struct inbound_observation seen;
    int64_t silence_ms;
};

static void stop_if(bool is_bad, const char *what, const struct error *err)
{
    if (!is_bad)
        return;
    fprintf(stderr, "inbound_server: %s: %s\n", what, err->text);
    exit(3);
}

static void finish(struct server *server)
{
    stream_close(&server->stream);
    loop_stop(server->loop);
}

static void say(struct server *server, const char *text)
{
    if (!stream_send(server->stream, span_of(text)))
        finish(server);
}

static void secure(struct server *server)
{
    struct error err = { .text = "" };

    stop_if(!stream_secure_server(server->stream, server->context, &server->seen.tls,
                                  &server->arena, &err),
            "TLS", &err);
    loop_timer_start(server->limit, server->silence_ms);
}

static void take_line(struct server *server, struct span line)
{
    if (span_starts_with_nocase(line, "EHLO ")) {
        server->seen.name = arena_copy(&server->arena, span_trim(span_part(line, 5, line.len)));
        say(server, server->seen.tls.was_started ? "250 mx\r\n" : "250-mx\r\n250 STARTTLS\r\n");
    } else if (span_starts_with_nocase(line, "QUIT")) {
        say(server, "221 bye\r\n");
        server->seen.ending = ENDING_QUIT;
        finish(server);
    } else {
        say(server, "250 ok\r\n");
    }
}

static void receive(void *owner, struct span *bytes)
{
    struct server *server = owner;

    server->seen.spoke_inside |= server->seen.tls.was_completed;
    if (!buffer_append(&server->lines, *bytes)) {
        finish(server);
        return;
    }
    while (server->stream != NULL) {
        struct span all = buffer_span(&server->lines);
        size_t end = span_find(all, '\n');
        struct span line = span_part(all, 0, end);

        if (end == all.len)
            return;
        line = span_take_until(&line, '\r');
        if (span_starts_with_nocase(line, "STARTTLS") && !server->seen.tls.was_started) {
            struct span behind = span_part(all, end + 1, all.len);

            if (behind.len > 0) {
                inbound_observation_inject(&server->seen, behind, &server->arena);
                finish(server);
                return;
            }
            say(server, "220 go\r\n");
            secure(server);
            buffer_clear(&server->lines);
            return;
        }
        take_line(server, line);
        buffer_drop(&server->lines, end + 1);
    }
}

static void end(void *owner, enum stream_end how)
{
    struct server *server = owner;

    inbound_observation_end(&server->seen, how);
    finish(server);
}

static void run_out(void *owner)
{
    struct server *server = owner;

    server->seen.ending = ENDING_TIMEOUT;
    server->seen.timeout_ms = server->silence_ms;
    finish(server);
}

static const struct stream_handlers handlers = { .received = receive, .ended = end };

static void accept_one(void *owner, int socket, const struct net_address *peer)
{
    struct server *server = owner;
    char text[NET_ADDRESS_TEXT];
    struct error err = { .text = "" };

    listener_close(&server->listener);
    server->seen.address = arena_copy(&server->arena, span_of(net_address_text(peer, text)));
    stop_if(!stream_adopt(server->loop, socket, &handlers, server, &server->stream, &err),
            "a connection", &err);
    loop_timer_start(server->limit, PATIENCE_MS);
    if (server->seen.is_implicit_tls)
        secure(server);
    else
        say(server, "220 mx ESMTP\r\n");
}

/* Our own chain, as a careful sender sees it. */
static void judge_own(struct server *server, const char *chain, const char *root)
{
    struct span *certificates = arena_new(&server->arena, CHAIN_SENT_MOST, sizeof *certificates);
    struct chain_request request = {
        .certificates = certificates,
        .names = &server->seen.host,
        .name_count = 1,
        .now_s = server->seen.wall_s,
        .anchors = anchors_new(),
    };
    struct error err = { .text = "" };

    stop_if(!trust_files_certificates(chain, &server->arena, certificates, CHAIN_SENT_MOST,
                                      &request.certificate_count, &err),
            "the chain", &err);
    stop_if(!trust_files_add(root, request.anchors, &err), "the root", &err);
    stop_if(!chain_verify(&request, &server->arena, &server->seen.self.verdict, &err), "judging",
            &err);
    server->seen.self.has_verdict = true;
    server->seen.self.certificate_file = chain;
    anchors_free(&request.anchors);
}

static struct span read_file(struct server *server, const char *path)
{
    struct buffer content;
    struct error err = { .text = "" };
    struct span copy;

    buffer_init(&content, FILE_MOST);
    stop_if(!trust_files_read(path, &content, &err), path, &err);
    copy = arena_copy_bytes(&server->arena, buffer_span(&content));
    buffer_clear(&content);
    return copy;
}

static void set(struct server *server, struct tls_server_settings *settings, const char *option)
{
    const char *value = strchr(option, '=') + 1;
    struct span name = { option, (size_t)(value - option) - 1 };

    if (span_equal(name, span_of("minimum")))
        settings->minimum_version = (uint16_t)strtoul(value, NULL, 10);
    else if (span_equal(name, span_of("maximum")))
        settings->maximum_version = (uint16_t)strtoul(value, NULL, 10);
    else if (span_equal(name, span_of("ciphers")))
        settings->ciphers = value;
    else if (span_equal(name, span_of("groups")))
        settings->groups = value;
    else if (span_equal(name, span_of("signatures")))
        settings->signature_algorithms = value;
    else if (span_equal(name, span_of("only_sni")))
        settings->only_sni = value;
    else if (span_equal(name, span_of("silence_ms")))
        server->silence_ms = strtol(value, NULL, 10);
    else if (span_equal(name, span_of("implicit")))
        server->seen.is_implicit_tls = true;
    else if (span_equal(name, span_of("client_ca"))) {
        settings->client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE;
        settings->client_ca_pem = read_file(server, value);
        server->seen.self.client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE;
    }
}

static json_t *finding_json(const struct finding *finding)
{
    json_t *evidence = json_array();

    for (size_t i = 0; i < finding->evidence_count; i++)
        json_array_append_new(evidence, json_string(finding->evidence[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:o}", "code", finding->code, "fault",
                     fault_name(finding->fault), "severity", severity_name(finding->severity),
                     "cause", finding->cause, "remedy", finding->remedy, "because_of",
                     finding->because_of, "evidence", evidence);
}

/* Judged as it was seen, and again from its own JSON: both must say the same. */
static void print_findings(struct server *server)
{
    static struct inbound_observation again;
    static struct findings findings, findings_again;
    json_t *saved = inbound_observation_to_json(&server->seen), *list = json_array(), *all;
    struct error err = { .text = "" };
    char *text;

    judge_inbound(&server->seen, &server->arena, &findings);
    stop_if(!inbound_observation_from_json(saved, &server->arena, &again, &err), "reading", &err);
    judge_inbound(&again, &server->arena, &findings_again);
    if (findings.count != findings_again.count ||
        (findings.count > 0 &&
         strcmp(findings.items[0].cause, findings_again.items[0].cause) != 0)) {
        error_set(&err, ERROR_FORMAT, "%zu, %zu: %s", findings.count, findings_again.count,
                  findings_again.count > 0 ? findings_again.items[0].cause : "");
        stop_if(true, "judged again, it says something else", &err);
    }
    for (size_t i = 0; i < findings.count; i++)
        json_array_append_new(list, finding_json(&findings.items[i]));
    all = json_pack("{s:o,s:o}", "findings", list, "observation", saved);
    text = json_dumps(all, 0);
    puts(text);
    free(text);
    json_decref(all);
}

int main(int argc, char **argv)
{
    static struct server server;
    struct tls_server_settings settings = { .security_level = 1 };
    struct net_address address = { .port = 0 };
    struct tls_credentials *credentials;
    struct clock clock = clock_system();
    struct error err = { .text = "argument" };

    stop_if(argc < 5, "CHAIN KEY ROOT HOST are wanted", &err);
    arena_init(&server.arena, 32 << 20);
    buffer_init(&server.lines, LINES_MOST);
    inbound_observation_init(&server.seen);
    server.seen.host = argv[4];
    server.seen.wall_s = clock.wall_s(&clock);
    server.silence_ms = PATIENCE_MS;
    for (int i = 5; i < argc; i++)
        set(&server, &settings, argv[i]);
    stop_if(!tls_credentials_load(read_file(&server, argv[1]), read_file(&server, argv[2]),
                                  &credentials, &err),
            "credentials", &err);
    settings.credentials = credentials;
    judge_own(&server, argv[1], argv[3]);
    stop_if(!tls_server_context_new(&settings, &server.context, &err), "context", &err);
    stop_if(!tls_server_offer(server.context, &server.arena, &server.seen.self.takes, &err),
            "offer", &err);
    stop_if(!loop_open(&server.loop, &err), "loop", &err);
    stop_if(!loop_timer_open(server.loop, run_out, &server, &server.limit, &err), "timer", &err);
    stop_if(!net_address_parse(span_of("127.0.0.1"), &address), "address", &err);
    stop_if(!listener_open(server.loop, &address, accept_one, &server, &server.listener, &err),
            "listener", &err);
    server.seen.port = address.port;
    printf("%u\n", address.port);
    fflush(stdout);
    loop_run(server.loop);
    print_findings(&server);
    stream_close(&server.stream);
    loop_timer_close(&server.limit);
    loop_close(&server.loop);
    tls_server_context_free(&server.context);
    tls_credentials_free(&credentials);
    buffer_clear(&server.lines);
    arena_clear(&server.arena);
    return 0;
}
