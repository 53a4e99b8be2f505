/* fuzz/lookup.c - whatever the DNS and an HTTPS server say, a look-up ends, and its record is whole and can be saved.
 *
 * Both look-ups of a domain, its hosts (link/route) and what it publishes (link/policy_lookup), as they are;
 * dns_find and https_send are put in their place by the linker, and answer from the input: one byte of choices,
 * then each answer as choices and pieces behind their lengths. Questions are answered in any order.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "diagnose/judge.h"
#include "link/policy_lookup.h"
#include "link/published_json.h"
#include "link/route.h"
#include "link/route_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
bool __wrap_dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
                     void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
                     struct dns_query **query, struct error *err);
void __wrap_dns_cancel(struct dns_query **query);
bool __wrap_https_send(struct https *https, const struct https_request *request,
                       void (*answered)(void *owner, const struct https_answer *answer),
                       void *owner, struct https_query **query, struct error *err);
void __wrap_https_cancel(struct https_query **query);

enum {
    ARENA = 64 << 20,
    QUESTIONS_MOST = 512, /* more are never asked */
    RECORDS_MOST = 40,
    NAME_TEXT = 1100,
    NOW_S = 1000000,
};

enum {
    CHOICE_FROM_HOST = 1,
    CHOICE_HAS_CACHED = 2,
    CHOICE_HAS_ENDED = 4,
    CHOICE_HAS_FAILED = 8,
    CHOICE_IS_REFRESH = 16,
    CHOICE_HAS_REPORTS = 32,
    CHOICE_CANNOT_ASK = 64, /* the second question, and all after it */
    CHOICE_ROUTE = 128,
};

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* ---- the world ---- */

struct dns_query {
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
    bool is_open;
};

struct https_query {
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
    bool is_open;
};

static struct span input;
static unsigned choices;
static struct dns_query questions[QUESTIONS_MOST];
static size_t question_count, open_count;
static struct https_query request_made;
static size_t request_count;

static unsigned take_byte(void)
{
    return input.len == 0 ? 0 : (unsigned char)span_take(&input);
}

static struct span take_piece(void)
{
    return span_take_front(&input, take_byte());
}

bool __wrap_dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
                     void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
                     struct dns_query **query, struct error *err)
{
    (void)dns;
    insist(type != 0 && timeout_ms > 0 && name[0] != '\0' && strlen(name) < NAME_TEXT);
    insist(question_count < QUESTIONS_MOST);
    if ((choices & CHOICE_CANNOT_ASK) != 0 && question_count > 0)
        return error_set(err, ERROR_SYSTEM, "no question can be asked");
    *query = &questions[question_count++];
    **query = (struct dns_query){ answered, owner, true };
    open_count++;
    return true;
}

void __wrap_dns_cancel(struct dns_query **query)
{
    insist((*query)->is_open);
    (*query)->is_open = false;
    open_count--;
    *query = NULL;
}

bool __wrap_https_send(struct https *https, const struct https_request *request,
                       void (*answered)(void *owner, const struct https_answer *answer),
                       void *owner, struct https_query **query, struct error *err)
{
    (void)https;
    (void)err;
    insist(request->address_count > 0 && request->address_count <= HTTPS_ADDRESSES_MOST);
    insist(request->timeout_ms > 0 && request->body_most > 0 && ++request_count == 1);
    request_made = (struct https_query){ answered, owner, true };
    *query = &request_made;
    return true;
}

void __wrap_https_cancel(struct https_query **query)
{
    if (*query != NULL)
        (*query)->is_open = false;
    *query = NULL;
}

/* ---- answers ---- */

static void answer_question(struct dns_query *query)
{
    struct span records[RECORDS_MOST], wire;
    char canonical[NAME_TEXT];
    unsigned how = take_byte();
    struct dns_answer answer = {
        .outcome = input.len == 0 ? DNS_NXDOMAIN : (enum dns_outcome)(how % (DNS_BOGUS + 1)),
        .security = (enum dns_security)(how / 8 % 2),
        .rcode = (int)(how / 16),
        .records = records,
    };

    if (answer.outcome == DNS_BOGUS) {
        answer.security = DNS_VALIDATION_FAILED;
        answer.why_bogus = "validation failure";
    }
    if (answer.outcome == DNS_SERVFAIL || answer.outcome == DNS_TIMEOUT)
        answer.security = DNS_INDETERMINATE;
    wire = take_piece();
    if (wire.len > 0 && dns_name_text(wire, canonical, sizeof canonical))
        answer.canonical_name = canonical;
    if (answer.outcome == DNS_ANSWERED)
        for (size_t count = 1 + take_byte() % RECORDS_MOST; answer.record_count < count;)
            records[answer.record_count++] = take_piece();
    query->is_open = false;
    open_count--;
    query->answered(query->owner, &answer);
}

static void answer_request(void)
{
    unsigned how = take_byte();
    struct https_answer answer = {
        .outcome = (enum https_outcome)(how % (HTTPS_FAILED + 1)),
        .status = how >= 128 ? 200 : (int)(100 + 4 * how),
        .content_type = take_piece(),
        .location = take_piece(),
        .failure = "it failed",
    };

    if (answer.content_type.len == 0)
        answer.content_type = span_of("text/plain");
    if (answer.outcome == HTTPS_ANSWERED)
        answer.failure = "";
    answer.body = input;
    input.len = 0;
    request_made.is_open = false;
    request_made.answered(request_made.owner, &answer);
}

static void answer_one(void)
{
    size_t skip = open_count == 0 ? 0 : take_byte() % open_count;

    for (size_t i = 0; i < question_count; i++)
        if (questions[i].is_open && skip-- == 0) {
            answer_question(&questions[i]);
            return;
        }
    answer_request();
}

static void answer_all(struct loop *loop)
{
    while (open_count > 0 || request_made.is_open)
        answer_one();
    loop_run(loop); /* until it is told */
}

/* ---- the hosts of a domain ---- */

static void check_host(const struct route_host *host)
{
    insist(host->name != NULL && host->name[0] != '\0');
    insist(host->address_count <= ROUTE_ADDRESSES_MOST);
    for (const char *at = host->name; *at != '\0'; at++)
        insist(*at > ' ' && *at < 0x7f);
    if (host->address_count > 0 && !host->is_address)
        insist(host->outcome == DNS_ANSWERED);
    if (host->tlsa == POLICY_TLSA_USABLE || host->tlsa == POLICY_TLSA_UNUSABLE)
        insist(host->tlsa_base != NULL && host->address_count > 0);
    if (host->tlsa == POLICY_TLSA_USABLE)
        insist(host->tlsa_count > 0);
    if (host->tlsa == POLICY_TLSA_LOOKUP_FAILED)
        insist(host->tlsa_failure != NULL && host->tlsa_failure[0] != '\0');
}

static void check_route(const struct route *route, struct arena *arena)
{
    json_t *saved = route_to_json(route), *again;
    struct route *read;
    struct error err;

    insist(route->host_count <= ROUTE_HOSTS_MOST && route->lookup_count <= ROUTE_LOOKUPS_MOST);
    insist(route->outcome != ROUTE_FOUND || route->host_count > 0);
    for (size_t i = 0; i < route->host_count; i++) {
        check_host(&route->hosts[i]);
        insist(i == 0 || route->hosts[i - 1].preference <= route->hosts[i].preference);
    }
    insist(saved != NULL && route_from_json(saved, arena, &read, &err));
    again = route_to_json(read);
    insist(again != NULL && json_equal(saved, again));
    json_decref(saved);
    json_decref(again);
}

static struct loop *turning;
static struct route *route_told;
static struct observed_published *published_told;

static void take_route(void *owner, struct route *route)
{
    (void)owner;
    route_told = route;
    loop_stop(turning);
}

static void look_for_hosts(struct loop *loop, struct arena *arena)
{
    bool from_host = (choices & CHOICE_FROM_HOST) != 0;
    struct route_query *query;
    struct error err;

    route_told = NULL;
    if (!route_find(loop, NULL, arena, "example.org",
                    from_host ? ROUTE_FROM_HOST : ROUTE_FROM_DOMAIN, 25, 1000, take_route, NULL,
                    &query, &err))
        return;
    answer_all(loop);
    insist(route_told != NULL);
    route_cancel(&query);
    insist(open_count == 0);
    check_route(route_told, arena);
}

/* ---- what it publishes ---- */

static bool find_cached(void *owner, const char *domain, struct arena *arena,
                        struct sts_cached *cached)
{
    (void)owner;
    (void)domain;
    (void)arena;
    *cached = (struct sts_cached){
        .id = "1",
        .policy_text = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n",
        .fetched_at_s = NOW_S - 3600,
        .ends_at_s = (choices & CHOICE_HAS_ENDED) != 0 ? NOW_S - 1 : NOW_S + 3600,
    };
    return (choices & CHOICE_HAS_CACHED) != 0;
}

static void keep_fetched(void *owner, const char *domain, const struct sts_cached *cached)
{
    struct mta_sts_policy policy;
    const char *flaw;
    struct arena arena;

    (void)owner;
    insist(strcmp(domain, "example.org") == 0 && cached->id[0] != '\0');
    insist(cached->ends_at_s >= cached->fetched_at_s);
    arena_init(&arena, ARENA);
    insist(mta_sts_policy_read(span_of(cached->policy_text), &arena, &policy, &flaw));
    arena_clear(&arena);
}

static bool find_failed(void *owner, const char *domain, struct arena *arena,
                        struct sts_failed *failed)
{
    (void)owner;
    (void)domain;
    (void)arena;
    *failed = (struct sts_failed){
        .id = "2", .at_s = NOW_S - 60, .outcome = HTTPS_TIMEOUT, .failure = "it took too long"
    };
    return (choices & CHOICE_HAS_FAILED) != 0;
}

static void keep_failed(void *owner, const char *domain, const struct sts_failed *failed)
{
    (void)owner;
    insist(strcmp(domain, "example.org") == 0 && failed->id[0] != '\0');
    insist(failed->failure != NULL || failed->policy_flaw != NULL);
}

static void check_published(struct observed_published *published, struct arena *arena)
{
    static struct findings findings;
    json_t *saved = published_to_json(published), *again;
    struct observed_published *read;
    struct error err;

    insist(published->failure == NULL || published->failure[0] != '\0');
    if (published->sts == POLICY_STS_ENFORCE || published->sts == POLICY_STS_TESTING)
        insist(published->has_policy && published->policy.mx_count > 0);
    if (published->has_policy)
        insist(published->policy_id != NULL && published->ends_at_s > NOW_S - 1);
    if ((choices & CHOICE_HAS_CACHED) != 0 && (choices & CHOICE_HAS_ENDED) == 0)
        insist(published->has_policy); /* whatever is found: RFC 8461 section 3.1 */
    insist(saved != NULL && published_from_json(saved, arena, &read, &err));
    again = published_to_json(read);
    json_object_del(saved,
                    "policy_text"); /* the file as it was; read back, its line ends are shown */
    json_object_del(again, "policy_text");
    insist(again != NULL && json_equal(saved, again));
    json_decref(saved);
    json_decref(again);
    findings.count = 0;
    judge_published(published, NULL, NULL, arena, &findings);
    for (size_t i = 0; i < findings.count; i++)
        insist(findings.items[i].evidence_count > 0 && findings.items[i].cause[0] != '\0');
}

static void take_published(void *owner, struct observed_published *published)
{
    (void)owner;
    published_told = published;
    loop_stop(turning);
}

static void look_for_policy(struct loop *loop, struct arena *arena)
{
    static const struct sts_cache cache = { .find = find_cached,
                                            .keep = keep_fetched,
                                            .find_failed = find_failed,
                                            .keep_failed = keep_failed };
    struct clock clock = clock_fixed(NOW_S, 0);
    const struct policy_lookup_settings settings = {
        .loop = loop,
        .https = (struct https *)(uintptr_t)1, /* never looked into: https_send is ours */
        .clock = &clock,
        .cache = &cache,
        .with_sts = true,
        .with_reports = (choices & CHOICE_HAS_REPORTS) != 0,
        .is_refresh = (choices & CHOICE_IS_REFRESH) != 0,
    };
    struct policy_lookup *lookup;
    struct error err;

    published_told = NULL;
    insist(
        policy_lookup_start(&settings, arena, "example.org", take_published, NULL, &lookup, &err));
    answer_all(loop);
    insist(published_told != NULL);
    policy_lookup_cancel(&lookup);
    insist(open_count == 0 && !request_made.is_open);
    check_published(published_told, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct arena arena;

    if (size == 0)
        return 0;
    if (turning == NULL)
        insist(loop_open(&turning, &err));
    input = (struct span){ (const char *)data, size };
    choices = take_byte();
    question_count = open_count = request_count = 0;
    arena_init(&arena, ARENA);
    if ((choices & CHOICE_ROUTE) != 0)
        look_for_hosts(turning, &arena);
    else
        look_for_policy(turning, &arena);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
