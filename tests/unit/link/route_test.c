/* tests/unit/link/route_test.c - promises of link/route.h, with the answers of DNS scripted.
 *
 * No function of net/dns.h that route.c calls is that of net/, so that every DNSSEC state can be
 * had without a signed zone; tests/integration asks real servers.
 */
#include "../test.h"

#include "../net/scripted_dns.h"
#include "link/route.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_MS = 60000, ARENA_BYTES = 1024 * 1024, RECORDS_MOST = 40 };

/* ---- a scripted DNS ---- */

/* What is asked and not listed gets NO_DATA with the security of the stage. */
struct scripted_answer {
    const char *name;
    enum dns_type type;
    enum dns_outcome outcome;
    enum dns_security security;
    const char *canonical_name;
    const char *records[RECORDS_MOST]; /* "10 mx.test.", "192.0.2.1", "3 1 1 HEX" */
};

static struct stage {
    struct loop *loop;
    struct loop_timer *limit;
    struct arena arena;
    struct route_query *query;
    struct route *route;
    const struct scripted_answer *answers;
    size_t answer_count;
    enum dns_security security;
    bool ran_out;
} stage;

/* A dot behind a backslash is one inside a label. */
static struct span wire_name(const char *text, char *wire, size_t at)
{
    size_t len = at + 1, label = at; /* where the length of the label stands */

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\\') {
            wire[len++] = *++c;
        } else if (*c != '.') {
            wire[len++] = *c;
        } else if (len > label + 1) {
            wire[label] = (char)(len - label - 1);
            label = len++;
        }
    }
    wire[label] = (char)(len - label - 1);
    if (len > label + 1)
        wire[len++] = '\0';
    return (struct span){ wire, len };
}

static struct span wire_of(enum dns_type type, const char *text)
{
    char wire[300];
    struct net_address address = { .port = 0 };
    struct dane_record record;
    unsigned preference = 0;
    int read = 0;

    if (type == DNS_TYPE_MX) {
        assert_int_equal(sscanf(text, "%u %n", &preference, &read), 1);
        wire[0] = (char)(preference >> 8);
        wire[1] = (char)preference;
        return arena_copy_bytes(&stage.arena, wire_name(text + read, wire, 2));
    }
    if (type == DNS_TYPE_TLSA) {
        assert_true(dane_parse(&stage.arena, span_of(text), &record, NULL));
        wire[0] = (char)record.usage;
        wire[1] = (char)record.selector;
        wire[2] = (char)record.matching;
        memcpy(wire + 3, record.data.data, record.data.len);
        return arena_copy_bytes(&stage.arena, (struct span){ wire, 3 + record.data.len });
    }
    if (type == DNS_TYPE_CNAME)
        return arena_copy_bytes(&stage.arena, wire_name(text, wire, 0));
    assert_true(net_address_parse(span_of(text), &address));
    return arena_copy_bytes(&stage.arena,
                            (struct span){ (char *)address.bytes, address.is_ipv6 ? 16 : 4 });
}

static void answer(const char *name, enum dns_type type, struct dns_answer *told)
{
    static struct span records[RECORDS_MOST];
    const struct scripted_answer *scripted = NULL;

    for (size_t i = 0; i < stage.answer_count; i++)
        if (strcmp(stage.answers[i].name, name) == 0 && stage.answers[i].type == type)
            scripted = &stage.answers[i];
    *told = (struct dns_answer){ .outcome = DNS_NO_DATA, .security = stage.security, .rcode = 2 };
    if (scripted == NULL)
        return;
    told->outcome = scripted->outcome;
    told->security = scripted->security;
    told->canonical_name = scripted->canonical_name;
    told->why_bogus = scripted->outcome == DNS_BOGUS ? "signature expired" : NULL;
    told->records = records;
    while (told->record_count < ARRAY_SIZE(records) &&
           scripted->records[told->record_count] != NULL) {
        records[told->record_count] =
            wire_of(scripted->type, scripted->records[told->record_count]);
        told->record_count++;
    }
}

/* ---- the stage ---- */

static void run_out(void *owner)
{
    (void)owner;
    stage.ran_out = true;
    loop_stop(stage.loop);
}

static void note_found(void *owner, struct route *route)
{
    (void)owner;
    assert_null(stage.route);
    stage.route = route;
    route_cancel(&stage.query);
    loop_stop(stage.loop);
}

static int set_up(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    stage.security = DNS_SECURE;
    arena_init(&stage.arena, ARENA_BYTES);
    assert_true(loop_open(&stage.loop, NULL));
    scripted_dns_begin(stage.loop, answer);
    assert_true(loop_timer_open(stage.loop, run_out, NULL, &stage.limit, NULL));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    route_cancel(&stage.query);
    loop_timer_close(&stage.limit);
    loop_close(&stage.loop);
    arena_clear(&stage.arena);
    return 0;
}

static const struct route *find(const struct scripted_answer *answers, size_t count,
                                const char *domain, enum route_start start)
{
    struct error err = { .text = "" };

    stage.answers = answers;
    stage.answer_count = count;
    if (!route_find(stage.loop, NULL, &stage.arena, domain, start, 25, 5000, note_found, NULL,
                    &stage.query, &err))
        fail_msg("%s", err.text);
    assert_null(stage.route);
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_run(stage.loop);
    assert_false(stage.ran_out);
    assert_non_null(stage.route);
    return stage.route;
}

#define FIND_FROM(start, ...)                                                                      \
    find((const struct scripted_answer[]){ __VA_ARGS__ },                                          \
         sizeof((const struct scripted_answer[]){ __VA_ARGS__ }) / sizeof(struct scripted_answer), \
         "example.test", (start))
#define FIND(...) FIND_FROM(ROUTE_FROM_DOMAIN, __VA_ARGS__)

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MX_ONE                                                                                     \
    {                                                                                              \
        "example.test", DNS_TYPE_MX, DNS_ANSWERED, DNS_SECURE, NULL,                               \
        {                                                                                          \
            "10 mx.example.test."                                                                  \
        }                                                                                          \
    }
#define A_ONE                                                                                      \
    {                                                                                              \
        "mx.example.test", DNS_TYPE_A, DNS_ANSWERED, DNS_SECURE, NULL,                             \
        {                                                                                          \
            "192.0.2.1"                                                                            \
        }                                                                                          \
    }

static const struct observed_lookup *find_lookup(const char *name, enum dns_type type)
{
    for (size_t i = 0; i < stage.route->lookup_count; i++)
        if (strcmp(stage.route->lookups[i].name, name) == 0 && stage.route->lookups[i].type == type)
            return &stage.route->lookups[i];
    return NULL;
}

/* ---- hosts ---- */

static void orders_hosts_by_preference(void **state)
{
    const struct route *route =
        FIND({ "example.test",
               DNS_TYPE_MX,
               DNS_ANSWERED,
               DNS_INSECURE,
               NULL,
               { "20 b.example.test.", "5 a.example.test.", "20 c.example.test.",
                 "30 a.example.test.", "65535 d.example.test." } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_FOUND);
    assert_true(route->has_mx);
    assert_int_equal(route->mx_security, DNS_INSECURE);
    assert_int_equal(route->host_count, 4);
    assert_string_equal(route->hosts[0].name, "a.example.test");
    assert_int_equal(route->hosts[0].preference, 5);
    assert_string_equal(route->hosts[1].name, "b.example.test");
    assert_string_equal(route->hosts[2].name, "c.example.test");
    assert_int_equal(route->hosts[3].preference, 65535);
    assert_int_equal(route->lookup_count, 1 + 4 * 2);
}

static void takes_both_families(void **state)
{
    const struct route *route = FIND(
        MX_ONE, A_ONE,
        { "mx.example.test", DNS_TYPE_AAAA, DNS_ANSWERED, DNS_SECURE, NULL, { "2001:db8::1" } });
    char text[NET_ADDRESS_TEXT];

    (void)state;
    assert_int_equal(route->hosts[0].address_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(net_address_text(&route->hosts[0].addresses[i], text),
                            route->hosts[0].addresses[i].is_ipv6 ? "2001:db8::1" : "192.0.2.1");
    assert_int_equal(route->hosts[0].addresses[0].port, 25);
    assert_int_equal(route->hosts[0].security, DNS_SECURE);
    assert_int_equal(route->hosts[0].outcome, DNS_ANSWERED);
}

static void knows_a_null_mx(void **state)
{
    const struct route *route =
        FIND({ "example.test", DNS_TYPE_MX, DNS_ANSWERED, DNS_INSECURE, NULL, { "0 ." } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_NULL_MX);
    assert_int_equal(route->host_count, 0);
    assert_int_equal(scripted_dns.asked, 1);
}

/* RFC 7505 section 3: such a domain MUST NOT have other MX; where it has, they are used. */
static void passes_over_a_root_among_other_hosts(void **state)
{
    const struct route *route = FIND({ "example.test",
                                       DNS_TYPE_MX,
                                       DNS_ANSWERED,
                                       DNS_INSECURE,
                                       NULL,
                                       { "0 .", "10 mx.example.test." } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_FOUND);
    assert_int_equal(route->host_count, 1);
    assert_true(route->has_stray_null_mx);
}

static void falls_back_to_the_domain_without_mx(void **state)
{
    const struct route *route =
        FIND({ "example.test", DNS_TYPE_A, DNS_ANSWERED, DNS_SECURE, NULL, { "192.0.2.9" } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_FOUND);
    assert_false(route->has_mx);
    assert_int_equal(route->host_count, 1);
    assert_string_equal(route->hosts[0].name, "example.test");
    assert_int_equal(route->hosts[0].preference, -1);
    assert_int_equal(route->hosts[0].address_count, 1);
    assert_non_null(find_lookup("_25._tcp.example.test", DNS_TYPE_TLSA));
}

static void asks_for_no_mx_of_a_host(void **state)
{
    const struct route *route =
        FIND_FROM(ROUTE_FROM_HOST,
                  { "example.test", DNS_TYPE_A, DNS_ANSWERED, DNS_SECURE, NULL, { "192.0.2.9" } },
                  { "_25._tcp.example.test",
                    DNS_TYPE_TLSA,
                    DNS_ANSWERED,
                    DNS_SECURE,
                    NULL,
                    { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_FOUND);
    assert_null(find_lookup("example.test", DNS_TYPE_MX));
    assert_int_equal(route->hosts[0].address_count, 1);
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
}

static void says_why_there_is_no_route(void **state)
{
    static const struct {
        enum dns_outcome mx, a;
        enum route_outcome outcome;
    } cases[] = {
        { DNS_NXDOMAIN, DNS_NXDOMAIN, ROUTE_NXDOMAIN },
        { DNS_SERVFAIL, DNS_NO_DATA, ROUTE_SERVFAIL },
        { DNS_TIMEOUT, DNS_NO_DATA, ROUTE_TIMEOUT },
        { DNS_BOGUS, DNS_NO_DATA, ROUTE_BOGUS },
        { DNS_NO_DATA, DNS_NO_DATA, ROUTE_NO_ADDRESS },
        { DNS_NO_DATA, DNS_TIMEOUT, ROUTE_TIMEOUT },
        { DNS_NO_DATA, DNS_BOGUS, ROUTE_BOGUS },
        { DNS_NO_DATA, DNS_SERVFAIL, ROUTE_SERVFAIL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct route *route;

        tear_down(state);
        set_up(state);
        route = FIND({ "example.test", DNS_TYPE_MX, cases[i].mx, DNS_INSECURE, NULL, { NULL } },
                     { "example.test", DNS_TYPE_A, cases[i].a, DNS_INSECURE, NULL, { NULL } });
        assert_int_equal(route->outcome, cases[i].outcome);
        if (cases[i].outcome == ROUTE_BOGUS)
            assert_string_equal(route->why_bogus, "signature expired");
    }
}

static void keeps_a_host_that_has_no_address(void **state)
{
    const struct route *route =
        FIND(MX_ONE, { "mx.example.test", DNS_TYPE_A, DNS_NXDOMAIN, DNS_SECURE, NULL, { NULL } },
             { "mx.example.test", DNS_TYPE_AAAA, DNS_TIMEOUT, DNS_INSECURE, NULL, { NULL } });

    (void)state;
    assert_int_equal(route->outcome, ROUTE_FOUND);
    assert_int_equal(route->hosts[0].address_count, 0);
    assert_int_equal(route->hosts[0].outcome, DNS_TIMEOUT); /* it may well exist */
    assert_null(find_lookup("_25._tcp.mx.example.test", DNS_TYPE_TLSA));
}

static void notes_a_host_that_is_an_address(void **state)
{
    const struct route *route =
        FIND({ "example.test", DNS_TYPE_MX, DNS_ANSWERED, DNS_SECURE, NULL, { "10 192.0.2.1." } });

    (void)state;
    assert_true(route->hosts[0].is_address);
    assert_int_equal(route->hosts[0].address_count, 0);
    assert_int_equal(scripted_dns.asked, 1);
}

static void cuts_a_list_of_hosts_that_is_too_long(void **state)
{
    struct scripted_answer many = { "example.test", DNS_TYPE_MX, DNS_ANSWERED,
                                    DNS_SECURE,     NULL,        { NULL } };
    const struct route *route;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(many.records); i++)
        many.records[i] = arena_format(&stage.arena, "%zu mx%zu.example.test.", i, i);
    route = find(&many, 1, "example.test", ROUTE_FROM_DOMAIN);
    assert_int_equal(route->host_count, ROUTE_HOSTS_MOST);
    assert_true(route->was_cut);
    assert_true(route->lookup_count <= ROUTE_LOOKUPS_MOST);
}

/* ---- aliases and TLSA ---- */

static void finds_tlsa_where_all_answers_are_secure(void **state)
{
    const struct route *route = FIND(MX_ONE, A_ONE,
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "0 0 1 " DIGEST, "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
    assert_int_equal(route->hosts[0].tlsa_count, 2);
    assert_int_equal(route->hosts[0].tlsa_records[1].usage, 3);
    assert_int_equal(route->hosts[0].tlsa_records[1].data.len, 32);
}

static void tells_the_states_of_tlsa_apart(void **state)
{
    static const struct {
        enum dns_outcome outcome;
        enum dns_security security;
        const char *record;
        enum policy_tlsa tlsa;
    } cases[] = {
        { DNS_ANSWERED, DNS_SECURE, "3 1 1 " DIGEST, POLICY_TLSA_USABLE },
        { DNS_ANSWERED, DNS_SECURE, "1 1 1 " DIGEST, POLICY_TLSA_UNUSABLE },
        { DNS_ANSWERED, DNS_INSECURE, "3 1 1 " DIGEST, POLICY_TLSA_NONE },
        { DNS_NO_DATA, DNS_SECURE, NULL, POLICY_TLSA_NONE },
        { DNS_NXDOMAIN, DNS_SECURE, NULL, POLICY_TLSA_NONE },
        { DNS_SERVFAIL, DNS_INDETERMINATE, NULL, POLICY_TLSA_LOOKUP_FAILED },
        { DNS_TIMEOUT, DNS_INDETERMINATE, NULL, POLICY_TLSA_LOOKUP_FAILED },
        { DNS_BOGUS, DNS_VALIDATION_FAILED, NULL, POLICY_TLSA_LOOKUP_FAILED },
    };
    static const char *const failures[] = {
        [DNS_SERVFAIL] = "_25._tcp.mx.example.test TLSA: SERVFAIL",
        [DNS_TIMEOUT] = "_25._tcp.mx.example.test TLSA: no answer in time",
        [DNS_BOGUS] = "_25._tcp.mx.example.test TLSA: bogus: signature expired",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct route *route;

        tear_down(state);
        set_up(state);
        route = FIND(MX_ONE, A_ONE,
                     { "_25._tcp.mx.example.test",
                       DNS_TYPE_TLSA,
                       cases[i].outcome,
                       cases[i].security,
                       NULL,
                       { cases[i].record } });
        assert_int_equal(route->hosts[0].tlsa, cases[i].tlsa);
        if (cases[i].tlsa == POLICY_TLSA_LOOKUP_FAILED)
            assert_string_equal(route->hosts[0].tlsa_failure, failures[cases[i].outcome]);
        else if (cases[i].outcome == DNS_ANSWERED && cases[i].security == DNS_INSECURE)
            assert_non_null(strstr(route->hosts[0].tlsa_failure, "is not signed"));
        else
            assert_null(route->hosts[0].tlsa_failure);
        assert_int_equal(route->hosts[0].tlsa_flaw.kind,
                         cases[i].outcome == DNS_ANSWERED && cases[i].security == DNS_INSECURE
                             ? TLSA_FLAW_INSECURE
                             : TLSA_FLAW_NONE);
        if (cases[i].tlsa == POLICY_TLSA_NONE || cases[i].tlsa == POLICY_TLSA_LOOKUP_FAILED)
            assert_null(route->hosts[0].tlsa_base);
        else
            assert_string_equal(route->hosts[0].tlsa_base, "mx.example.test");
    }
}

/* RFC 7672 section 2.2.1 */
static void asks_tlsa_of_a_host_that_an_insecure_mx_names(void **state)
{
    const struct route *route = FIND({ "example.test",
                                       DNS_TYPE_MX,
                                       DNS_ANSWERED,
                                       DNS_INSECURE,
                                       NULL,
                                       { "10 mx.example.test." } },
                                     A_ONE,
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->mx_security, DNS_INSECURE);
    assert_int_equal(route->hosts[0].security, DNS_SECURE);
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
}

static void notes_an_alias_of_tlsa_that_leads_nowhere(void **state)
{
    const struct route *route = FIND(MX_ONE, A_ONE,
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_NXDOMAIN,
                                       DNS_SECURE,
                                       "_dane.example.test",
                                       { NULL } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_NONE);
    assert_string_equal(
        route->hosts[0].tlsa_failure,
        "_25._tcp.mx.example.test TLSA: an alias of _dane.example.test, where there is none");
    assert_int_equal(route->hosts[0].tlsa_flaw.kind, TLSA_FLAW_DANGLING);
    assert_string_equal(route->hosts[0].tlsa_flaw.name, "_25._tcp.mx.example.test");
    assert_string_equal(route->hosts[0].tlsa_flaw.alias, "_dane.example.test");
}

static void notes_tlsa_that_is_in_an_unsigned_zone(void **state)
{
    const struct route *route = FIND(MX_ONE, A_ONE,
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_INSECURE,
                                       "_dane.example.net",
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_NONE);
    assert_int_equal(route->hosts[0].tlsa_flaw.kind, TLSA_FLAW_INSECURE);
    assert_string_equal(route->hosts[0].tlsa_flaw.alias, "_dane.example.net");
}

/* A DNAME, or a wildcard, makes every name below it an alias: nobody meant a record there. */
static void takes_no_alias_for_one_that_the_host_shares(void **state)
{
    static const char *const aliases[] = { "_25._tcp.real.example.test", "real.example.test",
                                           "_dane.example.test" };
    const enum observed_tlsa_flaw_kind kinds[] = { TLSA_FLAW_NONE, TLSA_FLAW_NONE,
                                                   TLSA_FLAW_DANGLING };

    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
        const struct route *route;

        tear_down(state);
        set_up(state);
        route = FIND(MX_ONE,
                     { "mx.example.test",
                       DNS_TYPE_A,
                       DNS_ANSWERED,
                       DNS_SECURE,
                       "real.example.test",
                       { "192.0.2.1" } },
                     { "_25._tcp.mx.example.test",
                       DNS_TYPE_TLSA,
                       DNS_NXDOMAIN,
                       DNS_SECURE,
                       aliases[i],
                       { NULL } });
        assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_NONE);
        assert_int_equal(route->hosts[0].tlsa_flaw.kind, kinds[i]);
    }
}

static void notes_where_the_domain_itself_leads(void **state)
{
    const struct route *route = FIND({ "example.test",
                                       DNS_TYPE_MX,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       "real.example.test.",
                                       { "10 mx.example.test." } },
                                     A_ONE);

    (void)state;
    assert_string_equal(route->canonical_domain, "real.example.test");
}

static void keeps_the_states_of_addresses_apart(void **state)
{
    static const struct {
        enum dns_outcome outcome;
        enum dns_security security, wanted;
    } cases[] = {
        { DNS_SERVFAIL, DNS_INDETERMINATE, DNS_INDETERMINATE },
        { DNS_TIMEOUT, DNS_INDETERMINATE, DNS_INDETERMINATE },
        { DNS_BOGUS, DNS_VALIDATION_FAILED, DNS_VALIDATION_FAILED },
        { DNS_NO_DATA, DNS_INSECURE, DNS_INSECURE },
        { DNS_NO_DATA, DNS_SECURE, DNS_SECURE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct route *route;

        tear_down(state);
        set_up(state);
        route = FIND(
            MX_ONE,
            { "mx.example.test", DNS_TYPE_A, cases[i].outcome, cases[i].security, NULL, { NULL } },
            { "mx.example.test",
              DNS_TYPE_AAAA,
              cases[i].outcome,
              cases[i].security,
              NULL,
              { NULL } });
        assert_int_equal(route->hosts[0].security, cases[i].wanted);
        assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_NONE);
    }
}

/* RFC 7672 section 2.2.2 */
static void asks_no_tlsa_where_the_addresses_are_insecure(void **state)
{
    const struct route *route =
        FIND(MX_ONE,
             { "mx.example.test", DNS_TYPE_A, DNS_ANSWERED, DNS_INSECURE, NULL, { "192.0.2.1" } });

    (void)state;
    assert_int_equal(route->hosts[0].security, DNS_INSECURE);
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_NONE);
    assert_null(find_lookup("_25._tcp.mx.example.test", DNS_TYPE_TLSA));
}

/* A forged AAAA must not make the secure A count for less. */
static void asks_tlsa_though_the_other_family_is_bogus(void **state)
{
    const struct route *route =
        FIND(MX_ONE, A_ONE,
             { "mx.example.test", DNS_TYPE_AAAA, DNS_BOGUS, DNS_VALIDATION_FAILED, NULL, { NULL } },
             { "_25._tcp.mx.example.test",
               DNS_TYPE_TLSA,
               DNS_ANSWERED,
               DNS_SECURE,
               NULL,
               { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
    assert_int_equal(route->hosts[0].security, DNS_VALIDATION_FAILED);
    assert_string_equal(route->hosts[0].why_bogus, "signature expired");
}

#define ALIAS(sec)                                                                                 \
    { "mx.example.test", DNS_TYPE_A, DNS_ANSWERED, (sec), "real.example.test", { "192.0.2.1" } },  \
    {                                                                                              \
        "mx.example.test", DNS_TYPE_AAAA, DNS_NO_DATA, (sec), "real.example.test",                 \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }

static void follows_an_alias_and_says_so(void **state)
{
    const struct route *route = FIND(MX_ONE, ALIAS(DNS_SECURE),
                                     { "_25._tcp.real.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_true(route->hosts[0].is_alias);
    assert_string_equal(route->hosts[0].canonical_name, "real.example.test");
    assert_int_equal(route->hosts[0].address_count, 1);
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
    assert_string_equal(route->hosts[0].tlsa_base, "real.example.test");
    assert_null(find_lookup("_25._tcp.mx.example.test", DNS_TYPE_TLSA));
}

static void looks_at_the_alias_itself_where_its_end_has_no_tlsa(void **state)
{
    const struct route *route = FIND(MX_ONE, ALIAS(DNS_SECURE),
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_non_null(find_lookup("_25._tcp.real.example.test", DNS_TYPE_TLSA));
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
    assert_string_equal(route->hosts[0].tlsa_base, "mx.example.test");
}

/* RFC 7672 section 2.1.2: that there is nothing at the first base domain must be known for certain. */
static void fails_where_the_end_of_an_alias_cannot_be_asked(void **state)
{
    const struct route *route = FIND(MX_ONE, ALIAS(DNS_SECURE),
                                     { "_25._tcp.real.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_SERVFAIL,
                                       DNS_INDETERMINATE,
                                       NULL,
                                       { NULL } },
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_LOOKUP_FAILED);
    assert_null(find_lookup("_25._tcp.mx.example.test", DNS_TYPE_TLSA));
}

static void fails_where_the_alias_itself_cannot_be_asked(void **state)
{
    const struct route *route = FIND(
        MX_ONE, ALIAS(DNS_INSECURE),
        { "mx.example.test", DNS_TYPE_CNAME, DNS_SERVFAIL, DNS_INDETERMINATE, NULL, { NULL } });

    (void)state;
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_LOOKUP_FAILED);
    assert_string_equal(route->hosts[0].tlsa_failure, "mx.example.test CNAME: SERVFAIL");
}

static void trusts_a_secure_alias_that_leads_out_of_its_zone(void **state)
{
    const struct route *route = FIND(MX_ONE, ALIAS(DNS_INSECURE),
                                     { "mx.example.test",
                                       DNS_TYPE_CNAME,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "real.example.test" } },
                                     { "_25._tcp.mx.example.test",
                                       DNS_TYPE_TLSA,
                                       DNS_ANSWERED,
                                       DNS_SECURE,
                                       NULL,
                                       { "3 1 1 " DIGEST } });

    (void)state;
    assert_int_equal(route->hosts[0].security, DNS_INSECURE);
    assert_int_equal(route->hosts[0].tlsa, POLICY_TLSA_USABLE);
    assert_null(find_lookup("_25._tcp.real.example.test", DNS_TYPE_TLSA));
}

/* ---- the report, and our own failures ---- */

static void check_lookup(struct observed_lookup wanted)
{
    const struct observed_lookup *lookup = find_lookup(wanted.name, wanted.type);

    if (lookup == NULL)
        fail_msg("%s was not looked up", wanted.name);
    else
        assert_true(lookup->outcome == wanted.outcome && lookup->security == wanted.security &&
                    lookup->record_count == wanted.record_count);
}

static void lists_every_question_with_its_state(void **state)
{
    (void)state;
    FIND(MX_ONE, A_ONE,
         { "mx.example.test", DNS_TYPE_AAAA, DNS_BOGUS, DNS_VALIDATION_FAILED, NULL, { NULL } });
    assert_int_equal(stage.route->lookup_count, 4);
    check_lookup((struct observed_lookup){ .name = "example.test",
                                           .type = DNS_TYPE_MX,
                                           .outcome = DNS_ANSWERED,
                                           .security = DNS_SECURE,
                                           .record_count = 1 });
    check_lookup((struct observed_lookup){ .name = "mx.example.test",
                                           .type = DNS_TYPE_AAAA,
                                           .outcome = DNS_BOGUS,
                                           .security = DNS_VALIDATION_FAILED });
    check_lookup((struct observed_lookup){ .name = "_25._tcp.mx.example.test",
                                           .type = DNS_TYPE_TLSA,
                                           .outcome = DNS_NO_DATA,
                                           .security = DNS_SECURE });
}

static void looks_up_the_a_label_of_a_domain(void **state)
{
    (void)state;
    find(NULL, 0,
         "B\xc3\xbc"
         "cher.Example.",
         ROUTE_FROM_DOMAIN);
    assert_string_equal(stage.route->domain, "xn--bcher-kva.example");
    assert_non_null(find_lookup("xn--bcher-kva.example", DNS_TYPE_MX));
}

/* "a.test" is another host. */
static void takes_no_dot_off_a_label(void **state)
{
    static const struct scripted_answer answers[] = {
        { "example.test", DNS_TYPE_MX, DNS_ANSWERED, DNS_SECURE, NULL, { "10 a.test\\." } },
        { "a.test", DNS_TYPE_A, DNS_ANSWERED, DNS_SECURE, NULL, { "192.0.2.1" } },
    };

    (void)state;
    find(answers, ARRAY_SIZE(answers), "example.test", ROUTE_FROM_DOMAIN);
    assert_int_equal(stage.route->host_count, 1);
    assert_string_equal(stage.route->hosts[0].name, "a.test\\.");
    assert_int_equal(stage.route->hosts[0].address_count, 0);
    assert_non_null(find_lookup("a.test\\.", DNS_TYPE_A));
}

static void refuses_what_is_no_domain(void **state)
{
    static const char *const names[] = { "", "..", "a.test..", "a b", "a\x1b[2Jb" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct error err = { .kind = ERROR_NONE };

        assert_false(route_find(stage.loop, NULL, &stage.arena, names[i], ROUTE_FROM_DOMAIN, 25,
                                1000, note_found, NULL, &stage.query, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_null(strchr(err.text, '\x1b'));
    }
    assert_int_equal(scripted_dns.asked, 0);
}

static void says_when_nothing_can_be_asked(void **state)
{
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    scripted_dns.cannot_ask = true;
    assert_false(route_find(stage.loop, NULL, &stage.arena, "example.test", ROUTE_FROM_DOMAIN, 25,
                            1000, note_found, NULL, &stage.query, &err));
    assert_int_equal(err.kind, ERROR_MEMORY);
    assert_null(stage.query);
}

static void cancels_what_is_under_way(void **state)
{
    (void)state;
    assert_true(route_find(stage.loop, NULL, &stage.arena, "example.test", ROUTE_FROM_DOMAIN, 25,
                           1000, note_found, NULL, &stage.query, NULL));
    route_cancel(&stage.query);
    assert_null(stage.query);
    assert_int_equal(scripted_dns.cancelled, 1);
    loop_run(stage.loop); /* nothing is left to wait for */
    assert_null(stage.route);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(orders_hosts_by_preference),
        PROMISE(takes_both_families),
        PROMISE(knows_a_null_mx),
        PROMISE(passes_over_a_root_among_other_hosts),
        PROMISE(falls_back_to_the_domain_without_mx),
        PROMISE(asks_for_no_mx_of_a_host),
        PROMISE(says_why_there_is_no_route),
        PROMISE(keeps_a_host_that_has_no_address),
        PROMISE(notes_a_host_that_is_an_address),
        PROMISE(cuts_a_list_of_hosts_that_is_too_long),
        PROMISE(finds_tlsa_where_all_answers_are_secure),
        PROMISE(tells_the_states_of_tlsa_apart),
        PROMISE(asks_no_tlsa_where_the_addresses_are_insecure),
        PROMISE(asks_tlsa_of_a_host_that_an_insecure_mx_names),
        PROMISE(notes_an_alias_of_tlsa_that_leads_nowhere),
        PROMISE(notes_tlsa_that_is_in_an_unsigned_zone),
        PROMISE(takes_no_alias_for_one_that_the_host_shares),
        PROMISE(notes_where_the_domain_itself_leads),
        PROMISE(keeps_the_states_of_addresses_apart),
        PROMISE(asks_tlsa_though_the_other_family_is_bogus),
        PROMISE(follows_an_alias_and_says_so),
        PROMISE(looks_at_the_alias_itself_where_its_end_has_no_tlsa),
        PROMISE(fails_where_the_end_of_an_alias_cannot_be_asked),
        PROMISE(fails_where_the_alias_itself_cannot_be_asked),
        PROMISE(trusts_a_secure_alias_that_leads_out_of_its_zone),
        PROMISE(lists_every_question_with_its_state),
        PROMISE(looks_up_the_a_label_of_a_domain),
        PROMISE(takes_no_dot_off_a_label),
        PROMISE(refuses_what_is_no_domain),
        PROMISE(says_when_nothing_can_be_asked),
        PROMISE(cancels_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
