/* tests/unit/diagnose/publication_test.c - promises of diagnose/publication.h: what is called for, and what is live */
#include "unit/diagnose/publications.h"

static void our_hosts_are_our_name_and_those_in_our_certificates(void **state)
{
    struct published_well *well = *state;
    struct made wild = make_certificate(&(struct make_recipe){
        .name = "shared",
        .issuer = &well->intermediate,
        .extensions = { "subjectAltName=DNS:mx2.example.org,DNS:*.example.net" } });

    add_certificate(well, &wild, "/wild.pem");
    assert_true(publication_is_ours(&well->publication, "mx.example.org"));
    assert_true(publication_is_ours(&well->publication, "mx2.example.org"));
    assert_true(publication_is_ours(&well->publication, "mx.example.net"));
    assert_false(publication_is_ours(&well->publication, "mx.example.com"));
    make_free(&wild);
}

static void calls_for_the_present_and_the_next_key(void **state)
{
    struct published_well *well = *state;
    const struct publication_host *host = &well->hosts[0];

    well->live[0] = well->live[1]; /* the next key alone is live */
    well->hosts[0].live_count = 1;
    judge_well(well);
    assert_int_equal(host->wanted_count, 2);
    assert_string_equal(dane_format(&arena, &host->wanted[0].record),
                        dane_record_for(&arena, well->leaf.der, 3, 1, 1));
    assert_string_equal(host->wanted[0].file, "/mx.pem");
    assert_false(host->wanted[0].is_next || host->wanted[0].is_live);
    assert_string_equal(dane_format(&arena, &host->wanted[1].record),
                        dane_record_for(&arena, well->next.der, 3, 1, 1));
    assert_string_equal(host->wanted[1].file, "/next.pem");
    assert_true(host->wanted[1].is_next && host->wanted[1].is_live);
}

static void a_key_that_is_kept_is_called_for_once(void **state)
{
    struct published_well *well = *state;

    set_next_key(well, &well->leaf);
    judge_well(well);
    assert_int_equal(well->hosts[0].wanted_count, 1);
    assert_false(well->hosts[0].wanted[0].is_next);
}

/* The use of the live record that stands for this certificate so. */
static enum publication_use use_of(const struct published_well *well, const struct made *of,
                                   uint8_t usage, uint8_t selector, uint8_t matching)
{
    const char *wanted = dane_record_for(&arena, of->der, usage, selector, matching);
    const struct publication_host *host = &well->hosts[0];

    for (size_t i = 0; i < host->live_count; i++)
        if (strcmp(dane_format(&arena, &host->live[i].record), wanted) == 0)
            return host->live[i].use;
    fail_msg("%s is not among the live ones", wanted);
    return PUBLICATION_STALE;
}

static void says_what_each_live_record_is_good_for(void **state)
{
    struct published_well *well = *state;

    go_live(well, &well->intermediate, 2, 0, 1);
    go_live(well, &well->stranger, 3, 1, 1);
    go_live(well, &well->stranger, 2, 1, 1);
    go_live(well, &well->leaf, 1, 1, 1);
    go_live(well, &well->leaf, 3, 0, 2);
    judge_well(well);
    assert_int_equal(use_of(well, &well->leaf, 3, 1, 1), PUBLICATION_PRESENT);
    assert_int_equal(use_of(well, &well->next, 3, 1, 1), PUBLICATION_NEXT);
    assert_int_equal(use_of(well, &well->intermediate, 2, 0, 1), PUBLICATION_ISSUER);
    assert_int_equal(use_of(well, &well->stranger, 3, 1, 1), PUBLICATION_STALE);
    assert_int_equal(use_of(well, &well->stranger, 2, 1, 1), PUBLICATION_STALE);
    assert_int_equal(use_of(well, &well->leaf, 1, 1, 1), PUBLICATION_UNUSABLE);
    assert_int_equal(use_of(well, &well->leaf, 3, 0, 2), PUBLICATION_PRESENT);
}

static void live_records_are_in_the_same_order_however_they_came(void **state)
{
    struct published_well *well = *state;
    const char *first, *second;

    judge_well(well);
    first = dane_format(&arena, &well->live[0].record);
    second = dane_format(&arena, &well->live[1].record);
    well->hosts[0].live_count = 0;
    go_live(well, &well->next, 3, 1, 1);
    go_live(well, &well->leaf, 3, 1, 1);
    judge_well(well);
    assert_string_equal(dane_format(&arena, &well->live[0].record), first);
    assert_string_equal(dane_format(&arena, &well->live[1].record), second);
}

static void a_host_shows_one_certificate_of_each_kind_of_key(void **state)
{
    struct published_well *well = *state;
    struct made rsa = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &well->intermediate,
                               .rsa_bits = 2048,
                               .extensions = { "subjectAltName=DNS:*.example.org" } });
    struct made spare = make_leaf("mx.example.org", &well->intermediate),
                other = make_leaf("mx.example.com", &well->intermediate);

    add_certificate(well, &rsa, "/rsa.pem");
    add_certificate(well, &spare, "/spare.pem");
    judge_well(well);
    assert_int_equal(well->hosts[0].shown_count, 2);
    assert_string_equal(well->hosts[0].shown[0].certificate->file, "/mx.pem");
    assert_string_equal(well->hosts[0].shown[1].certificate->file, "/rsa.pem");
    well->publication.certificate_count = 0;
    add_certificate(well, &other, "/other.pem");
    add_certificate(well, &rsa, "/rsa.pem");
    judge_well(well);
    assert_int_equal(well->hosts[0].shown_count, 1); /* who has the name, not the first */
    assert_string_equal(well->hosts[0].shown[0].certificate->file, "/rsa.pem");
    well->publication.certificate_count = 1;
    judge_well(well);
    assert_string_equal(well->hosts[0].shown[0].certificate->file, "/other.pem");
    make_free(&rsa);
    make_free(&spare);
    make_free(&other);
}

/* The second MX host of a domain whose certificate says "*.example.org". */
static void a_host_is_ours_by_a_wildcard_alone(void **state)
{
    struct published_well *well = *state;
    const struct publication *publication = &well->publication;
    struct made wild = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &well->intermediate,
                               .extensions = { "subjectAltName=DNS:*.example.org" } });

    assert_false(publication_is_ours(publication, "backup.example.org"));
    add_certificate(well, &wild, "/wild.pem");
    assert_true(publication_is_ours(publication, "backup.example.org"));
    assert_false(publication_is_ours(publication, "a.backup.example.org"));
    assert_false(publication_is_ours(publication, "example.org"));
    assert_false(publication_is_ours(publication, "*.example.org")); /* a line of a policy */
    well->hosts[0].name = "backup.example.org";
    judge_well(well);
    assert_true(well->hosts[0].is_ours);
    assert_true(well->hosts[0].is_ours_by_wildcard); /* it may have a certificate of its own */
    assert_int_equal(findings_find(&well->findings, "publish-tlsa-stale")->severity,
                     SEVERITY_WARNING);
    assert_int_equal(well->hosts[0].shown_count, 1);
    assert_string_equal(well->hosts[0].shown[0].certificate->file, "/wild.pem");
    make_free(&wild);
}

static void writes_the_policy_and_the_records_that_are_called_for(void **state)
{
    struct published_well *well = *state;
    const struct publication *publication = &well->publication;

    judge_well(well);
    assert_string_equal(publication->policy_text,
                        "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n");
    assert_string_equal(publication->sts_record,
                        arena_format(&arena, "v=STSv1; id=%s;", publication->policy_id));
    assert_string_equal(publication->report_record, "v=TLSRPTv1; rua=mailto:tlsrpt@example.org");
}

static void the_stricter_of_two_modes_is_what_certificates_stand_up_to(void **state)
{
    struct published_well *well = *state;
    struct publication *publication = &well->publication;

    assert_int_equal(publication_strictest_mode(publication), MTA_STS_MODE_ENFORCE);
    publication->policy.mode = MTA_STS_MODE_TESTING;
    assert_int_equal(publication_strictest_mode(publication), MTA_STS_MODE_ENFORCE); /* live */
    publication->live = NULL;
    assert_int_equal(publication_strictest_mode(publication), MTA_STS_MODE_TESTING);
    publication->wants_sts = false;
    assert_int_equal(publication_strictest_mode(publication), MTA_STS_MODE_NONE);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up_well, tear_down_well)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(our_hosts_are_our_name_and_those_in_our_certificates),
        PROMISE(calls_for_the_present_and_the_next_key),
        PROMISE(a_key_that_is_kept_is_called_for_once),
        PROMISE(says_what_each_live_record_is_good_for),
        PROMISE(live_records_are_in_the_same_order_however_they_came),
        PROMISE(a_host_shows_one_certificate_of_each_kind_of_key),
        PROMISE(a_host_is_ours_by_a_wildcard_alone),
        PROMISE(writes_the_policy_and_the_records_that_are_called_for),
        PROMISE(the_stricter_of_two_modes_is_what_certificates_stand_up_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
