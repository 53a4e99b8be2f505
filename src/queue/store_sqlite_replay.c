/* queue/store_sqlite_replay.c - one record of the journal into the database, after a crash or a commit that failed. */
#include "queue/store_sqlite_internal.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

/* QUEUE_ABSENT: the record says something else. */
static enum queue_status replay_put(struct sqlite_queue *queue, struct span bytes,
                                    struct error *err)
{
    enum queue_status status = QUEUE_ABSENT;
    struct journal_put put;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    if (journal_parse_put(bytes, &arena, &put))
        status = sqlite_queue_add(queue, &put, err);
    arena_clear(&arena);
    return status;
}

static enum queue_status replay_lease(struct sqlite_queue *queue, struct span bytes,
                                      struct error *err)
{
    enum queue_status status = QUEUE_ABSENT;
    struct journal_lease lease;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    if (journal_parse_lease(bytes, &arena, &lease)) {
        status = QUEUE_OK;
        for (size_t i = 0; status == QUEUE_OK && i < lease.count; i++)
            status = sqlite_queue_mark_leased(queue, &lease, &lease.leased[i], err);
    }
    arena_clear(&arena);
    return status;
}

static enum queue_status replay(struct sqlite_queue *queue, uint32_t kind, struct span bytes,
                                struct error *err)
{
    struct journal_change change;

    switch (kind) {
    case JOURNAL_PART: return QUEUE_OK;
    case JOURNAL_PUT: return replay_put(queue, bytes, err);
    case JOURNAL_LEASE: return replay_lease(queue, bytes, err);
    default: break;
    }
    if (!journal_parse_change(bytes, &change))
        return QUEUE_ABSENT;
    switch (kind) {
    case JOURNAL_SETTLE: return sqlite_queue_take_down(queue, &change, err);
    case JOURNAL_MOVE: return sqlite_queue_move(queue, &change, err);
    case JOURNAL_DELETE: return sqlite_queue_delete(queue, &change, err);
    default: break;
    }
    return QUEUE_ABSENT;
}

bool sqlite_queue_replay(void *object, uint32_t kind, struct span bytes, struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_status status = replay(queue, kind, bytes, err);

    if (status == QUEUE_ABSENT) {
        error_set(err, ERROR_FORMAT, "a record of the journal (%u) cannot be read", (unsigned)kind);
        status = QUEUE_FAILED;
    }
    queue->replayed = status;
    return status == QUEUE_OK;
}
