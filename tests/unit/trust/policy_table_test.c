/* tests/unit/trust/policy_table_test.c - the decision matrix as one can read it: what happened, by level.
 *
 * policy_test.c compares all sessions there can be with the rules; here are the ones that there are, each
 * with what every level makes of it. tests/integration/gateway/matrix_test.py asks the same of a gateway. */
#include "trust/policy.h"

#include <string.h>

#include "base/compiler.h"
#include "unit/test.h"

/* Over TLS, to whoever it is; over TLS, to whom we know; in the clear, at once or by a second call; by a
 * second call without our certificate; not now. All but the first two with their reason. */
/* clang-format off */
#define DELIVER     { POLICY_DELIVER, POLICY_REASON_FINE, false, false }
#define KNOWN       { POLICY_DELIVER, POLICY_REASON_FINE, true, false }
#define OLD         { POLICY_DELIVER, POLICY_REASON_VERSION, false, false }
#define CLEAR(why)  { POLICY_DELIVER_IN_CLEAR, POLICY_REASON_##why, false, false }
#define SECOND(why) { POLICY_REDIAL_WITHOUT_TLS, POLICY_REASON_##why, false, false }
#define BARE        { POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE, POLICY_REASON_CLIENT_CERTIFICATE, false, false }
#define WAIT(why)   { POLICY_DEFER, POLICY_REASON_##why, false, false }
#define NONE        CLEAR(LEVEL_NONE)
#define NO_TLSA     WAIT(TLSA_REQUIRED)

#define GOOD        .offered = true, .encrypted = true, .chain_trusted = true, .host_named = true, .domain_named = true
#define ENFORCED    .sts = POLICY_STS_ENFORCE, .sts_host_listed = true

static const struct row {
    const char *what;
    struct policy_session session;
    struct policy_outcome by_level[POLICY_LEVEL_COUNT];
    /* none, may, encrypt, fingerprint,
     * dane, dane-only, verify, secure, sts */
} rows[] = {
    { "all is well", { GOOD, ENFORCED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, KNOWN } },
    { "it has the certificate that is pinned, and nobody trusts that", { .offered = true, .encrypted = true, .fingerprint_matched = true, ENFORCED },
      { NONE, DELIVER, DELIVER, KNOWN,
        DELIVER, NO_TLSA, WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED) } },
    { "the TLSA record matches", { GOOD, ENFORCED, .tlsa = POLICY_TLSA_USABLE, .tlsa_matched = true },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        KNOWN, KNOWN, KNOWN, KNOWN, KNOWN } },
    { "the TLSA record does not match", { GOOD, ENFORCED, .tlsa = POLICY_TLSA_USABLE },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        WAIT(TLSA_MISMATCH), WAIT(TLSA_MISMATCH), KNOWN, KNOWN, WAIT(TLSA_MISMATCH) } },
    { "the TLSA record matches, of a host that an unsigned MX names", { GOOD, .sts = POLICY_STS_NONE, .tlsa = POLICY_TLSA_USABLE, .tlsa_matched = true, .mx_insecure = true },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, DELIVER } },
    { "and it is a host that the domain's policy does not list", { GOOD, .sts = POLICY_STS_ENFORCE, .tlsa = POLICY_TLSA_USABLE, .tlsa_matched = true, .mx_insecure = true },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, WAIT(STS_HOST) } },
    { "the TLSA record matches, and nothing else is right", { .offered = true, .encrypted = true, .sts = POLICY_STS_ENFORCE, .tlsa = POLICY_TLSA_USABLE, .tlsa_matched = true },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        KNOWN, KNOWN, WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED), KNOWN } },
    { "no TLSA record can be used", { GOOD, ENFORCED, .tlsa = POLICY_TLSA_UNUSABLE },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, KNOWN } },
    { "TLSA is not to be had, and the zone is signed", { GOOD, ENFORCED, .tlsa = POLICY_TLSA_LOOKUP_FAILED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        WAIT(TLSA_LOOKUP), WAIT(TLSA_LOOKUP), KNOWN, KNOWN, WAIT(TLSA_LOOKUP) } },
    { "no TLSA record can be used, and no TLS is offered", { ENFORCED, .tlsa = POLICY_TLSA_UNUSABLE },
      { NONE, CLEAR(NOT_OFFERED), WAIT(NOT_OFFERED), WAIT(NOT_OFFERED),
        WAIT(NOT_OFFERED), NO_TLSA, WAIT(NOT_OFFERED), WAIT(NOT_OFFERED), WAIT(NOT_OFFERED) } },
    { "the certificate is not trusted", { .offered = true, .encrypted = true, .host_named = true, .domain_named = true, ENFORCED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED) } },
    { "it names another", { .offered = true, .encrypted = true, .chain_trusted = true, ENFORCED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, WAIT(HOST_NOT_NAMED), WAIT(DOMAIN_NOT_NAMED), WAIT(HOST_NOT_NAMED) } },
    { "it names the host, and not the domain: any zone can say so", { .offered = true, .encrypted = true, .chain_trusted = true, .host_named = true, ENFORCED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, WAIT(DOMAIN_NOT_NAMED), KNOWN } },
    { "it names the domain, and not the host", { .offered = true, .encrypted = true, .chain_trusted = true, .domain_named = true, ENFORCED },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, WAIT(HOST_NOT_NAMED), KNOWN, WAIT(HOST_NOT_NAMED) } },
    { "the domain's policy does not list the host", { GOOD, .sts = POLICY_STS_ENFORCE },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, WAIT(STS_HOST) } },
    { "the domain's policy is being tried out, and no TLS is offered", { .sts = POLICY_STS_TESTING },
      { NONE, CLEAR(NOT_OFFERED), WAIT(NOT_OFFERED), WAIT(NOT_OFFERED),
        CLEAR(NOT_OFFERED), NO_TLSA, WAIT(NOT_OFFERED), WAIT(NOT_OFFERED), CLEAR(NOT_OFFERED) } },
    { "nobody knows the domain's policy, and the certificate is not trusted", { .offered = true, .encrypted = true },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, WAIT(NOT_TRUSTED), WAIT(NOT_TRUSTED), WAIT(STS_UNKNOWN) } },
    { "nobody knows the domain's policy, and all is well", { GOOD },
      { NONE, DELIVER, DELIVER, WAIT(FINGERPRINT),
        DELIVER, NO_TLSA, KNOWN, KNOWN, DELIVER } },
    { "no TLS is offered", { ENFORCED },
      { NONE, CLEAR(NOT_OFFERED), WAIT(NOT_OFFERED), WAIT(NOT_OFFERED),
        CLEAR(NOT_OFFERED), NO_TLSA, WAIT(NOT_OFFERED), WAIT(NOT_OFFERED), WAIT(NOT_OFFERED) } },
    { "STARTTLS is refused", { .offered = true, .refused = true, ENFORCED },
      { NONE, CLEAR(REFUSED), WAIT(REFUSED), WAIT(REFUSED),
        CLEAR(REFUSED), NO_TLSA, WAIT(REFUSED), WAIT(REFUSED), WAIT(REFUSED) } },
    { "the handshake fails", { .offered = true, .handshake_failed = true, ENFORCED },
      { NONE, WAIT(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE),
        WAIT(HANDSHAKE), NO_TLSA, WAIT(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE) } },
    { "the handshake fails, and the message has waited", { .offered = true, .handshake_failed = true, .may_go_clear = true, ENFORCED },
      { NONE, SECOND(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE),
        SECOND(HANDSHAKE), NO_TLSA, WAIT(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE) } },
    { "STARTTLS is never answered", { .offered = true, ENFORCED },
      { NONE, WAIT(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE),
        WAIT(HANDSHAKE), NO_TLSA, WAIT(HANDSHAKE), WAIT(HANDSHAKE), WAIT(HANDSHAKE) } },
    { "EHLO is refused inside TLS", { .offered = true, .after_tls_failed = true, ENFORCED },
      { NONE, WAIT(AFTER_TLS), WAIT(AFTER_TLS), WAIT(AFTER_TLS),
        WAIT(AFTER_TLS), NO_TLSA, WAIT(AFTER_TLS), WAIT(AFTER_TLS), WAIT(AFTER_TLS) } },
    { "EHLO is refused inside TLS, and the message has waited", { .offered = true, .after_tls_failed = true, .may_go_clear = true, ENFORCED },
      { NONE, SECOND(AFTER_TLS), WAIT(AFTER_TLS), WAIT(AFTER_TLS),
        SECOND(AFTER_TLS), NO_TLSA, WAIT(AFTER_TLS), WAIT(AFTER_TLS), WAIT(AFTER_TLS) } },
    { "somebody speaks between, however long the message has waited", { .offered = true, .injected = true, .may_go_clear = true, ENFORCED },
      { NONE, WAIT(INJECTED), WAIT(INJECTED), WAIT(INJECTED),
        WAIT(INJECTED), NO_TLSA, WAIT(INJECTED), WAIT(INJECTED), WAIT(INJECTED) } },
    { "it refuses our certificate", { .offered = true, .handshake_failed = true, .client_certificate_refused = true, ENFORCED },
      { NONE, BARE, BARE, BARE,
        BARE, NO_TLSA, BARE, BARE, BARE } },
    { "its version is below the rule's", { GOOD, ENFORCED, .version_too_old = true, .fingerprint_matched = true },
      { NONE, OLD, WAIT(VERSION), WAIT(VERSION),
        OLD, NO_TLSA, WAIT(VERSION), WAIT(VERSION), WAIT(VERSION) } },
    { "nobody answers", { .unanswered = true, .may_go_clear = true, ENFORCED },
      { WAIT(UNANSWERED), WAIT(UNANSWERED), WAIT(UNANSWERED), WAIT(UNANSWERED),
        WAIT(UNANSWERED), WAIT(UNANSWERED), WAIT(UNANSWERED), WAIT(UNANSWERED), WAIT(UNANSWERED) } },
};
/* clang-format on */

static void expect(const struct row *row, enum policy_level level,
                   const struct policy_session *session, struct policy_outcome wanted)
{
    struct policy_outcome got = policy_decide(level, session);

    if (got.decision != wanted.decision || got.reason != wanted.reason ||
        got.is_authenticated != wanted.is_authenticated)
        fail_msg("%s, at level %s: %s for reason %d%s, and not %s for reason %d%s", row->what,
                 policy_level_name(level), policy_decision_name(got.decision), (int)got.reason,
                 got.is_authenticated ? ", authenticated" : "",
                 policy_decision_name(wanted.decision), (int)wanted.reason,
                 wanted.is_authenticated ? ", authenticated" : "");
}

static void decides_each_row_at_each_level(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int level = 0; level < POLICY_LEVEL_COUNT; level++)
            expect(&rows[i], (enum policy_level)level, &rows[i].session, rows[i].by_level[level]);
}

/* Where a level has mail wait, another host is asked first: but for the policy that nobody knows, which
 * is the domain's and so that of all its hosts. */
static void asks_the_other_hosts_before_mail_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int level = 0; level < POLICY_LEVEL_COUNT; level++) {
            struct policy_session session = rows[i].session;
            struct policy_outcome wanted = rows[i].by_level[level];

            session.has_other_hosts = true;
            if (wanted.decision == POLICY_DEFER && wanted.reason != POLICY_REASON_STS_UNKNOWN)
                wanted.decision = POLICY_NEXT_HOST;
            expect(&rows[i], (enum policy_level)level, &session, wanted);
        }
}

/* Each word of the decision stands in the table, so that none can be forgotten. */
static void names_every_decision_and_every_reason(void **state)
{
    bool decisions[POLICY_DECISION_COUNT] = { [POLICY_NEXT_HOST] = true, [POLICY_BOUNCE] = true };
    bool reasons[POLICY_REASON_VERSION + 1] = { false };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int level = 0; level < POLICY_LEVEL_COUNT; level++) {
            decisions[rows[i].by_level[level].decision] = true;
            reasons[rows[i].by_level[level].reason] = true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(decisions); i++)
        assert_true(decisions[i]);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        assert_true(reasons[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_each_row_at_each_level),
        cmocka_unit_test(asks_the_other_hosts_before_mail_waits),
        cmocka_unit_test(names_every_decision_and_every_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
