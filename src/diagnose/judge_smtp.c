/* diagnose/judge_smtp.c - what went wrong in SMTP: EHLO, STARTTLS, and EHLO inside TLS. */
#include "diagnose/judge_parts.h"

#include <string.h>

#include "base/text.h"

static bool was_taken(const struct observed_reply *reply)
{
    return reply->came && !reply->is_broken && reply->code / 100 == 2;
}

static bool was_refused(const struct observed_reply *reply)
{
    return reply->came && !reply->is_broken && reply->code / 100 >= 4;
}

static bool helo_works(const struct judge *judge)
{
    const struct observation *helo = experiment_find(judge->experiments, DIAL_HELO);

    return was_taken(&judge->seen->helo) || (helo != NULL && was_taken(&helo->helo));
}

static void prove_helo(struct judge *judge, struct finding *finding)
{
    const struct observation *helo = experiment_find(judge->experiments, DIAL_HELO);

    if (was_taken(&judge->seen->helo))
        judge_prove_bytes(judge, finding, "reply to HELO", judge->seen->helo.raw);
    else if (helo != NULL)
        judge_prove(judge, finding, "with HELO in place of EHLO: %s", judge_outcome(judge, helo));
}

/* The line of a reply, from 0, with its line end taken off. */
static struct span line_of(const struct observed_reply *reply, size_t index)
{
    struct span rest = reply->raw, line = { NULL, 0 };

    for (size_t i = 0; i <= index && rest.len > 0; i++)
        line = span_take_until(&rest, '\n');
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static const char *extension_names(struct judge *judge, uint32_t extensions)
{
    const char *names = "";

    for (uint32_t bit = 1; bit <= SMTP_EXTENSION_AUTH; bit <<= 1)
        if (extensions & bit)
            names = arena_format(judge->arena, "%s%s%s", names, names[0] == '\0' ? "" : ", ",
                                 smtp_extension_name((enum smtp_extension)bit));
    return names;
}

static void judge_ehlo_refusal(struct judge *judge)
{
    const struct observed_reply *ehlo = &judge->seen->ehlo;
    struct finding *finding;

    finding = judge_add(judge, "ehlo-rejected", NULL, 0);
    if (!helo_works(judge) || ehlo->code == 421) {
        JUDGE_REWORD(judge, finding, "turned-away", { "reply", judge_reply(judge, ehlo) });
        finding->enhanced_status = ehlo->code / 100 == 5 ? "5.3.2" : "4.3.2";
    }
    judge_prove_bytes(judge, finding, "reply to EHLO", ehlo->raw);
    if (was_refused(&judge->seen->helo))
        judge_prove_bytes(judge, finding, "reply to HELO", judge->seen->helo.raw);
    else
        prove_helo(judge, finding);
    judge_prove_bytes(judge, finding, "greeting", judge->seen->greeting.raw);
}

static void judge_no_ehlo_reply(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *closes = judge_closes(seen->ending);
    struct finding *finding;

    if (seen->unfinished.len > 0) {
        finding = JUDGE_ADD(judge, "ehlo-malformed",
                            { "what", seen->ending == ENDING_TIMEOUT
                                          ? "it never ends: no line has a space behind its code"
                                          : "it is cut off in the middle" });
    } else if (helo_works(judge)) {
        const char *does = seen->ending == ENDING_TIMEOUT
                               ? "falls silent"
                               : arena_format(judge->arena, "%s the connection", closes);

        finding = judge_add(judge, "ehlo-rejected", NULL, 0);
        JUDGE_REWORD(judge, finding, "ehlo-hangs-up", { "closes", does });
    } else if (seen->ending == ENDING_TIMEOUT) {
        finding =
            JUDGE_ADD(judge, "ehlo-timeout", { "seconds", judge_wait(judge, seen->timeout_ms) });
    } else {
        finding = JUDGE_ADD(judge, "ehlo-closed", { "closes", closes });
    }
    judge_prove_bytes(judge, finding, "what came of the reply to EHLO", seen->unfinished);
    if (seen->greeting.came)
        judge_prove_bytes(judge, finding, "greeting", seen->greeting.raw);
    prove_helo(judge, finding);
}

static void judge_broken_ehlo(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding =
        JUDGE_ADD(judge, "ehlo-malformed", { "what", judge_flaw_words(seen->ehlo.flaws) });

    judge_prove_bytes(judge, finding, "reply to EHLO",
                      seen->ehlo.raw.len > 0 ? seen->ehlo.raw : seen->unfinished);
}

/* It was read all the same; who is stricter stumbles. */
static void judge_tolerated_ehlo(struct judge *judge)
{
    const struct observed_reply *ehlo = &judge->seen->ehlo;
    uint32_t flaws = ehlo->flaws & ~(uint32_t)SMTP_REPLY_FLAW_NO_TEXT;
    uint32_t rest = flaws & ~(uint32_t)SMTP_REPLY_FLAW_BARE_LF;
    struct finding *finding;

    if (flaws & SMTP_REPLY_FLAW_BARE_LF) {
        finding = judge_add(judge, "ehlo-bare-lf", NULL, 0);
        judge_prove_bytes(judge, finding, "reply to EHLO", ehlo->raw);
    }
    if (rest != 0) {
        const char *what = judge_flaw_words(rest);

        finding = JUDGE_ADD(judge, "ehlo-malformed", { "what", what });
        JUDGE_REWORD(judge, finding, "ehlo-tolerated", { "what", what });
        finding->severity = judge_flaw_severity(rest, ehlo->raw);
        judge_prove_bytes(judge, finding, "reply to EHLO", ehlo->raw);
    }
}

static void judge_lost_keyword(struct judge *judge, bool loses_starttls)
{
    uint32_t lost = judge->seen->capabilities.on_greeting_line;
    const char *keywords = extension_names(judge, lost);
    struct finding *finding =
        JUDGE_ADD(judge, "ehlo-keyword-before-greeting", { "keywords", keywords });

    judge_prove(judge, finding, "first line of the EHLO reply: \"%s\"",
                judge_quote(judge, line_of(&judge->seen->ehlo, 0), 200));
    judge_prove_bytes(judge, finding, "reply to EHLO", judge->seen->ehlo.raw);
    if (loses_starttls)
        return;
    JUDGE_REWORD(judge, finding, "keyword-lost", { "keywords", keywords });
    finding->severity = SEVERITY_WARNING;
    finding->tls_report = NULL;
}

/* A policy that promises TLS makes its lack more than a lack: RFC 7672 section 2.2, RFC 8461
 * section 4.1. */
static void prove_promise(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;
    const char *promise = seen->tlsa == POLICY_TLSA_USABLE || seen->tlsa == POLICY_TLSA_UNUSABLE
                              ? "a TLSA record in a signed zone"
                          : seen->sts == POLICY_STS_ENFORCE ? "an MTA-STS policy in force"
                                                            : NULL;

    if (promise != NULL)
        judge_prove(judge, finding,
                    "%s promises TLS there: the server has lost it, or something on the way takes "
                    "it out",
                    promise);
}

static void judge_masked(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *line =
        judge_quote(judge, line_of(&seen->ehlo, seen->capabilities.masked_line), 200);
    struct finding *finding = JUDGE_ADD(judge, "starttls-masked", { "line", line });

    judge_prove(judge, finding, "line %u of the EHLO reply: \"%s\"",
                seen->capabilities.masked_line + 1U, line);
    judge_prove_bytes(judge, finding, "reply to EHLO", seen->ehlo.raw);
    if (memchr(seen->greeting.raw.data == NULL ? "" : seen->greeting.raw.data, '*',
               seen->greeting.raw.len) != NULL)
        judge_prove_bytes(judge, finding, "greeting, with asterisks as such firewalls write them",
                          seen->greeting.raw);
}

static void judge_no_starttls(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;

    if (seen->capabilities.on_greeting_line & SMTP_EXTENSION_STARTTLS) {
        judge_lost_keyword(judge, true);
    } else if (seen->capabilities.masked_line != 0) {
        judge_masked(judge);
    } else {
        finding = judge_add(judge, "starttls-not-offered", NULL, 0);
        judge_prove_bytes(judge, finding, "reply to EHLO", seen->ehlo.raw);
        prove_promise(judge, finding);
        if (findings_find(judge->findings, "ehlo-malformed") != NULL)
            judge_prove(judge, finding, "the reply is malformed; STARTTLS may be lost by that");
    }
}

static void judge_ehlo(struct judge *judge)
{
    const struct observation *seen = judge->seen;

    if (seen->ehlo.came && seen->ehlo.is_broken) {
        judge_broken_ehlo(judge);
        return;
    }
    if (was_refused(&seen->ehlo)) {
        judge_ehlo_refusal(judge);
        return;
    }
    if (!was_taken(&seen->ehlo)) {
        if (seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET ||
            seen->ending == ENDING_TIMEOUT)
            judge_no_ehlo_reply(judge);
        else if (seen->ending == ENDING_BROKEN || seen->ehlo.came)
            judge_broken_ehlo(judge);
        return;
    }
    judge_tolerated_ehlo(judge);
    if (!seen->has_capabilities)
        return;
    if ((seen->capabilities.extensions & SMTP_EXTENSION_STARTTLS) == 0 &&
        seen->level != POLICY_NONE && !seen->is_implicit_tls)
        judge_no_starttls(judge);
    else if ((seen->capabilities.on_greeting_line & ~(uint32_t)SMTP_EXTENSION_STARTTLS) != 0)
        judge_lost_keyword(judge, false);
    if (seen->capabilities.is_lower_case &&
        (seen->capabilities.extensions & SMTP_EXTENSION_STARTTLS) != 0) {
        struct finding *finding = judge_add(judge, "ehlo-lower-case", NULL, 0);

        judge_prove(
            judge, finding, "line %u of the EHLO reply: \"%s\"",
            seen->capabilities.starttls_line + 1U,
            judge_quote(judge, line_of(&seen->ehlo, seen->capabilities.starttls_line), 200));
    }
}

static void prove_offer(struct judge *judge, struct finding *finding)
{
    const struct observation *seen = judge->seen;

    if (seen->has_capabilities && seen->capabilities.starttls_line != 0)
        judge_prove(
            judge, finding, "offered in the EHLO reply: \"%s\"",
            judge_quote(judge, line_of(&seen->ehlo, seen->capabilities.starttls_line), 200));
}

static void judge_starttls_end(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    bool said_220 = was_taken(&seen->starttls);
    struct finding *finding;

    if (seen->ending == ENDING_TIMEOUT) {
        finding = JUDGE_ADD(judge, "starttls-timeout",
                            { "seconds", judge_wait(judge, seen->timeout_ms) });
    } else {
        finding = JUDGE_ADD(
            judge, "starttls-closed", { "closes", judge_closes(seen->ending) },
            { "when", said_220 ? "right after its 220, before a ClientHello could reach it"
                               : "in place of an answer to STARTTLS" });
    }
    prove_offer(judge, finding);
    if (said_220)
        judge_prove_bytes(judge, finding, "reply to STARTTLS", seen->starttls.raw);
    else
        judge_prove_bytes(judge, finding, "what came of the reply to STARTTLS", seen->unfinished);
    judge_prove(judge, finding, "then: %s after %s",
                seen->ending == ENDING_RESET     ? "RST"
                : seen->ending == ENDING_TIMEOUT ? "silence"
                                                 : "FIN",
                judge_wait(judge, seen->ending == ENDING_TIMEOUT ? seen->timeout_ms
                                                                 : seen->step_ms[STEP_STARTTLS]));
}

static void judge_starttls_refusal(struct judge *judge)
{
    const struct observed_reply *reply = &judge->seen->starttls;
    const char *code = reply->code / 100 == 4 ? "starttls-refused-temporarily" : "starttls-refused";
    struct finding *finding = JUDGE_ADD(judge, code, { "reply", judge_reply(judge, reply) });

    prove_offer(judge, finding);
    judge_prove_bytes(judge, finding, "reply to STARTTLS", reply->raw);
}

static void judge_injected(struct judge *judge, struct span bytes)
{
    struct finding *finding = judge_add(judge, "starttls-injected", NULL, 0);

    judge_prove_bytes(judge, finding, "reply to STARTTLS", judge->seen->starttls.raw);
    judge_prove_bytes(judge, finding, "plaintext behind it", bytes);
    if (judge->seen->injected.len > 0)
        judge_prove(judge, finding,
                    "it came before our ClientHello, so it answers nothing that we "
                    "said; neither TLS nor SMTP was given it");
}

/* Does a TLS record follow the plaintext? Then the server behind did start TLS. */
static bool tls_follows(struct span bytes)
{
    while (bytes.len > 0) {
        (void)span_take_until(&bytes, '\n');
        if (bytes.len >= 3 && (bytes.data[0] == 0x16 || bytes.data[0] == 0x15) &&
            bytes.data[1] == 3)
            return true;
    }
    return false;
}

static bool begins_as_text(struct span bytes)
{
    for (size_t i = 0; i < bytes.len && i < 3; i++)
        if (bytes.data[i] < ' ' || bytes.data[i] > '~')
            return false;
    return bytes.len > 0;
}

/* A refusal answers our ClientHello as if it were a command: that is the server, in plaintext.
 * Anything else answers nothing that we said. */
static void judge_plaintext(struct judge *judge)
{
    struct span bytes = judge->seen->tls.first_bytes;
    struct finding *finding;

    if (tls_follows(bytes)) {
        judge_injected(judge, bytes);
        return;
    }
    finding = judge_add(judge, "starttls-not-tls", NULL, 0);
    if (!begins_as_text(bytes))
        judge_reword(judge, finding, "neither-tls-nor-text", NULL, 0);
    judge_prove_bytes(judge, finding, "reply to STARTTLS", judge->seen->starttls.raw);
    judge_prove_bytes(judge, finding, "what came in place of a ServerHello", bytes);
    if (bytes.len > 0 && (bytes.data[0] == '5' || bytes.data[0] == '4'))
        judge_prove(judge, finding,
                    "that is the refusal of a command: it read our ClientHello as "
                    "SMTP");
}

static void judge_starttls(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;

    if (seen->ending == ENDING_INJECTED || seen->injected.len > 0) {
        judge_injected(judge, seen->injected);
    } else if (seen->starttls.came && seen->starttls.is_broken) {
        finding = JUDGE_ADD(judge, "starttls-malformed",
                            { "what", judge_flaw_words(seen->starttls.flaws) });
        judge_prove_bytes(judge, finding, "reply to STARTTLS", seen->starttls.raw);
    } else if (seen->starttls.came && seen->starttls.code != 220) { /* RFC 3207 section 4 */
        judge_starttls_refusal(judge);
    } else if (seen->ending == ENDING_NOT_TLS || seen->tls.is_not_tls) {
        judge_plaintext(judge);
    } else if (seen->reached == STEP_STARTTLS ||
               (was_taken(&seen->starttls) && seen->reached < STEP_CERTIFICATE &&
                !seen->tls.was_started)) {
        if (seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET ||
            seen->ending == ENDING_TIMEOUT)
            judge_starttls_end(judge);
    }
}

static void judge_second_greeting(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding = judge_add(judge, "after-tls-second-greeting", NULL, 0);

    if (!was_taken(&seen->ehlo_after_tls)) {
        judge_reword(judge, finding, "second-greeting-fatal", NULL, 0);
        finding->severity = SEVERITY_FATAL;
    }
    judge_prove_bytes(judge, finding, "first reply inside TLS", seen->second_greeting.raw);
    if (seen->ehlo_after_tls.came)
        judge_prove_bytes(judge, finding, "reply to EHLO behind it", seen->ehlo_after_tls.raw);
}

/* What came behind the handshake was no record that we can take. */
static struct finding *add_unreadable_inside(struct judge *judge)
{
    const char *reason = judge->seen->tls.library_reason;
    bool is_plain = reason == NULL || strstr(reason, "version number") != NULL ||
                    strstr(reason, "http request") != NULL ||
                    strstr(reason, "packet length") != NULL;
    struct finding *finding;

    if (is_plain) {
        finding = judge_add(judge, "after-tls-plaintext", NULL, 0);
    } else {
        finding = JUDGE_ADD(judge, "after-tls-closed", { "closes", "closes" });
        JUDGE_REWORD(judge, finding, "after-tls-record", { "meaning", reason });
    }
    if (reason != NULL)
        judge_prove(judge, finding, "our TLS library says: %s", reason);
    return finding;
}

static void judge_end_inside_tls(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;

    if (judge_fatal_alert(&seen->tls, true) != NULL)
        finding = add_unreadable_inside(judge);
    else if (seen->ending == ENDING_TIMEOUT)
        finding = JUDGE_ADD(judge, "after-tls-timeout",
                            { "seconds", judge_wait(judge, seen->timeout_ms) });
    else
        finding = JUDGE_ADD(judge, "after-tls-closed", { "closes", judge_closes(seen->ending) });
    judge_prove(judge, finding, "handshake: completed with %s, %s",
                tls_version_name(seen->tls.version),
                seen->tls.cipher == NULL ? "cipher unknown" : seen->tls.cipher);
    judge_prove_bytes(judge, finding, "what came inside TLS", seen->unfinished);
    for (size_t i = 0; i < seen->tls.alert_count; i++)
        judge_prove(judge, finding, "alert %s: %s",
                    seen->tls.alerts[i].is_sent ? "sent by us" : "from the server",
                    judge_alert(judge, seen->tls.alerts[i].description));
    for (size_t i = 0; i < judge->experiments->count; i++)
        judge_prove(judge, finding, "%s: %s", judge_dial_words(judge->experiments->items[i]->dial),
                    judge_outcome(judge, judge->experiments->items[i]));
}

static void judge_after_tls(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;

    if (seen->second_greeting.came)
        judge_second_greeting(judge);
    else if (seen->ehlo_after_tls.came && !was_taken(&seen->ehlo_after_tls)) {
        finding = JUDGE_ADD(judge, "after-tls-ehlo-rejected",
                            { "reply", judge_reply(judge, &seen->ehlo_after_tls) });
        if (seen->ehlo_after_tls.is_broken)
            JUDGE_REWORD(judge, finding, "after-tls-no-reply",
                         { "what", judge_flaw_words(seen->ehlo_after_tls.flaws) });
        judge_prove_bytes(judge, finding, "reply to EHLO inside TLS", seen->ehlo_after_tls.raw);
        if (seen->ehlo_after_tls.code / 100 == 5)
            finding->enhanced_status = "5.5.0";
    } else if (seen->ended_after_tls && !was_taken(&seen->ehlo_after_tls)) {
        if (!judge_differential(judge))
            judge_end_inside_tls(judge);
    }
    if (seen->close_notify_missing) {
        finding = judge_add(judge, "close-notify-missing", NULL, 0);
        judge_prove(judge, finding,
                    "FIN came inside TLS after QUIT, and no close_notify before it");
    }
}

void judge_smtp(struct judge *judge)
{
    const struct observation *seen = judge->seen;

    if (seen->reached < STEP_EHLO && !(seen->is_implicit_tls && seen->ehlo.came))
        return;
    if (!seen->is_implicit_tls || seen->ehlo.came)
        judge_ehlo(judge);
    if (seen->reached >= STEP_STARTTLS && !seen->is_implicit_tls)
        judge_starttls(judge);
    if (seen->tls.was_completed && !judge_client_certificate(judge))
        judge_after_tls(judge);
}
