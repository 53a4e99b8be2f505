#include "gateway/diagnosis.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "diagnose/experiment.h"

enum {
    KNOWN_ARENA = 256 * 1024,
    RUN_ARENA = 64 * 1024,
    TIMEOUTS = 8, /* of a server's silence, in all of a diagnosis */
    MS = 1000,
};

/* How a session failed, as far as it says why. */
struct symptom {
    enum step reached;
    enum ending ending;
    int received, sent; /* the fatal alert; -1: none */
    unsigned long library_code;
    bool has_server_hello, was_completed, asked_certificate, sent_certificate, host_named;
};

/* A host that was asked, and what came of it. */
struct known {
    struct arena arena;
    const char *host;
    struct net_address address;
    struct symptom symptom;
    int64_t asked_ms, told_ms;
    struct findings *findings; /* NULL: not told yet, or never */
};

struct run {
    struct diagnosis *diagnosis;
    struct arena arena;
    struct gateway_profile *profile;
    struct checkup_run *checkup;
    struct loop_timer *end;
    const char *destination, *host, *rule;
    const char **domain_names;
    size_t domain_name_count;
    struct net_address address;
    enum policy_level level;
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

    return (struct symptom){ .reached = seen->reached,
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

static bool is_alike(const struct symptom *one, const struct symptom *other)
{
    return one->reached == other->reached && one->ending == other->ending &&
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
    struct policy_session session = observation_session(seen);
    struct policy_outcome outcome = policy_decide(question->level, &session);
    enum dial next;

    if (seen->dial != DIAL_AS_CONFIGURED || seen->tls.was_resumed ||
        outcome.decision == POLICY_DELIVER || outcome.decision == POLICY_DELIVER_IN_CLEAR)
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
    known->host = arena_copy(&known->arena, span_of(question->host));
    known->address = question->address;
    known->symptom = symptom_of(question->seen);
    known->asked_ms = now_ms(diagnosis);
    while (diagnosis->known_count > 0 &&
           (diagnosis->known_count == DIAGNOSIS_KNOWN_MOST ||
            known->asked_ms - diagnosis->known[0]->asked_ms > (int64_t)DIAGNOSIS_NEWS_S * MS * 2))
        drop_known(diagnosis, 0);
    diagnosis->known[diagnosis->known_count++] = known;
    return known;
}

/* Whoever reads it later is to know how old the proof is: in front, for a report has not room for all of it. */
static void date_proof(const struct diagnosis *diagnosis, struct known *known)
{
    struct finding *cause = &known->findings->items[0];
    const struct clock *clock = diagnosis->settings.clock;

    if (known->findings->count == 0)
        return;
    if (cause->evidence_count == FINDING_EVIDENCE_MOST)
        cause->evidence_count--;
    memmove(&cause->evidence[1], &cause->evidence[0],
            cause->evidence_count * sizeof cause->evidence[0]);
    cause->evidence[0] = arena_format(&known->arena, "dialled again in the background at %s",
                                      text_time(&known->arena, clock->wall_s(clock)));
    cause->evidence_count++;
}

/* Copies findings; what does not fit is left out, the last first. */
static void keep_findings(struct diagnosis *diagnosis, const struct run *run,
                          const struct findings *findings)
{
    struct known *known = find_known(diagnosis, run->host, &run->address);

    if (known == NULL)
        return;
    known->findings = arena_new(&known->arena, 1, sizeof *known->findings);
    known->told_ms = now_ms(diagnosis);
    for (size_t i = 0; known->findings != NULL && i < findings->count; i++) {
        const struct finding *copy = finding_copy(&known->arena, &findings->items[i]);

        if (copy == NULL)
            break;
        known->findings->items[known->findings->count++] = *copy;
    }
    if (known->findings != NULL)
        date_proof(diagnosis, known);
}

static bool is_news(const struct diagnosis *diagnosis, const struct known *known,
                    const struct symptom *symptom)
{
    return known != NULL && known->findings != NULL && known->findings->count > 0 &&
           now_ms(diagnosis) - known->told_ms < (int64_t)DIAGNOSIS_NEWS_S * MS &&
           is_alike(&known->symptom, symptom);
}

const struct findings *diagnosis_find(const struct diagnosis *diagnosis, const char *host,
                                      const struct net_address *address,
                                      const struct observation *seen)
{
    const struct symptom symptom = symptom_of(seen);
    const struct findings *found = NULL;

    for (size_t i = diagnosis->known_count; i > 0; i--) {
        const struct known *known = diagnosis->known[i - 1];

        if (!span_equal_nocase(span_of(known->host), span_of(host)) ||
            !is_news(diagnosis, known, &symptom))
            continue;
        if (net_address_equal(&known->address, address))
            return known->findings;
        if (found == NULL)
            found = known->findings;
    }
    return found;
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
                  "relay=%s[%s]:%u destination=%s finding=%s fault=%s experiments=%zu cause=%s",
                  strcmp(run->host, net_address_text(&run->address, address)) == 0 ? "" : run->host,
                  address, run->address.port, run->destination,
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
    struct diagnosis_answer answer = { .destination = run->destination,
                                       .host = run->host,
                                       .address = &run->address,
                                       .level = run->level,
                                       .rule = run->rule,
                                       .session = run->session,
                                       .checkup = checkup };

    loop_timer_start(run->end, 0);
    if (checkup->failure != NULL || host == NULL) {
        log_failure(diagnosis, run->host,
                    checkup->failure == NULL ? "no memory" : checkup->failure);
        return;
    }
    answer.findings = &host->findings;
    log_answer(diagnosis, run, host);
    keep_findings(diagnosis, run, &host->findings);
    diagnosis->told(diagnosis->owner, &answer);
}

static int64_t time_for(const struct gateway_profile *profile)
{
    int64_t ms = profile->client_timeout_ms * TIMEOUTS;

    return ms > 0 && ms < DIAGNOSIS_MS ? ms : DIAGNOSIS_MS;
}

static const char *copy(struct run *run, const char *text)
{
    return text == NULL ? NULL : arena_copy(&run->arena, span_of(text));
}

/* Where the rule names none, the domain itself and all below it: see client_link_settings. */
static void copy_names(struct run *run, const struct diagnosis_question *question)
{
    size_t count = question->domain_name_count;

    run->domain_names = arena_new(&run->arena, count + 2, sizeof *run->domain_names);
    if (run->domain_names == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        run->domain_names[run->domain_name_count++] = copy(run, question->domain_names[i]);
    if (count > 0)
        return;
    run->domain_names[run->domain_name_count++] = run->destination;
    run->domain_names[run->domain_name_count++] =
        arena_format(&run->arena, ".%s", run->destination);
}

static bool copy_question(struct run *run, const struct diagnosis_question *question)
{
    run->profile = gateway_profile_hold(question->profile);
    run->destination = copy(run, question->destination);
    run->host = copy(run, question->host);
    run->rule = copy(run, question->rule);
    run->address = question->address;
    run->level = question->level;
    run->session = question->session;
    copy_names(run, question);
    return !run->arena.exhausted;
}

static const char *connect_text(struct run *run)
{
    char text[NET_ADDRESS_TEXT];

    net_address_text(&run->address, text);
    return arena_format(&run->arena, strchr(text, ':') != NULL ? "[%s]:%u" : "%s:%u", text,
                        run->address.port);
}

static bool begin(struct run *run, const struct diagnosis_question *question, struct error *err)
{
    const struct gateway_profile *profile = question->profile;
    const struct checkup_settings settings = {
        .hostname = copy(run, question->hostname),
        .level = question->level,
        .port = question->address.port,
        .connect = connect_text(run),
        .name = run->host,
        .domain_names = run->domain_names,
        .domain_name_count = run->domain_name_count,
        .minimum_version = question->minimum_version,
        .seen = question->seen,
        .anchors = profile->anchors,
        .intermediates = profile->intermediates,
        .credentials = profile->credentials,
        .fingerprint = copy(run, question->fingerprint),
        .timeout_ms = time_for(profile),
        .with_experiments = true,
        .self = &profile->self,
        .clock = run->diagnosis->settings.clock,
        .loop = run->diagnosis->settings.loop,
    };

    return checkup_start(&settings, run->destination, take_checkup, NULL, run, &run->checkup, err);
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

    if (place == NULL || !is_worth_asking(question) || is_too_soon(diagnosis, question->host) ||
        add_known(diagnosis, question) == NULL)
        return false;
    diagnosis->asked_ms[diagnosis->asked++ % DIAGNOSIS_AN_HOUR] = now_ms(diagnosis);
    if (start_run(diagnosis, question, place, &err))
        return true;
    log_failure(diagnosis, question->host, err.text);
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
