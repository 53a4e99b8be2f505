#include "link/policy_lookup.h"

#include <assert.h>

#include "base/memory.h"
#include "base/text.h"
#include "link/https_judge.h"
#include "trust/names.h"

enum { NAME_MOST = 253 };

/* One question on its way. */
struct question {
    struct policy_lookup *lookup;
    struct dns_query *dns_query; /* NULL: not asked, or answered */
    struct observed_lookup seen;
};

struct policy_lookup {
    struct policy_lookup_settings settings;
    struct arena *arena;
    struct observed_published *published;
    int64_t deadline_ms;
    void (*found)(void *owner, struct observed_published *published);
    void *owner;
    struct loop_timer *timer; /* `found` is called from it, never from inside another's callback */
    struct question record, report, ipv4, ipv6;
    struct net_address addresses[HTTPS_ADDRESSES_MOST];
    size_t address_count;
    const char *refused; /* an address that is not asked, and why; NULL: none */
    struct https_judge judge;
    struct https_query *fetch;
    size_t pending;
    struct sts_cached cached; /* one that has not ended */
    bool has_cached;
};

/* ---- the end ---- */

static void close_lookup(struct policy_lookup *lookup)
{
    struct question *questions[] = { &lookup->record, &lookup->report, &lookup->ipv4,
                                     &lookup->ipv6 };

    for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
        if (questions[i]->dns_query != NULL)
            dns_cancel(&questions[i]->dns_query);
    https_cancel(&lookup->fetch);
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

static int64_t left_ms(const struct policy_lookup *lookup)
{
    int64_t left = lookup->deadline_ms - loop_now_ms(lookup->settings.loop);

    return left > 1 ? left : 1;
}

static int64_t now_s(const struct policy_lookup *lookup)
{
    return lookup->settings.clock->wall_s(lookup->settings.clock);
}

static void fail(struct policy_lookup *lookup, const struct error *err)
{
    lookup->published->failure = arena_copy(lookup->arena, span_of(err->text));
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

static void take_file(struct policy_lookup *lookup, struct span body)
{
    struct observed_published *published = lookup->published;
    struct sts_cached fetched = { .id = published->sts_id };
    struct mta_sts_policy policy;
    const char *flaw;

    published->policy_text = arena_copy(lookup->arena, body);
    if (memchr(body.data == NULL ? "" : body.data, '\0', body.len) != NULL)
        published->policy_flaw = "it has an octet of zero";
    else if (!mta_sts_policy_read(body, lookup->arena, &policy, &flaw))
        published->policy_flaw = flaw;
    if (published->policy_flaw != NULL)
        return;
    fetched.policy_text = published->policy_text;
    fetched.fetched_at_s = now_s(lookup);
    fetched.ends_at_s = fetched.fetched_at_s + policy.max_age_s;
    put_in_force(published, &policy, &fetched);
    if (!lookup->arena->exhausted)
        keep(lookup, &fetched);
}

/* RFC 8461 section 3.3: of status 200 alone, not behind a redirect; section 3.2: text/plain. */
static const char *why_no_file(struct arena *arena, const struct https_answer *answer,
                               const struct observed_published *published)
{
    if (answer->outcome != HTTPS_ANSWERED)
        return arena_copy(arena, span_of(answer->failure));
    if (answer->status >= 300 && answer->status < 400 && published->location[0] != '\0')
        return arena_format(arena, "the server answers %d and leads to %s, but no redirect counts",
                            answer->status, published->location);
    if (answer->status != 200)
        return arena_format(arena, "the server answers %d and not 200", answer->status);
    if (published->content_type[0] == '\0')
        return "the file has no Content-Type, which must be text/plain";
    if (!mta_sts_is_plain_text(answer->content_type))
        return arena_format(arena, "the file is of type %s and not text/plain",
                            published->content_type);
    return NULL;
}

static void note_answer_of_https(struct policy_lookup *lookup, const struct https_answer *answer)
{
    struct observed_published *published = lookup->published;
    char text[NET_ADDRESS_TEXT];

    published->fetch_outcome = answer->outcome;
    published->http_status = answer->status;
    published->content_type =
        text_printable(lookup->arena, span_part(answer->content_type, 0, 200), false);
    published->location = text_printable(lookup->arena, span_part(answer->location, 0, 200), false);
    published->has_verdict = lookup->judge.has_verdict;
    if (published->has_verdict)
        published->verdict = lookup->judge.verdict;
    if (answer->address.port != 0)
        published->address =
            arena_copy(lookup->arena, span_of(net_address_text(&answer->address, text)));
}

static void take_policy(void *owner, const struct https_answer *answer)
{
    struct policy_lookup *lookup = owner;
    struct observed_published *published = lookup->published;

    lookup->fetch = NULL;
    note_answer_of_https(lookup, answer);
    if (answer->outcome == HTTPS_TOO_LARGE)
        published->policy_flaw = "it is larger than 64 KB";
    else
        published->fetch_failure = why_no_file(lookup->arena, answer, published);
    if (lookup->judge.failed)
        fail(lookup, &lookup->judge.err);
    else if (answer->outcome == HTTPS_FAILED)
        published->failure = published->fetch_failure;
    else if (!observed_published_fetch_failed(published))
        take_file(lookup, answer->body);
    if (published->failure == NULL && observed_published_fetch_failed(published))
        keep_failed(lookup);
    end_sts(lookup);
}

static void send_request(struct policy_lookup *lookup)
{
    struct https_request request = { .url = lookup->published->url,
                                     .addresses = lookup->addresses,
                                     .address_count = lookup->address_count,
                                     .body_most = MTA_STS_BODY_MOST,
                                     .timeout_ms = left_ms(lookup) };
    struct error err;

    lookup->judge = (struct https_judge){ .anchors = lookup->settings.anchors,
                                          .intermediates = lookup->settings.intermediates,
                                          .clock = lookup->settings.clock,
                                          .arena = lookup->arena };
    https_judge_use(&lookup->judge, &request);
    if (https_send(lookup->settings.https, &request, take_policy, lookup, &lookup->fetch, &err))
        return;
    lookup->published->fetch_outcome = HTTPS_FAILED;
    fail(lookup, &err);
    lookup->published->fetch_failure = lookup->published->failure;
    end_sts(lookup);
}

/* ---- asking ---- */

static void ask(struct policy_lookup *lookup, struct question *question, const char *name,
                enum dns_type type, void (*answered)(void *owner, const struct dns_answer *answer))
{
    struct dns_answer none = { .outcome = DNS_NXDOMAIN };
    struct error err;

    question->lookup = lookup;
    question->seen = (struct observed_lookup){ .name = name, .type = type };
    if (strlen(name) > NAME_MOST) { /* no such name can be */
        answered(question, &none);
        return;
    }
    if (dns_find(lookup->settings.dns, name, type, left_ms(lookup), answered, question,
                 &question->dns_query, &err))
        return;
    none.outcome = DNS_TIMEOUT;
    fail(lookup, &err);
    answered(question, &none);
}

/* ---- the policy host ---- */

/* What keeps a host without addresses from being asked. */
static const char *why_no_address(struct arena *arena, const struct observed_lookup *seen)
{
    switch (seen->outcome) {
    case DNS_NXDOMAIN: return arena_format(arena, "the name %s does not exist", seen->name);
    case DNS_SERVFAIL: return arena_format(arena, "the look-up of %s fails", seen->name);
    case DNS_TIMEOUT: return arena_format(arena, "the look-up of %s has no answer", seen->name);
    case DNS_BOGUS:
        return arena_format(arena, "the answers for %s fail their validation%s%s", seen->name,
                            seen->why_bogus == NULL ? "" : ": ",
                            seen->why_bogus == NULL ? "" : seen->why_bogus);
    case DNS_ANSWERED:
    case DNS_NO_DATA: break;
    }
    return arena_format(arena, "%s has no address", seen->name);
}

/* Which of the two tells more of why there is an address, or none. */
static const struct observed_lookup *choose_lookup(const struct policy_lookup *lookup)
{
    static const int rank[] = {
        [DNS_ANSWERED] = 6, [DNS_NO_DATA] = 1,  [DNS_NXDOMAIN] = 2,
        [DNS_TIMEOUT] = 3,  [DNS_SERVFAIL] = 4, [DNS_BOGUS] = 5,
    };
    const struct observed_lookup *ipv4 = &lookup->ipv4.seen, *ipv6 = &lookup->ipv6.seen;

    return rank[ipv6->outcome] > rank[ipv4->outcome] ? ipv6 : ipv4;
}

static void end_addresses(struct policy_lookup *lookup)
{
    struct observed_published *published = lookup->published;

    published->host_lookup = *choose_lookup(lookup);
    if (lookup->address_count > 0) {
        send_request(lookup);
        return;
    }
    published->fetch_outcome = HTTPS_NO_CONNECT;
    published->only_private = lookup->refused != NULL;
    published->fetch_failure =
        lookup->refused == NULL
            ? why_no_address(lookup->arena, &published->host_lookup)
            : arena_format(lookup->arena, "%s has no address that everybody reaches: %s",
                           published->host_lookup.name, lookup->refused);
    if (published->failure == NULL)
        keep_failed(lookup);
    end_sts(lookup);
}

/* A stranger's DNS must not lead us to hosts of our own network. */
static void add_address(struct policy_lookup *lookup, const struct net_address *address)
{
    const char *special = net_address_special(address);
    char text[NET_ADDRESS_TEXT];

    if (special != NULL && !lookup->settings.private_addresses)
        lookup->refused =
            arena_format(lookup->arena, "%s is %s", net_address_text(address, text), special);
    else if (lookup->address_count < HTTPS_ADDRESSES_MOST)
        lookup->addresses[lookup->address_count++] = *address;
}

static void take_addresses(void *owner, const struct dns_answer *answer)
{
    struct question *question = owner;
    struct policy_lookup *lookup = question->lookup;
    struct net_address address = { .is_ipv6 = question->seen.type == DNS_TYPE_AAAA };
    size_t len = address.is_ipv6 ? 16 : 4;

    question->dns_query = NULL;
    observed_lookup_note(&question->seen, answer, lookup->arena);
    for (size_t i = 0; i < answer->record_count && answer->outcome == DNS_ANSWERED; i++) {
        if (answer->records[i].len != len)
            continue;
        memcpy(address.bytes, answer->records[i].data, len);
        add_address(lookup, &address);
    }
    if (lookup->ipv4.dns_query == NULL && lookup->ipv6.dns_query == NULL &&
        lookup->ipv4.lookup != NULL && lookup->ipv6.lookup != NULL)
        end_addresses(lookup);
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

static void fetch(struct policy_lookup *lookup)
{
    const char *host = arena_format(lookup->arena, "mta-sts.%s", lookup->published->domain);

    lookup->published->fetched = true;
    ask(lookup, &lookup->ipv4, host, DNS_TYPE_A, take_addresses);
    ask(lookup, &lookup->ipv6, host, DNS_TYPE_AAAA, take_addresses);
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
    if (published->sts_record != MTA_STS_RECORD_VALID || has_that_version(lookup) ||
        is_held_back(lookup)) {
        end_sts(lookup);
    } else if (lookup->settings.https == NULL) {
        published->failure = "there is no HTTPS client to fetch a policy with";
        end_sts(lookup);
    } else {
        fetch(lookup);
    }
}

static struct span *join_texts(struct arena *arena, const struct dns_answer *answer, size_t *count)
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

/* What came, noted; each record's strings joined. */
static const struct span *take_texts(struct question *question, const struct dns_answer *answer,
                                     size_t *count)
{
    question->dns_query = NULL;
    observed_lookup_note(&question->seen, answer, question->lookup->arena);
    return join_texts(question->lookup->arena, answer, count);
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
    struct question *question = owner;
    struct policy_lookup *lookup = question->lookup;
    struct observed_published *published = lookup->published;
    size_t count;
    const struct span *texts = take_texts(question, answer, &count);

    published->sts_lookup = question->seen;
    published->sts_text = shown(&mta_sts_record_kind, texts, count, lookup->arena);
    published->sts_record = mta_sts_record_read(texts, count, lookup->arena, &published->sts_id,
                                                &published->sts_record_flaw);
    go_on_from_record(lookup);
}

static void take_report_record(void *owner, const struct dns_answer *answer)
{
    struct question *question = owner;
    struct policy_lookup *lookup = question->lookup;
    struct observed_published *published = lookup->published;
    size_t count;
    const struct span *texts = take_texts(question, answer, &count);

    published->report_lookup = question->seen;
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

/* Each part is counted before any is asked: an answer may come at once where a name cannot be. */
static void ask_records(struct policy_lookup *lookup)
{
    struct observed_published *published = lookup->published;

    lookup->pending = 1 + (size_t)lookup->settings.with_sts + (size_t)lookup->settings.with_reports;
    if (lookup->settings.with_sts)
        ask(lookup, &lookup->record, arena_format(lookup->arena, "_mta-sts.%s", published->domain),
            DNS_TYPE_TXT, take_record);
    published->asked_reports = lookup->settings.with_reports;
    if (lookup->settings.with_reports)
        ask(lookup, &lookup->report,
            arena_format(lookup->arena, "_smtp._tls.%s", published->domain), DNS_TYPE_TXT,
            take_report_record);
    end_part(lookup);
}

bool policy_lookup_start(const struct policy_lookup_settings *settings, struct arena *arena,
                         const char *domain,
                         void (*found)(void *owner, struct observed_published *published),
                         void *owner, struct policy_lookup **lookup, struct error *err)
{
    struct observed_published *published = make_record(settings, arena, domain, err);
    int64_t timeout_ms = settings->timeout_ms > 0 ? settings->timeout_ms : POLICY_LOOKUP_TIMEOUT_MS;
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
                                    .deadline_ms = loop_now_ms(settings->loop) + timeout_ms,
                                    .found = found,
                                    .owner = owner };
    if (!loop_timer_open(settings->loop, tell_owner, made, &made->timer, err)) {
        close_lookup(made);
        return error_wrap(err, "looking up what %s publishes", published->domain);
    }
    ask_records(made);
    *lookup = made;
    return true;
}
