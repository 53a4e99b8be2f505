/* queue/store_sqlite_open.c - the files of the queue: opening them, also later where the disk had no room for that, and closing.
 *
 * SQLite needs some room even to look into its file (the -shm beside it), and what a crash left in the journal
 * has to be written into the database. So a queue on a full disk is shut at first: the lock is held, every batch
 * is answered that the disk is full, and tries again.
 */
#include "queue/store_sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "queue/lock.h"

enum { BUSY_MS = 250 };

/* page_size and auto_vacuum count only before the first table. temp_store because a sandbox has no
 * /var/tmp. */
static const char preparation[] = "PRAGMA page_size = 4096;"
                                  "PRAGMA auto_vacuum = INCREMENTAL;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA temp_store = MEMORY;"
                                  "PRAGMA cache_size = -16384;"
                                  "PRAGMA wal_autocheckpoint = 0;"
                                  "PRAGMA journal_size_limit = 67108864;";

/* So that the folder's own name survives, without which all that is synced in it is lost. */
static bool sync_parent(const char *folder)
{
    int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = opened < 0 ? -1 : openat(opened, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = parent >= 0 && fsync(parent) == 0;

    if (opened >= 0)
        close(opened);
    if (parent >= 0)
        close(parent);
    return is_synced;
}

/* Everybody may pass, to the control socket; the files are for their owner alone. */
static bool make_folder(const char *folder, struct error *err)
{
    bool is_new = mkdir(folder, 0711) == 0;

    if (is_new && chmod(folder, 0711) != 0) /* whatever the umask */
        return error_set(err, error_kind_of(errno), "setting the mode of %s: %s", folder,
                         strerror(errno));
    if (!is_new && errno != EEXIST)
        return error_set(err, error_kind_of(errno), "making the folder %s: %s", folder,
                         strerror(errno));
    if (sync_parent(folder) || !is_new) /* an old one too: a crash may have come in between */
        return true;
    return error_set(err, error_kind_of(errno), "syncing the folder above %s: %s", folder,
                     strerror(errno));
}

static int note_log_pages(void *object, sqlite3 *connection, const char *name, int pages)
{
    struct sqlite_queue *queue = object;

    (void)connection;
    (void)name;
    queue->log_pages = pages;
    return SQLITE_OK;
}

static bool open_checkpoint(struct sqlite_queue *queue, const char *path, struct error *err)
{
    sqlite3_wal_hook(queue->database.connection, note_log_pages, queue);
    return sqlite_checkpoint_open(path, &queue->checkpoint, err);
}

static bool open_database(struct sqlite_queue *queue, const char *path, struct error *err)
{
    struct database *database = &queue->database;

    return database_open(database, path, DATABASE_OWN, BUSY_MS, err) &&
           database_run(database, preparation, err) &&
           sqlite_queue_make_tables(database, queue->journal, err) &&
           sqlite_queue_begin_work(queue, err) && open_checkpoint(queue, path, err);
}

static bool open_files(struct sqlite_queue *queue, struct error *err)
{
    char path[SQLITE_QUEUE_PATH_BYTES + 16];

    snprintf(path, sizeof path, "%s/journal", queue->folder);
    if (!journal_open(path, &queue->journal, err) || !sqlite_bodies_open(queue, err))
        return false;
    snprintf(path, sizeof path, "%s/queue.db", queue->folder);
    return open_database(queue, path, err);
}

/* All but the lock, as if nothing had been opened. */
static void close_files(struct sqlite_queue *queue)
{
    struct sqlite_queue shut = { .lock = queue->lock, .is_shut = true };

    sqlite_checkpoint_close(&queue->checkpoint);
    database_close(&queue->database);
    sqlite_bodies_close(queue);
    journal_close(&queue->journal);
    memcpy(shut.folder, queue->folder, sizeof shut.folder);
    *queue = shut;
}

/* Where there is no room a file that is kept for another use may be all that is missing. */
static bool open_as_can_be(struct sqlite_queue *queue, struct error *err)
{
    bool has_more_room = true, is_open = false;

    while (!is_open && has_more_room) {
        is_open = open_files(queue, err);
        has_more_room = !is_open && err->kind == ERROR_FULL && queue->journal != NULL &&
                        journal_give_up_spare(queue->journal);
        if (!is_open)
            close_files(queue);
    }
    queue->is_shut = !is_open;
    return is_open || error_wrap(err, "opening the queue %s", queue->folder);
}

enum queue_status sqlite_queue_open_again(struct sqlite_queue *queue, struct error *err)
{
    struct error why;

    if (!queue->is_shut || open_as_can_be(queue, &why))
        return QUEUE_OK;
    error_set(err, why.kind, "%s", why.text);
    return why.kind == ERROR_FULL ? QUEUE_FULL : QUEUE_FAILED;
}

static bool open_lock(struct sqlite_queue *queue, const char *folder, int64_t patience_ms,
                      struct error *err)
{
    char path[SQLITE_QUEUE_PATH_BYTES + 16];

    if ((size_t)snprintf(queue->folder, sizeof queue->folder, "%s", folder) >= sizeof queue->folder)
        return error_set(err, ERROR_USAGE, "the folder's name %.100s... is too long", folder);
    snprintf(path, sizeof path, "%s/queue.lock", folder);
    return make_folder(folder, err) && queue_lock_open(path, patience_ms, &queue->lock, err);
}

bool sqlite_queue_open(const char *folder, int64_t patience_ms, void **opened, struct error *err)
{
    struct sqlite_queue *queue = memory_new(1, sizeof *queue);
    enum queue_status status;

    *opened = queue;
    if (queue == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the queue");
    queue->lock = -1;
    queue->is_shut = true;
    if (!open_lock(queue, folder, patience_ms, err)) {
        sqlite_queue_close(opened);
        return error_wrap(err, "opening the queue %s", folder);
    }
    status = sqlite_queue_open_again(queue, err);
    if (status == QUEUE_OK || status == QUEUE_FULL)
        return true;
    sqlite_queue_close(opened);
    return false;
}

void sqlite_queue_close(void **closing)
{
    struct sqlite_queue *queue = *closing;

    *closing = NULL;
    if (queue == NULL)
        return;
    if (queue->is_open)
        sqlite_queue_end_work(queue);
    close_files(queue);
    queue_lock_close(&queue->lock); /* last: until here nobody else may open */
    memory_free(queue);
}
