/* diagnose/judge_differential.c - which one thing, changed, makes it work? the experiments, read
 * together.
 *
 * Each explanation asks whether the outcomes fit it and no other; the first that does is the
 * cause. The planner (diagnose/experiment.c) dials so that they can be told apart.
 */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

/* How one experiment went; one that was not made, or never came to TLS, says nothing. */
enum trial { UNKNOWN, WORKED, FAILED };

static enum trial trial(const struct judge *judge, enum dial dial)
{
    const struct observation *made = experiment_find(judge->experiments, dial);

    if (made == NULL)
        return UNKNOWN;
    if (experiment_succeeded(made))
        return WORKED;
    return made->tls.was_started || made->has_raw_answer || made->ending == ENDING_CLOSED ||
                   made->ending == ENDING_RESET || made->ending == ENDING_TIMEOUT
               ? FAILED
               : UNKNOWN;
}

/* Did it answer at all, if only with an alert? Then the bytes came through to it. */
static bool spoke(const struct judge *judge, enum dial dial)
{
    const struct observation *made = experiment_find(judge->experiments, dial);

    return made != NULL &&
           (made->has_raw_answer || made->tls.has_server_hello || made->tls.first_bytes.len > 0);
}

static const char *how_it_ends(struct judge *judge)
{
    const struct tls_alert *alert = judge_fatal_alert(&judge->seen->tls, false);

    if (alert != NULL)
        return arena_format(judge->arena, "answers with the alert %s",
                            judge_alert(judge, alert->description));
    switch ((int)judge->seen->ending) {
    case ENDING_RESET: return "resets the connection";
    case ENDING_TIMEOUT: return "falls silent";
    default: return "closes the connection";
    }
}

/* The finding of the symptom, which the explanation then rewords. */
static struct finding *add_symptom(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct tls_alert *alert = judge_fatal_alert(&seen->tls, false);
    const char *code;

    if (seen->tls.was_completed)
        code = seen->ending == ENDING_TIMEOUT ? "after-tls-timeout" : "after-tls-closed";
    else if (alert != NULL && alert->description == 70)
        code = "handshake-no-common-version";
    else if (alert != NULL && alert->description != 0)
        code = "handshake-alert";
    else
        code = seen->ending == ENDING_RESET     ? "handshake-reset"
               : seen->ending == ENDING_TIMEOUT ? "handshake-timeout"
                                                : "handshake-closed";
    return JUDGE_ADD(judge, code, { "when", "" }, { "though", "" },
                     { "seconds", judge_wait(judge, seen->timeout_ms) },
                     { "closes", judge_closes(seen->ending) }, { "alert", "" }, { "meaning", "" },
                     { "theirs", "" }, { "ours", "" });
}

static bool explain(struct judge *judge, const char *variant)
{
    const struct tls_facts *tls = &judge->seen->tls;
    struct finding *finding = add_symptom(judge);

    JUDGE_REWORD(judge, finding, variant, { "how", how_it_ends(judge) },
                 { "sni", tls->sni == NULL
                              ? "no name"
                              : text_printable(judge->arena, span_of(tls->sni), false) });
    judge_prove_dials(judge, finding);
    return true;
}

static bool explain_size(struct judge *judge)
{
    const struct observation *small = experiment_find(judge->experiments, DIAL_SMALL_HELLO);
    struct finding *finding = add_symptom(judge);

    JUDGE_REWORD(judge, finding, "large-hello",
                 { "large", arena_format(judge->arena, "%zu", judge->seen->tls.hello_bytes) },
                 { "small", arena_format(judge->arena, "%zu", small->tls.hello_bytes) });
    judge_prove(judge, finding, "%s with a ClientHello of %zu octets, an answer to one of %zu",
                judge->seen->ending == ENDING_TIMEOUT ? "silence"
                : judge->seen->ending == ENDING_RESET ? "RST"
                                                      : "an end",
                judge->seen->tls.hello_bytes, small->tls.hello_bytes);
    judge_prove_dials(judge, finding);
    return true;
}

/* What failed first went well when it was only repeated: no other experiment proves a thing. */
static bool by_repetition(struct judge *judge)
{
    return trial(judge, DIAL_AS_CONFIGURED) == WORKED && explain(judge, "unstable");
}

static bool by_name(struct judge *judge)
{
    const struct tls_alert *alert = judge_fatal_alert(&judge->seen->tls, false);
    const struct observation *without = experiment_find(judge->experiments, DIAL_WITHOUT_SNI);

    if (alert != NULL && alert->description == 112)
        return false; /* it says so itself */
    return trial(judge, DIAL_WITHOUT_SNI) == WORKED && judge->seen->tls.sni != NULL &&
           without->tls.sni == NULL && explain(judge, "sni-intolerant");
}

static bool has_small_group(const struct tls_facts *tls)
{
    return tls->group_bits > 0 && tls->group_bits < 2048;
}

static bool add_too_weak(struct judge *judge, const struct tls_facts *tls)
{
    struct finding *finding;

    if (has_small_group(tls)) {
        finding = JUDGE_ADD(judge, "handshake-weak-dh",
                            { "bits", arena_format(judge->arena, "%d bits", tls->group_bits) });
    } else {
        finding = judge_add(judge, "handshake-no-common-cipher", NULL, 0);
        JUDGE_REWORD(
            judge, finding, "security-level",
            { "theirs", arena_format(judge->arena, "%s, %s%s%s", tls_version_name(tls->version),
                                     tls->cipher == NULL ? "cipher unknown" : tls->cipher,
                                     tls->signature == NULL ? "" : ", signed with ",
                                     tls->signature == NULL ? "" : tls->signature) });
    }
    judge_prove_dials(judge, finding);
    return true;
}

/* A small ClientHello passes and one of TLS 1.2 does: the larger one without TLS 1.3 tells. */
static bool by_hello(struct judge *judge)
{
    enum trial small = trial(judge, DIAL_SMALL_HELLO), tls12 = trial(judge, DIAL_TLS12_ONLY);
    const struct tls_facts *with;
    bool large_one_was_lost =
        trial(judge, DIAL_RAW_OBSOLETE) == FAILED && !spoke(judge, DIAL_RAW_OBSOLETE);

    if (judge->seen->tls.has_server_hello)
        return tls12 == WORKED && judge->seen->tls.version == TLS_VERSION_1_3 &&
               explain(judge, "tls13-broken");
    if (small == WORKED && trial(judge, DIAL_WITHOUT_TICKETS) != WORKED &&
        (tls12 == FAILED || (tls12 == WORKED && large_one_was_lost)))
        return explain_size(judge);
    if (tls12 != WORKED)
        return false;
    /* An offer of TLS 1.3 names groups of finite-field DH, and whoever has none of these may not use
     * its own then: RFC 7919 section 4. */
    with = &experiment_find(judge->experiments, DIAL_TLS12_ONLY)->tls;
    return has_small_group(with) ? add_too_weak(judge, with) : explain(judge, "tls13-intolerant");
}

static bool by_tickets(struct judge *judge)
{
    return trial(judge, DIAL_WITHOUT_TICKETS) == WORKED && explain(judge, "ticket-intolerant");
}

static bool by_rsa(struct judge *judge)
{
    return trial(judge, DIAL_RSA_ONLY) == WORKED && explain(judge, "ecdsa-broken");
}

static bool add_version(struct judge *judge, uint16_t version)
{
    struct finding *finding =
        JUDGE_ADD(judge, "handshake-no-common-version",
                  { "theirs", arena_format(judge->arena, "nothing newer than %s",
                                           tls_version_name(version)) },
                  { "ours", judge_offer(judge, &judge->seen->tls) });

    judge_prove_dials(judge, finding);
    return true;
}

static bool by_old_versions(struct judge *judge)
{
    const struct observation *old = experiment_find(judge->experiments, DIAL_OLD_VERSIONS);

    if (trial(judge, DIAL_OLD_VERSIONS) != WORKED)
        return false;
    return old->tls.version < TLS_VERSION_1_2 ? add_version(judge, old->tls.version)
                                              : add_too_weak(judge, &old->tls);
}

static bool by_security_level(struct judge *judge)
{
    const struct observation *lax = experiment_find(judge->experiments, DIAL_SECURITY_LEVEL_0);

    return trial(judge, DIAL_SECURITY_LEVEL_0) == WORKED && add_too_weak(judge, &lax->tls);
}

static bool by_renegotiation(struct judge *judge)
{
    struct finding *finding;

    if (trial(judge, DIAL_LEGACY_RENEGOTIATION) != WORKED)
        return false;
    finding = judge_add(judge, "handshake-legacy-renegotiation", NULL, 0);
    judge_prove_dials(judge, finding);
    return true;
}

static const char *weakness_words(uint16_t cipher)
{
    switch (hello_cipher_weakness(cipher)) {
    case HELLO_CIPHER_NULL: return "which encrypts nothing";
    case HELLO_CIPHER_ANONYMOUS: return "anonymous, without a certificate";
    case HELLO_CIPHER_EXPORT: return "an export cipher of 40 or 56 bits";
    case HELLO_CIPHER_RC4: return "RC4, forbidden by RFC 7465";
    case HELLO_CIPHER_DES: return "single DES";
    case HELLO_CIPHER_3DES: return "3DES";
    case HELLO_CIPHER_SOUND:
    case HELLO_CIPHER_OTHER: break;
    }
    return "a cipher of the past";
}

/* AES and ChaCha20 are what every library offers; ARIA, Camellia and the like hardly one. */
static bool is_common(const char *cipher)
{
    return strstr(cipher, "_WITH_AES_") != NULL || strstr(cipher, "CHACHA20") != NULL;
}

/* What it chose when every cipher and version was offered. */
static bool by_raw_answer(struct judge *judge, enum dial dial)
{
    const struct observation *raw = experiment_find(judge->experiments, dial);
    bool old_failed = trial(judge, DIAL_OLD_VERSIONS) == FAILED;
    const char *cipher;
    struct finding *finding;

    if (trial(judge, dial) != WORKED)
        return false;
    /* That TLS 1.0 was allowed and did not help leaves the cipher; SSLv3 was never allowed. */
    if (raw->raw_answer.version <= TLS_VERSION_SSL3 ||
        (raw->raw_answer.version < TLS_VERSION_1_2 && !old_failed))
        return add_version(judge, raw->raw_answer.version);
    cipher = hello_cipher_name(raw->raw_answer.cipher);
    if (cipher == NULL)
        cipher = arena_format(judge->arena, "cipher 0x%04x", raw->raw_answer.cipher);
    finding = judge_add(judge, "handshake-no-common-cipher", NULL, 0);
    if (hello_cipher_weakness(raw->raw_answer.cipher) == HELLO_CIPHER_SOUND && !is_common(cipher))
        JUDGE_REWORD(judge, finding, "cipher-rare", { "theirs", cipher });
    else if (hello_cipher_weakness(raw->raw_answer.cipher) == HELLO_CIPHER_SOUND)
        JUDGE_REWORD(
            judge, finding, "group",
            { "theirs", arena_format(judge->arena,
                                     "it would take %s, which we offer, so it is a group%s or a "
                                     "signature algorithm that it misses",
                                     cipher,
                                     strstr(cipher, "_ECDSA_") == NULL
                                         ? ""
                                         : ", the curve of its certificate's key") });
    else
        JUDGE_REWORD(judge, finding, "cipher-obsolete", { "theirs", cipher },
                     { "weakness", weakness_words(raw->raw_answer.cipher) });
    judge_prove_dials(judge, finding);
    return true;
}

/* Offered everything that there ever was, it still says that nothing fits. */
static bool by_refusing_all(struct judge *judge)
{
    const struct observation *raw = experiment_find(judge->experiments, DIAL_RAW_OBSOLETE);
    const struct tls_alert *alert = judge_fatal_alert(&judge->seen->tls, false);
    struct finding *finding;

    if (raw == NULL || !raw->has_raw_answer || raw->raw_status != HELLO_ALERTED || alert == NULL ||
        (alert->description != 40 && alert->description != 71) ||
        (raw->raw_answer.alert_description != 40 && raw->raw_answer.alert_description != 71))
        return false;
    finding = judge_add(judge, "handshake-no-common-cipher", NULL, 0);
    judge_reword(judge, finding, "cipher-none", NULL, 0);
    judge_prove_dials(judge, finding);
    return true;
}

bool judge_differential(struct judge *judge)
{
    if (judge->experiments->count == 0)
        return false;
    return by_repetition(judge) || by_name(judge) || by_hello(judge) || by_tickets(judge) ||
           by_rsa(judge) || by_renegotiation(judge) || by_security_level(judge) ||
           by_old_versions(judge) || by_raw_answer(judge, DIAL_RAW_OBSOLETE) ||
           by_raw_answer(judge, DIAL_RAW_SSL3) || by_refusing_all(judge);
}
