/* gateway/tls_reports_count.c - sessions are counted in memory, and some seconds later in the file. */
#include "gateway/tls_reports_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

enum {
    WRITE_AFTER_MS = 5000,
    BATCH_ARENA = 16 << 20,
    SCRATCH_ARENA = 256 * 1024,
    KEY_MOST = 64 * 1024,
    BUCKETS = 1024,
    DOMAIN_MOST = 253,
};

/* Sessions that showed the same are one entry. */
struct entry {
    struct tls_file_count count;
    struct entry *chained;
    struct span key;
    struct tls_report_failure *details; /* those of count.policy */
};

struct tls_reports_batch {
    struct tls_reports_work work; /* first, so that work is its batch */
    struct arena arena;
    struct entry *buckets[BUCKETS];
    struct tls_file_count *first;
    int64_t left_out, sessions;
};

void tls_reports_free_batch(struct tls_reports_batch **batch)
{
    if (*batch == NULL)
        return;
    arena_clear(&(*batch)->arena);
    memory_free(*batch);
    *batch = NULL;
}

/* ---- writing ---- */

static bool run_batch(struct tls_reports_work *work, struct database *database, struct error *err)
{
    struct tls_reports_batch *batch = (struct tls_reports_batch *)work;

    return tls_file_add(database, batch->first, &batch->left_out, err);
}

static void end_batch(struct tls_reports_work *work)
{
    struct tls_reports_batch *batch = (struct tls_reports_batch *)work;

    work->reports->uncounted += work->is_good ? batch->left_out : batch->sessions;
    tls_reports_free_batch(&batch);
}

static void tell_uncounted(struct tls_reports *reports)
{
    if (reports->uncounted > 0 && reports->settings.log != NULL)
        log_event(reports->settings.log, LOG_WARN, "reports-uncounted", "sessions=%" PRId64,
                  reports->uncounted);
    reports->uncounted = 0;
}

void tls_reports_write(struct tls_reports *reports)
{
    struct tls_reports_batch *batch = reports->batch;

    tell_uncounted(reports);
    if (batch == NULL)
        return;
    reports->batch = NULL;
    batch->work.run = run_batch;
    batch->work.done = end_batch;
    tls_reports_ask(reports, &batch->work);
}

/* ---- adding up ---- */

static bool put(struct buffer *key, const char *text)
{
    return buffer_append_text(key, text == NULL ? "" : text) && buffer_append_text(key, "\n");
}

static bool put_failure(struct buffer *key, const struct tls_report_failure *failure)
{
    return put(key, failure->result_type) && put(key, failure->sending_mta_ip) &&
           put(key, failure->receiving_mx_hostname) && put(key, failure->receiving_mx_helo) &&
           put(key, failure->receiving_ip) && put(key, failure->additional_information) &&
           put(key, failure->failure_reason_code);
}

static bool put_policy(struct buffer *key, const struct tls_report_policy *policy)
{
    bool is_good = buffer_format(key, "%d %zu %zu\n", (int)policy->type, policy->string_count,
                                 policy->mx_count) &&
                   put(key, policy->domain);

    for (size_t i = 0; is_good && i < policy->string_count; i++)
        is_good = put(key, policy->strings[i]);
    for (size_t i = 0; is_good && i < policy->mx_count; i++)
        is_good = put(key, policy->mx_hosts[i]);
    for (size_t i = 0; is_good && i < policy->detail_count; i++)
        is_good = put_failure(key, &policy->details[i]);
    return is_good;
}

static size_t bucket_of(struct span key)
{
    uint32_t hash = 2166136261; /* FNV-1a: a batch is short, and nobody gains by a long chain */

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 16777619U;
    return hash % BUCKETS;
}

static const char *copy(struct arena *arena, const char *text)
{
    return arena_copy(arena, span_of(text == NULL ? "" : text));
}

static const char *const *copy_all(struct arena *arena, const char *const *texts, size_t count)
{
    const char **copies = arena_new(arena, count + 1, sizeof *copies);

    for (size_t i = 0; copies != NULL && i < count; i++)
        copies[i] = copy(arena, texts[i]);
    return copies;
}

static void copy_details(struct arena *arena, const struct tls_report_policy *policy,
                         struct entry *entry)
{
    entry->details = arena_new(arena, policy->detail_count + 1, sizeof *entry->details);
    for (size_t i = 0; entry->details != NULL && i < policy->detail_count; i++) {
        const struct tls_report_failure *failure = &policy->details[i];

        entry->details[i] = (struct tls_report_failure){
            .result_type = copy(arena, failure->result_type),
            .sending_mta_ip = copy(arena, failure->sending_mta_ip),
            .receiving_mx_hostname = copy(arena, failure->receiving_mx_hostname),
            .receiving_mx_helo = copy(arena, failure->receiving_mx_helo),
            .receiving_ip = copy(arena, failure->receiving_ip),
            .additional_information = copy(arena, failure->additional_information),
            .failure_reason_code = copy(arena, failure->failure_reason_code),
        };
    }
    entry->count.policy.details = entry->details;
}

static struct entry *make_entry(struct tls_reports_batch *batch, int64_t day, const char *domain,
                                const struct tls_report_policy *policy, struct span key)
{
    struct arena *arena = &batch->arena;
    struct entry *made = arena_new(arena, 1, sizeof *made);

    if (made == NULL)
        return NULL;
    made->key = arena_copy_bytes(arena, key);
    made->count = (struct tls_file_count){ .day = day, .domain = copy(arena, domain) };
    made->count.policy = *policy;
    made->count.policy.successes = made->count.policy.failures = 0;
    made->count.policy.domain = copy(arena, policy->domain);
    made->count.policy.strings = copy_all(arena, policy->strings, policy->string_count);
    made->count.policy.mx_hosts = copy_all(arena, policy->mx_hosts, policy->mx_count);
    copy_details(arena, policy, made);
    if (arena->exhausted)
        return NULL;
    made->chained = batch->buckets[bucket_of(key)];
    batch->buckets[bucket_of(key)] = made;
    made->count.next = batch->first;
    batch->first = &made->count;
    return made;
}

static struct entry *find_entry(struct tls_reports_batch *batch, struct span key)
{
    struct entry *entry = batch->buckets[bucket_of(key)];

    while (entry != NULL && !span_equal(entry->key, key))
        entry = entry->chained;
    return entry;
}

static bool add_policy(struct tls_reports_batch *batch, int64_t day, const char *domain,
                       const struct tls_report_policy *policy)
{
    AUTO(buffer_clear) struct buffer key;
    struct entry *entry;

    buffer_init(&key, KEY_MOST);
    if (!buffer_format(&key, "%" PRId64 "\n", day) || !put(&key, domain) ||
        !put_policy(&key, policy))
        return false;
    entry = find_entry(batch, buffer_span(&key));
    if (entry == NULL)
        entry = make_entry(batch, day, domain, policy, buffer_span(&key));
    if (entry == NULL)
        return false;
    entry->count.policy.successes += policy->successes;
    entry->count.policy.failures += policy->failures;
    for (size_t i = 0; i < policy->detail_count; i++)
        entry->details[i].failed_sessions += policy->details[i].failed_sessions;
    batch->sessions++;
    return true;
}

/* ---- a session ---- */

static struct tls_reports_batch *batch_of(struct tls_reports *reports)
{
    if (reports->batch != NULL)
        return reports->batch;
    reports->batch = memory_new(1, sizeof *reports->batch);
    if (reports->batch == NULL)
        return NULL;
    arena_init(&reports->batch->arena, BATCH_ARENA);
    loop_timer_start(reports->write, reports->settings.write_after_ms > 0
                                         ? reports->settings.write_after_ms
                                         : WRITE_AFTER_MS);
    return reports->batch;
}

/* Lower case, as everything that is compared; NULL: no name that could publish anything. */
static const char *name_of(const char *domain, struct arena *arena)
{
    size_t len = domain == NULL ? 0 : strlen(domain);
    char name[DOMAIN_MOST + 1];
    bool has_letter = false;

    if (len > 0 && domain[len - 1] == '.')
        len--;
    if (len == 0 || len > DOMAIN_MOST)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        char c = domain[i];

        name[i] = text_lower(c);
        has_letter |= name[i] >= 'a' && name[i] <= 'z';
        if ((name[i] < 'a' || name[i] > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' &&
            c != '_')
            return NULL;
    }
    return has_letter ? arena_copy(arena, (struct span){ name, len }) : NULL;
}

void tls_reports_count(struct tls_reports *reports, const struct tls_report_session *session)
{
    AUTO(arena_clear) struct arena arena;
    struct tls_report_policy policies[TLS_TALLY_POLICIES];
    int64_t day = tls_reports_now_s(reports) / TLS_FILE_DAY_S;
    struct tls_report_session counted = *session;
    size_t count;

    assert(reports->drained == NULL);
    arena_init(&arena, SCRATCH_ARENA);
    counted.domain = name_of(session->domain, &arena);
    if (counted.domain == NULL)
        return;
    count = tls_report_tally(&counted, &arena, policies);
    for (size_t i = 0; i < count; i++) {
        struct tls_reports_batch *batch = batch_of(reports);

        if (batch == NULL || !add_policy(batch, day, counted.domain, &policies[i]))
            reports->uncounted++;
    }
}
