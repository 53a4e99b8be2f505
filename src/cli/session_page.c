#include "cli/session_page.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"
#include "gateway/control_json.h"
#include "queue/id.h"

enum { ITEM_HANG = 8 };

/* ---- the way -------------------------------------------------------------------------------- */

const char *session_page_why(struct queue_page *page, struct span why_clear)
{
    static const struct {
        const char *word, *meaning;
    } meanings[] = {
        { "not-offered", "the server does not offer STARTTLS" },
        { "refused", "the server refuses STARTTLS" },
        { "tls-failed", "TLS fails with the server, and the message had waited long enough" },
        { "level-none", "the policy is to use no TLS" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (span_equal(why_clear, span_of(meanings[i].word)))
            return meanings[i].meaning;
    return queue_page_text(page, why_clear);
}

const char *session_page_level(struct queue_page *page, const struct queue_session *session)
{
    if (session->level.len == 0)
        return "";
    if (session->rule.len == 0)
        return arena_format(page->arena, "level %s", queue_page_text(page, session->level));
    return arena_format(page->arena, "level %s, by policy %s",
                        queue_page_text(page, session->level),
                        queue_page_text(page, session->rule));
}

/* "" where it took no time worth a word. */
static const char *format_time(struct arena *arena, int64_t milliseconds)
{
    if (milliseconds <= 0)
        return "";
    if (milliseconds < 1000)
        return arena_format(arena, ", %lld ms", (long long)milliseconds);
    return arena_format(arena, ", %lld.%lld s", (long long)(milliseconds / 1000),
                        (long long)(milliseconds % 1000 / 100));
}

/* A relay with an address in brackets is over the network, and there no TLS is worth a word. */
static const char *format_protection(struct queue_page *page, const struct tracking_event *event)
{
    const struct queue_session *session = event->session;
    const char *relay = queue_page_text(page, event->attempt.relay);
    bool went_out = event->kind == TRACKING_DONE && strchr(relay, '[') != NULL;

    if (session != NULL && session->tls.len > 0)
        return queue_page_text(page, session->tls);
    if (event->attempt.tls.len > 0)
        return queue_page_text(page, event->attempt.tls);
    if (went_out && session != NULL && session->why_clear.len > 0)
        return arena_format(page->arena, "in clear: %s",
                            session_page_why(page, session->why_clear));
    return went_out ? "in clear" : "";
}

static void put_line(struct queue_page *page, size_t hang, const char *text)
{
    if (text[0] != '\0')
        page_paragraph(&page->page, hang, PAGE_PLAIN, text);
}

/* Where to and how long; then over what, and by which rule. */
static void put_way(struct queue_page *page, const struct tracking_event *event, size_t hang)
{
    const char *relay = queue_page_text(page, event->attempt.relay);
    const char *protection = format_protection(page, event);
    const char *level = event->session == NULL ? "" : session_page_level(page, event->session);

    if (relay[0] != '\0' && strcmp(relay, "none") != 0)
        put_line(page, hang,
                 arena_format(page->arena, "by %s%s", relay,
                              format_time(page->arena, event->attempt.milliseconds)));
    put_line(page, hang, protection);
    put_line(page, hang, level);
}

/* ---- findings ------------------------------------------------------------------------------- */

static const char *text_of(struct queue_page *page, const json_t *finding, const char *key)
{
    const char *text = json_string_value(json_object_get(finding, key));

    return text == NULL ? "" : queue_page_words(page, span_of(text));
}

static bool was_told(struct session_page *told, const char *cause)
{
    for (size_t i = 0; i < told->count; i++)
        if (strcmp(told->causes[i], cause) == 0)
            return true;
    if (told->count < SESSION_PAGE_CAUSES)
        told->causes[told->count++] = cause;
    return false;
}

/* Where there are several, each begins with a dash: they are longer than a line. */
static const char *label_of_proof(const json_t *evidence, size_t index)
{
    if (json_array_size(evidence) == 1)
        return "proof";
    return index == 0 ? "proof -" : "      -";
}

/* Proof and remedy, each under a word of its own. */
static void put_proof(struct queue_page *page, const json_t *finding, size_t hang)
{
    const json_t *evidence = json_object_get(finding, "evidence");
    const char *remedy = text_of(page, finding, "remedy");

    for (size_t i = 0; i < json_array_size(evidence); i++) {
        const char *proof = json_string_value(json_array_get(evidence, i));

        page_item(&page->page, hang, label_of_proof(evidence, i), hang + ITEM_HANG, PAGE_PLAIN,
                  proof == NULL ? "" : queue_page_words(page, span_of(proof)));
    }
    if (remedy[0] != '\0')
        page_item(&page->page, hang, "remedy", hang + ITEM_HANG, PAGE_PLAIN, remedy);
}

/* "CODE: the cause in this case", and the rest where it is new. */
static void put_finding(struct queue_page *page, struct session_page *told, const json_t *finding,
                        const char *lead, size_t hang)
{
    const char *code = text_of(page, finding, "code"), *cause = text_of(page, finding, "cause");

    if (was_told(told, cause)) {
        put_line(page, hang, arena_format(page->arena, "%s%s, as above", lead, code));
        return;
    }
    put_line(page, hang, arena_format(page->arena, "%s%s: %s", lead, code, cause));
    put_proof(page, finding, hang);
    page_item(&page->page, hang, "more", hang + ITEM_HANG, PAGE_PLAIN,
              arena_format(page->arena, "postern explain %s", code));
}

static void put_also(struct queue_page *page, const char *text, size_t hang)
{
    page_item(&page->page, hang, "also", hang + ITEM_HANG, PAGE_PLAIN, text);
}

/* Those beside `first`, which may be NULL: in short, each with its cause in this case; what was told above by its
 * code alone. */
static void put_others(struct queue_page *page, struct session_page *told, const json_t *findings,
                       const json_t *first, size_t hang)
{
    const char *known = "";

    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *code = text_of(page, finding, "code"), *cause = text_of(page, finding, "cause");

        if (finding == first)
            continue;
        if (was_told(told, cause))
            known = arena_format(page->arena, "%s%s%s", known, known[0] == '\0' ? "" : ", ", code);
        else
            put_also(page, arena_format(page->arena, "%s: %s", code, cause), hang);
    }
    if (known[0] != '\0')
        put_also(page, arena_format(page->arena, "%s, as above", known), hang);
}

/* What the finding says in one line, and where there is more. */
static const char *format_row(struct queue_page *page, struct span finding)
{
    const char *code = queue_page_text(page, finding);
    const struct catalogue_row *row = catalogue_find(code);

    if (row == NULL)
        return code;
    return arena_format(page->arena, "%s: %s (postern explain %s)", code, row->title, code);
}

static const json_t *find_in(const json_t *findings, struct span code)
{
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *text = json_string_value(json_object_get(finding, "code"));

        if (text != NULL && span_equal(span_of(text), code))
            return finding;
    }
    return NULL;
}

static json_t *load(struct span text)
{
    return text.len == 0 ? NULL : json_loadb(text.data, text.len, 0, NULL);
}

static const char *format_reply(struct queue_page *page, const struct queue_attempt *attempt,
                                struct span words)
{
    return queue_page_reason(page, attempt->code, (struct span){ "", 0 }, words);
}

/* Where TLS failed the words of the attempt end in the cause, which is told by itself: what is before it, such as
 * "given up after 5 days; at last 4.7.5". */
static bool ends_in(struct span *words, const char *cause)
{
    size_t len = cause == NULL ? 0 : strlen(cause);

    if (len == 0 || words->len < len || memcmp(words->data + words->len - len, cause, len) != 0)
        return false;
    *words = span_trim(span_part(*words, 0, words->len - len));
    return true;
}

/* What was answered, and the cause in words of this case where its session has them. */
static void put_outcome(struct queue_page *page, struct session_page *told,
                        const struct queue_attempt *attempt, const json_t *findings, size_t hang)
{
    const json_t *finding = find_in(findings, attempt->finding);
    struct span words = attempt->reply;
    bool is_cause = ends_in(&words, json_string_value(json_object_get(finding, "cause")));
    const char *lead = "";

    if (is_cause && words.len == 0)
        lead = arena_format(page->arena, "%s ", queue_page_text(page, attempt->code));
    else
        put_line(page, hang, format_reply(page, attempt, words));
    if (finding != NULL)
        put_finding(page, told, finding, lead, hang);
    else
        put_line(page, hang, format_row(page, attempt->finding));
    put_others(page, told, findings, finding, hang);
}

void session_page_others(struct queue_page *page, const struct queue_session *session,
                         struct span finding, size_t hang)
{
    struct session_page told = { .count = 0 };
    json_t *findings = load(session->told);

    put_others(page, &told, findings, find_in(findings, finding), hang);
    json_decref(findings);
}

static void put_changes(struct queue_page *page, struct session_page *told, struct span changes,
                        size_t hang)
{
    const char *label = "new";

    while (changes.len > 0) {
        const char *line = queue_page_words(page, span_take_until(&changes, '\n'));

        if (was_told(told, line))
            continue;
        page_item(&page->page, hang, label, hang + ITEM_HANG, PAGE_YELLOW, line);
        label = "";
    }
}

static void put_diagnosis(struct queue_page *page, struct session_page *told,
                          const struct queue_session *diagnosis, size_t hang)
{
    json_t *findings = load(diagnosis->told);
    const json_t *first = json_array_get(findings, 0);

    if (first != NULL)
        put_finding(
            page, told, first,
            arena_format(page->arena, "diagnosis of %s: ", text_time(page->arena, diagnosis->at_s)),
            hang);
    put_others(page, told, findings, first, hang);
    json_decref(findings);
}

/* The same host, level and protection as the last that was told: then the finding says it all. */
static bool is_same_way(const struct tracking_event *a, const struct tracking_event *b)
{
    return a != NULL && a->kind == TRACKING_DEFERRED && b->kind == TRACKING_DEFERRED &&
           a->session != NULL && b->session != NULL &&
           span_equal(a->attempt.relay, b->attempt.relay) &&
           span_equal(a->session->level, b->session->level) &&
           span_equal(a->session->rule, b->session->rule) &&
           span_equal(a->session->tls, b->session->tls);
}

void session_page_attempt(struct queue_page *page, struct session_page *told,
                          const struct tracking_event *event, size_t hang)
{
    json_t *findings = event->session == NULL ? NULL : load(event->session->told);

    if (!is_same_way(told->last, event))
        put_way(page, event, hang);
    told->last = event;
    put_outcome(page, told, &event->attempt, findings, hang);
    if (event->session != NULL)
        put_changes(page, told, event->session->changes, hang);
    if (event->diagnosis != NULL)
        put_diagnosis(page, told, event->diagnosis, hang);
    json_decref(findings);
}

/* ---- for machines --------------------------------------------------------------------------- */

static bool set(json_t *json, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(json, key, value) == 0;
}

static bool set_text(json_t *json, const char *key, struct span text)
{
    return text.len == 0 || set(json, key, control_json_of_text(text));
}

static bool set_id(json_t *json, const char *key, int64_t id)
{
    char text[QUEUE_ID_TEXT + 1];

    if (id == 0)
        return true;
    queue_id_format(id, text);
    return set(json, key, json_string(text));
}

/* What is no JSON, though it should be, is left out. */
static bool set_json(json_t *json, const char *key, struct span text)
{
    json_t *value = load(text);

    return value == NULL || set(json, key, value);
}

/* {"encrypt": "starttls-not-offered"}; left out where nothing is known. */
static bool set_would(json_t *json, struct span would)
{
    json_t *levels = json_object();
    bool is_set = levels != NULL;

    if (span_equal(would, span_of("unknown"))) {
        json_decref(levels);
        return true;
    }
    while (is_set && would.len > 0) {
        struct span word = span_take_until(&would, ' '), level = span_take_until(&word, '=');
        char name[32] = "";

        if (level.len < sizeof name)
            memcpy(name, level.data, level.len);
        is_set = set_text(levels, name, word);
    }
    if (is_set)
        return set(json, "would_refuse", levels);
    json_decref(levels);
    return false;
}

json_t *session_page_json(const struct queue_session *session)
{
    json_t *json = json_pack("{s:I}", "at", (json_int_t)session->at_s);
    bool is_whole =
        json != NULL && set_id(json, "id", session->id) &&
        set_id(json, "diagnosis_of", session->of_session) &&
        set_text(json, "destination", session->destination) &&
        set_text(json, "relay", session->relay) && set_text(json, "level", session->level) &&
        set_text(json, "rule", session->rule) && set_text(json, "tls", session->tls) &&
        set_text(json, "decision", session->decision) &&
        set_text(json, "why_clear", session->why_clear) && set_would(json, session->would) &&
        set_text(json, "changes", session->changes) && set_json(json, "findings", session->told) &&
        set_json(json, "observation", session->observation);

    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}
