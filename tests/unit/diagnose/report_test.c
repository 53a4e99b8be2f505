/* tests/unit/diagnose/report_test.c - promises of diagnose/report.h, report_json.h and saved_checkup.h */
#include "samples.h"

#include <ctype.h>

#include "diagnose/checkup.h"
#include "diagnose/report.h"
#include "diagnose/report_json.h"
#include "diagnose/saved_checkup.h"

static const struct report_style plain = { .columns = 80 };

/* A checkup of `count` hosts, judged; those of `expired_mask` have an expired leaf. */
static struct checkup *sample_checkup(size_t count, unsigned expired_mask)
{
    static const char *const names[] = { "mx.example.org", "mx2.example.org", "mx3.example.org" };
    struct checkup *checkup = arena_new(&arena, 1, sizeof *checkup);

    checkup->target = checkup->domain = "example.org";
    checkup->level = POLICY_MAY;
    checkup->wall_s = SAMPLE_NOW;
    checkup->hosts = arena_new(&arena, count, sizeof(struct checkup_host *));
    for (size_t i = 0; i < count; i++) {
        struct checkup_host *host = arena_new(&arena, 1, sizeof *host);
        struct chain_verdict *verdict = &host->observation.verdict;

        sample_healthy(&host->observation);
        host->observation.host = names[i];
        if (expired_mask & 1U << i) {
            verdict->is_trusted = false;
            verdict->certificates[0].not_after_s = SAMPLE_NOW - 5 * SAMPLE_DAY;
            verdict->flaws[verdict->flaw_count++] =
                (struct chain_flaw){ .kind = CHAIN_EXPIRED,
                                     .is_fatal = true,
                                     .subject = SAMPLE_SUBJECT,
                                     .detail = "ended 16 November 2026",
                                     .time_s = SAMPLE_NOW - 5 * SAMPLE_DAY };
        }
        checkup->hosts[checkup->host_count++] = host;
    }
    checkup_judge(checkup, &arena);
    return checkup;
}

static const char *report_of(const struct checkup *checkup, const struct report_style *style)
{
    AUTO(buffer_clear) struct buffer out;

    buffer_init(&out, 1 << 20);
    assert_true(report_checkup(checkup, style, &out));
    return arena_copy(&arena, buffer_span(&out));
}

static void tells_a_healthy_host_in_full(void **state)
{
    (void)state;
    assert_string_equal(report_of(sample_checkup(1, 0), &plain),
                        "example.org by mx.example.org [192.0.2.1]:25\n"
                        "  TLS works, and the certificate is trusted\n"
                        "\n"
                        "  TLS      TLSv1.3, TLS_AES_256_GCM_SHA384, X25519\n"
                        "  Chain    1  CN=mx.example.org\n"
                        "              issued by CN=Sample Intermediate\n"
                        "              ECDSA P-256, until 20 January 2027\n"
                        "           2  CN=Sample Intermediate\n"
                        "              issued by CN=Sample Root\n"
                        "              ECDSA P-256, until 13 July 2028\n"
                        "  Deliver? over TLS at level may, encrypt, dane, verify, sts\n"
                        "           in the clear at level none\n"
                        "           no, deferred at level dane-only, secure\n");
}

static void puts_the_cause_before_the_proof_and_the_proof_before_the_remedy(void **state)
{
    const char *text = report_of(sample_checkup(1, 1), &plain);
    const char *cause = strstr(text, "expired on 16 November 2026, 5 days ago");
    const char *who = strstr(text, "Who      the receiving side has to act");
    const char *proof = strstr(text, "Proof    ");
    const char *remedy = strstr(text, "To do    ");
    const char *facts = strstr(text, "Chain    ");

    (void)state;
    assert_true(cause != NULL && cause < who && who < proof && proof < remedy && remedy < facts);
}

static void does_not_blame_the_certificate_for_a_policy_that_asks_for_more(void **state)
{
    struct checkup *checkup = sample_checkup(1, 0), *expired = sample_checkup(1, 1);
    struct checkup *other_key = sample_checkup(1, 0);

    (void)state;
    checkup->hosts[0]->observation.sts = expired->hosts[0]->observation.sts = POLICY_STS_ENFORCE;
    checkup_judge(checkup, &arena);
    checkup_judge(expired, &arena);
    other_key->hosts[0]->observation.tlsa = POLICY_TLSA_USABLE;
    other_key->hosts[0]->observation.verdict.tlsa = CHAIN_TLSA_MISMATCH;
    checkup_judge(other_key, &arena);
    assert_non_null(strstr(report_of(other_key, &plain), "nobody can tell with whom"));
    assert_non_null(strstr(report_of(checkup, &plain), "sts-host-not-listed (untrusted)"));
    assert_non_null(strstr(report_of(checkup, &plain),
                           "TLS works and the certificate is trusted, but a policy asks for more"));
    assert_non_null(strstr(report_of(expired, &plain), "sts-host-not-listed (untrusted)"));
    assert_non_null(strstr(report_of(expired, &plain), "nobody can tell with whom"));
}

static void asks_nobody_there_to_mend_what_only_our_own_trouble_shows(void **state)
{
    struct checkup *checkup = sample_checkup(1, 1);
    struct observation *seen = &checkup->hosts[0]->observation;
    const char *text;

    (void)state;
    seen->self.anchor_count = 0;
    seen->self.anchor_file = "/roots.pem";
    seen->verdict.flaws[0].kind = CHAIN_ISSUER_UNTRUSTED;
    checkup_judge(checkup, &arena);
    text = report_of(checkup, &plain);
    assert_non_null(strstr(text, "certificate-issuer-untrusted (untrusted), follows from\n"
                                 "           trust-store-empty"));
    assert_non_null(strstr(text, "Who      nobody, as long as our own side is not put right"));
    assert_non_null(strstr(text, "First what trust-store-empty asks for, then check again"));
    assert_null(strstr(text, "the receiving side has to act"));
}

static void puts_failing_hosts_first_and_healthy_ones_on_one_line(void **state)
{
    const char *text = report_of(sample_checkup(3, 4), &plain);

    (void)state;
    assert_true(strstr(text, "fails or cannot be trusted at 1 of 3 addresses\n") != NULL);
    assert_true(strstr(text, "by mx3.example.org") < strstr(text, "by mx.example.org"));
    assert_non_null(strstr(text, "example.org by mx2.example.org [192.0.2.1]:25\n"
                                 "  Fine     TLSv1.3, ECDSA P-256, until 20 January 2027\n"));
}

static void fits_the_columns_that_it_is_given(void **state)
{
    (void)state;
    for (int columns = 60; columns <= 100; columns += 20) {
        struct report_style style = { .columns = columns, .with_transcript = true };
        struct span text = span_of(report_of(sample_checkup(3, 7), &style));

        while (text.len > 0)
            assert_in_range(span_take_until(&text, '\n').len, 0, columns);
    }
}

static void colours_only_a_terminal(void **state)
{
    struct report_style style = { .columns = 80, .with_colour = true };

    (void)state;
    assert_null(strchr(report_of(sample_checkup(1, 1), &plain), '\033'));
    assert_non_null(strstr(report_of(sample_checkup(1, 1), &style), "\033[1;31m"));
}

/* What a bogus answer holds was written by a stranger. */
static void lets_no_control_character_of_a_zone_through(void **state)
{
    struct observed_lookup lookup = { .name = "example.org",
                                      .type = DNS_TYPE_MX,
                                      .outcome = DNS_BOGUS,
                                      .why_bogus = "no\033[2J keys" };
    struct route route = { .domain = "example.org",
                           .outcome = ROUTE_BOGUS,
                           .why_bogus = lookup.why_bogus,
                           .lookups = &lookup,
                           .lookup_count = 1 };
    struct checkup *checkup = sample_checkup(0, 0);
    const char *text;

    (void)state;
    checkup->route = &route;
    checkup_judge(checkup, &arena);
    text = report_of(checkup, &plain);
    assert_non_null(strstr(text, "dns-bogus"));
    for (const char *c = text; *c != '\0'; c++)
        assert_true(*c == '\n' || !iscntrl((unsigned char)*c));
}

/* DESIGN section 6: fields may be added, never renamed. */
static void has_every_field_that_scripts_depend_on(void **state)
{
    static const char *const top[] = { "target", "level", "time", "hosts", "findings", "schema" };
    static const char *const of_host[] = {
        "host", "preference", "address",  "port",      "dnssec",      "reached",
        "tls",  "chain",      "findings", "decisions", "experiments", "milliseconds"
    };
    static const char *const of_tls[] = { "version", "cipher", "group", "signature",
                                          "client_certificate_requested" };
    static const char *const of_certificate[] = { "subject", "issuer", "not_before", "not_after",
                                                  "names",   "key",    "sha256" };
    static const char *const of_finding[] = { "code",     "step",       "fault",
                                              "severity", "cause",      "evidence",
                                              "remedy",   "tls_report", "enhanced_status" };
    static const char *const levels[] = { "may", "encrypt", "dane", "verify", "secure", "sts" };
    json_t *json = report_json_checkup(sample_checkup(1, 1));
    const json_t *host = json_array_get(json_object_get(json, "hosts"), 0);
    const json_t *finding = json_array_get(json_object_get(host, "findings"), 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(top); i++)
        assert_non_null(json_object_get(json, top[i]));
    for (size_t i = 0; i < ARRAY_SIZE(of_host); i++)
        assert_non_null(json_object_get(host, of_host[i]));
    for (size_t i = 0; i < ARRAY_SIZE(of_tls); i++)
        assert_non_null(json_object_get(json_object_get(host, "tls"), of_tls[i]));
    for (size_t i = 0; i < ARRAY_SIZE(of_certificate); i++)
        assert_non_null(
            json_object_get(json_array_get(json_object_get(host, "chain"), 0), of_certificate[i]));
    for (size_t i = 0; i < ARRAY_SIZE(of_finding); i++)
        assert_non_null(json_object_get(finding, of_finding[i]));
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        assert_true(json_is_string(json_object_get(json_object_get(host, "decisions"), levels[i])));
    assert_string_equal(json_string_value(json_object_get(finding, "code")), "certificate-expired");
    assert_true(json_array_size(json_object_get(finding, "evidence")) > 0);
    json_decref(json);
}

static void says_null_where_there_was_no_tls(void **state)
{
    struct checkup *checkup = sample_checkup(1, 0);
    json_t *json;

    (void)state;
    checkup->hosts[0]->observation.tls = (struct tls_facts){ .was_started = false };
    json = report_json_checkup(checkup);
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(json, "hosts"), 0), "tls")));
    json_decref(json);
}

static void judges_a_saved_checkup_to_the_same_report(void **state)
{
    struct checkup *checkup = sample_checkup(3, 5), *again = NULL;
    json_t *json = saved_checkup_to_json(checkup);
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    assert_true(saved_checkup_from_json(json, &arena, &again, &err));
    assert_string_equal(report_of(again, &plain), report_of(checkup, &plain));
    json_decref(json);
}

static void judges_the_dns_side_of_a_saved_checkup_too(void **state)
{
    struct route route = { .domain = "example.org", .outcome = ROUTE_NULL_MX, .has_mx = true };
    struct checkup *checkup = sample_checkup(0, 0), *again = NULL;
    struct error err = { .kind = ERROR_NONE };
    json_t *json;

    (void)state;
    checkup->route = &route;
    json = saved_checkup_to_json(checkup);
    assert_true(saved_checkup_from_json(json, &arena, &again, &err));
    assert_non_null(findings_find(&again->findings, "dns-null-mx"));
    json_decref(json);
}

static void judges_what_a_domain_publishes_of_a_saved_checkup_too(void **state)
{
    struct route route = { .domain = "example.org", .outcome = ROUTE_FOUND, .has_mx = true };
    struct checkup *checkup = sample_checkup(1, 0), *again = NULL;
    struct observed_published published;
    struct error err = { .kind = ERROR_NONE };
    json_t *json, *told;

    (void)state;
    observed_published_init(&published);
    published.domain = "example.org";
    published.sts_lookup.name = "_mta-sts.example.org";
    published.sts_record = TXT_RECORD_INVALID;
    published.sts_text = "v=STSv1;";
    published.sts_record_flaw = "it has no id";
    checkup->route = &route;
    checkup->published = &published;
    checkup_judge(checkup, &arena);
    json = saved_checkup_to_json(checkup);
    assert_true(saved_checkup_from_json(json, &arena, &again, &err));
    assert_non_null(findings_find(&again->findings, "sts-record-invalid"));
    assert_int_equal(checkup_exit_status(again), 1);
    assert_string_equal(report_of(again, &plain), report_of(checkup, &plain));
    assert_non_null(strstr(report_of(again, &plain), "Published by example.org\n  MTA-STS"));
    told = report_json_checkup(again);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(told, "mta_sts"), "record")), "invalid");
    json_decref(told);
    json_object_set_new(json, "published", json_integer(1));
    assert_false(saved_checkup_from_json(json, &arena, &again, &err));
    json_decref(json);
    published.failure = "no memory"; /* of ours: it could not be told */
    assert_int_equal(checkup_exit_status(checkup), 3);
}

static void names_the_field_of_a_saved_checkup_that_is_wrong(void **state)
{
    static const char *const fields[] = { "target", "level", "hosts", "route" };
    struct checkup *again = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        json_t *json = saved_checkup_to_json(sample_checkup(1, 0));
        struct error err = { .kind = ERROR_NONE };

        json_object_set_new(json, fields[i], json_integer(7));
        assert_false(saved_checkup_from_json(json, &arena, &again, &err));
        assert_non_null(strstr(err.text, fields[i]));
        json_decref(json);
    }
}

static void exits_by_the_worst_of_all_hosts(void **state)
{
    struct checkup *failing = sample_checkup(2, 2);

    (void)state;
    assert_int_equal(checkup_exit_status(sample_checkup(2, 0)), 0);
    assert_int_equal(checkup_exit_status(failing), 1);
    failing->hosts[0]->observation.ending = ENDING_FAILED; /* our own failure outweighs */
    assert_int_equal(checkup_exit_status(failing), 3);
}

static void cannot_tell_where_our_own_resolver_answers_nothing(void **state)
{
    static struct observed_lookup lookup = { .name = "example.org",
                                             .type = DNS_TYPE_MX,
                                             .outcome = DNS_TIMEOUT };
    static struct route route = {
        .domain = "example.org", .outcome = ROUTE_TIMEOUT, .lookups = &lookup, .lookup_count = 1
    };
    struct checkup checkup = { .target = "example.org", .domain = "example.org", .route = &route };

    (void)state;
    checkup_judge(&checkup, &arena);
    assert_int_equal(checkup_exit_status(&checkup), 1);
    lookup.resolver_is_silent = true;
    checkup_judge(&checkup, &arena);
    assert_int_equal(checkup_exit_status(&checkup), 3);
}

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_a_healthy_host_in_full),
        cmocka_unit_test(puts_the_cause_before_the_proof_and_the_proof_before_the_remedy),
        cmocka_unit_test(does_not_blame_the_certificate_for_a_policy_that_asks_for_more),
        cmocka_unit_test(asks_nobody_there_to_mend_what_only_our_own_trouble_shows),
        cmocka_unit_test(puts_failing_hosts_first_and_healthy_ones_on_one_line),
        cmocka_unit_test(fits_the_columns_that_it_is_given),
        cmocka_unit_test(colours_only_a_terminal),
        cmocka_unit_test(lets_no_control_character_of_a_zone_through),
        cmocka_unit_test(has_every_field_that_scripts_depend_on),
        cmocka_unit_test(says_null_where_there_was_no_tls),
        cmocka_unit_test(judges_a_saved_checkup_to_the_same_report),
        cmocka_unit_test(judges_the_dns_side_of_a_saved_checkup_too),
        cmocka_unit_test(judges_what_a_domain_publishes_of_a_saved_checkup_too),
        cmocka_unit_test(names_the_field_of_a_saved_checkup_that_is_wrong),
        cmocka_unit_test(exits_by_the_worst_of_all_hosts),
        cmocka_unit_test(cannot_tell_where_our_own_resolver_answers_nothing),
    };

    arena_init(&arena, 64 << 20);
    return cmocka_run_group_tests(tests, NULL, clear);
}
