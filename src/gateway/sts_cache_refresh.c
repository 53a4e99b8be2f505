/* gateway/sts_cache_refresh.c - fetches policies in use anew, long before they end. */
#include "gateway/sts_cache_parts.h"

enum { ARENA_BYTES = 2 << 20 };

/* RFC 8461 section 5.1 */
static int64_t due_at_s(const struct sts_entry *entry)
{
    int64_t half_s = (entry->ends_at_s - entry->fetched_at_s) / 2;

    return entry->fetched_at_s + (half_s < STS_CACHE_REFRESH_S ? half_s : STS_CACHE_REFRESH_S);
}

static bool is_due(const struct sts_entry *entry, int64_t now_s)
{
    return entry->policy != NULL && entry->was_used && !entry->is_refreshing &&
           now_s >= due_at_s(entry) &&
           (entry->tried_at_s == 0 || now_s - entry->tried_at_s >= STS_CACHE_REFRESH_AGAIN_S);
}

/* Nothing of it counts any more. */
static bool is_over(const struct sts_entry *entry, int64_t now_s)
{
    bool has_failed = entry->failed != NULL &&
                      now_s - entry->failed_at_s < POLICY_LOOKUP_HELD_BACK_S &&
                      now_s >= entry->failed_at_s;

    return !entry->is_refreshing && !has_failed &&
           (entry->policy == NULL || entry->ends_at_s <= now_s);
}

static void end_refresh(struct sts_refresh *refresh)
{
    policy_lookup_cancel(&refresh->lookup);
    arena_clear(&refresh->arena);
    if (refresh->entry != NULL)
        refresh->entry->is_refreshing = false;
    refresh->entry = NULL;
}

static void tell_failure(const struct sts_keeper *keeper, const struct observed_published *found)
{
    const char *why = found->policy_flaw != NULL       ? found->policy_flaw
                      : found->fetch_failure != NULL   ? found->fetch_failure
                      : found->failure != NULL         ? found->failure
                      : found->sts_record_flaw != NULL ? found->sts_record_flaw
                                                       : "its record is not there";

    if (keeper->settings.log != NULL)
        log_event(keeper->settings.log, LOG_NOTE, "sts-refresh-failed", "domain=%s reason=%-s",
                  found->domain, why);
}

/* One that came is in the cache already. */
static void take(void *owner, struct observed_published *found)
{
    struct sts_refresh *refresh = owner;
    struct sts_keeper *keeper = refresh->keeper;

    if (!found->has_policy || found->from_cache)
        tell_failure(keeper, found);
    end_refresh(refresh);
    sts_keeper_look_around(keeper);
}

static bool begin(struct sts_keeper *keeper, struct sts_entry *entry)
{
    struct sts_refresh *refresh = keeper->refreshes;
    struct error err;

    while (refresh < keeper->refreshes + STS_CACHE_REFRESHES && refresh->lookup != NULL)
        refresh++;
    if (refresh == keeper->refreshes + STS_CACHE_REFRESHES)
        return false;
    refresh->keeper = keeper;
    arena_init(&refresh->arena, ARENA_BYTES);
    entry->tried_at_s = sts_keeper_now_s(keeper);
    if (!policy_lookup_start(&keeper->by, &refresh->arena, entry->domain, take, refresh,
                             &refresh->lookup, &err)) {
        arena_clear(&refresh->arena);
        return false;
    }
    refresh->entry = entry;
    entry->is_refreshing = true;
    return true;
}

void sts_keeper_look_around(struct sts_keeper *keeper)
{
    int64_t now_s = sts_keeper_now_s(keeper);
    bool has_room = keeper->can_refresh;
    struct name_node *next;

    for (struct name_node *node = keeper->table.oldest; node != NULL; node = next) {
        struct sts_entry *entry = (struct sts_entry *)node;

        next = node->newer;
        if (is_over(entry, now_s))
            sts_keeper_drop(keeper, entry);
        else if (has_room && is_due(entry, now_s))
            has_room = begin(keeper, entry);
    }
}

void sts_keeper_stop_refreshing(struct sts_keeper *keeper)
{
    for (size_t i = 0; i < STS_CACHE_REFRESHES; i++)
        end_refresh(&keeper->refreshes[i]);
}
