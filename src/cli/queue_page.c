#include "cli/queue_page.h"

#include <string.h>

#include "base/compiler.h"
#include "base/text.h"
#include "cli/queue_access.h"
#include "cli/session_page.h"
#include "queue/id.h"

enum { INDENT = 4, ENTRY_HANG = 14, LABEL_HANG = 14 };

const char *queue_page_text(struct queue_page *page, struct span text)
{
    return text_printable(page->arena, text, page->with_utf8);
}

const char *queue_page_words(struct queue_page *page, struct span words)
{
    return text_printable_again(page->arena, words, page->with_utf8);
}

static const char *sender_of(struct queue_page *page, const struct queue_envelope *envelope)
{
    return envelope->sender.len == 0 ? "<>" : queue_page_text(page, envelope->sender);
}

/* ---- recipients --------------------------------------------------------------------------- */

static const char *format_attempts(struct queue_page *page, int64_t attempts)
{
    return arena_format(page->arena, "%lld attempt%s", (long long)attempts,
                        attempts == 1 ? "" : "s");
}

static const char *format_due(struct queue_page *page, int64_t due_at_s)
{
    int64_t wait_s = due_at_s - page->now_s;

    if (wait_s <= 0)
        return "due now";
    return arena_format(page->arena, "again in %s", text_duration(page->arena, wait_s));
}

/* "" where the state says it all. */
static const char *format_progress(struct queue_page *page, const struct queue_recipient *recipient)
{
    const char *attempts = format_attempts(page, recipient->attempts);

    switch (recipient->state) {
    case QUEUE_WAITING:
        return recipient->attempts == 0 ? arena_format(page->arena, "not tried yet, %s",
                                                       format_due(page, recipient->due_at_s))
                                        : arena_format(page->arena, "%s, %s", attempts,
                                                       format_due(page, recipient->due_at_s));
    case QUEUE_DEFERRED:
        return arena_format(page->arena, "%s, %s", attempts, format_due(page, recipient->due_at_s));
    case QUEUE_LEASED: return "being delivered now";
    case QUEUE_HELD: return recipient->attempts == 0 ? "not tried yet" : attempts;
    case QUEUE_DONE:
    case QUEUE_BOUNCED: return attempts;
    }
    return "";
}

const char *queue_page_reason(struct queue_page *page, struct span code, struct span finding,
                              struct span words)
{
    const char *shown_words = queue_page_words(page, words);
    const char *shown_code = queue_page_text(page, code);
    const char *shown_finding = queue_page_text(page, finding);
    const char *gap, *colon;

    if (shown_code[0] != '\0' && strstr(shown_words, shown_code) != NULL)
        shown_code = "";
    gap = shown_code[0] != '\0' && shown_finding[0] != '\0' ? " " : "";
    colon = shown_code[0] == '\0' && shown_finding[0] == '\0' ? "" : ": ";
    return arena_format(page->arena, "%s%s%s%s%s", shown_code, gap, shown_finding,
                        shown_words[0] == '\0' ? "" : colon, shown_words);
}

static enum page_colour colour_of(enum queue_state state)
{
    switch (state) {
    case QUEUE_DEFERRED:
    case QUEUE_HELD: return PAGE_YELLOW;
    case QUEUE_BOUNCED: return PAGE_RED;
    case QUEUE_WAITING:
    case QUEUE_LEASED:
    case QUEUE_DONE: return PAGE_PLAIN;
    }
    return PAGE_PLAIN;
}

static void put_recipient(struct queue_page *page, const struct queue_recipient *recipient)
{
    const char *progress = format_progress(page, recipient);
    const char *reason = queue_page_reason(page, recipient->last_code, recipient->last_finding,
                                           recipient->last_reply);

    page_item(&page->page, INDENT, queue_state_name(recipient->state), ENTRY_HANG,
              colour_of(recipient->state), queue_page_text(page, recipient->address));
    if (progress[0] != '\0')
        page_paragraph(&page->page, ENTRY_HANG, PAGE_PLAIN, progress);
    if (reason[0] != '\0')
        page_paragraph(&page->page, ENTRY_HANG, PAGE_PLAIN, reason);
}

/* ---- lists -------------------------------------------------------------------------------- */

void queue_page_heading(struct queue_page *page)
{
    page_put(&page->page, PAGE_BOLD, "id             age         size        from");
    page_end_line(&page->page);
}

static bool is_over(enum queue_state state)
{
    return state == QUEUE_DONE || state == QUEUE_BOUNCED;
}

/* Those that are over are counted, for a list that went to thousands is about the others. */
static void put_rest(struct queue_page *page, const struct queue_message *message)
{
    int64_t done = 0, bounced = 0;

    for (size_t i = 0; i < message->recipient_count; i++) {
        done += message->recipients[i].state == QUEUE_DONE;
        bounced += message->recipients[i].state == QUEUE_BOUNCED;
    }
    if (done + bounced == 0)
        return;
    page_paragraph(
        &page->page, INDENT, PAGE_DIM,
        arena_format(
            page->arena, "and %s%s%s",
            done == 0 ? "" : arena_format(page->arena, "%lld delivered", (long long)done),
            done > 0 && bounced > 0 ? ", " : "",
            bounced == 0 ? "" : arena_format(page->arena, "%lld given up", (long long)bounced)));
}

void queue_page_entry(struct queue_page *page, const struct queue_message *message)
{
    const struct queue_envelope *envelope = &message->envelope;
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    page_item(&page->page, 0,
              arena_format(page->arena, "%s  %-10s  %s", id,
                           text_duration(page->arena, page->now_s - envelope->received_at_s),
                           queue_access_size(page->arena, envelope->size_bytes)),
              39, PAGE_BOLD, sender_of(page, envelope));
    for (size_t i = 0; i < message->recipient_count; i++)
        if (!is_over(message->recipients[i].state))
            put_recipient(page, &message->recipients[i]);
    put_rest(page, message);
}

void queue_page_count(struct queue_page_sum *sum, const struct queue_message *message)
{
    sum->messages++;
    sum->bytes += message->envelope.size_bytes;
    for (size_t i = 0; i < message->recipient_count; i++)
        sum->recipients[message->recipients[i].state]++;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

void queue_page_sum(struct queue_page *page, const struct queue_page_sum *sum)
{
    const char *states = "", *separator = "";
    int64_t recipients = 0;

    for (int state = 0; state < QUEUE_STATES; state++) {
        if (sum->recipients[state] == 0)
            continue;
        recipients += sum->recipients[state];
        states = arena_format(page->arena, "%s%s%lld %s", states, separator,
                              (long long)sum->recipients[state],
                              queue_state_name((enum queue_state)state));
        separator = ", ";
    }
    page_paragraph(&page->page, 0, PAGE_PLAIN,
                   arena_format(page->arena, "%lld message%s, %s; %lld recipient%s: %s",
                                (long long)sum->messages, plural(sum->messages),
                                queue_access_size(page->arena, sum->bytes), (long long)recipients,
                                plural(recipients), states));
}

/* ---- one message -------------------------------------------------------------------------- */

const char *queue_page_client(struct queue_page *page, const struct queue_origin *origin)
{
    const char *user = queue_page_text(page, origin->user);
    const char *helo = queue_page_text(page, origin->helo);

    if (origin->client_address.len == 0)
        return user[0] == '\0' ? "a program of this host"
                               : arena_format(page->arena, "user %s of this host", user);
    return arena_format(page->arena, "%s%s%s%s%s", queue_page_text(page, origin->client_address),
                        helo[0] == '\0' ? "" : ", HELO ", helo, user[0] == '\0' ? "" : ", user ",
                        user);
}

const char *queue_page_origin(struct queue_page *page, const struct queue_origin *origin)
{
    const char *client = queue_page_client(page, origin);
    const char *version = queue_page_text(page, origin->tls_version);
    const char *cipher = queue_page_text(page, origin->tls_cipher);

    if (origin->client_address.len == 0)
        return client;
    if (version[0] == '\0')
        return arena_format(page->arena, "%s, in clear", client);
    return arena_format(page->arena, "%s, over %s%s%s%s", client, version,
                        cipher[0] == '\0' ? "" : " (", cipher, cipher[0] == '\0' ? "" : ")");
}

static void put_fact(struct queue_page *page, const char *label, const char *text)
{
    if (text[0] != '\0')
        page_item(&page->page, 0, label, LABEL_HANG, PAGE_PLAIN, text);
}

static const char *format_age(struct queue_page *page, int64_t at_s)
{
    return arena_format(page->arena, "%s, %s ago", text_time(page->arena, at_s),
                        text_duration(page->arena, page->now_s - at_s));
}

static const char *format_traits(struct queue_page *page, const struct queue_envelope *envelope)
{
    return arena_format(page->arena, "%s%s%s", queue_access_size(page->arena, envelope->size_bytes),
                        envelope->is_8bit ? ", 8 bit" : "",
                        envelope->is_smtputf8 ? ", SMTPUTF8" : "");
}

const char *queue_page_wish(const struct queue_envelope *envelope)
{
    return envelope->requires_tls
               ? "REQUIRETLS: authenticated TLS on every hop, or back to the sender"
           : envelope->tls_optional
               ? "TLS-Required: No: delivered in the clear rather than not at all"
               : "";
}

static const char *format_notify(struct queue_page *page, unsigned notify)
{
    if (notify == 0)
        return "";
    if (notify == QUEUE_NOTIFY_NEVER)
        return "reports: never";
    return arena_format(page->arena, "reports:%s%s%s",
                        (notify & QUEUE_NOTIFY_SUCCESS) != 0 ? " success" : "",
                        (notify & QUEUE_NOTIFY_FAILURE) != 0 ? " failure" : "",
                        (notify & QUEUE_NOTIFY_DELAY) != 0 ? " delay" : "");
}

static bool is_attempt(enum tracking_kind kind)
{
    return kind == TRACKING_DEFERRED || kind == TRACKING_DONE || kind == TRACKING_BOUNCED;
}

static bool was_tried(const struct queue_message *message)
{
    for (size_t i = 0; i < message->recipient_count; i++)
        if (message->recipients[i].attempts > 0)
            return true;
    return false;
}

const struct tracking_event *queue_page_last(const struct tracking_story *story,
                                             const struct queue_recipient *recipient)
{
    const struct tracking_event *last = NULL;

    for (size_t i = 0; story != NULL && i < story->event_count; i++) {
        const struct tracking_event *event = &story->events[i];

        if (is_attempt(event->kind) && span_equal_nocase(event->recipient, recipient->address))
            last = event;
    }
    /* the last may not be written yet */
    return last != NULL && last->session != NULL &&
                   span_equal(last->attempt.finding, recipient->last_finding) &&
                   span_equal(last->attempt.code, recipient->last_code)
               ? last
               : NULL;
}

static void put_whole_recipient(struct queue_page *page, const struct queue_recipient *recipient,
                                const struct tracking_story *story)
{
    const struct tracking_event *last = queue_page_last(story, recipient);
    const char *notify = format_notify(page, recipient->notify);

    put_recipient(page, recipient);
    if (last != NULL)
        session_page_others(page, last->session, last->attempt.finding, ENTRY_HANG);
    if (notify[0] != '\0')
        page_paragraph(&page->page, ENTRY_HANG, PAGE_DIM, notify);
}

void queue_page_message(struct queue_page *page, const struct queue_message *message,
                        const struct tracking_story *story)
{
    static const char *const returns[] = {
        [QUEUE_RETURN_UNSAID] = "", [QUEUE_RETURN_FULL] = "full", [QUEUE_RETURN_HEADERS] = "headers"
    };
    const struct queue_envelope *envelope = &message->envelope;
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    put_fact(page, "id", id);
    put_fact(page, "from", sender_of(page, envelope));
    put_fact(page, "accepted", format_age(page, envelope->received_at_s));
    put_fact(page, "by way of", queue_page_origin(page, &envelope->origin));
    put_fact(page, "size", format_traits(page, envelope));
    put_fact(page, "TLS", queue_page_wish(envelope));
    put_fact(page, "Message-ID", queue_page_text(page, envelope->message_id));
    put_fact(page, "ENVID", queue_page_text(page, envelope->envid));
    put_fact(page, "RET", returns[envelope->returns]);
    put_fact(page, "to",
             message->recipient_count == 1
                 ? "1 recipient"
                 : arena_format(page->arena, "%zu recipients", message->recipient_count));
    for (size_t i = 0; i < message->recipient_count; i++)
        put_whole_recipient(page, &message->recipients[i], story);
    if (was_tried(message))
        put_fact(page, "attempts",
                 arena_format(page->arena, "postern track --id %s tells of each", id));
}
