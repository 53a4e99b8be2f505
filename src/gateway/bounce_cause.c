/* gateway/bounce_cause.c - why a recipient was not reached, by a finding where one is the reason, and in plain words. */
#include "gateway/bounce_parts.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"

enum { TEXT_MOST = 500, PROOFS_MOST = 6 }; /* so that a report on many keeps within its bounds */

/* ---- the finding ---------------------------------------------------------------------------- */

/* The words of a row with the name of the server in them; NULL where they need more than is known here. */
static const char *fill(struct arena *arena, const char *text, const char *host)
{
    const char *at = text;

    while ((at = strchr(at, '{')) != NULL) {
        if (*host == '\0' || strncmp(at, "{host}", strlen("{host}")) != 0)
            return NULL;
        at++;
    }
    return catalogue_fill(arena, text, &(struct catalogue_value){ "host", host }, 1);
}

/* The names of our own files and sockets are nobody's business: they are in what proves something, and in all words
 * about a fault of ours. */
static bool names_a_file(const char *text)
{
    for (const char *at = text; (at = strchr(at, '/')) != NULL; at++)
        if (at == text || strchr(" (\"'=:", at[-1]) != NULL)
            return !(at > text && at[-1] == ':' && at[1] == '/'); /* "http://" is none */
    return false;
}

/* They are printable as they come. */
static const char *show(struct arena *arena, const char *text)
{
    struct span shown = text_front(span_of(text), TEXT_MOST);

    return text_is_ascii(shown) ? bounce_line(arena, shown) : text_printable(arena, shown, true);
}

/* With the words of this case as far as they are anybody's business. */
static void take_case(struct finding *shown, const struct finding *told, struct arena *arena)
{
    bool is_ours = told->fault == FAULT_CLIENT;

    if (!is_ours || !names_a_file(told->cause))
        shown->cause = show(arena, told->cause);
    if (!is_ours || !names_a_file(told->remedy))
        shown->remedy = show(arena, told->remedy);
    for (size_t i = 0; i < told->evidence_count && shown->evidence_count < PROOFS_MOST; i++)
        if (!names_a_file(told->evidence[i]))
            shown->evidence[shown->evidence_count++] = show(arena, told->evidence[i]);
}

static void take_row(struct finding *shown, const struct catalogue_row *row, const char *host,
                     struct arena *arena)
{
    const char *cause = fill(arena, row->cause, host);

    if (cause != NULL)
        shown->cause = cause;
    shown->remedy = fill(arena, row->remedy, host);
}

/* A flaw of a session is not the reason of what was said in it: then the code is another. The class changes where
 * what was put off is given up. */
static bool is_reason(const char *status, struct span code)
{
    struct span of_finding = span_of(status == NULL ? "" : status);

    return of_finding.len > 1 && code.len > 1 &&
           span_equal(span_part(of_finding, 1, of_finding.len - 1),
                      span_part(code, 1, code.len - 1));
}

static const char *status_of(const struct finding *finding, const struct catalogue_row *row)
{
    return finding != NULL && finding->enhanced_status != NULL ? finding->enhanced_status
                                                               : row->enhanced_status;
}

const struct finding *bounce_cause_of(const struct bounce_recipient *one, struct arena *arena)
{
    const char *code =
        one->finding != NULL ? one->finding->code : arena_copy(arena, one->attempt->finding);
    const struct catalogue_row *row = catalogue_find(code);
    struct finding *shown;

    if (row == NULL || !is_reason(status_of(one->finding, row), one->attempt->code))
        return NULL;
    shown = arena_new(arena, 1, sizeof *shown);
    if (shown == NULL)
        return NULL;
    *shown = (struct finding){ .code = row->code,
                               .step = row->step,
                               .fault = row->fault,
                               .severity = row->severity,
                               .cause = row->title };
    if (one->finding == NULL) {
        take_row(shown, row, bounce_line(arena, bounce_peer_of(one->attempt->relay)), arena);
    } else {
        shown->fault = one->finding->fault; /* an experiment may have told more than the row */
        take_case(shown, one->finding, arena);
    }
    return shown;
}

/* ---- plain words ---------------------------------------------------------------------------- */

/* What a code of RFC 3463 means to somebody who wrote a letter, and what they can do; the class aside. */
static const struct meaning {
    const char *code;
    const char *words;
} meanings[] = {
    { "1.1", "There is no such mailbox. Is the part before the @ spelled as it should be?" },
    { "1.2", "There is no such domain. Is the part behind the @ spelled as it should be?" },
    { "1.3", "This cannot be the address of a mailbox. Is it spelled as it should be?" },
    { "1.6", "The mailbox has moved and left no new address." },
    { "1.7", "Your own address is not one that the other side takes mail from." },
    { "1.8", "Your own address is not one that the other side takes mail from." },
    { "1.10", "This domain says that it takes no mail at all." },
    { "2.1", "The mailbox is switched off. Ask its owner in another way." },
    { "2.2", "The mailbox is full. Its owner has to make room before you send it again." },
    { "2.3", "The message is larger than this mailbox takes. Send less, or a link." },
    { "3.4", "The message is larger than the other side takes. Send less, or a link." },
    { "5.4", "The envelope's id does not go through. Your mail program has to leave it out." },
    { "6.3", "The message is in a form that the other side does not take." },
    { "7.30",
      "Your message asks to travel over protected connections alone (REQUIRETLS), and the other side "
      "does not promise that. Send it without that wish if it can do without." },
    { "6.7", "The message needs international addresses, which the other side does not take." },
};

/* "": none of them fits. */
static const char *meaning_of(struct span code)
{
    struct span rest = code, class = span_take_until(&rest, '.');

    for (size_t i = 0; class.len == 1 && i < ARRAY_SIZE(meanings); i++)
        if (span_equal(rest, span_of(meanings[i].code)))
            return meanings[i].words;
    return "";
}

static const char *protection_words(enum severity severity)
{
    return severity == SEVERITY_FATAL
               ? "No protected connection to their mail server came about, and your message may "
                 "not go there without one."
               : "Their mail server could not prove that it is the right one, so your message was "
                 "not given to it.";
}

/* RFC 3463 section 3.8: X.7.XXX. */
static bool is_about_security(struct span code)
{
    return code.len > 2 && code.data[2] == '7';
}

static const char *words_of_finding(const struct finding *cause, struct span code)
{
    if (cause->fault == FAULT_CLIENT)
        return "The fault is on this side, not on yours nor on theirs.";
    switch (cause->step) {
    case STEP_DNS: return "The way to their mail server cannot be looked up.";
    case STEP_CONNECT: return "Their mail server cannot be reached.";
    case STEP_EHLO: /* that STARTTLS is missing is seen there, too */
        if (is_about_security(code))
            break;
        return "Their mail server does not take mail as it should.";
    case STEP_GREETING: return "Their mail server does not take mail as it should.";
    case STEP_STARTTLS:
    case STEP_HANDSHAKE:
    case STEP_CERTIFICATE:
    case STEP_POLICY:
    case STEP_AFTER_TLS:
    case STEP_COUNT: break;
    }
    return protection_words(cause->severity);
}

bool bounce_is_given_up(const struct bounce *bounce, const struct bounce_recipient *one)
{
    return bounce->action == BOUNCE_FAILED && one->attempt->code.len > 0 &&
           one->attempt->code.data[0] == '4';
}

static const char *why(const struct bounce_recipient *one, const struct finding *cause)
{
    const char *meaning = meaning_of(one->attempt->code);

    if (*meaning != '\0')
        return meaning;
    return cause == NULL ? "" : words_of_finding(cause, one->attempt->code);
}

const char *bounce_plain_words(const struct bounce *bounce, const struct bounce_recipient *one,
                               struct arena *arena)
{
    const char *words = why(one, bounce_cause_of(one, arena));
    const char *gap = *words == '\0' ? "" : " ";

    if (bounce->action == BOUNCE_DELAYED)
        return arena_format(arena, "It could not be handed over so far.%s%s", gap, words);
    if (bounce_is_given_up(bounce, one))
        return arena_format(
            arena,
            "We tried for as long as we may, and it did not get through.%s%s You can send it again.",
            gap, words);
    if (*words != '\0')
        return words;
    return is_about_security(one->attempt->code)
               ? "The other side turns it away by a rule of its own, or for want of trust."
               : "The other side does not take it.";
}
