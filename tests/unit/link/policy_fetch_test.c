/* tests/unit/link/policy_fetch_test.c - promises of link/policy_fetch.h, with the answers of DNS and HTTPS scripted. */
#include "link/policy_fetch.h"

#include <string.h>

#include "../test.h"
#include "scripted_answers.h"

enum { LIMIT_MS = 60000, NOW_S = 1800000000 };

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"
#define URL    "https://mta-sts.example.org/.well-known/mta-sts.txt"

#define HOST(address)  SCRIPTED_A("mta-sts.example.org", address)
#define HOST6(address) SCRIPTED_AAAA("mta-sts.example.org", address)

static struct stage {
    struct loop *loop;
    struct loop_timer *limit;
    struct arena arena;
    struct clock clock;
    bool private_addresses, is_running, ran_out;
    struct policy_fetch fetch;
    struct observed_published published;
    struct mta_sts_policy policy;
    bool has_policy;
    unsigned ended;
} stage;

static void run_out(void *owner)
{
    (void)owner;
    stage.ran_out = true;
    loop_stop(stage.loop);
}

static int set_up(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    arena_init(&stage.arena, 4 << 20);
    stage.clock = clock_fixed(NOW_S, 0);
    stage.private_addresses = true;
    assert_true(loop_open(&stage.loop, NULL));
    assert_true(loop_timer_open(stage.loop, run_out, NULL, &stage.limit, NULL));
    scripted_begin(stage.loop, &stage.arena, POLICY);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    policy_fetch_stop(&stage.fetch);
    loop_timer_close(&stage.limit);
    loop_close(&stage.loop);
    arena_clear(&stage.arena);
    return 0;
}

static void take(void *owner, const struct mta_sts_policy *policy)
{
    assert_ptr_equal(owner, &stage);
    stage.ended++;
    stage.has_policy = policy != NULL;
    if (policy != NULL)
        stage.policy = *policy;
    if (stage.is_running)
        loop_stop(stage.loop);
}

static void start(const struct scripted_answer *answers, size_t count)
{
    scripted.answers = answers;
    scripted.answer_count = count;
    stage.ended = 0;
    observed_published_init(&stage.published);
    stage.published.domain = "example.org";
    stage.published.url = URL;
    stage.published.sts_record = TXT_RECORD_VALID;
    stage.published.sts_id = "2";
    stage.fetch = (struct policy_fetch){ .loop = stage.loop,
                                         .dns = (struct dns *)&stage,
                                         .https = (struct https *)&stage,
                                         .anchors = NULL,
                                         .clock = &stage.clock,
                                         .arena = &stage.arena,
                                         .private_addresses = stage.private_addresses,
                                         .deadline_ms = loop_now_ms(stage.loop) + LIMIT_MS,
                                         .published = &stage.published,
                                         .fetched = take,
                                         .owner = &stage };
    policy_fetch_start(&stage.fetch);
}

/* Fetches the policy of example.org; what is noted of it. */
static const struct observed_published *fetch(const struct scripted_answer *answers, size_t count)
{
    start(answers, count);
    if (stage.ended == 0) {
        loop_timer_start(stage.limit, LIMIT_MS);
        stage.is_running = true;
        loop_run(stage.loop);
        stage.is_running = false;
    }
    assert_false(stage.ran_out);
    assert_int_equal(stage.ended, 1);
    assert_true(stage.published.fetched);
    return &stage.published;
}

static const struct scripted_answer sound[] = { HOST("192.0.2.7") };

/* ---- promises ---- */

static void gives_the_policy_that_came(void **state)
{
    const struct observed_published *noted;

    (void)state;
    assert_true(net_address_parse(span_of("192.0.2.7"), &scripted.https.address));
    scripted.https.address.port = 443;
    noted = fetch(sound, 1);
    assert_true(stage.has_policy);
    assert_int_equal(stage.policy.mode, MTA_STS_MODE_ENFORCE);
    assert_true(mta_sts_policy_lists(&stage.policy, "mx.example.org"));
    assert_string_equal(scripted.url, URL);
    assert_string_equal(noted->policy_text, POLICY);
    assert_string_equal(noted->content_type, "text/plain; charset=utf-8");
    assert_int_equal(noted->http_status, 200);
    assert_int_equal(noted->fetch_outcome, HTTPS_ANSWERED);
    assert_string_equal(noted->host_lookup.name, "mta-sts.example.org");
    assert_int_equal(noted->host_lookup.outcome, DNS_ANSWERED);
    assert_non_null(strstr(noted->address, "192.0.2.7"));
    assert_null(noted->fetch_failure);
    assert_null(noted->policy_flaw);
    assert_null(noted->failure);
    assert_false(noted->has_policy); /* what is in force is not decided here */
}

static void says_why_no_policy_came(void **state)
{
    static const struct {
        struct https_answer answer;
        const char *failure, *flaw;
    } cases[] = {
        { { .outcome = HTTPS_ANSWERED, .status = 404 },
          "the server answers 404 and not 200",
          NULL },
        { { .outcome = HTTPS_ANSWERED, .status = 301, .location = { "/x\n", 3 } },
          "the server answers 301 and leads to /x\\n, but no redirect counts",
          NULL },
        { { .outcome = HTTPS_ANSWERED, .status = 200, .content_type = { "text/html", 9 } },
          "the file is of type text/html and not text/plain",
          NULL },
        { { .outcome = HTTPS_ANSWERED, .status = 200 },
          "the file has no Content-Type, which must be text/plain",
          NULL },
        { { .outcome = HTTPS_ANSWERED,
            .status = 200,
            .content_type = { "text/plain", 10 },
            .body = { "garbage", 7 } },
          NULL,
          "line 1: it is \"garbage\" and not of the form name: value" },
        { { .outcome = HTTPS_ANSWERED,
            .status = 200,
            .content_type = { "text/plain", 10 },
            .body = { "a:b\0c", 5 } },
          NULL,
          "it has an octet of zero" },
        { { .outcome = HTTPS_TOO_LARGE, .status = 200, .failure = "too large" },
          NULL,
          "it is larger than 64 KB" },
        { { .outcome = HTTPS_UNTRUSTED, .failure = "not trusted" }, "not trusted", NULL },
        { { .outcome = HTTPS_TIMEOUT, .failure = "no answer" }, "no answer", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct observed_published *noted;

        scripted.https = cases[i].answer;
        scripted.https.failure = scripted.https.failure == NULL ? "" : scripted.https.failure;
        noted = fetch(sound, 1);
        assert_false(stage.has_policy);
        assert_true(observed_published_fetch_failed(noted));
        assert_null(noted->failure);
        if (cases[i].failure != NULL)
            assert_string_equal(noted->fetch_failure, cases[i].failure);
        else
            assert_string_equal(noted->policy_flaw, cases[i].flaw);
        assert_true((noted->fetch_failure == NULL) == (cases[i].failure == NULL));
        assert_int_equal(noted->fetch_outcome, cases[i].answer.outcome);
    }
}

static void says_why_the_policy_host_has_no_address(void **state)
{
    static const struct {
        struct scripted_answer ipv6;
        const char *failure;
    } cases[] = {
        { { .name = "", .type = DNS_TYPE_AAAA }, "the name mta-sts.example.org does not exist" },
        { { .name = "mta-sts.example.org", .type = DNS_TYPE_AAAA, .outcome = DNS_SERVFAIL },
          "the look-up of mta-sts.example.org fails" },
        { { .name = "mta-sts.example.org", .type = DNS_TYPE_AAAA, .outcome = DNS_TIMEOUT },
          "the look-up of mta-sts.example.org has no answer" },
        { { .name = "mta-sts.example.org", .type = DNS_TYPE_AAAA, .outcome = DNS_BOGUS },
          "the answers for mta-sts.example.org fail their validation: signature expired" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct observed_published *noted = fetch(&cases[i].ipv6, 1);

        assert_string_equal(noted->fetch_failure, cases[i].failure);
        assert_int_equal(noted->fetch_outcome, HTTPS_NO_CONNECT);
        assert_false(stage.has_policy || noted->only_private);
    }
    assert_int_equal(scripted.sent, 0);
}

static void hands_the_addresses_of_both_families_on(void **state)
{
    static const struct scripted_answer answers[] = { HOST("192.0.2.7"), HOST6("2001:db8::7") };

    (void)state;
    fetch(answers, 2);
    assert_int_equal(scripted.address_count, 2);
    assert_false(scripted.first.is_ipv6);
}

/* Nobody's DNS leads us to hosts of our own network, unless our settings say so. */
static void asks_no_host_at_an_address_that_not_everybody_reaches(void **state)
{
    static const struct scripted_answer inside[] = { HOST("10.1.2.3"), HOST6("fe80::1") },
                                        mapped[] = { HOST6("::ffff:127.0.0.1") },
                                        both[] = { HOST("127.0.0.1"), HOST6("2a00:1450::7") };
    const struct observed_published *noted;

    (void)state;
    stage.private_addresses = false;
    noted = fetch(inside, 2);
    assert_int_equal(scripted.sent, 0);
    assert_int_equal(noted->fetch_outcome, HTTPS_NO_CONNECT);
    assert_true(noted->only_private);
    assert_non_null(strstr(noted->fetch_failure, "mta-sts.example.org has no address that "
                                                 "everybody reaches: "));
    assert_false(stage.has_policy);
    noted = fetch(mapped, 1);
    assert_int_equal(scripted.sent, 0);
    assert_non_null(strstr(noted->fetch_failure, "::ffff:127.0.0.1 is IPv4 in the form of IPv6"));
    noted = fetch(both, 2);
    assert_int_equal(scripted.address_count, 1);
    assert_true(scripted.first.is_ipv6);
    assert_false(noted->only_private);
    assert_true(stage.has_policy);
    stage.private_addresses = true;
    (void)fetch(inside, 2);
    assert_int_equal(scripted.address_count, 2);
}

/* An own failure is none of the domain's. */
static void tells_a_failure_of_our_own_from_one_of_the_policy_host(void **state)
{
    const struct observed_published *noted;

    (void)state;
    scripted.cannot_send = true;
    noted = fetch(sound, 1);
    assert_false(stage.has_policy);
    assert_string_equal(noted->failure, "no descriptor is left");
    assert_int_equal(noted->fetch_outcome, HTTPS_FAILED);
    scripted_dns.cannot_ask = true;
    noted = fetch(sound, 1);
    assert_false(stage.has_policy);
    assert_string_equal(noted->failure, "no memory for a question");
    assert_int_equal(scripted.sent, 1);
}

static void ends_once_where_no_such_name_can_be(void **state)
{
    char domain[250];

    (void)state;
    memset(domain, 'a', sizeof domain);
    domain[sizeof domain - 1] = '\0';
    start(NULL, 0);
    policy_fetch_stop(&stage.fetch);
    scripted_dns.asked = stage.ended = 0;
    stage.published.domain = domain;
    policy_fetch_start(&stage.fetch);
    assert_int_equal(stage.ended, 1);
    assert_false(stage.has_policy);
    assert_int_equal(scripted_dns.asked, 0);
    assert_non_null(strstr(stage.published.fetch_failure, " does not exist"));
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(stage.loop);
}

static void calls_nobody_after_the_stop(void **state)
{
    struct loop_timer *timer;

    (void)state;
    assert_true(loop_timer_open(stage.loop, stop, NULL, &timer, NULL));
    for (int turns = 0; turns < 4; turns++) {
        bool was_stopped;

        start(sound, 1);
        for (int i = 0; i < turns && stage.ended == 0; i++) {
            loop_timer_start(timer, 0);
            loop_run(stage.loop);
        }
        was_stopped = stage.ended == 0;
        policy_fetch_stop(&stage.fetch);
        loop_timer_start(timer, 0);
        loop_run(stage.loop);
        assert_true(was_stopped == (stage.ended == 0));
    }
    assert_true(scripted_dns.cancelled + scripted.cancelled > 0);
    loop_timer_close(&timer);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STAGED(gives_the_policy_that_came),
        STAGED(says_why_no_policy_came),
        STAGED(says_why_the_policy_host_has_no_address),
        STAGED(hands_the_addresses_of_both_families_on),
        STAGED(asks_no_host_at_an_address_that_not_everybody_reaches),
        STAGED(tells_a_failure_of_our_own_from_one_of_the_policy_host),
        STAGED(ends_once_where_no_such_name_can_be),
        STAGED(calls_nobody_after_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
