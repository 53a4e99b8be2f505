#include "gateway/sts_cache.h"

#include <assert.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/memory.h"
#include "gateway/sts_cache_parts.h"

enum { LOOK_EVERY_MS = 60000 };

int64_t sts_keeper_now_s(const struct sts_keeper *keeper)
{
    return keeper->settings.clock->wall_s(keeper->settings.clock);
}

/* ---- the table ---- */

static size_t policies_most(const struct sts_keeper *keeper)
{
    return keeper->settings.policies_most > 0 ? keeper->settings.policies_most : STS_CACHE_MOST;
}

static void count_bytes(struct sts_keeper *keeper, struct sts_entry *entry, size_t bytes)
{
    keeper->bytes = keeper->bytes - entry->bytes + bytes;
    entry->bytes = (uint32_t)bytes;
}

/* Finds or makes it, as the one that was used last. NULL: no memory. */
static struct sts_entry *touch(struct sts_keeper *keeper, const char *domain)
{
    struct sts_entry *entry = name_table_touch(&keeper->table, domain);

    if (entry != NULL && entry->bytes == 0)
        count_bytes(keeper, entry, sizeof *entry + strlen(domain) + 1);
    return entry;
}

static void free_entry(struct sts_keeper *keeper, struct sts_entry *entry)
{
    keeper->policy_count -= entry->policy != NULL;
    count_bytes(keeper, entry, 0);
    memory_free(entry->policy);
    memory_free(entry->failed);
    name_table_drop(&keeper->table, entry);
}

void sts_keeper_drop(struct sts_keeper *keeper, struct sts_entry *entry)
{
    for (size_t i = 0; i < STS_CACHE_REFRESHES; i++)
        if (keeper->refreshes[i].entry == entry)
            keeper->refreshes[i].entry = NULL;
    if (entry->policy != NULL) {
        memory_free(entry->policy);
        entry->policy = NULL;
        keeper->policy_count--;
        sts_keeper_list(keeper, entry);
    }
    free_entry(keeper, entry);
}

static void make_room(struct sts_keeper *keeper)
{
    const struct name_table *table = &keeper->table;

    while (table->count > 1 &&
           (table->count > policies_most(keeper) || keeper->bytes > STS_CACHE_BYTES_MOST))
        sts_keeper_drop(keeper, (struct sts_entry *)table->oldest);
}

/* ---- what is kept ---- */

/* The texts one behind the other, each with its NUL. NULL: no memory. */
static char *join_texts(const char *const *texts, size_t count, size_t *size)
{
    char *joined;
    size_t at = 0;

    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += strlen(texts[i] == NULL ? "" : texts[i]) + 1;
    joined = memory_new(*size, 1);
    for (size_t i = 0; joined != NULL && i < count; i++) {
        size_t len = strlen(texts[i] == NULL ? "" : texts[i]);

        memcpy(joined + at, texts[i] == NULL ? "" : texts[i], len);
        at += len + 1;
    }
    return joined;
}

/* A copy of the text that *at points to, which then points behind it; NULL for an empty one. */
static const char *take_text(const char **at, struct arena *arena)
{
    struct span text = span_of(*at);

    *at += text.len + 1;
    return text.len == 0 ? NULL : arena_copy(arena, text);
}

static bool put_policy(struct sts_keeper *keeper, struct sts_entry *entry,
                       const struct sts_cached *cached)
{
    const char *const texts[] = { cached->id, cached->policy_text };
    size_t size, before = entry->policy == NULL ? 0 : strlen(entry->policy) + 1;
    char *joined = join_texts(texts, ARRAY_SIZE(texts), &size);

    if (joined == NULL)
        return false;
    if (before > 0)
        before += strlen(entry->policy + before) + 1;
    keeper->policy_count += entry->policy == NULL;
    count_bytes(keeper, entry, entry->bytes - before + size);
    memory_free(entry->policy);
    entry->policy = joined;
    entry->fetched_at_s = cached->fetched_at_s;
    entry->ends_at_s = cached->ends_at_s;
    return true;
}

static void forget_failed(struct sts_keeper *keeper, struct sts_entry *entry)
{
    size_t size = 0;

    for (int i = 0; entry->failed != NULL && i < 5; i++)
        size += strlen(entry->failed + size) + 1;
    count_bytes(keeper, entry, entry->bytes - size);
    memory_free(entry->failed);
    entry->failed = NULL;
}

static bool find(struct sts_keeper *keeper, const char *domain, struct arena *arena,
                 struct sts_cached *cached)
{
    const struct sts_entry *entry = name_table_find(&keeper->table, domain);
    const char *at;

    if (entry == NULL || entry->policy == NULL)
        return false;
    at = entry->policy;
    *cached =
        (struct sts_cached){ .fetched_at_s = entry->fetched_at_s, .ends_at_s = entry->ends_at_s };
    cached->id = take_text(&at, arena);
    cached->policy_text = take_text(&at, arena);
    return cached->id != NULL && cached->policy_text != NULL;
}

static bool find_to_refresh(void *owner, const char *domain, struct arena *arena,
                            struct sts_cached *cached)
{
    return find(owner, domain, arena, cached);
}

static bool find_to_use(void *owner, const char *domain, struct arena *arena,
                        struct sts_cached *cached)
{
    struct sts_keeper *keeper = owner;
    struct sts_entry *entry;

    if (!find(keeper, domain, arena, cached))
        return false;
    entry = touch(keeper, domain);
    assert(entry != NULL); /* it was there */
    entry->was_used = true;
    return true;
}

static void keep(void *owner, const char *domain, const struct sts_cached *cached)
{
    struct sts_keeper *keeper = owner;
    struct sts_entry *entry = touch(keeper, domain);

    if (entry == NULL || !put_policy(keeper, entry, cached))
        return;
    forget_failed(keeper, entry);
    entry->was_used = false;
    sts_keeper_list(keeper, entry);
    make_room(keeper);
}

static bool find_failed(void *owner, const char *domain, struct arena *arena,
                        struct sts_failed *failed)
{
    const struct sts_keeper *keeper = owner;
    const struct sts_entry *entry = name_table_find(&keeper->table, domain);
    const char *at;

    if (entry == NULL || entry->failed == NULL)
        return false;
    at = entry->failed;
    *failed = (struct sts_failed){ .at_s = entry->failed_at_s,
                                   .outcome = (enum https_outcome)entry->failed_outcome,
                                   .http_status = entry->failed_status };
    failed->id = take_text(&at, arena);
    failed->content_type = take_text(&at, arena);
    failed->location = take_text(&at, arena);
    failed->failure = take_text(&at, arena);
    failed->policy_flaw = take_text(&at, arena);
    return failed->id != NULL;
}

static void keep_failed(void *owner, const char *domain, const struct sts_failed *failed)
{
    const char *const texts[] = { failed->id, failed->content_type, failed->location,
                                  failed->failure, failed->policy_flaw };
    struct sts_keeper *keeper = owner;
    struct sts_entry *entry = touch(keeper, domain);
    size_t size;
    char *joined = entry == NULL ? NULL : join_texts(texts, ARRAY_SIZE(texts), &size);

    if (joined == NULL)
        return;
    forget_failed(keeper, entry);
    entry->failed = joined;
    entry->failed_at_s = failed->at_s;
    entry->failed_outcome = (uint8_t)failed->outcome;
    entry->failed_status = (uint16_t)failed->http_status;
    count_bytes(keeper, entry, entry->bytes + size);
    make_room(keeper);
}

/* ---- start and end ---- */

void sts_keeper_complain(struct sts_keeper *keeper, const char *reason)
{
    if (keeper->settings.log != NULL && !keeper->has_complained)
        log_event(keeper->settings.log, LOG_WARN, "sts-cache-unwritten", "reason=%s", reason);
    keeper->has_complained = true;
}

static void write_in_time(void *owner)
{
    sts_keeper_write(owner);
}

static void look_around(void *owner)
{
    struct sts_keeper *keeper = owner;

    sts_keeper_look_around(keeper);
    loop_timer_start(keeper->look_timer, keeper->settings.look_every_ms);
}

static void tell_drained(void *owner)
{
    struct sts_keeper *keeper = owner;

    keeper->is_drained = true;
    keeper->drained(keeper->owner);
}

static void take_row(void *owner, const struct sts_row *row)
{
    const struct sts_cached cached = { row->id, row->policy, row->fetched_at_s, row->ends_at_s };
    struct sts_keeper *keeper = owner;
    struct sts_entry *entry = touch(keeper, row->domain);

    if (entry != NULL && put_policy(keeper, entry, &cached))
        entry->was_used = true; /* nobody knows any more; so it is refreshed once */
}

static void open_file(struct sts_keeper *keeper)
{
    struct error err = { .text = "" };
    bool was_put_aside, is_open;

    is_open = sts_file_open(&keeper->database, keeper->settings.state_dir, take_row, keeper,
                            &was_put_aside, &err);
    keeper->has_file = is_open || err.kind == ERROR_FULL; /* a write opens it when there is room */
    if (!is_open)
        sts_keeper_complain(keeper, err.text);
    else if (was_put_aside && keeper->settings.log != NULL)
        log_event(keeper->settings.log, LOG_WARN, "sts-cache-lost", "file=sts.db.damaged");
    keeper->settings.state_dir = NULL;
    make_room(keeper);
    if (is_open && keeper->database.is_alone)
        sts_keeper_write_anew(keeper);
}

static bool make_table(struct sts_keeper *keeper, struct error *err)
{
    uint64_t seed;

    if (RAND_bytes((unsigned char *)&seed, sizeof seed) != 1)
        return error_set(err, ERROR_CRYPTO, "no random numbers can be had");
    return name_table_init(&keeper->table, policies_most(keeper), sizeof(struct sts_entry),
                           offsetof(struct sts_entry, domain), seed, err);
}

bool sts_keeper_open(const struct sts_keeper_settings *settings, struct sts_keeper **keeper,
                     struct error *err)
{
    AUTO(sts_keeper_close) struct sts_keeper *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for policies");
    made->settings = *settings;
    if (made->settings.look_every_ms <= 0)
        made->settings.look_every_ms = LOOK_EVERY_MS;
    made->cache = (struct sts_cache){ made, find_to_use, keep, find_failed, keep_failed };
    made->refreshing = (struct sts_cache){ made, find_to_refresh, keep, find_failed, keep_failed };
    if (!make_table(made, err) ||
        !loop_timer_open(settings->loop, write_in_time, made, &made->write_timer, err) ||
        !loop_timer_open(settings->loop, tell_drained, made, &made->tell, err) ||
        !loop_timer_open(settings->loop, look_around, made, &made->look_timer, err))
        return false;
    open_file(made);
    *keeper = TAKE(made);
    return true;
}

const struct sts_cache *sts_keeper_cache(struct sts_keeper *keeper)
{
    return &keeper->cache;
}

size_t sts_keeper_count(const struct sts_keeper *keeper)
{
    return keeper->policy_count;
}

void sts_keeper_refresh_by(struct sts_keeper *keeper, const struct policy_lookup_settings *by)
{
    sts_keeper_stop_refreshing(keeper);
    keeper->can_refresh = by != NULL && keeper->drained == NULL;
    loop_timer_stop(keeper->look_timer);
    if (by == NULL || keeper->drained != NULL)
        return;
    keeper->by = *by;
    keeper->by.cache = &keeper->refreshing;
    keeper->by.with_sts = keeper->by.is_refresh = true;
    keeper->by.with_reports = false;
    loop_timer_start(keeper->look_timer, keeper->settings.look_every_ms);
}

void sts_keeper_drain(struct sts_keeper *keeper, void (*drained)(void *owner), void *owner)
{
    assert(keeper->drained == NULL);
    sts_keeper_refresh_by(keeper, NULL);
    keeper->drained = drained;
    keeper->owner = owner;
    loop_timer_stop(keeper->write_timer);
    sts_keeper_write(keeper);
    sts_keeper_go_on(keeper);
}

void sts_keeper_close(struct sts_keeper **keeper)
{
    struct sts_keeper *closing = *keeper;

    *keeper = NULL;
    if (closing == NULL)
        return;
    assert(closing->writing == NULL);
    sts_keeper_stop_refreshing(closing);
    while (closing->table.oldest != NULL)
        free_entry(closing, (struct sts_entry *)closing->table.oldest);
    sts_batch_free(&closing->waiting);
    loop_timer_close(&closing->write_timer);
    loop_timer_close(&closing->tell);
    loop_timer_close(&closing->look_timer);
    name_table_clear(&closing->table);
    database_close(&closing->database);
    memory_free(closing);
}
