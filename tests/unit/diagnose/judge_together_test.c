/* tests/unit/diagnose/judge_together_test.c - what only many hosts together can tell */
#include "samples.h"

#include <errno.h>
#include <string.h>

static struct observation seen[3];
static const struct observation *all[3] = { &seen[0], &seen[1], &seen[2] };
static struct findings findings;

static void unrelated(void)
{
    static const char *const hosts[] = { "mx.example.org", "mx.example.net", "mx.example.com" };

    for (size_t i = 0; i < 3; i++) {
        sample_healthy(&seen[i]);
        seen[i].host = hosts[i];
    }
    findings.count = 0;
}

static void no_answer(struct observation *one)
{
    one->reached = STEP_CONNECT;
    one->ending = ENDING_NO_CONNECT;
    one->greeting.came = false;
    one->has_verdict = false;
    one->tls.was_started = one->tls.was_completed = false;
}

static void blames_our_network_where_no_unrelated_host_answers(void **state)
{
    (void)state;
    unrelated();
    for (size_t i = 0; i < 3; i++)
        no_answer(&seen[i]);
    judge_together(all, 3, &arena, &findings);
    expect_first(&findings, "port-25-blocked", FAULT_CLIENT, SEVERITY_FATAL);
    findings.count = 0;
    judge_together(all, 2, &arena, &findings); /* two are not many */
    assert_int_equal(findings.count, 0);
    seen[2].port = 2525; /* another port says nothing of 25 */
    judge_together(all, 3, &arena, &findings);
    assert_int_equal(findings.count, 0);
    unrelated();
    no_answer(&seen[0]);
    judge_together(all, 3, &arena, &findings);
    assert_int_equal(findings.count, 0);
}

static void counts_hosts_of_one_owner_once(void **state)
{
    static const char *const hosts[] = { "mx1.example.org", "mx2.example.org", "mx3.example.org" };

    (void)state;
    unrelated();
    for (size_t i = 0; i < 3; i++) {
        no_answer(&seen[i]);
        seen[i].host = hosts[i];
    }
    judge_together(all, 3, &arena, &findings);
    assert_int_equal(findings.count, 0);
}

static void blames_a_firewall_of_ours_where_all_fail_alike(void **state)
{
    (void)state;
    unrelated();
    for (size_t i = 0; i < 3; i++) {
        seen[i].reached = STEP_EHLO;
        seen[i].ending = ENDING_STOPPED;
        seen[i].capabilities =
            (struct smtp_capabilities){ .extensions = SMTP_EXTENSION_SIZE, .masked_line = 2 };
        seen[i].tls.was_started = seen[i].tls.was_completed = seen[i].has_verdict = false;
        seen[i].ehlo_after_tls.came = false;
    }
    judge_together(all, 3, &arena, &findings);
    expect_first(&findings, "all-fail-alike", FAULT_CLIENT, SEVERITY_FATAL);
    assert_non_null(strstr(findings.items[0].cause, "starttls-masked"));
}

static void blames_our_clock_where_all_begin_later(void **state)
{
    (void)state;
    unrelated();
    for (size_t i = 0; i < 3; i++) {
        seen[i].verdict.flaws[0] =
            (struct chain_flaw){ .kind = CHAIN_NOT_YET_VALID, .is_fatal = true };
        seen[i].verdict.flaw_count = 1;
    }
    judge_together(all, 3, &arena, &findings);
    expect_first(&findings, "clock-wrong", FAULT_CLIENT, SEVERITY_UNTRUSTED);
}

/* A host with A and AAAA, seen from a network without IPv6. */
static void notes_alone_a_family_that_we_do_not_have(void **state)
{
    static struct findings of_each[2];
    struct findings *const both[] = { &of_each[0], &of_each[1] };

    (void)state;
    unrelated();
    seen[1].host = seen[0].host;
    no_answer(&seen[1]);
    seen[1].ending = ENDING_UNREACHABLE;
    seen[1].error_number = ENETUNREACH;
    for (size_t i = 0; i < 2; i++)
        judge_observation(&seen[i], NULL, &arena, &of_each[i]);
    judge_other_addresses(all, both, 2);
    expect_first(&of_each[1], "connect-unreachable", FAULT_CLIENT, SEVERITY_NOTICE);
    seen[1].host = "mx.example.net"; /* another host's answer is no help */
    judge_observation(&seen[1], NULL, &arena, &of_each[1]);
    judge_other_addresses(all, both, 2);
    expect_first(&of_each[1], "connect-unreachable", FAULT_CLIENT, SEVERITY_FATAL);
}

static void finds_nothing_where_all_is_well(void **state)
{
    (void)state;
    unrelated();
    judge_together(all, 3, &arena, &findings);
    assert_int_equal(findings.count, 0);
    judge_together(all, 0, &arena, &findings);
    assert_int_equal(findings.count, 0);
}

SAMPLES_RUN(cmocka_unit_test(blames_our_network_where_no_unrelated_host_answers),
            cmocka_unit_test(counts_hosts_of_one_owner_once),
            cmocka_unit_test(blames_a_firewall_of_ours_where_all_fail_alike),
            cmocka_unit_test(blames_our_clock_where_all_begin_later),
            cmocka_unit_test(notes_alone_a_family_that_we_do_not_have),
            cmocka_unit_test(finds_nothing_where_all_is_well))
