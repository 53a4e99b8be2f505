#include "link/policy_lookup.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "link/policy_fetch.h"
#include "link/question.h"
#include "trust/names.h"

struct policy_lookup {
    struct policy_lookup_settings settings;
    struct arena *arena;
    struct observed_published *published;
    int64_t deadline_ms;
    void (*found)(void *owner, struct observed_published *published);
    void *owner;
    struct loop_timer *timer; /* `found` is called from it, never from inside another's callback */
    struct question record, report;
    struct policy_fetch fetch;
    size_t pending;
    struct sts_cached cached; /* one that has not ended */
    bool has_cached;
};

/* ---- the end ---- */

static void close_lookup(struct policy_lookup *lookup)
{
    question_stop(&lookup->record);
    question_stop(&lookup->report);
    policy_fetch_stop(&lookup->fetch);
    loop_timer_close(&lookup->timer);
    memory_free(lookup);
}

void policy_lookup_cancel(struct policy_lookup **lookup)
{
    struct policy_lookup *closing = *lookup;

    *lookup = NULL;
    if (closing != NULL)
        close_lookup(closing);
}

static void tell_owner(void *owner)
{
    struct policy_lookup *lookup = owner;
    struct observed_published *published = lookup->published;

    if (lookup->arena->exhausted)
        published->failure = "there is no memory for what the domain publishes";
    if (published->failure != NULL && !published->has_policy)
        published->sts = POLICY_STS_UNKNOWN;
    lookup->found(lookup->owner, published);
}

static void end_part(struct policy_lookup *lookup)
{
    assert(lookup->pending > 0);
    if (--lookup->pending == 0)
        loop_timer_start(lookup->timer, 0);
}

static int64_t now_s(const struct policy_lookup *lookup)
{
    return lookup->settings.clock->wall_s(lookup->settings.clock);
}

/* ---- what is in force ---- */

static enum policy_sts state_of(enum mta_sts_mode mode)
{
    switch (mode) {
    case MTA_STS_MODE_ENFORCE: return POLICY_STS_ENFORCE;
    case MTA_STS_MODE_TESTING: return POLICY_STS_TESTING;
    case MTA_STS_MODE_NONE:
    case MTA_STS_MODE_COUNT: break;
    }
    return POLICY_STS_NONE;
}

static void put_in_force(struct observed_published *published, const struct mta_sts_policy *policy,
                         const struct sts_cached *from)
{
    published->has_policy = true;
    published->policy = *policy;
    published->sts = state_of(policy->mode);
    published->policy_id = from->id;
    published->fetched_at_s = from->fetched_at_s;
    published->ends_at_s = from->ends_at_s;
}

/* RFC 8461 section 3.1: what is kept counts until it ends, whether or not a record is still there. */
static void end_sts(struct policy_lookup *lookup)
{
    struct observed_published *published = lookup->published;
    struct mta_sts_policy policy;
    const char *flaw;

    if (!published->has_policy) {
        published->sts = POLICY_STS_NONE;
        if (lookup->has_cached && mta_sts_policy_read(span_of(lookup->cached.policy_text),
                                                      lookup->arena, &policy, &flaw)) {
            put_in_force(published, &policy, &lookup->cached);
            published->from_cache = true;
            if (published->policy_flaw == NULL)
                published->policy_text = lookup->cached.policy_text;
        }
    }
    end_part(lookup);
}

static void look_into_cache(struct policy_lookup *lookup)
{
    const struct sts_cache *cache = lookup->settings.cache;

    if (cache == NULL ||
        !cache->find(cache->owner, lookup->published->domain, lookup->arena, &lookup->cached))
        return;
    lookup->has_cached = lookup->cached.ends_at_s > now_s(lookup);
}

/* ---- the policy file ---- */

static void keep(struct policy_lookup *lookup, const struct sts_cached *fetched)
{
    const struct sts_cache *cache = lookup->settings.cache;

    if (cache != NULL)
        cache->keep(cache->owner, lookup->published->domain, fetched);
}

static void keep_failed(struct policy_lookup *lookup)
{
    const struct observed_published *published = lookup->published;
    const struct sts_cache *cache = lookup->settings.cache;
    struct sts_failed failed = {
        .id = published->sts_id,
        .at_s = now_s(lookup),
        .outcome = published->fetch_outcome,
        .http_status = published->http_status,
        .content_type = published->content_type,
        .location = published->location,
        .failure = published->fetch_failure,
        .policy_flaw = published->policy_flaw,
    };

    if (cache != NULL && cache->keep_failed != NULL)
        cache->keep_failed(cache->owner, published->domain, &failed);
}

static void take_new(struct policy_lookup *lookup, const struct mta_sts_policy *policy)
{
    struct observed_published *published = lookup->published;
    struct sts_cached fetched = { .id = published->sts_id,
                                  .policy_text = published->policy_text,
                                  .fetched_at_s = now_s(lookup) };

    fetched.ends_at_s = fetched.fetched_at_s + policy->max_age_s;
    put_in_force(published, policy, &fetched);
    if (!lookup->arena->exhausted)
        keep(lookup, &fetched);
}

static void take_policy(void *owner, const struct mta_sts_policy *policy)
{
    struct policy_lookup *lookup = owner;

    if (policy != NULL)
        take_new(lookup, policy);
    else if (lookup->published->failure == NULL)
        keep_failed(lookup);
    end_sts(lookup);
}

static void fetch(struct policy_lookup *lookup)
{
    const struct policy_lookup_settings *settings = &lookup->settings;

    lookup->fetch = (struct policy_fetch){ .loop = settings->loop,
                                           .dns = settings->dns,
                                           .https = settings->https,
                                           .anchors = settings->anchors,
                                           .intermediates = settings->intermediates,
                                           .clock = settings->clock,
                                           .arena = lookup->arena,
                                           .private_addresses = settings->private_addresses,
                                           .deadline_ms = lookup->deadline_ms,
                                           .published = lookup->published,
                                           .fetched = take_policy,
                                           .owner = lookup };
    policy_fetch_start(&lookup->fetch);
}

/* ---- the record ---- */

/* RFC 8461 section 3.3: the same version is not asked for again within some minutes. */
static bool is_held_back(struct policy_lookup *lookup)
{
    struct observed_published *published = lookup->published;
    const struct sts_cache *cache = lookup->settings.cache;
    struct sts_failed failed = { .id = NULL };
    int64_t ago_s;

    if (cache == NULL || cache->find_failed == NULL ||
        !cache->find_failed(cache->owner, published->domain, lookup->arena, &failed))
        return false;
    ago_s = now_s(lookup) - failed.at_s;
    if (strcmp(failed.id, published->sts_id) != 0 || ago_s < 0 ||
        ago_s >= POLICY_LOOKUP_HELD_BACK_S)
        return false;
    published->was_held_back = true;
    published->fetch_outcome = failed.outcome;
    published->http_status = failed.http_status;
    published->content_type = failed.content_type == NULL ? "" : failed.content_type;
    published->location = failed.location == NULL ? "" : failed.location;
    published->fetch_failure = failed.failure;
    published->policy_flaw = failed.policy_flaw;
    return true;
}

static bool has_that_version(const struct policy_lookup *lookup)
{
    return lookup->has_cached && !lookup->settings.is_refresh &&
           strcmp(lookup->cached.id, lookup->published->sts_id) == 0;
}

static void go_on_from_record(struct policy_lookup *lookup)
{
    struct observed_published *published = lookup->published;

    look_into_cache(lookup);
    if (published->sts_record != TXT_RECORD_VALID || has_that_version(lookup) ||
        is_held_back(lookup)) {
        end_sts(lookup);
    } else if (lookup->settings.https == NULL) {
        published->failure = "there is no HTTPS client to fetch a policy with";
        end_sts(lookup);
    } else {
        fetch(lookup);
    }
}

/* Each record, its strings joined. */
static const struct span *join_texts(struct arena *arena, const struct dns_answer *answer,
                                     size_t *count)
{
    struct span *texts;

    *count = answer->outcome == DNS_ANSWERED ? answer->record_count : 0;
    texts = arena_new(arena, *count + 1, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < *count; i++)
        texts[i] = txt_record_join(arena, answer->records[i]);
    if (texts == NULL)
        *count = 0;
    return texts;
}

static const char *shown(const struct txt_record_kind *kind, const struct span *texts, size_t count,
                         struct arena *arena)
{
    struct span picked;

    (void)txt_record_pick(kind, texts, count, &picked);
    return text_printable(arena, span_part(picked, 0, PUBLISHED_TEXT_MOST), false);
}

static void take_record(void *owner, const struct dns_answer *answer)
{
    struct policy_lookup *lookup = owner;
    struct observed_published *published = lookup->published;
    size_t count;
    const struct span *texts = join_texts(lookup->arena, answer, &count);

    published->sts_lookup = lookup->record.seen;
    published->sts_text = shown(&mta_sts_record_kind, texts, count, lookup->arena);
    published->sts_record = mta_sts_record_read(texts, count, lookup->arena, &published->sts_id,
                                                &published->sts_record_flaw);
    go_on_from_record(lookup);
}

static void take_report_record(void *owner, const struct dns_answer *answer)
{
    struct policy_lookup *lookup = owner;
    struct observed_published *published = lookup->published;
    size_t count;
    const struct span *texts = join_texts(lookup->arena, answer, &count);

    published->report_lookup = lookup->report.seen;
    published->report_text = shown(&tlsrpt_record_kind, texts, count, lookup->arena);
    published->report_record = tlsrpt_record_read(texts, count, lookup->arena, &published->reports,
                                                  &published->report_flaw);
    end_part(lookup);
}

/* ---- the beginning ---- */

static struct observed_published *make_record(const struct policy_lookup_settings *settings,
                                              struct arena *arena, const char *domain,
                                              struct error *err)
{
    struct observed_published *made = arena_new(arena, 1, sizeof *made);
    const char *name = names_normalize(arena, span_of(domain));
    uint16_t port = settings->https_port;

    if (made == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for what %s publishes", domain);
        return NULL;
    }
    if (name == NULL || name[0] == '.') {
        error_set(err, ERROR_USAGE, "\"%s\" is not a domain name",
                  text_printable(arena, span_of(domain), true));
        return NULL;
    }
    observed_published_init(made);
    made->domain = name;
    made->wall_s = settings->clock->wall_s(settings->clock);
    made->url =
        port == 0 || port == 443
            ? arena_format(arena, "https://mta-sts.%s/.well-known/mta-sts.txt", name)
            : arena_format(arena, "https://mta-sts.%s:%u/.well-known/mta-sts.txt", name, port);
    return made;
}

static void ask(struct policy_lookup *lookup, struct question *question, const char *label,
                void (*answered)(void *owner, const struct dns_answer *answer))
{
    const char *name = arena_format(lookup->arena, "%s.%s", label, lookup->published->domain);

    *question = (struct question){ .arena = lookup->arena,
                                   .failure = &lookup->published->failure,
                                   .answered = answered,
                                   .owner = lookup };
    question_start(question, lookup->settings.dns, name, DNS_TYPE_TXT, lookup->settings.timeout_ms);
}

/* Each part is counted before any is asked: an answer may come at once where a name cannot be. */
static void ask_records(struct policy_lookup *lookup)
{
    lookup->pending = 1 + (size_t)lookup->settings.with_sts + (size_t)lookup->settings.with_reports;
    if (lookup->settings.with_sts)
        ask(lookup, &lookup->record, "_mta-sts", take_record);
    lookup->published->asked_reports = lookup->settings.with_reports;
    if (lookup->settings.with_reports)
        ask(lookup, &lookup->report, "_smtp._tls", take_report_record);
    end_part(lookup);
}

bool policy_lookup_start(const struct policy_lookup_settings *settings, struct arena *arena,
                         const char *domain,
                         void (*found)(void *owner, struct observed_published *published),
                         void *owner, struct policy_lookup **lookup, struct error *err)
{
    struct observed_published *published = make_record(settings, arena, domain, err);
    struct policy_lookup *made;

    *lookup = NULL;
    if (published == NULL)
        return false;
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a look-up");
    *made = (struct policy_lookup){ .settings = *settings,
                                    .arena = arena,
                                    .published = published,
                                    .found = found,
                                    .owner = owner };
    if (made->settings.timeout_ms <= 0)
        made->settings.timeout_ms = POLICY_LOOKUP_TIMEOUT_MS;
    made->deadline_ms = loop_now_ms(settings->loop) + made->settings.timeout_ms;
    if (!loop_timer_open(settings->loop, tell_owner, made, &made->timer, err)) {
        close_lookup(made);
        return error_wrap(err, "looking up what %s publishes", published->domain);
    }
    ask_records(made);
    *lookup = made;
    return true;
}
