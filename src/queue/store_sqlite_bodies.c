/* queue/store_sqlite_bodies.c - where bodies are in the journal, before they have a message and then.
 *
 * A place is held from its append on. What the batch held is released where the batch is undone; what
 * it dropped, when it is kept. A body that comes in parts is an upload until its message is put.
 */
#include "queue/store_sqlite_internal.h"

#include <assert.h>

#include "base/memory.h"

enum { BUCKETS = 256 };

struct upload {
    struct upload *next;
    int64_t id, size_bytes;
    struct sqlite_places places;
    size_t unwritten;       /* of its places, the last ones: while they are held anew */
    enum queue_status loss; /* worse than QUEUE_OK: why a part is not there */
    bool has_ended;         /* in this batch: its message was put, or it was dropped */
};

struct sqlite_uploads {
    struct upload *buckets[BUCKETS];
};

static enum queue_status no_memory(struct error *err)
{
    error_set(err, ERROR_MEMORY, "no memory for the body of a message");
    return QUEUE_FAILED;
}

static bool add_place(struct sqlite_places *places, struct journal_place place)
{
    if (places->count == places->room) {
        size_t room = places->room == 0 ? 8 : places->room * 2;
        void *grown = memory_grow(places->places, room * sizeof place);

        if (grown == NULL)
            return false;
        places->places = grown;
        places->room = room;
    }
    places->places[places->count++] = place;
    return true;
}

/* ---- uploads ---------------------------------------------------------------------------------- */

static struct upload **find_upload(struct sqlite_queue *queue, int64_t id)
{
    struct upload **link =
        &queue->uploads->buckets[(uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 56];

    while (*link != NULL && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static struct upload *need_upload(struct sqlite_queue *queue, int64_t id)
{
    struct upload **link = find_upload(queue, id);

    if (*link == NULL) {
        *link = memory_new(1, sizeof **link);
        if (*link != NULL)
            (*link)->id = id;
    }
    return *link;
}

static void free_upload(struct upload **link)
{
    struct upload *upload = *link;

    *link = upload->next;
    memory_free(upload->places.places);
    memory_free(upload);
}

bool sqlite_bodies_open(struct sqlite_queue *queue, struct error *err)
{
    queue->uploads = memory_new(1, sizeof *queue->uploads);
    buffer_init(&queue->record, JOURNAL_GROUP_BYTES);
    return queue->uploads != NULL || error_set(err, ERROR_MEMORY, "no memory for the queue");
}

void sqlite_bodies_close(struct sqlite_queue *queue)
{
    for (size_t i = 0; queue->uploads != NULL && i < BUCKETS; i++)
        while (queue->uploads->buckets[i] != NULL)
            free_upload(&queue->uploads->buckets[i]);
    memory_free(queue->uploads);
    memory_free(queue->held.places);
    memory_free(queue->dropped.places);
    buffer_clear(&queue->record);
}

void sqlite_bodies_keep(struct sqlite_queue *queue)
{
    for (size_t i = 0; i < queue->dropped.count; i++)
        journal_release(queue->journal, queue->dropped.places[i]);
    queue->held.count = queue->dropped.count = 0;
    for (size_t i = 0; queue->has_ended_uploads && i < BUCKETS; i++)
        for (struct upload **link = &queue->uploads->buckets[i]; *link != NULL;)
            if ((*link)->has_ended)
                free_upload(link);
            else
                link = &(*link)->next;
    queue->has_ended_uploads = false;
}

static void undo_upload(struct sqlite_queue *queue, struct upload *upload, enum queue_status why)
{
    struct sqlite_places *places = &upload->places;

    upload->has_ended = false;
    while (places->count > 0 &&
           journal_is_behind(queue->journal, places->places[places->count - 1], queue->mark)) {
        upload->size_bytes -= places->places[--places->count].len;
        upload->loss = why;
    }
}

/* Its first part was not taken: nobody will come back to it. */
static bool was_never_begun(const struct upload *upload)
{
    return upload->places.count == 0 && upload->loss == QUEUE_OK;
}

/* Before the journal is cut. */
void sqlite_bodies_undo(struct sqlite_queue *queue, enum queue_status why)
{
    for (size_t i = 0; i < queue->held.count; i++)
        journal_release(queue->journal, queue->held.places[i]);
    queue->held.count = queue->dropped.count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct upload **link = &queue->uploads->buckets[i]; *link != NULL;) {
            undo_upload(queue, *link, why);
            if (was_never_begun(*link))
                free_upload(link);
            else
                link = &(*link)->next;
        }
    queue->has_ended_uploads = false;
}

bool sqlite_bodies_hold_uploads(struct sqlite_queue *queue)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct upload *upload = queue->uploads->buckets[i]; upload != NULL;
             upload = upload->next)
            for (size_t j = 0; j < upload->places.count; j++)
                if (!journal_hold(queue->journal, upload->places.places[j], upload->id))
                    return false;
    return true;
}

/* ---- a group that is given up ------------------------------------------------------------------ */

/* Those that are not in a file yet come last. */
static size_t count_unwritten(const struct sqlite_queue *queue, const struct sqlite_places *places)
{
    size_t count = 0;

    while (count < places->count &&
           journal_is_behind(queue->journal, places->places[places->count - 1 - count], 0))
        count++;
    return count;
}

/* False: no memory for all of them. */
static bool copy_unwritten(struct sqlite_queue *queue, struct upload *upload, struct buffer *bytes)
{
    const struct sqlite_places *places = &upload->places;

    upload->unwritten = count_unwritten(queue, places);
    for (size_t i = places->count - upload->unwritten; i < places->count; i++) {
        struct journal_place place = places->places[i];

        if (!buffer_reserve(bytes, place.len) ||
            !journal_read(queue->journal, place, bytes->data + bytes->len, NULL))
            return false;
        bytes->len += place.len;
    }
    return true;
}

static bool hold_again(struct sqlite_queue *queue, int64_t id, struct span bytes,
                       struct journal_place *place)
{
    return bytes.len == place->len &&
           journal_append(queue->journal, JOURNAL_PART, (struct span){ 0 }, bytes, place) &&
           journal_hold(queue->journal, *place, id);
}

/* From the first that cannot be held on all are lost. */
static void hold_unwritten(struct sqlite_queue *queue, struct upload *upload, struct span *bytes)
{
    struct sqlite_places *places = &upload->places;
    size_t kept = places->count - upload->unwritten;

    for (size_t i = kept; i < places->count; i++) {
        struct journal_place *place = &places->places[i];
        struct span part = span_take_front(bytes, place->len);

        journal_release(queue->journal, *place);
        upload->size_bytes -= place->len;
        if (kept == i && hold_again(queue, upload->id, part, place)) {
            upload->size_bytes += place->len;
            kept++;
        }
    }
    if (kept < places->count)
        upload->loss = QUEUE_FAILED;
    places->count = kept;
}

void sqlite_bodies_hold_anew(struct sqlite_queue *queue)
{
    AUTO(buffer_clear) struct buffer copied;
    bool has_memory = true;
    struct span bytes;

    buffer_init(&copied, JOURNAL_GROUP_BYTES);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct upload *upload = queue->uploads->buckets[i]; upload != NULL;
             upload = upload->next)
            has_memory = copy_unwritten(queue, upload, &copied) && has_memory;
    journal_cut(queue->journal, 0);
    bytes = has_memory ? buffer_span(&copied) : (struct span){ 0 };
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct upload *upload = queue->uploads->buckets[i]; upload != NULL;
             upload = upload->next)
            hold_unwritten(queue, upload, &bytes);
}

/* ---- in and out ------------------------------------------------------------------------------- */

static enum queue_status hold_part(struct sqlite_queue *queue, int64_t id, struct span bytes,
                                   bool is_lent, struct journal_place *place, struct error *err)
{
    struct span nothing = { 0 };

    if (!(is_lent ? journal_lend(queue->journal, JOURNAL_PART, bytes, place)
                  : journal_append(queue->journal, JOURNAL_PART, nothing, bytes, place)) ||
        !journal_hold(queue->journal, *place, id))
        return no_memory(err);
    if (add_place(&queue->held, *place))
        return QUEUE_OK;
    journal_release(queue->journal, *place);
    return no_memory(err);
}

enum queue_status sqlite_bodies_lend(struct sqlite_queue *queue, int64_t id, struct span bytes,
                                     struct journal_place *place, struct error *err)
{
    return hold_part(queue, id, bytes, true, place, err);
}

static enum queue_status add_part(struct sqlite_queue *queue, int64_t id, struct span bytes,
                                  bool is_lent, struct error *err)
{
    struct upload *upload = need_upload(queue, id);
    struct journal_place place;
    enum queue_status status;

    if (upload == NULL)
        return no_memory(err);
    status = hold_part(queue, id, bytes, is_lent, &place, err);
    if (status != QUEUE_OK)
        return status;
    if (!add_place(&upload->places, place))
        return no_memory(err);
    upload->size_bytes += (int64_t)bytes.len;
    return QUEUE_OK;
}

enum queue_status sqlite_queue_append(void *object, int64_t id, int64_t number, struct span bytes,
                                      struct error *err)
{
    (void)number; /* they come in order, and a loss is known */
    return add_part(object, id, bytes, false, err);
}

enum queue_status sqlite_queue_find_loss(void *object, const struct queue_put *put,
                                         struct error *err)
{
    const struct upload *upload = *find_upload(object, put->id);

    if (upload != NULL && upload->loss == QUEUE_OK)
        return QUEUE_OK;
    error_set(err, ERROR_SYSTEM, "a part of the message was lost when an earlier commit failed");
    return upload == NULL ? QUEUE_FAILED : upload->loss;
}

enum queue_status sqlite_bodies_take(struct sqlite_queue *queue, const struct queue_put *put,
                                     struct journal_put *message, struct error *err)
{
    struct upload *upload = *find_upload(queue, put->id);
    enum queue_status status = QUEUE_OK;

    assert(upload != NULL && (int64_t)upload->places.count == put->parts &&
           upload->size_bytes == put->size_bytes);
    if (put->bytes.len > 0)
        status = add_part(queue, put->id, put->bytes, true, err);
    upload->has_ended = queue->has_ended_uploads = true;
    message->places = upload->places.places;
    message->place_count = upload->places.count;
    return status;
}

enum queue_status sqlite_queue_drop(void *object, int64_t id, struct error *err)
{
    struct sqlite_queue *queue = object;
    struct upload *upload = *find_upload(queue, id);

    if (upload == NULL || upload->has_ended)
        return QUEUE_OK;
    upload->has_ended = queue->has_ended_uploads = true;
    for (size_t i = 0; i < upload->places.count; i++)
        if (!add_place(&queue->dropped, upload->places.places[i]))
            return no_memory(err);
    return QUEUE_OK;
}

enum queue_status sqlite_bodies_drop(struct sqlite_queue *queue, struct span places,
                                     struct error *err)
{
    struct journal_place place;

    for (size_t at = 0; at + sizeof place <= places.len; at += sizeof place) {
        memcpy(&place, places.data + at, sizeof place);
        if (!add_place(&queue->dropped, place))
            return no_memory(err);
    }
    return QUEUE_OK;
}

/* Place `number` of a message's body; QUEUE_ABSENT behind the last. */
static enum queue_status find_place(struct sqlite_queue *queue, int64_t id, int64_t number,
                                    struct journal_place *place, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_BODY);
    enum queue_status status = QUEUE_ABSENT;
    int code;

    sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        struct span places =
            span_part(database_borrow(statement, 0), (size_t)number * sizeof *place, sizeof *place);

        if (places.len == sizeof *place) {
            memcpy(place, places.data, sizeof *place);
            status = QUEUE_OK;
        }
    } else if (code != SQLITE_DONE) {
        status = database_status(&queue->database, code, err);
    }
    sqlite3_reset(statement);
    return status;
}

enum queue_status sqlite_queue_read(void *object, struct queue_read *read, struct error *err)
{
    struct sqlite_queue *queue = object;
    struct journal_place place = { 0 };
    enum queue_status status = sqlite_queue_check(queue, err);

    if (status == QUEUE_OK)
        status = find_place(queue, read->id, read->number, &place, err);
    if (status != QUEUE_OK)
        return status;
    read->len = place.len;
    if (place.len <= QUEUE_PART_BYTES && journal_read(queue->journal, place, read->bytes, err))
        return QUEUE_OK;
    return QUEUE_FAILED;
}

/* Whoever then reads it in parts is told why. */
void sqlite_bodies_read_whole(struct sqlite_queue *queue, int64_t id, int64_t size_bytes,
                              struct arena *arena, struct span *body)
{
    char *bytes = size_bytes == 0 ? NULL : arena_new(arena, (size_t)size_bytes, 1);
    size_t used = 0;

    *body = (struct span){ 0 };
    for (int64_t number = 0; bytes != NULL && used < (size_t)size_bytes; number++) {
        struct journal_place place = { 0 };

        if (find_place(queue, id, number, &place, NULL) != QUEUE_OK ||
            place.len > (size_t)size_bytes - used ||
            !journal_read(queue->journal, place, bytes + used, NULL))
            return;
        used += place.len;
    }
    *body = (struct span){ bytes, used };
}

/* ---- room ------------------------------------------------------------------------------------- */

static bool gather(struct sqlite_places *kept, int64_t file, struct span places)
{
    struct journal_place place;

    for (size_t at = 0; at + sizeof place <= places.len; at += sizeof place) {
        memcpy(&place, places.data + at, sizeof place);
        if (place.file == file && !add_place(kept, place))
            return false;
    }
    return true;
}

static bool gather_of_uploads(const struct sqlite_queue *queue, int64_t file,
                              struct sqlite_places *kept)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct upload *upload = queue->uploads->buckets[i]; upload != NULL;
             upload = upload->next)
            if (!gather(kept, file,
                        (struct span){ (const char *)upload->places.places,
                                       upload->places.count * sizeof *upload->places.places }))
                return false;
    return true;
}

/* False: it is not known for certain. */
static bool gather_of_messages(struct sqlite_queue *queue, const struct journal_waste *waste,
                               struct sqlite_places *kept)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_BODIES);
    bool has_memory = true;
    int code = SQLITE_DONE;

    sqlite3_bind_int64(statement, 1, waste->first_holder);
    sqlite3_bind_int64(statement, 2, waste->last_holder);
    while (has_memory && (code = sqlite3_step(statement)) == SQLITE_ROW)
        has_memory = gather(kept, waste->file, database_borrow(statement, 0));
    sqlite3_reset(statement);
    return has_memory && code == SQLITE_DONE;
}

bool sqlite_bodies_give_back(struct sqlite_queue *queue)
{
    struct sqlite_places kept = { 0 };
    struct journal_waste waste;
    bool is_known;

    if (!journal_find_waste(queue->journal, queue->folded, &waste))
        return false;
    is_known =
        gather_of_messages(queue, &waste, &kept) && gather_of_uploads(queue, waste.file, &kept);
    if (is_known)
        journal_give_back(queue->journal, waste.file, kept.places, kept.count);
    memory_free(kept.places);
    return is_known;
}
