/* gateway/bounce_words.c - what a report says to people: first the sender, then their postmaster. */
#include "gateway/bounce_parts.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/page.h"
#include "queue/id.h"
#include "smtp/header.h"

enum { INDENT = 2, HANG = 14, SUBJECT_MOST = 120 };

/* Replies are printable as they come; what hides text in an address is shown. */
static const char *show(struct arena *arena, struct span text)
{
    return text_is_ascii(text) ? bounce_line(arena, text) : text_printable(arena, text, true);
}

/* ---- for the sender ------------------------------------------------------------------------- */

static const char *recipients_of(const struct bounce *bounce, struct arena *arena)
{
    return bounce->count == 1 ? "one recipient"
                              : arena_format(arena, "%zu recipients", bounce->count);
}

/* Its subject, so that its sender knows it again: ("Minutes of Monday"). "": none, or none to be read. */
static const char *subject_of(const struct bounce *bounce, struct arena *arena)
{
    struct span rest = bounce->message;
    struct smtp_field field;

    while (smtp_header_next(&rest, &field)) {
        struct span value = span_trim(field.value);

        if (!smtp_field_is(&field, "Subject"))
            continue;
        if (value.len == 0 || value.len > SUBJECT_MOST || !text_is_utf8(value) ||
            memmem(value.data, value.len, "=?", 2) != NULL || span_find(value, '\n') < value.len)
            return "";
        return arena_format(arena, " (\"%s\")", show(arena, value));
    }
    return "";
}

static const char *opening_of(const struct bounce *bounce, struct arena *arena)
{
    const char *message = arena_format(arena, "Your message of %s%s",
                                       text_mail_date(arena, bounce->envelope->received_at_s),
                                       subject_of(bounce, arena));
    const char *whom = recipients_of(bounce, arena);

    switch (bounce->action) {
    case BOUNCE_FAILED:
        return arena_format(arena, "%s could not be delivered to %s, and will not be tried again.",
                            message, whom);
    case BOUNCE_DELAYED:
        return arena_format(arena,
                            "%s has not reached %s yet. You need not do anything: it is tried "
                            "again until %s.",
                            message, whom, text_mail_date(arena, bounce->retries_until_s));
    case BOUNCE_DELIVERED:
        return arena_format(arena, "%s has been delivered to %s, as you asked to be told.", message,
                            whom);
    case BOUNCE_RELAYED: break;
    }
    return arena_format(arena,
                        "%s has been passed on for %s to a server that will not tell whether it "
                        "arrived.",
                        message, whom);
}

static bool is_trouble(const struct bounce *bounce)
{
    return bounce->action == BOUNCE_FAILED || bounce->action == BOUNCE_DELAYED;
}

/* Those that met with the same fate one after the other stand together above its words. */
static void write_recipients(const struct bounce *bounce, struct arena *arena, struct page *page)
{
    const char *words = "", *last;

    for (size_t i = 0; i < bounce->count; i++) {
        const struct bounce_recipient *one = &bounce->recipients[i];

        last = words;
        words = is_trouble(bounce) ? bounce_plain_words(bounce, one, arena) : "";
        if (strcmp(words, last) != 0 && *last != '\0')
            page_paragraph(page, 2 * INDENT, PAGE_PLAIN, last);
        if (strcmp(words, last) != 0 || i == 0)
            page_end_line(page);
        page_paragraph(page, INDENT, PAGE_PLAIN, show(arena, one->recipient->address));
    }
    if (*words != '\0')
        page_paragraph(page, 2 * INDENT, PAGE_PLAIN, words);
}

static void write_sender(const struct bounce *bounce, struct arena *arena, struct page *page)
{
    page_paragraph(page, 0, PAGE_PLAIN,
                   arena_format(arena, "This is the mail system of %s.", bounce->hostname));
    page_end_line(page);
    page_paragraph(page, 0, PAGE_PLAIN, opening_of(bounce, arena));
    write_recipients(bounce, arena, page);
}

/* ---- for the postmaster --------------------------------------------------------------------- */

static const char *side_of(enum fault fault)
{
    static const char *const words[] = { [FAULT_SERVER] = "of the receiving side",
                                         [FAULT_CLIENT] = "of this mail system",
                                         [FAULT_NETWORK] = "of the network between",
                                         [FAULT_DNS] = "of the receiving domain's DNS",
                                         [FAULT_POLICY] = "of the receiving domain's policy" };

    return words[fault];
}

/* The names of our own files and sockets are nobody's business. */
static const char *words_of(const struct bounce_recipient *one, struct arena *arena)
{
    const char *words = show(arena, one->attempt->reply);

    return strchr(words, '/') == NULL
               ? words
               : "the fault is on this side; our log tells it, by the id above";
}

static const char *cause_of(const struct bounce *bounce, const struct bounce_recipient *one,
                            struct arena *arena)
{
    if (one->said.len == 0 || bounce_is_given_up(bounce, one))
        return words_of(one, arena);
    return bounce->action == BOUNCE_FAILED ? "their mail server refuses it for good"
                                           : "their mail server does not take it now";
}

static const char *remedy_of(const struct bounce *bounce, const struct bounce_recipient *one,
                             struct arena *arena)
{
    if (one->said.len > 0)
        return "the reply is theirs: their postmaster can say what it means, and their log has it";
    return arena_format(arena, "postmaster@%s can say more, by the id above", bounce->hostname);
}

/* Where there are several, each begins with a dash: they are longer than a line. */
static const char *label_of_proof(const struct finding *cause, size_t index)
{
    if (cause->evidence_count == 1)
        return "Proof";
    return index == 0 ? "Proof     -" : "          -";
}

static void write_finding(const struct finding *cause, struct arena *arena, struct page *page)
{
    page_item(page, INDENT, "Cause", HANG, PAGE_PLAIN, cause->cause);
    page_item(page, INDENT, "", HANG, PAGE_PLAIN,
              arena_format(arena, "(%s; a matter %s)", cause->code, side_of(cause->fault)));
    for (size_t i = 0; i < cause->evidence_count; i++)
        page_item(page, INDENT, label_of_proof(cause, i), HANG, PAGE_PLAIN, cause->evidence[i]);
}

/* "secure:TLSv1.3" as a stranger understands it: the level is our rule, and nothing that was reached. */
static const char *tls_of(const struct bounce_recipient *one, struct arena *arena)
{
    struct span rest = one->attempt->tls, level = span_take_until(&rest, ':');

    if (rest.len == 0 || span_equal(level, span_of("none")))
        return "";
    return arena_format(arena, ", %s; our rule is \"%s\"", show(arena, rest), show(arena, level));
}

/* What a stranger can check. */
static void write_proof(const struct bounce_recipient *one, struct arena *arena, struct page *page)
{
    struct span peer = bounce_peer_of(one->attempt->relay);

    if (one->said.len > 0)
        page_item(page, INDENT, "They said", HANG, PAGE_PLAIN, show(arena, one->said));
    if (peer.len > 0)
        page_item(page, INDENT, "Server", HANG, PAGE_PLAIN,
                  arena_format(arena, "%s%s", show(arena, peer), tls_of(one, arena)));
    page_item(page, INDENT, "Status", HANG, PAGE_PLAIN, show(arena, one->attempt->code));
    page_item(page, INDENT, "Tried", HANG, PAGE_PLAIN,
              arena_format(arena, "%s, attempt %lld", text_mail_date(arena, one->attempt->at_s),
                           (long long)one->recipient->attempts + 1));
}

/* Cause and remedy by the finding where one is the reason, else by what was said. */
static void write_trouble(const struct bounce *bounce, const struct bounce_recipient *one,
                          struct arena *arena, struct page *page)
{
    const struct finding *cause = bounce_cause_of(one, arena);

    if (cause == NULL)
        page_item(page, INDENT, "Cause", HANG, PAGE_PLAIN, cause_of(bounce, one, arena));
    else
        write_finding(cause, arena, page);
    write_proof(one, arena, page);
    page_item(page, INDENT, "Remedy", HANG, PAGE_PLAIN,
              cause != NULL && cause->remedy != NULL ? cause->remedy
                                                     : remedy_of(bounce, one, arena));
}

static bool has_same_story(const struct bounce_recipient *a, const struct bounce_recipient *b)
{
    return span_equal(a->said, b->said) && span_equal(a->attempt->code, b->attempt->code) &&
           span_equal(a->attempt->reply, b->attempt->reply) &&
           span_equal(a->attempt->relay, b->attempt->relay) &&
           span_equal(a->attempt->tls, b->attempt->tls) &&
           span_equal(a->attempt->finding, b->attempt->finding) &&
           a->attempt->at_s == b->attempt->at_s && a->recipient->attempts == b->recipient->attempts;
}

static void write_message(const struct bounce *bounce, struct arena *arena, struct page *page)
{
    const struct queue_envelope *envelope = bounce->envelope;
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    page_item(page, 0, "Our id", HANG, PAGE_PLAIN, id);
    if (envelope->message_id.len > 0)
        page_item(page, 0, "Message-ID", HANG, PAGE_PLAIN, show(arena, envelope->message_id));
    if (envelope->origin.client_address.len > 0)
        page_item(page, 0, "It came from", HANG, PAGE_PLAIN,
                  arena_format(arena, "[%s]", show(arena, envelope->origin.client_address)));
}

static void write_postmaster(const struct bounce *bounce, struct arena *arena, struct page *page)
{
    page_end_line(page);
    page_paragraph(page, 0, PAGE_PLAIN, "==== For your postmaster ====");
    page_end_line(page);
    write_message(bounce, arena, page);
    for (size_t i = 0; i < bounce->count; i++) {
        const struct bounce_recipient *one = &bounce->recipients[i];

        if (i == 0 || !has_same_story(one, one - 1))
            page_end_line(page);
        page_paragraph(page, 0, PAGE_PLAIN, show(arena, one->recipient->address));
        if (i + 1 < bounce->count && has_same_story(one, one + 1))
            continue; /* told below the last of them */
        if (is_trouble(bounce))
            write_trouble(bounce, one, arena, page);
        else
            write_proof(one, arena, page);
    }
}

bool bounce_words_write(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    struct page page;

    page_init(&page, out, BOUNCE_COLUMNS, false);
    write_sender(bounce, arena, &page);
    write_postmaster(bounce, arena, &page);
    return !page.has_failed && !arena->exhausted;
}
