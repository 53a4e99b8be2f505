/* tests/unit/net/dns_test.c - promises of net/dns.h */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "net/dns.h"
#include "net/dns_anchor.h"
#include "net/udp.h"
#include "responder.h"

/* Anchors only signed.test: the rest of the world is insecure, and unsigned answers below
 * signed.test are bogus. */
#define ANCHOR                                                                                     \
    "signed.test. IN DS 20326 8 2 "                                                                \
    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"

enum { LONG_MS = 20000, SHORT_MS = 300, SLOW_MS = 3000 };

struct fixture {
    struct responder responder;
    struct loop *loop;
    struct dns *dns;
    struct dns_query *query;
    struct arena arena;
    char anchor_path[64], resolver[64];
    /* copied from the answer */
    int answers;
    struct dns_answer answer;
    struct span records[8];
    bool closes;
};

static void write_file(char path[64], const char *text)
{
    FILE *file;

    snprintf(path, 64, "%s/postern-dns-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int start(void **state)
{
    static struct fixture fixture;
    struct error err = { .text = "" };

    memset(&fixture, 0, sizeof fixture);
    *state = &fixture;
    arena_init(&fixture.arena, 1024 * 1024);
    responder_start(&fixture.responder);
    write_file(fixture.anchor_path, ANCHOR);
    snprintf(fixture.resolver, sizeof fixture.resolver, "127.0.0.1:%u", fixture.responder.port);
    assert_true(loop_open(&fixture.loop, &err));
    if (!dns_open(fixture.loop,
                  &(struct dns_settings){ fixture.resolver, fixture.anchor_path, NULL },
                  &fixture.dns, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    dns_close(&fixture->dns);
    loop_close(&fixture->loop);
    responder_stop(&fixture->responder);
    unlink(fixture->anchor_path);
    arena_clear(&fixture->arena);
    return 0;
}

static void note(void *owner, const struct dns_answer *answer)
{
    struct fixture *fixture = owner;

    fixture->answers++;
    fixture->query = NULL;
    fixture->answer = *answer;
    for (size_t i = 0; i < answer->record_count && i < 8; i++)
        fixture->records[i] = arena_copy_bytes(&fixture->arena, answer->records[i]);
    if (answer->canonical_name != NULL)
        fixture->answer.canonical_name =
            arena_copy(&fixture->arena, span_of(answer->canonical_name));
    if (answer->why_bogus != NULL)
        fixture->answer.why_bogus = arena_copy(&fixture->arena, span_of(answer->why_bogus));
    if (fixture->closes)
        dns_close(&fixture->dns);
}

static void ask(struct fixture *fixture, const char *name, enum dns_type type, int64_t timeout_ms)
{
    struct error err = { .text = "" };
    int before = fixture->answers;

    if (!dns_find(fixture->dns, name, type, timeout_ms, note, fixture, &fixture->query, &err))
        fail_msg("%s", err.text);
    assert_int_equal(fixture->answers, before); /* never inside the call */
    loop_run(fixture->loop);                    /* ends when nothing is asked for any more */
    assert_int_equal(fixture->answers, before + 1);
}

static void finds_an_address(void **state)
{
    struct fixture *fixture = *state;

    for (int again = 0; again < 2; again++) { /* the second comes from the cache */
        ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
        assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
        assert_int_equal(fixture->answer.security, DNS_INSECURE);
        assert_int_equal(fixture->answer.record_count, 1);
        assert_true(span_equal(fixture->records[0], (struct span){ "\xc0\x00\x02\x01", 4 }));
        assert_in_range(fixture->answer.ttl_s, 1, 300);
        assert_null(fixture->answer.canonical_name);
    }
}

/* RFC 4035 section 4.9.3; the resolver that is asked here sets the bit in every answer. */
static void believes_no_resolver_that_says_it_has_validated(void **state)
{
    static const char *const names[] = { "good.test", "alias.test", "nodata.test", "nx.test" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ask(fixture, names[i], DNS_TYPE_A, LONG_MS);
        assert_int_equal(fixture->answer.security, DNS_INSECURE);
    }
    ask(fixture, "good.signed.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.security, DNS_VALIDATION_FAILED);
}

static void finds_every_mail_host(void **state)
{
    struct fixture *fixture = *state;
    char name[256];

    ask(fixture, "two.test", DNS_TYPE_MX, LONG_MS);
    assert_int_equal(fixture->answer.record_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(dns_name_text(span_part(fixture->records[i], 2, SIZE_MAX), name, sizeof name));
        assert_true(strcmp(name, "mx1.test") == 0 || strcmp(name, "mx2.test") == 0);
    }
}

static void follows_an_alias_and_says_where_it_leads(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, "alias.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
    assert_non_null(fixture->answer.canonical_name);
    assert_true(span_starts_with(span_of(fixture->answer.canonical_name), "good.test"));
}

static void tells_the_ways_of_not_answering_apart(void **state)
{
    static const struct {
        const char *name;
        enum dns_outcome outcome;
        enum dns_security security;
    } cases[] = {
        { "nodata.test", DNS_NO_DATA, DNS_INSECURE },
        { "nx.test", DNS_NXDOMAIN, DNS_INSECURE },
        { "servfail.test", DNS_SERVFAIL, DNS_INDETERMINATE },
        { "refused.test", DNS_SERVFAIL, DNS_INDETERMINATE },
        { "garbage.test", DNS_SERVFAIL, DNS_INDETERMINATE },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ask(fixture, cases[i].name, DNS_TYPE_A, LONG_MS);
        if (fixture->answer.outcome != cases[i].outcome)
            fail_msg("%s: outcome %d", cases[i].name, (int)fixture->answer.outcome);
        assert_int_equal(fixture->answer.security, cases[i].security);
        assert_int_equal(fixture->answer.record_count, 0);
    }
}

static void tells_a_refusal_by_its_code(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, "refused.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.rcode, 5);
    ask(fixture, "servfail.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.rcode, 2);
}

static void answers_by_itself_when_nobody_does(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, "silent.test", DNS_TYPE_A, SHORT_MS);
    assert_int_equal(fixture->answer.outcome, DNS_TIMEOUT);
    assert_int_equal(fixture->answer.security, DNS_INDETERMINATE);
    assert_false(fixture->answer.resolver_is_silent); /* it would have answered for others */
    assert_int_equal(fixture->answer.given_up_after_ms, SHORT_MS);
}

static void tells_a_resolver_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    struct net_address address = { .port = 0 };
    struct udp *deaf = NULL; /* never run: what comes stays in the kernel */
    struct loop *other = NULL;
    char resolver[32];
    struct dns_settings settings = { resolver, fixture->anchor_path, NULL };

    assert_true(loop_open(&other, NULL));
    assert_true(net_address_parse(span_of("127.0.0.1"), &address));
    assert_true(udp_open(other, &address, NULL, NULL, &deaf, NULL));
    snprintf(resolver, sizeof resolver, "127.0.0.1:%u", address.port);
    dns_close(&fixture->dns);
    assert_true(dns_open(fixture->loop, &settings, &fixture->dns, NULL));
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_TIMEOUT);
    assert_true(fixture->answer.resolver_is_silent);
    udp_close(&deaf);
    loop_close(&other);
}

static void waits_for_a_slow_answer_of_a_resolver_that_lives(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, "silent.test", DNS_TYPE_A, SLOW_MS);
    assert_int_equal(fixture->answer.outcome, DNS_TIMEOUT);
    assert_false(fixture->answer.resolver_is_silent);
}

/* As with "fe80::1%eth0": libunbound has one more than we can ask ahead, and that one is the only one alive. */
static void a_resolver_that_only_libunbound_can_ask_is_asked(void **state)
{
    struct fixture *fixture = *state;
    char path[64], text[128];

    snprintf(text, sizeof text, "nameserver 255.255.255.255\nnameserver 127.0.0.1@%u\n",
             fixture->responder.port);
    write_file(path, text);
    assert_true(
        dns_change(fixture->dns, &(struct dns_settings){ NULL, fixture->anchor_path, path }, NULL));
    unlink(path);
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
}

static void calls_an_unsigned_answer_in_a_signed_zone_bogus(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, "good.signed.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_BOGUS);
    assert_int_equal(fixture->answer.security, DNS_VALIDATION_FAILED);
    assert_non_null(fixture->answer.why_bogus);
    assert_true(strlen(fixture->answer.why_bogus) > 0);
    assert_true(fixture->answer.anchor_failed); /* the anchor's own zone has no DNSKEY here */
}

static void stays_silent_about_what_was_cancelled(void **state)
{
    struct fixture *fixture = *state;

    assert_true(dns_find(fixture->dns, "good.test", DNS_TYPE_A, LONG_MS, note, fixture,
                         &fixture->query, NULL));
    dns_cancel(&fixture->query);
    assert_null(fixture->query);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, 0);
}

static void may_be_closed_while_something_is_asked_for(void **state)
{
    struct fixture *fixture = *state;

    assert_true(dns_find(fixture->dns, "silent.test", DNS_TYPE_A, LONG_MS, note, fixture,
                         &fixture->query, NULL));
    dns_close(&fixture->dns);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, 0);
}

static void may_be_closed_in_an_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->closes = true;
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_null(fixture->dns);
}

static void names_every_wrong_setting(void **state)
{
    struct fixture *fixture = *state;
    struct dns *dns = NULL;
    struct error err;
    char path[64];

    assert_false(
        dns_open(fixture->loop, &(struct dns_settings){ "nowhere", NULL, NULL }, &dns, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(
        dns_open(fixture->loop, &(struct dns_settings){ "127.0.0.1:0", NULL, NULL }, &dns, &err));
    assert_false(dns_open(fixture->loop,
                          &(struct dns_settings){ "127.0.0.1", "/nonexistent/anchor", NULL }, &dns,
                          &err));
    assert_non_null(strstr(err.text, "/nonexistent/anchor"));
    write_file(path, "; a comment\nexample. IN A 192.0.2.1\n");
    assert_false(
        dns_open(fixture->loop, &(struct dns_settings){ "127.0.0.1", path, NULL }, &dns, &err));
    assert_non_null(strstr(err.text, "line 2"));
    assert_null(dns);
    unlink(path);
}

static void settings_that_are_wrong_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct dns_settings wrong = { fixture->resolver, "/nonexistent/anchor", NULL };
    struct error err;

    assert_false(dns_change(fixture->dns, &wrong, &err));
    assert_non_null(strstr(err.text, "/nonexistent/anchor"));
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
}

/* Those of another resolver, where nobody reads what comes. */
static struct dns_settings deaf_settings(const struct fixture *fixture, struct loop *loop,
                                         struct udp **deaf, char resolver[32])
{
    struct net_address address = { .port = 0 };

    assert_true(net_address_parse(span_of("127.0.0.1"), &address));
    assert_true(udp_open(loop, &address, NULL, NULL, deaf, NULL));
    snprintf(resolver, 32, "127.0.0.1:%u", address.port);
    return (struct dns_settings){ resolver, fixture->anchor_path, NULL };
}

static void what_is_asked_already_is_answered_by_whom_it_was_asked(void **state)
{
    struct fixture *fixture = *state;
    const struct dns_settings lively = { fixture->resolver, fixture->anchor_path, NULL };
    struct fixture old = { .loop = fixture->loop };
    struct udp *deaf = NULL;
    struct loop *other = NULL;
    struct dns_settings settings;
    char resolver[32];
    struct error err = { .text = "" };

    assert_true(loop_open(&other, NULL));
    arena_init(&old.arena, 1024 * 1024);
    settings = deaf_settings(fixture, other, &deaf, resolver);
    assert_true(dns_change(fixture->dns, &settings, &err));
    assert_true(
        dns_find(fixture->dns, "good.test", DNS_TYPE_A, LONG_MS, note, &old, &old.query, &err));
    assert_true(dns_change(fixture->dns, &lively, &err));
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
    assert_int_equal(old.answers, 1);
    assert_int_equal(old.answer.outcome, DNS_TIMEOUT);
    assert_true(old.answer.resolver_is_silent);
    udp_close(&deaf);
    loop_close(&other);
    arena_clear(&old.arena);
}

static void what_was_replaced_is_dropped_with_the_rest(void **state)
{
    struct fixture *fixture = *state;
    const struct dns_settings settings = { fixture->resolver, fixture->anchor_path, NULL };
    struct dns_query *queries[4];
    struct error err = { .text = "" };

    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        assert_true(dns_find(fixture->dns, "silent.test", DNS_TYPE_A, LONG_MS, note, fixture,
                             &queries[i], &err));
        if (i % 2 == 1)
            assert_true(dns_change(fixture->dns, &settings, &err));
    }
    dns_cancel(&queries[0]);
    dns_cancel(&queries[1]);
    dns_close(&fixture->dns);
    loop_run(fixture->loop);
    assert_int_equal(fixture->answers, 0);
}

static void nothing_can_be_asked_before_it_is_set_up(void **state)
{
    struct fixture *fixture = *state;
    const struct dns_settings settings = { fixture->resolver, fixture->anchor_path, NULL };
    struct error err;

    dns_close(&fixture->dns);
    assert_true(dns_new(fixture->loop, &fixture->dns, &err));
    assert_false(dns_find(fixture->dns, "good.test", DNS_TYPE_A, LONG_MS, note, fixture,
                          &fixture->query, &err));
    assert_null(fixture->query);
    assert_true(dns_change(fixture->dns, &settings, &err));
    ask(fixture, "good.test", DNS_TYPE_A, LONG_MS);
    assert_int_equal(fixture->answer.outcome, DNS_ANSWERED);
}

static bool count_record(void *owner, const char *record)
{
    assert_null(strchr(record, '('));
    (*(int *)owner)++;
    return true;
}

static void reads_anchors_as_tools_write_them(void **state)
{
    static const char text[] = "$TTL 3600\n"
                               "\n"
                               "; the root\n"
                               ". 172800 IN DNSKEY 257 3 8 AwEAAa+/= ;{id = 1}\n"
                               "example. DS ( 1 8 2\n"
                               "   ABCDEF ; half\n"
                               "   0123 )\n"
                               "example.\tIN\t3600\tDS\t1 8 2 00ff";
    static const char *const broken[] = { "example. DS 1 8 2", "example. DS 1 8 2 xyz",
                                          "example. DS (1 8 2 00", "DS 1 8 2 00ff",
                                          "example. DS 99999 8 2 00" };
    struct error err;
    int count = 0;

    (void)state;
    assert_true(dns_anchor_parse(span_of(text), count_record, &count, &err));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        assert_false(dns_anchor_parse(span_of(broken[i]), count_record, &count, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_an_address, start, stop),
        cmocka_unit_test_setup_teardown(believes_no_resolver_that_says_it_has_validated, start,
                                        stop),
        cmocka_unit_test_setup_teardown(finds_every_mail_host, start, stop),
        cmocka_unit_test_setup_teardown(follows_an_alias_and_says_where_it_leads, start, stop),
        cmocka_unit_test_setup_teardown(tells_the_ways_of_not_answering_apart, start, stop),
        cmocka_unit_test_setup_teardown(tells_a_refusal_by_its_code, start, stop),
        cmocka_unit_test_setup_teardown(answers_by_itself_when_nobody_does, start, stop),
        cmocka_unit_test_setup_teardown(tells_a_resolver_that_is_not_there, start, stop),
        cmocka_unit_test_setup_teardown(waits_for_a_slow_answer_of_a_resolver_that_lives, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_resolver_that_only_libunbound_can_ask_is_asked, start,
                                        stop),
        cmocka_unit_test_setup_teardown(calls_an_unsigned_answer_in_a_signed_zone_bogus, start,
                                        stop),
        cmocka_unit_test_setup_teardown(stays_silent_about_what_was_cancelled, start, stop),
        cmocka_unit_test_setup_teardown(may_be_closed_while_something_is_asked_for, start, stop),
        cmocka_unit_test_setup_teardown(may_be_closed_in_an_answer, start, stop),
        cmocka_unit_test_setup_teardown(names_every_wrong_setting, start, stop),
        cmocka_unit_test_setup_teardown(settings_that_are_wrong_change_nothing, start, stop),
        cmocka_unit_test_setup_teardown(what_is_asked_already_is_answered_by_whom_it_was_asked,
                                        start, stop),
        cmocka_unit_test_setup_teardown(what_was_replaced_is_dropped_with_the_rest, start, stop),
        cmocka_unit_test_setup_teardown(nothing_can_be_asked_before_it_is_set_up, start, stop),
        cmocka_unit_test(reads_anchors_as_tools_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
