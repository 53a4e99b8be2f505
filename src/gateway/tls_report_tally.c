#include "gateway/tls_report_tally.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"
#include "diagnose/reason.h"
#include "link/published.h"
#include "smtp/reply.h"

enum { HELO_MOST = 255, POLICY_LINES = 64, POLICY_LINE_MOST = 512 };

#define OTHERWISE "validation-failure" /* RFC 8460 section 4.3.3 */

/* One policy in the making. */
struct tallying {
    const struct tls_report_session *session;
    struct arena *arena;
    struct tls_report_failure *details;
    size_t count;
};

/* ---- what failed ---- */

/* Its name in the greeting, which is behind the code (RFC 5321 section 4.2). */
static const char *helo_of(const struct observation *seen, struct arena *arena)
{
    struct span text = span_part(seen->greeting.raw, 4, HELO_MOST);
    size_t len = 0;

    if (!seen->greeting.came || seen->greeting.is_broken)
        return NULL;
    while (len < text.len && text.data[len] > ' ' && text.data[len] < 0x7f)
        len++;
    return arena_copy(arena, span_part(text, 0, len));
}

static bool has_result(const struct tallying *tallying, const char *type, const char *reason)
{
    for (size_t i = 0; i < tallying->count; i++)
        if (strcmp(tallying->details[i].result_type, type) == 0 &&
            strcmp(tallying->details[i].failure_reason_code, reason) == 0)
            return true;
    return false;
}

static void add_result(struct tallying *tallying, const char *type, const char *reason)
{
    const struct observation *seen = tallying->session->seen;
    struct tls_report_failure *failure;

    type = type != NULL ? type : OTHERWISE;
    if (tallying->details == NULL || tallying->count == TLS_TALLY_RESULTS ||
        has_result(tallying, type, reason))
        return;
    failure = &tallying->details[tallying->count++];
    *failure = (struct tls_report_failure){ .result_type = type,

                                            .failure_reason_code = reason,
                                            .failed_sessions = 1 };
    if (seen == NULL)
        return;
    failure->sending_mta_ip = seen->own_address;
    failure->receiving_mx_hostname = seen->host;
    failure->receiving_mx_helo = helo_of(seen, tallying->arena);
    failure->receiving_ip = seen->address;
}

static void add_finding(struct tallying *tallying, const struct finding *finding)
{
    const struct finding *root =
        finding->because_of == NULL
            ? NULL
            : findings_find(tallying->session->findings, finding->because_of);

    if (root != NULL && root->tls_report != NULL)
        finding = root;
    add_result(tallying, finding->tls_report, finding->code);
}

static void add_code(struct tallying *tallying, const char *code)
{
    const struct finding *finding = findings_find(tallying->session->findings, code);
    const struct catalogue_row *row = catalogue_find(code);

    if (finding != NULL)
        add_finding(tallying, finding);
    else
        add_result(tallying, row == NULL ? NULL : row->tls_report, code);
}

/* A certificate may have several flaws at once, and each is a result. */
static void add_flaws(struct tallying *tallying)
{
    const struct findings *findings = tallying->session->findings;

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        if (finding->step == STEP_CERTIFICATE && finding->severity >= SEVERITY_UNTRUSTED &&
            finding->because_of == NULL && finding->tls_report != NULL)
            add_finding(tallying, finding);
    }
}

static void add_reason(struct tallying *tallying, enum policy_reason reason)
{
    const struct finding *finding = reason_find(reason, tallying->session->findings);
    const char *code;

    if (finding != NULL) {
        add_finding(tallying, finding);
    } else {
        code = reason_code(reason, tallying->session->findings);
        add_code(tallying, code == NULL ? "" : code);
    }
    if (reason == POLICY_REASON_NOT_TRUSTED || reason == POLICY_REASON_HOST_NOT_NAMED)
        add_flaws(tallying);
}

/* What the level says of the session; nothing where it lets it pass. */
static void add_decision(struct tallying *tallying, enum policy_level level,
                         const struct policy_session *session)
{
    struct policy_outcome outcome = policy_decide(level, session);

    if (outcome.decision != POLICY_DELIVER)
        add_reason(tallying, outcome.reason);
}

static void begin(struct tallying *tallying, const struct tls_report_session *session,
                  struct arena *arena)
{
    *tallying = (struct tallying){ .session = session, .arena = arena };
    tallying->details = arena_new(arena, TLS_TALLY_RESULTS, sizeof *tallying->details);
}

static void end(const struct tallying *tallying, struct tls_report_policy *policy)
{
    policy->details = tallying->details;
    policy->detail_count = tallying->count;
    policy->failures = tallying->count > 0;
    policy->successes = tallying->count == 0;
}

/* ---- DANE ---- */

/* RFC 7672 section 2.2: TLSA records none of which can be used still ask for TLS. Behind an MX answer that is not
 * signed they are compared as at level dane (section 2.2.1), but where our own level asks for more. */
static enum policy_level level_of_dane(const struct tallying *tallying, enum policy_tlsa tlsa)
{
    if (tlsa != POLICY_TLSA_USABLE)
        return POLICY_ENCRYPT;
    return tallying->session->seen->level == POLICY_DANE_ONLY ? POLICY_DANE_ONLY : POLICY_DANE;
}

static void add_dane_results(struct tallying *tallying, const struct policy_session *session)
{
    switch (session->tlsa) {
    case POLICY_TLSA_USABLE: break;
    case POLICY_TLSA_UNUSABLE: add_code(tallying, "tlsa-unusable"); break;
    case POLICY_TLSA_LOOKUP_FAILED: add_code(tallying, "tlsa-lookup-failed"); return;
    case POLICY_TLSA_NONE:
    case POLICY_TLSA_NOT_ASKED: add_code(tallying, "dane-required"); return;
    }
    if (!session->unanswered)
        add_decision(tallying, level_of_dane(tallying, session->tlsa), session);
}

static bool tally_dane(const struct tls_report_session *session,
                       const struct policy_session *established, struct arena *arena,
                       struct tls_report_policy *policy)
{
    const struct observation *seen = session->seen;
    bool is_required = seen->level == POLICY_DANE_ONLY && established->tlsa == POLICY_TLSA_NONE;
    struct tallying tallying;

    if (!is_required &&
        (established->tlsa == POLICY_TLSA_NONE || established->tlsa == POLICY_TLSA_NOT_ASKED))
        return false;
    if (established->unanswered && established->tlsa != POLICY_TLSA_LOOKUP_FAILED && !is_required)
        return false;
    *policy = (struct tls_report_policy){ .type = TLS_REPORT_TLSA,
                                          .strings = seen->tlsa_records,
                                          .string_count = seen->tlsa_count,
                                          .domain = seen->tlsa_base != NULL ? seen->tlsa_base
                                                                            : seen->host,
                                          .mx_hosts = &seen->host,
                                          .mx_count = 1 };
    begin(&tallying, session, arena);
    add_dane_results(&tallying, established);
    end(&tallying, policy);
    return true;
}

/* ---- MTA-STS ---- */

/* What of it cannot be had, or is wrong; NULL: nothing, or it is our own failure that nobody knows. */
static const char *flaw_of(const struct tls_report_session *session)
{
    static const char *const codes[] = { "sts-record-invalid", "sts-certificate-invalid",
                                         "sts-policy-invalid", "sts-fetch-failed" };
    const struct observed_published *published = session->published;

    if (published->sts_record == TXT_RECORD_INVALID)
        return codes[0];
    if (published->failure != NULL || !observed_published_fetch_failed(published))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (findings_find(session->findings, codes[i]) != NULL)
            return codes[i];
    if (published->policy_flaw != NULL)
        return "sts-policy-invalid";
    return published->fetch_outcome == HTTPS_UNTRUSTED ? "sts-certificate-invalid"
                                                       : "sts-fetch-failed";
}

/* The lines of the file (RFC 8460 section 4.4), as far as anybody would write them. */
static const char *const *lines_of(const char *text, size_t *count, struct arena *arena)
{
    const char **lines = arena_new(arena, POLICY_LINES, sizeof *lines);
    struct span rest = span_of(text);

    *count = 0;
    while (lines != NULL && rest.len > 0 && *count < POLICY_LINES) {
        struct span line = span_take_line(&rest);

        if (line.len > 0)
            lines[(*count)++] = text_printable(arena, text_front(line, POLICY_LINE_MOST), true);
    }
    return lines;
}

static void add_sts_results(struct tallying *tallying, const struct policy_session *established)
{
    const struct observed_published *published = tallying->session->published;
    struct policy_session session = *established;

    session.tlsa = POLICY_TLSA_NONE; /* it is judged for itself */
    session.sts = POLICY_STS_ENFORCE;
    session.sts_host_listed =
        mta_sts_policy_lists(&published->policy, tallying->session->seen->host);
    if (!session.sts_host_listed)
        add_code(tallying, "sts-host-not-listed");
    session.sts_host_listed = true;
    if (!session.unanswered)
        add_decision(tallying, POLICY_STS, &session);
}

/* A domain in whose policy no host counts, or whose policy cannot be had, hears of it though nobody answered. */
static bool tally_sts(const struct tls_report_session *session,
                      const struct policy_session *established, struct arena *arena,
                      struct tls_report_policy *policy)
{
    const struct observed_published *published = session->published;
    bool is_in_force = published->has_policy && (published->sts == POLICY_STS_ENFORCE ||
                                                 published->sts == POLICY_STS_TESTING);
    const char *flaw = published->has_policy ? NULL : flaw_of(session);
    struct tallying tallying;

    if (!is_in_force && flaw == NULL)
        return false;
    *policy = (struct tls_report_policy){ .type = TLS_REPORT_STS, .domain = session->domain };
    begin(&tallying, session, arena);
    if (flaw != NULL)
        add_code(&tallying, flaw);
    if (is_in_force) {
        policy->strings = lines_of(published->policy_text, &policy->string_count, arena);
        policy->mx_hosts = published->policy.mx;
        policy->mx_count = published->policy.mx_count;
        add_sts_results(&tallying, established);
    } else if (!established->unanswered) {
        add_decision(&tallying, POLICY_ENCRYPT, established);
    }
    if (established->unanswered && tallying.count == 0)
        return false;
    end(&tallying, policy);
    return true;
}

/* ---- neither ---- */

static void tally_none(const struct tls_report_session *session,
                       const struct policy_session *established, struct arena *arena,
                       struct tls_report_policy *policy)
{
    struct tallying tallying;

    *policy = (struct tls_report_policy){ .type = TLS_REPORT_NO_POLICY, .domain = session->domain };
    begin(&tallying, session, arena);
    add_decision(&tallying, POLICY_ENCRYPT, established);
    end(&tallying, policy);
}

/* Nobody was dialled, for the domain's names cannot be believed. */
static size_t tally_lookup(const struct tls_report_session *session, struct arena *arena,
                           struct tls_report_policy *policy)
{
    struct tallying tallying;

    begin(&tallying, session, arena);
    for (size_t i = 0; i < session->findings->count; i++) {
        const struct finding *finding = &session->findings->items[i];

        if (finding->fault != FAULT_CLIENT && finding->tls_report != NULL &&
            strcmp(finding->tls_report, "dnssec-invalid") == 0)
            add_finding(&tallying, finding);
    }
    if (tallying.count == 0)
        return 0;
    *policy = (struct tls_report_policy){ .type = TLS_REPORT_TLSA, .domain = session->domain };
    end(&tallying, policy);
    return 1;
}

/* ---- a session ---- */

/* Whether TLS was tried where it was offered: else we had no wish for it. */
static bool was_tried(const struct observation *seen, const struct policy_session *established)
{
    return seen->level != POLICY_NONE &&
           (!established->offered || seen->starttls.came || seen->tls.was_started ||
            seen->injected.len > 0 || seen->reached >= STEP_STARTTLS);
}

static bool is_unknown(const struct observed_published *published)
{
    return published != NULL && published->sts == POLICY_STS_UNKNOWN;
}

size_t tls_report_tally(const struct tls_report_session *session, struct arena *arena,
                        struct tls_report_policy policies[TLS_TALLY_POLICIES])
{
    struct policy_session established;
    size_t count = 0;

    if (session->seen == NULL)
        return tally_lookup(session, arena, &policies[0]);
    established = observation_session(session->seen);
    established.version_too_old = false; /* a rule of ours, not of the domain */
    established.requires_tls = false;    /* a wish of the message */
    if (!established.unanswered && !was_tried(session->seen, &established))
        return 0;
    count += tally_dane(session, &established, arena, &policies[count]);
    if (session->published != NULL)
        count += tally_sts(session, &established, arena, &policies[count]);
    if (count == 0 && !established.unanswered && !is_unknown(session->published))
        tally_none(session, &established, arena, &policies[count++]);
    return arena->exhausted ? 0 : count;
}
