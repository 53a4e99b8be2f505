/* tests/unit/queue/tracking_sessions_test.c - what queue/tracking.h promises of sessions, and of what left in the clear */
#include "stories.h"

#include "queue/database.h"

static int64_t accept(int64_t now_s, unsigned lane, const char *sender, const char *recipient)
{
    struct queue_envelope envelope = { .id = make_id(now_s, lane),
                                       .sender = span_of(sender),
                                       .message_id = span_of("<1@example.net>"),
                                       .received_at_s = now_s };

    begin_stories(now_s);
    assert_true(tracking_add_message(tracking, &envelope, NULL));
    assert_true(tracking_add_event(tracking,
                                   &(struct tracking_event){ .kind = TRACKING_ACCEPTED,
                                                             .id = envelope.id,
                                                             .recipient = span_of(recipient),
                                                             .attempt.at_s = now_s },
                                   NULL));
    end_stories();
    return envelope.id;
}

static void attempt(int64_t now_s, enum tracking_kind kind, int64_t id, const char *recipient,
                    struct queue_attempt attempted)
{
    attempted.at_s = now_s;
    begin_stories(now_s);
    assert_true(tracking_add_event(
        tracking,
        &(struct tracking_event){
            .kind = kind, .id = id, .recipient = span_of(recipient), .attempt = attempted },
        NULL));
    end_stories();
}

static struct tracking_story *find(struct tracking_query query, size_t *count)
{
    struct tracking_story *stories = NULL;
    struct error err = { 0 };

    if (query.most == 0)
        query.most = 100;
    if (!tracking_find(folder, &query, &arena, &stories, count, &err))
        fail_msg("%s", err.text);
    return stories;
}

static void an_attempt_has_all_that_its_session_showed(void **state)
{
    const struct queue_session told = {
        .id = make_id(NOW_S + 5, 7),
        .destination = span_of("example.org"),
        .relay = span_of("mx.example.org[192.0.2.1]:25"),
        .level = span_of("secure"),
        .rule = span_of("partner.com"),
        .tls = span_of("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .decision = span_of("defer"),
        .why_clear = span_of("x"),
        .findings = span_of("certificate-expired"),
        .would = span_of("verify=certificate-expired"),
        .changes = span_of("since 02:10 the issuer is another\n"),
        .told = span_of("[]"),
        .observation = span_of("{}"),
    };
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org");
    const struct queue_session *session;
    struct tracking_story *story;
    size_t count;

    (void)state;
    tell_session(NOW_S + 5, told);
    attempt(NOW_S + 6, TRACKING_DEFERRED, id, "r@example.org",
            (struct queue_attempt){ .session = told.id });
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(story->event_count, 2);
    assert_null(story->events[0].session);
    session = story->events[1].session;
    assert_non_null(session);
    assert_null(story->events[1].diagnosis);
    assert_int_equal(story->events[1].attempt.session, told.id);
    assert_int_equal(session->id, told.id);
    assert_int_equal(session->at_s, NOW_S + 5);
    expect_text(session->destination, "example.org");
    expect_text(session->relay, "mx.example.org[192.0.2.1]:25");
    expect_text(session->level, "secure");
    expect_text(session->rule, "partner.com");
    expect_text(session->tls, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    expect_text(session->decision, "defer");
    expect_text(session->why_clear, "x");
    expect_text(session->findings, "certificate-expired");
    expect_text(session->would, "verify=certificate-expired");
    expect_text(session->changes, "since 02:10 the issuer is another\n");
    expect_text(session->told, "[]");
    expect_text(session->observation, "{}");
}

static void one_session_serves_the_attempts_of_many_messages_also_over_midnight(void **state)
{
    int64_t session = make_id(NOW_S + DAY_S - 2, 7);
    int64_t one = accept(NOW_S, 0, "s@example.net", "r@example.org");
    int64_t other = accept(NOW_S + 1, 0, "t@example.net", "r@example.org");
    struct tracking_story *stories;
    size_t count;

    (void)state;
    tell_session(NOW_S + DAY_S - 2, (struct queue_session){ .id = session });
    attempt(NOW_S + DAY_S - 1, TRACKING_DONE, one, "r@example.org",
            (struct queue_attempt){ .session = session });
    attempt(NOW_S + DAY_S + 1, TRACKING_DONE, other, "r@example.org",
            (struct queue_attempt){ .session = session });
    stories = find((struct tracking_query){ .most = 10 }, &count);
    assert_int_equal(count, 2);
    assert_int_equal(stories[0].events[1].session->id, session);
    assert_int_equal(stories[1].events[1].session->id, session);
}

static void a_diagnosis_stands_beside_the_session_that_it_explains(void **state)
{
    int64_t session = make_id(NOW_S + DAY_S - 2, 7);
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org");
    const struct tracking_event *event;
    size_t count;

    (void)state;
    tell_session(NOW_S + DAY_S - 2, (struct queue_session){ .id = session });
    attempt(NOW_S + DAY_S - 1, TRACKING_DEFERRED, id, "r@example.org",
            (struct queue_attempt){ .session = session });
    tell_session(NOW_S + DAY_S + 9,
                 (struct queue_session){ .id = make_id(NOW_S + DAY_S + 9, 7),
                                         .of_session = session,
                                         .findings = span_of("handshake-no-common-version") });
    event = &find((struct tracking_query){ .id = id }, &count)->events[1];
    assert_int_equal(event->session->id, session);
    expect_text(event->diagnosis->findings, "handshake-no-common-version");
}

static void the_newest_session_is_of_the_newest_day_that_has_any(void **state)
{
    int64_t id, first = make_id(NOW_S, 3), second = make_id(NOW_S + 1, 2);

    (void)state;
    assert_true(tracking_newest_session(folder, &id, NULL));
    assert_int_equal(id, 0);
    assert_true(tracking_newest_session("/proc/none", &id, NULL));
    assert_int_equal(id, 0);
    tell_session(NOW_S, (struct queue_session){ .id = second });
    tell_session(NOW_S, (struct queue_session){ .id = first });
    accept(NOW_S + DAY_S, 0, "s@example.net", "r@example.org");
    assert_true(tracking_newest_session(folder, &id, NULL));
    assert_int_equal(id, second);
}

static void a_session_that_was_lost_leaves_its_attempt_as_it_is(void **state)
{
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org");
    struct tracking_story *story;
    size_t count;

    (void)state;
    attempt(NOW_S + 1, TRACKING_DONE, id, "r@example.org",
            (struct queue_attempt){ .session = make_id(NOW_S, 9) });
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(story->event_count, 2);
    assert_null(story->events[1].session);
    assert_true(story->events[1].attempt.session != 0);
}

static void messages_are_found_by_destination(void **state)
{
    int64_t session = make_id(NOW_S + DAY_S, 7), one, other, hop;
    struct tracking_story *stories;
    size_t count;

    (void)state;
    one = accept(NOW_S, 0, "s@example.net", "r@Example.org");
    other = accept(NOW_S + 1, 0, "s@example.net", "r@mail.example.org");
    hop = accept(NOW_S + 2, 0, "s@example.net", "r@example.com");
    tell_session(NOW_S + DAY_S, (struct queue_session){
                                    .id = session, .destination = span_of("[192.0.2.7]:2525") });
    attempt(NOW_S + DAY_S, TRACKING_DEFERRED, hop, "r@example.com",
            (struct queue_attempt){ .session = session });
    stories = find((struct tracking_query){ .destination = span_of("example.org") }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, one);
    stories = find((struct tracking_query){ .destination = span_of(".example.org") }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, other);
    stories = find((struct tracking_query){ .destination = span_of("[192.0.2.7]:2525") }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, hop);
    find((struct tracking_query){ .destination = span_of("xample.org") }, &count);
    assert_int_equal(count, 0);
}

static void messages_are_found_by_finding_days_after_they_were_accepted(void **state)
{
    int64_t session = make_id(NOW_S + DAY_S, 7);
    int64_t first = accept(NOW_S, 0, "s@example.net", "r@example.org");
    int64_t beside = accept(NOW_S + 1, 0, "t@example.net", "r@example.org");
    struct tracking_story *stories;
    size_t count;

    (void)state;
    accept(NOW_S + 2, 0, "s@example.net", "r@example.org");
    tell_session(NOW_S + DAY_S,
                 (struct queue_session){
                     .id = session, .findings = span_of("tlsa-mismatch certificate-expired") });
    attempt(NOW_S + 2 * DAY_S, TRACKING_DEFERRED, first, "r@example.org",
            (struct queue_attempt){ .finding = span_of("certificate-expired") });
    attempt(NOW_S + DAY_S, TRACKING_DONE, beside, "r@example.org",
            (struct queue_attempt){ .session = session });
    stories = find((struct tracking_query){ .finding = span_of("certificate-expired") }, &count);
    assert_int_equal(count, 2);
    assert_int_equal(stories[0].envelope.id, first);
    assert_int_equal(stories[1].envelope.id, beside);
    find((struct tracking_query){ .finding = span_of("certificate-expired"),
                                  .sender = span_of("T@example.net") },
         &count);
    assert_int_equal(count, 1);
    find((struct tracking_query){ .finding = span_of("certificate") }, &count);
    assert_int_equal(count, 0);
}

/* ---- in the clear ---- */

static const struct queue_attempt in_clear = { .relay = { "mx.example.org[192.0.2.1]:25", 28 } };

static void what_left_in_the_clear_is_told_with_its_reason(void **state)
{
    int64_t session = make_id(NOW_S + DAY_S, 7);
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org");
    struct queue_attempt attempted = in_clear;
    struct tracking_story *stories;
    size_t count;

    (void)state;
    attempted.session = session;
    tell_session(NOW_S + DAY_S, (struct queue_session){ .id = session,
                                                        .rule = span_of("default"),
                                                        .why_clear = span_of("not-offered") });
    attempt(NOW_S + DAY_S, TRACKING_DONE, id, "r@example.org", attempted);
    stories = find((struct tracking_query){ .in_the_clear = true }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, id);
    expect_text(stories[0].envelope.sender, "s@example.net");
    assert_int_equal(stories[0].event_count, 1);
    expect_text(stories[0].events[0].recipient, "r@example.org");
    assert_int_equal(stories[0].events[0].attempt.at_s, NOW_S + DAY_S);
    expect_text(stories[0].events[0].session->why_clear, "not-offered");
    expect_text(stories[0].events[0].session->rule, "default");
}

static void only_what_left_is_in_the_ledger(void **state)
{
    static const struct {
        enum tracking_kind kind;
        const char *relay, *tls;
    } others[] = {
        { TRACKING_DEFERRED, "mx.example.org[192.0.2.1]:25", "" },
        { TRACKING_BOUNCED, "mx.example.org[192.0.2.1]:25", "" },
        { TRACKING_DONE, "mx.example.org[192.0.2.1]:25", "may:TLSv1.3" },
        { TRACKING_DONE, "maildir:/var/mail/[odd]:x/ann", "" },
        { TRACKING_DONE, "lmtp:[127.0.0.1]:24", "" },
        { TRACKING_DONE, "lmtp:unix:/run/lmtp", "" },
    };
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org");
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        attempt(NOW_S + 1, others[i].kind, id, "r@example.org",
                (struct queue_attempt){ .relay = span_of(others[i].relay),
                                        .tls = span_of(others[i].tls) });
    find((struct tracking_query){ .in_the_clear = true }, &count);
    assert_int_equal(count, 0);
    attempt(NOW_S + 2, TRACKING_DONE, id, "r@example.org", in_clear); /* its session was lost */
    find((struct tracking_query){ .in_the_clear = true }, &count);
    assert_int_equal(count, 1);
}

static void the_ledger_is_narrowed_by_each_fact(void **state)
{
    static const struct {
        struct tracking_query query;
        size_t count;
    } cases[] = {
        { { .in_the_clear = true }, 3 },
        { { .in_the_clear = true, .destination = { "example.org", 11 } }, 2 },
        { { .in_the_clear = true, .destination = { "EXAMPLE.com", 11 } }, 1 },
        { { .in_the_clear = true, .destination = { ".org", 4 } }, 2 },
        { { .in_the_clear = true, .recipient = { "r@example.org", 13 } }, 2 },
        { { .in_the_clear = true, .sender = { "S@example.net", 13 } }, 2 },
        { { .in_the_clear = true, .since_s = NOW_S + 100 }, 2 },
        { { .in_the_clear = true, .since_s = NOW_S + 100, .until_s = NOW_S + 100 }, 1 },
        { { .in_the_clear = true, .most = 2 }, 2 },
    };
    int64_t one = accept(NOW_S, 0, "s@example.net", "r@example.org");
    int64_t other = accept(NOW_S, 1, "t@example.net", "r@example.org");
    size_t count;

    (void)state;
    attempt(NOW_S + 1, TRACKING_DONE, one, "r@example.org", in_clear);
    attempt(NOW_S + 100, TRACKING_DONE, one, "q@example.com", in_clear);
    attempt(NOW_S + DAY_S, TRACKING_DONE, other, "r@example.org", in_clear);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        find(cases[i].query, &count);
        if (count != cases[i].count)
            fail_msg("case %zu: %zu, not %zu", i, count, cases[i].count);
    }
}

/* ---- days that were begun before attempts named their sessions ---- */

static const char old_schema[] =
    "CREATE TABLE message(id INTEGER PRIMARY KEY, sender TEXT NOT NULL COLLATE NOCASE, envid TEXT NOT NULL,"
    "message_id TEXT NOT NULL, is_8bit INTEGER NOT NULL, is_smtputf8 INTEGER NOT NULL,"
    "received_at INTEGER NOT NULL, size INTEGER NOT NULL, client_address TEXT NOT NULL,"
    "helo TEXT NOT NULL, user TEXT NOT NULL, tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL);"
    "CREATE TABLE event(number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, message INTEGER NOT NULL,"
    "recipient TEXT NOT NULL COLLATE NOCASE, at INTEGER NOT NULL, milliseconds INTEGER NOT NULL,"
    "relay TEXT NOT NULL, tls TEXT NOT NULL, code TEXT NOT NULL, reply TEXT NOT NULL,"
    "finding TEXT NOT NULL);"
    "CREATE TABLE note(number INTEGER PRIMARY KEY, at INTEGER NOT NULL, milliseconds INTEGER NOT NULL,"
    "relay TEXT NOT NULL, tls TEXT NOT NULL, code TEXT NOT NULL, reply TEXT NOT NULL,"
    "finding TEXT NOT NULL, client_address TEXT NOT NULL, helo TEXT NOT NULL, user TEXT NOT NULL,"
    "tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL);";

/* A message that was delivered in the clear on that day. */
static int64_t make_old_day(void)
{
    int64_t id = make_id(NOW_S, 0);
    struct database database = { .connection = NULL };
    struct error err = { 0 };
    char path[TRACKING_PATH_BYTES];

    assert_true(tracking_day_path(folder, tracking_day_of(NOW_S), path, &err));
    if (!database_open(&database, path, DATABASE_OWN, 100, &err) ||
        !database_run(&database, old_schema, &err) ||
        !database_run(
            &database,
            arena_format(&arena,
                         "INSERT INTO message VALUES(%lld, 's@example.net', '', '', 0, 0, "
                         "%lld, 1, '', '', '', '', '');"
                         "INSERT INTO event VALUES(1, 0, %lld, 'r@example.org', %lld, 0, "
                         "'', '', '', '', '');"
                         "INSERT INTO event VALUES(2, 1, %lld, 'r@example.org', %lld, 0, "
                         "'mx.example.org[192.0.2.1]:25', '', '', '', 'dns-timeout');",
                         (long long)id, (long long)NOW_S, (long long)id, (long long)NOW_S,
                         (long long)id, (long long)NOW_S),
            &err))
        fail_msg("%s", err.text);
    database_close(&database);
    return id;
}

static void expect_old_story(int64_t id)
{
    struct tracking_story *stories;
    size_t count;

    stories = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].event_count, 2);
    assert_int_equal(stories[0].events[1].attempt.session, 0);
    find((struct tracking_query){ .destination = span_of("example.org") }, &count);
    assert_int_equal(count, 1);
    find((struct tracking_query){ .finding = span_of("dns-timeout") }, &count);
    assert_int_equal(count, 1);
    stories = find((struct tracking_query){ .in_the_clear = true }, &count);
    assert_int_equal(count, 1);
    expect_text(stories[0].envelope.sender, "s@example.net");
    find((struct tracking_query){ .notes = true }, &count);
    assert_int_equal(count, 0);
}

static void a_day_that_knows_no_sessions_is_read(void **state)
{
    (void)state;
    expect_old_story(make_old_day());
}

static void a_day_that_knows_no_sessions_learns_of_them_when_it_is_written_on(void **state)
{
    int64_t id = make_old_day(), session = make_id(NOW_S + 5, 7);
    struct tracking_story *story;
    size_t count;

    (void)state;
    begin_stories(NOW_S);
    end_stories();
    expect_old_story(id);
    tell_session(NOW_S + 5, (struct queue_session){ .id = session });
    attempt(NOW_S + 6, TRACKING_RETRIED, id, "r@example.org",
            (struct queue_attempt){ .session = session });
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(story->event_count, 3);
    assert_int_equal(story->events[2].session->id, session);
}

static void what_a_message_asks_of_tls_is_told_also_in_a_day_begun_before(void **state)
{
    int64_t old = make_old_day();
    struct queue_envelope envelope = { .id = make_id(NOW_S + 9, 3),
                                       .sender = span_of("t@example.net"),
                                       .received_at_s = NOW_S + 9,
                                       .tls_optional = true };
    struct tracking_story *stories;
    size_t count;

    (void)state;
    stories = find((struct tracking_query){ .id = old }, &count);
    assert_false(stories[0].envelope.requires_tls || stories[0].envelope.tls_optional);
    begin_stories(NOW_S + 9);
    assert_true(tracking_add_message(tracking, &envelope, NULL));
    end_stories();
    stories = find((struct tracking_query){ .id = envelope.id }, &count);
    assert_true(count == 1 && stories[0].envelope.tls_optional &&
                !stories[0].envelope.requires_tls);
    stories = find((struct tracking_query){ .in_the_clear = true }, &count);
    assert_true(count == 1 && !stories[0].envelope.tls_optional);
    expect_old_story(old);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stories, close_stories)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attempt_has_all_that_its_session_showed),
        TEST(one_session_serves_the_attempts_of_many_messages_also_over_midnight),
        TEST(a_diagnosis_stands_beside_the_session_that_it_explains),
        TEST(the_newest_session_is_of_the_newest_day_that_has_any),
        TEST(a_session_that_was_lost_leaves_its_attempt_as_it_is),
        TEST(messages_are_found_by_destination),
        TEST(messages_are_found_by_finding_days_after_they_were_accepted),
        TEST(what_left_in_the_clear_is_told_with_its_reason),
        TEST(only_what_left_is_in_the_ledger),
        TEST(the_ledger_is_narrowed_by_each_fact),
        TEST(a_day_that_knows_no_sessions_is_read),
        TEST(what_a_message_asks_of_tls_is_told_also_in_a_day_begun_before),
        TEST(a_day_that_knows_no_sessions_learns_of_them_when_it_is_written_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
