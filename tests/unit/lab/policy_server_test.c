/* tests/unit/lab/policy_server_test.c - promises of lab/policy_server.h, asked as a careful client asks */
#include "lab/policy_server.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/arena.h"
#include "base/compiler.h"
#include "net/https.h"

enum { NOW_S = 1795000000, LIMIT_MS = 60000, SHORT_MS = 300 };

#define RECORD "v=STSv1; id=1;"

struct asked {
    struct loop *loop;
    struct https_answer answer;
    struct arena arena;
    size_t requests;
    bool believes;
};

static bool judge(void *owner, const struct https_peer *peer)
{
    (void)peer;
    return ((struct asked *)owner)->believes;
}

static void note(void *owner, const struct https_answer *answer)
{
    struct asked *asked = owner;

    asked->answer = *answer;
    asked->answer.body = arena_copy_bytes(&asked->arena, answer->body);
    asked->answer.content_type = arena_copy_bytes(&asked->arena, answer->content_type);
    asked->answer.location = arena_copy_bytes(&asked->arena, answer->location);
    asked->answer.failure = arena_copy(&asked->arena, span_of(answer->failure));
    loop_stop(asked->loop);
}

static void send_request(struct asked *asked, const struct net_address *address, const char *path,
                         int64_t timeout_ms)
{
    struct https *https;
    struct https_query *query;
    struct error err = { .text = "" };
    char url[200];
    struct https_request request = { .url = url,
                                     .addresses = address,
                                     .address_count = 1,
                                     .body_most = 64 * 1024,
                                     .timeout_ms = timeout_ms,
                                     .judge = judge,
                                     .judge_owner = asked };

    snprintf(url, sizeof url, "https://mta-sts.some.lab.test:%u%s", address->port, path);
    assert_true(https_open(asked->loop, &https, &err));
    if (!https_send(https, &request, note, asked, &query, &err))
        fail_msg("%s", err.text);
    loop_run(asked->loop);
    https_close(&https);
}

/* What comes of asking a server that does so for `path`; the arena is the caller's to clear. */
static struct asked ask_for(const struct fault_published *published, const char *path,
                            int64_t timeout_ms)
{
    struct asked asked = { .believes = true };
    struct certificates *certificates;
    struct certificate_made made;
    struct policy_server *server;
    struct net_address address;
    struct error err = { .text = "" };

    arena_init(&asked.arena, 4 << 20);
    assert_true(loop_open(&asked.loop, &err));
    assert_true(certificates_new(NOW_S, &certificates, &err));
    assert_true(certificates_issue(certificates, published->certificate, "mta-sts.some.lab.test",
                                   "some.lab.test", &asked.arena, &made, &err));
    assert_true(net_address_parse(span_of("127.0.0.1"), &address));
    address.port = 0;
    if (!policy_server_open(asked.loop,
                            &(struct policy_server_settings){ .published = published,
                                                              .mail_host = "mx.some.lab.test",
                                                              .certificate = &made },
                            &address, &server, &err))
        fail_msg("%s", err.text);
    send_request(&asked, &address, path, timeout_ms);
    asked.requests = policy_server_requests(server);
    policy_server_close(&server);
    certificates_free(&certificates);
    loop_close(&asked.loop);
    return asked;
}

#define PATH "/.well-known/mta-sts.txt"

static void gives_the_policy_with_the_name_of_the_host(void **state)
{
    struct asked asked = ask_for(&(struct fault_published){ .sts_record = RECORD }, PATH, LIMIT_MS);

    (void)state;
    assert_int_equal(asked.answer.outcome, HTTPS_ANSWERED);
    assert_int_equal(asked.answer.status, 200);
    assert_true(span_equal(asked.answer.content_type, span_of("text/plain")));
    assert_true(span_equal(asked.answer.body,
                           span_of("version: STSv1\r\nmode: enforce\r\nmx: mx.some.lab.test\r\n"
                                   "max_age: 604800\r\n")));
    assert_int_equal(asked.requests, 1);
    arena_clear(&asked.arena);
}

static void says_what_its_row_says(void **state)
{
    struct asked asked = ask_for(&(struct fault_published){ .sts_record = RECORD,
                                                            .status = 301,
                                                            .location = "https://b.test/",
                                                            .content_type = "text/html",
                                                            .policy = "{host},{host};" },
                                 PATH, LIMIT_MS);

    (void)state;
    assert_int_equal(asked.answer.status, 301);
    assert_true(span_equal(asked.answer.location, span_of("https://b.test/")));
    assert_true(span_equal(asked.answer.content_type, span_of("text/html")));
    assert_true(span_equal(asked.answer.body, span_of("mx.some.lab.test,mx.some.lab.test;")));
    arena_clear(&asked.arena);
}

static void has_nothing_else(void **state)
{
    struct asked asked = ask_for(&(struct fault_published){ .sts_record = RECORD }, "/", LIMIT_MS);

    (void)state;
    assert_int_equal(asked.answer.status, 404);
    arena_clear(&asked.arena);
}

static void is_broken_in_the_way_of_its_row(void **state)
{
    static const struct {
        struct fault_published published;
        enum https_outcome outcome;
        int64_t timeout_ms;
    } cases[] = {
        { { .server = FAULT_POLICY_REFUSES }, HTTPS_NO_CONNECT, LIMIT_MS },
        { { .server = FAULT_POLICY_NOT_TLS }, HTTPS_TLS_FAILED, LIMIT_MS },
        { { .maximum_version = TLS_VERSION_1_1, .minimum_version = TLS_VERSION_1_0 },
          HTTPS_TLS_FAILED,
          LIMIT_MS },
        { { .server = FAULT_POLICY_STALLS }, HTTPS_TIMEOUT, SHORT_MS },
        { { .server = FAULT_POLICY_SILENT }, HTTPS_TIMEOUT, SHORT_MS },
        { { .server = FAULT_POLICY_DRIPS }, HTTPS_TIMEOUT, SHORT_MS },
        { { .server = FAULT_POLICY_CUT }, HTTPS_CUT, LIMIT_MS },
        { { .server = FAULT_POLICY_NOT_HTTP }, HTTPS_BROKEN, LIMIT_MS },
        { { .server = FAULT_POLICY_HUGE }, HTTPS_TOO_LARGE, LIMIT_MS },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct asked asked = ask_for(&cases[i].published, PATH, cases[i].timeout_ms);

        if (asked.answer.outcome != cases[i].outcome)
            fail_msg("case %zu: %s: %s", i, https_outcome_name(asked.answer.outcome),
                     asked.answer.failure);
        arena_clear(&asked.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_policy_with_the_name_of_the_host),
        cmocka_unit_test(says_what_its_row_says),
        cmocka_unit_test(has_nothing_else),
        cmocka_unit_test(is_broken_in_the_way_of_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
