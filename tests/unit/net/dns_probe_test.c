/* tests/unit/net/dns_probe_test.c - promises of net/dns_probe.h */
#include "../test.h"

#include <string.h>

#include "net/dns_probe.h"
#include "responder.h"

enum { SHORT_MS = 100, LONG_MS = 20000, NOT_CALLED = -100 };

static void note(void *owner, int rcode)
{
    *(int *)owner = rcode;
}

static int probe(const char *name, int64_t timeout_ms)
{
    struct responder responder;
    struct net_address resolver;
    struct dns_probe *started = NULL;
    struct loop *loop = NULL;
    struct error err;
    int rcode = NOT_CALLED;

    responder_start(&responder);
    assert_true(loop_open(&loop, &err));
    assert_true(net_address_parse(span_of("127.0.0.1"), &resolver));
    resolver.port = responder.port;
    assert_true(dns_probe_start(loop, &resolver, 1, name, 1, timeout_ms, note, &rcode, &started));
    loop_run(loop);
    loop_close(&loop);
    responder_stop(&responder);
    return rcode;
}

static void tells_what_the_resolver_says(void **state)
{
    (void)state;
    assert_int_equal(probe("good.test", LONG_MS), 0);
    assert_int_equal(probe("nx.test", LONG_MS), 3);
    assert_int_equal(probe("refused.test", LONG_MS), 5);
    assert_int_equal(probe("servfail.test.", LONG_MS), 2);
}

static void tells_that_it_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(probe("silent.test", SHORT_MS), DNS_PROBE_SILENT);
}

static void says_nothing_once_stopped(void **state)
{
    struct net_address resolver;
    struct dns_probe *started = NULL;
    struct loop *loop = NULL;
    struct error err;
    int rcode = NOT_CALLED;

    (void)state;
    assert_true(loop_open(&loop, &err));
    assert_true(net_address_parse(span_of("127.0.0.1"), &resolver));
    resolver.port = 9;
    assert_true(dns_probe_start(loop, &resolver, 1, "x.test", 1, SHORT_MS, note, &rcode, &started));
    dns_probe_stop(&started);
    loop_run(loop);
    assert_int_equal(rcode, NOT_CALLED);
    assert_false(dns_probe_start(loop, &resolver, 1, "a..b", 1, SHORT_MS, note, &rcode, &started));
    assert_false(dns_probe_start(loop, NULL, 0, "a", 1, SHORT_MS, note, &rcode, &started));
    loop_close(&loop);
}

static void writes_a_question(void **state)
{
    static const uint8_t expected[] = { 0x12, 0x34, 1, 0x10, 0,   1,   0, 0, 0, 0,  0, 0, 2,
                                        'm',  'x',  4, 't',  '.', 's', 7, 0, 0, 15, 0, 1 };
    uint8_t out[300];
    char longest[300];
    size_t len = dns_probe_format("mx.t\\.s\\007", 15, 0x1234, out, sizeof out);

    (void)state;
    assert_int_equal(len, sizeof expected);
    assert_memory_equal(out, expected, len);
    assert_int_equal(dns_probe_format(".", 2, 1, out, sizeof out), 12 + 1 + 4);
    memset(longest, 'a', sizeof longest);
    longest[299] = '\0';
    assert_int_equal(dns_probe_format(longest, 1, 1, out, sizeof out), 0);
    for (int i = 60; i < 299; i += 60)
        longest[i] = '.';
    assert_int_equal(dns_probe_format(longest, 1, 1, out, sizeof out), 0);
    longest[240] = '\0';
    assert_true(dns_probe_format(longest, 1, 1, out, sizeof out) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_the_resolver_says),
        cmocka_unit_test(tells_that_it_says_nothing),
        cmocka_unit_test(says_nothing_once_stopped),
        cmocka_unit_test(writes_a_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
