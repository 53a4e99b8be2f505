/* tests/unit/cli/session_page_test.c - promises of cli/session_page.h, as the reader of a story sees them */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session_page.h"
#include "cli/story_page.h"

enum { NOW_S = 1795219200 /* 2026-11-21 */ };

static struct arena arena;
static struct buffer out;
static struct queue_page page;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 1 << 20);
    page = (struct queue_page){ .arena = &arena, .now_s = NOW_S };
    page_init(&page.page, &out, 80, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}

/* All that is on the page; no line of it is too long for its reader. */
static const char *text_of_page(void)
{
    struct span rest = buffer_span(&out);

    if (getenv("SHOW_PAGES") != NULL)
        printf("%.*s\n", (int)rest.len, rest.data);
    while (rest.len > 0)
        assert_true(span_take_until(&rest, '\n').len <= 80);
    return arena_copy(&arena, buffer_span(&out));
}

static void has(const char *words)
{
    const char *text = text_of_page();

    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is missing from:\n%s", words, text);
}

static void lacks(const char *words)
{
    const char *text = text_of_page();

    if (strstr(text, words) != NULL)
        fail_msg("\"%s\" is in:\n%s", words, text);
}

static struct queue_session failed_session(void)
{
    return (struct queue_session){
        .id = 1,
        .at_s = NOW_S,
        .destination = span_of("partner.com"),
        .relay = span_of("mx.partner.com[192.0.2.9]:25"),
        .level = span_of("secure"),
        .rule = span_of("partner.com"),
        .tls = span_of("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .decision = span_of("defer"),
        .findings = span_of("certificate-expired"),
        .would = span_of("verify=certificate-expired secure=certificate-expired"),
        .changes = span_of("since 02:10 the issuer is FortiGate CA; before, Let's Encrypt R11\n"
                           "so at every destination: it is our firewall\n"),
        .told = span_of("[{\"code\":\"certificate-expired\",\"cause\":\"The certificate of "
                        "mx.partner.com expired on 20 November 2026\",\"evidence\":[\"notAfter: "
                        "20 November 2026\",\"our clock: 21 November 2026\"],\"remedy\":\"Renew "
                        "the certificate of mx.partner.com\"}]"),
    };
}

static struct tracking_event deferred(const struct queue_session *session)
{
    return (struct tracking_event){
        .kind = TRACKING_DEFERRED,
        .id = 4711,
        .recipient = span_of("ann@partner.com"),
        .attempt = { .at_s = NOW_S,
                     .milliseconds = 1234,
                     .relay = span_of("mx.partner.com[192.0.2.9]:25"),
                     .tls = span_of("secure:TLSv1.3"),
                     .code = span_of("4.7.5"),
                     .reply = span_of("The certificate of mx.partner.com expired on 20 November "
                                      "2026"),
                     .finding = span_of("certificate-expired"),
                     .session = 1 },
        .session = session,
    };
}

static void an_attempt_names_host_tls_level_cause_proof_and_remedy(void **state)
{
    struct session_page told = { .count = 0 };
    struct queue_session session = failed_session();
    struct tracking_event event = deferred(&session);

    (void)state;
    session_page_attempt(&page, &told, &event, 24);
    has("by mx.partner.com[192.0.2.9]:25, 1.2 s\n");
    has("TLSv1.3 TLS_AES_256_GCM_SHA384\n");
    has("level secure, by policy partner.com\n");
    has("4.7.5 certificate-expired: The certificate of\n");
    has("proof - notAfter: 20 November 2026\n");
    has("      - our clock: 21 November 2026\n");
    has("remedy  Renew the certificate of mx.partner.com\n");
    has("more    postern explain certificate-expired\n");
    has("new     since 02:10 the issuer is FortiGate CA;");
    has("        so at every destination: it is our firewall\n");
}

static void a_cause_is_told_at_length_once(void **state)
{
    struct queue_session session = failed_session();
    struct tracking_event events[] = { deferred(&session), deferred(&session), deferred(NULL) };
    struct tracking_story story = {
        .envelope = { .id = 4711, .sender = span_of("bob@example.net"), .received_at_s = NOW_S },
        .events = events,
        .event_count = 3
    };
    const char *first, *second;

    (void)state;
    events[1].attempt.at_s += 300;
    events[2].attempt.at_s += 600;
    story_page_message(&page, &story);
    has("4.7.5 certificate-expired, as above\n");
    has("certificate-expired: The certificate has expired"); /* the catalogue's: the session was lost */
    first = strstr(text_of_page(), "remedy");
    assert_non_null(first);
    second = strstr(first + 1, "remedy");
    assert_null(second);
}

static void what_is_given_up_is_told_with_its_end_and_its_cause(void **state)
{
    struct session_page told = { .count = 0 };
    struct queue_session session = failed_session();
    struct tracking_event event = deferred(&session);

    (void)state;
    event.kind = TRACKING_BOUNCED;
    event.attempt.reply = span_of("given up after 5 days; at last 4.7.5 The certificate of "
                                  "mx.partner.com expired on 20 November 2026");
    session_page_attempt(&page, &told, &event, 24);
    has("given up after 5 days; at last 4.7.5\n");
    has("                        certificate-expired: The certificate of mx.partner.com\n");
}

static void one_attempt_at_several_recipients_is_told_once(void **state)
{
    struct queue_session session = failed_session();
    struct tracking_event events[] = { deferred(&session), deferred(&session), deferred(&session) };
    struct tracking_story story = { .envelope = { .id = 4711, .received_at_s = NOW_S },
                                    .events = events,
                                    .event_count = 3 };

    (void)state;
    events[1].recipient = span_of("bob@partner.com");
    events[2].attempt.at_s += 300;
    story_page_message(&page, &story);
    has("put off: ann@partner.com, bob@partner.com\n");
    has("  2026-11-21T00:05:00Z  put off: ann@partner.com\n"
        "                        4.7.5 certificate-expired, as above\n"
        "  now ");
}

static void a_diagnosis_stands_below_what_it_explains(void **state)
{
    struct session_page told = { .count = 0 };
    struct queue_session session = failed_session(), diagnosis = {
        .id = 2,
        .at_s = NOW_S + 60,
        .of_session = 1,
        .told = span_of("[{\"code\":\"handshake-no-common-version\",\"cause\":\"The server offers "
                        "nothing newer than TLS 1.0\",\"evidence\":[\"fails as configured; "
                        "succeeds with TLS 1.0\"],\"remedy\":\"Enable TLS 1.2\"}]"),
    };
    struct tracking_event event = deferred(&session);

    (void)state;
    event.diagnosis = &diagnosis;
    session_page_attempt(&page, &told, &event, 24);
    has("diagnosis of 2026-11-21T00:01:00Z:\n");
    has("handshake-no-common-version: The server offers nothing\n");
    has("proof   fails as configured; succeeds with TLS 1.0\n");
}

static void what_went_in_clear_says_why(void **state)
{
    static const struct {
        const char *why, *words;
    } cases[] = {
        { "not-offered", "in clear: the server does not offer STARTTLS\n" },
        { "refused", "in clear: the server refuses STARTTLS\n" },
        { "tls-failed", "in clear: TLS fails with the server, and the message had\n" },
        { "level-none", "in clear: the policy is to use no TLS\n" },
        { "something-new", "something-new" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_page told = { .count = 0 };
        struct queue_session session = { .level = span_of("may"),
                                         .rule = span_of("default"),
                                         .why_clear = span_of(cases[i].why) };
        struct tracking_event event = { .kind = TRACKING_DONE,
                                        .attempt.relay = span_of("mx.partner.com[192.0.2.9]:25"),
                                        .session = &session };

        session_page_attempt(&page, &told, &event, 24);
        has(cases[i].words);
        has("level may, by policy default\n");
        buffer_clear(&out);
    }
}

static void nobody_says_in_clear_of_what_never_left(void **state)
{
    struct session_page told = { .count = 0 };
    struct tracking_event event = { .kind = TRACKING_DEFERRED,
                                    .attempt = { .relay = span_of("mx.partner.com[192.0.2.9]:25"),
                                                 .reply = span_of("the connection was refused") } };

    (void)state;
    session_page_attempt(&page, &told, &event, 24);
    lacks("in clear");
    event.kind = TRACKING_DONE;
    session_page_attempt(&page, &told, &event, 24);
    has("in clear");
}

static void what_is_no_json_costs_its_own_words_alone(void **state)
{
    struct session_page told = { .count = 0 };
    struct queue_session session = failed_session();
    struct tracking_event event = deferred(&session);
    json_t *json;

    (void)state;
    session.told = span_of("[{\"code\":");
    session.observation = span_of("{");
    session_page_attempt(&page, &told, &event, 24);
    has("certificate-expired: The certificate has expired");
    json = session_page_json(&session);
    assert_non_null(json);
    assert_null(json_object_get(json, "findings"));
    assert_null(json_object_get(json, "observation"));
    json_decref(json);
}

static void a_strangers_bytes_cannot_reach_the_terminal(void **state)
{
    struct session_page told = { .count = 0 };
    struct queue_session session = failed_session();
    struct tracking_event event = deferred(&session);

    (void)state;
    session.changes = span_of("the issuer is \x1b[31mred\n");
    session.told = span_of("[{\"code\":\"certificate-expired\",\"cause\":\"\\u001b[2J\","
                           "\"evidence\":[\"\\u009b\"],\"remedy\":\"\\u202e\"}]");
    session_page_attempt(&page, &told, &event, 24);
    for (const char *c = text_of_page(); *c != '\0'; c++)
        assert_true((*c >= ' ' && *c < 0x7f) || *c == '\n');
}

static void every_finding_of_an_attempt_is_told(void **state)
{
    struct queue_session session = failed_session();
    struct tracking_event events[] = { deferred(&session), deferred(&session) };
    struct tracking_story story = { .envelope.id = 4711, .events = events, .event_count = 2 };
    struct session_page told = { .count = 0 };

    (void)state;
    session.told = span_of(
        "[{\"code\":\"certificate-expired\",\"cause\":\"The certificate of mx.partner.com expired "
        "on 20 November 2026\",\"evidence\":[\"notAfter: 20 November 2026\"],\"remedy\":\"Renew it\"},"
        "{\"code\":\"certificate-name-mismatch\",\"cause\":\"The certificate does not name "
        "mx.partner.com; it names www.partner.com and partner.com\",\"evidence\":[\"looked for: "
        "mx.partner.com\"],\"remedy\":\"Reissue\"},"
        "{\"code\":\"greeting-slow\",\"cause\":\"It took 12 seconds\",\"evidence\":[],\"remedy\":\"\"}]");
    events[1].attempt.at_s += 300;
    story_page_message(&page, &story);
    has("                        4.7.5 certificate-expired: The certificate of\n");
    has("                        also    certificate-name-mismatch: The certificate does\n"
        "                                not name mx.partner.com; it names\n"
        "                                www.partner.com and partner.com\n"
        "                        also    greeting-slow: It took 12 seconds\n");
    has("                        4.7.5 certificate-expired, as above\n"
        "                        also    certificate-name-mismatch, greeting-slow, as\n"
        "                                above\n");
    buffer_clear(&out);
    events[0].kind = TRACKING_DONE;
    events[0].attempt.reply = span_of("250 ok");
    events[0].attempt.finding = span_of("");
    session_page_attempt(&page, &told, &events[0], 24);
    has("also    certificate-expired: The certificate of");
    has("also    greeting-slow: It took 12 seconds\n");
}

static void what_is_escaped_is_escaped_once(void **state)
{
    struct queue_session session = failed_session();
    struct tracking_event event = deferred(&session);
    struct tracking_story story = { .envelope.id = 4711, .events = &event, .event_count = 1 };

    (void)state;
    event.recipient = span_of("\"\\x41\"@partner.com");  /* as it came */
    event.attempt.reply = span_of("550 no\\x1b, \\\\x"); /* made safe when it came */
    session.changes = span_of("the issuer is \\xe4\n");
    story_page_message(&page, &story);
    has("\"\\\\x41\"@partner.com");
    has("550 no\\x1b, \\\\x\n");
    has("the issuer is \\xe4\n");
}

static void machines_have_each_session_once(void **state)
{
    struct queue_session session = failed_session();
    struct tracking_event events[] = { deferred(&session), deferred(&session) };
    struct tracking_story story = { .envelope.id = 4711, .events = events, .event_count = 2 };
    json_t *json, *sessions, *of_event, *told;

    (void)state;
    session.observation = span_of("{\"host\":\"mx.partner.com\"}");
    json = story_page_json(&story);
    assert_non_null(json);
    sessions = json_object_get(json, "sessions");
    assert_int_equal(json_object_size(sessions), 1);
    of_event = json_object_get(json_array_get(json_object_get(json, "events"), 1), "session");
    told = json_object_get(sessions, json_string_value(of_event));
    assert_string_equal(json_string_value(json_object_get(told, "level")), "secure");
    assert_string_equal(json_string_value(json_object_get(told, "rule")), "partner.com");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(told, "would_refuse"), "verify")),
        "certificate-expired");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(told, "observation"), "host")),
        "mx.partner.com");
    assert_int_equal(json_array_size(json_object_get(told, "findings")), 1);
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attempt_names_host_tls_level_cause_proof_and_remedy),
        TEST(a_cause_is_told_at_length_once),
        TEST(what_is_given_up_is_told_with_its_end_and_its_cause),
        TEST(one_attempt_at_several_recipients_is_told_once),
        TEST(a_diagnosis_stands_below_what_it_explains),
        TEST(what_went_in_clear_says_why),
        TEST(nobody_says_in_clear_of_what_never_left),
        TEST(what_is_no_json_costs_its_own_words_alone),
        TEST(a_strangers_bytes_cannot_reach_the_terminal),
        TEST(every_finding_of_an_attempt_is_told),
        TEST(what_is_escaped_is_escaped_once),
        TEST(machines_have_each_session_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
