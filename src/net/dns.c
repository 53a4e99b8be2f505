#include "net/dns.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "base/memory.h"
#include "net/dns_ahead.h"
#include "net/dns_context.h"
#include "net/dns_probe.h"
#include "net/loop_internal.h"

enum {
    RECORDS_MOST = 256,
    CLASS_IN = 1,
    TYPE_NS = 2,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    PROBE_MS = 1500,
    PATIENCE_MS = 1000, /* before we doubt whether the resolver is there at all */
};

struct source;

struct dns_query {
    struct source *source;
    struct dns_query *previous, *next;
    struct loop_timer *timer;
    struct dns_ahead_question *ahead; /* libunbound is asked once the resolver has an answer */
    struct loop_timer *silence;       /* which is not waited for without end */
    struct ub_result *result;         /* has come and waits for its turn */
    struct dns_probe *probe; /* asks once more whether the resolver says so or says nothing */
    bool is_asked;           /* by libunbound */
    bool has_come;
    bool is_settled; /* libunbound has done with it */
    bool is_doomed;  /* the resolver is dead, and this one waits to be told */
    char *name;
    enum dns_type type;
    int64_t timeout_ms;
    int ticket; /* of libunbound */
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
};

/* What answers by one reading of the settings. One that was replaced goes when all that it was asked is
 * answered. */
struct source {
    struct dns *dns;
    struct source *next; /* of those that were replaced */
    struct loop *loop;
    struct dns_context context;
    struct dns_ahead *ahead; /* NULL: libunbound asks the name servers of the world itself */
    uv_poll_t poll;
    struct dns_query *queries;
    struct loop_timer *doubt;
    struct dns_probe *liveness; /* asks for the root, which everybody can answer */
    bool is_closed;
};

struct dns {
    struct loop *loop;
    struct source *source;   /* NULL: not set up */
    struct source *replaced; /* that are still asked */
};

const char *dns_security_name(enum dns_security security)
{
    switch (security) {
    case DNS_INSECURE: return "insecure";
    case DNS_SECURE: return "secure";
    case DNS_VALIDATION_FAILED: return "bogus";
    case DNS_INDETERMINATE: return "indeterminate";
    }
    return "";
}

static void process(uv_poll_t *poll, int status, int events);
static void ask_for_life(void *owner);

static bool watch(struct source *source, struct error *err)
{
    if (uv_poll_init(&source->loop->uv, &source->poll, ub_fd(source->context.unbound)) != 0)
        return error_set(err, ERROR_SYSTEM, "watching libunbound's pipe failed");
    source->poll.data = source;
    uv_poll_start(&source->poll, UV_READABLE, process);
    uv_unref((uv_handle_t *)&source->poll); /* an idle resolver keeps no loop running */
    return true;
}

static bool open_source(struct dns *dns, const struct dns_settings *settings,
                        struct source **source, struct error *err)
{
    struct source *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a resolver");
    made->dns = dns;
    made->loop = dns->loop;
    if (loop_timer_open(dns->loop, ask_for_life, made, &made->doubt, err) &&
        dns_context_open(settings, &made->context, err) &&
        dns_ahead_open(dns->loop, made->context.resolvers, made->context.resolver_count,
                       &made->ahead, err) &&
        watch(made, err)) {
        *source = made;
        return true;
    }
    dns_ahead_close(&made->ahead);
    dns_context_close(&made->context);
    loop_timer_close(&made->doubt);
    memory_free(made);
    return false;
}

static void free_source(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void stop_doubting(struct source *source)
{
    loop_timer_stop(source->doubt);
    dns_probe_stop(&source->liveness);
}

static void unlink_replaced(struct dns *dns, const struct source *source)
{
    struct source **place = &dns->replaced;

    while (*place != NULL && *place != source)
        place = &(*place)->next;
    if (*place != NULL)
        *place = source->next;
}

/* Nothing is asked of it any more. */
static void close_source(struct source *source)
{
    unlink_replaced(source->dns, source);
    source->is_closed = true;
    stop_doubting(source);
    loop_timer_close(&source->doubt);
    uv_close((uv_handle_t *)&source->poll, free_source);
    dns_ahead_close(&source->ahead);
    dns_context_close(&source->context);
}

/* Takes the query out of the list and ends it. */
static void drop(struct dns_query *query)
{
    struct source *source = query->source;

    if (query->previous == NULL)
        source->queries = query->next;
    else
        query->previous->next = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    if (query->is_asked && !query->has_come && !query->is_settled)
        ub_cancel(source->context.unbound, query->ticket);
    ub_resolve_free(query->result);
    dns_ahead_stop(&query->ahead);
    dns_probe_stop(&query->probe);
    loop_timer_close(&query->timer);
    loop_timer_close(&query->silence);
    memory_free(query->name);
    memory_free(query);
    if (source->queries != NULL)
        return;
    uv_unref((uv_handle_t *)&source->poll);
    stop_doubting(source);
    if (source != source->dns->source)
        close_source(source);
}

static void drop_all(struct source *source)
{
    struct dns_query *next;

    for (struct dns_query *query = source->queries; query != NULL; query = next) {
        next = query->next;
        drop(query); /* with the last of them the source may go */
    }
}

bool dns_new(struct loop *loop, struct dns **dns, struct error *err)
{
    *dns = memory_new(1, sizeof **dns);
    if (*dns == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a resolver");
    (*dns)->loop = loop;
    return true;
}

bool dns_change(struct dns *dns, const struct dns_settings *settings, struct error *err)
{
    struct source *before;

    assert(dns != NULL);
    before = dns->source;
    if (!open_source(dns, settings, &dns->source, err))
        return false;
    if (before == NULL)
        return true;
    before->next = dns->replaced;
    dns->replaced = before;
    if (before->queries == NULL)
        close_source(before);
    return true;
}

bool dns_open(struct loop *loop, const struct dns_settings *settings, struct dns **dns,
              struct error *err)
{
    if (!dns_new(loop, dns, err))
        return false;
    if (dns_change(*dns, settings, err))
        return true;
    dns_close(dns);
    return false;
}

void dns_close(struct dns **dns)
{
    struct dns *closing = *dns;

    *dns = NULL;
    if (closing == NULL)
        return;
    while (closing->replaced != NULL)
        drop_all(closing->replaced); /* goes with its last query */
    if (closing->source != NULL) {
        drop_all(closing->source);
        close_source(closing->source);
    }
    memory_free(closing);
}

static enum dns_outcome outcome_of(const struct ub_result *result)
{
    if (result->bogus)
        return DNS_BOGUS;
    if (result->havedata)
        return DNS_ANSWERED;
    if (result->nxdomain || result->rcode == RCODE_NXDOMAIN)
        return DNS_NXDOMAIN;
    return result->rcode == 0 ? DNS_NO_DATA : DNS_SERVFAIL;
}

static enum dns_security security_of(const struct ub_result *result)
{
    if (result->bogus)
        return DNS_VALIDATION_FAILED;
    return result->secure ? DNS_SECURE : DNS_INSECURE;
}

static void deliver(struct dns_query *query, const struct dns_answer *answer)
{
    void (*answered)(void *owner, const struct dns_answer *answer) = query->answered;
    void *owner = query->owner;
    struct ub_result *result = query->result;

    query->result = NULL; /* the answer borrows from it */
    drop(query);
    answered(owner, answer);
    ub_resolve_free(result);
}

/* libunbound says so in words only. */
static bool is_about_anchor(const struct ub_result *result)
{
    return result->bogus && result->why_bogus != NULL &&
           strstr(result->why_bogus, "trust anchor") != NULL;
}

static void deliver_result(struct dns_query *query)
{
    const struct ub_result *result = query->result;
    struct span records[RECORDS_MOST];
    size_t count = 0;
    struct dns_answer answer = {
        .outcome = outcome_of(result),
        .security = security_of(result),
        .rcode = result->rcode,
        .canonical_name = result->canonname,
        .why_bogus = result->bogus ? result->why_bogus : NULL,
        .anchor_failed = is_about_anchor(result),
        .records = records,
        .ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0,
    };

    for (; result->havedata && count < RECORDS_MOST && result->data[count] != NULL; count++)
        records[count] = (struct span){ result->data[count], (size_t)result->len[count] };
    answer.record_count = count;
    deliver(query, &answer);
}

static void deliver_failure(void *owner, int rcode)
{
    struct dns_query *query = owner;
    bool is_silent = rcode == DNS_PROBE_SILENT;
    /* A reply that libunbound could make nothing of is a failure whatever its code says. */
    const struct dns_answer answer = {
        .outcome = is_silent ? DNS_TIMEOUT : DNS_SERVFAIL,
        .security = DNS_INDETERMINATE,
        .rcode = is_silent || rcode == 0 || rcode == RCODE_NXDOMAIN ? RCODE_SERVFAIL : rcode,
    };

    query->probe = NULL;
    deliver(query, &answer);
}

/* Not yet the end where libunbound failed: does the resolver say so, or does it say nothing? */
static void settle(struct dns_query *query)
{
    struct source *source = query->source;
    bool has_failed = query->result == NULL || outcome_of(query->result) == DNS_SERVFAIL;

    query->has_come = false;
    query->is_settled = true;
    if (!has_failed) {
        stop_doubting(source);
        deliver_result(query);
    } else if (!dns_probe_start(source->loop, source->context.resolvers,
                                source->context.resolver_count, query->name, (uint16_t)query->type,
                                PROBE_MS, deliver_failure, query, &query->probe)) {
        deliver_failure(query, RCODE_SERVFAIL);
    }
}

static void note_result(void *owner, int failure, struct ub_result *result)
{
    struct dns_query *query = owner;

    (void)failure;
    query->has_come = true;
    query->result = result;
}

static struct dns_query *find_come(const struct source *source)
{
    struct dns_query *query = source->queries;

    while (query != NULL && !query->has_come)
        query = query->next;
    return query;
}

/* Owners are called only after ub_process has returned: they may ask again, cancel, or close. */
static void process(uv_poll_t *poll, int status, int events)
{
    struct source *source = poll->data;
    struct dns_query *query;

    (void)status;
    (void)events;
    ub_process(source->context.unbound);
    while (!source->is_closed && (query = find_come(source)) != NULL)
        settle(query);
}

static void resolve_known(void *owner);

static struct dns_query *find_waiting(const struct source *source)
{
    struct dns_query *query = source->queries;

    while (query != NULL && query->ahead == NULL)
        query = query->next;
    return query;
}

/* The resolvers that we can ask are dead, and libunbound has others: from now on it finds out by itself. */
static void leave_it_to_libunbound(struct source *source)
{
    struct dns_ahead *ahead = TAKE(source->ahead);
    struct dns_query *query;

    while (!source->is_closed && (query = find_waiting(source)) != NULL) {
        dns_ahead_stop(&query->ahead);
        resolve_known(query);
    }
    dns_ahead_close(&ahead);
}

static struct dns_query *find_doomed(const struct source *source)
{
    struct dns_query *query = source->queries;

    while (query != NULL && !query->is_doomed)
        query = query->next;
    return query;
}

static void hear_of_life(void *owner, int rcode)
{
    const struct dns_answer answer = { .outcome = DNS_TIMEOUT,
                                       .security = DNS_INDETERMINATE,
                                       .rcode = RCODE_SERVFAIL,
                                       .resolver_is_silent = true };
    struct source *source = owner;
    struct dns_query *query;

    source->liveness = NULL;
    if (rcode != DNS_PROBE_SILENT)
        return; /* it lives: what is slow is behind it */
    if (source->context.has_others) {
        leave_it_to_libunbound(source);
        return;
    }
    for (query = source->queries; query != NULL; query = query->next)
        query->is_doomed = true;
    while (!source->is_closed && (query = find_doomed(source)) != NULL)
        deliver(query, &answer);
}

static void ask_for_life(void *owner)
{
    struct source *source = owner;

    if (!dns_probe_start(source->loop, source->context.resolvers, source->context.resolver_count,
                         ".", TYPE_NS, PROBE_MS, hear_of_life, source, &source->liveness))
        source->liveness = NULL; /* then libunbound's own patience has to do */
}

static void give_up(struct dns_query *query, int64_t after_ms)
{
    const struct dns_answer answer = { .outcome = DNS_TIMEOUT,
                                       .security = DNS_INDETERMINATE,
                                       .rcode = RCODE_SERVFAIL,
                                       .given_up_after_ms = after_ms };

    deliver(query, &answer);
}

static void take_silence(void *owner)
{
    give_up(owner, 0);
}

static void expire(void *owner)
{
    struct dns_query *query = owner;

    give_up(query, query->timeout_ms);
}

static void enlist(struct dns_query *query)
{
    struct source *source = query->source;

    if (source->queries == NULL) {
        uv_ref((uv_handle_t *)&source->poll);
        loop_timer_start(source->doubt, PATIENCE_MS);
    }
    query->next = source->queries;
    if (query->next != NULL)
        query->next->previous = query;
    source->queries = query;
}

static struct dns_query *make_query(struct source *source, const char *name, enum dns_type type,
                                    struct error *err)
{
    struct dns_query *made = memory_new(1, sizeof *made);
    size_t len = strlen(name);

    if (made != NULL && (made->name = memory_new(len + 1, 1)) != NULL) {
        memcpy(made->name, name, len);
        made->source = source;
        made->type = type;
        if (loop_timer_open(source->loop, expire, made, &made->timer, err) &&
            loop_timer_open(source->loop, take_silence, made, &made->silence, err))
            return made;
        loop_timer_close(&made->timer);
        memory_free(made->name);
    }
    memory_free(made);
    error_set(err, ERROR_MEMORY, "no memory for a DNS query");
    return NULL;
}

static int resolve(struct dns_query *query)
{
    int status = ub_resolve_async(query->source->context.unbound, query->name, (int)query->type,
                                  CLASS_IN, query, note_result, &query->ticket);

    query->is_asked = status == 0;
    return status;
}

static void resolve_known(void *owner)
{
    struct dns_query *query = owner;

    query->ahead = NULL;
    loop_timer_stop(query->silence);
    if (resolve(query) != 0)
        deliver_failure(query, RCODE_SERVFAIL);
}

static void free_unasked(struct dns_query *query)
{
    loop_timer_close(&query->timer);
    loop_timer_close(&query->silence);
    memory_free(query->name);
    memory_free(query);
}

bool dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
              void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
              struct dns_query **query, struct error *err)
{
    struct dns_query *made;
    int status;

    *query = NULL;
    if (dns->source == NULL)
        return error_set(err, ERROR_SYSTEM, "no resolver is set up");
    made = make_query(dns->source, name, type, err);
    if (made == NULL)
        return false;
    made->answered = answered;
    made->owner = owner;
    if (made->source->ahead != NULL && dns_ahead_ask(made->source->ahead, name, (uint16_t)type,
                                                     resolve_known, made, &made->ahead)) {
        loop_timer_start(made->silence, DNS_SILENCE_MS);
    } else if ((status = resolve(made)) != 0) {
        free_unasked(made);
        return error_set(err, ERROR_SYSTEM, "asking for %s of %.255s: %s", dns_type_name(type),
                         name, ub_strerror(status));
    }
    enlist(made);
    made->timeout_ms = timeout_ms;
    loop_timer_start(made->timer, timeout_ms);
    *query = made;
    return true;
}

void dns_cancel(struct dns_query **query)
{
    if (*query != NULL)
        drop(*query);
    *query = NULL;
}
