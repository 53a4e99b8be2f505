/* queue/tracking_find.c - stories put together from the databases of several days. */
#include "queue/tracking.h"

#include <assert.h>
#include <stdio.h>

#include "queue/database.h"
#include "queue/id.h"
#include "queue/tracking_days.h"

enum { BUSY_MS = 1000, SQL_BYTES = 1024, EVENTS_AT_FIRST = 8 };

#define ORIGIN_COLUMNS  "client_address, helo, user, tls_version, tls_cipher"
#define ATTEMPT_COLUMNS "at, milliseconds, relay, tls, code, reply, finding"

struct search {
    const struct tracking_query *query;
    struct arena *arena;
    struct tracking_story *stories;
    size_t *rooms; /* of events, one a story */
    size_t count;
    struct database database; /* of the day that is looked at */
    bool has_sessions;        /* that day; not one that was begun before attempts named theirs */
};

static struct queue_origin read_origin(sqlite3_stmt *row, int first, struct arena *arena)
{
    return (struct queue_origin){ .client_address = database_text(row, first, arena),
                                  .helo = database_text(row, first + 1, arena),
                                  .user = database_text(row, first + 2, arena),
                                  .tls_version = database_text(row, first + 3, arena),
                                  .tls_cipher = database_text(row, first + 4, arena) };
}

static struct queue_attempt read_attempt(sqlite3_stmt *row, int first, struct arena *arena)
{
    return (struct queue_attempt){ .at_s = sqlite3_column_int64(row, first),
                                   .milliseconds = sqlite3_column_int64(row, first + 1),
                                   .relay = database_text(row, first + 2, arena),
                                   .tls = database_text(row, first + 3, arena),
                                   .code = database_text(row, first + 4, arena),
                                   .reply = database_text(row, first + 5, arena),
                                   .finding = database_text(row, first + 6, arena) };
}

static struct queue_envelope read_envelope(sqlite3_stmt *row, struct arena *arena)
{
    return (struct queue_envelope){ .id = sqlite3_column_int64(row, 0),
                                    .sender = database_text(row, 1, arena),
                                    .envid = database_text(row, 2, arena),
                                    .message_id = database_text(row, 3, arena),
                                    .is_8bit = sqlite3_column_int(row, 4) != 0,
                                    .is_smtputf8 = sqlite3_column_int(row, 5) != 0,
                                    .received_at_s = sqlite3_column_int64(row, 6),
                                    .size_bytes = sqlite3_column_int64(row, 7),
                                    .origin = read_origin(row, 8, arena) };
}

/* Room for one more event, twice as many each time; NULL: the arena is exhausted. */
static struct tracking_event *add_event(struct search *search, size_t index)
{
    struct tracking_story *story = &search->stories[index];
    size_t *room = &search->rooms[index];
    struct tracking_event *larger;

    if (story->event_count == *room) {
        *room = *room == 0 ? EVENTS_AT_FIRST : *room * 2;
        larger = arena_new(search->arena, *room, sizeof *larger);
        if (larger == NULL)
            return NULL;
        if (story->event_count > 0)
            memcpy(larger, story->events, story->event_count * sizeof *larger);
        story->events = larger;
    }
    return &story->events[story->event_count++];
}

/* Each a row of a result, which it reads; false: enough. */
typedef bool take_row(struct search *search, sqlite3_stmt *row, size_t index);

static bool take_message(struct search *search, sqlite3_stmt *row, size_t index)
{
    (void)index;
    search->stories[search->count++].envelope = read_envelope(row, search->arena);
    return search->count < search->query->most;
}

static bool take_note(struct search *search, sqlite3_stmt *row, size_t index)
{
    struct tracking_event *event = add_event(search, search->count);

    (void)index;
    if (event == NULL)
        return false;
    search->stories[search->count++].envelope.origin = read_origin(row, 7, search->arena);
    *event = (struct tracking_event){ .kind = TRACKING_NOTED,
                                      .attempt = read_attempt(row, 0, search->arena) };
    return search->count < search->query->most;
}

static bool take_event(struct search *search, sqlite3_stmt *row, size_t index)
{
    struct tracking_event *event = add_event(search, index);

    if (event == NULL)
        return false;
    *event = (struct tracking_event){ .kind = (enum tracking_kind)sqlite3_column_int(row, 0),
                                      .id = search->stories[index].envelope.id,
                                      .recipient = database_text(row, 1, search->arena),
                                      .attempt = read_attempt(row, 2, search->arena) };
    event->attempt.session = sqlite3_column_int64(row, 9);
    return true;
}

/* Parameters of the query by number, wherever `sql` uses them; ?7 is the id of story `index`. */
static bool run(struct search *search, const char *sql, size_t index, take_row *take,
                struct error *err)
{
    const struct tracking_query *query = search->query;
    sqlite3_stmt *row = NULL;
    bool wants_more = true;
    int code = sqlite3_prepare_v2(search->database.connection, sql, -1, &row, NULL);

    if (code == SQLITE_OK) {
        sqlite3_bind_int64(row, 1, query->since_s);
        sqlite3_bind_int64(row, 2, query->until_s > 0 ? query->until_s : INT64_MAX);
        sqlite3_bind_int64(row, 3, query->id);
        database_bind(row, 4, query->sender);
        database_bind(row, 5, query->recipient);
        database_bind(row, 6, query->message_id);
        sqlite3_bind_int64(row, 7, search->stories[index].envelope.id);
        while (wants_more && (code = sqlite3_step(row)) == SQLITE_ROW)
            wants_more = take(search, row, index);
    }
    (void)database_status(&search->database, code, err);
    sqlite3_finalize(row);
    return code == SQLITE_DONE || code == SQLITE_ROW;
}

/* Only what is asked for is in the text, so that the index of it serves. */
static bool find_messages(struct search *search, struct error *err)
{
    const struct tracking_query *query = search->query;
    char sql[SQL_BYTES];

    snprintf(
        sql, sizeof sql,
        "SELECT id, sender, envid, message_id, is_8bit, is_smtputf8, received_at, size, " ORIGIN_COLUMNS
        " FROM message WHERE received_at >= ?1 AND received_at <= ?2"
        "%s%s%s%s ORDER BY id",
        query->id != 0 ? " AND id = ?3" : "", query->sender.len > 0 ? " AND sender = ?4" : "",
        query->recipient.len > 0
            ? " AND id IN (SELECT message FROM event WHERE recipient = ?5 AND kind = 0)"
            : "",
        query->message_id.len > 0 ? " AND message_id = ?6" : "");
    return run(search, sql, 0, take_message, err);
}

static bool find_notes(struct search *search, struct error *err)
{
    return run(search,
               "SELECT " ATTEMPT_COLUMNS ", " ORIGIN_COLUMNS
               " FROM note WHERE at >= ?1 AND at <= ?2 ORDER BY number",
               0, take_note, err);
}

static bool find_events(struct search *search, struct error *err)
{
    const char *sql = search->has_sessions
                          ? "SELECT kind, recipient, " ATTEMPT_COLUMNS
                            ", session FROM event WHERE message = ?7 ORDER BY number"
                          : "SELECT kind, recipient, " ATTEMPT_COLUMNS
                            ", 0 FROM event WHERE message = ?7 ORDER BY number";

    for (size_t i = 0; i < search->count; i++) {
        if (!run(search, sql, i, take_event, err))
            return false;
    }
    return true;
}

static bool find_stories(struct search *search, struct error *err)
{
    if (search->count == search->query->most)
        return true;
    return search->query->notes ? find_notes(search, err) : find_messages(search, err);
}

/* Days that can hold what was accepted then: a batch near midnight may be in the next one's. */
static bool is_in_range(const struct tracking_query *query, int64_t day)
{
    return day + 1 >= tracking_day_of(query->since_s) &&
           (query->until_s <= 0 || day <= tracking_day_of(query->until_s) + 1);
}

/* The tables of a day are made by its first story, and this one last: until then there is none. */
static bool has_begun(struct search *search)
{
    static const char sql[] = "SELECT 1 FROM sqlite_master WHERE name = 'note'";
    sqlite3_stmt *row = NULL;
    bool is_there =
        sqlite3_prepare_v2(search->database.connection, sql, -1, &row, NULL) == SQLITE_OK;
    int code = is_there ? sqlite3_step(row) : SQLITE_ROW;

    sqlite3_finalize(row);
    return code != SQLITE_DONE; /* an error is told by the search itself */
}

static bool has_sessions(struct database *database)
{
    static const char sql[] =
        "SELECT count(*) FROM pragma_table_info('event') WHERE name = 'session'";

    return database_number(database, sql, 0) > 0;
}

static bool look_into(struct search *search, const char *folder, int64_t day,
                      bool (*find)(struct search *search, struct error *err), struct error *err)
{
    char path[TRACKING_PATH_BYTES];
    bool is_found;

    if (!tracking_day_path(folder, day, path, err) ||
        !database_open(&search->database, path, DATABASE_LOOK, BUSY_MS, err))
        return false;
    search->has_sessions = has_sessions(&search->database);
    is_found = !has_begun(search) || find(search, err);
    database_close(&search->database);
    return is_found;
}

/* A message whose day has expired still has the story of its later days. */
static void add_story_of_id(struct search *search)
{
    if (search->query->id != 0 && search->count == 0)
        search->stories[search->count++].envelope.id = search->query->id;
}

static bool search_days(struct search *search, const char *folder, struct error *err)
{
    int64_t *days = NULL;
    size_t count = 0;

    if (!tracking_days_list(folder, search->arena, &days, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_in_range(search->query, days[i]) &&
            !look_into(search, folder, days[i], find_stories, err))
            return false;
    }
    if (search->query->notes)
        return true;
    add_story_of_id(search);
    for (size_t i = 0; i < count && search->count > 0; i++) {
        bool is_later =
            days[i] + 1 >= tracking_day_of(queue_id_time_s(search->stories[0].envelope.id));

        if (is_later && !look_into(search, folder, days[i], find_events, err))
            return false;
    }
    return true;
}

/* The story of an id that nobody knows is none. */
static void drop_empty(struct search *search)
{
    if (search->count == 1 && search->stories[0].event_count == 0 &&
        search->stories[0].envelope.received_at_s == 0)
        search->count = 0;
}

bool tracking_find(const char *folder, const struct tracking_query *query, struct arena *arena,
                   struct tracking_story **stories, size_t *count, struct error *err)
{
    struct search search = { .query = query, .arena = arena };

    assert(query->most > 0);
    *stories = NULL;
    *count = 0;
    search.stories = arena_new(arena, query->most, sizeof *search.stories);
    search.rooms = arena_new(arena, query->most, sizeof *search.rooms);
    if (search.stories != NULL && search.rooms != NULL && !search_days(&search, folder, err))
        return error_wrap(err, "looking into tracking");
    if (arena->exhausted)
        return error_set(err, ERROR_MEMORY, "there are more stories than there is memory for");
    drop_empty(&search);
    *stories = search.stories;
    *count = search.count;
    return true;
}
