/* tests/unit/diagnose/judge_test.c - promises of diagnose/judge.h as a whole */
#include "samples.h"

#include <string.h>

static void finds_nothing_wrong_with_a_healthy_server(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

/* RFC 5321 section 2.4: keywords may be in lower case. */
static void raises_no_alarm_over_lower_case(void **state)
{
    struct observation seen;
    enum severity worst;

    (void)state;
    sample_healthy(&seen);
    seen.capabilities.is_lower_case = true;
    assert_true(findings_worst(sample_judge(&seen, NULL), &worst));
    assert_int_equal(worst, SEVERITY_NOTICE);
}

/* A stream of bytes that is always the same, for a walk through strange observations. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void shake(struct observation *seen, uint32_t *seed)
{
    static const char *const reasons[] = {
        NULL,
        "dh key too small",
        "unsupported protocol",
        "wrong signature type",
        "bad ecpoint",
        "unsafe legacy renegotiation disabled",
        "bad record mac",
        "wrong curve",
        "excessive message size",
    };
    static const char *const replies[] = { "",
                                           "250 ok\r\n",
                                           "554 5.7.1 no\r\n",
                                           "421 later",
                                           "\x16\x03\x01",
                                           "SSH-2.0-x\r\n",
                                           "220 \x1b[2J\r\n",
                                           "503 client certificate please\r\n" };
    struct observed_reply *const all[] = {
        &seen->greeting,        &seen->ehlo,           &seen->helo, &seen->starttls,
        &seen->second_greeting, &seen->ehlo_after_tls, &seen->quit
    };

    seen->reached = next_random(seed) % STEP_COUNT;
    seen->ending = next_random(seed) % ENDING_COUNT;
    seen->level = next_random(seed) % POLICY_LEVEL_COUNT;
    seen->error_number = (int)(next_random(seed) % 130);
    seen->timeout_ms = (int64_t)(next_random(seed) % 90000) - 10;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        const char *raw = replies[next_random(seed) % ARRAY_SIZE(replies)];

        *all[i] = sample_reply((uint16_t)(200 + next_random(seed) % 360), raw);
        all[i]->came = next_random(seed) % 3 > 0;
        all[i]->is_broken = next_random(seed) % 4 == 0;
        all[i]->flaws = next_random(seed) & 0xf00ff;
    }
    seen->unfinished = span_of(replies[next_random(seed) % ARRAY_SIZE(replies)]);
    seen->injected = span_of(replies[next_random(seed) % 2]);
    seen->has_capabilities = next_random(seed) % 2;
    seen->capabilities.extensions = next_random(seed) & 0xfff;
    seen->capabilities.on_greeting_line = next_random(seed) % 3 == 0 ? next_random(seed) : 0;
    seen->capabilities.masked_line = (uint16_t)(next_random(seed) % 3);
    seen->capabilities.starttls_line = (uint16_t)(next_random(seed) % 9);
    seen->second_greeting.came = next_random(seed) % 4 == 0;
    seen->ended_after_tls = next_random(seed) % 2;
    seen->close_notify_missing = next_random(seed) % 2;
    seen->tls.was_started = next_random(seed) % 4 > 0;
    seen->tls.was_completed = next_random(seed) % 2;
    seen->tls.has_server_hello = next_random(seed) % 2;
    seen->tls.is_not_tls = next_random(seed) % 5 == 0;
    seen->tls.version = (uint16_t)(0x0300 + next_random(seed) % 6);
    seen->tls.group_bits = (int)(next_random(seed) % 4096);
    seen->tls.first_bytes = span_of(replies[next_random(seed) % ARRAY_SIZE(replies)]);
    seen->tls.library_reason = reasons[next_random(seed) % ARRAY_SIZE(reasons)];
    seen->tls.client_certificate_requested = next_random(seed) % 2;
    seen->tls.client_certificate_sent = next_random(seed) % 2;
    seen->tls.sni_was_used = next_random(seed) % 2;
    seen->tls.sni = next_random(seed) % 3 == 0 ? NULL : "mx.example.org";
    seen->tls.last_message_received = (uint8_t)next_random(seed);
    seen->tls.alert_count = next_random(seed) % 3;
    for (size_t i = 0; i < seen->tls.alert_count; i++)
        seen->tls.alerts[i] =
            (struct tls_alert){ .is_sent = next_random(seed) % 2,
                                .is_fatal = next_random(seed) % 3 > 0,
                                .description = (uint8_t)(next_random(seed) % 130) };
    seen->has_verdict = next_random(seed) % 2;
    seen->host_named = next_random(seed) % 2;
    seen->verdict.certificate_count = next_random(seed) % 3;
    seen->verdict.is_trusted = next_random(seed) % 2;
    seen->verdict.tlsa = next_random(seed) % 4;
    seen->tlsa = next_random(seed) % 5;
    seen->sts = next_random(seed) % 4;
    seen->fingerprint_asked = next_random(seed) % 2;
    seen->minimum_version = (uint16_t)(0x0300 + next_random(seed) % 6);
    seen->verdict.flaw_count = seen->verdict.certificate_count == 0 ? 0 : next_random(seed) % 5;
    for (size_t i = 0; i < seen->verdict.flaw_count; i++)
        seen->verdict.flaws[i] =
            (struct chain_flaw){ .kind = next_random(seed) % CHAIN_KIND_COUNT,
                                 .is_fatal = next_random(seed) % 2,
                                 .sent_index = (int)(next_random(seed) % 4) - 1,
                                 .subject = "CN=x",
                                 .detail = "",
                                 .time_s = next_random(seed) };
    seen->self.has_client_certificate = next_random(seed) % 2;
    seen->self.client_certificate_state = next_random(seed) % 4;
    seen->self.anchor_count = next_random(seed) % 2;
    seen->wall_s = (int64_t)next_random(seed) * 200;
}

/* Every finding has evidence, cause and remedy, and none comes with a control character, whatever
 * was observed (sample_judge insists). */
static void judges_whatever_comes(void **state)
{
    uint32_t seed = 1;
    struct observation seen;

    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct experiments made = { .count = 0 };
        enum dial dial;

        arena_clear(&arena);
        sample_healthy(&seen);
        shake(&seen, &seed);
        while (made.count < EXPERIMENTS_MOST && experiment_next(&seen, &made, &dial)) {
            struct observation *one = arena_new(&arena, 1, sizeof *one);

            sample_healthy(one);
            if (next_random(&seed) % 3 > 0)
                shake(one, &seed);
            one->dial = dial;
            one->has_raw_answer = next_random(&seed) % 2;
            one->raw_status = next_random(&seed) % 5;
            one->raw_answer.version = (uint16_t)(0x0300 + next_random(&seed) % 5);
            one->raw_answer.cipher = (uint16_t)next_random(&seed);
            made.items[made.count++] = one;
        }
        (void)sample_judge(&seen, &made);
    }
}

static void puts_root_causes_before_what_follows(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    sample_healthy(&seen);
    seen.self.anchor_count = 0;
    seen.verdict.is_trusted = false;
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_SUPERFLUOUS, .sent_index = 1 };
    seen.verdict.flaws[1] = (struct chain_flaw){
        .kind = CHAIN_ISSUER_UNTRUSTED, .is_fatal = true, .sent_index = 1, .subject = "CN=Root"
    };
    seen.verdict.flaw_count = 2;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "trust-store-empty", FAULT_CLIENT, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[1].code, "certificate-issuer-untrusted");
    assert_string_equal(findings->items[1].because_of, "trust-store-empty");
    assert_string_equal(findings->items[2].code, "certificate-chain-superfluous");
    assert_int_equal(findings->items[2].severity, SEVERITY_NOTICE);
}

static void judges_a_chain_without_a_session(void **state)
{
    struct observation seen;
    struct findings findings;

    (void)state;
    sample_healthy(&seen);
    judge_verdict(&seen.verdict, "mx.example.org", SAMPLE_NOW, &arena, &findings);
    assert_int_equal(findings.count, 0);
    seen.verdict.name_matched = false;
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_NAME_MISMATCH, .is_fatal = true };
    seen.verdict.flaw_count = 1;
    judge_verdict(&seen.verdict, "other.example.net", SAMPLE_NOW, &arena, &findings);
    expect_first(&findings, "certificate-name-mismatch", FAULT_SERVER, SEVERITY_UNTRUSTED);
    assert_non_null(strstr(findings.items[0].cause, "other.example.net"));
    assert_non_null(strstr(findings.items[0].cause, "mail.example.org"));
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_SELF_SIGNED, .is_fatal = true };
    judge_verdict(&seen.verdict, NULL, SAMPLE_NOW, &arena,
                  &findings); /* it says itself whose it is */
    assert_non_null(strstr(findings.items[0].cause, seen.verdict.certificates[0].names[0]));
    for (int kind = 0; kind < CHAIN_KIND_COUNT; kind++) {
        seen.verdict.flaws[0] = (struct chain_flaw){ .kind = (enum chain_flaw_kind)kind,
                                                     .is_fatal = true,
                                                     .sent_index = kind % 3 - 1,
                                                     .subject = "CN=x",
                                                     .detail = "" };
        judge_verdict(&seen.verdict, NULL, SAMPLE_NOW, &arena, &findings);
        assert_true(findings.count > 0 && findings.items[0].evidence_count > 0);
    }
}

SAMPLES_RUN(cmocka_unit_test(finds_nothing_wrong_with_a_healthy_server),
            cmocka_unit_test(raises_no_alarm_over_lower_case),
            cmocka_unit_test(judges_whatever_comes),
            cmocka_unit_test(puts_root_causes_before_what_follows),
            cmocka_unit_test(judges_a_chain_without_a_session))
