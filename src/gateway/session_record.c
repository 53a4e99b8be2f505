#include "gateway/session_record.h"

#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "diagnose/reason.h"
#include "diagnose/report_json.h"
#include "link/observation_json.h"

enum { WORDS_MOST = 4096, CHANGES_MOST = 2048 };

/* ---- what other levels would have said ------------------------------------------------------ */

/* Whether a level's word about this session means anything: there was one, TLS was tried where it was offered, and
 * nothing of it was left to another dial. */
static bool tells_of_levels(const struct observation *seen, const struct policy_session *session)
{
    bool was_tried = seen->starttls.came || seen->tls.was_started || seen->injected.len > 0 ||
                     seen->reached >= STEP_STARTTLS;

    return !session->unanswered && !session->client_certificate_refused &&
           seen->ending != ENDING_BARRED && (was_tried || !session->offered);
}

static bool is_known(enum policy_level level, const struct observation *seen)
{
    switch (level) {
    case POLICY_ENCRYPT:
    case POLICY_VERIFY:
    case POLICY_SECURE: return true;
    case POLICY_FINGERPRINT: return seen->fingerprint_asked;
    case POLICY_DANE:
    case POLICY_DANE_ONLY: return seen->tlsa != POLICY_TLSA_NOT_ASKED;
    case POLICY_STS: return seen->sts != POLICY_STS_UNKNOWN;
    case POLICY_NONE:
    case POLICY_MAY:
    case POLICY_LEVEL_COUNT: break;
    }
    return false;
}

/* "encrypt=starttls-not-offered verify=starttls-not-offered"; "unknown"; "": each level would have let it pass. */
static const char *format_would(const struct session_facts *facts, struct arena *arena)
{
    const char *would = "";
    struct policy_session session;

    if (facts->seen == NULL)
        return "unknown";
    session = observation_session(facts->seen);
    session.requires_tls = false; /* of the levels alone */
    if (!tells_of_levels(facts->seen, &session))
        return "unknown";
    for (int i = POLICY_ENCRYPT; i < POLICY_LEVEL_COUNT; i++) {
        enum policy_level level = (enum policy_level)i;
        struct policy_outcome outcome = policy_decide(level, &session);
        const char *code = reason_code(outcome.reason, facts->findings);

        if (is_known(level, facts->seen) && outcome.decision != POLICY_DELIVER)
            would = arena_format(arena, "%s%s%s=%s", would, *would == '\0' ? "" : " ",
                                 policy_level_name(level), code == NULL ? "unknown" : code);
    }
    return would;
}

/* ---- findings ------------------------------------------------------------------------------- */

/* The reason of the decision first, the others as they were. */
static void put_reason_first(const struct session_facts *facts, struct findings *ordered)
{
    const struct finding *reason = reason_find(facts->outcome.reason, facts->findings);
    size_t count = 0;

    if (reason != NULL)
        ordered->items[count++] = *reason;
    for (size_t i = 0; i < facts->findings->count; i++)
        if (&facts->findings->items[i] != reason)
            ordered->items[count++] = facts->findings->items[i];
    ordered->count = count;
}

static const char *format_codes(const struct findings *findings, struct arena *arena)
{
    const char *codes = "";

    for (size_t i = 0; i < findings->count; i++)
        codes = arena_format(arena, "%s%s%s", codes, i == 0 ? "" : " ", findings->items[i].code);
    return codes;
}

/* ---- bounds --------------------------------------------------------------------------------- */

static int append(const char *bytes, size_t len, void *owner)
{
    struct buffer *out = owner;

    return buffer_append(out, (struct span){ bytes, len }) ? 0 : -1;
}

/* Takes the reference. Empty where it is longer than `most`, or there is no memory for it. */
static struct span dump(json_t *json, size_t most, struct arena *arena)
{
    AUTO(buffer_clear) struct buffer out;
    struct span text = { NULL, 0 };

    buffer_init(&out, most);
    if (json != NULL && json_dump_callback(json, append, &out, JSON_COMPACT) == 0)
        text = arena_copy_bytes(arena, buffer_span(&out));
    json_decref(json);
    return text;
}

static size_t room_in(const struct queue_session *session)
{
    size_t used = queue_session_bytes(session);

    return used < QUEUE_SESSION_BYTES ? QUEUE_SESSION_BYTES - used : 0;
}

/* As many of the findings as there is room for. */
static void tell_findings(struct findings *findings, struct arena *arena,
                          struct queue_session *session)
{
    for (size_t room = room_in(session); findings->count > 0; findings->count--) {
        session->told = dump(report_json_findings(findings), room, arena);
        if (session->told.len > 0 || arena->exhausted)
            return;
    }
}

/* Text of at most `most` octets, whole characters of it. */
static struct span take_text(const char *text, size_t most, struct arena *arena)
{
    struct span whole = text == NULL ? (struct span){ NULL, 0 } : span_of(text);

    return arena_copy_bytes(arena, text_front(whole, most));
}

/* Whole lines alone. */
static struct span take_lines(const char *text, size_t most, struct arena *arena)
{
    struct span rest = text == NULL ? (struct span){ NULL, 0 } : span_of(text);
    size_t len = 0;
    struct span whole = rest;

    while (rest.len > 0) {
        span_take_until(&rest, '\n');
        if (whole.len - rest.len > most)
            break;
        len = whole.len - rest.len;
    }
    return arena_copy_bytes(arena, span_part(whole, 0, len));
}

/* What says nothing where the handshake came about: our own offer, which is always the same, and the first bytes of
 * the answer, of which all that matters is told by itself. A third of the whole. */
static json_t *observation_of(const struct observation *seen)
{
    json_t *json = observation_to_json(seen), *tls = json_object_get(json, "tls");

    if (seen->tls.was_completed) {
        json_object_del(tls, "offer");
        json_object_del(tls, "first_bytes");
    }
    return json;
}

static const char *format_tls(const struct observation *seen, struct arena *arena)
{
    if (seen == NULL || !seen->tls.was_completed)
        return "";
    return arena_format(arena, "%s %s%s", tls_version_name(seen->tls.version),
                        seen->tls.cipher == NULL ? "" : seen->tls.cipher,
                        seen->tls.was_resumed ? " resumed" : "");
}

bool session_record_make(const struct session_facts *facts, int64_t id, int64_t at_s,
                         struct arena *arena, struct queue_session *session)
{
    struct findings ordered;

    put_reason_first(facts, &ordered);
    *session = (struct queue_session){
        .id = id,
        .at_s = at_s,
        .of_session = facts->of_session,
        .destination = take_text(facts->destination, QUEUE_FACT_BYTES, arena),
        .relay = take_text(facts->relay, QUEUE_FACT_BYTES, arena),
        .level = span_of(policy_level_name(facts->level)),
        .rule = take_text(facts->rule, QUEUE_FACT_BYTES, arena),
        .tls = span_of(format_tls(facts->seen, arena)),
        .decision = span_of(policy_decision_name(facts->outcome.decision)),
        .why_clear = take_text(facts->why_clear, QUEUE_FACT_BYTES, arena),
        .findings = take_text(format_codes(&ordered, arena), WORDS_MOST, arena),
        .would = take_text(format_would(facts, arena), WORDS_MOST, arena),
        .changes = take_lines(facts->changes, CHANGES_MOST, arena),
    };
    tell_findings(&ordered, arena, session);
    if (facts->seen != NULL)
        session->observation = dump(observation_of(facts->seen), room_in(session), arena);
    return !arena->exhausted;
}
