#include "queue/store_sqlite_checkpoint.h"

#include "base/memory.h"
#include "queue/database.h"
#include "queue/errand.h"

enum { BUSY_MS = 250 };

struct sqlite_checkpoint {
    struct database database; /* the errand's */
    struct errand errand;
    bool is_asked; /* and no end of it was taken */
};

/* What fails is tried again with the next: until then the log holds what is not in its place. */
static void bring(void *owner)
{
    struct sqlite_checkpoint *checkpoint = owner;

    sqlite3_wal_checkpoint_v2(checkpoint->database.connection, "main", SQLITE_CHECKPOINT_PASSIVE,
                              NULL, NULL);
}

bool sqlite_checkpoint_open(const char *path, struct sqlite_checkpoint **checkpoint,
                            struct error *err)
{
    struct sqlite_checkpoint *made = memory_new(1, sizeof *made);

    *checkpoint = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for checkpoints");
    if (database_open(&made->database, path, DATABASE_OWN, BUSY_MS, err) &&
        database_run(&made->database, "PRAGMA synchronous = FULL", err) &&
        errand_open(&made->errand, bring, made, "checkpoints", err))
        return true;
    sqlite_checkpoint_close(checkpoint);
    return false;
}

void sqlite_checkpoint_close(struct sqlite_checkpoint **checkpoint)
{
    struct sqlite_checkpoint *closing = *checkpoint;

    *checkpoint = NULL;
    if (closing == NULL)
        return;
    errand_close(&closing->errand);
    database_close(&closing->database);
    memory_free(closing);
}

void sqlite_checkpoint_start(struct sqlite_checkpoint *checkpoint)
{
    checkpoint->is_asked = true;
    errand_start(&checkpoint->errand);
}

void sqlite_checkpoint_wait(struct sqlite_checkpoint *checkpoint)
{
    errand_wait(&checkpoint->errand);
}

bool sqlite_checkpoint_take_end(struct sqlite_checkpoint *checkpoint)
{
    if (!checkpoint->is_asked || errand_is_under_way(&checkpoint->errand))
        return false;
    checkpoint->is_asked = false;
    return true;
}
