/* diagnose/judge_connect.c - what went wrong before EHLO: the connection and the greeting. */
#include "diagnose/judge_parts.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static void judge_connection(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const char *why = judge_errno(judge, seen->error_number);
    const char *code;
    struct finding *finding;

    switch ((int)seen->ending) {
    case ENDING_REFUSED: code = "connect-refused"; break;
    case ENDING_UNREACHABLE: code = "connect-unreachable"; break;
    case ENDING_NO_CONNECT:
    case ENDING_TIMEOUT: code = "connect-timeout"; break;
    case ENDING_RESET:
    case ENDING_CLOSED: code = "connect-reset"; break;
    default: return; /* our own failure, or stopped by us */
    }
    finding = JUDGE_ADD(judge, code, { "why", why });
    if (seen->ending == ENDING_UNREACHABLE &&
        (seen->error_number == ENETUNREACH || seen->error_number == EADDRNOTAVAIL ||
         seen->error_number == EPERM || seen->error_number == EACCES))
        JUDGE_REWORD(judge, finding, "own-route", { "why", why });
    if (seen->ending == ENDING_NO_CONNECT || seen->ending == ENDING_TIMEOUT)
        judge_prove(judge, finding, "connect to %s port %u: no SYN-ACK within %s", seen->address,
                    seen->port, judge_wait(judge, seen->timeout_ms));
    else
        judge_prove(judge, finding, "connect to %s port %u: %s after %s", seen->address, seen->port,
                    why, judge_wait(judge, seen->step_ms[STEP_CONNECT]));
}

/* What speaks there, by its first words; NULL: no idea. */
static const char *known_speaker(struct span bytes)
{
    static const struct {
        const char *begins, *speaker;
    } speakers[] = {
        { "SSH-", "an SSH server answers there" },
        { "HTTP/", "a web server answers there" },
        { "<!DOCTYPE", "a web server answers there" },
        { "<html", "a web server answers there" },
        { "* OK", "an IMAP server answers there" },
        { "* PREAUTH", "an IMAP server answers there" },
        { "* BYE", "an IMAP server answers there" },
        { "+OK", "a POP3 server answers there" },
        { "-ERR", "a POP3 server answers there" },
        { "RFB ", "a VNC server answers there" },
        { "\xff\xfb", "a telnet server answers there" },
        { "\xff\xfd", "a telnet server answers there" },
        { "@RSYNCD", "an rsync server answers there" },
        { "AMQP", "an AMQP broker answers there" },
        { ":", "an IRC server seems to answer there" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(speakers); i++)
        if (span_starts_with_nocase(bytes, speakers[i].begins))
            return speakers[i].speaker;
    return NULL;
}

static bool looks_like_tls(struct span bytes)
{
    return bytes.len >= 2 && bytes.data[0] >= 0x14 && bytes.data[0] <= 0x17 && bytes.data[1] == 3;
}

static bool speaks_tls_at_once(const struct judge *judge)
{
    const struct observation *plain = experiment_find(judge->experiments, DIAL_PLAIN_TLS);

    return plain != NULL && (plain->tls.has_server_hello || plain->tls.was_completed ||
                             judge_fatal_alert(&plain->tls, false) != NULL);
}

static void add_expects_tls(struct judge *judge, struct span bytes)
{
    const struct observation *plain = experiment_find(judge->experiments, DIAL_PLAIN_TLS);
    struct finding *finding = judge_add(judge, "greeting-expects-tls", NULL, 0);

    if (bytes.len > 0)
        judge_prove(judge, finding, "first bytes: %s, a TLS record",
                    text_hex(judge->arena, span_part(bytes, 0, 16)));
    else
        judge_prove(judge, finding, "no greeting came (%s after %s)",
                    ending_name(judge->seen->ending),
                    judge_wait(judge, judge->seen->step_ms[STEP_GREETING]));
    if (plain != NULL)
        judge_prove(judge, finding, "with TLS from the first byte: %s",
                    judge_outcome(judge, plain));
}

static void judge_no_greeting(struct judge *judge, struct span bytes)
{
    const struct observation *seen = judge->seen;
    struct finding *finding;
    const char *when;

    if (seen->ending == ENDING_RESET && bytes.len == 0) {
        finding = judge_add(judge, "connect-reset", NULL, 0);
        judge_prove(judge, finding, "connected, then %s after %s without one byte",
                    judge_errno(judge, ECONNRESET),
                    judge_wait(judge, seen->step_ms[STEP_GREETING]));
        return;
    }
    if (seen->ending == ENDING_TIMEOUT) {
        finding = JUDGE_ADD(judge, "greeting-timeout",
                            { "seconds", judge_wait(judge, seen->timeout_ms) });
        if (bytes.len > 0)
            JUDGE_REWORD(judge, finding, "greeting-unfinished",
                         { "seconds", judge_wait(judge, seen->timeout_ms) });
        judge_prove_bytes(judge, finding, "what came", bytes);
        if (experiment_find(judge->experiments, DIAL_PLAIN_TLS) != NULL)
            judge_prove(judge, finding, "with TLS from the first byte: %s",
                        judge_outcome(judge, experiment_find(judge->experiments, DIAL_PLAIN_TLS)));
        return;
    }
    when = bytes.len > 0                   ? "in the middle of its greeting"
           : seen->ending == ENDING_CLOSED ? "without a greeting"
                                           : "before its greeting ended";
    finding = JUDGE_ADD(judge, "greeting-closed", { "when", when });
    judge_prove_bytes(judge, finding, "what came before the end", bytes);
    judge_prove(judge, finding, "%s %s after the connection stood",
                seen->ending == ENDING_RESET ? "RST" : "FIN",
                judge_wait(judge, seen->step_ms[STEP_GREETING]));
}

static void judge_strange_greeting(struct judge *judge, struct span bytes)
{
    const char *speaker = known_speaker(bytes);
    struct finding *finding;

    finding = JUDGE_ADD(
        judge, "greeting-malformed",
        { "what", speaker != NULL ? speaker : judge_flaw_words(judge->seen->greeting.flaws) });
    judge_prove_bytes(judge, finding, "first bytes", bytes);
}

static void judge_refusing_greeting(struct judge *judge)
{
    const struct observed_reply *greeting = &judge->seen->greeting;
    struct finding *finding =
        JUDGE_ADD(judge, "greeting-rejected", { "reply", judge_reply(judge, greeting) });

    judge_prove_bytes(judge, finding, "greeting", greeting->raw);
    if (greeting->code / 100 == 5)
        finding->enhanced_status = "5.3.2";
}

/* Read all the same, but others are stricter. */
static void judge_tolerated_greeting(struct judge *judge)
{
    const struct observed_reply *greeting = &judge->seen->greeting;
    bool is_other_code = greeting->came && !greeting->is_broken && greeting->code / 100 == 2 &&
                         greeting->code != 220;
    const char *what =
        is_other_code
            ? arena_format(judge->arena, "its code is %u where 220 must be", greeting->code)
            : judge_flaw_words(greeting->flaws);
    struct finding *finding;

    if (!is_other_code &&
        ((greeting->flaws & ~(uint32_t)SMTP_REPLY_FLAW_NO_TEXT) == 0 ||
         (greeting->flaws & judge->seen->ehlo.flaws & SMTP_REPLY_FLAW_BARE_LF) != 0))
        return; /* one finding for all bare LF: that of EHLO */
    finding = JUDGE_ADD(judge, "greeting-malformed", { "what", what });
    JUDGE_REWORD(judge, finding, "greeting-tolerated", { "what", what });
    finding->severity =
        is_other_code ? SEVERITY_WARNING : judge_flaw_severity(greeting->flaws, greeting->raw);
    judge_prove_bytes(judge, finding, "greeting", greeting->raw);
}

static void judge_greeting(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct observed_reply *greeting = &seen->greeting;
    struct span bytes = greeting->raw.len > 0 ? greeting->raw : seen->unfinished;

    if (seen->reached > STEP_GREETING) {
        judge_tolerated_greeting(judge);
    } else if (greeting->came && !greeting->is_broken && greeting->code / 100 >= 4) {
        judge_refusing_greeting(judge);
    } else if (looks_like_tls(bytes) || speaks_tls_at_once(judge)) {
        add_expects_tls(judge, bytes);
    } else if (greeting->came || seen->ending == ENDING_BROKEN ||
               (bytes.len > 0 && known_speaker(bytes) != NULL)) {
        judge_strange_greeting(judge, bytes);
    } else if (seen->ending == ENDING_CLOSED || seen->ending == ENDING_RESET ||
               seen->ending == ENDING_TIMEOUT) {
        judge_no_greeting(judge, bytes);
    }
}

void judge_connect(struct judge *judge)
{
    if (judge->seen->reached <= STEP_CONNECT)
        judge_connection(judge);
    else if (!judge->seen->is_implicit_tls || judge->seen->greeting.came)
        judge_greeting(judge);
}
