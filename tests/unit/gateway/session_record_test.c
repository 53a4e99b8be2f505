/* tests/unit/gateway/session_record_test.c - promises of gateway/session_record.h */
#include "../diagnose/samples.h"

#include <jansson.h>
#include <string.h>

#include "gateway/session_record.h"
#include "link/observation_json.h"

enum { ID = 4711 };

static struct observation seen;
static struct findings findings;
static struct session_facts facts;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 8 << 20);
    sample_healthy(&seen);
    findings = (struct findings){ .count = 0 };
    facts = (struct session_facts){
        .seen = &seen,
        .findings = &findings,
        .level = POLICY_MAY,
        .rule = "default",
        .destination = "example.org",
        .relay = "mx.example.org[192.0.2.1]:25",
    };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* As the gateway does: judged, decided, told. */
static struct queue_session make(void)
{
    struct policy_session session = observation_session(&seen);
    struct queue_session made;

    judge_observation(&seen, NULL, &arena, &findings);
    facts.outcome = policy_decide(facts.level, &session);
    assert_true(session_record_make(&facts, ID, SAMPLE_NOW, &arena, &made));
    assert_true(queue_session_bytes(&made) <= QUEUE_SESSION_BYTES);
    return made;
}

static void expect_text(struct span text, const char *expected)
{
    assert_string_equal(arena_copy(&arena, text), expected);
}

static void a_session_is_told_with_its_level_rule_and_tls(void **state)
{
    struct queue_session made = make();

    (void)state;
    assert_int_equal(made.id, ID);
    assert_int_equal(made.at_s, SAMPLE_NOW);
    expect_text(made.destination, "example.org");
    expect_text(made.relay, "mx.example.org[192.0.2.1]:25");
    expect_text(made.level, "may");
    expect_text(made.rule, "default");
    expect_text(made.tls, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    expect_text(made.decision, "deliver");
    expect_text(made.why_clear, "");
    expect_text(made.findings, "");
    expect_text(made.told, "");
}

static void its_observation_can_be_judged_again(void **state)
{
    struct queue_session made = make();
    json_t *json = json_loadb(made.observation.data, made.observation.len, 0, NULL);
    struct observation read;
    struct error err = { 0 };

    (void)state;
    assert_non_null(json);
    if (!observation_from_json(json, &arena, &read, &err))
        fail_msg("%s", err.text);
    assert_string_equal(read.host, "mx.example.org");
    assert_int_equal(read.tls.version, TLS_VERSION_1_3);
    json_decref(json);
}

static void what_is_the_same_in_every_session_is_left_out(void **state)
{
    struct queue_session made;

    (void)state;
    seen.tls.first_bytes = span_of("\x16\x03\x03");
    made = make();
    assert_null(memmem(made.observation.data, made.observation.len, "\"offer\"", 7));
    assert_null(memmem(made.observation.data, made.observation.len, "\"first_bytes\"", 13));
    seen.tls.was_completed = false; /* then it may be the very cause */
    made = make();
    assert_non_null(memmem(made.observation.data, made.observation.len, "\"offer\"", 7));
    assert_non_null(memmem(made.observation.data, made.observation.len, "\"first_bytes\"", 13));
}

static void each_level_says_whether_it_would_have_let_the_session_pass(void **state)
{
    (void)state;
    expect_text(make().would, "secure=certificate-name-mismatch"); /* it names the host alone */
    seen.domain_named = true;
    expect_text(make().would, "");
    seen.host_named = false;
    expect_text(make().would, "verify=certificate-name-mismatch");
    seen.verdict.is_trusted = false;
    expect_text(make().would, "verify=certificate-other secure=certificate-other");
}

static void without_starttls_no_level_but_may_lets_it_pass(void **state)
{
    struct queue_session made;

    (void)state;
    seen.capabilities.extensions = 0;
    seen.ehlo = sample_reply(250, "250 mx.example.org\r\n");
    seen.starttls = seen.ehlo_after_tls = (struct observed_reply){ .came = false };
    seen.tls = (struct tls_facts){ .last_message_received = 0xff };
    seen.has_verdict = seen.host_named = false;
    seen.reached = STEP_EHLO;
    facts.why_clear = "not-offered";
    made = make();
    expect_text(made.decision, "deliver-in-clear");
    expect_text(made.why_clear, "not-offered");
    expect_text(made.tls, "");
    expect_text(made.findings, "starttls-not-offered");
    expect_text(made.would, "encrypt=starttls-not-offered verify=starttls-not-offered "
                            "secure=starttls-not-offered");
}

static void a_session_that_tried_no_tls_says_nothing_of_other_levels(void **state)
{
    (void)state;
    seen.starttls = seen.ehlo_after_tls = (struct observed_reply){ .came = false };
    seen.tls = (struct tls_facts){ .last_message_received = 0xff };
    seen.has_verdict = seen.host_named = false;
    seen.reached = STEP_EHLO;
    facts.level = POLICY_NONE;
    expect_text(make().would, "unknown");
    seen.greeting = sample_reply(554, "554 no\r\n");
    expect_text(make().would, "unknown");
    seen.ending = ENDING_BARRED; /* nobody was dialled */
    expect_text(make().would, "unknown");
    facts.seen = NULL;
    expect_text(make().would, "unknown");
    assert_int_equal(make().observation.len, 0);
}

static void a_level_that_was_asked_for_more_is_told_too(void **state)
{
    (void)state;
    seen.domain_named = true;
    seen.fingerprint_asked = true;
    seen.fingerprint_wanted = "aabb";
    seen.sts = POLICY_STS_ENFORCE;
    expect_text(make().would, "fingerprint=fingerprint-mismatch sts=sts-host-not-listed");
}

static void the_reason_of_the_decision_is_the_first_of_the_findings(void **state)
{
    struct queue_session made;
    json_t *told;

    (void)state;
    findings.items[0] = (struct finding){ .code = "certificate-expired",
                                          .step = STEP_CERTIFICATE,
                                          .severity = SEVERITY_UNTRUSTED,
                                          .cause = "It expired",
                                          .evidence = { "notAfter" },
                                          .evidence_count = 1,
                                          .remedy = "Renew it" };
    findings.items[1] = findings.items[0];
    findings.items[1].code = "certificate-name-mismatch";
    findings.count = 2;
    facts.outcome =
        (struct policy_outcome){ POLICY_DEFER, POLICY_REASON_HOST_NOT_NAMED, false, false };
    assert_true(session_record_make(&facts, ID, SAMPLE_NOW, &arena, &made));
    expect_text(made.findings, "certificate-name-mismatch certificate-expired");
    told = json_loadb(made.told.data, made.told.len, 0, NULL);
    assert_int_equal(json_array_size(told), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(told, 0), "code")),
                        "certificate-name-mismatch");
    assert_string_equal(json_string_value(json_object_get(json_array_get(told, 1), "remedy")),
                        "Renew it");
    json_decref(told);
}

static const char *long_text(size_t len)
{
    char *text = arena_new(&arena, len + 1, 1);

    memset(text, 'x', len);
    return text;
}

static void an_observation_that_is_too_large_is_left_out_whole(void **state)
{
    struct queue_session made;

    (void)state;
    seen.ehlo.raw = span_of(long_text(40000));
    assert_true(session_record_make(&facts, ID, SAMPLE_NOW, &arena, &made));
    assert_true(queue_session_bytes(&made) <= QUEUE_SESSION_BYTES);
    assert_int_equal(made.observation.len, 0);
}

static void findings_that_are_too_many_are_left_out_from_the_last_on(void **state)
{
    struct queue_session made;
    json_t *told;

    (void)state;
    for (size_t i = 0; i < FINDINGS_MOST; i++)
        findings.items[i] = (struct finding){ .code = "certificate-expired",
                                              .step = STEP_CERTIFICATE,
                                              .severity = SEVERITY_UNTRUSTED,
                                              .cause = long_text(2000),
                                              .remedy = "Renew it" };
    findings.count = FINDINGS_MOST;
    assert_true(session_record_make(&facts, ID, SAMPLE_NOW, &arena, &made));
    assert_true(queue_session_bytes(&made) <= QUEUE_SESSION_BYTES);
    told = json_loadb(made.told.data, made.told.len, 0, NULL);
    assert_in_range(json_array_size(told), 2, FINDINGS_MOST - 1);
    json_decref(told);
}

static void texts_are_cut_between_characters_and_changes_between_lines(void **state)
{
    struct queue_session made;

    (void)state;
    facts.rule = arena_format(&arena, "%s\xc3\xa4", long_text(QUEUE_FACT_BYTES - 1));
    facts.changes = arena_format(&arena, "the issuer is another\n%s\n", long_text(4000));
    made = make();
    assert_int_equal(made.rule.len, QUEUE_FACT_BYTES - 1);
    expect_text(made.changes, "the issuer is another\n");
}

static void there_is_no_record_without_memory(void **state)
{
    struct queue_session made;
    struct arena small;

    (void)state;
    for (size_t limit = 0; limit < 512; limit += 64) {
        arena_init(&small, limit);
        assert_false(session_record_make(&facts, ID, SAMPLE_NOW, &small, &made));
        arena_clear(&small);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_told_with_its_level_rule_and_tls),
        TEST(its_observation_can_be_judged_again),
        TEST(what_is_the_same_in_every_session_is_left_out),
        TEST(each_level_says_whether_it_would_have_let_the_session_pass),
        TEST(without_starttls_no_level_but_may_lets_it_pass),
        TEST(a_session_that_tried_no_tls_says_nothing_of_other_levels),
        TEST(a_level_that_was_asked_for_more_is_told_too),
        TEST(the_reason_of_the_decision_is_the_first_of_the_findings),
        TEST(an_observation_that_is_too_large_is_left_out_whole),
        TEST(findings_that_are_too_many_are_left_out_from_the_last_on),
        TEST(texts_are_cut_between_characters_and_changes_between_lines),
        TEST(there_is_no_record_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
