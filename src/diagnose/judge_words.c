/* diagnose/judge_words.c - numbers, alerts, waits and dials as words for causes and evidence. */
#include "diagnose/judge_parts.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

enum { NAMES_SHOWN = 8 };

const char *judge_wait(struct judge *judge, int64_t milliseconds)
{
    if (milliseconds < 0)
        milliseconds = 0;
    if (milliseconds < 2000)
        return arena_format(judge->arena, "%lld ms", (long long)milliseconds);
    return text_duration(judge->arena, (milliseconds + 500) / 1000);
}

const char *judge_lookup_code(enum dns_outcome outcome)
{
    switch (outcome) {
    case DNS_TIMEOUT: return "dns-timeout";
    case DNS_SERVFAIL: return "dns-servfail";
    case DNS_BOGUS: return "dns-bogus";
    case DNS_ANSWERED:
    case DNS_NO_DATA:
    case DNS_NXDOMAIN: break;
    }
    return NULL;
}

const char *judge_closes(enum ending ending)
{
    return ending == ENDING_RESET ? "resets" : "closes";
}

const char *judge_errno(struct judge *judge, int number)
{
    switch (number) {
    case 0: return "no error number";
    case ECONNREFUSED: return "connection refused (ECONNREFUSED)";
    case ECONNRESET: return "connection reset by peer (ECONNRESET)";
    case EHOSTUNREACH: return "no route to host (EHOSTUNREACH)";
    case ENETUNREACH: return "network is unreachable (ENETUNREACH)";
    case ENETDOWN: return "network is down (ENETDOWN)";
    case EHOSTDOWN: return "host is down (EHOSTDOWN)";
    case ETIMEDOUT: return "connection timed out (ETIMEDOUT)";
    case EACCES: return "permission denied (EACCES)";
    case EPERM: return "operation not permitted (EPERM), so a local firewall forbids it";
    case EADDRNOTAVAIL: return "cannot assign requested address (EADDRNOTAVAIL)";
    case EINVAL: return "invalid argument (EINVAL)";
    default: return arena_format(judge->arena, "error %d", number);
    }
}

const char *judge_alert(struct judge *judge, uint8_t description)
{
    const char *name = tls_alert_name(description);

    if (strchr(name, ' ') != NULL) /* it has none */
        return arena_format(judge->arena, "number %u", description);
    return arena_format(judge->arena, "%s (%u)", name, description);
}

bool judge_is_address(const char *reference)
{
    const char *dot = strrchr(reference, '.');

    return strchr(reference, ':') != NULL ||
           text_is_number_in_host(span_of(dot == NULL ? reference : dot + 1));
}

const char *judge_alert_meaning(uint8_t description)
{
    static const struct {
        uint8_t description;
        const char *meaning;
    } meanings[] = {
        { 0, "it closes in good order, in the middle of the handshake" },
        { 10, "a message came that it did not expect at that point" },
        { 20, "a record did not decrypt, so its bytes were altered or the keys differ" },
        { 21, "a record did not decrypt" },
        { 22, "a record was too long" },
        { 30, "a record did not decompress" },
        { 40, "it finds no acceptable set of versions, ciphers and algorithms" },
        { 41, "no certificate" },
        { 42, "it finds a certificate corrupt" },
        { 43, "it does not support that kind of certificate" },
        { 44, "a certificate is revoked" },
        { 45, "a certificate has expired" },
        { 46, "it cannot accept a certificate, for no stated reason" },
        { 47, "a field of the handshake is out of range or contradicts another" },
        { 48, "it does not know the authority that issued a certificate" },
        { 49, "its access rules do not let us in, or it has no certificate for the name" },
        { 50, "a message could not be read" },
        { 51, "a signature or Finished message did not verify" },
        { 60, "export rules forbid it" },
        { 70, "it knows the version that was offered and does not support it" },
        { 71, "it demands stronger ciphers than those offered" },
        { 80, "something inside it failed, which has nothing to do with us" },
        { 86, "it thinks that the client fell back to an older version without need" },
        { 90, "it cancelled for a reason that is not TLS" },
        { 100, "it refuses to renegotiate" },
        { 109, "an extension is missing that it demands" },
        { 110, "an extension came that was not asked for" },
        { 112, "it does not know the server name that was asked for" },
        { 113, "it cannot accept the OCSP staple" },
        { 115, "it does not know the pre-shared key" },
        { 116, "it demands a client certificate" },
        { 120, "no application protocol in common" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (meanings[i].description == description)
            return meanings[i].meaning;
    return "an alert that no RFC names";
}

const struct tls_alert *judge_fatal_alert(const struct tls_facts *tls, bool sent)
{
    for (size_t i = tls->alert_count; i > 0; i--) {
        const struct tls_alert *alert = &tls->alerts[i - 1];

        if (alert->is_sent == sent && (alert->is_fatal || alert->description == 0) &&
            !(alert->description == 0 && (sent || alert->is_after_handshake)))
            return alert;
    }
    return NULL;
}

const char *judge_dial_words(enum dial dial)
{
    switch (dial) {
    case DIAL_AS_CONFIGURED: return "as configured, once more";
    case DIAL_OLD_VERSIONS: return "with TLS 1.0 and 1.1 and weak algorithms allowed";
    case DIAL_SECURITY_LEVEL_0: return "with weak keys, digests and groups allowed";
    case DIAL_WITHOUT_SNI: return "without SNI";
    case DIAL_TLS12_ONLY: return "with TLS 1.2 only";
    case DIAL_TLS13_ONLY: return "with TLS 1.3 only";
    case DIAL_SMALL_HELLO: return "with a small ClientHello";
    case DIAL_WITHOUT_CLIENT_CERTIFICATE: return "without our client certificate";
    case DIAL_WITH_CLIENT_CERTIFICATE: return "with a fresh self-signed client certificate";
    case DIAL_RSA_ONLY: return "with RSA certificates only";
    case DIAL_WITHOUT_TICKETS: return "without session tickets";
    case DIAL_LEGACY_RENEGOTIATION: return "with legacy renegotiation allowed";
    case DIAL_LARGE_GROUPS_ONLY: return "without finite-field Diffie-Hellman";
    case DIAL_RAW_OBSOLETE: return "with every cipher that TLS ever had, down to SSLv3";
    case DIAL_RAW_SSL3: return "with an SSLv3 ClientHello";
    case DIAL_PLAIN_TLS: return "with TLS from the first byte";
    case DIAL_HELO: return "with HELO in place of EHLO";
    case DIAL_COUNT: break;
    }
    return "dialled otherwise";
}

const char *judge_offer(struct judge *judge, const struct tls_facts *tls)
{
    uint16_t least = tls->offered_minimum == 0 ? TLS_VERSION_1_2 : tls->offered_minimum;
    uint16_t most = tls->offered_maximum == 0 ? TLS_VERSION_1_3 : tls->offered_maximum;

    if (least == most)
        return arena_format(judge->arena, "%s", tls_version_name(least));
    return arena_format(judge->arena, "%s to %s", tls_version_name(least), tls_version_name(most));
}

static const char *raw_outcome(struct judge *judge, const struct observation *dial)
{
    const struct hello_answer *answer = &dial->raw_answer;
    const char *cipher;

    switch (dial->raw_status) {
    case HELLO_ANSWERED:
        cipher = hello_cipher_name(answer->cipher);
        return arena_format(judge->arena, "ServerHello with %s, %s",
                            tls_version_name(answer->version),
                            cipher == NULL ? "an unknown cipher" : cipher);
    case HELLO_ALERTED:
        return arena_format(judge->arena, "alert %s",
                            judge_alert(judge, answer->alert_description));
    case HELLO_NOT_TLS: return "the answer is not TLS";
    case HELLO_MALFORMED: return "the answer is no ServerHello";
    case HELLO_PARTIAL: break;
    }
    return "an answer that stops short";
}

static const char *success(struct judge *judge, const struct tls_facts *tls)
{
    return arena_format(judge->arena, "succeeds with %s, %s%s%s", tls_version_name(tls->version),
                        tls->cipher == NULL ? "an unnamed cipher" : tls->cipher,
                        tls->group == NULL ? "" : ", ", tls->group == NULL ? "" : tls->group);
}

static const char *handshake_ending(struct judge *judge, const struct observation *dial)
{
    const struct tls_facts *tls = &dial->tls;
    const struct tls_alert *received = judge_fatal_alert(tls, false);
    const struct tls_alert *sent = judge_fatal_alert(tls, true);

    if (received != NULL)
        return arena_format(judge->arena, "alert %s from the server",
                            judge_alert(judge, received->description));
    if (sent != NULL)
        return arena_format(judge->arena, "we refuse: alert %s%s%s",
                            judge_alert(judge, sent->description),
                            tls->library_reason == NULL ? "" : ", ",
                            tls->library_reason == NULL ? "" : tls->library_reason);
    switch ((int)dial->ending) {
    case ENDING_CLOSED: return "the server closes";
    case ENDING_RESET: return "reset";
    case ENDING_TIMEOUT:
        return arena_format(judge->arena, "nothing within %s", judge_wait(judge, dial->timeout_ms));
    case ENDING_NOT_TLS: return "plaintext in place of TLS";
    default: return tls->library_reason == NULL ? "the handshake fails" : tls->library_reason;
    }
}

const char *judge_outcome(struct judge *judge, const struct observation *dial)
{
    bool is_raw = dial->dial == DIAL_RAW_OBSOLETE || dial->dial == DIAL_RAW_SSL3;
    const char *before;

    if (dial->has_raw_answer)
        return raw_outcome(judge, dial);
    if (dial->dial == DIAL_HELO && dial->helo.came && !dial->helo.is_broken)
        return arena_format(judge->arena, "answered with %s", judge_reply(judge, &dial->helo));
    if (dial != judge->seen && dial->tls.was_completed && experiment_succeeded(dial))
        return success(judge, &dial->tls);
    if (!dial->tls.was_started)
        return arena_format(judge->arena, "%s ends at %s (%s)",
                            dial->dial == DIAL_AS_CONFIGURED ? "the session" : "it",
                            step_name(dial->reached), ending_name(dial->ending));
    before = handshake_ending(judge, dial);
    if (dial->tls.was_completed)
        return arena_format(judge->arena, "the handshake is completed (%s); then: %s",
                            tls_version_name(dial->tls.version), before);
    if (dial->tls.has_server_hello)
        return arena_format(judge->arena, "%s after ServerHello (%s, %s)", before,
                            tls_version_name(dial->tls.version),
                            dial->tls.cipher == NULL ? "cipher unknown" : dial->tls.cipher);
    return arena_format(
        judge->arena, "%s after our ClientHello (%s%s%zu octets, %s%s)", before,
        is_raw ? "" : judge_offer(judge, &dial->tls), is_raw ? "" : ", ", dial->tls.hello_bytes,
        dial->tls.sni == NULL ? "no SNI" : "SNI ",
        dial->tls.sni == NULL ? "" : text_printable(judge->arena, span_of(dial->tls.sni), false));
}

const char *judge_names(struct judge *judge, const struct certificate *certificate)
{
    const char *text = "";
    size_t shown = certificate->name_count < NAMES_SHOWN ? certificate->name_count : NAMES_SHOWN;

    for (size_t i = 0; i < shown; i++)
        text =
            arena_format(judge->arena, "%s%s%s", text, i == 0 ? "" : ", ", certificate->names[i]);
    if (certificate->name_count > shown)
        text = arena_format(judge->arena, "%s and %zu more", text, certificate->name_count - shown);
    return certificate->name_count == 0 ? "no DNS name" : text;
}

const char *judge_flaw_words(uint32_t flaws)
{
    if (flaws & SMTP_REPLY_FLAW_NOT_A_CODE)
        return "a line does not begin with a reply code of three digits";
    if (flaws & SMTP_REPLY_FLAW_SEPARATOR)
        return "neither a space nor a hyphen stands behind a reply code";
    if (flaws & SMTP_REPLY_FLAW_ENDLESS_LINE)
        return "a line does not end";
    if (flaws & SMTP_REPLY_FLAW_TOO_LARGE)
        return "it has more lines or bytes than any reply may have";
    if (flaws & SMTP_REPLY_FLAW_CODE_CHANGE)
        return "its lines carry different codes";
    if (flaws & SMTP_REPLY_FLAW_BARE_LF)
        return "lines end in a bare LF";
    if (flaws & SMTP_REPLY_FLAW_NUL)
        return "it contains NUL bytes";
    if (flaws & SMTP_REPLY_FLAW_BARE_CR)
        return "it contains a bare CR";
    if (flaws & SMTP_REPLY_FLAW_CONTROL)
        return "it contains control characters";
    if (flaws & SMTP_REPLY_FLAW_EIGHT_BIT)
        return "it contains bytes that are not ASCII";
    return "a line is longer than 512 octets";
}

enum severity judge_flaw_severity(uint32_t flaws, struct span raw)
{
    uint32_t rest = flaws & ~(uint32_t)(SMTP_REPLY_FLAW_NO_TEXT | SMTP_REPLY_FLAW_EIGHT_BIT);

    return rest == 0 && text_is_utf8(raw) ? SEVERITY_NOTICE : SEVERITY_WARNING;
}
