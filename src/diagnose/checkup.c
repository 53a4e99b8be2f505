#include "diagnose/checkup.h"

#include <assert.h>

#include "base/memory.h"
#include "diagnose/judge.h"
#include "diagnose/target.h"
#include "link/observation_json.h"
#include "link/policy_lookup.h"
#include "link/route_link.h"

enum {
    ARENA_BYTES = 24 << 20,
    HOSTS_MOST = 64, /* addresses of all MX hosts together */
    AT_ONCE = 8,     /* addresses that are dialled side by side */
    CONNECT_MOST_MS = 10 * 1000,
    EXPERIMENT_LEAST_MS = 200,
};

/* One address under way. */
struct call {
    struct checkup_run *run;
    struct checkup_host *host;
    const struct route_host *route_host; /* NULL: no look-up was made */
    struct net_address address;
    struct client_link *link;
    struct observation *seen; /* of the dial under way */
};

struct checkup_run {
    struct checkup_settings settings;
    struct arena arena;
    struct checkup checkup;
    struct target target;
    const char *domain_names[2]; /* what level secure accepts where --name is given */
    struct observation *seen;    /* had before; NULL */
    int64_t deadline_ms;         /* loop time */
    struct route_query *query;
    struct policy_lookup *lookup;
    bool is_published_due; /* the look-up is under way */
    struct loop_timer *begin;
    struct call *calls;
    size_t call_count, started, finished;
    bool has_calls;   /* it is known how many there are */
    bool is_finished; /* and told */
    void (*done)(void *owner, struct checkup *checkup);
    void (*progress)(void *owner, const char *what);
    void *owner;
};

static void start_calls(struct checkup_run *run);

static void tell(struct checkup_run *run, const char *what)
{
    if (run->progress != NULL)
        run->progress(run->owner, what);
}

/* What the domain publishes is put beside what each host showed. */
static void note_published(struct checkup_run *run)
{
    const struct observed_published *published = run->checkup.published;

    for (size_t i = 0; published != NULL && i < run->checkup.host_count; i++) {
        struct observation *seen = &run->checkup.hosts[i]->observation;

        seen->sts = published->sts;
        seen->sts_host_listed =
            published->has_policy && mta_sts_policy_lists(&published->policy, seen->host);
    }
}

/* Where all hosts are done and what the domain publishes is known. */
static void finish(struct checkup_run *run)
{
    if (run->is_published_due || run->finished < run->call_count || !run->has_calls ||
        run->is_finished)
        return;
    run->is_finished = true;
    note_published(run);
    if (run->arena.exhausted)
        run->checkup.failure = "the limit of memory for one target was reached";
    checkup_judge(&run->checkup, &run->arena);
    run->done(run->owner, &run->checkup);
}

/* ---- one dial ---- */

/* What the peer may take for one step: a stalled first dial leaves half of the time for
 * experiments, and each experiment leaves half of the rest for the next one. */
static int64_t patience_ms(const struct checkup_run *run, int64_t most_ms)
{
    int64_t left_ms = run->deadline_ms - loop_now_ms(run->settings.loop);
    int64_t share_ms = run->settings.with_experiments ? left_ms / 2 : left_ms;

    if (share_ms < 1)
        return 1;
    return share_ms < most_ms ? share_ms : most_ms;
}

/* Records of usage 0 or 1 count no more by --tlsa than from the DNS: RFC 7672 section 3.1.3. */
static enum policy_tlsa state_of_own_tlsa(const struct checkup_settings *asked)
{
    for (size_t i = 0; i < asked->tlsa_count; i++)
        if (dane_usability(&asked->tlsa[i]) == DANE_USABLE)
            return POLICY_TLSA_USABLE;
    return POLICY_TLSA_UNUSABLE;
}

/* As if the host had published them: under the name that it is to be verified by. */
static void set_up_own_tlsa(const struct checkup_run *run, struct client_link_settings *settings)
{
    settings->tlsa = run->settings.tlsa;
    settings->tlsa_count = run->settings.tlsa_count;
    settings->tlsa_state = state_of_own_tlsa(&run->settings);
    settings->tlsa_base = NULL;
    settings->tlsa_failure = NULL;
    settings->mx_dnssec = DNS_SECURE;
    settings->dane_names[0] = settings->host;
    settings->dane_names[1] = run->checkup.domain;
    settings->dane_name_count = 2;
}

static void set_up_host(const struct call *call, struct client_link_settings *settings)
{
    const struct checkup_run *run = call->run;
    const struct checkup_settings *asked = &run->settings;
    const struct route_host *host = call->route_host;

    *settings = (struct client_link_settings){
        .hostname = asked->hostname,
        .domain = run->checkup.domain,
        .domain_names = run->domain_names,
        .domain_name_count = asked->name != NULL ? ARRAY_SIZE(run->domain_names) : 0,
        .host = asked->name != NULL ? asked->name
                : host != NULL      ? host->name
                                    : run->target.name,
        .address = call->address,
        .preference = -1,
        .level = asked->level,
        .anchors = asked->anchors,
        .intermediates = asked->intermediates,
        .credentials = asked->credentials,
        .mx_dnssec = DNS_SECURE,
        .fingerprint = asked->fingerprint,
        .requires_tls = asked->requires_tls,
        .self = asked->self,
        .clock = asked->clock,
    };
    if (host != NULL)
        route_link_set_up(run->checkup.route, host, settings);
    if (asked->tlsa_count > 0)
        set_up_own_tlsa(run, settings);
}

static void set_up_dial(const struct call *call, enum dial dial,
                        struct client_link_settings *settings)
{
    const struct checkup_run *run = call->run;

    if (run->settings.seen_by != NULL)
        *settings = *run->settings.seen_by;
    else
        set_up_host(call, settings);
    settings->dial = dial;
    settings->tickets = NULL;
    settings->connect_timeout_ms = patience_ms(run, CONNECT_MOST_MS);
    settings->reply_timeout_ms = patience_ms(run, INT64_MAX);
    settings->deadline_ms = run->deadline_ms;
}

static void take_observation(void *owner, struct observation *observation);

static const struct client_link_handlers handlers = { .finished = take_observation };

/* Dials one address in one way; false: our own failure, told in the checkup. */
static bool dial(struct call *call, enum dial way, struct observation *seen,
                 struct transcript *transcript)
{
    struct checkup_run *run = call->run;
    struct client_link_settings settings;
    struct error err;

    client_link_close(&call->link);
    set_up_dial(call, way, &settings);
    call->seen = seen;
    if (client_link_open(run->settings.loop, &settings, &handlers, call, &run->arena, seen,
                         transcript, &call->link, &err))
        return true;
    run->checkup.failure = arena_copy(&run->arena, span_of(err.text));
    return false;
}

/* ---- one address: the first dial, then experiments ---- */

static void finish_call(struct call *call)
{
    struct checkup_run *run = call->run;

    client_link_close(&call->link);
    run->finished++;
    start_calls(run);
    finish(run);
}

static bool start_experiment(struct call *call, enum dial way)
{
    struct checkup_run *run = call->run;
    struct checkup_host *host = call->host;
    struct observation *seen = arena_new(&run->arena, 1, sizeof *seen);

    if (seen == NULL)
        return false;
    host->experiment_observations[host->experiments.count] = seen;
    tell(run, arena_format(&run->arena, "%s: trying %s", host->observation.host, dial_name(way)));
    return dial(call, way, seen, NULL);
}

/* An experiment that has less time than the peer took to come as far as STARTTLS would fail for
 * that alone, and prove nothing. */
static bool has_time_for_experiment(const struct call *call)
{
    const struct observation *first = &call->host->observation;
    int64_t spoken_ms = 0;

    for (enum step step = STEP_CONNECT; step < STEP_HANDSHAKE && step < first->reached; step++)
        if (first->step_ms[step] > 0)
            spoken_ms += first->step_ms[step];
    return patience_ms(call->run, INT64_MAX) >= spoken_ms + spoken_ms / 2 + EXPERIMENT_LEAST_MS;
}

static bool next_experiment(const struct call *call, enum dial *next)
{
    const struct checkup_settings *settings = &call->run->settings;
    const struct checkup_host *host = call->host;

    if (!settings->with_experiments || host->experiments.count >= EXPERIMENTS_MOST ||
        !has_time_for_experiment(call))
        return false;
    return experiment_next(&host->observation, &host->experiments, next) ||
           (settings->as_others &&
            experiment_next_as_others(&host->observation, &host->experiments, next));
}

static void take_observation(void *owner, struct observation *observation)
{
    struct call *call = owner;
    struct checkup_host *host = call->host;
    enum dial next;

    if (observation != &host->observation)
        host->experiments.items[host->experiments.count++] = observation;
    if (next_experiment(call, &next) && start_experiment(call, next))
        return;
    finish_call(call);
}

static void start_call(struct call *call)
{
    struct checkup_run *run = call->run;
    struct checkup_host *host = call->host;

    tell(run, arena_format(&run->arena, "%s: connecting", run->checkup.target));
    transcript_init(&host->transcript, &run->arena, loop_now_ms(run->settings.loop));
    if (run->seen != NULL) {
        host->observation = *run->seen;
        take_observation(call, &host->observation);
        return;
    }
    if (!dial(call, DIAL_AS_CONFIGURED, &host->observation,
              run->settings.with_transcript ? &host->transcript : NULL))
        finish_call(call);
}

static void start_calls(struct checkup_run *run)
{
    while (run->started < run->call_count && run->started - run->finished < AT_ONCE)
        start_call(&run->calls[run->started++]);
}

/* ---- all addresses ---- */

static void add_call(struct checkup_run *run, const struct route_host *route_host,
                     const struct net_address *address)
{
    struct checkup_host *host;

    if (run->call_count == HOSTS_MOST || run->calls == NULL || run->checkup.hosts == NULL)
        return;
    host = arena_new(&run->arena, 1, sizeof *host);
    if (host == NULL)
        return;
    run->checkup.hosts[run->checkup.host_count++] = host;
    run->calls[run->call_count++] =
        (struct call){ .run = run, .host = host, .route_host = route_host, .address = *address };
}

static void begin_calls(struct checkup_run *run)
{
    run->has_calls = true;
    if (run->call_count == 0)
        finish(run);
    else
        start_calls(run);
}

static void take_route(void *owner, struct route *route)
{
    struct checkup_run *run = owner;

    run->checkup.route = route;
    for (size_t i = 0; i < route->host_count; i++)
        for (size_t k = 0; k < route->hosts[i].address_count; k++) {
            struct net_address address = route->hosts[i].addresses[k];

            address.port = run->target.port;
            add_call(run, &route->hosts[i], &address);
        }
    begin_calls(run);
}

/* ---- what the domain publishes ---- */

static void take_published(void *owner, struct observed_published *published)
{
    struct checkup_run *run = owner;

    run->checkup.published = published;
    run->is_published_due = false;
    finish(run);
}

/* An address literal, or one host that was asked for, has none. */
static bool look_up_published(struct checkup_run *run, struct error *err)
{
    const struct policy_lookup_settings settings = {
        .loop = run->settings.loop,
        .dns = run->settings.dns,
        .https = run->settings.https,
        .anchors = run->settings.anchors,
        .intermediates = run->settings.intermediates,
        .clock = run->settings.clock,
        .https_port = run->settings.sts_port,
        .private_addresses = run->settings.private_addresses,
        .timeout_ms = patience_ms(run, run->settings.timeout_ms),
        .with_sts = true,
        .with_reports = true,
    };

    if (run->settings.https == NULL || run->target.kind != TARGET_DOMAIN)
        return true;
    run->is_published_due = true;
    return policy_lookup_start(&settings, &run->arena, run->target.name, take_published, run,
                               &run->lookup, err);
}

/* ---- start and end ---- */

static void begin_without_route(void *owner)
{
    struct checkup_run *run = owner;

    add_call(run, NULL, &run->target.address);
    begin_calls(run);
}

static bool begin(struct checkup_run *run, struct error *err)
{
    const struct checkup_settings *settings = &run->settings;
    enum route_start start =
        run->target.kind == TARGET_DOMAIN ? ROUTE_FROM_DOMAIN : ROUTE_FROM_HOST;

    if (run->target.kind == TARGET_ADDRESS || settings->connect != NULL) {
        if (!loop_timer_open(settings->loop, begin_without_route, run, &run->begin, err))
            return false;
        loop_timer_start(run->begin, 0);
        return true;
    }
    assert(settings->dns != NULL);
    tell(run, arena_format(&run->arena, "%s: asking the DNS", run->checkup.target));
    return look_up_published(run, err) &&
           route_find(settings->loop, settings->dns, &run->arena, run->target.name, start,
                      run->target.port, patience_ms(run, settings->timeout_ms), take_route, run,
                      &run->query, err);
}

static bool read_target(struct checkup_run *run, const char *text, struct error *err)
{
    const struct checkup_settings *settings = &run->settings;

    if (settings->seen_by != NULL) {
        run->target = (struct target){ .kind = TARGET_ADDRESS,
                                       .name = settings->seen_by->domain,
                                       .address = settings->seen_by->address,
                                       .port = settings->seen_by->address.port };
        return true;
    }
    if (!target_parse(text, settings->port, &run->arena, &run->target, err))
        return false;
    return settings->connect == NULL ||
           target_parse_address(settings->connect, run->target.port, &run->target.address, err);
}

static bool copy_seen(struct checkup_run *run, struct error *err)
{
    const struct observation *seen = run->settings.seen;

    assert((seen == NULL) == (run->settings.seen_by == NULL));
    run->settings.seen = NULL;
    if (seen == NULL)
        return true;
    run->seen = arena_new(&run->arena, 1, sizeof *run->seen);
    if (run->seen == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the checkup of %s", run->target.name);
    return observation_copy(seen, &run->arena, run->seen, err);
}

static bool set_up(struct checkup_run *run, const char *target, struct error *err)
{
    arena_init(&run->arena, ARENA_BYTES);
    if (!read_target(run, target, err))
        return false;
    if (run->settings.name != NULL) {
        run->domain_names[0] = run->settings.name;
        run->domain_names[1] = arena_format(&run->arena, ".%s", run->settings.name);
    }
    if (!copy_seen(run, err))
        return false;
    run->deadline_ms = loop_now_ms(run->settings.loop) + run->settings.timeout_ms;
    run->calls = memory_new(HOSTS_MOST, sizeof *run->calls);
    run->checkup = (struct checkup){
        .target = arena_copy(&run->arena, span_of(target)),
        .domain = run->target.name,
        .level = run->settings.level,
        .wall_s = run->settings.clock->wall_s(run->settings.clock),
        .hosts = arena_new(&run->arena, HOSTS_MOST, sizeof(struct checkup_host *)),
    };
    if (run->calls == NULL || run->arena.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the checkup of %s", target);
    return true;
}

bool checkup_start(const struct checkup_settings *settings, const char *target,
                   void (*done)(void *owner, struct checkup *checkup),
                   void (*progress)(void *owner, const char *what), void *owner,
                   struct checkup_run **run, struct error *err)
{
    AUTO(checkup_close) struct checkup_run *new_run = memory_new(1, sizeof *new_run);

    if (new_run == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the checkup of %s", target);
    new_run->settings = *settings;
    new_run->done = done;
    new_run->progress = progress;
    new_run->owner = owner;
    if (!set_up(new_run, target, err) || !begin(new_run, err))
        return false;
    *run = TAKE(new_run);
    return true;
}

void checkup_close(struct checkup_run **run)
{
    if (*run == NULL)
        return;
    route_cancel(&(*run)->query);
    policy_lookup_cancel(&(*run)->lookup);
    loop_timer_close(&(*run)->begin);
    for (size_t i = 0; i < (*run)->call_count; i++)
        client_link_close(&(*run)->calls[i].link);
    memory_free((*run)->calls);
    arena_clear(&(*run)->arena);
    memory_free(*run);
    *run = NULL;
}

/* ---- what it all means ---- */

bool checkup_needs_dns(const char *target)
{
    AUTO(arena_clear) struct arena arena;
    struct target parsed;

    arena_init(&arena, 64 * 1024);
    return target_parse(target, 1, &arena, &parsed, NULL) && parsed.kind != TARGET_ADDRESS;
}

/* What each level would do. Where nobody has looked for a policy of MTA-STS level sts is told as if
 * this host were listed in one that is enforced. */
static void decide(struct checkup_host *host)
{
    struct policy_session session = observation_session(&host->observation);

    if (session.sts == POLICY_STS_UNKNOWN) {
        session.sts = POLICY_STS_ENFORCE;
        session.sts_host_listed = true;
    }
    session.may_go_clear = true;
    for (enum policy_level level = 0; level < POLICY_LEVEL_COUNT; level++)
        host->decisions[level] = policy_decide(level, &session);
}

void checkup_judge(struct checkup *checkup, struct arena *arena)
{
    const struct observation *seen[HOSTS_MOST] = { NULL };
    struct findings *findings[HOSTS_MOST] = { NULL };
    size_t count = 0;

    for (size_t i = 0; i < checkup->host_count && i < HOSTS_MOST; i++) {
        struct checkup_host *host = checkup->hosts[i];

        host->findings.count = 0;
        judge_observation(&host->observation, &host->experiments, arena, &host->findings);
        decide(host);
        findings[count] = &host->findings;
        seen[count++] = &host->observation;
    }
    if (count > 1)
        judge_other_addresses(seen, findings, count);
    checkup->findings.count = 0;
    if (checkup->route != NULL)
        judge_route(checkup->route, arena, &checkup->findings);
    if (checkup->published != NULL)
        judge_published(checkup->published, checkup->route, count > 0 ? &seen[0]->self : NULL,
                        arena, &checkup->findings);
    if (count > 1)
        judge_together(seen, count, arena, &checkup->findings);
}

/* Who asks nobody hears nothing of the domain, and nor does who does not wait. */
static bool has_not_heard(const struct route *route)
{
    for (size_t i = 0; route != NULL && i < route->lookup_count; i++)
        if (route->lookups[i].resolver_is_silent ||
            (route->outcome == ROUTE_TIMEOUT && observed_lookup_was_cut_short(&route->lookups[i])))
            return true;
    return false;
}

static bool has_failed_ourselves(const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->host_count; i++)
        if (checkup->hosts[i]->observation.ending == ENDING_FAILED)
            return true;
    return checkup->failure != NULL || has_not_heard(checkup->route) ||
           (checkup->published != NULL && checkup->published->failure != NULL);
}

int checkup_exit_status(const struct checkup *checkup)
{
    enum severity worst = SEVERITY_NOTICE, of_host;

    if (has_failed_ourselves(checkup))
        return 3;
    if (!findings_worst(&checkup->findings, &worst))
        worst = SEVERITY_NOTICE;
    for (size_t i = 0; i < checkup->host_count; i++)
        if (findings_worst(&checkup->hosts[i]->findings, &of_host) && of_host > worst)
            worst = of_host;
    return worst >= SEVERITY_UNTRUSTED ? 1 : 0;
}
