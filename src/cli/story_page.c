#include "cli/story_page.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/queue_access.h"
#include "cli/session_page.h"
#include "diagnose/catalogue.h"
#include "gateway/control_json.h"
#include "queue/id.h"

enum { INDENT = 2, HANG = 24, NAMED_MOST = 5 };

/* ---- words -------------------------------------------------------------------------------- */

/* The end of a recipient, or where it stands. */
enum fate { OPEN, DELIVERED, GIVEN_UP, DELETED };

static enum fate fate_of(enum tracking_kind kind)
{
    switch (kind) {
    case TRACKING_DONE: return DELIVERED;
    case TRACKING_BOUNCED: return GIVEN_UP;
    case TRACKING_DELETED: return DELETED;
    case TRACKING_ACCEPTED:
    case TRACKING_DEFERRED:
    case TRACKING_HELD:
    case TRACKING_RELEASED:
    case TRACKING_RETRIED:
    case TRACKING_NOTED: return OPEN;
    }
    return OPEN;
}

static const char *phrase_of(enum tracking_kind kind)
{
    switch (kind) {
    case TRACKING_ACCEPTED: return "accepted for";
    case TRACKING_DONE: return "delivered to";
    case TRACKING_DEFERRED: return "put off:";
    case TRACKING_BOUNCED: return "given up:";
    case TRACKING_HELD: return "held:";
    case TRACKING_RELEASED: return "released:";
    case TRACKING_RETRIED: return "to be tried at once:";
    case TRACKING_DELETED: return "deleted:";
    case TRACKING_NOTED: return "noted:";
    }
    return "";
}

static enum page_colour colour_of(enum tracking_kind kind)
{
    enum fate fate = fate_of(kind);

    if (fate == DELIVERED)
        return PAGE_GREEN;
    if (fate == GIVEN_UP || fate == DELETED)
        return PAGE_RED;
    return kind == TRACKING_DEFERRED || kind == TRACKING_HELD ? PAGE_YELLOW : PAGE_PLAIN;
}

/* What the finding says in one line, and where there is more. */
static const char *format_finding(struct queue_page *page, struct span finding)
{
    const char *code = queue_page_text(page, finding);
    const struct catalogue_row *row = catalogue_find(code);

    if (row == NULL)
        return code;
    return arena_format(page->arena, "%s: %s (postern explain %s)", code, row->title, code);
}

static void put_line(struct queue_page *page, const char *text)
{
    if (text[0] != '\0')
        page_paragraph(&page->page, HANG, PAGE_PLAIN, text);
}

/* ---- a message ---------------------------------------------------------------------------- */

static const char *format_recipients(struct queue_page *page, const struct tracking_story *story)
{
    const char *names = "", *separator = "";
    size_t count = 0;

    for (size_t i = 0; i < story->event_count; i++) {
        if (story->events[i].kind != TRACKING_ACCEPTED || ++count > NAMED_MOST)
            continue;
        names = arena_format(page->arena, "%s%s%s", names, separator,
                             queue_page_text(page, story->events[i].recipient));
        separator = ", ";
    }
    if (count > NAMED_MOST)
        return arena_format(page->arena, "for %s and %zu more", names, count - NAMED_MOST);
    return count == 0 ? "" : arena_format(page->arena, "for %s", names);
}

static void put_acceptance(struct queue_page *page, const struct tracking_story *story)
{
    const struct queue_envelope *envelope = &story->envelope;

    if (envelope->received_at_s == 0) {
        page_paragraph(&page->page, INDENT, PAGE_PLAIN,
                       "how it was accepted is older than what tracking still has");
        return;
    }
    page_item(
        &page->page, INDENT, text_time(page->arena, envelope->received_at_s), HANG, PAGE_PLAIN,
        arena_format(page->arena, "accepted from %s", queue_page_origin(page, &envelope->origin)));
    put_line(page, format_recipients(page, story));
    put_line(page, queue_page_wish(envelope));
}

/* One attempt at several recipients: what it showed is told once for them. */
static bool is_one_attempt(const struct tracking_event *a, const struct tracking_event *b)
{
    return a->kind == b->kind && a->attempt.session == b->attempt.session &&
           a->attempt.session != 0 && a->attempt.at_s == b->attempt.at_s &&
           span_equal(a->attempt.relay, b->attempt.relay) &&
           span_equal(a->attempt.reply, b->attempt.reply) &&
           span_equal(a->attempt.code, b->attempt.code);
}

/* Gives the number of events that it has told. */
static size_t put_events(struct queue_page *page, struct session_page *told,
                         const struct tracking_event *events, size_t count)
{
    const char *names = queue_page_text(page, events[0].recipient);
    size_t same = 1;

    for (; same < count && is_one_attempt(&events[0], &events[same]); same++)
        if (same < NAMED_MOST)
            names = arena_format(page->arena, "%s, %s", names,
                                 queue_page_text(page, events[same].recipient));
    if (same > NAMED_MOST)
        names = arena_format(page->arena, "%s and %zu more", names, same - NAMED_MOST);
    page_item(&page->page, INDENT, text_time(page->arena, events[0].attempt.at_s), HANG,
              colour_of(events[0].kind),
              arena_format(page->arena, "%s %s", phrase_of(events[0].kind), names));
    session_page_attempt(page, told, &events[0], HANG);
    return same;
}

struct last_word {
    struct span recipient;
    size_t index;
    enum tracking_kind kind;
};

/* By recipient, and those of one as they came. */
static int compare_endings(const void *left, const void *right)
{
    const struct last_word *a = left, *b = right;
    size_t len = a->recipient.len < b->recipient.len ? a->recipient.len : b->recipient.len;
    int order = len == 0 ? 0 : memcmp(a->recipient.data, b->recipient.data, len);

    if (order == 0 && a->recipient.len != b->recipient.len)
        order = a->recipient.len < b->recipient.len ? -1 : 1;
    return order != 0 ? order : a->index < b->index ? -1 : 1;
}

/* The last event of each recipient counts. */
static void count_fates(struct queue_page *page, const struct tracking_story *story, size_t *counts)
{
    struct last_word *endings = arena_new(page->arena, story->event_count + 1, sizeof *endings);

    if (endings == NULL)
        return;
    for (size_t i = 0; i < story->event_count; i++)
        endings[i] = (struct last_word){ story->events[i].recipient, i, story->events[i].kind };
    qsort(endings, story->event_count, sizeof *endings, compare_endings);
    for (size_t i = 0; i < story->event_count; i++)
        if (i + 1 == story->event_count ||
            !span_equal(endings[i].recipient, endings[i + 1].recipient))
            counts[fate_of(endings[i].kind)]++;
}

static void put_end(struct queue_page *page, const struct tracking_story *story)
{
    static const char *const words[] = { [OPEN] = "still in the queue",
                                         [DELIVERED] = "delivered",
                                         [GIVEN_UP] = "given up",
                                         [DELETED] = "deleted" };
    size_t counts[ARRAY_SIZE(words)] = { 0 };
    const char *text = "", *separator = "";

    count_fates(page, story, counts);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (counts[i] == 0)
            continue;
        text = arena_format(page->arena, "%s%s%zu %s", text, separator, counts[i], words[i]);
        separator = ", ";
    }
    page_item(&page->page, INDENT, counts[OPEN] == 0 ? "end" : "now", HANG, PAGE_BOLD, text);
}

void story_page_message(struct queue_page *page, const struct tracking_story *story)
{
    const struct queue_envelope *envelope = &story->envelope;
    const char *sender = envelope->sender.len == 0 ? "<>" : queue_page_text(page, envelope->sender);
    struct session_page told = { .count = 0 };
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    page_item(&page->page, 0, id, 15, PAGE_BOLD,
              envelope->received_at_s == 0
                  ? ""
                  : arena_format(page->arena, "from %s, %s", sender,
                                 queue_access_size(page->arena, envelope->size_bytes)));
    if (envelope->message_id.len > 0)
        page_paragraph(&page->page, INDENT, PAGE_PLAIN,
                       arena_format(page->arena, "Message-ID %s",
                                    queue_page_text(page, envelope->message_id)));
    put_acceptance(page, story);
    for (size_t i = 0; i < story->event_count;) {
        if (story->events[i].kind == TRACKING_ACCEPTED)
            i++;
        else
            i += put_events(page, &told, &story->events[i], story->event_count - i);
    }
    put_end(page, story);
}

/* The finding leads; its words have been made safe once, and hold what proves it. */
void story_page_note(struct queue_page *page, const struct tracking_story *story)
{
    const struct queue_attempt *attempt = &story->events[0].attempt;
    const char *relay = queue_page_text(page, attempt->relay);

    page_item(&page->page, 0, text_time(page->arena, attempt->at_s), HANG - INDENT, PAGE_BOLD,
              arena_format(page->arena, "%s%s%s", queue_page_client(page, &story->envelope.origin),
                           relay[0] == '\0' ? "" : ", to ", relay));
    page_paragraph(&page->page, HANG - INDENT, PAGE_RED, format_finding(page, attempt->finding));
    page_paragraph(&page->page, HANG - INDENT, PAGE_PLAIN, queue_page_words(page, attempt->reply));
}

/* ---- for machines ------------------------------------------------------------------------- */

static bool set_text(json_t *json, const char *key, struct span text)
{
    json_t *value = text.len == 0 ? NULL : control_json_of_text(text);

    return text.len == 0 || (value != NULL && json_object_set_new(json, key, value) == 0);
}

static bool set_id(json_t *json, const char *key, int64_t id)
{
    char text[QUEUE_ID_TEXT + 1];

    if (id == 0)
        return true;
    queue_id_format(id, text);
    return json_object_set_new(json, key, json_string(text)) == 0;
}

static json_t *json_of_event(const struct tracking_event *event)
{
    const struct queue_attempt *attempt = &event->attempt;
    json_t *json = json_pack("{s:s, s:I}", "event", tracking_kind_name(event->kind), "at",
                             (json_int_t)attempt->at_s);
    bool is_whole =
        json != NULL && set_text(json, "recipient", event->recipient) &&
        set_text(json, "relay", attempt->relay) && set_text(json, "tls", attempt->tls) &&
        set_text(json, "code", attempt->code) && set_text(json, "reply", attempt->reply) &&
        set_text(json, "finding", attempt->finding) && set_id(json, "session", attempt->session);

    if (is_whole && attempt->milliseconds > 0)
        is_whole = json_object_set_new(json, "milliseconds",
                                       json_integer((json_int_t)attempt->milliseconds)) == 0;
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}

/* Each session once, by its id, however many attempts went through it. */
static bool add_session(json_t *sessions, const struct queue_session *session)
{
    char id[QUEUE_ID_TEXT + 1];
    json_t *json;

    if (session == NULL)
        return true;
    queue_id_format(session->id, id);
    if (json_object_get(sessions, id) != NULL)
        return true;
    json = session_page_json(session);
    return json != NULL && json_object_set_new(sessions, id, json) == 0;
}

static bool set_all(json_t *json, const char *key, json_t *value, size_t count)
{
    return count == 0 || json_object_set(json, key, value) == 0;
}

json_t *story_page_json(const struct tracking_story *story)
{
    json_t *json = control_json_of_envelope(&story->envelope);
    json_t *events = json_array(), *sessions = json_object();
    bool is_whole = json != NULL && events != NULL && sessions != NULL;

    for (size_t i = 0; is_whole && i < story->event_count; i++)
        is_whole = json_array_append_new(events, json_of_event(&story->events[i])) == 0 &&
                   add_session(sessions, story->events[i].session) &&
                   add_session(sessions, story->events[i].diagnosis);
    is_whole = is_whole && json_object_set(json, "events", events) == 0 &&
               set_all(json, "sessions", sessions, json_object_size(sessions));
    json_decref(events);
    json_decref(sessions);
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}
