/* gateway/bounce_words.c - what a report says to people: first the sender, then their postmaster. */
#include "gateway/bounce_parts.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"
#include "diagnose/page.h"
#include "queue/id.h"
#include "smtp/header.h"

enum { INDENT = 2, HANG = 14, SUBJECT_MOST = 120 };

/* Replies are printable as they come; what hides text in an address is shown. */
static const char *show(struct arena *arena, struct span text)
{
    return bounce_is_ascii(text) ? bounce_line(arena, text) : text_printable(arena, text, true);
}

/* ---- for the sender ------------------------------------------------------------------------- */

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
    { "4.7", "We tried for as long as we may, and it did not get through. You can send it again." },
    { "5.4", "The envelope's id does not go through. Your mail program has to leave it out." },
    { "6.3", "The message is in a form that the other side does not take." },
    { "6.7", "The message needs international addresses, which the other side does not take." },
};

static const char *meaning_of(struct span code)
{
    struct span rest = code, class = span_take_until(&rest, '.');

    for (size_t i = 0; class.len == 1 && i < ARRAY_SIZE(meanings); i++)
        if (span_equal(rest, span_of(meanings[i].code)))
            return meanings[i].words;
    if (span_starts_with(rest, "7."))
        return "The other side turns it away by a rule of its own, or for want of trust.";
    return "The other side does not take it.";
}

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

static const char *words_for_sender(const struct bounce *bounce, const struct bounce_recipient *one)
{
    if (bounce->action == BOUNCE_DELAYED)
        return "It could not be handed over so far.";
    return meaning_of(one->attempt->code);
}

static void write_sender(const struct bounce *bounce, struct arena *arena, struct page *page)
{
    page_paragraph(page, 0, PAGE_PLAIN,
                   arena_format(arena, "This is the mail system of %s.", bounce->hostname));
    page_end_line(page);
    page_paragraph(page, 0, PAGE_PLAIN, opening_of(bounce, arena));
    for (size_t i = 0; i < bounce->count; i++) {
        const struct bounce_recipient *one = &bounce->recipients[i];

        page_end_line(page);
        page_paragraph(page, INDENT, PAGE_PLAIN, show(arena, one->recipient->address));
        if (is_trouble(bounce))
            page_paragraph(page, 2 * INDENT, PAGE_PLAIN, words_for_sender(bounce, one));
    }
}

/* ---- for the postmaster --------------------------------------------------------------------- */

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

static const char *side_of(enum fault fault)
{
    static const char *const words[] = { [FAULT_SERVER] = "of the receiving side",
                                         [FAULT_CLIENT] = "of the sending side",
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

static bool is_given_up(const struct bounce_recipient *one)
{
    return span_equal(one->attempt->code, span_of("4.4.7"));
}

static const char *cause_of(const struct bounce *bounce, const struct bounce_recipient *one,
                            struct arena *arena)
{
    if (one->said.len == 0 || is_given_up(one))
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

static void write_finding(const struct catalogue_row *row, struct arena *arena, const char *host,
                          struct page *page)
{
    const char *cause = fill(arena, row->cause, host);

    page_item(page, INDENT, "Cause", HANG, PAGE_PLAIN, cause == NULL ? row->title : cause);
    page_item(page, INDENT, "", HANG, PAGE_PLAIN,
              arena_format(arena, "(%s; a matter %s)", row->code, side_of(row->fault)));
}

/* What a stranger can check. */
static void write_proof(const struct bounce_recipient *one, struct arena *arena, struct page *page)
{
    struct span peer = bounce_peer_of(one->attempt->relay);
    const char *tls = show(arena, one->attempt->tls);

    if (one->said.len > 0)
        page_item(page, INDENT, "They said", HANG, PAGE_PLAIN, show(arena, one->said));
    if (peer.len > 0)
        page_item(
            page, INDENT, "Server", HANG, PAGE_PLAIN,
            arena_format(arena, "%s%s%s", show(arena, peer), *tls == '\0' ? "" : ", TLS ", tls));
    page_item(page, INDENT, "Status", HANG, PAGE_PLAIN, show(arena, one->attempt->code));
    page_item(page, INDENT, "Tried", HANG, PAGE_PLAIN,
              arena_format(arena, "%s, attempt %lld", text_mail_date(arena, one->attempt->at_s),
                           (long long)one->recipient->attempts + 1));
}

/* Cause and remedy by the catalogue where TLS was at fault, else by what was said. */
static void write_trouble(const struct bounce *bounce, const struct bounce_recipient *one,
                          struct arena *arena, struct page *page)
{
    const char *host = show(arena, bounce_peer_of(one->attempt->relay));
    const struct catalogue_row *row = catalogue_find(arena_copy(arena, one->attempt->finding));
    const char *remedy =
        row == NULL ? remedy_of(bounce, one, arena) : fill(arena, row->remedy, host);

    if (row == NULL)
        page_item(page, INDENT, "Cause", HANG, PAGE_PLAIN, cause_of(bounce, one, arena));
    else
        write_finding(row, arena, host, page);
    write_proof(one, arena, page);
    if (remedy == NULL)
        remedy = arena_format(arena, "postern explain %s", row->code);
    page_item(page, INDENT, "Remedy", HANG, PAGE_PLAIN, remedy);
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

        page_end_line(page);
        page_paragraph(page, 0, PAGE_PLAIN, show(arena, one->recipient->address));
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
