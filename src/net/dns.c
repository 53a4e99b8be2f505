#include "net/dns.h"

#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/address.h"
#include "net/dns_anchor.h"
#include "net/dns_probe.h"
#include "net/loop_internal.h"
#include "net/octets.h"

#define DEFAULT_ANCHOR "/usr/share/dns/root.key"

enum {
    ANCHOR_FILE_MOST = 1024 * 1024,
    RECORDS_MOST = 256,
    CLASS_IN = 1,
    TYPE_NS = 2,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    PROBE_MS = 1500,
    PATIENCE_MS = 1000, /* before we doubt whether the resolver is there at all */
};

struct dns_query {
    struct dns *dns;
    struct dns_query *previous, *next;
    struct loop_timer *timer;
    struct ub_result *result; /* has come and waits for its turn */
    struct dns_probe *probe;  /* asks once more whether the resolver says so or says nothing */
    bool has_come;
    bool is_settled; /* libunbound has done with it */
    bool is_doomed;  /* the resolver is dead, and this one waits to be told */
    char *name;
    enum dns_type type;
    int ticket; /* of libunbound */
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
};

struct dns {
    struct loop *loop;
    struct ub_ctx *context;
    uv_poll_t poll;
    struct dns_query *queries;
    struct net_address resolvers[DNS_PROBE_RESOLVERS_MOST];
    size_t resolver_count;
    struct loop_timer *doubt;
    struct dns_probe *liveness; /* asks for the root, which everybody can answer */
    bool is_closed;
};

const char *dns_security_name(enum dns_security security)
{
    switch (security) {
    case DNS_INSECURE: return "insecure";
    case DNS_SECURE: return "secure";
    case DNS_VALIDATION_FAILED: return "bogus";
    }
    return "";
}

const char *dns_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_TYPE_A: return "A";
    case DNS_TYPE_CNAME: return "CNAME";
    case DNS_TYPE_MX: return "MX";
    case DNS_TYPE_TXT: return "TXT";
    case DNS_TYPE_AAAA: return "AAAA";
    case DNS_TYPE_TLSA: return "TLSA";
    }
    return "";
}

static const struct {
    const char *name, *value;
} options[] = {
    { "module-config:", "validator iterator" },
    { "do-not-query-localhost:", "no" },
    { "qname-minimisation:", "no" }, /* everything is forwarded */
    { "infra-host-ttl:", "5" },      /* a resolver that was down is tried again soon */
    { "msg-cache-size:", "8m" },
    { "rrset-cache-size:", "16m" },
};

static bool set_options(struct ub_ctx *context, struct error *err)
{
    ub_ctx_debugout(context, NULL);
    ub_ctx_debuglevel(context, 0);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        int status = ub_ctx_set_option(context, options[i].name, options[i].value);

        if (status != 0)
            return error_set(err, ERROR_SYSTEM, "libunbound refuses \"%s %s\": %s", options[i].name,
                             options[i].value, ub_strerror(status));
    }
    return true;
}

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353" */
static bool parse_resolver(const char *text, struct net_address *address)
{
    struct span host = span_of(text), port;
    uint64_t number;

    address->port = 53;
    if (net_address_parse(host, address))
        return true;
    while (host.len > 0 && host.data[host.len - 1] != ':')
        host.len--;
    if (host.len == 0)
        return false;
    port = span_of(text + host.len);
    host.len--;
    if (!text_to_number(port, UINT16_MAX, &number) || number == 0 ||
        !net_address_parse(host, address))
        return false;
    address->port = (uint16_t)number;
    return true;
}

/* Those of "nameserver" lines that we can ask ourselves. */
static void note_nameservers(struct dns *dns)
{
    FILE *file = fopen("/etc/resolv.conf", "re");
    char line[256];

    if (file == NULL)
        return;
    while (dns->resolver_count < DNS_PROBE_RESOLVERS_MOST &&
           fgets(line, sizeof line, file) != NULL) {
        struct net_address *address = &dns->resolvers[dns->resolver_count];
        struct span rest = span_of(line);
        struct span word = span_take_front(&rest, strlen("nameserver"));

        rest = span_trim(span_part(rest, 0, span_find(rest, '\n')));
        address->port = 53;
        if (span_equal(word, span_of("nameserver")) && net_address_parse(rest, address))
            dns->resolver_count++;
    }
    fclose(file);
}

static bool set_resolver(struct dns *dns, const char *resolver, struct error *err)
{
    struct net_address *address = &dns->resolvers[0];
    char text[NET_ADDRESS_TEXT], forward[NET_ADDRESS_TEXT + 8];
    int status;

    if (resolver == NULL) {
        status = ub_ctx_resolvconf(dns->context, NULL);
        note_nameservers(dns);
        return status == 0 ||
               error_set(err, ERROR_SYSTEM, "reading /etc/resolv.conf: %s", ub_strerror(status));
    }
    if (!parse_resolver(resolver, address))
        return error_set(err, ERROR_USAGE,
                         "\"%.80s\" is no resolver; give an address, or address:port", resolver);
    dns->resolver_count = 1;
    snprintf(forward, sizeof forward, "%s@%u", net_address_text(address, text), address->port);
    status = ub_ctx_set_fwd(dns->context, forward);
    return status == 0 ||
           error_set(err, ERROR_USAGE, "forwarding to %s: %s", forward, ub_strerror(status));
}

static bool add_anchor(void *owner, const char *record)
{
    return ub_ctx_add_ta(owner, record) == 0;
}

static bool set_anchors(struct ub_ctx *context, const char *path, struct error *err)
{
    struct buffer text;
    bool is_missing = false, is_fine;
    const char *used = path == NULL ? DEFAULT_ANCHOR : path;

    buffer_init(&text, ANCHOR_FILE_MOST);
    is_fine = dns_anchor_read(used, &text, &is_missing, err);
    if (is_fine && !dns_anchor_parse(buffer_span(&text), add_anchor, context, err))
        is_fine = error_wrap(err, "trust anchors in %s", used);
    buffer_clear(&text);
    return is_fine || (is_missing && path == NULL);
}

/* The first call that needs the finished context tells whether the settings were any good. Zones
 * that libunbound answers by itself are given back to the resolver. */
static bool freeze(struct ub_ctx *context, struct error *err)
{
    static const char *const built_in[] = { "test.", "invalid.", "localhost." };
    int status = ub_ctx_async(context, 1);

    for (size_t i = 0; status == 0 && i < ARRAY_SIZE(built_in); i++)
        status = ub_ctx_zone_remove(context, built_in[i]);
    return status == 0 ||
           error_set(err, ERROR_SYSTEM, "starting libunbound: %s", ub_strerror(status));
}

static void process(uv_poll_t *poll, int status, int events);
static void ask_for_life(void *owner);

static bool watch(struct dns *dns, struct error *err)
{
    if (uv_poll_init(&dns->loop->uv, &dns->poll, ub_fd(dns->context)) != 0)
        return error_set(err, ERROR_SYSTEM, "watching libunbound's pipe failed");
    dns->poll.data = dns;
    uv_poll_start(&dns->poll, UV_READABLE, process);
    uv_unref((uv_handle_t *)&dns->poll); /* an idle resolver keeps no loop running */
    return true;
}

bool dns_open(struct loop *loop, const struct dns_settings *settings, struct dns **dns,
              struct error *err)
{
    struct dns *made = memory_new(1, sizeof *made);

    *dns = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a resolver");
    made->loop = loop;
    made->context = ub_ctx_create();
    if (made->context == NULL)
        error_set(err, ERROR_SYSTEM, "libunbound cannot be started");
    else if (loop_timer_open(loop, ask_for_life, made, &made->doubt, err) &&
             set_options(made->context, err) && set_resolver(made, settings->resolver, err) &&
             set_anchors(made->context, settings->trust_anchor, err) &&
             freeze(made->context, err) && watch(made, err)) {
        *dns = made;
        return true;
    }
    if (made->context != NULL)
        ub_ctx_delete(made->context);
    loop_timer_close(&made->doubt);
    memory_free(made);
    return false;
}

static void free_dns(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void stop_doubting(struct dns *dns)
{
    loop_timer_stop(dns->doubt);
    dns_probe_stop(&dns->liveness);
}

/* Takes the query out of the list and ends it. */
static void drop(struct dns_query *query)
{
    struct dns *dns = query->dns;

    if (query->previous == NULL)
        dns->queries = query->next;
    else
        query->previous->next = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    if (dns->queries == NULL) {
        uv_unref((uv_handle_t *)&dns->poll);
        stop_doubting(dns);
    }
    if (!query->has_come && !query->is_settled)
        ub_cancel(dns->context, query->ticket);
    ub_resolve_free(query->result);
    dns_probe_stop(&query->probe);
    loop_timer_close(&query->timer);
    memory_free(query->name);
    memory_free(query);
}

void dns_close(struct dns **dns)
{
    struct dns *closing = *dns;

    *dns = NULL;
    if (closing == NULL)
        return;
    while (closing->queries != NULL)
        drop(closing->queries);
    closing->is_closed = true;
    stop_doubting(closing);
    loop_timer_close(&closing->doubt);
    uv_close((uv_handle_t *)&closing->poll, free_dns);
    ub_ctx_delete(closing->context);
    closing->context = NULL;
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
        .rcode = is_silent || rcode == 0 || rcode == RCODE_NXDOMAIN ? RCODE_SERVFAIL : rcode,
    };

    query->probe = NULL;
    deliver(query, &answer);
}

/* Not yet the end where libunbound failed: does the resolver say so, or does it say nothing? */
static void settle(struct dns_query *query)
{
    struct dns *dns = query->dns;
    bool has_failed = query->result == NULL || outcome_of(query->result) == DNS_SERVFAIL;

    query->has_come = false;
    query->is_settled = true;
    if (!has_failed) {
        stop_doubting(dns);
        deliver_result(query);
    } else if (!dns_probe_start(dns->loop, dns->resolvers, dns->resolver_count, query->name,
                                (uint16_t)query->type, PROBE_MS, deliver_failure, query,
                                &query->probe)) {
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

static struct dns_query *find_come(const struct dns *dns)
{
    struct dns_query *query = dns->queries;

    while (query != NULL && !query->has_come)
        query = query->next;
    return query;
}

/* Owners are called only after ub_process has returned: they may ask again, cancel, or close. */
static void process(uv_poll_t *poll, int status, int events)
{
    struct dns *dns = poll->data;
    struct dns_query *query;

    (void)status;
    (void)events;
    ub_process(dns->context);
    while (!dns->is_closed && (query = find_come(dns)) != NULL)
        settle(query);
}

static struct dns_query *find_doomed(const struct dns *dns)
{
    struct dns_query *query = dns->queries;

    while (query != NULL && !query->is_doomed)
        query = query->next;
    return query;
}

static void hear_of_life(void *owner, int rcode)
{
    const struct dns_answer answer = { .outcome = DNS_TIMEOUT,
                                       .rcode = RCODE_SERVFAIL,
                                       .resolver_is_silent = true };
    struct dns *dns = owner;
    struct dns_query *query;

    dns->liveness = NULL;
    if (rcode != DNS_PROBE_SILENT)
        return; /* it lives: what is slow is behind it */
    for (query = dns->queries; query != NULL; query = query->next)
        query->is_doomed = true;
    while (!dns->is_closed && (query = find_doomed(dns)) != NULL)
        deliver(query, &answer);
}

static void ask_for_life(void *owner)
{
    struct dns *dns = owner;

    if (!dns_probe_start(dns->loop, dns->resolvers, dns->resolver_count, ".", TYPE_NS, PROBE_MS,
                         hear_of_life, dns, &dns->liveness))
        dns->liveness = NULL; /* then libunbound's own patience has to do */
}

static void expire(void *owner)
{
    const struct dns_answer answer = { .outcome = DNS_TIMEOUT, .rcode = RCODE_SERVFAIL };

    deliver(owner, &answer);
}

static void enlist(struct dns_query *query)
{
    struct dns *dns = query->dns;

    if (dns->queries == NULL) {
        uv_ref((uv_handle_t *)&dns->poll);
        loop_timer_start(dns->doubt, PATIENCE_MS);
    }
    query->next = dns->queries;
    if (query->next != NULL)
        query->next->previous = query;
    dns->queries = query;
}

static struct dns_query *make_query(struct dns *dns, const char *name, enum dns_type type,
                                    struct error *err)
{
    struct dns_query *made = memory_new(1, sizeof *made);
    size_t len = strlen(name);

    if (made != NULL && (made->name = memory_new(len + 1, 1)) != NULL) {
        memcpy(made->name, name, len);
        made->dns = dns;
        made->type = type;
        if (loop_timer_open(dns->loop, expire, made, &made->timer, err))
            return made;
        memory_free(made->name);
    }
    memory_free(made);
    error_set(err, ERROR_MEMORY, "no memory for a DNS query");
    return NULL;
}

bool dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
              void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
              struct dns_query **query, struct error *err)
{
    struct dns_query *made = make_query(dns, name, type, err);
    int status;

    *query = NULL;
    if (made == NULL)
        return false;
    made->answered = answered;
    made->owner = owner;
    status =
        ub_resolve_async(dns->context, name, (int)type, CLASS_IN, made, note_result, &made->ticket);
    if (status != 0) {
        loop_timer_close(&made->timer);
        memory_free(made->name);
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "asking for %s of %.255s: %s", dns_type_name(type),
                         name, ub_strerror(status));
    }
    enlist(made);
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

/* One octet of a label; RFC 1035 section 5.1 for those that mean something or cannot be seen. */
static int put_octet(char *text, size_t size, uint8_t octet)
{
    if (octet >= 'A' && octet <= 'Z')
        octet = (uint8_t)(octet - 'A' + 'a');
    if (octet == '.' || octet == '\\')
        return snprintf(text, size, "\\%c", octet);
    if (octet <= ' ' || octet >= 0x7f)
        return snprintf(text, size, "\\%03u", octet);
    return snprintf(text, size, "%c", octet);
}

bool dns_name_text(struct span wire, char *text, size_t size)
{
    struct octets octets = { wire, false };
    size_t used = 0, len;

    if (wire.len > 255)
        return false;
    while ((len = octets_take(&octets, 1)) > 0 && len < 64) {
        struct span label = octets_take_bytes(&octets, len);

        for (size_t i = 0; i <= label.len; i++) {
            bool is_end = i == label.len;
            int put = is_end ? snprintf(text + used, size - used, ".")
                             : put_octet(text + used, size - used, (uint8_t)label.data[i]);

            used += (size_t)put;
            if (used >= size)
                return false;
        }
    }
    if (len != 0 || octets.is_short || octets.left.len > 0)
        return false;
    if (used == 0)
        return snprintf(text, size, ".") < (int)size;
    text[used - 1] = '\0'; /* the last dot */
    return true;
}
