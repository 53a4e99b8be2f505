#include "diagnose/experiment.h"

#include <string.h>

#include "net/hello.h"

enum { PATIENCE_LEAST_MS = 300 };
enum { ALERT_HANDSHAKE_FAILURE = 40, ALERT_PROTOCOL_VERSION = 70 };
enum { ALERT_INSUFFICIENT_SECURITY = 71, ALERT_NAME = 112, ALERT_CERTIFICATE_REQUIRED = 116 };

const struct observation *experiment_find(const struct experiments *made, enum dial dial)
{
    for (size_t i = 0; i < made->count; i++)
        if (made->items[i]->dial == dial)
            return made->items[i];
    return NULL;
}

static bool was_taken(const struct observed_reply *reply)
{
    return reply->came && !reply->is_broken && reply->code / 100 == 2;
}

static const struct tls_alert *fatal_alert(const struct tls_facts *tls, bool sent)
{
    for (size_t i = 0; i < tls->alert_count; i++)
        if (tls->alerts[i].is_sent == sent && tls->alerts[i].is_fatal)
            return &tls->alerts[i];
    return NULL;
}

static bool is_raw(enum dial dial)
{
    return dial == DIAL_RAW_OBSOLETE || dial == DIAL_RAW_SSL3;
}

bool experiment_succeeded(const struct observation *observation)
{
    if (is_raw(observation->dial))
        return observation->has_raw_answer && observation->raw_status == HELLO_ANSWERED;
    if (observation->dial == DIAL_HELO)
        return was_taken(&observation->helo);
    if (!observation->tls.was_completed || fatal_alert(&observation->tls, false) != NULL)
        return false;
    return observation->ehlo_after_tls.came || observation->ending == ENDING_QUIT ||
           observation->ending == ENDING_STOPPED || observation->dial == DIAL_PLAIN_TLS;
}

/* What kind of failure it was, by what one session can tell. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_SILENT,             /* no greeting */
    TROUBLE_NO_EHLO,            /* hangs up or falls silent at EHLO */
    TROUBLE_CLIENT_CERTIFICATE, /* ended when the server had our answer to its request */
    TROUBLE_WEAK_DH,
    TROUBLE_LEGACY,
    TROUBLE_OUR_REFUSAL, /* we refused for another reason than version, DH and renegotiation */
    TROUBLE_NAME,        /* alert 112, or a certificate for another name */
    TROUBLE_VERSION,     /* alert 70 */
    TROUBLE_PARAMETERS,  /* alert 40 or 71 */
    TROUBLE_ALERT,       /* any other, before a ServerHello */
    TROUBLE_MUTE,        /* FIN, RST or silence before a ServerHello */
    TROUBLE_LATE,        /* anything after a ServerHello */
    TROUBLE_INSIDE,      /* FIN, RST or silence once TLS stood */
    TROUBLE_OF_OTHERS, /* none for us; the server chose by our SNI, and not every sender has one */
};

static bool ended_badly(const struct observation *seen)
{
    return seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET ||
           seen->ending == ENDING_TIMEOUT;
}

static bool has_reason(const struct tls_facts *tls, const char *words)
{
    return tls->library_reason != NULL && strstr(tls->library_reason, words) != NULL;
}

static enum trouble trouble_with_our_refusal(const struct tls_facts *tls)
{
    if (has_reason(tls, "dh key too small"))
        return TROUBLE_WEAK_DH;
    if (has_reason(tls, "legacy renegotiation"))
        return TROUBLE_LEGACY;
    if (has_reason(tls, "protocol") || has_reason(tls, "version"))
        return TROUBLE_NONE; /* the ServerHello says which */
    return TROUBLE_OUR_REFUSAL;
}

static enum trouble trouble_with_alert(const struct observation *seen, uint8_t description)
{
    if (description == ALERT_CERTIFICATE_REQUIRED || seen->tls.client_certificate_requested)
        return TROUBLE_CLIENT_CERTIFICATE;
    if (description == ALERT_NAME)
        return TROUBLE_NAME;
    if (description == ALERT_PROTOCOL_VERSION)
        return TROUBLE_VERSION;
    if (description == ALERT_HANDSHAKE_FAILURE || description == ALERT_INSUFFICIENT_SECURITY)
        return TROUBLE_PARAMETERS;
    return seen->tls.has_server_hello ? TROUBLE_LATE : TROUBLE_ALERT;
}

static enum trouble trouble_inside_tls(const struct observation *seen)
{
    if (seen->tls.client_certificate_requested && seen->ended_after_tls)
        return TROUBLE_CLIENT_CERTIFICATE;
    if (seen->ended_after_tls && !seen->ehlo_after_tls.came && !seen->second_greeting.came &&
        seen->ending != ENDING_TIMEOUT)
        return TROUBLE_INSIDE;
    if (seen->has_verdict && !seen->host_named && seen->host_reference != NULL &&
        seen->tls.sni != NULL && seen->level != POLICY_SECURE &&
        seen->verdict.certificate_count > 0 && seen->verdict.tlsa != CHAIN_TLSA_MATCHED)
        return TROUBLE_NAME;
    if (seen->tls.sni_was_used && seen->host_named && seen->verdict.is_trusted)
        return TROUBLE_OF_OTHERS;
    return TROUBLE_NONE;
}

/* It waited for us to speak, or lost its patience over that. */
static bool was_mute_at_greeting(const struct observation *seen)
{
    bool has_waited = seen->ending == ENDING_TIMEOUT ||
                      (ended_badly(seen) && seen->step_ms[STEP_GREETING] >= PATIENCE_LEAST_MS);

    return has_waited && !seen->greeting.came && seen->unfinished.len == 0;
}

static enum trouble trouble_of(const struct observation *seen)
{
    const struct tls_alert *received = fatal_alert(&seen->tls, false);

    if (seen->reached == STEP_GREETING && !seen->is_implicit_tls)
        return was_mute_at_greeting(seen) ? TROUBLE_SILENT : TROUBLE_NONE;
    if (seen->reached == STEP_EHLO && ended_badly(seen) && !seen->ehlo.came && !seen->helo.came)
        return TROUBLE_NO_EHLO;
    if (!seen->tls.was_started || seen->tls.is_not_tls || seen->injected.len > 0)
        return TROUBLE_NONE;
    if (received != NULL)
        return trouble_with_alert(seen, received->description);
    if (seen->tls.was_completed)
        return trouble_inside_tls(seen);
    if (seen->ending == ENDING_TLS)
        return trouble_with_our_refusal(&seen->tls);
    if (!ended_badly(seen))
        return TROUBLE_NONE;
    if (seen->tls.client_certificate_requested)
        return TROUBLE_CLIENT_CERTIFICATE;
    return seen->tls.has_server_hello ? TROUBLE_LATE : TROUBLE_MUTE;
}

/* A peer that does not even reach TLS any more has had enough of us. */
static bool was_turned_away(const struct observation *last)
{
    return !is_raw(last->dial) && last->dial != DIAL_HELO && !last->tls.was_started &&
           last->ending != ENDING_FAILED;
}

static bool is_conclusive(const struct observation *made)
{
    if (!experiment_succeeded(made))
        return false;
    return !is_raw(made->dial) || made->raw_answer.version < TLS_VERSION_1_2 ||
           hello_cipher_weakness(made->raw_answer.cipher) != HELLO_CIPHER_SOUND;
}

static bool next_of(const enum dial *plan, size_t count, const struct experiments *made,
                    enum dial *dial)
{
    for (size_t i = 0; i < count; i++) {
        if (experiment_find(made, plan[i]) == NULL) {
            *dial = plan[i];
            return true;
        }
    }
    return false;
}

#define NEXT_OF(made, dial, ...)                                                                   \
    next_of((const enum dial[]){ __VA_ARGS__ },                                                    \
            sizeof((const enum dial[]){ __VA_ARGS__ }) / sizeof(enum dial), (made), (dial))

/* Neither a small ClientHello nor TLS 1.2 helps. Many servers (Windows among them) hang up without a
 * word where no cipher or version fits, so everything that there ever was is offered before the
 * rest, and with SNI: an answer clears that. */
static bool next_for_obstinate(const struct experiments *made, enum dial *dial)
{
    const struct observation *raw = experiment_find(made, DIAL_RAW_OBSOLETE);

    if (raw == NULL)
        return NEXT_OF(made, dial, DIAL_RAW_OBSOLETE);
    return experiment_succeeded(raw) ? NEXT_OF(made, dial, DIAL_OLD_VERSIONS)
                                     : NEXT_OF(made, dial, DIAL_WITHOUT_SNI, DIAL_OLD_VERSIONS);
}

/* A peer that says nothing: is it the size of the ClientHello, TLS 1.3, tickets or SNI in it? A
 * small one tells the first two from the rest; then one question each. */
static bool next_for_mute(const struct experiments *made, enum dial *dial)
{
    const struct observation *small = experiment_find(made, DIAL_SMALL_HELLO);
    const struct observation *tls12 = experiment_find(made, DIAL_TLS12_ONLY);
    const struct observation *last = made->count > 0 ? made->items[made->count - 1] : NULL;

    if (small == NULL || tls12 == NULL)
        return NEXT_OF(made, dial, DIAL_SMALL_HELLO, DIAL_TLS12_ONLY);
    if (experiment_succeeded(small) && experiment_succeeded(tls12))
        return NEXT_OF(made, dial, DIAL_RAW_OBSOLETE); /* large, and without TLS 1.3 */
    if (last != NULL && last != small && is_conclusive(last))
        return false;
    if (experiment_succeeded(small))
        return NEXT_OF(made, dial, DIAL_WITHOUT_TICKETS, DIAL_WITHOUT_SNI);
    return next_for_obstinate(made, dial);
}

/* Asked for a certificate, and then the end: does another answer help? Where no alert says that it
 * is about that, TLS 1.3 itself may be what does not work. */
static bool next_for_client_certificate(const struct observation *first,
                                        const struct experiments *made, enum dial *dial)
{
    enum dial other = first->tls.client_certificate_sent ? DIAL_WITHOUT_CLIENT_CERTIFICATE
                                                         : DIAL_WITH_CLIENT_CERTIFICATE;

    if (first->tls.version == TLS_VERSION_1_3 && fatal_alert(&first->tls, false) == NULL)
        return NEXT_OF(made, dial, other, DIAL_TLS12_ONLY);
    return NEXT_OF(made, dial, other);
}

static bool next_for(enum trouble trouble, const struct observation *first,
                     const struct experiments *made, enum dial *dial)
{
    switch (trouble) {
    case TROUBLE_NONE: return false;
    case TROUBLE_SILENT: return NEXT_OF(made, dial, DIAL_PLAIN_TLS);
    case TROUBLE_NO_EHLO: return NEXT_OF(made, dial, DIAL_HELO);
    case TROUBLE_CLIENT_CERTIFICATE: return next_for_client_certificate(first, made, dial);
    case TROUBLE_WEAK_DH: return NEXT_OF(made, dial, DIAL_SECURITY_LEVEL_0, DIAL_LARGE_GROUPS_ONLY);
    case TROUBLE_LEGACY: return NEXT_OF(made, dial, DIAL_LEGACY_RENEGOTIATION);
    case TROUBLE_OUR_REFUSAL: return NEXT_OF(made, dial, DIAL_SECURITY_LEVEL_0, DIAL_TLS12_ONLY);
    case TROUBLE_NAME:
    case TROUBLE_OF_OTHERS: return NEXT_OF(made, dial, DIAL_WITHOUT_SNI);
    case TROUBLE_VERSION:
        return NEXT_OF(made, dial, DIAL_OLD_VERSIONS, DIAL_RAW_OBSOLETE, DIAL_TLS12_ONLY,
                       DIAL_RAW_SSL3);
    case TROUBLE_PARAMETERS:
        return NEXT_OF(made, dial, DIAL_OLD_VERSIONS, DIAL_RAW_OBSOLETE, DIAL_WITHOUT_SNI,
                       DIAL_TLS12_ONLY, DIAL_WITHOUT_TICKETS);
    case TROUBLE_ALERT:
        return NEXT_OF(made, dial, DIAL_TLS12_ONLY, DIAL_WITHOUT_SNI, DIAL_SMALL_HELLO,
                       DIAL_OLD_VERSIONS, DIAL_WITHOUT_TICKETS);
    case TROUBLE_LATE:
        return NEXT_OF(made, dial, DIAL_TLS12_ONLY, DIAL_WITHOUT_TICKETS, DIAL_RSA_ONLY);
    case TROUBLE_INSIDE: return NEXT_OF(made, dial, DIAL_WITHOUT_TICKETS, DIAL_TLS12_ONLY);
    case TROUBLE_MUTE: return next_for_mute(made, dial);
    }
    return false;
}

/* What works once may work for another reason: that the peer is fickle. So the first way to dial is
 * tried again before another is said to be the cause. A server that only an old version helps has
 * said so itself, and stalls are not worth another one. */
static bool wants_to_repeat(enum trouble trouble, const struct observation *first,
                            const struct experiments *made)
{
    const struct observation *last = made->count > 0 ? made->items[made->count - 1] : NULL;
    bool has_worked = false;

    if (last == NULL || first->ending == ENDING_TIMEOUT ||
        experiment_find(made, DIAL_AS_CONFIGURED) != NULL)
        return false;
    if (trouble != TROUBLE_VERSION && trouble != TROUBLE_PARAMETERS && trouble != TROUBLE_ALERT &&
        trouble != TROUBLE_LATE && trouble != TROUBLE_INSIDE && trouble != TROUBLE_MUTE)
        return false;
    for (size_t i = 0; i < made->count; i++)
        has_worked =
            has_worked || (!is_raw(made->items[i]->dial) && experiment_succeeded(made->items[i]) &&
                           made->items[i]->tls.version >= TLS_VERSION_1_2);
    return has_worked;
}

static bool next_or_repeat(enum trouble trouble, const struct observation *first,
                           const struct experiments *made, enum dial *dial)
{
    const struct observation *last = made->count > 0 ? made->items[made->count - 1] : NULL;
    bool is_done = last != NULL && trouble != TROUBLE_MUTE && is_conclusive(last);

    if (experiment_find(made, DIAL_AS_CONFIGURED) != NULL)
        return false; /* always the last */
    if (!is_done && next_for(trouble, first, made, dial))
        return true;
    *dial = DIAL_AS_CONFIGURED;
    return wants_to_repeat(trouble, first, made);
}

bool experiment_next(const struct observation *first, const struct experiments *made,
                     enum dial *dial)
{
    enum trouble trouble = trouble_of(first);
    const struct observation *last = made->count > 0 ? made->items[made->count - 1] : NULL;

    if (made->count >= EXPERIMENTS_MOST)
        return false;
    if (last != NULL && was_turned_away(last))
        return false;
    return next_or_repeat(trouble, first, made, dial);
}

bool experiment_next_as_others(const struct observation *first, const struct experiments *made,
                               enum dial *dial)
{
    bool may_need_name = first->tls.sni != NULL;
    bool may_need_tls13 = first->tls.version >= TLS_VERSION_1_3;

    if (!experiment_succeeded(first) || made->count >= EXPERIMENTS_MOST)
        return false;
    *dial = may_need_name && experiment_find(made, DIAL_WITHOUT_SNI) == NULL ? DIAL_WITHOUT_SNI
                                                                             : DIAL_TLS12_ONLY;
    return *dial == DIAL_WITHOUT_SNI ||
           (may_need_tls13 && experiment_find(made, DIAL_TLS12_ONLY) == NULL);
}
