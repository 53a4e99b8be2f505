/* diagnose/judge_client_certificate.c - is the trouble our client certificate, or that we have none?
 *
 * Under TLS 1.3 a server speaks of it only after our side thinks that the handshake is done
 * (RFC 8446 section 4.4.2.4); many servers merely hang up. So the question is: were we asked for
 * one, did we answer, and did the session end right after?
 */
#include "diagnose/judge.h"
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

enum { AUTHORITIES_SHOWN = 3, ALERT_CERTIFICATE_EXPIRED = 45 };

/* Alerts that speak of a certificate, and then of ours, for the server has seen no other. */
static bool names_certificate(uint8_t description)
{
    return (description >= 41 && description <= 46) || description == 48 || description == 116;
}

static bool speaks_of_certificate(const struct observed_reply *reply)
{
    struct span rest = reply->raw;

    if (!reply->came || reply->is_broken || reply->code / 100 < 4)
        return false;
    for (; rest.len > 0; (void)span_take(&rest))
        if (span_starts_with_nocase(rest, "certificate") ||
            span_starts_with_nocase(rest, "client cert"))
            return true;
    return false;
}

/* The server had our answer to its CertificateRequest when it ended the session. Under TLS 1.2 the
 * answer goes out behind ServerHelloDone, under TLS 1.3 with our Finished. */
static bool ended_on_our_answer(const struct observation *seen)
{
    const struct tls_facts *tls = &seen->tls;
    bool was_answered = tls->was_completed || tls->client_certificate_sent ||
                        tls->last_message_sent == 11 || tls->last_message_sent == 15 ||
                        tls->last_message_sent == 16 || tls->last_message_sent == 20;

    return was_answered && !(seen->ehlo_after_tls.came && seen->ehlo_after_tls.code / 100 == 2) &&
           judge_fatal_alert(tls, true) == NULL &&
           (judge_fatal_alert(tls, false) != NULL || speaks_of_certificate(&seen->ehlo_after_tls) ||
            (!seen->ehlo_after_tls.came &&
             (seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET)));
}

static bool same_end(const struct observation *a, const struct observation *b)
{
    const struct tls_alert *one = judge_fatal_alert(&a->tls, false);
    const struct tls_alert *other = judge_fatal_alert(&b->tls, false);

    if (one == NULL || other == NULL)
        return one == other && a->ending == b->ending && a->reached == b->reached;
    return one->description == other->description;
}

static bool is_the_trouble(const struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct tls_alert *alert = judge_fatal_alert(&seen->tls, false);
    enum dial dial = seen->tls.client_certificate_sent ? DIAL_WITHOUT_CLIENT_CERTIFICATE
                                                       : DIAL_WITH_CLIENT_CERTIFICATE;
    const struct observation *other = experiment_find(judge->experiments, dial);
    const struct observation *tls12 = experiment_find(judge->experiments, DIAL_TLS12_ONLY);

    if (alert != NULL && alert->description == 116)
        return true;
    if (!seen->tls.client_certificate_requested || !ended_on_our_answer(seen))
        return false;
    if ((alert != NULL && names_certificate(alert->description)) ||
        speaks_of_certificate(&seen->ehlo_after_tls))
        return true;
    if (tls12 != NULL && experiment_succeeded(tls12))
        return false; /* with the same answer of ours: it is TLS 1.3 that does not work */
    if (other == NULL || experiment_succeeded(other) || !same_end(seen, other))
        return true;
    /* The same end with and without one. A server that wants one of its own authority hangs up on a
     * stranger's as it does on none; an alert speaks for itself. */
    return seen->tls.client_certificate_sent || alert == NULL || alert->description == 40 ||
           alert->description == 49 || alert->description == 51;
}

/* Any certificate will do. */
static bool is_cured_by_one(const struct judge *judge)
{
    const struct observation *with =
        experiment_find(judge->experiments, DIAL_WITH_CLIENT_CERTIFICATE);

    return with != NULL && experiment_succeeded(with);
}

static const char *authorities(struct judge *judge)
{
    const struct tls_facts *tls = &judge->seen->tls;
    const char *text = "";

    for (size_t i = 0; i < tls->authority_count && i < AUTHORITIES_SHOWN; i++)
        text =
            arena_format(judge->arena, "%s%s%s", text, i == 0 ? "" : " or ",
                         text_printable_again(judge->arena, span_of(tls->authorities[i]), false));
    if (tls->authority_count > AUTHORITIES_SHOWN)
        text = arena_format(judge->arena, "%s (or %zu others)", text,
                            tls->authority_count - AUTHORITIES_SHOWN);
    return tls->authority_count == 0 ? "an authority that the server accepts (it names none; ask "
                                       "its owner)"
                                     : text;
}

static void prove(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;
    const struct tls_facts *tls = &seen->tls;

    if (tls->client_certificate_requested)
        judge_prove(judge, finding, "the server sent CertificateRequest (%s), accepting %zu %s",
                    tls_version_name(tls->version), tls->authority_count,
                    tls->authority_count == 1 ? "authority" : "authorities");
    judge_prove(judge, finding, "we answered with %s",
                tls->client_certificate_sent ? "our certificate" : "an empty Certificate");
    for (size_t i = 0; i < tls->alert_count; i++)
        if (!tls->alerts[i].is_sent)
            judge_prove(judge, finding, "alert from the server: %s",
                        judge_alert(judge, tls->alerts[i].description));
    if (tls->alert_count == 0 && (seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET))
        judge_prove(judge, finding, "the server %s the connection right after, without an alert",
                    judge_closes(seen->ending));
    if (speaks_of_certificate(&seen->ehlo_after_tls))
        judge_prove_bytes(judge, finding, "reply to EHLO inside TLS", seen->ehlo_after_tls.raw);
    for (size_t i = 0; i < judge->experiments->count; i++)
        judge_prove(judge, finding, "%s: %s", judge_dial_words(judge->experiments->items[i]->dial),
                    judge_outcome(judge, judge->experiments->items[i]));
}

static const char *own_subject(struct judge *judge)
{
    const char *subject = judge->seen->self.client_certificate_subject;

    return subject == NULL ? "(subject unknown)"
                           : text_printable_again(judge->arena, span_of(subject), false);
}

static const char *own_file(struct judge *judge)
{
    const char *file = judge->seen->self.client_certificate_file;

    return file == NULL ? "its file" : text_printable(judge->arena, span_of(file), false);
}

static void prove_own(struct judge *judge, struct finding *finding)
{
    const struct observed_self *self = &judge->seen->self;

    judge_prove(judge, finding, "our certificate: %s, in %s", own_subject(judge), own_file(judge));
    if (self->client_certificate_ended_s != 0)
        judge_prove(judge, finding, "its notAfter: %s; our clock: %s",
                    text_time(judge->arena, self->client_certificate_ended_s),
                    text_time(judge->arena, judge->now_s));
}

static struct finding *add_own_flaw(struct judge *judge)
{
    const struct observed_self *self = &judge->seen->self;
    const char *why, *advice;
    struct finding *finding;

    if (!self->has_client_certificate || self->client_certificate_state == TLS_CREDENTIALS_FINE)
        return NULL;
    if (self->client_certificate_state == TLS_CREDENTIALS_EXPIRED) {
        finding = JUDGE_ADD(judge, "client-certificate-expired", { "subject", own_subject(judge) },
                            { "date", text_date(judge->arena, self->client_certificate_ended_s) },
                            { "file", own_file(judge) });
        prove_own(judge, finding);
        return finding;
    }
    if (self->client_certificate_state == TLS_CREDENTIALS_KEY_MISMATCH) {
        why = "the private key is that of another certificate";
        advice = arena_format(judge->arena,
                              "Give the key that was made with it; both must print the same: "
                              "openssl x509 -in %s -noout -pubkey; openssl pkey -in KEY -pubout",
                              own_file(judge));
    } else {
        why = "it is not valid yet";
        advice = "Wait, or have it reissued; if its date is right, our clock is wrong: date -u";
    }
    finding = JUDGE_ADD(judge, "client-certificate-unusable", { "subject", own_subject(judge) },
                        { "why", why }, { "advice", advice });
    prove_own(judge, finding);
    return finding;
}

static const char *why_by_alert(struct judge *judge, uint8_t description)
{
    const struct observed_self *self = &judge->seen->self;

    if (description == ALERT_CERTIFICATE_EXPIRED && self->client_certificate_ended_s > judge->now_s)
        return arena_format(judge->arena,
                            "it says that it has expired, though it holds until %s, so its clock "
                            "is wrong or it means an issuer of ours",
                            text_date(judge->arena, self->client_certificate_ended_s));
    return judge_alert_meaning(description);
}

static struct finding *add_demand(struct judge *judge)
{
    struct finding *finding =
        JUDGE_ADD(judge, "client-certificate-required", { "authorities", authorities(judge) });

    if (experiment_find(judge->experiments, DIAL_WITH_CLIENT_CERTIFICATE) != NULL &&
        judge_fatal_alert(&judge->seen->tls, false) == NULL &&
        !speaks_of_certificate(&judge->seen->ehlo_after_tls) && !is_cured_by_one(judge))
        judge_reword(judge, finding, "required-in-silence", NULL, 0);
    return finding;
}

static struct finding *add_refusal(struct judge *judge)
{
    const struct observation *without =
        experiment_find(judge->experiments, DIAL_WITHOUT_CLIENT_CERTIFICATE);
    const struct tls_alert *alert = judge_fatal_alert(&judge->seen->tls, false);
    bool goes_without = without != NULL && experiment_succeeded(without);
    const char *why = alert == NULL ? "it hangs up as soon as it has seen it"
                                    : why_by_alert(judge, alert->description);
    const char *advice =
        goes_without
            ? "Show none to this destination: without it the session succeeds"
            : arena_format(judge->arena,
                           "Use a certificate issued by %s, or have the owner of %s accept "
                           "the issuer of ours",
                           authorities(judge), judge->common[0].value);

    return JUDGE_ADD(judge, "client-certificate-rejected", { "subject", own_subject(judge) },
                     { "why", why }, { "advice", advice });
}

static void judge_own_state(struct judge *judge)
{
    struct finding *finding = add_own_flaw(judge);

    if (finding == NULL)
        return;
    /* Nothing failed by it here, but it will where one is demanded. */
    finding->severity = SEVERITY_WARNING;
    judge_prove(judge, finding, "%s %s", judge->common[0].value,
                judge->seen->tls.client_certificate_requested
                    ? "asks for a certificate and did not stop over ours"
                    : "does not ask for a certificate");
}

bool judge_client_certificate(struct judge *judge)
{
    struct finding *root, *finding;

    if (!is_the_trouble(judge)) {
        if (judge->seen->tls.was_completed)
            judge_own_state(judge);
        return false;
    }
    root = add_own_flaw(judge);
    if (judge->seen->tls.client_certificate_sent)
        finding = add_refusal(judge);
    else
        finding = add_demand(judge);
    if (root != NULL) {
        finding->because_of = root->code;
        prove(judge, root);
    }
    prove(judge, finding);
    return true;
}

void judge_own_certificate(const struct observed_self *self, int64_t now_s, struct arena *arena,
                           struct findings *findings)
{
    const struct observation seen = { .self = *self };
    const struct experiments none = { .count = 0 };
    struct judge judge = {
        .seen = &seen, .experiments = &none, .arena = arena, .findings = findings, .now_s = now_s
    };
    struct finding *finding = add_own_flaw(&judge);

    if (finding != NULL)
        finding->severity = SEVERITY_WARNING; /* nothing failed by it yet */
}
