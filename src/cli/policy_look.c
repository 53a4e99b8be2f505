#include "cli/policy_look.h"

#include <string.h>

#include "base/memory.h"
#include "cli/lookups.h"
#include "gateway/sts_cache.h"
#include "link/our_side.h"
#include "link/policy_lookup.h"
#include "link/route.h"
#include "trust/anchors.h"

enum { TIMEOUT_MS = 30 * 1000, ROOTS_BYTES = 64 * 1024 };

struct policy_look {
    const struct settings *settings;
    const struct clock *clock;
    bool is_offline;
    struct arena arena; /* what is told of the roots */
    struct anchors *anchors;
    struct sts_cache cache;
    struct lookups by;
    /* of the domain that is looked at */
    struct policy_seen *seen;
    struct arena *domain_arena;
    struct route_query *route;
    struct policy_lookup *lookup;
    size_t pending;
};

/* ---- what a gateway keeps ------------------------------------------------------------------- */

static bool find_kept(void *owner, const char *domain, struct arena *arena,
                      struct sts_cached *cached)
{
    struct policy_look *look = owner;
    struct error err = { ERROR_NONE, "" };
    bool is_found = false;

    if (look->settings->state_dir == NULL)
        return false;
    if (!sts_keeper_look(look->settings->state_dir, domain, arena, cached, &is_found, &err))
        look->seen->cache_failure = arena_copy(arena, span_of(err.text));
    return is_found && look->seen->cache_failure == NULL;
}

static void keep_nothing(void *owner, const char *domain, const struct sts_cached *cached)
{
    (void)owner;
    (void)domain;
    (void)cached;
}

/* What counts by that alone: RFC 8461 section 5.1. */
static bool take_kept(struct policy_look *look, const char *domain, struct arena *arena,
                      struct policy_seen *seen)
{
    struct observed_published *published = arena_new(arena, 1, sizeof *published);
    struct sts_cached cached;
    const char *flaw;

    if (published == NULL)
        return false;
    observed_published_init(published);
    published->domain = domain;
    published->wall_s = seen->now_s;
    if (!find_kept(look, domain, arena, &cached) || cached.ends_at_s <= seen->now_s ||
        !mta_sts_policy_read(span_of(cached.policy_text), arena, &published->policy, &flaw))
        return true;
    published->has_policy = published->from_cache = true;
    published->policy_id = cached.id;
    published->policy_text = cached.policy_text;
    published->fetched_at_s = cached.fetched_at_s;
    published->ends_at_s = cached.ends_at_s;
    published->sts = published->policy.mode == MTA_STS_MODE_ENFORCE   ? POLICY_STS_ENFORCE
                     : published->policy.mode == MTA_STS_MODE_TESTING ? POLICY_STS_TESTING
                                                                      : POLICY_STS_NONE;
    seen->published = published;
    return true;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool open_parts(struct policy_look *look, struct error *err)
{
    struct observed_self self = { .anchor_file = NULL };

    look->anchors = anchors_new();
    if (look->anchors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the roots");
    our_side_read_roots(look->settings->ca_file, look->anchors, &look->arena, &self);
    return lookups_open(look->settings, &look->by, err);
}

bool policy_look_open(const struct settings *settings, const struct clock *clock, bool is_offline,
                      struct policy_look **look, struct error *err)
{
    AUTO(policy_look_close) struct policy_look *made = memory_new(1, sizeof *made);

    *look = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for look-ups");
    made->settings = settings;
    made->clock = clock;
    made->is_offline = is_offline;
    made->cache = (struct sts_cache){ .owner = made, .find = find_kept, .keep = keep_nothing };
    arena_init(&made->arena, ROOTS_BYTES);
    if (!is_offline && !open_parts(made, err))
        return false;
    *look = TAKE(made);
    return true;
}

void policy_look_close(struct policy_look **look)
{
    struct policy_look *closing = *look;

    *look = NULL;
    if (closing == NULL)
        return;
    lookups_close(&closing->by);
    anchors_free(&closing->anchors);
    arena_clear(&closing->arena);
    memory_free(closing);
}

/* ---- looking -------------------------------------------------------------------------------- */

static void count_down(struct policy_look *look)
{
    if (--look->pending == 0)
        loop_stop(look->by.loop);
}

static void take_route(void *owner, struct route *route)
{
    struct policy_look *look = owner;

    look->seen->route = route;
    count_down(look);
}

static void take_published(void *owner, struct observed_published *published)
{
    struct policy_look *look = owner;

    look->seen->published = published;
    count_down(look);
}

static bool start(struct policy_look *look, const struct policy_answer *answer, struct error *err)
{
    const struct settings_hop *hop = policy_answer_hop(answer);
    const struct policy_lookup_settings wanted = {
        .loop = look->by.loop,
        .dns = look->by.dns,
        .https = look->by.https,
        .anchors = look->anchors,
        .clock = look->clock,
        .cache = &look->cache,
        .https_port = (uint16_t)look->settings->client.sts_port,
        .private_addresses = look->settings->client.private_addresses != 0,
        .timeout_ms = TIMEOUT_MS,
        .with_sts = true,
        .with_reports = true,
    };

    look->pending = 1;
    if (hop != NULL)
        return route_find(look->by.loop, look->by.dns, look->domain_arena, hop->host,
                          ROUTE_FROM_HOST, hop->address.port, TIMEOUT_MS, take_route, look,
                          &look->route, err);
    look->pending = 2;
    return route_find(look->by.loop, look->by.dns, look->domain_arena, answer->domain,
                      ROUTE_FROM_DOMAIN, (uint16_t)look->settings->client.port, TIMEOUT_MS,
                      take_route, look, &look->route, err) &&
           policy_lookup_start(&wanted, look->domain_arena, answer->domain, take_published, look,
                               &look->lookup, err);
}

/* Somebody has to be asked for the way: neither an address nor a mailbox of ours has one. */
static bool has_way(const struct policy_answer *answer)
{
    const struct settings_hop *hop = policy_answer_hop(answer);

    return policy_answer_has_policy(answer) && answer->domain[0] != '[' &&
           (hop == NULL || hop->host != NULL);
}

bool policy_look_at(struct policy_look *look, struct policy_answer *answer, struct arena *arena,
                    struct error *err)
{
    struct policy_seen *seen = arena_new(arena, 1, sizeof *seen);
    bool is_started;

    if (seen == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for what is published");
    look->seen = seen;
    look->domain_arena = arena;
    seen->clock = look->clock;
    seen->now_s = look->clock->wall_s(look->clock);
    answer->seen = seen;
    if (!has_way(answer))
        return true;
    if (look->is_offline)
        return policy_answer_hop(answer) != NULL || take_kept(look, answer->domain, arena, seen) ||
               error_set(err, ERROR_MEMORY, "no memory for what is published");
    seen->was_asked = true;
    is_started = start(look, answer, err);
    if (is_started)
        loop_run(look->by.loop);
    route_cancel(&look->route);
    policy_lookup_cancel(&look->lookup);
    return is_started;
}
