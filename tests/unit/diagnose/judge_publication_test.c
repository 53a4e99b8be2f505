/* tests/unit/diagnose/judge_publication_test.c - what is said of a domain of ours, one flaw at a time */
#include "unit/diagnose/publications.h"

static void take_all_down(struct published_well *well)
{
    well->hosts[0].live_count = 0;
    well->hosts[0].lookup.outcome = DNS_NO_DATA;
}

static void says_nothing_where_all_is_as_it_should_be(void **state)
{
    expect_nothing(*state);
}

/* ---- MX ---- */

static void names_mx_hosts_that_are_not_ours(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    well->publication.hostname = "mail.example.org";
    well->hosts[0].name = "mx.elsewhere.example";
    well->publication.wants_sts = false;
    well->publication.live = NULL;
    finding = expect_only(well, "publish-mx-elsewhere", SEVERITY_WARNING);
    expect_words(finding->cause, "mx.elsewhere.example");
    expect_words(finding->cause, "mail.example.org");
}

static void one_host_of_ours_is_enough(void **state)
{
    struct published_well *well = *state;

    well->hosts[1] = (struct publication_host){ .name = "backup.example.net",
                                                .preference = 20,
                                                .is_mail_host = true };
    well->publication.host_count = 2;
    well->publication.wants_sts = false;
    well->publication.live = NULL;
    expect_nothing(well);
}

static void a_domain_that_cannot_be_looked_up_is_told_by_the_judge_of_routes(void **state)
{
    struct published_well *well = *state;

    well->route.outcome = ROUTE_NXDOMAIN;
    well->hosts[0].preference = -1;
    well->hosts[0].is_mail_host = false;
    (void)expect_only(well, "dns-nxdomain", SEVERITY_FATAL);
}

/* ---- TLSA ---- */

static void tells_of_a_host_without_a_record(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    take_all_down(well);
    finding = expect_only(well, "publish-tlsa-missing", SEVERITY_WARNING);
    expect_words(finding->remedy, "_25._tcp.mx.example.org. IN TLSA 3 1 1 ");
    expect_words(finding->remedy, dane_record_for(&arena, well->leaf.der, 3, 1, 1));
}

static void records_behind_an_alias_go_where_it_leads(void **state)
{
    struct published_well *well = *state;

    take_all_down(well);
    well->hosts[0].lookup.canonical_name = "dane.example.net";
    expect_words(expect_only(well, "publish-tlsa-missing", SEVERITY_WARNING)->remedy,
                 "Publish dane.example.net. IN TLSA 3 1 1 ");
}

static void records_that_nobody_can_use_are_as_none(void **state)
{
    struct published_well *well = *state;

    take_all_down(well);
    go_live(well, &well->leaf, 1, 1, 1);
    expect_words(expect_only(well, "publish-tlsa-missing", SEVERITY_WARNING)->cause, "PKIX-EE(1)");
}

static void tells_of_records_that_fit_the_certificate_before(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    take_all_down(well);
    go_live(well, &well->stranger, 3, 1, 1);
    finding = expect_only(well, "publish-tlsa-stale", SEVERITY_UNTRUSTED);
    expect_words(finding->cause, "The live TLSA record of mx.example.org does not match");
    expect_words(finding->remedy, dane_record_for(&arena, well->leaf.der, 3, 1, 1));
}

static void the_next_key_alone_keeps_mail_away_now(void **state)
{
    struct published_well *well = *state;

    well->live[0] = well->live[1];
    well->hosts[0].live_count = 1;
    (void)expect_only(well, "publish-tlsa-stale", SEVERITY_UNTRUSTED);
}

static void each_certificate_that_is_shown_has_to_match(void **state)
{
    struct published_well *well = *state;
    struct made rsa = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &well->intermediate,
                               .rsa_bits = 2048,
                               .extensions = { "subjectAltName=DNS:mx.example.org" } });

    add_certificate(well, &rsa, "/rsa.pem");
    expect_words(expect_only(well, "publish-tlsa-stale", SEVERITY_UNTRUSTED)->cause, "/rsa.pem");
    make_free(&rsa);
}

static void tells_of_a_record_that_is_left_over(void **state)
{
    struct published_well *well = *state;

    go_live(well, &well->stranger, 3, 1, 1);
    expect_words(expect_only(well, "publish-tlsa-leftover", SEVERITY_NOTICE)->cause,
                 "1 of the 3 live TLSA records of mx.example.org stands for no key");
}

static void tells_that_the_next_key_has_no_record(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    well->hosts[0].live_count = 1;
    finding = expect_only(well, "publish-tlsa-breaks-at-renewal", SEVERITY_WARNING);
    expect_words(finding->cause, "/next.pem");
    expect_words(finding->remedy, dane_record_for(&arena, well->next.der, 3, 1, 1));
}

static void an_authority_outlives_renewals(void **state)
{
    struct published_well *well = *state;

    take_all_down(well);
    go_live(well, &well->intermediate, 2, 1, 1);
    expect_nothing(well);
}

static void a_stronger_digest_of_the_present_key_outdoes_that_of_the_next(void **state)
{
    struct published_well *well = *state;

    go_live(well, &well->leaf, 3, 1, 2); /* RFC 7671 section 9 */
    (void)expect_only(well, "publish-tlsa-breaks-at-renewal", SEVERITY_WARNING);
}

static void a_record_of_the_very_certificate_breaks_with_any_other(void **state)
{
    struct published_well *well = *state;

    take_all_down(well);
    well->certificates[0].next_key = (struct span){ NULL, 0 };
    well->certificates[0].next_file = NULL;
    go_live(well, &well->leaf, 3, 0, 1);
    expect_words(expect_only(well, "publish-tlsa-breaks-at-renewal", SEVERITY_WARNING)->cause,
                 "ends on 19 February 2027");
}

static void does_not_know_what_a_key_unknown_will_match(void **state)
{
    struct published_well *well = *state;

    well->certificates[0].next_key = (struct span){ NULL, 0 };
    well->certificates[0].next_file = NULL;
    well->hosts[0].live_count = 1;
    (void)expect_only(well, "publish-next-key-unknown", SEVERITY_NOTICE);
}

static void a_key_that_is_kept_breaks_nothing(void **state)
{
    struct published_well *well = *state;

    set_next_key(well, &well->leaf);
    well->hosts[0].live_count = 1;
    expect_nothing(well);
}

static void in_an_unsigned_zone_records_are_useless(void **state)
{
    struct published_well *well = *state;

    well->hosts[0].lookup.security = DNS_INSECURE;
    expect_words(expect_only(well, "publish-zone-unsigned", SEVERITY_WARNING)->cause,
                 "protect nothing");
    take_all_down(well);
    expect_words(expect_only(well, "publish-zone-unsigned", SEVERITY_NOTICE)->cause,
                 "would protect nothing");
}

static void behind_unsigned_mx_records_nobody_asks_for_them(void **state)
{
    struct published_well *well = *state;

    well->route.mx_security = DNS_INSECURE;
    expect_words(expect_only(well, "publish-zone-unsigned", SEVERITY_WARNING)->cause,
                 "The zone of example.org is not signed");
}

static void a_look_up_that_fails_is_no_missing_record(void **state)
{
    struct published_well *well = *state;
    static const enum dns_outcome outcomes[] = { DNS_SERVFAIL, DNS_TIMEOUT, DNS_BOGUS };

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        take_all_down(well);
        well->hosts[0].lookup.outcome = outcomes[i];
        (void)expect_only(well, "tlsa-lookup-failed", SEVERITY_UNTRUSTED);
    }
    well->hosts[0].security = DNS_INSECURE; /* whose records nobody asks for */
    expect_nothing(well);
}

/* ---- MTA-STS ---- */

static void tells_of_a_record_for_mta_sts_that_is_missing(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    well->published.has_policy = false;
    well->published.sts_id = NULL;
    well->published.sts_record = TXT_RECORD_NONE;
    well->published.sts_lookup.outcome = DNS_NXDOMAIN;
    finding = expect_only(well, "publish-sts-missing", SEVERITY_WARNING);
    expect_words(finding->remedy, well->publication.sts_record);
    well->published.sts_lookup.outcome = DNS_TIMEOUT; /* which says nothing of it */
    (void)expect_only(well, "dns-timeout", SEVERITY_WARNING);
}

static void tells_how_the_live_policy_differs(void **state)
{
    static const char *const hosts[] = { "old.example.org" };
    struct published_well *well = *state;

    well->published.policy = (struct mta_sts_policy){ MTA_STS_MODE_TESTING, 86400, hosts, 1 };
    well->published.sts_id = "20250101";
    expect_words(expect_only(well, "publish-sts-policy-stale", SEVERITY_WARNING)->cause,
                 "its mode is testing, not enforce; its max_age is 86400, not 604800; it lists "
                 "old.example.org, not mx.example.org");
}

static void a_live_policy_without_our_host_keeps_mail_away_now(void **state)
{
    static const char *const hosts[] = { "old.example.org" };
    struct published_well *well = *state;
    const struct finding *finding;

    well->published.policy = (struct mta_sts_policy){ MTA_STS_MODE_ENFORCE, 604800, hosts, 1 };
    well->published.sts_id = "20250101";
    finding = expect_only(well, "publish-sts-policy-stale", SEVERITY_UNTRUSTED);
    expect_words(finding->evidence[0], "does not list mx.example.org");
    well->publication.wants_sts = false;
    (void)expect_only(well, "publish-sts-unexpected", SEVERITY_UNTRUSTED);
}

static void what_others_cannot_read_is_told_as_to_them(void **state)
{
    struct published_well *well = *state;

    well->published.domain = "example.org";
    well->published.has_policy = false;
    well->published.sts_id = NULL;
    well->published.sts_record = TXT_RECORD_INVALID;
    well->published.sts_record_flaw = "it has no id";
    (void)expect_only(well, "sts-record-invalid", SEVERITY_UNTRUSTED);
    well->published.sts_record = TXT_RECORD_VALID;
    well->published.sts_id = "1";
    well->published.fetched = true;
    well->published.fetch_outcome = HTTPS_ANSWERED;
    well->published.fetch_failure = "it answers 404";
    (void)expect_only(well, "sts-fetch-failed", SEVERITY_UNTRUSTED);
}

static void tells_of_an_id_that_went_ahead_of_its_policy(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    well->published.policy.max_age_s = 86400;
    finding = expect_only(well, "publish-sts-policy-stale", SEVERITY_WARNING);
    expect_words(finding->evidence[0], "has the new id already");
}

static void tells_of_a_policy_that_was_changed_without_its_id(void **state)
{
    struct published_well *well = *state;

    well->published.sts_id = "postern0123456789abcdef";
    (void)expect_only(well, "publish-sts-id-stale", SEVERITY_WARNING);
    well->published.sts_id = "20261121"; /* somebody else's way of counting */
    expect_nothing(well);
}

static void tells_of_an_mx_host_that_would_be_passed_over(void **state)
{
    static const char *const more[] = { "mx.example.org", "*.example.net" };
    struct published_well *well = *state;
    const struct finding *finding;

    well->hosts[1] = (struct publication_host){ .name = "backup.example.net",
                                                .preference = 20,
                                                .is_mail_host = true };
    well->publication.host_count = 2;
    finding = expect_only(well, "publish-sts-mx-unlisted", SEVERITY_UNTRUSTED);
    expect_words(finding->cause, "backup.example.net");
    well->publication.policy.mode = well->published.policy.mode = MTA_STS_MODE_TESTING;
    well->published.sts_id = publish_policy_id(&arena, &well->publication.policy);
    (void)expect_only(well, "publish-sts-mx-unlisted", SEVERITY_WARNING);
    well->publication.policy.mx = well->published.policy.mx = more;
    well->publication.policy.mx_count = well->published.policy.mx_count = 2;
    well->published.sts_id = publish_policy_id(&arena, &well->publication.policy);
    expect_nothing(well);
}

static void judges_our_certificate_as_that_of_a_peer(void **state)
{
    struct published_well *well = *state;
    const struct finding *finding;

    well->publication.now_s = MAKE_NOW_S + 100 * MAKE_DAY_S;
    finding = expect_only(well, "publish-sts-certificate", SEVERITY_UNTRUSTED);
    expect_words(finding->cause, "expired on 19 February 2027");
    expect_words(finding->evidence[0], "certificate-expired: ");
}

static void says_that_our_certificate_ends_soon(void **state)
{
    struct published_well *well = *state;

    well->publication.now_s = MAKE_NOW_S + 80 * MAKE_DAY_S;
    (void)expect_only(well, "certificate-expires-soon", SEVERITY_NOTICE);
}

static void at_mode_testing_a_certificate_is_but_warned_of(void **state)
{
    struct published_well *well = *state;

    well->publication.policy.mode = well->published.policy.mode = MTA_STS_MODE_TESTING;
    well->published.sts_id = publish_policy_id(&arena, &well->publication.policy);
    anchors_free(&well->publication.anchors);
    well->publication.anchors = make_anchors(&well->stranger);
    (void)expect_only(well, "publish-sts-certificate", SEVERITY_WARNING);
}

static void where_no_policy_demands_it_a_certificate_may_be_anything(void **state)
{
    struct published_well *well = *state;

    well->publication.wants_sts = false;
    well->publication.live = NULL;
    anchors_free(&well->publication.anchors);
    well->publication.anchors = make_anchors(&well->stranger);
    expect_nothing(well); /* DANE asks neither for a name nor for an authority */
}

static void without_a_certificate_no_policy_can_hold(void **state)
{
    struct published_well *well = *state;

    well->publication.certificate_count = 0;
    expect_words(expect_only(well, "publish-sts-certificate", SEVERITY_UNTRUSTED)->cause,
                 "no listener of ours");
}

static void notes_a_policy_that_the_settings_do_not_know(void **state)
{
    struct published_well *well = *state;

    well->publication.wants_sts = false;
    expect_words(expect_only(well, "publish-sts-unexpected", SEVERITY_NOTICE)->cause, "enforce");
}

/* ---- reports ---- */

static void tells_where_reports_do_not_go(void **state)
{
    static const char *const others[] = { "mailto:old@example.org" };
    struct published_well *well = *state;

    well->published.reports = (struct tlsrpt_record){ others, 1 };
    expect_words(expect_only(well, "publish-reports-stale", SEVERITY_WARNING)->cause,
                 "go to mailto:old@example.org, and the settings say mailto:tlsrpt@example.org");
    well->published.report_record = TXT_RECORD_NONE;
    well->published.report_lookup.outcome = DNS_NXDOMAIN;
    (void)expect_only(well, "publish-reports-missing", SEVERITY_WARNING);
    well->published.report_lookup.outcome = DNS_SERVFAIL;
    (void)expect_only(well, "dns-servfail", SEVERITY_WARNING);
}

static void tells_of_a_signing_key_that_nobody_can_find(void **state)
{
    static const char *const others[] = { "v=DKIM1; k=rsa; p=MIIB", "p; x=1", "v=DKIM1; p = " };
    static const char *const cut[] = { "v=DKIM1; n=a note; s=*; p= AbC dEf ;" };
    struct published_well *well = *state;
    struct publication *publication = &well->publication;

    publication->dkim_name = "s1._domainkey.example.org";
    publication->dkim_record = "v=DKIM1; k=ed25519; s=tlsrpt; p=AbCdEf";
    publication->dkim_file = "/dkim.pem";
    expect_nothing(well); /* nobody looked */
    publication->dkim_was_looked_up = true;
    publication->dkim_lookup = (struct observed_lookup){ .outcome = DNS_NXDOMAIN };
    expect_words(expect_only(well, "publish-dkim-missing", SEVERITY_WARNING)->cause, "/dkim.pem");
    publication->dkim_lookup.outcome = DNS_ANSWERED;
    publication->dkim_live = others;
    publication->dkim_live_count = ARRAY_SIZE(others);
    (void)expect_only(well, "publish-dkim-stale", SEVERITY_WARNING);
    publication->dkim_live = cut; /* the same key, with blanks where a zone file was wrapped */
    publication->dkim_live_count = 1;
    expect_nothing(well);
    publication->dkim_lookup.outcome = DNS_TIMEOUT;
    publication->dkim_live_count = 0;
    expect_nothing(well);
}

static void says_of_what_was_not_looked_up_nothing(void **state)
{
    struct published_well *well = *state;

    well->publication.is_offline = true;
    well->publication.route = NULL;
    well->publication.live = NULL;
    well->hosts[0].is_mail_host = well->hosts[0].was_looked_up = false;
    take_all_down(well);
    expect_nothing(well);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up_well, tear_down_well)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(says_nothing_where_all_is_as_it_should_be),
        PROMISE(names_mx_hosts_that_are_not_ours),
        PROMISE(one_host_of_ours_is_enough),
        PROMISE(a_domain_that_cannot_be_looked_up_is_told_by_the_judge_of_routes),
        PROMISE(tells_of_a_host_without_a_record),
        PROMISE(records_behind_an_alias_go_where_it_leads),
        PROMISE(records_that_nobody_can_use_are_as_none),
        PROMISE(tells_of_records_that_fit_the_certificate_before),
        PROMISE(the_next_key_alone_keeps_mail_away_now),
        PROMISE(each_certificate_that_is_shown_has_to_match),
        PROMISE(tells_of_a_record_that_is_left_over),
        PROMISE(tells_that_the_next_key_has_no_record),
        PROMISE(an_authority_outlives_renewals),
        PROMISE(a_stronger_digest_of_the_present_key_outdoes_that_of_the_next),
        PROMISE(a_record_of_the_very_certificate_breaks_with_any_other),
        PROMISE(does_not_know_what_a_key_unknown_will_match),
        PROMISE(a_key_that_is_kept_breaks_nothing),
        PROMISE(in_an_unsigned_zone_records_are_useless),
        PROMISE(behind_unsigned_mx_records_nobody_asks_for_them),
        PROMISE(a_look_up_that_fails_is_no_missing_record),
        PROMISE(tells_of_a_record_for_mta_sts_that_is_missing),
        PROMISE(tells_how_the_live_policy_differs),
        PROMISE(a_live_policy_without_our_host_keeps_mail_away_now),
        PROMISE(what_others_cannot_read_is_told_as_to_them),
        PROMISE(tells_of_an_id_that_went_ahead_of_its_policy),
        PROMISE(tells_of_a_policy_that_was_changed_without_its_id),
        PROMISE(tells_of_an_mx_host_that_would_be_passed_over),
        PROMISE(judges_our_certificate_as_that_of_a_peer),
        PROMISE(says_that_our_certificate_ends_soon),
        PROMISE(at_mode_testing_a_certificate_is_but_warned_of),
        PROMISE(where_no_policy_demands_it_a_certificate_may_be_anything),
        PROMISE(without_a_certificate_no_policy_can_hold),
        PROMISE(notes_a_policy_that_the_settings_do_not_know),
        PROMISE(tells_where_reports_do_not_go),
        PROMISE(tells_of_a_signing_key_that_nobody_can_find),
        PROMISE(says_of_what_was_not_looked_up_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
