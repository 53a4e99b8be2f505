/* diagnose/judge_handshake.c - why a handshake did not end, by what this one session showed. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

enum { HANDSHAKE_CERTIFICATE = 11 };

static bool says(const char *reason, const char *words)
{
    return reason != NULL && strstr(reason, words) != NULL;
}

/* Where in the handshake it stopped. */
static const char *when_it_stopped(struct judge *judge)
{
    const struct tls_facts *tls = &judge->seen->tls;

    if (tls->last_message_received == 0xff && tls->first_bytes.len > 0 && !tls->has_server_hello &&
        judge_fatal_alert(tls, false) == NULL)
        return arena_format(judge->arena, "after the first %zu octets of its answer",
                            tls->first_bytes.len);
    if (tls->last_message_received == 0xff)
        return "right after our ClientHello";
    return arena_format(judge->arena, "after its %s",
                        tls_handshake_message_name(tls->last_message_received));
}

/* ", whichever way we dial": the experiments told nothing else. */
static const char *though(struct judge *judge)
{
    size_t failed = 0;

    for (size_t i = 0; i < judge->experiments->count; i++)
        failed += !experiment_succeeded(judge->experiments->items[i]);
    if (failed < 2 || failed < judge->experiments->count)
        return "";
    return arena_format(judge->arena, "; %zu other ways to dial fail too", failed);
}

static void add_version(struct judge *judge, const char *theirs)
{
    struct finding *finding = JUDGE_ADD(judge, "handshake-no-common-version", { "theirs", theirs },
                                        { "ours", judge_offer(judge, &judge->seen->tls) });

    judge_prove_dials(judge, finding);
}

static void add_weak_dh(struct judge *judge)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const struct observation *lax = experiment_find(judge->experiments, DIAL_SECURITY_LEVEL_0);
    int bits = tls->group_bits;
    struct finding *finding;

    if (bits == 0 && lax != NULL)
        bits = lax->tls.group_bits;
    finding = JUDGE_ADD(
        judge, "handshake-weak-dh",
        { "bits", bits > 0 ? arena_format(judge->arena, "%d bits", bits) : "less than 2048 bits" });
    if (tls->cipher != NULL)
        judge_prove(judge, finding, "it chose %s with %s", tls->cipher,
                    tls->group == NULL ? "a small group" : tls->group);
    judge_prove_dials(judge, finding);
}

static void add_no_common(struct judge *judge, const char *variant)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const char *theirs = tls->library_reason == NULL ? "unknown" : tls->library_reason;
    struct finding *finding = judge_add(judge, "handshake-no-common-cipher", NULL, 0);

    if (tls->signature != NULL && strcmp(variant, "signature-algorithm") == 0)
        theirs = arena_format(judge->arena, "it signs with %s", tls->signature);
    JUDGE_REWORD(judge, finding, variant, { "theirs", theirs });
    if (tls->library_reason != NULL)
        judge_prove(judge, finding, "our TLS library says: %s", tls->library_reason);
    judge_prove_dials(judge, finding);
}

static const char *our_alert_variant(const struct tls_facts *tls)
{
    const char *reason = tls->library_reason;

    if (says(reason, "excessive message size"))
        return "certificate-too-large";
    if (says(reason, "bad signature"))
        return "key-mismatch";
    if (tls->last_message_received == HANDSHAKE_CERTIFICATE && tls->chain_count == 0)
        return "certificate-message";
    return says(reason, "inappropriate fallback") ? "downgraded" : "our-alert";
}

static void add_our_alert(struct judge *judge)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const struct tls_alert *sent = judge_fatal_alert(tls, true);
    const char *alert =
        sent == NULL ? "internal_error (80)" : judge_alert(judge, sent->description);
    const char *meaning = tls->library_reason != NULL ? tls->library_reason
                          : sent == NULL              ? "no reason given"
                                                      : judge_alert_meaning(sent->description);
    const char *when = when_it_stopped(judge);
    struct finding *finding =
        JUDGE_ADD(judge, "handshake-alert", { "when", when }, { "alert", alert },
                  { "meaning", meaning }, { "though", "" });
    const char *variant = our_alert_variant(tls);

    JUDGE_REWORD(judge, finding, variant, { "when", when }, { "alert", alert },
                 { "meaning", meaning });
    judge_prove(judge, finding, "alert %s sent by us, %s", alert, when);
    if (tls->library_reason != NULL)
        judge_prove(judge, finding, "our TLS library says: %s", tls->library_reason);
    judge_prove_dials(judge, finding);
}

/* Our own library gave up: its reason is the cause. */
static void judge_our_refusal(struct judge *judge)
{
    static const struct {
        const char *words, *variant;
    } reasons[] = {
        { "signature type", "signature-algorithm" },
        { "sigalg", "signature-algorithm" },
        { "signature algorithms", "signature-algorithm" },
        { "signature algorithm", "signature-algorithm" },
        { "unknown digest", "signature-algorithm" },
        { "wrong curve", "group" },
        { "elliptic curve", "group" },
        { "suitable key share", "group" },
        { "suitable groups", "group" },
        { "ecdh parameters", "group" },
        { "key too small", "security-level" },
        { "md too weak", "security-level" },
    };
    const struct tls_facts *tls = &judge->seen->tls;
    const struct tls_alert *sent = judge_fatal_alert(tls, true);

    if ((sent != NULL && sent->description == 70) ||
        says(tls->library_reason, "protocol version") ||
        says(tls->library_reason, "unsupported protocol") ||
        says(tls->library_reason, "wrong ssl version")) {
        add_version(judge, tls->version == 0 ? "an older version of TLS"
                                             : arena_format(judge->arena, "%s at most",
                                                            tls_version_name(tls->version)));
        return;
    }
    if (says(tls->library_reason, "dh key too small")) {
        add_weak_dh(judge);
        return;
    }
    if (says(tls->library_reason, "legacy renegotiation")) {
        struct finding *finding = judge_add(judge, "handshake-legacy-renegotiation", NULL, 0);

        judge_prove(judge, finding, "its ServerHello (%s) lacks the extension renegotiation_info",
                    tls_version_name(tls->version));
        judge_prove_dials(judge, finding);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (says(tls->library_reason, reasons[i].words)) {
            add_no_common(judge, reasons[i].variant);
            return;
        }
    }
    add_our_alert(judge);
}

static struct finding *add_unknown_name(struct judge *judge)
{
    const struct observation *without = experiment_find(judge->experiments, DIAL_WITHOUT_SNI);
    const struct tls_alert *again =
        without == NULL ? NULL : judge_fatal_alert(&without->tls, false);
    const char *sni = text_printable(judge->arena, span_of(judge->seen->tls.sni), false);
    struct finding *finding = JUDGE_ADD(judge, "handshake-name-not-recognized", { "sni", sni });

    if (again != NULL && again->description == 112)
        JUDGE_REWORD(judge, finding, "name-or-none", { "sni", sni });
    return finding;
}

static void judge_their_alert(struct judge *judge, const struct tls_alert *alert)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const char *ours = judge_offer(judge, tls);
    struct finding *finding;

    if (alert->description == 112 && tls->sni != NULL) {
        finding = add_unknown_name(judge);
    } else if (alert->description == 70) {
        finding = JUDGE_ADD(judge, "handshake-no-common-version",
                            { "theirs", "another version of TLS" }, { "ours", ours });
        JUDGE_REWORD(judge, finding, "version-unknown", { "ours", ours });
    } else if (alert->description == 71) {
        finding = judge_add(judge, "handshake-no-common-cipher", NULL, 0);
    } else if (alert->description == 0) {
        finding = JUDGE_ADD(judge, "handshake-closed", { "when", when_it_stopped(judge) },
                            { "though", though(judge) });
    } else {
        finding = JUDGE_ADD(judge, "handshake-alert", { "when", when_it_stopped(judge) },
                            { "alert", judge_alert(judge, alert->description) },
                            { "meaning", judge_alert_meaning(alert->description) },
                            { "though", though(judge) });
    }
    judge_prove(judge, finding, "alert %s from the server, %s",
                judge_alert(judge, alert->description), when_it_stopped(judge));
    judge_prove_dials(judge, finding);
}

/* TLS 1.2: its Certificate was the last that came, and what it has to sign was due. */
static bool stopped_before_signing(const struct tls_facts *tls)
{
    return tls->last_message_received == 11 && tls->version != 0 &&
           tls->version < TLS_VERSION_1_3 && says(tls->cipher, "DHE_");
}

static void judge_mute(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *code = seen->ending == ENDING_RESET     ? "handshake-reset"
                       : seen->ending == ENDING_TIMEOUT ? "handshake-timeout"
                                                        : "handshake-closed";
    struct finding *finding =
        JUDGE_ADD(judge, code, { "when", when_it_stopped(judge) },
                  { "seconds", judge_wait(judge, seen->timeout_ms) }, { "though", though(judge) });

    if (seen->ending != ENDING_TIMEOUT && stopped_before_signing(&seen->tls))
        JUDGE_REWORD(judge, finding, "stops-before-signing",
                     { "closes", judge_closes(seen->ending) }, { "though", though(judge) });
    if (seen->tls.first_bytes.len > 0)
        judge_prove(judge, finding, "first bytes of its answer: %s",
                    text_hex(judge->arena, span_part(seen->tls.first_bytes, 0, 24)));
    else
        judge_prove(judge, finding, "not one byte came after our ClientHello of %zu octets",
                    seen->tls.hello_bytes);
    judge_prove_dials(judge, finding);
}

/* A session that stands on a small group: others refuse it. */
static void judge_weak_success(struct judge *judge)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const char *bits;
    struct finding *finding;

    if (tls->group_bits <= 0 || tls->group_bits >= 2048)
        return;
    bits = arena_format(judge->arena, "%d bits", tls->group_bits);
    finding = JUDGE_ADD(judge, "handshake-weak-dh", { "bits", bits });
    JUDGE_REWORD(judge, finding, "weak-dh-accepted", { "bits", bits });
    finding->severity = SEVERITY_WARNING;
    judge_prove(judge, finding, "key exchange: %s, %s", tls->cipher == NULL ? "DHE" : tls->cipher,
                tls->group == NULL ? bits : tls->group);
}

void judge_handshake(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct tls_alert *alert = judge_fatal_alert(&seen->tls, false);

    if (!seen->tls.was_started || seen->tls.is_not_tls || seen->ending == ENDING_NOT_TLS ||
        seen->ending == ENDING_INJECTED)
        return;
    /* Until the first reply came inside, TLS can still fail: RFC 8446 section 4.4.2.4. */
    if (seen->tls.was_completed &&
        (seen->ending != ENDING_TLS || seen->ehlo_after_tls.came || seen->second_greeting.came ||
         findings_find(judge->findings, "client-certificate-required") != NULL ||
         findings_find(judge->findings, "client-certificate-rejected") != NULL)) {
        judge_weak_success(judge);
        return;
    }
    if (seen->ending == ENDING_FAILED || seen->ending == ENDING_STOPPED ||
        (!seen->tls.was_completed && judge_client_certificate(judge)))
        return;
    if (alert == NULL && (judge_fatal_alert(&seen->tls, true) != NULL ||
                          (seen->ending == ENDING_TLS && seen->tls.library_reason != NULL)))
        judge_our_refusal(judge);
    else if (judge_differential(judge))
        return;
    else if (alert != NULL)
        judge_their_alert(judge, alert);
    else
        judge_mute(judge);
}
