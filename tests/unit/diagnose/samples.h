/* tests/unit/diagnose/samples.h - a healthy observation, in which a test changes one thing. */
#pragma once

#include "../test.h"

#include "base/arena.h"
#include "base/compiler.h"
#include "diagnose/experiment.h"
#include "diagnose/finding.h"
#include "diagnose/judge.h"
#include "link/observation.h"

#define SAMPLE_EHLO    "250-mx.example.org\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
#define SAMPLE_NOW     1795287900 /* 21 November 2026 */
#define SAMPLE_DAY     86400
#define SAMPLE_SUBJECT "CN=mx.example.org"

static struct arena arena;

static inline struct observed_reply sample_reply(uint16_t code, const char *raw)
{
    return (struct observed_reply){ .came = true, .code = code, .raw = span_of(raw) };
}

/* Borrowed names and certificates are static: no test changes them in place. */
static inline void sample_certificates(struct chain_verdict *verdict)
{
    static const char *names[] = { "mx.example.org", "mail.example.org" };
    static const struct certificate certificates[] = {
        { .der = { "leaf", 4 },
          .is_readable = true,
          .subject = SAMPLE_SUBJECT,
          .issuer = "CN=Sample Intermediate",
          .common_name = "mx.example.org",
          .issuer_common_name = "Sample Intermediate",
          .serial = "01",
          .not_before_s = SAMPLE_NOW - 30 * SAMPLE_DAY,
          .not_after_s = SAMPLE_NOW + 60 * SAMPLE_DAY,
          .names = names,
          .name_count = 2,
          .key = "ECDSA P-256",
          .signature = "SHA256 with ECDSA",
          .sha256 = "aa",
          .spki_sha256 = "bb",
          .issuer_url = "" },
        { .der = { "intermediate", 12 },
          .is_readable = true,
          .subject = "CN=Sample Intermediate",
          .issuer = "CN=Sample Root",
          .common_name = "Sample Intermediate",
          .issuer_common_name = "Sample Root",
          .serial = "02",
          .not_before_s = SAMPLE_NOW - 300 * SAMPLE_DAY,
          .not_after_s = SAMPLE_NOW + 600 * SAMPLE_DAY,
          .key = "ECDSA P-256",
          .signature = "SHA256 with ECDSA",
          .sha256 = "cc",
          .spki_sha256 = "dd",
          .issuer_url = "",
          .is_ca = true },
    };

    verdict->certificates = arena_new(&arena, 2, sizeof *certificates);
    memcpy(verdict->certificates, certificates, sizeof certificates);
    verdict->certificate_count = 2;
    verdict->is_trusted = true;
    verdict->name_matched = true;
    verdict->matched_name = "mx.example.org";
}

static inline void sample_healthy(struct observation *seen)
{
    *seen = (struct observation){
        .domain = "example.org",
        .host = "mx.example.org",
        .address = "192.0.2.1",
        .port = 25,
        .preference = 10,
        .level = POLICY_MAY,
        .wall_s = SAMPLE_NOW,
        .dial = DIAL_AS_CONFIGURED,
        .reached = STEP_AFTER_TLS,
        .ending = ENDING_QUIT,
        .greeting = sample_reply(220, "220 mx.example.org ESMTP\r\n"),
        .ehlo = sample_reply(250, SAMPLE_EHLO),
        .has_capabilities = true,
        .capabilities = { .extensions = SMTP_EXTENSION_STARTTLS | SMTP_EXTENSION_SIZE,
                          .starttls_line = 2 },
        .starttls = sample_reply(220, "220 2.0.0 Ready to start TLS\r\n"),
        .ehlo_after_tls = sample_reply(250, "250 mx.example.org\r\n"),
        .has_capabilities_after_tls = true,
        .quit = sample_reply(221, "221 2.0.0 Bye\r\n"),
        .tls = { .was_started = true,
                 .was_completed = true,
                 .sni = "mx.example.org",
                 .offered_minimum = TLS_VERSION_1_2,
                 .offered_maximum = TLS_VERSION_1_3,
                 .hello_bytes = 322,
                 .offered_ticket = true,
                 .has_server_hello = true,
                 .version = TLS_VERSION_1_3,
                 .cipher = "TLS_AES_256_GCM_SHA384",
                 .group = "X25519",
                 .signature = "ecdsa_secp256r1_sha256",
                 .last_message_received = 20,
                 .last_message_sent = 20,
                 .secure_renegotiation = true },
        .has_verdict = true,
        .host_reference = "mx.example.org",
        .host_named = true,
        .self = { .anchor_count = 140,
                  .anchor_file = "/etc/ssl/certs/ca-certificates.crt",
                  .newest_anchor_s = SAMPLE_NOW - 400LL * SAMPLE_DAY,
                  .built_at_s = SAMPLE_NOW - 10 * SAMPLE_DAY },
    };
    for (size_t i = 0; i < STEP_COUNT; i++)
        seen->step_ms[i] = 3;
    sample_certificates(&seen->verdict);
}

/* Nothing of TLS came about: the session ended in the handshake before a ServerHello. */
static inline void sample_no_handshake(struct observation *seen, enum ending ending)
{
    sample_healthy(seen);
    seen->reached = STEP_HANDSHAKE;
    seen->ending = ending;
    seen->timeout_ms = 5000;
    seen->ehlo_after_tls = (struct observed_reply){ .came = false };
    seen->quit = (struct observed_reply){ .came = false };
    seen->has_verdict = seen->host_named = false;
    seen->tls.was_completed = seen->tls.has_server_hello = false;
    seen->tls.version = 0;
    seen->tls.cipher = seen->tls.group = seen->tls.signature = NULL;
    seen->tls.last_message_received = 0xff;
    seen->tls.last_message_sent = 1;
}

static inline void sample_alert(struct observation *seen, uint8_t description, bool is_sent)
{
    seen->ending = ENDING_TLS;
    seen->tls.alerts[seen->tls.alert_count++] =
        (struct tls_alert){ .is_sent = is_sent, .is_fatal = true, .description = description };
}

/* An experiment like `first`, dialled otherwise: healthy, or ending as the first did. */
static inline const struct observation *sample_experiment(struct experiments *made,
                                                          const struct observation *first,
                                                          enum dial dial, bool works)
{
    struct observation *seen = arena_new(&arena, 1, sizeof *seen);

    *seen = *first;
    if (works)
        sample_healthy(seen);
    seen->dial = dial;
    if (dial == DIAL_WITHOUT_SNI)
        seen->tls.sni = NULL;
    if (dial == DIAL_SMALL_HELLO)
        seen->tls.hello_bytes = 170;
    if (dial == DIAL_TLS12_ONLY || dial == DIAL_SMALL_HELLO) {
        seen->tls.offered_maximum = TLS_VERSION_1_2;
        if (works)
            seen->tls.version = TLS_VERSION_1_2;
    }
    made->items[made->count++] = seen;
    return seen;
}

static inline void sample_raw_answer(struct experiments *made, const struct observation *first,
                                     enum hello_status status, struct hello_answer answer)
{
    struct observation *seen = arena_new(&arena, 1, sizeof *seen);

    *seen = *first;
    seen->dial = DIAL_RAW_OBSOLETE;
    seen->ending = ENDING_STOPPED;
    seen->has_raw_answer = true;
    seen->raw_status = status;
    seen->raw_answer = answer;
    made->items[made->count++] = seen;
}

static inline const struct findings *sample_judge(const struct observation *seen,
                                                  const struct experiments *made)
{
    static struct findings findings;

    judge_observation(seen, made, &arena, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        assert_true(findings.items[i].evidence_count > 0);
        assert_true(findings.items[i].cause[0] != '\0');
        assert_true(findings.items[i].remedy[0] != '\0');
        for (const char *c = findings.items[i].cause; *c != '\0'; c++)
            assert_true(*c >= ' ' && *c < 0x7f);
    }
    return &findings;
}

/* The first finding is this one, with these to blame and that severity. */
static inline void expect_first(const struct findings *findings, const char *code, enum fault fault,
                                enum severity severity)
{
    assert_true(findings->count > 0);
    assert_string_equal(findings->items[0].code, code);
    assert_string_equal(fault_name(findings->items[0].fault), fault_name(fault));
    assert_string_equal(severity_name(findings->items[0].severity), severity_name(severity));
}

static inline int samples_set_up(void **state)
{
    (void)state;
    arena_init(&arena, 16 << 20);
    return 0;
}

static inline int samples_tear_down(void **state)
{
    (void)state;
    assert_false(arena.exhausted);
    arena_clear(&arena);
    return 0;
}

#define SAMPLES_RUN(...)                                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
                                                                                                   \
        return cmocka_run_group_tests(tests, samples_set_up, samples_tear_down);                   \
    }
