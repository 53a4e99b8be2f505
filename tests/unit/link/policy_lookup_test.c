/* tests/unit/link/policy_lookup_test.c - promises of link/policy_lookup.h, with the answers of DNS and HTTPS scripted.
 *
 * The functions of net/dns.h and net/https.h that policy_lookup.c calls are defined here; tests/integration asks real servers.
 */
#include "link/policy_lookup.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/memory.h"

enum { LIMIT_MS = 10000, NOW_S = 1800000000, RECORDS_MOST = 4 };

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"
#define OLDER  "version: STSv1\nmode: testing\nmx: old.example.org\nmax_age: 600\n"

/* ---- scripted servers ---- */

struct scripted_answer {
    const char *name;
    enum dns_type type;
    enum dns_outcome outcome;
    const char *records[RECORDS_MOST]; /* a text, its strings split at "|"; or an address */
};

struct dns_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
    const struct scripted_answer *answer;
};

struct https_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
};

static struct stage {
    struct loop *loop;
    struct loop_timer *limit;
    struct arena arena;
    struct clock clock;
    struct policy_lookup_settings settings;
    struct policy_lookup *lookup;
    struct observed_published *published;
    const struct scripted_answer *answers;
    size_t answer_count;
    struct https_answer https;
    bool ran_out, cannot_ask, cannot_send, is_judged;
    unsigned asked, sent, cancelled;
    char url[200];
    struct net_address first;
    size_t address_count;

    struct sts_cache cache;
    struct sts_cached cached; /* id NULL: none */
    struct sts_failed failed; /* id NULL: none */
    unsigned kept, kept_failed;
} stage;

static struct span wire_of(const struct scripted_answer *scripted, const char *text)
{
    struct span rest = span_of(text);
    struct net_address address = { .port = 0 };
    char wire[1024];
    size_t len = 0;

    if (scripted->type != DNS_TYPE_TXT) {
        assert_true(net_address_parse(rest, &address));
        return arena_copy_bytes(&stage.arena,
                                (struct span){ (char *)address.bytes, address.is_ipv6 ? 16 : 4 });
    }
    do {
        struct span part = span_take_until(&rest, '|');

        wire[len++] = (char)part.len;
        memcpy(wire + len, part.data, part.len);
        len += part.len;
    } while (rest.len > 0);
    return arena_copy_bytes(&stage.arena, (struct span){ wire, len });
}

static void answer_dns(void *owner)
{
    struct dns_query *query = owner;
    const struct scripted_answer *scripted = query->answer;
    struct dns_answer told = { .outcome = DNS_NXDOMAIN, .rcode = 3 };
    struct span records[RECORDS_MOST];

    if (scripted != NULL) {
        told.outcome = scripted->outcome;
        told.why_bogus = scripted->outcome == DNS_BOGUS ? "signature expired" : NULL;
        for (; told.record_count < RECORDS_MOST && scripted->records[told.record_count] != NULL;
             told.record_count++)
            records[told.record_count] = wire_of(scripted, scripted->records[told.record_count]);
        told.records = records;
    }
    query->answered(query->owner, &told);
    loop_timer_close(&query->timer);
    memory_free(query);
}

bool dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
              void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
              struct dns_query **query, struct error *err)
{
    struct dns_query *made = memory_new(1, sizeof *made);

    (void)dns;
    assert_true(timeout_ms > 0);
    assert_non_null(made);
    stage.asked++;
    if (stage.cannot_ask) {
        memory_free(made);
        return error_set(err, ERROR_MEMORY, "no memory for a question");
    }
    *made = (struct dns_query){ .answered = answered, .owner = owner };
    for (size_t i = 0; i < stage.answer_count; i++)
        if (stage.answers[i].type == type && strcmp(stage.answers[i].name, name) == 0)
            made->answer = &stage.answers[i];
    assert_true(loop_timer_open(stage.loop, answer_dns, made, &made->timer, NULL));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void dns_cancel(struct dns_query **query)
{
    stage.cancelled++;
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}

static void answer_https(void *owner)
{
    struct https_query *query = owner;

    query->answered(query->owner, &stage.https);
    loop_timer_close(&query->timer);
    memory_free(query);
}

bool https_send(struct https *https, const struct https_request *request,
                void (*answered)(void *owner, const struct https_answer *answer), void *owner,
                struct https_query **query, struct error *err)
{
    struct https_query *made = memory_new(1, sizeof *made);

    (void)https;
    assert_non_null(made);
    assert_int_equal(request->body_most, MTA_STS_BODY_MOST);
    assert_null(request->upload_type);
    stage.sent++;
    snprintf(stage.url, sizeof stage.url, "%s", request->url);
    stage.first = request->addresses[0];
    stage.address_count = request->address_count;
    if (stage.cannot_send) {
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "no descriptor is left");
    }
    if (stage.is_judged)
        (void)request->judge(request->judge_owner,
                             &(struct https_peer){ .host = "mta-sts.example.org" });
    *made = (struct https_query){ .answered = answered, .owner = owner };
    assert_true(loop_timer_open(stage.loop, answer_https, made, &made->timer, NULL));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void https_cancel(struct https_query **query)
{
    if (*query == NULL)
        return;
    stage.cancelled++;
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}

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

/* ---- the stage ---- */

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
    stage.cache = (struct sts_cache){ NULL, find, keep, find_failed, keep_failed };
    stage.settings = (struct policy_lookup_settings){ .loop = stage.loop,
                                                      .dns = (struct dns *)&stage,
                                                      .https = (struct https *)&stage,
                                                      .clock = &stage.clock,
                                                      .private_addresses = true,
                                                      .with_sts = true };
    stage.https = (struct https_answer){ .outcome = HTTPS_ANSWERED,
                                         .status = 200,
                                         .content_type = span_of("text/plain"),
                                         .body = span_of(POLICY),
                                         .failure = "" };
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
    stage.answers = answers;
    stage.answer_count = count;
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

#define TXT(n, text)                                                                               \
    {                                                                                              \
        .name = (n), .type = DNS_TYPE_TXT, .records = {(text) }                                    \
    }
#define STS(text) TXT("_mta-sts.example.org", text)
#define HOST(address)                                                                              \
    {                                                                                              \
        .name = "mta-sts.example.org", .type = DNS_TYPE_A, .records = {(address) }                 \
    }

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
    assert_int_equal(found->sts_record, MTA_STS_RECORD_VALID);
    assert_string_equal(found->sts_text, "v=STSv1; id=2;");
    assert_string_equal(found->sts_id, "2");
    assert_int_equal(found->sts_lookup.type, DNS_TYPE_TXT);
    assert_true(found->fetched);
    assert_string_equal(stage.url, "https://mta-sts.example.org/.well-known/mta-sts.txt");
    assert_string_equal(found->url, stage.url);
    assert_int_equal(found->sts, POLICY_STS_ENFORCE);
    assert_true(found->has_policy && !found->from_cache);
    assert_true(mta_sts_policy_lists(&found->policy, "mx.example.org"));
    assert_int_equal(found->fetched_at_s, NOW_S);
    assert_int_equal(found->ends_at_s, NOW_S + 86400);
    assert_false(observed_published_fetch_failed(found));
    assert_int_equal(stage.kept, 1);
    assert_string_equal(stage.cached.policy_text, POLICY);
    assert_false(found->asked_reports);
    assert_int_equal(stage.asked, 3);
}

static void asks_nothing_where_no_record_is(void **state)
{
    const struct observed_published *found = look(NULL, 0, true);

    (void)state;
    assert_int_equal(found->sts_record, MTA_STS_RECORD_NONE);
    assert_int_equal(found->sts_lookup.outcome, DNS_NXDOMAIN);
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_false(found->fetched || found->has_policy);
    assert_int_equal(stage.asked, 1);
    assert_int_equal(stage.sent, 0);
}

static void asks_nothing_by_a_record_with_a_flaw(void **state)
{
    static const struct scripted_answer answers[] = { STS("v=STSv1; id=-;"), HOST("192.0.2.7") };
    const struct observed_published *found = look(answers, 2, false);

    (void)state;
    assert_int_equal(found->sts_record, MTA_STS_RECORD_INVALID);
    assert_string_equal(found->sts_record_flaw, "its id \"-\" is not 1 to 32 letters and digits");
    assert_int_equal(found->sts, POLICY_STS_NONE);
    assert_int_equal(stage.sent, 0);
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
    assert_int_equal(stage.sent, 0);
    stage.settings.is_refresh = true;
    found = look(sound, 2, true);
    assert_int_equal(stage.sent, 1);
    assert_int_equal(found->sts, POLICY_STS_ENFORCE);
}

static void fetches_once_the_id_is_another_or_the_kept_policy_has_ended(void **state)
{
    (void)state;
    stage.cached = older_policy(NOW_S + 600);
    assert_int_equal(look(sound, 2, true)->sts, POLICY_STS_ENFORCE);
    assert_int_equal(stage.sent, 1);
    stage.cached = older_policy(NOW_S);
    stage.cached.id = "2";
    assert_int_equal(look(sound, 2, true)->sts, POLICY_STS_ENFORCE);
    assert_int_equal(stage.sent, 2);
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
    stage.https.status = 500;
    found = look(sound, 2, true);
    assert_true(found->from_cache && found->fetched);
    assert_true(observed_published_fetch_failed(found));
    assert_string_equal(found->policy_id, "1");
    stage.cached = older_policy(NOW_S);
    found = look(NULL, 0, true);
    assert_false(found->has_policy);
    assert_int_equal(found->sts, POLICY_STS_NONE);
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
        const struct observed_published *found;

        stage.https = cases[i].answer;
        stage.https.failure = stage.https.failure == NULL ? "" : stage.https.failure;
        stage.failed.id = NULL;
        found = look(sound, 2, true);
        assert_int_equal(found->sts, POLICY_STS_NONE);
        assert_true(observed_published_fetch_failed(found));
        assert_null(found->failure);
        if (cases[i].failure != NULL)
            assert_string_equal(found->fetch_failure, cases[i].failure);
        else
            assert_string_equal(found->policy_flaw, cases[i].flaw);
        assert_true((found->fetch_failure == NULL) == (cases[i].failure == NULL));
        assert_int_equal(stage.kept_failed, i + 1);
    }
    assert_int_equal(stage.kept, 0);
}

static void leaves_a_version_that_failed_alone_for_some_minutes(void **state)
{
    const struct observed_published *found;

    (void)state;
    stage.https.status = 404;
    look(sound, 2, true);
    assert_int_equal(stage.sent, 1);
    stage.clock.fixed_wall_s += POLICY_LOOKUP_HELD_BACK_S - 1;
    found = look(sound, 2, true);
    assert_int_equal(stage.sent, 1);
    assert_true(found->was_held_back && !found->fetched);
    assert_string_equal(found->fetch_failure, "the server answers 404 and not 200");
    assert_int_equal(found->http_status, 404);
    stage.clock.fixed_wall_s += 1;
    look(sound, 2, true);
    assert_int_equal(stage.sent, 2);
    stage.failed.id = "another";
    look(sound, 2, true);
    assert_int_equal(stage.sent, 3);
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
        const struct scripted_answer answers[] = { STS("v=STSv1;id=2"), cases[i].ipv6 };
        const struct observed_published *found = look(answers, 2, false);

        assert_string_equal(found->fetch_failure, cases[i].failure);
        assert_int_equal(found->fetch_outcome, HTTPS_NO_CONNECT);
        assert_int_equal(found->sts, POLICY_STS_NONE);
    }
    assert_int_equal(stage.sent, 0);
}

static void hands_the_addresses_of_both_families_on(void **state)
{
    static const struct scripted_answer answers[] = {
        STS("v=STSv1;id=2"),
        HOST("192.0.2.7"),
        { .name = "mta-sts.example.org", .type = DNS_TYPE_AAAA, .records = { "2001:db8::7" } },
    };

    (void)state;
    stage.settings.https_port = 8443;
    look(answers, 3, false);
    assert_int_equal(stage.address_count, 2);
    assert_false(stage.first.is_ipv6);
    assert_string_equal(stage.url, "https://mta-sts.example.org:8443/.well-known/mta-sts.txt");
}

#define HOST6(address)                                                                             \
    {                                                                                              \
        .name = "mta-sts.example.org", .type = DNS_TYPE_AAAA, .records = {(address) }              \
    }

/* Nobody's DNS leads us to hosts of our own network, unless our settings say so. */
static void asks_no_host_at_an_address_that_not_everybody_reaches(void **state)
{
    static const struct scripted_answer inside[] = { STS("v=STSv1;id=2"), HOST("10.1.2.3"),
                                                     HOST6("fe80::1") },
                                        mapped[] = { STS("v=STSv1;id=2"),
                                                     HOST6("::ffff:127.0.0.1") },
                                        both[] = { STS("v=STSv1;id=2"), HOST("127.0.0.1"),
                                                   HOST6("2a00:1450::7") };
    const struct observed_published *found;

    (void)state;
    stage.settings.private_addresses = false;
    found = look(inside, 3, false);
    assert_int_equal(stage.address_count, 0);
    assert_int_equal(found->fetch_outcome, HTTPS_NO_CONNECT);
    assert_true(found->only_private);
    assert_non_null(strstr(found->fetch_failure, "mta-sts.example.org has no address that "
                                                 "everybody reaches: "));
    assert_int_equal(found->sts, POLICY_STS_NONE);
    found = look(mapped, 2, false);
    assert_int_equal(stage.address_count, 0);
    assert_non_null(strstr(found->fetch_failure, "::ffff:127.0.0.1 is IPv4 in the form of IPv6"));
    found = look(both, 3, false);
    assert_int_equal(stage.address_count, 1);
    assert_true(stage.first.is_ipv6);
    assert_false(found->only_private);
    assert_true(found->has_policy);
    stage.settings.private_addresses = true;
    (void)look(inside, 3, false);
    assert_int_equal(stage.address_count, 2);
}

static void finds_where_reports_go(void **state)
{
    static const struct scripted_answer answers[] = {
        TXT("_smtp._tls.example.org", "v=TLSRPTv1; rua=mailto:|tls@example.org"),
    };
    const struct observed_published *found;

    (void)state;
    stage.settings.with_reports = true;
    found = look(answers, 1, false);
    assert_true(found->asked_reports);
    assert_int_equal(found->report_record, MTA_STS_RECORD_VALID);
    assert_int_equal(found->reports.count, 1);
    assert_string_equal(found->reports.uris[0], "mailto:tls@example.org");
    assert_string_equal(found->report_text, "v=TLSRPTv1; rua=mailto:tls@example.org");
    assert_int_equal(found->sts, POLICY_STS_NONE);
    stage.settings.with_sts = false;
    stage.asked = 0;
    look(answers, 1, false);
    assert_int_equal(stage.asked, 1);
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
    stage.cannot_send = true;
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_UNKNOWN);
    assert_string_equal(found->failure, "no descriptor is left");
    assert_int_equal(stage.kept_failed, 0); /* it is not the domain's */
    stage.cached = older_policy(NOW_S + 1);
    found = look(sound, 2, true);
    assert_int_equal(found->sts, POLICY_STS_TESTING);
    stage.cannot_ask = true;
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
    stage.is_judged = true;
    stage.https = (struct https_answer){ .outcome = HTTPS_UNTRUSTED, .failure = "not trusted" };
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
    assert_int_equal(stage.asked, 0);
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
    stage.answers = sound;
    stage.answer_count = 2;
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
    assert_true(stage.cancelled > 0);
    loop_timer_close(&timer);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STAGED(finds_the_policy_that_is_published),
        STAGED(asks_nothing_where_no_record_is),
        STAGED(asks_nothing_by_a_record_with_a_flaw),
        STAGED(fetches_nothing_while_the_id_is_that_of_the_kept_policy),
        STAGED(fetches_once_the_id_is_another_or_the_kept_policy_has_ended),
        STAGED(keeps_to_a_policy_until_it_ends_whatever_the_look_up_finds),
        STAGED(says_why_no_policy_came),
        STAGED(leaves_a_version_that_failed_alone_for_some_minutes),
        STAGED(says_why_the_policy_host_has_no_address),
        STAGED(asks_no_host_at_an_address_that_not_everybody_reaches),
        STAGED(hands_the_addresses_of_both_families_on),
        STAGED(finds_where_reports_go),
        STAGED(tells_a_failure_of_our_own_from_no_policy),
        STAGED(without_roots_a_policy_is_unknown_and_not_none),
        STAGED(takes_a_name_that_cannot_be_for_one_without_records),
        STAGED(refuses_what_is_no_domain),
        STAGED(calls_nobody_after_the_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
