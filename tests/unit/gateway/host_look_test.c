/* tests/unit/gateway/host_look_test.c - promises of gateway/host_look.h */
#include "gateway/host_look.h"

#include "../test.h"
#include "sessions.h"

enum { SINCE_S = 1795313400 }; /* 2026-11-22 02:10 UTC */

static void shows_who_issued_what_was_spoken_and_what_was_wrong(void **state)
{
    struct sessions *sessions = *state;
    struct observation *seen =
        sessions_over_tls(sessions, "mx.example.org", "192.0.2.1", SESSIONS_PUBLIC);
    struct findings *findings = sessions_findings(sessions, "certificate-expired");
    struct host_look look;

    host_look_read(seen, findings, true, &sessions->arena, &look);
    assert_string_equal(look.shown[HOST_ISSUER], "R11 (Let's Encrypt)");
    assert_string_equal(look.shown[HOST_ORGANIZATION], "Let's Encrypt");
    assert_string_equal(look.shown[HOST_VERSION], "TLSv1.3");
    assert_string_equal(look.shown[HOST_KEYWORDS], "8BITMIME SIZE STARTTLS");
    assert_string_equal(look.shown[HOST_KEYWORDS_INSIDE], "8BITMIME SIZE");
    assert_string_equal(look.shown[HOST_VERDICT], "certificate-expired");
}

static void shows_nothing_that_the_session_did_not_come_to(void **state)
{
    struct sessions *sessions = *state;
    struct observation *seen = sessions_refused(sessions, "mx.example.org", "192.0.2.1");
    struct host_look look;

    host_look_read(seen, sessions_findings(sessions, "connect-refused"), false, &sessions->arena,
                   &look);
    for (enum host_aspect aspect = 0; aspect < HOST_ASPECTS; aspect++)
        if (aspect != HOST_VERDICT)
            assert_null(look.shown[aspect]);
    assert_string_equal(look.shown[HOST_VERDICT], "connect-refused");
}

static void leaves_out_what_only_follows_and_what_only_warns(void **state)
{
    struct sessions *sessions = *state;
    struct findings findings = {
        .count = 3,
        .items = { { .code = "cause", .severity = SEVERITY_FATAL },
                   { .code = "follows", .severity = SEVERITY_FATAL, .because_of = "cause" },
                   { .code = "warns", .severity = SEVERITY_WARNING } }
    };
    struct host_look look;

    host_look_read(sessions_refused(sessions, "mx.example.org", "192.0.2.1"), &findings, false,
                   &sessions->arena, &look);
    assert_string_equal(look.shown[HOST_VERDICT], "cause");
}

static const struct {
    const char *issuer, *common_name, *organization, *told;
} issuers[] = {
    { "CN=R11, O=Let's Encrypt, C=US", "R11", "Let's Encrypt", "R11 (Let's Encrypt)" },
    { "O=Let's Encrypt, CN=R11", "R11", "Let's Encrypt", "R11 (Let's Encrypt)" },
    { "CN=A, O=Example\\, Inc., C=US", "A", "Example, Inc.", "A (Example, Inc.)" },
    { "CN=My Own CA", "My Own CA", "CN=My Own CA", "CN=My Own CA" },
    { "O=Fortinet", "Fortinet", "Fortinet", "Fortinet" },
    { "OU=O=x, CN=y", "y", "OU=O=x, CN=y", "OU=O=x, CN=y" },
    { "CN=trailing, O=a\\", "trailing", "a\\", "trailing (a\\)" },
    { "", "", "", "" },
};

static void reads_the_organization_of_any_issuer(void **state)
{
    struct sessions *sessions = *state;

    for (size_t i = 0; i < ARRAY_SIZE(issuers); i++) {
        struct certificate leaf = { .is_readable = true,
                                    .issuer = issuers[i].issuer,
                                    .issuer_common_name = issuers[i].common_name,
                                    .spki_sha256 = "aa" };
        struct observation seen;
        struct host_look look;

        observation_init(&seen);
        seen.has_verdict = true;
        seen.verdict.certificates = &leaf;
        seen.verdict.certificate_count = 1;
        host_look_read(&seen, sessions_findings(sessions, NULL), false, &sessions->arena, &look);
        assert_string_equal(look.shown[HOST_ORGANIZATION], issuers[i].organization);
        assert_string_equal(look.shown[HOST_ISSUER], issuers[i].told);
    }
}

static void reads_any_reply_to_ehlo(void **state)
{
    static const struct {
        const char *raw, *keywords;
    } replies[] = {
        { "250 mx.example.org\r\n", "" },
        { "250-mx.example.org\r\n250-starttls\r\n250-Size 1000\r\n250 DSN\r\n",
          "DSN SIZE STARTTLS" },
        { "250-STARTTLS\r\n250-DSN\r\n250-DSN\r\n250 AUTH=LOGIN\r\n", "AUTH DSN" },
        { "250-mx\r\n250-\r\n250- \r\n250 \x01\xff\r\n", "" },
        { "250-mx\r\n25", "" },
        { "", "" },
    };
    struct sessions *sessions = *state;

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct observation seen;
        struct host_look look;

        observation_init(&seen);
        seen.ehlo =
            (struct observed_reply){ .came = true, .code = 250, .raw = span_of(replies[i].raw) };
        host_look_read(&seen, sessions_findings(sessions, NULL), false, &sessions->arena, &look);
        assert_string_equal(look.shown[HOST_KEYWORDS], replies[i].keywords);
    }
}

static void bounds_what_a_reply_may_say(void **state)
{
    struct sessions *sessions = *state;
    struct observation seen;
    struct host_look look;
    struct buffer raw;

    buffer_init(&raw, 1 << 20);
    assert_true(buffer_append_text(&raw, "250-mx\r\n"));
    for (int i = 0; i < 2000; i++)
        assert_true(
            buffer_format(&raw, "250-X%d-IS-A-VERY-LONG-KEYWORD-OF-A-SERVER-THAT-HAS-MANY\r\n", i));
    observation_init(&seen);
    seen.ehlo = (struct observed_reply){ .came = true, .code = 250, .raw = buffer_span(&raw) };
    host_look_read(&seen, sessions_findings(sessions, NULL), false, &sessions->arena, &look);
    assert_in_range(strlen(look.shown[HOST_KEYWORDS]), 100, HOST_LOOK_TEXT);
    buffer_clear(&raw);
}

static const struct {
    enum host_aspect aspect;
    const char *before, *now, *told;
} tellings[] = {
    { HOST_ISSUER, "R11 (Let's Encrypt)", "FGT60F (Fortinet)",
      "since 2026-11-22 02:10 UTC the issuer is FGT60F (Fortinet); before, R11 (Let's Encrypt)\n" },
    { HOST_KEY, "0123456789abcdef0123", "fedcba98765432100123",
      "since 2026-11-22 02:10 UTC the key's SHA-256 is fedcba9876543210; before, 0123456789abcdef\n" },
    { HOST_VERSION, "TLSv1.3", "none",
      "since 2026-11-22 02:10 UTC the TLS version is none; before, TLSv1.3\n" },
    { HOST_VERDICT, "", "handshake-reset",
      "since 2026-11-22 02:10 UTC the findings are handshake-reset; before, none\n" },
    { HOST_KEYWORDS, "8BITMIME SIZE STARTTLS", "8BITMIME XXXXXXXA",
      "since 2026-11-22 02:10 UTC EHLO no longer offers SIZE, STARTTLS now offers XXXXXXXA\n" },
    { HOST_KEYWORDS_INSIDE, "8BITMIME", "8BITMIME DSN",
      "since 2026-11-22 02:10 UTC EHLO inside TLS now offers DSN\n" },
};

static void says_what_differs_and_since_when(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tellings); i++) {
        struct host_look before = { { NULL } }, now = { { NULL } };
        struct buffer words;

        buffer_init(&words, 4096);
        before.shown[tellings[i].aspect] = tellings[i].before;
        now.shown[tellings[i].aspect] = tellings[i].now;
        before.shown[HOST_ORGANIZATION] = "one";
        now.shown[HOST_ORGANIZATION] = "other";
        assert_true(host_look_differs(&before, &now, tellings[i].aspect));
        assert_true(host_look_tell(&before, &now, tellings[i].aspect, SINCE_S, &words));
        assert_true(span_equal(buffer_span(&words), span_of(tellings[i].told)));
        buffer_clear(&words);
    }
}

static void takes_another_intermediate_of_the_same_organization_for_the_same_issuer(void **state)
{
    struct host_look before = {
        { [HOST_ISSUER] = "R10 (Let's Encrypt)", [HOST_ORGANIZATION] = "Let's Encrypt" }
    };
    struct host_look now = {
        { [HOST_ISSUER] = "R11 (Let's Encrypt)", [HOST_ORGANIZATION] = "Let's Encrypt" }
    };

    (void)state;
    for (enum host_aspect aspect = 0; aspect < HOST_ASPECTS; aspect++)
        assert_false(host_look_differs(&before, &now, aspect));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_who_issued_what_was_spoken_and_what_was_wrong,
                                        sessions_open, sessions_close),
        cmocka_unit_test_setup_teardown(shows_nothing_that_the_session_did_not_come_to,
                                        sessions_open, sessions_close),
        cmocka_unit_test_setup_teardown(leaves_out_what_only_follows_and_what_only_warns,
                                        sessions_open, sessions_close),
        cmocka_unit_test_setup_teardown(reads_the_organization_of_any_issuer, sessions_open,
                                        sessions_close),
        cmocka_unit_test_setup_teardown(reads_any_reply_to_ehlo, sessions_open, sessions_close),
        cmocka_unit_test_setup_teardown(bounds_what_a_reply_may_say, sessions_open, sessions_close),
        cmocka_unit_test(says_what_differs_and_since_when),
        cmocka_unit_test(takes_another_intermediate_of_the_same_organization_for_the_same_issuer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
