#include "cli/publish_look.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/lookups.h"
#include "link/policy_lookup.h"
#include "link/route.h"
#include "trust/txt_record.h"

enum { TIMEOUT_MS = 30000 };

/* The TLSA records of one host, on their way. */
struct host_question {
    struct publish_look *look;
    struct publication_host *host;
    struct dns_query *query;
};

struct publish_look {
    const struct settings *settings;
    struct anchors *anchors;
    const struct clock *clock;
    struct lookups by;
    /* of the domain that is looked at */
    struct publication *publication;
    struct arena *arena;
    struct route_query *route_query;
    struct policy_lookup *policy_lookup;
    struct host_question *questions;
    struct dns_query *dkim_query;
    size_t pending;
    struct error err;
    bool has_failed;
};

bool publish_look_open(const struct settings *settings, struct anchors *anchors,
                       const struct clock *clock, struct publish_look **look, struct error *err)
{
    AUTO(publish_look_close) struct publish_look *made = memory_new(1, sizeof *made);

    *look = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for look-ups");
    made->settings = settings;
    made->anchors = anchors;
    made->clock = clock;
    if (!lookups_open(settings, &made->by, err))
        return false;
    *look = TAKE(made);
    return true;
}

void publish_look_close(struct publish_look **look)
{
    struct publish_look *closing = *look;

    *look = NULL;
    if (closing == NULL)
        return;
    lookups_close(&closing->by);
    memory_free(closing);
}

/* ---- hosts ---- */

static bool has_host_of_ours(const struct publication *publication)
{
    for (size_t i = 0; i < publication->host_count; i++)
        if (publication_is_ours(publication, publication->hosts[i].name))
            return true;
    return false;
}

static bool has_host(const struct publication *publication, const char *name)
{
    for (size_t i = 0; i < publication->host_count; i++)
        if (strcmp(publication->hosts[i].name, name) == 0)
            return true;
    return false;
}

static void add_host(struct publication *publication, struct publication_host host)
{
    if (!has_host(publication, host.name))
        publication->hosts[publication->host_count++] = host;
}

/* So that there is something to print where the MX records lead elsewhere, or nowhere. */
static void add_ourselves(struct publication *publication)
{
    const struct publication_host ourselves = { .name = publication->hostname, .preference = -1 };

    if (!has_host_of_ours(publication))
        add_host(publication, ourselves);
}

static bool make_room(struct publication *publication, size_t most, struct arena *arena,
                      struct error *err)
{
    publication->hosts = arena_new(arena, most, sizeof *publication->hosts);
    return publication->hosts != NULL || error_set(err, ERROR_MEMORY, "no memory for hosts");
}

bool publish_look_at_nothing(struct publication *publication, struct arena *arena,
                             struct error *err)
{
    const struct mta_sts_policy *policy = &publication->policy;

    if (!make_room(publication, policy->mx_count + 1, arena, err))
        return false;
    for (size_t i = 0; i < policy->mx_count; i++)
        if (publication_is_ours(publication, policy->mx[i]))
            add_host(publication, (struct publication_host){ policy->mx[i], .preference = -1 });
    add_ourselves(publication);
    return true;
}

/* ---- answers ---- */

static void count_down(struct publish_look *look)
{
    if (--look->pending == 0)
        loop_stop(look->by.loop);
}

static void fail(struct publish_look *look)
{
    look->has_failed = true;
    loop_stop(look->by.loop);
}

static void read_records(struct publish_look *look, struct publication_host *host,
                         const struct dns_answer *answer)
{
    size_t count =
        answer->record_count < PUBLICATION_TLSA_MOST ? answer->record_count : PUBLICATION_TLSA_MOST;

    host->live = arena_new(look->arena, count + 1, sizeof *host->live);
    for (size_t i = 0; host->live != NULL && i < count; i++)
        if (dane_from_wire(arena_copy_bytes(look->arena, answer->records[i]),
                           &host->live[host->live_count].record))
            host->live_count++;
}

static void take_records(void *owner, const struct dns_answer *answer)
{
    struct host_question *question = owner;
    struct publish_look *look = question->look;
    struct publication_host *host = question->host;

    question->query = NULL;
    host->was_looked_up = true;
    host->lookup.type = DNS_TYPE_TLSA;
    observed_lookup_note(&host->lookup, answer, look->arena);
    if (answer->outcome == DNS_ANSWERED)
        read_records(look, host, answer);
    count_down(look);
}

static bool ask_for_records(struct publish_look *look, size_t index)
{
    struct host_question *question = &look->questions[index];
    struct publication_host *host = &look->publication->hosts[index];

    *question = (struct host_question){ .look = look, .host = host };
    host->lookup.name = arena_format(look->arena, "_%d._tcp.%s", PUBLICATION_PORT, host->name);
    if (!dns_find(look->by.dns, host->lookup.name, DNS_TYPE_TLSA, TIMEOUT_MS, take_records,
                  question, &question->query, &look->err))
        return false;
    look->pending++;
    return true;
}

static void take_route(void *owner, struct route *route)
{
    struct publish_look *look = owner;
    struct publication *publication = look->publication;

    publication->route = route;
    for (size_t i = 0; i < route->host_count; i++)
        add_host(publication,
                 (struct publication_host){ .name = route->hosts[i].name,
                                            .preference = route->hosts[i].preference,
                                            .security = route->hosts[i].security,
                                            .is_mail_host = route->outcome == ROUTE_FOUND });
    add_ourselves(publication);
    for (size_t i = 0; i < publication->host_count; i++) {
        const struct publication_host *host = &publication->hosts[i];

        if (host->is_mail_host && publication_is_ours(publication, host->name) &&
            !ask_for_records(look, i)) {
            fail(look);
            return;
        }
    }
    count_down(look);
}

static void take_published(void *owner, struct observed_published *published)
{
    struct publish_look *look = owner;

    look->publication->live = published;
    count_down(look);
}

/* RFC 6376 section 3.6.2.2 joins the strings, too. */
static const char *show_record(struct arena *arena, struct span rdata)
{
    return text_printable(arena, txt_record_join(arena, rdata), false);
}

static void take_dkim(void *owner, const struct dns_answer *answer)
{
    struct publish_look *look = owner;
    struct publication *publication = look->publication;
    const char **texts = arena_new(look->arena, answer->record_count + 1, sizeof *texts);

    look->dkim_query = NULL;
    publication->dkim_was_looked_up = true;
    publication->dkim_lookup = (struct observed_lookup){ .name = publication->dkim_name,
                                                         .type = DNS_TYPE_TXT,
                                                         .outcome = answer->outcome,
                                                         .security = answer->security,
                                                         .rcode = answer->rcode,
                                                         .record_count = answer->record_count };
    for (size_t i = 0; texts != NULL && i < answer->record_count && answer->outcome == DNS_ANSWERED;
         i++)
        texts[publication->dkim_live_count++] = show_record(look->arena, answer->records[i]);
    publication->dkim_live = texts;
    count_down(look);
}

/* ---- asking ---- */

static bool start(struct publish_look *look, struct error *err)
{
    const char *domain = look->publication->domain;
    const struct policy_lookup_settings wanted = {
        .loop = look->by.loop,
        .dns = look->by.dns,
        .https = look->by.https,
        .anchors = look->anchors,
        .clock = look->clock,
        .https_port = (uint16_t)look->settings->client.sts_port,
        .private_addresses = look->settings->client.private_addresses != 0,
        .timeout_ms = TIMEOUT_MS,
        .with_sts = true,
        .with_reports = true,
    };

    look->pending = 2;
    if (look->publication->dkim_name != NULL) {
        look->pending++;
        if (!dns_find(look->by.dns, look->publication->dkim_name, DNS_TYPE_TXT, TIMEOUT_MS,
                      take_dkim, look, &look->dkim_query, err))
            return false;
    }
    return route_find(look->by.loop, look->by.dns, look->arena, domain, ROUTE_FROM_DOMAIN,
                      PUBLICATION_PORT, TIMEOUT_MS, take_route, look, &look->route_query, err) &&
           policy_lookup_start(&wanted, look->arena, domain, take_published, look,
                               &look->policy_lookup, err);
}

static void stop(struct publish_look *look)
{
    for (size_t i = 0; look->questions != NULL && i < look->publication->host_count; i++)
        if (look->questions[i].query != NULL)
            dns_cancel(&look->questions[i].query);
    look->questions = NULL;
    if (look->dkim_query != NULL)
        dns_cancel(&look->dkim_query);
    route_cancel(&look->route_query);
    policy_lookup_cancel(&look->policy_lookup);
}

bool publish_look_at(struct publish_look *look, struct publication *publication,
                     struct arena *arena, struct error *err)
{
    bool is_started;

    look->publication = publication;
    look->arena = arena;
    look->has_failed = false;
    publication->is_offline = false;
    look->questions = arena_new(arena, ROUTE_HOSTS_MOST + 1, sizeof *look->questions);
    if (look->questions == NULL || !make_room(publication, ROUTE_HOSTS_MOST + 1, arena, err))
        return error_set(err, ERROR_MEMORY, "no memory for look-ups");
    is_started = start(look, err);
    if (is_started)
        loop_run(look->by.loop);
    stop(look);
    if (is_started && look->has_failed)
        return error_set(err, look->err.kind, "%s", look->err.text);
    return is_started;
}
