/* tests/unit/gateway/diagnosis_test.c - promises of gateway/diagnosis.h, by servers of the lab */
#include "gateway/diagnosis.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "base/memory.h"
#include "lab/certificates.h"
#include "lab/fault_server.h"
#include "lab/faults.h"
#include "link/client_link.h"

#define HOST   "mx.broken.lab.test"
#define DOMAIN "broken.lab.test"

enum { NOW_S = 1795000000, LIMIT_MS = 60000, MS_AN_HOUR = 3600 * 1000 };

struct diagnosing {
    struct loop *loop;
    struct loop_timer *limit, *turn;
    struct clock clock;
    struct arena arena;
    struct certificates *certificates;
    struct fault_server *server;
    struct net_address address;
    struct anchors *anchors;
    struct gateway_profile profile;
    struct tls_credentials *credentials;
    int released;
    struct log log;
    int log_file;
    struct diagnosis *diagnosis;
    int answers;
    char code[64], cause[1024], host[128], destination[128];
    enum policy_decision decision;
    enum fault fault;
    int64_t session;
    size_t experiments;
    void (*look)(struct diagnosing *all,
                 const struct diagnosis_answer *answer); /* NULL: nobody looks closer */
    const struct observation *seen;                      /* for `look` */
    bool is_over;
};

static void give_up(void *owner)
{
    (void)owner;
    fail_msg("nothing came of it");
}

static void stop_turn(void *owner)
{
    loop_stop(((struct diagnosing *)owner)->loop);
}

static void turn(struct diagnosing *all)
{
    loop_timer_start(all->turn, 2);
    loop_run(all->loop);
}

static void count_release(void *owner)
{
    ((struct diagnosing *)owner)->released++;
}

static void take_answer(void *owner, const struct diagnosis_answer *answer)
{
    struct diagnosing *all = owner;
    const struct finding *first = &answer->findings->items[0];

    all->answers++;
    assert_true(answer->findings->count > 0);
    snprintf(all->code, sizeof all->code, "%s", first->code);
    snprintf(all->cause, sizeof all->cause, "%s", first->cause);
    snprintf(all->host, sizeof all->host, "%s", answer->link->host);
    snprintf(all->destination, sizeof all->destination, "%s", answer->link->domain);
    all->decision = answer->outcome.decision;
    all->fault = first->fault;
    all->session = answer->session;
    all->experiments = answer->checkup->hosts[0]->experiments.count;
    if (all->look != NULL)
        all->look(all, answer);
    loop_stop(all->loop);
}

static int start(void **state)
{
    struct diagnosing *all = memory_new(1, sizeof *all);
    char path[] = "/tmp/postern-diagnosis-XXXXXX";
    struct diagnosis_settings settings;
    struct error err = { .text = "" };

    assert_non_null(all);
    arena_init(&all->arena, 64 << 20);
    all->clock = clock_fixed(NOW_S, 0);
    assert_true(loop_open(&all->loop, &err));
    assert_true(loop_timer_open(all->loop, give_up, all, &all->limit, &err));
    assert_true(loop_timer_open(all->loop, stop_turn, all, &all->turn, &err));
    loop_timer_start(all->limit, LIMIT_MS);
    assert_true(certificates_new(NOW_S, &all->certificates, &err));
    all->anchors = anchors_new();
    assert_non_null(all->anchors);
    all->log_file = mkstemp(path);
    assert_true(all->log_file >= 0);
    unlink(path);
    log_init(&all->log, LOG_TEXT, LOG_NOTE, all->log_file, &all->clock);
    all->profile = (struct gateway_profile){ .references = 1,
                                             .hostname = "gw.example.org",
                                             .anchors = all->anchors,
                                             .client_timeout_ms = 2000,
                                             .release = count_release,
                                             .owner = all };
    settings =
        (struct diagnosis_settings){ .loop = all->loop, .clock = &all->clock, .log = &all->log };
    assert_true(diagnosis_open(&settings, take_answer, all, &all->diagnosis, &err));
    *state = all;
    return 0;
}

static int stop(void **state)
{
    struct diagnosing *all = *state;

    diagnosis_close(&all->diagnosis);
    assert_int_equal(all->profile.references, 1);
    fault_server_close(&all->server);
    certificates_free(&all->certificates);
    tls_credentials_free(&all->credentials);
    anchors_free(&all->anchors);
    loop_timer_close(&all->limit);
    loop_timer_close(&all->turn);
    loop_close(&all->loop);
    close(all->log_file);
    arena_clear(&all->arena);
    memory_free(all);
    return 0;
}

static void serve(struct diagnosing *all, const char *name)
{
    const struct fault_row *row = fault_find(name);
    struct certificate_made certificate;
    struct fault_server_settings settings = { .row = row,
                                              .host = HOST,
                                              .certificate = &certificate };
    struct error err = { .text = "" };

    assert_non_null(row);
    assert_true(certificates_issue(all->certificates, row->tls.certificate, HOST, DOMAIN,
                                   &all->arena, &certificate, &err));
    assert_true(certificates_client_ca(all->certificates, false, &all->arena,
                                       &settings.client_ca_pem, &err));
    fault_server_close(&all->server);
    assert_true(net_address_parse(span_of("127.0.0.1"), &all->address));
    all->address.port = 0;
    assert_true(fault_server_open(all->loop, &settings, &all->address, &all->server, &err));
}

static void end_conversation(void *owner, struct observation *observation)
{
    struct diagnosing *all = owner;

    (void)observation;
    all->is_over = true;
    loop_stop(all->loop);
}

static struct client_link_settings settings_at(const struct diagnosing *all,
                                               enum policy_level level)
{
    return (struct client_link_settings){ .hostname = "gw.example.org",
                                          .domain = DOMAIN,
                                          .host = HOST,
                                          .address = all->address,
                                          .preference = -1,
                                          .level = level,
                                          .connect_timeout_ms = 1500,
                                          .reply_timeout_ms = 1500,
                                          .anchors = all->anchors,
                                          .credentials = all->credentials,
                                          .self = &all->profile.self,
                                          .clock = &all->clock };
}

static struct observation *converse_by(struct diagnosing *all,
                                       const struct client_link_settings *settings)
{
    static const struct client_link_handlers handlers = { .finished = end_conversation };
    struct observation *seen = arena_new(&all->arena, 1, sizeof *seen);
    struct client_link *link = NULL;
    struct error err = { .text = "" };

    assert_non_null(seen);
    all->is_over = false;
    assert_true(client_link_open(all->loop, settings, &handlers, all, &all->arena, seen, NULL,
                                 &link, &err));
    while (!all->is_over)
        loop_run(all->loop);
    client_link_close(&link);
    return seen;
}

/* A conversation as the gateway has it. */
static struct observation *converse(struct diagnosing *all, enum policy_level level)
{
    const struct client_link_settings settings = settings_at(all, level);

    return converse_by(all, &settings);
}

static bool ask_by(struct diagnosing *all, const struct client_link_settings *link,
                   const struct observation *seen)
{
    const struct policy_session session = observation_session(seen);
    const struct diagnosis_question question = { .profile = &all->profile,
                                                 .link = link,
                                                 .seen = seen,
                                                 .outcome = policy_decide(link->level, &session),
                                                 .session = 77 };

    return diagnosis_ask(all->diagnosis, &question);
}

static bool ask_about(struct diagnosing *all, const char *host, enum policy_level level,
                      const struct observation *seen)
{
    struct client_link_settings link = settings_at(all, level);

    link.host = host;
    return ask_by(all, &link, seen);
}

/* NULL: nothing is known. */
static const struct findings *find_at(struct diagnosing *all, const char *host,
                                      const struct net_address *address,
                                      const struct observation *seen)
{
    struct findings *findings = arena_new(&all->arena, 1, sizeof *findings);

    assert_non_null(findings);
    return diagnosis_find(all->diagnosis, host, address, seen, &all->arena, findings) ? findings
                                                                                      : NULL;
}

static const struct findings *find(struct diagnosing *all, const struct observation *seen)
{
    return find_at(all, HOST, &all->address, seen);
}

static void wait_for(struct diagnosing *all, int answers)
{
    while (all->answers < answers)
        loop_run(all->loop);
    turn(all);
}

static bool has_logged(const struct diagnosing *all, const char *words)
{
    static char text[65536];
    ssize_t len = pread(all->log_file, text, sizeof text - 1, 0);

    assert_true(len >= 0);
    text[len] = '\0';
    return strstr(text, words) != NULL;
}

static const struct {
    const char *row, *cause;
} told[] = {
    { "resets-large-hello", "ClientHello" },
    { "dislikes-tickets", "ticket" },
    { "alerts-on-tls13", "TLS 1.3" },
    { "dislikes-tls13", "TLS 1.3" },
    { "dislikes-sni", "SNI" },
    { "tls10-only", "TLSv1" },
    { "rc4-only", "" },
    { "needs-client-certificate", "certificate" },
    { "closes-in-handshake", "" },
};

static void names_the_cause_that_one_session_could_not_tell(void **state)
{
    struct diagnosing *all = *state;

    for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
        struct fault_expectation expected = fault_expectation_of(fault_find(told[i].row));

        serve(all, told[i].row);
        assert_true(ask_about(all, told[i].row, POLICY_ENCRYPT, converse(all, POLICY_ENCRYPT)));
        wait_for(all, (int)i + 1);
        assert_string_equal(all->code, expected.code);
        assert_string_equal(fault_name(all->fault), expected.fault);
        assert_non_null(strstr(all->cause, told[i].cause));
        assert_string_equal(all->host, told[i].row);
        assert_string_equal(all->destination, DOMAIN);
        assert_int_equal(all->session, 77);
        assert_in_range(all->experiments, 1, EXPERIMENTS_MOST);
    }
    assert_true(has_logged(all, "note diagnosed relay=resets-large-hello[127.0.0.1]:"));
    assert_true(has_logged(all, "finding=handshake-reset fault=network"));
}

static void dials_no_more_than_the_experiments(void **state)
{
    struct diagnosing *all = *state;
    unsigned before;

    serve(all, "dislikes-tickets");
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, converse(all, POLICY_ENCRYPT)));
    before = fault_server_tally(all->server)->connections;
    wait_for(all, 1);
    assert_int_equal(fault_server_tally(all->server)->connections - before, all->experiments);
    assert_int_equal(fault_server_tally(all->server)->delivered_over_tls +
                         fault_server_tally(all->server)->delivered_in_clear,
                     0);
}

static const struct {
    const char *row;
    enum policy_level level;
} plain[] = {
    { "healthy", POLICY_ENCRYPT },     { "self-signed", POLICY_MAY },
    { "expired", POLICY_VERIFY },      { "wrong-name", POLICY_ENCRYPT },
    { "no-starttls", POLICY_ENCRYPT }, { "no-starttls", POLICY_MAY },
    { "starttls-502", POLICY_VERIFY },
};

static void asks_nothing_where_one_session_tells_all_or_mail_went(void **state)
{
    struct diagnosing *all = *state;

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (fault_find(plain[i].row) == NULL)
            fail_msg("no row %s", plain[i].row);
        serve(all, plain[i].row);
        assert_false(ask_about(all, HOST, plain[i].level, converse(all, plain[i].level)));
    }
    for (int i = 0; i < 20; i++)
        turn(all);
    assert_int_equal(all->answers, 0);
}

static void asks_a_host_once_an_hour(void **state)
{
    struct diagnosing *all = *state;
    struct observation *seen;

    serve(all, "dislikes-tickets");
    seen = converse(all, POLICY_ENCRYPT);
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, seen));
    assert_false(ask_about(all, HOST, POLICY_ENCRYPT, seen));
    wait_for(all, 1);
    all->clock.fixed_monotonic_ms += MS_AN_HOUR - 1;
    assert_false(ask_about(all, "MX.broken.lab.test", POLICY_ENCRYPT, seen));
    all->clock.fixed_monotonic_ms += 1;
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, seen));
    wait_for(all, 2);
}

static void asks_few_hosts_side_by_side_and_in_an_hour(void **state)
{
    struct diagnosing *all = *state;
    struct observation *seen;
    int asked = 0;

    serve(all, "dislikes-tickets");
    seen = converse(all, POLICY_ENCRYPT);
    for (int i = 0; i < DIAGNOSIS_AN_HOUR * 4 && asked < DIAGNOSIS_AN_HOUR; i++) {
        int before = asked;
        char host[64];

        while (asked < DIAGNOSIS_AN_HOUR) {
            snprintf(host, sizeof host, "mx%d.%s", asked, DOMAIN);
            if (!ask_about(all, host, POLICY_ENCRYPT, seen))
                break;
            asked++;
        }
        assert_in_range(asked - before, 1, DIAGNOSIS_AT_ONCE);
        wait_for(all, asked);
    }
    assert_int_equal(asked, DIAGNOSIS_AN_HOUR);
    assert_false(ask_about(all, "one-more." DOMAIN, POLICY_ENCRYPT, seen));
    all->clock.fixed_monotonic_ms += MS_AN_HOUR;
    assert_true(ask_about(all, "one-more." DOMAIN, POLICY_ENCRYPT, seen));
    wait_for(all, asked + 1);
}

static void knows_what_it_found_for_a_day(void **state)
{
    struct diagnosing *all = *state;
    struct net_address other;
    const struct findings *findings;
    struct observation *seen;

    serve(all, "dislikes-tickets");
    other = all->address;
    seen = converse(all, POLICY_ENCRYPT);
    assert_null(find(all, seen));
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, seen));
    assert_null(find(all, seen));
    wait_for(all, 1);
    findings = find(all, converse(all, POLICY_ENCRYPT));
    assert_non_null(findings);
    assert_string_equal(findings->items[0].cause, all->cause);
    assert_true(findings->items[0].evidence_count > 1);
    assert_string_equal(findings->items[0].evidence[0],
                        "dialled again in the background at 2026-11-18T11:06:40Z");
    other.bytes[3]++;
    assert_non_null(find_at(all, HOST, &other, seen));
    assert_null(find_at(all, "mx.other.test", &all->address, seen));
    all->clock.fixed_monotonic_ms += (int64_t)DIAGNOSIS_NEWS_S * 1000;
    assert_null(find(all, seen));
}

static void knows_nothing_of_a_host_that_fails_in_another_way(void **state)
{
    struct diagnosing *all = *state;

    serve(all, "dislikes-tickets");
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, converse(all, POLICY_ENCRYPT)));
    wait_for(all, 1);
    serve(all, "alerts-on-tls13");
    assert_null(find(all, converse(all, POLICY_ENCRYPT)));
}

static void look_at_dials(struct diagnosing *all, const struct diagnosis_answer *answer)
{
    const struct experiments *made = &answer->checkup->hosts[0]->experiments;
    const struct observation *seen = all->seen;

    for (size_t i = 0; i < made->count; i++) {
        const struct observation *dial = made->items[i];

        assert_string_equal(dial->tls.sni, "real.lab.test");
        assert_string_equal(dial->domain, seen->domain);
        assert_string_equal(dial->host, HOST);
        assert_int_equal(dial->level, POLICY_DANE);
        assert_int_equal(dial->tlsa, POLICY_TLSA_USABLE);
        assert_string_equal(dial->tlsa_base, "real.lab.test");
        assert_int_equal(dial->tlsa_count, 1);
        assert_string_equal(dial->tlsa_records[0], seen->tlsa_records[0]);
        assert_int_equal(dial->mx_dnssec, DNS_SECURE);
        assert_true(dial->has_lookups);
        assert_int_equal(dial->preference, 10);
        assert_int_equal(dial->sts, POLICY_STS_TESTING);
        assert_true(dial->sts_host_listed && dial->requires_tls);
        assert_int_equal(dial->minimum_version, TLS_VERSION_1_2);
        assert_string_equal(dial->fingerprint_wanted, "aa:bb");
        assert_int_equal(dial->self.anchor_count, 7);
    }
}

/* The settings are gone before the first dial. */
static void dials_by_the_very_settings_of_the_session(void **state)
{
    struct diagnosing *all = *state;
    char base[] = "real.lab.test", data[32] = { 1, 2, 3 }, fingerprint[] = "aa:bb";
    struct dane_record record = { 3, 1, 1, { data, sizeof data } };
    struct client_link_settings link;

    serve(all, "dislikes-tickets");
    all->profile.self.anchor_count = 7;
    link = settings_at(all, POLICY_DANE);
    link.preference = 10;
    link.tlsa = &record;
    link.tlsa_count = 1;
    link.tlsa_state = POLICY_TLSA_USABLE;
    link.tlsa_base = base;
    link.mx_dnssec = link.dnssec = DNS_SECURE;
    link.has_lookups = true;
    link.sts = POLICY_STS_TESTING;
    link.sts_host_listed = link.requires_tls = true;
    link.minimum_version = TLS_VERSION_1_2;
    link.fingerprint = fingerprint;
    all->seen = converse_by(all, &link);
    assert_string_equal(all->seen->tls.sni, base);
    all->look = look_at_dials;
    assert_true(ask_by(all, &link, all->seen));
    memset(base, 'x', sizeof base - 1);
    memset(data, 'x', sizeof data);
    memset(fingerprint, 'x', sizeof fingerprint - 1);
    memset(&link, 0, sizeof link);
    wait_for(all, 1);
    assert_string_equal(all->code, "handshake-reset");
    assert_int_equal(all->decision, POLICY_DEFER);
    assert_in_range(all->experiments, 1, EXPERIMENTS_MOST);
}

/* They fail alike, but for what each level makes of it. */
static void judges_each_session_at_its_own_level(void **state)
{
    struct diagnosing *all = *state;
    struct client_link_settings link;
    const struct findings *findings;

    serve(all, "dislikes-tickets");
    link = settings_at(all, POLICY_DANE);
    link.tlsa_state = POLICY_TLSA_UNUSABLE;
    assert_true(ask_by(all, &link, converse_by(all, &link)));
    wait_for(all, 1);
    findings = find(all, converse_by(all, &link));
    assert_non_null(findings);
    assert_non_null(findings_find(findings, "tlsa-unusable"));
    findings = find(all, converse(all, POLICY_ENCRYPT));
    assert_non_null(findings);
    assert_int_equal(findings->count, 1);
    assert_string_equal(findings->items[0].cause, all->cause);
}

static void knows_nothing_of_a_host_that_was_sent_something_else(void **state)
{
    struct diagnosing *all = *state;
    struct client_link_settings link;

    serve(all, "dislikes-tickets");
    assert_true(ask_about(all, HOST, POLICY_DANE, converse(all, POLICY_DANE)));
    wait_for(all, 1);
    link = settings_at(all, POLICY_DANE);
    assert_non_null(find(all, converse_by(all, &link)));
    link.minimum_version = TLS_VERSION_1_0;
    assert_null(find(all, converse_by(all, &link)));
    link.minimum_version = TLS_VERSION_1_3; /* which is judged, and not asked for */
    assert_non_null(find(all, converse_by(all, &link)));
    link.tlsa_state = POLICY_TLSA_USABLE;
    link.tlsa_base = "real.lab.test";
    assert_null(find(all, converse_by(all, &link)));
}

static void ends_what_is_under_way_when_it_is_closed(void **state)
{
    struct diagnosing *all = *state;
    struct observation *seen;

    serve(all, "stalls-in-handshake");
    seen = converse(all, POLICY_ENCRYPT);
    assert_true(ask_about(all, HOST, POLICY_ENCRYPT, seen));
    assert_int_equal(all->profile.references, 2);
    turn(all);
    diagnosis_close(&all->diagnosis);
    assert_int_equal(all->profile.references, 1);
    assert_int_equal(all->released, 0);
    turn(all);
    assert_int_equal(all->answers, 0);
}

static void needs_nothing_of_the_question_once_it_was_asked(void **state)
{
    struct diagnosing *all = *state;
    struct observation *seen;
    char host[] = HOST;

    serve(all, "dislikes-tickets");
    seen = converse(all, POLICY_ENCRYPT);
    assert_true(ask_about(all, host, POLICY_ENCRYPT, seen));
    memset(host, 'x', sizeof host - 1);
    memset(seen, 0, sizeof *seen);
    wait_for(all, 1);
    assert_string_equal(all->host, HOST);
    assert_string_equal(all->code, "handshake-reset");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(names_the_cause_that_one_session_could_not_tell),
        TEST(dials_no_more_than_the_experiments),
        TEST(asks_nothing_where_one_session_tells_all_or_mail_went),
        TEST(asks_a_host_once_an_hour),
        TEST(asks_few_hosts_side_by_side_and_in_an_hour),
        TEST(knows_what_it_found_for_a_day),
        TEST(knows_nothing_of_a_host_that_fails_in_another_way),
        TEST(dials_by_the_very_settings_of_the_session),
        TEST(judges_each_session_at_its_own_level),
        TEST(knows_nothing_of_a_host_that_was_sent_something_else),
        TEST(ends_what_is_under_way_when_it_is_closed),
        TEST(needs_nothing_of_the_question_once_it_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
