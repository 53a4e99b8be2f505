/* tests/unit/net/https_test.c - promises of net/https.h, against servers that mean no good */
#include "../test.h"

#include "https_server.h"
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/https.h"

enum { LONG_MS = 20000, SHORT_MS = 300, BODY_MOST = 64 * 1024 };

static struct tls_credentials *ec;

struct fixture {
    struct loop *loop;
    struct https *https;
    struct https_server server;
    struct arena arena;
    struct https_query *query;
    /* how it judges */
    bool refuses;
    int judged;
    struct span chain, staple;
    /* what came */
    int answers;
    struct https_answer answer;
    bool closes_all, asks_again;
};

static int start(void **state)
{
    static struct fixture fixture;
    struct error err = { .text = "" };

    memset(&fixture, 0, sizeof fixture);
    *state = &fixture;
    arena_init(&fixture.arena, 4 * 1024 * 1024);
    assert_true(loop_open(&fixture.loop, &err));
    if (!https_open(fixture.loop, &fixture.https, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    https_close(&fixture->https);
    if (fixture->server.loop != NULL)
        https_server_close(&fixture->server);
    loop_close(&fixture->loop);
    arena_clear(&fixture->arena);
    return 0;
}

static void serve(struct fixture *fixture, const char *reply, enum https_server_then then)
{
    assert_true(
        https_server_open(&fixture->server, fixture->loop, "127.0.0.1",
                          &(struct tls_server_settings){ .credentials = ec, .security_level = 1 }));
    fixture->server.reply = span_of(reply);
    fixture->server.then = then;
}

static bool judge(void *owner, const struct https_peer *peer)
{
    struct fixture *fixture = owner;

    fixture->judged++;
    assert_string_equal(peer->host, "mta-sts.example.test");
    assert_int_equal(fixture->server.requests, 0);
    if (peer->chain_count > 0)
        fixture->chain = arena_copy_bytes(&fixture->arena, peer->chain[0]);
    fixture->staple = arena_copy_bytes(&fixture->arena, peer->staple);
    return !fixture->refuses;
}

static void send_one(struct fixture *fixture, int64_t timeout_ms);

static void note(void *owner, const struct https_answer *answer)
{
    struct fixture *fixture = owner;

    fixture->answers++;
    fixture->query = NULL;
    fixture->answer = *answer;
    fixture->answer.body = arena_copy_bytes(&fixture->arena, answer->body);
    fixture->answer.content_type = arena_copy_bytes(&fixture->arena, answer->content_type);
    fixture->answer.location = arena_copy_bytes(&fixture->arena, answer->location);
    fixture->answer.failure = arena_copy(&fixture->arena, span_of(answer->failure));
    if (fixture->asks_again) {
        fixture->asks_again = false;
        fixture->server.requests = 0;
        send_one(fixture, LONG_MS);
    } else {
        loop_stop(fixture->loop);
    }
    if (fixture->closes_all)
        https_close(&fixture->https);
}

static void fill(struct fixture *fixture, struct https_request *request, char url[256])
{
    snprintf(url, 256, "https://MTA-STS.example.test:%u/.well-known/mta-sts.txt",
             fixture->server.address.port);
    if (request->url == NULL)
        request->url = url;
    if (request->addresses == NULL) {
        request->addresses = &fixture->server.address;
        request->address_count = 1;
    }
    if (request->body_most == 0)
        request->body_most = BODY_MOST;
    if (request->timeout_ms == 0)
        request->timeout_ms = LONG_MS;
    request->judge = judge;
    request->judge_owner = fixture;
}

static void send_request(struct fixture *fixture, struct https_request request)
{
    struct error err = { .text = "" };
    char url[256];
    int before = fixture->answers;

    fill(fixture, &request, url);
    if (!https_send(fixture->https, &request, note, fixture, &fixture->query, &err))
        fail_msg("%s", err.text);
    assert_int_equal(fixture->answers, before); /* never inside the call */
}

static void send_one(struct fixture *fixture, int64_t timeout_ms)
{
    send_request(fixture, (struct https_request){ .timeout_ms = timeout_ms });
}

static void ask_by(struct fixture *fixture, struct https_request request)
{
    int before = fixture->answers;

    send_request(fixture, request);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, before + 1);
}

static void ask(struct fixture *fixture)
{
    ask_by(fixture, (struct https_request){ .url = NULL });
}

static void ask_shortly(struct fixture *fixture)
{
    ask_by(fixture, (struct https_request){ .timeout_ms = SHORT_MS });
}

#define OUTCOME(expected)                                                                          \
    do {                                                                                           \
        if (fixture->answer.outcome != (expected))                                                 \
            fail_msg("%s in place of %s: %s", https_outcome_name(fixture->answer.outcome),         \
                     https_outcome_name(expected), fixture->answer.failure);                       \
    } while (0)

#define POLICY "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n"
#define OK                                                                                         \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 44\r\n\r\n" POLICY

static void gives_the_answer_as_it_came(void **state)
{
    struct fixture *fixture = *state;
    struct span request;

    serve(fixture, OK, SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answer.status, 200);
    assert_true(span_equal(fixture->answer.body, span_of(POLICY)));
    assert_true(span_equal(fixture->answer.content_type, span_of("text/plain; charset=utf-8")));
    assert_string_equal(fixture->answer.failure, "");
    assert_non_null(fixture->answer.peer);
    assert_int_equal(fixture->answer.address.port, fixture->server.address.port);
    assert_string_equal(fixture->server.sni, "mta-sts.example.test");
    request = buffer_span(&fixture->server.request);
    assert_true(span_starts_with(request, "GET /.well-known/mta-sts.txt HTTP/1.1\r\n"));
    assert_null(memmem(request.data, request.len, "Accept-Encoding", 15));
    assert_null(memmem(request.data, request.len, "Authorization", 13));
}

static void shows_the_judge_the_chain_before_anything_is_asked(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    ask(fixture);
    assert_int_equal(fixture->judged, 1);
    assert_true(span_equal(fixture->chain, tls_credentials_leaf(ec)));
}

static void shows_the_judge_the_staple(void **state)
{
    struct fixture *fixture = *state;

    for (uint16_t version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        assert_true(https_server_open(
            &fixture->server, fixture->loop, "127.0.0.1",
            &(struct tls_server_settings){ .credentials = ec,
                                           .security_level = 1,
                                           .maximum_version = version,
                                           .staple = span_of("not really OCSP") }));
        fixture->server.reply = span_of(OK);
        fixture->server.then = SERVER_STALLS;
        ask(fixture);
        OUTCOME(HTTPS_ANSWERED);
        assert_true(span_equal(fixture->staple, span_of("not really OCSP")));
        https_server_close(&fixture->server);
    }
    fixture->server.loop = NULL;
}

static void asks_nothing_of_a_server_that_is_refused(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    fixture->refuses = true;
    ask(fixture);
    OUTCOME(HTTPS_UNTRUSTED);
    assert_int_equal(fixture->answer.status, 0);
    assert_int_equal(fixture->answer.body.len, 0);
    assert_non_null(fixture->answer.peer);
    assert_int_equal(fixture->server.requests, 0);
}

static void follows_no_redirect(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture,
          "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.test/x\r\nContent-Length: 0\r\n\r\n",
          SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answer.status, 301);
    assert_true(span_equal(fixture->answer.location, span_of("https://elsewhere.test/x")));
    assert_int_equal(fixture->server.connected, 1);
}

static void hands_on_any_status_and_type(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nno\n",
          SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answer.status, 404);
    assert_true(span_equal(fixture->answer.content_type, span_of("text/html")));
    assert_true(span_equal(fixture->answer.body, span_of("no\n")));
}

static void does_not_unpack_a_body(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture,
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\x1f\x8b"
          "abcd",
          SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_true(span_equal(fixture->answer.body, span_of("\x1f\x8b"
                                                         "abcd")));
}

static void puts_chunks_together(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
          "Trailer: x\r\n\r\n",
          SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_true(span_equal(fixture->answer.body, span_of("abcde")));
}

static void reads_an_answer_of_single_octets(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    fixture->server.piece = 1;
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_true(span_equal(fixture->answer.body, span_of(POLICY)));
}

static void posts_an_upload_with_its_type(void **state)
{
    struct fixture *fixture = *state;
    static const char body[] = "\x1f\x8b\0report";
    struct span request;

    serve(fixture, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", SERVER_STALLS);
    ask_by(fixture, (struct https_request){ .upload = { body, sizeof body - 1 },
                                            .upload_type = "application/tlsrpt+gzip" });
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answer.status, 201);
    request = buffer_span(&fixture->server.request);
    assert_true(span_starts_with(request, "POST "));
    assert_non_null(
        memmem(request.data, request.len, "Content-Type: application/tlsrpt+gzip\r\n", 39));
    assert_non_null(memmem(request.data, request.len, "Content-Length: 9\r\n", 19));
    assert_null(memmem(request.data, request.len, "Expect", 6));
}

static void a_body_of_just_the_bound_is_whole_and_one_octet_more_too_large(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    ask_by(fixture, (struct https_request){ .body_most = 44 });
    OUTCOME(HTTPS_ANSWERED);
    fixture->server.requests = 0;
    ask_by(fixture, (struct https_request){ .body_most = 43 });
    OUTCOME(HTTPS_TOO_LARGE);
    assert_string_equal(fixture->answer.failure, "the body is longer than 43 octets");
}

static char huge[256 * 1024];

static void a_body_without_end_is_too_large_however_it_is_sent(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3fff0\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        memset(huge, 'a', sizeof huge - 1);
        memcpy(huge, heads[i], strlen(heads[i]));
        serve(fixture, huge, SERVER_STALLS);
        ask(fixture);
        OUTCOME(HTTPS_TOO_LARGE);
        assert_true(fixture->answer.body.len <= BODY_MOST);
        https_server_close(&fixture->server);
    }
    fixture->server.loop = NULL;
}

static void headers_without_end_are_too_large(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "HTTP/1.1 100 Continue\r\n\r\n", SERVER_REPEATS); /* any number of them */
    ask(fixture);
    OUTCOME(HTTPS_TOO_LARGE);
    https_server_close(&fixture->server);
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "HTTP/1.1 200 OK\r\nX: ", 20); /* one line */
    serve(fixture, huge, SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_TOO_LARGE);
    assert_non_null(strstr(fixture->answer.failure, "headers"));
}

static void a_slow_drip_ends_at_the_deadline(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "HTTP/1.1 200 OK\r\n\r\n", SERVER_REPEATS);
    fixture->server.piece = 1;
    fixture->server.reply = span_of("H"); /* never a whole line */
    ask_shortly(fixture);
    assert_true(fixture->answer.outcome == HTTPS_TIMEOUT ||
                fixture->answer.outcome == HTTPS_BROKEN);
    https_server_close(&fixture->server);
    serve(fixture, OK, SERVER_STALLS);
    fixture->server.reply.len -= 1; /* all but the last octet */
    fixture->server.piece = 1;
    ask_by(fixture, (struct https_request){ .timeout_ms = 2 * SHORT_MS });
    OUTCOME(HTTPS_TIMEOUT);
}

static void silence_at_each_step_ends_at_the_deadline_and_says_where(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "", SERVER_STALLS); /* takes the connection */
    fixture->server.is_silent_in_tls = true;
    ask_by(fixture, (struct https_request){ .timeout_ms = 2000 }); /* by then it is connected */
    OUTCOME(HTTPS_TIMEOUT);
    assert_string_equal(fixture->answer.failure, "after 2000 ms the TLS handshake does not end");
    assert_null(fixture->answer.peer);
    fixture->server.is_silent_in_tls = false;
    ask_by(fixture, (struct https_request){ .timeout_ms = 2000 }); /* takes the request */
    OUTCOME(HTTPS_TIMEOUT);
    assert_string_equal(fixture->answer.failure,
                        "after 2000 ms the server does not answer the request");
    assert_non_null(fixture->answer.peer);
}

static void an_answer_cut_short_is_told_from_a_whole_one(void **state)
{
    static const struct {
        const char *reply;
        enum https_server_then then;
        enum https_outcome outcome;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\n\r\nabc", SERVER_ENDS, HTTPS_ANSWERED },
        { "HTTP/1.1 200 OK\r\n\r\nabc", SERVER_CUTS, HTTPS_CUT }, /* no close_notify: who knows */
        { "HTTP/1.1 200 OK\r\n\r\nabc", SERVER_RESETS, HTTPS_CUT },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", SERVER_ENDS, HTTPS_CUT },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", SERVER_CUTS, HTTPS_CUT },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", SERVER_ENDS, HTTPS_CUT },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", SERVER_CUTS,
          HTTPS_ANSWERED },
        { "HTTP/1.1 200 OK\r\nContent-Le", SERVER_ENDS, HTTPS_CUT },
        { "", SERVER_ENDS, HTTPS_CUT },
        { "", SERVER_CUTS, HTTPS_CUT },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        serve(fixture, cases[i].reply, cases[i].then);
        ask(fixture);
        if (fixture->answer.outcome != cases[i].outcome)
            fail_msg("case %zu: %s: %s", i, https_outcome_name(fixture->answer.outcome),
                     fixture->answer.failure);
        https_server_close(&fixture->server);
    }
    fixture->server.loop = NULL;
}

static void what_is_not_http_is_broken(void **state)
{
    static const char *const replies[] = {
        "220 mx.example.test ESMTP\r\n250 no\r\n",
        "garbage\n",
        "\x16\x03\x01\x02\x00",
        "HTTP/1.1 abc\r\n\r\n",
        "version: STSv1\nmode: none\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcdefgh",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        serve(fixture, replies[i], SERVER_ENDS);
        ask(fixture);
        if (fixture->answer.outcome != HTTPS_BROKEN)
            fail_msg("case %zu: %s: %s", i, https_outcome_name(fixture->answer.outcome),
                     fixture->answer.failure);
        https_server_close(&fixture->server);
    }
    fixture->server.loop = NULL;
}

static void nothing_that_listens_is_no_connection(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    listener_close(&fixture->server.listener);
    ask(fixture);
    OUTCOME(HTTPS_NO_CONNECT);
    assert_string_equal(fixture->answer.failure, "no connection: Connection refused");
    assert_null(fixture->answer.peer);
}

static void an_address_that_refuses_leads_to_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct net_address addresses[2] = { { .bytes = { 127, 0, 0, 9 } },
                                        { .bytes = { 127, 0, 0, 1 } } };

    serve(fixture, OK, SERVER_STALLS);
    ask_by(fixture, (struct https_request){ .addresses = addresses, .address_count = 2 });
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answer.address.bytes[3], 1);
}

static void old_versions_of_tls_make_no_handshake(void **state)
{
    struct fixture *fixture = *state;

    assert_true(https_server_open(&fixture->server, fixture->loop, "127.0.0.1",
                                  &(struct tls_server_settings){ .credentials = ec,
                                                                 .minimum_version = TLS_VERSION_1_0,
                                                                 .maximum_version = TLS_VERSION_1_1,
                                                                 .ciphers = "ALL:@SECLEVEL=0" }));
    ask(fixture);
    OUTCOME(HTTPS_TLS_FAILED);
    assert_non_null(strstr(fixture->answer.failure, "protocol version"));
    assert_int_equal(fixture->judged, 0);
}

static void what_is_not_tls_makes_no_handshake(void **state)
{
    static const char *const early[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "220 mx ESMTP\r\n",
                                         "\x15\x03\x03\x00\x02\x02\x28" /* an alert */ };
    static const enum https_server_then ends[] = { SERVER_ENDS, SERVER_CUTS, SERVER_RESETS };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 6; i++) {
        serve(fixture, "", i < 3 ? SERVER_STALLS : ends[i - 3]);
        if (i < 3)
            fixture->server.early = i == 2 ? (struct span){ early[2], 7 } : span_of(early[i]);
        else
            tls_server_context_free(&fixture->server.context);
        ask(fixture);
        if (i < 5 || fixture->answer.outcome != HTTPS_NO_CONNECT) /* an RST may come as early */
            OUTCOME(HTTPS_TLS_FAILED);
        https_server_close(&fixture->server);
    }
    fixture->server.loop = NULL;
}

static void speaks_to_ipv6(void **state)
{
    struct fixture *fixture = *state;

    if (!https_server_open(&fixture->server, fixture->loop, "::1",
                           &(struct tls_server_settings){ .credentials = ec, .security_level = 1 }))
        skip();
    fixture->server.reply = span_of(OK);
    fixture->server.then = SERVER_STALLS;
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    assert_true(fixture->answer.address.is_ipv6);
}

static void no_proxy_of_the_environment_counts(void **state)
{
    struct fixture *fixture = *state;

    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    serve(fixture, OK, SERVER_STALLS);
    ask(fixture);
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
    OUTCOME(HTTPS_ANSWERED);
}

static void each_request_goes_to_its_own_addresses(void **state)
{
    struct fixture *fixture = *state;
    struct net_address elsewhere = { .bytes = { 127, 0, 0, 9 } };

    serve(fixture, OK, SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    fixture->server.requests = 0;
    ask_by(fixture, (struct https_request){ .addresses = &elsewhere, .address_count = 1 });
    OUTCOME(HTTPS_NO_CONNECT);
    assert_int_equal(fixture->server.connected, 1); /* nor is the connection kept */
}

static void a_cancelled_request_is_never_answered(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    send_one(fixture, LONG_MS);
    https_cancel(&fixture->query);
    assert_null(fixture->query);
    https_cancel(&fixture->query);
    ask(fixture); /* which another still is */
    OUTCOME(HTTPS_ANSWERED);
    assert_int_equal(fixture->answers, 1);
}

static void all_can_be_closed_inside_an_answer(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    fixture->closes_all = true;
    for (int i = 0; i < 3; i++)
        send_one(fixture, LONG_MS);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, 1);
    assert_null(fixture->https);
}

static void another_can_be_asked_inside_an_answer(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, OK, SERVER_STALLS);
    fixture->asks_again = true;
    send_one(fixture, LONG_MS);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, 2);
    OUTCOME(HTTPS_ANSWERED);
}

static void a_silent_server_keeps_no_other_waiting(void **state)
{
    struct fixture *fixture = *state;
    struct https_server silent;
    struct https_query *queries[50];
    struct https_request request = { .timeout_ms = LONG_MS };
    char url[256];

    assert_true(https_server_open(&silent, fixture->loop, "127.0.0.1", NULL));
    silent.then = SERVER_STALLS;
    fixture->server.address = silent.address;
    fill(fixture, &request, url);
    request.addresses = &silent.address;
    for (size_t i = 0; i < 50; i++)
        assert_true(https_send(fixture->https, &request, note, fixture, &queries[i], NULL));
    serve(fixture, OK, SERVER_STALLS);
    ask(fixture);
    OUTCOME(HTTPS_ANSWERED);
    for (size_t i = 0; i < 50; i++)
        https_cancel(&queries[i]);
    https_server_close(&silent);
}

static void a_request_that_cannot_be_is_refused_at_once(void **state)
{
    static const char *const urls[] = { "http://a.test/",       "https://127.0.0.1/",
                                        "https://[::1]/",       "https://user@a.test/",
                                        "file:///etc/passwd",   "https://a..test/",
                                        "https://a.test:99999", "https://-a.test/" };
    struct fixture *fixture = *state;
    struct net_address address = { .bytes = { 127, 0, 0, 1 } };
    struct https_request request = {
        .addresses = &address, .address_count = 1, .body_most = 1, .timeout_ms = 1, .judge = judge
    };

    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct error err = { .text = "" };

        request.url = urls[i];
        assert_false(https_send(fixture->https, &request, note, fixture, &fixture->query, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_null(fixture->query);
    }
    request.url = "https://a.test/";
    request.address_count = 0;
    assert_false(https_send(fixture->https, &request, note, fixture, &fixture->query, NULL));
}

static void every_outcome_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = HTTPS_ANSWERED; i <= HTTPS_FAILED; i++) {
        assert_non_null(https_outcome_name((enum https_outcome)i));
        for (int before = HTTPS_ANSWERED; before < i; before++)
            assert_string_not_equal(https_outcome_name((enum https_outcome)i),
                                    https_outcome_name((enum https_outcome)before));
    }
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(gives_the_answer_as_it_came),
        PROMISE(shows_the_judge_the_chain_before_anything_is_asked),
        PROMISE(shows_the_judge_the_staple),
        PROMISE(asks_nothing_of_a_server_that_is_refused),
        PROMISE(follows_no_redirect),
        PROMISE(hands_on_any_status_and_type),
        PROMISE(does_not_unpack_a_body),
        PROMISE(puts_chunks_together),
        PROMISE(reads_an_answer_of_single_octets),
        PROMISE(posts_an_upload_with_its_type),
        PROMISE(a_body_of_just_the_bound_is_whole_and_one_octet_more_too_large),
        PROMISE(a_body_without_end_is_too_large_however_it_is_sent),
        PROMISE(headers_without_end_are_too_large),
        PROMISE(a_slow_drip_ends_at_the_deadline),
        PROMISE(silence_at_each_step_ends_at_the_deadline_and_says_where),
        PROMISE(an_answer_cut_short_is_told_from_a_whole_one),
        PROMISE(what_is_not_http_is_broken),
        PROMISE(nothing_that_listens_is_no_connection),
        PROMISE(an_address_that_refuses_leads_to_the_next),
        PROMISE(old_versions_of_tls_make_no_handshake),
        PROMISE(what_is_not_tls_makes_no_handshake),
        PROMISE(speaks_to_ipv6),
        PROMISE(no_proxy_of_the_environment_counts),
        PROMISE(each_request_goes_to_its_own_addresses),
        PROMISE(a_cancelled_request_is_never_answered),
        PROMISE(all_can_be_closed_inside_an_answer),
        PROMISE(another_can_be_asked_inside_an_answer),
        PROMISE(a_silent_server_keeps_no_other_waiting),
        PROMISE(a_request_that_cannot_be_is_refused_at_once),
        PROMISE(every_outcome_has_a_name_of_its_own),
    };
    int failed;

    ec = made_credentials_for(MADE_EC, "DNS:mta-sts.example.test");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_credentials_free(&ec);
    return failed;
}
