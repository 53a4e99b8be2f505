/* tests/unit/link/policy_lookup_test.c - promises of link/policy_lookup.h, with the answers of DNS and HTTPS scripted.
 *
 * How a policy file is fetched: policy_fetch_test.c. tests/integration asks real servers.
 */
#include "link/policy_lookup.h"

#include <string.h>

#include "../test.h"
#include "scripted_answers.h"

enum { LIMIT_MS = 60000, NOW_S = 1800000000 };

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"
#define OLDER  "version: STSv1\nmode: testing\nmx: old.example.org\nmax_age: 600\n"

/* ---- the stage ---- */

static struct stage {
    struct loop *loop;
    struct loop_timer *limit;
    struct arena arena;
    struct clock clock;
    struct policy_lookup_settings settings;
    struct policy_lookup *lookup;
    struct observed_published *published;
    bool ran_out;

    struct sts_cache cache;
    struct sts_cached cached; /* id NULL: none */
    struct sts_failed failed; /* id NULL: none */
    unsigned kept, kept_failed;
} stage;

static bool find(void *owner, const char *domain, struct arena *arena, struct sts_cached *cached)
{
    (void)owner;
    (void)arena;
    assert_string_equal(domain, "example.org");
    *cached = stage.cached;
    return stage.cached.id != NULL;
}

static void keep(void *owner, const char *domain, const struct sts_cached *cached)
{
    (void)owner;
    assert_string_equal(domain, "example.org");
    stage.cached = *cached;
    stage.kept++;
}

static bool find_failed(void *owner, const char *domain, struct arena *arena,
                        struct sts_failed *failed)
{
    (void)owner;
    (void)domain;
    (void)arena;
    *failed = stage.failed;
    return stage.failed.id != NULL;
}

static void keep_failed(void *owner, const char *domain, const struct sts_failed *failed)
{
    (void)owner;
    (void)domain;
    stage.failed = *failed;
    stage.kept_failed++;
}

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
    assert_true(loop_open(&stage.loop, NULL));
    assert_true(loop_timer_open(stage.loop, run_out, NULL, &stage.limit, NULL));
    scripted_begin(stage.loop, &stage.arena, POLICY);
    stage.cache = (struct sts_cache){ NULL, find, keep, find_failed, keep_failed };
    stage.settings = (struct policy_lookup_settings){ .loop = stage.loop,
                                                      .dns = (struct dns *)&stage,
                                                      .https = (struct https *)&stage,
                                                      .clock = &stage.clock,
                                                      .private_addresses = true,
                                                      .with_sts = true };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    policy_lookup_cancel(&stage.lookup);
    loop_timer_close(&stage.limit);
    loop_close(&stage.loop);
    arena_clear(&stage.arena);
    return 0;
}

static void take(void *owner, struct observed_published *published)
{
    assert_ptr_equal(owner, &stage);
    assert_null(stage.published);
    stage.published = published;
    policy_lookup_cancel(&stage.lookup);
    loop_stop(stage.loop);
}

/* Looks up example.org; with what was kept where `with_cache`. */
static const struct observed_published *look(const struct scripted_answer *answers, size_t count,
                                             bool with_cache)
{
    scripted.answers = answers;
    scripted.answer_count = count;
    stage.settings.cache = with_cache ? &stage.cache : NULL;
    stage.published = NULL;
    loop_timer_start(stage.limit, LIMIT_MS);
    assert_true(policy_lookup_start(&stage.settings, &stage.arena, "Example.ORG.", take, &stage,
                                    &stage.lookup, NULL));
    assert_null(stage.published); /* never inside the call */
    loop_run(stage.loop);
    assert_false(stage.ran_out);
    assert_non_null(stage.published);
    return stage.published;
}

#define STS(text)     SCRIPTED_TXT("_mta-sts.example.org", text)
#define HOST(address) SCRIPTED_A("mta-sts.example.org", address)

static const struct scripted_answer sound[] = { STS("v=STSv1; |id=2;"), HOST("192.0.2.7") };

static struct sts_cached older_policy(int64_t ends_at_s)
{
    return (struct sts_cached){ "1", OLDER, NOW_S - 60, ends_at_s };
}

/* ---- promises ---- */

static void finds_the_policy_that_is_published(void **state)
{
    const struct observed_published *found = look(sound, 2, true);

    (void)state;
    assert_string_equal(found->domain, "example.org");
    assert_int_equal(found->sts_record, TXT_RECORD_VALID);
    assert_string_equal(found->sts_text, "v=STSv1; id=2;");
    assert_string_equal(found->sts_id, "2");
    assert_int_equal(found->sts_lookup.type, DNS_TYPE_TXT);
    assert_true(found->fetched);
    assert_string_equal(scripted.url, "https://mta-sts.example.org/.well-known/mta-sts.txt");
    assert_string_equal(found->url, scripted.url);
    assert_int_equal(found->sts, POLICY_STS_ENFORCE);
    assert_true(found->has_policy && !found->from_cache);
    assert_true(mta_sts_policy_lists(&found->policy, "mx.example.org"));
    assert_int_equal(found->fetched_at_s, NOW_S);
    assert_int_equal(found->ends_at_s, NOW_S + 86400);
    assert_false(observed_published_fetch_failed(found));
    assert_int_equal(stage.kept, 1);
    assert_string_equal(stage.cached.policy_text, POLICY);
    assert_false(found->asked_reports);
    assert_int_equal(scripted_dns.asked, 3);
}

static void asks_at_the_port_of_the_settings(void **state)
{
    (void)state;
    stage.settings.https_port = 8443;
    look(sound, 2, false);
    assert_string_equal(scripted.url, "https://mta-sts.example.org:8443/.well-known/mta-sts.txt");
}

static void asks_nothing_where_no_record_is(void **state)
{
    const struct observed_published *found = look(NULL, 0, true);

    (void)state;
    assert_int_equal(found->sts_record, TXT_RECORD_NONE);
    assert_int_equal(found->sts_lookup.outcome, DNS_NXDOMAIN);
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_false(found->fetched || found->has_policy);
    assert_int_equal(scripted_dns.asked, 1);
    assert_int_equal(scripted.sent, 0);
}

static void asks_nothing_by_a_record_with_a_flaw(void **state)
{
    static const struct scripted_answer answers[] = { STS("v=STSv1; id=-;"), HOST("192.0.2.7") };
    const struct observed_published *found = look(answers, 2, false);

    (void)state;
    assert_int_equal(found->sts_record, TXT_RECORD_INVALID);
    assert_string_equal(found->sts_record_flaw, "its id \"-\" is not 1 to 32 letters and digits");
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_int_equal(scripted.sent, 0);
}

static void fetches_nothing_while_the_id_is_that_of_the_kept_policy(void **state)
{
    const struct observed_published *found;

    (void)state;
    stage.cached = older_policy(NOW_S + 1);
    stage.cached.id = "2";
    found = look(sound, 2, true);
    assert_true(found->from_cache && found->has_policy && !found->fetched);
    assert_int_equal(found->sts, POLICY_STS_TESTING);
    assert_string_equal(found->policy_text, OLDER);
    assert_int_equal(scripted.sent, 0);
    stage.settings.is_refresh = true;
    found = look(sound, 2, true);
    assert_int_equal(scripted.sent, 1);
    assert_int_equal(found->sts, POLICY_STS_ENFORCE);
}

static void fetches_once_the_id_is_another_or_the_kept_policy_has_ended(void **state)
{
    (void)state;
    stage.cached = older_policy(NOW_S + 600);
    assert_int_equal(look(sound, 2, true)->sts, POLICY_STS_ENFORCE);
    assert_int_equal(scripted.sent, 1);
    stage.cached = older_policy(NOW_S);
    stage.cached.id = "2";
    assert_int_equal(look(sound, 2, true)->sts, POLICY_STS_ENFORCE);
    assert_int_equal(scripted.sent, 2);
}

/* RFC 8461 section 3.3 */
static void keeps_to_a_policy_until_it_ends_whatever_the_look_up_finds(void **state)
{
    static const struct scripted_answer broken[] = {
        { .name = "_mta-sts.example.org", .type = DNS_TYPE_TXT, .outcome = DNS_BOGUS }
    };
    const struct observed_published *found;

    (void)state;
    stage.cached = older_policy(NOW_S + 1);
    found = look(NULL, 0, true);
    assert_true(found->from_cache);
    assert_int_equal(found->sts, POLICY_STS_TESTING);
    found = look(broken, 1, true);
    assert_true(found->from_cache);
    assert_string_equal(found->sts_lookup.why_bogus, "signature expired");
    scripted.https.status = 500;
    found = look(sound, 2, true);
    assert_true(found->from_cache && found->fetched);
    assert_true(observed_published_fetch_failed(found));
    assert_string_equal(found->policy_id, "1");
    stage.cached = older_policy(NOW_S);
    found = look(NULL, 0, true);
    assert_false(found->has_policy);
    assert_int_equal(found->sts, POLICY_STS_NONE);
}

static void keeps_what_failed_of_the_domain(void **state)
{
    const struct observed_published *found;

    (void)state;
    found = look(sound, 1, true);
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_int_equal(stage.kept_failed, 1);
    assert_string_equal(stage.failed.failure, "the name mta-sts.example.org does not exist");
    assert_int_equal(stage.failed.outcome, HTTPS_NO_CONNECT);
    stage.failed.id = NULL;
    scripted.https.body = span_of("garbage");
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_int_equal(stage.kept_failed, 2);
    assert_string_equal(stage.failed.id, "2");
    assert_int_equal(stage.failed.at_s, NOW_S);
    assert_string_equal(stage.failed.policy_flaw, found->policy_flaw);
    assert_null(stage.failed.failure);
    assert_int_equal(stage.kept, 0);
}

static void leaves_a_version_that_failed_alone_for_some_minutes(void **state)
{
    const struct observed_published *found;

    (void)state;
    scripted.https.status = 404;
    look(sound, 2, true);
    assert_int_equal(scripted.sent, 1);
    stage.clock.fixed_wall_s += POLICY_LOOKUP_HELD_BACK_S - 1;
    found = look(sound, 2, true);
    assert_int_equal(scripted.sent, 1);
    assert_true(found->was_held_back && !found->fetched);
    assert_string_equal(found->fetch_failure, "the server answers 404 and not 200");
    assert_int_equal(found->http_status, 404);
    stage.clock.fixed_wall_s += 1;
    look(sound, 2, true);
    assert_int_equal(scripted.sent, 2);
    stage.failed.id = "another";
    look(sound, 2, true);
    assert_int_equal(scripted.sent, 3);
}

/* What counts as inside, and why: policy_fetch_test.c. */
static void is_led_inside_only_where_the_settings_say_so(void **state)
{
    static const struct scripted_answer inside[] = { STS("v=STSv1;id=2"), HOST("10.1.2.3") };

    (void)state;
    stage.settings.private_addresses = false;
    assert_true(look(inside, 2, false)->only_private);
    assert_int_equal(scripted.sent, 0);
    stage.settings.private_addresses = true;
    assert_true(look(inside, 2, false)->has_policy);
}

static void finds_where_reports_go(void **state)
{
    static const struct scripted_answer answers[] = {
        SCRIPTED_TXT("_smtp._tls.example.org", "v=TLSRPTv1; rua=mailto:|tls@example.org"),
    };
    const struct observed_published *found;

    (void)state;
    stage.settings.with_reports = true;
    found = look(answers, 1, false);
    assert_true(found->asked_reports);
    assert_int_equal(found->report_record, TXT_RECORD_VALID);
    assert_int_equal(found->reports.count, 1);
    assert_string_equal(found->reports.uris[0], "mailto:tls@example.org");
    assert_string_equal(found->report_text, "v=TLSRPTv1; rua=mailto:tls@example.org");
    assert_int_equal(found->sts, POLICY_STS_NONE);
    stage.settings.with_sts = false;
    scripted_dns.asked = 0;
    look(answers, 1, false);
    assert_int_equal(scripted_dns.asked, 1);
}

static void tells_a_failure_of_our_own_from_no_policy(void **state)
{
    const struct observed_published *found;

    (void)state;
    stage.settings.https = NULL;
    found = look(sound, 2, false);
    assert_int_equal(found->sts, POLICY_STS_UNKNOWN);
    assert_string_equal(found->failure, "there is no HTTPS client to fetch a policy with");
    stage.settings.https = (struct https *)&stage;
    scripted.cannot_send = true;
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_UNKNOWN);
    assert_string_equal(found->failure, "no descriptor is left");
    assert_int_equal(stage.kept_failed, 0); /* it is not the domain's */
    stage.cached = older_policy(NOW_S + 1);
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_TESTING);
    scripted_dns.cannot_ask = true;
    stage.cached.id = NULL;
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_UNKNOWN);
    assert_string_equal(found->failure, "no memory for a question");
}

/* Else a gateway without a trust store would take every policy for none. */
static void without_roots_a_policy_is_unknown_and_not_none(void **state)
{
    AUTO(anchors_free) struct anchors *anchors = anchors_new();
    const struct observed_published *found;

    (void)state;
    assert_non_null(anchors);
    stage.settings.anchors = anchors;
    scripted.is_judged = true;
    scripted.https = (struct https_answer){ .outcome = HTTPS_UNTRUSTED, .failure = "not trusted" };
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_UNKNOWN);
    assert_non_null(strstr(found->failure, "there are no trusted roots"));
    assert_int_equal(stage.kept_failed, 0);
    stage.settings.anchors = NULL;
}

static void takes_a_name_that_cannot_be_for_one_without_records(void **state)
{
    char domain[246];
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof domain; i++)
        domain[i] = i % 60 == 59 ? '.' : 'a';
    domain[sizeof domain - 1] = '\0';
    stage.settings.with_reports = true;
    loop_timer_start(stage.limit, LIMIT_MS);
    assert_true(policy_lookup_start(&stage.settings, &stage.arena, domain, take, &stage,
                                    &stage.lookup, &err));
    loop_run(stage.loop);
    assert_int_equal(stage.published->sts, POLICY_STS_NONE);
    assert_int_equal(stage.published->sts_lookup.outcome, DNS_NXDOMAIN);
    assert_int_equal(scripted_dns.asked, 0);
}

static void refuses_what_is_no_domain(void **state)
{
    struct error err;

    (void)state;
    assert_false(policy_lookup_start(&stage.settings, &stage.arena, "192.0.2.1", take, &stage,
                                     &stage.lookup, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(stage.lookup);
    assert_false(policy_lookup_start(&stage.settings, &stage.arena, ".example.org", take, &stage,
                                     &stage.lookup, &err));
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(stage.loop);
}

static void calls_nobody_after_the_cancel(void **state)
{
    struct loop_timer *timer;
    bool was_cancelled;

    (void)state;
    scripted.answers = sound;
    scripted.answer_count = 2;
    stage.settings.with_reports = true;
    assert_true(loop_timer_open(stage.loop, stop, NULL, &timer, NULL));
    for (int turns = 0; turns < 6; turns++) {
        stage.published = NULL;
        assert_true(policy_lookup_start(&stage.settings, &stage.arena, "example.org", take, &stage,
                                        &stage.lookup, NULL));
        for (int i = 0; i < turns && stage.lookup != NULL; i++) {
            loop_timer_start(timer, 0);
            loop_run(stage.loop);
        }
        was_cancelled = stage.lookup != NULL;
        policy_lookup_cancel(&stage.lookup);
        loop_timer_start(timer, 0);
        loop_run(stage.loop);
        assert_true(was_cancelled == (stage.published == NULL));
    }
    assert_true(scripted_dns.cancelled + scripted.cancelled > 0);
    loop_timer_close(&timer);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STAGED(finds_the_policy_that_is_published),
        STAGED(asks_at_the_port_of_the_settings),
        STAGED(asks_nothing_where_no_record_is),
        STAGED(asks_nothing_by_a_record_with_a_flaw),
        STAGED(fetches_nothing_while_the_id_is_that_of_the_kept_policy),
        STAGED(fetches_once_the_id_is_another_or_the_kept_policy_has_ended),
        STAGED(keeps_to_a_policy_until_it_ends_whatever_the_look_up_finds),
        STAGED(keeps_what_failed_of_the_domain),
        STAGED(leaves_a_version_that_failed_alone_for_some_minutes),
        STAGED(is_led_inside_only_where_the_settings_say_so),
        STAGED(finds_where_reports_go),
        STAGED(tells_a_failure_of_our_own_from_no_policy),
        STAGED(without_roots_a_policy_is_unknown_and_not_none),
        STAGED(takes_a_name_that_cannot_be_for_one_without_records),
        STAGED(refuses_what_is_no_domain),
        STAGED(calls_nobody_after_the_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
