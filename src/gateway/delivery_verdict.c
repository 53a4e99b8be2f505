/* gateway/delivery_verdict.c - what a session is worth, and which finding says why. */
#include <string.h>

#include "base/memory.h"
#include "diagnose/judge.h"
#include "diagnose/reason.h"
#include "gateway/delivery_destination.h"
#include "gateway/host_memory.h"
#include "gateway/tls_reports.h"
#include "queue/schedule.h"

enum { RECORD_BYTES = 256 * 1024 };

/* ---- the finding ---------------------------------------------------------------------------- */

/* What a session that is taken lacks all the same. */
static const struct finding *find_flaw(const struct findings *findings, enum policy_reason reason)
{
    if (reason == POLICY_REASON_NOT_OFFERED || reason == POLICY_REASON_REFUSED)
        return reason_find(reason, findings);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity >= SEVERITY_UNTRUSTED)
            return &findings->items[i];
    return NULL;
}

/* ---- the verdict ---------------------------------------------------------------------------- */

int64_t delivery_clear_since_s(const struct delivery_destination *destination)
{
    const struct delivery_plan *plan = destination->plan;

    if (delivery_is_lmtp(destination)) /* in our own house nobody waits for TLS */
        return INT64_MAX;
    return queue_schedule_clear_since_s(&plan->profile->schedule, delivery_now_s(plan->delivery));
}

/* NULL: it is not in the clear. */
static const char *find_why_clear(const struct delivery_conversation *conversation)
{
    if (conversation->verdict.decision != POLICY_DELIVER_IN_CLEAR)
        return NULL;
    if (conversation->in_clear)
        return "none:tls-failed";
    switch ((int)conversation->verdict.reason) {
    case POLICY_REASON_NOT_OFFERED: return "none:not-offered";
    case POLICY_REASON_REFUSED: return "none:refused";
    default:
        return conversation->destination->kind == DELIVERY_TO_SOCKET ? "none:local-socket"
                                                                     : "none:level-none";
    }
}

static bool is_taken(enum policy_decision decision)
{
    return decision == POLICY_DELIVER || decision == POLICY_DELIVER_IN_CLEAR;
}

/* Why it failed, as far as anybody knows. */
static const struct findings *findings_of(const struct delivery_conversation *conversation)
{
    return conversation->explained != NULL ? conversation->explained : conversation->findings;
}

/* So that the judge can tell a key that was changed from a record that never fitted. */
static void recall_key(struct delivery_conversation *conversation)
{
    struct observation *seen = &conversation->observation;
    const struct host_memory *hosts = conversation->delivery->settings.hosts;

    if (hosts != NULL && seen->has_verdict && seen->verdict.tlsa == CHAIN_TLSA_MISMATCH)
        seen->known_key_sha256 =
            host_memory_key(hosts, seen, &seen->known_key_s, &conversation->arena);
}

static bool lacks_tls_it_requires(const struct delivery_conversation *conversation)
{
    switch ((int)conversation->verdict.reason) {
    case POLICY_REASON_NOT_OFFERED:
    case POLICY_REASON_REFUSED:
    case POLICY_REASON_HANDSHAKE:
    case POLICY_REASON_AFTER_TLS:
    case POLICY_REASON_INJECTED: return conversation->destination->requires_tls;
    default: return false;
    }
}

/* RFC 8689 section 4.2.1 names the code. */
static const struct finding *tell_of_requiretls(struct delivery_conversation *conversation)
{
    struct finding *told;

    if (conversation->told == NULL || !lacks_tls_it_requires(conversation))
        return conversation->told;
    told = arena_new(&conversation->arena, 1, sizeof *told);
    if (told == NULL)
        return conversation->told;
    *told = *conversation->told;
    told->enhanced_status = "4.7.10";
    return told;
}

void delivery_verdict_make(struct delivery_conversation *conversation)
{
    struct delivery_destination *destination = conversation->destination;
    struct policy_session session = observation_session(&conversation->observation);
    enum policy_level level = conversation->in_clear ? POLICY_NONE : destination->level;

    recall_key(conversation);
    conversation->findings = arena_new(&conversation->arena, 1, sizeof *conversation->findings);
    if (conversation->findings != NULL && destination->kind != DELIVERY_TO_SOCKET)
        judge_observation(&conversation->observation, NULL, &conversation->arena,
                          conversation->findings);
    session.may_go_clear =
        delivery_line_has_older(&destination->line, delivery_clear_since_s(destination));
    session.has_other_hosts = delivery_conversation_has_others(conversation);
    session.others_may_do = conversation->may_pass;
    conversation->verdict = policy_decide(level, &session);
    conversation->may_pass |= conversation->verdict.may_pass;
    delivery_published_judge(conversation, conversation->findings);
    conversation->why_clear = find_why_clear(conversation);
    conversation->explained = NULL;
    if (!is_taken(conversation->verdict.decision))
        delivery_diagnosis_explain(conversation);
    if (conversation->findings == NULL)
        conversation->told = NULL;
    else if (is_taken(conversation->verdict.decision))
        conversation->told = find_flaw(conversation->findings, conversation->verdict.reason);
    else
        conversation->told = reason_find(conversation->verdict.reason, findings_of(conversation));
    if (conversation->told == NULL && conversation->explained != NULL)
        conversation->told = &conversation->explained->items[0];
    /* Why TLS failed, or that our certificate was refused. */
    if (conversation->failure.is_set &&
        (conversation->in_clear ||
         (conversation->without_certificate && conversation->told == NULL)))
        conversation->told = conversation->failure.told;
    conversation->told = tell_of_requiretls(conversation);
}

const char *delivery_tls_words(const struct delivery_conversation *conversation,
                               struct arena *arena)
{
    const struct tls_facts *tls = &conversation->observation.tls;

    if (!tls->was_completed)
        return "";
    return arena_format(arena, "%s:%s", policy_level_name(conversation->destination->level),
                        tls_version_name(tls->version));
}

/* ---- failure -------------------------------------------------------------------------------- */

/* An LMTP server's own words; of others the finding's, for a bounce shows them to somebody else. */
static struct delivery_outcome outcome_of(const struct delivery_conversation *conversation,
                                          struct arena *arena)
{
    const struct observation *seen = &conversation->observation;
    struct delivery_outcome outcome =
        delivery_outcome_of_ending(seen, step_name(seen->reached), arena);

    outcome.code = span_of(arena_copy(arena, outcome.code));
    outcome.words = span_of(arena_copy(arena, outcome.words));
    outcome.said = span_of(arena_copy(arena, outcome.said));
    if (delivery_is_lmtp(conversation->destination) || conversation->told == NULL)
        return outcome;
    outcome.words = span_of(arena_copy(arena, span_of(conversation->told->cause)));
    if (conversation->told->enhanced_status != NULL)
        outcome.code = delivery_outcome_code(conversation->told, outcome.fate, arena);
    return outcome;
}

static bool is_tls_alone(enum policy_reason reason)
{
    return reason == POLICY_REASON_HANDSHAKE || reason == POLICY_REASON_AFTER_TLS;
}

static bool has_code(const struct finding *finding, const char *code)
{
    return finding != NULL && strncmp(finding->code, code, strlen(code)) == 0;
}

/* The server refused our certificate, and now misses it: the refusal is the cause. */
static bool is_refused_already(const struct delivery_conversation *conversation)
{
    return conversation->without_certificate && conversation->failure.is_set &&
           has_code(conversation->told, "client-certificate-required") &&
           has_code(conversation->failure.told, "client-certificate-");
}

/* A host that was dialled always came further than one that was passed over. */
static enum step reached_by(const struct observation *seen)
{
    return seen->ending == ENDING_BARRED ? STEP_DNS : seen->reached;
}

/* The level lets mail go without TLS here, once it has waited for that. */
static bool goes_in_clear_later(const struct delivery_conversation *conversation)
{
    struct policy_session session = observation_session(&conversation->observation);

    return is_tls_alone(conversation->verdict.reason) && !session.requires_tls &&
           policy_terms(conversation->destination->level, &session).demand == POLICY_DEMAND_NOTHING;
}

/* The last host had its turn, and none will do: the sender is to hear of it. */
static void make_final(struct delivery_failure *failure)
{
    struct delivery_outcome *outcome = &failure->outcome;

    outcome->fate = DELIVERY_REFUSED;
    if (outcome->code.len > 1)
        outcome->code = span_of(arena_format(&failure->arena, "5%.*s", (int)outcome->code.len - 1,
                                             outcome->code.data + 1));
}

static int64_t took_ms(const struct delivery_conversation *conversation)
{
    return conversation->observation.ending == ENDING_BARRED
               ? 0
               : delivery_now_ms(conversation->delivery) - conversation->dialled_ms;
}

static void keep(struct delivery_conversation *conversation)
{
    struct delivery_failure *failure = &conversation->failure;
    const struct delivery_destination *destination = conversation->destination;

    delivery_verdict_tell(conversation);
    if ((failure->is_set && reached_by(&conversation->observation) < failure->reached) ||
        is_refused_already(conversation))
        return;
    delivery_failure_clear(failure);
    failure->is_set = true;
    failure->reached = reached_by(&conversation->observation);
    failure->relay = delivery_relay_name(
        destination, &conversation->way->addresses[conversation->at], &failure->arena);
    failure->tls = delivery_tls_words(conversation, &failure->arena);
    failure->goes_in_clear_later = goes_in_clear_later(conversation);
    failure->outcome = outcome_of(conversation, &failure->arena);
    failure->session = conversation->session;
    failure->took_ms = took_ms(conversation);
    failure->told =
        conversation->told == NULL ? NULL : finding_copy(&failure->arena, conversation->told);
}

void delivery_verdict_keep(struct delivery_conversation *conversation)
{
    keep(conversation);
    if (conversation->verdict.decision == POLICY_BOUNCE)
        make_final(&conversation->failure);
}

/* ---- tracking ------------------------------------------------------------------------------- */

/* The store has it until it has answered. */
struct telling {
    struct delivery *delivery;
    struct queue_tell tell;
    struct arena arena;
};

static void free_telling(struct telling **telling)
{
    if (*telling == NULL)
        return;
    arena_clear(&(*telling)->arena);
    memory_free(*telling);
    *telling = NULL;
}

static void end_telling(void *owner)
{
    struct telling *telling = owner;
    struct delivery *delivery = telling->delivery;

    free_telling(&telling);
    delivery->tellings--;
    delivery_go_on(delivery);
}

int64_t delivery_tell_session(struct delivery *delivery, const struct session_facts *facts)
{
    AUTO(free_telling) struct telling *telling = memory_new(1, sizeof *telling);
    int64_t id = queue_door_id(delivery->settings.door);
    struct telling *told;

    if (telling == NULL)
        return 0;
    telling->delivery = delivery;
    arena_init(&telling->arena, RECORD_BYTES);
    if (!session_record_make(facts, id, delivery_now_s(delivery), &telling->arena,
                             &telling->tell.session))
        return 0;
    told = TAKE(telling);
    delivery->tellings++;
    queue_tell(delivery->settings.door, &told->tell, end_telling, told);
    return id;
}

/* Each session once: it is told to tracking just now. */
static void count(const struct delivery_conversation *conversation)
{
    struct tls_reports *reports = conversation->delivery->settings.reports;
    const struct tls_report_session session = { .domain = conversation->destination->domain,
                                                .published = conversation->way->published,
                                                .seen = &conversation->observation,
                                                .findings = findings_of(conversation) };

    /* What is sent rather in the clear than not at all met no policy: RFC 8460 section 5.3 of reports themselves. */
    if (reports != NULL && conversation->session != 0 && !conversation->in_clear &&
        !conversation->destination->tls_optional &&
        conversation->verdict.reason != POLICY_REASON_HOST_INSECURE) /* nobody was dialled */
        tls_reports_count(reports, &session);
}

/* LMTP servers are of our own house: nobody asks how safe the way to them is. */
void delivery_verdict_tell(struct delivery_conversation *conversation)
{
    const struct delivery_destination *destination = conversation->destination;
    const char *why_clear = conversation->why_clear;
    struct session_facts facts = {
        .seen = &conversation->observation,
        .findings = findings_of(conversation),
        .level = destination->level, /* of the rule; why it went without TLS is told beside it */
        .rule = destination->policy == NULL ? "" : destination->policy->name,
        .destination = destination->domain,
        .why_clear = why_clear == NULL ? NULL : why_clear + strlen("none:"),
        .changes = conversation->changes,
        .outcome = conversation->verdict,
    };

    if (conversation->session != 0 || conversation->findings == NULL ||
        delivery_is_lmtp(destination))
        return;
    facts.relay = delivery_relay_name(destination, &conversation->way->addresses[conversation->at],
                                      &conversation->arena);
    conversation->session = delivery_tell_session(conversation->delivery, &facts);
    count(conversation);
}
