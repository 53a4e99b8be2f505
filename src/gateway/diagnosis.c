#include "gateway/diagnosis.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "diagnose/experiment.h"
#include "diagnose/judge.h"
#include "link/observation_json.h"

enum {
    KNOWN_ARENA = 256 * 1024,
    RUN_ARENA = 256 * 1024,
    TIMEOUTS = 8, /* of a server's silence, in all of a diagnosis */
    MS = 1000,
};

/* How a session failed, as far as it says why, and what was asked of the server in it. */
struct symptom {
    const char *sni;          /* NULL: none was sent */
    uint16_t allowed_version; /* below TLS 1.2; 0: none was */
    enum step reached;
    enum ending ending;
    int received, sent; /* the fatal alert; -1: none */
    unsigned long library_code;
    bool has_server_hello, was_completed, asked_certificate, sent_certificate, host_named;
};

/* A host that was asked, and how the dials went. */
struct known {
    struct arena arena;
    const char *host;
    struct net_address address;
    struct symptom symptom;
    int64_t asked_ms, told_ms, told_s;
    struct experiments experiments; /* none: not told yet, or never */
};

struct run {
    struct diagnosis *diagnosis;
    struct arena arena;
    struct gateway_profile *profile;
    struct checkup_run *checkup;
    struct loop_timer *end;
    struct client_link_settings link;
    struct policy_outcome outcome;
    const char *rule;
    int64_t session;
};

struct diagnosis {
    struct diagnosis_settings settings;
    void (*told)(void *owner, const struct diagnosis_answer *answer);
    void *owner;
    struct run *runs[DIAGNOSIS_AT_ONCE];
    int64_t asked_ms[DIAGNOSIS_AN_HOUR]; /* the last ones, in a ring */
    size_t asked;
    struct known *known[DIAGNOSIS_KNOWN_MOST]; /* the oldest first */
    size_t known_count;
};

static int64_t now_ms(const struct diagnosis *diagnosis)
{
    return diagnosis->settings.clock->monotonic_ms(diagnosis->settings.clock);
}

/* ---- how it failed ---- */

static int fatal_alert(const struct tls_facts *tls, bool is_sent)
{
    for (size_t i = 0; i < tls->alert_count; i++)
        if (tls->alerts[i].is_sent == is_sent && tls->alerts[i].is_fatal)
            return tls->alerts[i].description;
    return -1;
}

static struct symptom symptom_of(const struct observation *seen)
{
    const struct tls_facts *tls = &seen->tls;
    bool allows_old = seen->minimum_version > 0 && seen->minimum_version < TLS_VERSION_1_2;

    return (struct symptom){ .sni = tls->sni,
                             .allowed_version = allows_old ? seen->minimum_version : 0,
                             .reached = seen->reached,
                             .ending = seen->ending,
                             .received = fatal_alert(tls, false),
                             .sent = fatal_alert(tls, true),
                             .library_code = tls->library_code,
                             .has_server_hello = tls->has_server_hello,
                             .was_completed = tls->was_completed,
                             .asked_certificate = tls->client_certificate_requested,
                             .sent_certificate = tls->client_certificate_sent,
                             .host_named = seen->host_named };
}

static bool is_same_text(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool is_alike(const struct symptom *one, const struct symptom *other)
{
    return is_same_text(one->sni, other->sni) && one->allowed_version == other->allowed_version &&
           one->reached == other->reached && one->ending == other->ending &&
           one->received == other->received && one->sent == other->sent &&
           one->library_code == other->library_code &&
           one->has_server_hello == other->has_server_hello &&
           one->was_completed == other->was_completed &&
           one->asked_certificate == other->asked_certificate &&
           one->sent_certificate == other->sent_certificate && one->host_named == other->host_named;
}

/* A session that delivers needs none, though other senders might want to know more about that host; one that was
 * resumed is dialled anew first; and what was dialled in another way cannot be compared. */
static bool is_worth_asking(const struct diagnosis_question *question)
{
    const struct experiments none = { .count = 0 };
    const struct observation *seen = question->seen;
    enum policy_decision decision = question->outcome.decision;
    enum dial next;

    if (seen->dial != DIAL_AS_CONFIGURED || seen->tls.was_resumed || decision == POLICY_DELIVER ||
        decision == POLICY_DELIVER_IN_CLEAR)
        return false;
    if (experiment_succeeded(seen) && seen->host_named)
        return false;
    return experiment_next(seen, &none, &next);
}

/* ---- what is known ---- */

static void free_known(struct known **known)
{
    if (*known == NULL)
        return;
    arena_clear(&(*known)->arena);
    memory_free(*known);
    *known = NULL;
}

static void drop_known(struct diagnosis *diagnosis, size_t index)
{
    free_known(&diagnosis->known[index]);
    diagnosis->known_count--;
    memmove(&diagnosis->known[index], &diagnosis->known[index + 1],
            (diagnosis->known_count - index) * sizeof(struct known *));
}

/* The one that was asked last. `address` NULL: at any. */
static struct known *find_known(const struct diagnosis *diagnosis, const char *host,
                                const struct net_address *address)
{
    for (size_t i = diagnosis->known_count; i > 0; i--) {
        struct known *known = diagnosis->known[i - 1];

        if (span_equal_nocase(span_of(known->host), span_of(host)) &&
            (address == NULL || net_address_equal(&known->address, address)))
            return known;
    }
    return NULL;
}

static struct known *add_known(struct diagnosis *diagnosis,
                               const struct diagnosis_question *question)
{
    struct known *known = memory_new(1, sizeof *known);

    if (known == NULL)
        return NULL;
    arena_init(&known->arena, KNOWN_ARENA);
    known->host = arena_copy(&known->arena, span_of(question->link->host));
    known->address = question->link->address;
    known->symptom = symptom_of(question->seen);
    if (known->symptom.sni != NULL)
        known->symptom.sni = arena_copy(&known->arena, span_of(known->symptom.sni));
    known->asked_ms = now_ms(diagnosis);
    while (diagnosis->known_count > 0 &&
           (diagnosis->known_count == DIAGNOSIS_KNOWN_MOST ||
            known->asked_ms - diagnosis->known[0]->asked_ms > (int64_t)DIAGNOSIS_NEWS_S * MS * 2))
        drop_known(diagnosis, 0);
    diagnosis->known[diagnosis->known_count++] = known;
    return known;
}

/* The judge asks nothing of the chain that a dial saw but what was made of it. */
static struct observation *keep_observation(struct known *known, const struct observation *made)
{
    struct observation lean = *made, *copy = arena_new(&known->arena, 1, sizeof *copy);

    lean.tls.chain_count = 0;
    return copy != NULL && observation_copy(&lean, &known->arena, copy, NULL) ? copy : NULL;
}

/* All of them or none: a part might be told for another cause. */
static void keep_experiments(const struct diagnosis *diagnosis, const struct run *run,
                             const struct experiments *made)
{
    struct known *known = find_known(diagnosis, run->link.host, &run->link.address);
    const struct clock *clock = diagnosis->settings.clock;
    struct experiments kept = { .count = 0 };

    if (known == NULL)
        return;
    while (kept.count < made->count) {
        const struct observation *copy = keep_observation(known, made->items[kept.count]);

        if (copy == NULL)
            return;
        kept.items[kept.count++] = copy;
    }
    known->experiments = kept;
    known->told_ms = now_ms(diagnosis);
    known->told_s = clock->wall_s(clock);
}

static bool is_news(const struct diagnosis *diagnosis, const struct known *known,
                    const struct symptom *symptom)
{
    return known->experiments.count > 0 &&
           now_ms(diagnosis) - known->told_ms < (int64_t)DIAGNOSIS_NEWS_S * MS &&
           is_alike(&known->symptom, symptom);
}

static const struct known *find_news(const struct diagnosis *diagnosis, const char *host,
                                     const struct net_address *address,
                                     const struct observation *seen)
{
    const struct symptom symptom = symptom_of(seen);
    const struct known *found = NULL;

    for (size_t i = diagnosis->known_count; i > 0; i--) {
        const struct known *known = diagnosis->known[i - 1];

        if (!span_equal_nocase(span_of(known->host), span_of(host)) ||
            !is_news(diagnosis, known, &symptom))
            continue;
        if (net_address_equal(&known->address, address))
            return known;
        if (found == NULL)
            found = known;
    }
    return found;
}

/* Whoever reads it later is to know how old the proof is: in front, for a report has not room for all of it. */
static void date_proof(struct finding *cause, int64_t told_s, struct arena *arena)
{
    if (cause->evidence_count == FINDING_EVIDENCE_MOST)
        cause->evidence_count--;
    memmove(&cause->evidence[1], &cause->evidence[0],
            cause->evidence_count * sizeof cause->evidence[0]);
    cause->evidence[0] =
        arena_format(arena, "dialled again in the background at %s", text_time(arena, told_s));
    cause->evidence_count++;
}

bool diagnosis_find(const struct diagnosis *diagnosis, const char *host,
                    const struct net_address *address, const struct observation *seen,
                    struct arena *arena, struct findings *findings)
{
    const struct known *known = find_news(diagnosis, host, address, seen);

    if (known == NULL)
        return false;
    judge_observation(seen, &known->experiments, arena, findings);
    if (findings->count == 0 || arena->exhausted)
        return false;
    date_proof(&findings->items[0], known->told_s, arena);
    return !arena->exhausted;
}

/* ---- one diagnosis ---- */

static void free_run(struct run **run)
{
    struct run *closing = *run;

    *run = NULL;
    if (closing == NULL)
        return;
    checkup_close(&closing->checkup);
    loop_timer_close(&closing->end);
    gateway_profile_release(&closing->profile);
    arena_clear(&closing->arena);
    memory_free(closing);
}

static void end_run(void *owner)
{
    struct run *run = owner;
    struct diagnosis *diagnosis = run->diagnosis;

    for (size_t i = 0; i < DIAGNOSIS_AT_ONCE; i++)
        if (diagnosis->runs[i] == run)
            free_run(&diagnosis->runs[i]);
}

static void log_failure(const struct diagnosis *diagnosis, const char *host, const char *reason)
{
    if (diagnosis->settings.log != NULL)
        log_event(diagnosis->settings.log, LOG_WARN, "diagnosis-failed", "host=%s reason=%s", host,
                  reason);
}

static void log_answer(const struct diagnosis *diagnosis, const struct run *run,
                       const struct checkup_host *host)
{
    const struct finding *cause = host->findings.count > 0 ? &host->findings.items[0] : NULL;
    char address[NET_ADDRESS_TEXT];

    if (diagnosis->settings.log != NULL)
        log_event(diagnosis->settings.log, LOG_NOTE, "diagnosed",
                  "relay=%s[%s]:%u destination=%s finding=%s fault=%s experiments=%zu cause=%-s",
                  strcmp(run->link.host, net_address_text(&run->link.address, address)) == 0
                      ? ""
                      : run->link.host,
                  address, run->link.address.port, run->link.domain,
                  cause == NULL ? "none" : cause->code,
                  cause == NULL ? "none" : fault_name(cause->fault), host->experiments.count,
                  cause == NULL ? "" : cause->cause);
}

/* The checkup is still at it: it is closed on the next turn of the loop. */
static void take_checkup(void *owner, struct checkup *checkup)
{
    struct run *run = owner;
    struct diagnosis *diagnosis = run->diagnosis;
    const struct checkup_host *host = checkup->host_count > 0 ? checkup->hosts[0] : NULL;
    struct diagnosis_answer answer = { .link = &run->link,
                                       .outcome = run->outcome,
                                       .rule = run->rule,
                                       .session = run->session,
                                       .checkup = checkup };

    loop_timer_start(run->end, 0);
    if (checkup->failure != NULL || host == NULL) {
        log_failure(diagnosis, run->link.host,
                    checkup->failure == NULL ? "no memory" : checkup->failure);
        return;
    }
    answer.findings = &host->findings;
    log_answer(diagnosis, run, host);
    keep_experiments(diagnosis, run, &host->experiments);
    diagnosis->told(diagnosis->owner, &answer);
}

static int64_t time_for(const struct gateway_profile *profile)
{
    int64_t ms = profile->client_timeout_ms * TIMEOUTS;

    return ms > 0 && ms < DIAGNOSIS_MS ? ms : DIAGNOSIS_MS;
}

static bool copy_question(struct run *run, const struct diagnosis_question *question)
{
    run->profile = gateway_profile_hold(question->profile);
    run->outcome = question->outcome;
    run->session = question->session;
    if (question->rule != NULL)
        run->rule = arena_copy(&run->arena, span_of(question->rule));
    return client_link_settings_copy(question->link, &run->arena, &run->link);
}

static bool begin(struct run *run, const struct diagnosis_question *question, struct error *err)
{
    const struct checkup_settings settings = {
        .level = run->link.level,
        .seen = question->seen,
        .seen_by = &run->link,
        .timeout_ms = time_for(run->profile),
        .with_experiments = true,
        .clock = run->diagnosis->settings.clock,
        .loop = run->diagnosis->settings.loop,
    };

    return checkup_start(&settings, run->link.domain, take_checkup, NULL, run, &run->checkup, err);
}

static bool start_run(struct diagnosis *diagnosis, const struct diagnosis_question *question,
                      struct run **made, struct error *err)
{
    AUTO(free_run) struct run *run = memory_new(1, sizeof *run);

    if (run == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a diagnosis");
    run->diagnosis = diagnosis;
    arena_init(&run->arena, RUN_ARENA);
    if (!copy_question(run, question))
        return error_set(err, ERROR_MEMORY, "no memory for a diagnosis");
    if (!loop_timer_open(diagnosis->settings.loop, end_run, run, &run->end, err) ||
        !begin(run, question, err))
        return false;
    *made = TAKE(run);
    return true;
}

/* ---- may it be asked? ---- */

static struct run **free_place(struct diagnosis *diagnosis)
{
    for (size_t i = 0; i < DIAGNOSIS_AT_ONCE; i++)
        if (diagnosis->runs[i] == NULL)
            return &diagnosis->runs[i];
    return NULL;
}

static bool is_too_soon(const struct diagnosis *diagnosis, const char *host)
{
    const struct known *known = find_known(diagnosis, host, NULL);
    int64_t now = now_ms(diagnosis);
    int64_t oldest = diagnosis->asked_ms[diagnosis->asked % DIAGNOSIS_AN_HOUR];

    if (known != NULL && now - known->asked_ms < (int64_t)DIAGNOSIS_AGAIN_S * MS)
        return true;
    return diagnosis->asked >= DIAGNOSIS_AN_HOUR && now - oldest < (int64_t)DIAGNOSIS_AGAIN_S * MS;
}

bool diagnosis_ask(struct diagnosis *diagnosis, const struct diagnosis_question *question)
{
    struct run **place = free_place(diagnosis);
    struct error err;

    if (place == NULL || !is_worth_asking(question) ||
        is_too_soon(diagnosis, question->link->host) || add_known(diagnosis, question) == NULL)
        return false;
    diagnosis->asked_ms[diagnosis->asked++ % DIAGNOSIS_AN_HOUR] = now_ms(diagnosis);
    if (start_run(diagnosis, question, place, &err))
        return true;
    log_failure(diagnosis, question->link->host, err.text);
    return false;
}

/* ---- start and end ---- */

bool diagnosis_open(const struct diagnosis_settings *settings,
                    void (*told)(void *owner, const struct diagnosis_answer *answer), void *owner,
                    struct diagnosis **diagnosis, struct error *err)
{
    *diagnosis = memory_new(1, sizeof **diagnosis);
    if (*diagnosis == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for diagnoses");
    (*diagnosis)->settings = *settings;
    (*diagnosis)->told = told;
    (*diagnosis)->owner = owner;
    return true;
}

void diagnosis_close(struct diagnosis **diagnosis)
{
    if (*diagnosis == NULL)
        return;
    for (size_t i = 0; i < DIAGNOSIS_AT_ONCE; i++)
        free_run(&(*diagnosis)->runs[i]);
    for (size_t i = 0; i < (*diagnosis)->known_count; i++)
        free_known(&(*diagnosis)->known[i]);
    memory_free(*diagnosis);
    *diagnosis = NULL;
}
