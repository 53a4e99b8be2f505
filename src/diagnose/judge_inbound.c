/* diagnose/judge_inbound.c - why a client failed against us, by what its one session showed. */
#include "diagnose/judge.h"
#include "diagnose/judge_inbound_parts.h"

#include <string.h>

#include "base/text.h"
#include "trust/names.h"

enum {
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_REVOKED = 44,
    ALERT_EXPIRED = 45,
    ALERT_UNKNOWN_CERTIFICATE = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_UNRECOGNIZED_NAME = 112,
    BYTES_SHOWN = 60,
    PROOF_SHOWN = 200, /* a proof of more, all of it escaped, would be too long to be told */
};

static bool says(const char *reason, const char *words)
{
    return reason != NULL && strstr(reason, words) != NULL;
}

static const char *printable(struct inbound *inbound, const char *text)
{
    return text == NULL ? "" : text_printable(inbound->judge.arena, span_of(text), false);
}

/* ---- what we refuse ---- */

/* Is what they offer sound, so that our own settings are to blame? */
static bool is_our_version(const struct inbound *inbound)
{
    const struct tls_facts *tls = &inbound->seen->tls;
    const struct tls_offer *ours = &inbound->seen->self.takes;

    return tls->offered_maximum >= TLS_VERSION_1_2 && ours->version_count > 0 &&
           !inbound_shares(ours->versions, ours->version_count, tls->offer.versions,
                           tls->offer.version_count);
}

static struct finding *add_version(struct inbound *inbound)
{
    const struct tls_facts *tls = &inbound->seen->tls;
    const struct tls_offer *takes = &inbound->seen->self.takes;
    const char *ours = inbound_list(inbound, takes->versions, takes->version_count);
    const char *newest = tls->offered_maximum == 0
                             ? "an old version of TLS"
                             : printable(inbound, tls_version_name(tls->offered_maximum));
    struct finding *finding = JUDGE_ADD(&inbound->judge, "inbound-no-common-version",
                                        { "theirs", newest }, { "ours", ours });

    if (says(tls->library_reason, "inappropriate fallback"))
        JUDGE_REWORD(&inbound->judge, finding, "inbound-fallback", { "theirs", newest },
                     { "ours", ours });
    else if (is_our_version(inbound))
        JUDGE_REWORD(
            &inbound->judge, finding, "inbound-version-ours",
            { "theirs", inbound_list(inbound, tls->offer.versions, tls->offer.version_count) },
            { "ours", ours });
    return finding;
}

static struct finding *add_group(struct inbound *inbound)
{
    const struct tls_offer *theirs = &inbound->seen->tls.offer, *ours = &inbound->seen->self.takes;

    return JUDGE_ADD(&inbound->judge, "inbound-no-common-group",
                     { "theirs", inbound_list(inbound, theirs->groups, theirs->group_count) },
                     { "ours", inbound_list(inbound, ours->groups, ours->group_count) });
}

static struct finding *add_signature(struct inbound *inbound)
{
    const struct tls_offer *theirs = &inbound->seen->tls.offer;

    return JUDGE_ADD(
        &inbound->judge, "inbound-no-common-signature",
        { "theirs", inbound_list(inbound, theirs->signatures, theirs->signature_count) });
}

/* The kind of key that a cipher of TLS up to 1.2 wants of a server's certificate: "ECDSA", "RSA". */
static bool cipher_fits(const char *cipher, const char *key)
{
    bool wants_ecdsa = strstr(cipher, "_ECDSA_") != NULL,
         wants_rsa = strstr(cipher, "_RSA_") != NULL;

    if (strncmp(key, "EC", 2) == 0 || strncmp(key, "Ed", 2) == 0)
        return wants_ecdsa || !wants_rsa;
    return strncmp(key, "RSA", 3) != 0 || wants_rsa || !wants_ecdsa;
}

struct cipher_match {
    bool any, fits_key; /* of the ciphers that both know */
    bool without_group; /* and one of these does without a group */
};

static struct cipher_match match_ciphers(const struct inbound *inbound)
{
    const struct tls_offer *theirs = &inbound->seen->tls.offer, *ours = &inbound->seen->self.takes;
    struct cipher_match match = { .any = false };

    for (size_t i = 0; i < theirs->cipher_count; i++) {
        const char *cipher = theirs->ciphers[i];
        bool fits = cipher_fits(cipher, inbound_key(inbound));

        if (!inbound_shares(&cipher, 1, ours->ciphers, ours->cipher_count))
            continue;
        match.any = true;
        match.fits_key |= fits;
        match.without_group |= fits && strncmp(cipher, "TLS_RSA_", 8) == 0;
    }
    return match;
}

/* OpenSSL says "no shared cipher" of groups and keys too. */
static struct finding *add_cipher(struct inbound *inbound)
{
    const struct tls_offer *theirs = &inbound->seen->tls.offer, *ours = &inbound->seen->self.takes;
    const char *known = inbound_list(inbound, theirs->ciphers, theirs->cipher_count);
    struct cipher_match match = match_ciphers(inbound);
    struct finding *finding;

    if (match.any && match.fits_key && !match.without_group && theirs->group_count > 0 &&
        !inbound_shares(theirs->groups, theirs->group_count, ours->groups, ours->group_count))
        return add_group(inbound);
    finding = JUDGE_ADD(&inbound->judge, "inbound-no-common-cipher", { "theirs", known });
    if (match.any && !match.fits_key)
        JUDGE_REWORD(&inbound->judge, finding, "inbound-cipher-key", { "theirs", known });
    return finding;
}

static struct finding *add_name(struct inbound *inbound)
{
    const char *sni = inbound->seen->tls.sni;

    return JUDGE_ADD(&inbound->judge, "inbound-name-not-recognized",
                     { "sni", sni == NULL ? "no name at all" : printable(inbound, sni) });
}

static struct finding *add_our_alert(struct inbound *inbound)
{
    const char *reason = inbound->seen->tls.library_reason;
    struct finding *finding = judge_add(&inbound->judge, "inbound-alert", NULL, 0);
    const struct tls_alert *sent = judge_fatal_alert(&inbound->seen->tls, true);

    JUDGE_REWORD(&inbound->judge, finding, "inbound-our-alert",
                 { "meaning", reason != NULL ? reason
                              : sent == NULL ? "no reason given"
                                             : judge_alert_meaning(sent->description) });
    return finding;
}

/* Our alert about a client's certificate tells what we found: RFC 8446 section 6.2. */
static const char *why_rejected(const struct tls_alert *sent)
{
    switch (sent == NULL ? 0 : (int)sent->description) {
    case ALERT_BAD_CERTIFICATE: return "it is damaged, or its signature is not right";
    case ALERT_REVOKED: return "it is revoked";
    case ALERT_EXPIRED: return "it has expired, or is not valid yet";
    case ALERT_UNKNOWN_CA: return "it comes from none of the CAs that this listener takes";
    default: return "it is not made for a client, or breaks another rule";
    }
}

static struct finding *judge_our_refusal(struct inbound *inbound)
{
    static const struct {
        const char *words;
        struct finding *(*add)(struct inbound *inbound);
    } reasons[] = {
        { "no shared cipher", add_cipher },
        { "signature algorithm", add_signature },
        { "suitable key share", add_group },
        { "shared group", add_group },
        { "suitable groups", add_group },
        { "supported groups", add_group },
        { "wrong curve", add_group },
        { "unsupported protocol", add_version },
        { "version too low", add_version },
        { "wrong version number", add_version },
        { "wrong ssl version", add_version },
        { "no protocols available", add_version },
        { "inappropriate fallback", add_version },
    };
    const struct tls_facts *tls = &inbound->seen->tls;
    const struct tls_alert *sent = judge_fatal_alert(tls, true);

    if (says(tls->library_reason, "did not return a certificate"))
        return judge_add(&inbound->judge, "inbound-client-certificate-missing", NULL, 0);
    if (tls->client_certificate_sent && says(tls->library_reason, "certificate verify failed"))
        return JUDGE_ADD(&inbound->judge, "inbound-client-certificate-rejected",
                         { "why", why_rejected(sent) });
    if (sent != NULL && sent->description == ALERT_UNRECOGNIZED_NAME)
        return add_name(inbound);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (says(tls->library_reason, reasons[i].words))
            return reasons[i].add(inbound);
    return sent != NULL && sent->description == ALERT_PROTOCOL_VERSION ? add_version(inbound)
                                                                       : add_our_alert(inbound);
}

/* ---- what they refuse ---- */

static void prove_own(struct inbound *inbound, struct finding *finding)
{
    const struct inbound_self *self = &inbound->seen->self;
    const struct chain_verdict *verdict = &self->verdict;
    const char *file =
        self->certificate_file == NULL ? "" : printable(inbound, self->certificate_file);

    if (inbound->own != NULL)
        judge_prove(&inbound->judge, finding, "our own certificate: %s: %s", inbound->own->code,
                    inbound->own->cause);
    else if (!self->has_verdict)
        judge_prove(&inbound->judge, finding, "our own certificate was not judged");
    else if (verdict->certificate_count > 0)
        judge_prove(&inbound->judge, finding,
                    "our own certificate%s%s holds: names %s; until %s; %zu sent",
                    file[0] == '\0' ? "" : " in ", file,
                    judge_names(&inbound->judge, &verdict->certificates[0]),
                    text_time(inbound->judge.arena, verdict->certificates[0].not_after_s),
                    verdict->certificate_count);
}

/* Does our certificate lack the name that they ask for? */
static bool lacks_their_name(const struct inbound *inbound)
{
    const struct chain_verdict *verdict = &inbound->seen->self.verdict;
    const char *sni = inbound->seen->tls.sni;

    if (sni == NULL || !inbound->seen->self.has_verdict || verdict->certificate_count == 0)
        return false;
    for (size_t i = 0; i < verdict->certificates[0].name_count; i++)
        if (names_match(span_of(verdict->certificates[0].names[i]), span_of(sni)))
            return false;
    return true;
}

static void blame_own(struct inbound *inbound, struct finding *finding, const char *variant)
{
    JUDGE_REWORD(&inbound->judge, finding, variant, { "own_cause", inbound->own->cause },
                 { "own_remedy", inbound->own->remedy });
    finding->because_of = inbound->own->code;
}

static struct finding *add_rejected(struct inbound *inbound, uint8_t alert)
{
    const struct chain_verdict *verdict = &inbound->seen->self.verdict;
    struct finding *finding = judge_add(&inbound->judge, "inbound-certificate-rejected", NULL, 0);

    if (inbound->own != NULL)
        blame_own(inbound, finding, "inbound-certificate-ours");
    else if (alert == ALERT_REVOKED)
        judge_reword(&inbound->judge, finding, "inbound-certificate-revoked", NULL, 0);
    else if (lacks_their_name(inbound) && alert != ALERT_EXPIRED && alert != ALERT_UNKNOWN_CA)
        JUDGE_REWORD(&inbound->judge, finding, "inbound-certificate-name",
                     { "sni", printable(inbound, inbound->seen->tls.sni) },
                     { "names", judge_names(&inbound->judge, &verdict->certificates[0]) });
    else if (alert == ALERT_EXPIRED && inbound->seen->self.has_verdict &&
             verdict->certificate_count > 0)
        JUDGE_REWORD(
            &inbound->judge, finding, "inbound-certificate-clock",
            { "until", text_date(inbound->judge.arena, verdict->certificates[0].not_after_s) });
    return finding;
}

static bool is_about_certificates(uint8_t alert)
{
    return (alert >= ALERT_BAD_CERTIFICATE && alert <= ALERT_UNKNOWN_CERTIFICATE) ||
           alert == ALERT_UNKNOWN_CA;
}

static struct finding *judge_their_alert(struct inbound *inbound, const struct tls_alert *alert)
{
    if (is_about_certificates(alert->description))
        return add_rejected(inbound, alert->description);
    if (alert->description == ALERT_PROTOCOL_VERSION)
        return add_version(inbound);
    if (alert->description == 0) /* it closes in good order, in the middle */
        return judge_add(&inbound->judge, "inbound-closed", NULL, 0);
    return judge_add(&inbound->judge, "inbound-alert", NULL, 0);
}

/* ---- what nobody says ---- */

static struct finding *judge_silence(struct inbound *inbound)
{
    const struct inbound_observation *seen = inbound->seen;
    bool said_nothing = seen->tls.first_bytes.len == 0;
    bool saw_certificate = seen->tls.was_completed || seen->tls.has_server_hello;
    const char *code = seen->ending == ENDING_RESET     ? "inbound-reset"
                       : seen->ending == ENDING_TIMEOUT ? "inbound-timeout"
                                                        : "inbound-closed";
    struct finding *finding = judge_add(&inbound->judge, code, NULL, 0);

    if (seen->ending == ENDING_TIMEOUT) {
        if (said_nothing && seen->is_implicit_tls)
            judge_reword(&inbound->judge, finding, "inbound-timeout-greeting", NULL, 0);
    } else if (said_nothing && seen->ending != ENDING_RESET) {
        judge_reword(&inbound->judge, finding, "inbound-closed-early", NULL, 0);
        finding->severity = SEVERITY_NOTICE;
    } else if (saw_certificate && inbound->own != NULL) {
        blame_own(inbound, finding, "inbound-closed-certificate");
    }
    return finding;
}

/* ---- what is no TLS ---- */

static struct finding *judge_first_bytes(struct inbound *inbound)
{
    const struct inbound_observation *seen = inbound->seen;
    struct span first = seen->tls.first_bytes;
    const char *protocol = inbound_protocol(first);
    struct finding *finding;

    if (inbound_is_smtp(first)) {
        const char *what = judge_quote(&inbound->judge, first, BYTES_SHOWN);

        finding = JUDGE_ADD(&inbound->judge, "inbound-plaintext", { "what", what });
        if (seen->is_implicit_tls)
            JUDGE_REWORD(&inbound->judge, finding, "inbound-plaintext-implicit", { "what", what });
    } else {
        finding = JUDGE_ADD(
            &inbound->judge, "inbound-other-protocol",
            { "what", protocol != NULL ? protocol : "bytes that are neither TLS nor SMTP" });
    }
    judge_prove_bytes(&inbound->judge, finding, "its first bytes",
                      span_part(first, 0, PROOF_SHOWN));
    return finding;
}

/* The beginning of a record with a ClientHello: RFC 8446 sections 4 and 5.1. */
static bool is_client_hello(struct span bytes)
{
    return bytes.len > 5 && bytes.data[0] == '\x16' && bytes.data[1] == '\x03' &&
           bytes.data[5] == '\x01';
}

static struct finding *judge_injected(struct inbound *inbound)
{
    struct span bytes = inbound->seen->injected;
    const char *more = bytes.len < OBSERVATION_STRAY_BYTES ? "" : " or more";
    struct finding *finding =
        JUDGE_ADD(&inbound->judge, "inbound-injected",
                  { "octets", arena_format(inbound->judge.arena, "%zu%s", bytes.len, more) });

    if (is_client_hello(bytes))
        judge_reword(&inbound->judge, finding, "inbound-injected-hello", NULL, 0);
    judge_prove_bytes(&inbound->judge, finding, "behind STARTTLS, in clear",
                      span_part(bytes, 0, PROOF_SHOWN));
    return finding;
}

static bool has_failed(const struct inbound_observation *seen)
{
    if (!seen->tls.was_started || seen->ending == ENDING_FAILED || seen->ending == ENDING_STOPPED ||
        seen->ending == ENDING_QUIT)
        return false;
    return !seen->tls.was_completed || !seen->spoke_inside;
}

static struct finding *judge_cause(struct inbound *inbound)
{
    const struct tls_facts *tls = &inbound->seen->tls;
    const struct tls_alert *theirs = judge_fatal_alert(tls, false);

    if (inbound->seen->ending == ENDING_NOT_TLS || tls->is_not_tls)
        return judge_first_bytes(inbound);
    if (theirs != NULL)
        return judge_their_alert(inbound, theirs);
    if (judge_fatal_alert(tls, true) != NULL ||
        (inbound->seen->ending == ENDING_TLS && tls->library_reason != NULL))
        return judge_our_refusal(inbound);
    return judge_silence(inbound);
}

static void set_common(struct inbound *inbound)
{
    const struct inbound_observation *seen = inbound->seen;
    const struct tls_alert *theirs = judge_fatal_alert(&seen->tls, false);
    const struct tls_alert *any = theirs != NULL ? theirs : judge_fatal_alert(&seen->tls, true);
    struct judge *judge = &inbound->judge;
    const char *name = printable(inbound, seen->name), *address = printable(inbound, seen->address);
    const struct catalogue_value values[] = {
        { "client",
          name[0] == '\0' ? address : arena_format(judge->arena, "%s [%s]", name, address) },
        { "host", printable(inbound, seen->host) },
        { "when", inbound_when(inbound) },
        { "alert", any == NULL ? "no alert" : judge_alert(judge, any->description) },
        { "meaning", any == NULL ? "no reason given" : judge_alert_meaning(any->description) },
        { "seconds", judge_wait(judge, seen->timeout_ms) },
        { "key", inbound_key(inbound) },
    };

    _Static_assert(ARRAY_SIZE(values) <= JUDGE_COMMON_VALUES, "all values find a place");
    memcpy(judge->common, values, sizeof values);
}

/* The worst that a careful sender would find in our own certificate. */
static const struct finding *find_own(const struct inbound_observation *seen, struct arena *arena,
                                      struct findings *own)
{
    if (!seen->self.has_verdict)
        return NULL;
    judge_verdict(&seen->self.verdict, seen->host, seen->wall_s, arena, own);
    return own->count > 0 && own->items[0].severity >= SEVERITY_UNTRUSTED ? &own->items[0] : NULL;
}

void judge_inbound(const struct inbound_observation *observation, struct arena *arena,
                   struct findings *findings)
{
    static const struct experiments none;
    struct inbound inbound = {
        .judge = { .experiments = &none,
                   .arena = arena,
                   .findings = findings,
                   .now_s = observation->wall_s },
        .seen = observation,
    };
    struct findings own;
    struct finding *finding;

    findings->count = 0;
    if (observation->ending != ENDING_INJECTED && !has_failed(observation))
        return;
    inbound.own = find_own(observation, arena, &own);
    set_common(&inbound);
    if (observation->ending == ENDING_INJECTED) {
        finding = judge_injected(&inbound);
        inbound_prove_end(&inbound, finding);
        return;
    }
    finding = judge_cause(&inbound);
    inbound_prove_end(&inbound, finding);
    if (observation->tls.has_server_hello || observation->tls.was_completed)
        prove_own(&inbound, finding);
    inbound_prove_offers(&inbound, finding);
}
