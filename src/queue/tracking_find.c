/* queue/tracking_find.c - stories put together from the databases of several days. */
#include "queue/tracking.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/id.h"
#include "queue/tracking_days.h"
#include "queue/tracking_search.h"

enum { BUSY_MS = 1000, SQL_BYTES = 2048, EVENTS_AT_FIRST = 8, IDS_AT_FIRST = 256 };

#define ORIGIN_COLUMNS "client_address, helo, user, tls_version, tls_cipher"
#define ENVELOPE_COLUMNS                                                                           \
    "id, sender, envid, message_id, is_8bit, is_smtputf8, received_at, size, " ORIGIN_COLUMNS

/* ---- rows ----------------------------------------------------------------------------------- */

static struct queue_origin read_origin(sqlite3_stmt *row, int first, struct arena *arena)
{
    return (struct queue_origin){ .client_address = database_text(row, first, arena),
                                  .helo = database_text(row, first + 1, arena),
                                  .user = database_text(row, first + 2, arena),
                                  .tls_version = database_text(row, first + 3, arena),
                                  .tls_cipher = database_text(row, first + 4, arena) };
}

struct queue_attempt tracking_read_attempt(sqlite3_stmt *row, int first, struct arena *arena)
{
    return (struct queue_attempt){ .at_s = sqlite3_column_int64(row, first),
                                   .milliseconds = sqlite3_column_int64(row, first + 1),
                                   .relay = database_text(row, first + 2, arena),
                                   .tls = database_text(row, first + 3, arena),
                                   .code = database_text(row, first + 4, arena),
                                   .reply = database_text(row, first + 5, arena),
                                   .finding = database_text(row, first + 6, arena) };
}

struct queue_envelope tracking_read_envelope(sqlite3_stmt *row, struct arena *arena)
{
    return (struct queue_envelope){ .id = sqlite3_column_int64(row, 0),
                                    .sender = database_text(row, 1, arena),
                                    .envid = database_text(row, 2, arena),
                                    .message_id = database_text(row, 3, arena),
                                    .is_8bit = sqlite3_column_int(row, 4) != 0,
                                    .is_smtputf8 = sqlite3_column_int(row, 5) != 0,
                                    .received_at_s = sqlite3_column_int64(row, 6),
                                    .size_bytes = sqlite3_column_int64(row, 7),
                                    .origin = read_origin(row, 8, arena),
                                    .requires_tls = sqlite3_column_int(row, 13) != 0,
                                    .tls_optional = sqlite3_column_int(row, 14) != 0 };
}

/* Room for one more event, twice as many each time; NULL: the arena is exhausted. */
static struct tracking_event *add_event(struct tracking_search *search, size_t index)
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

static int compare_ids(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

static bool is_meant(const struct tracking_search *search, int64_t id)
{
    return !search->by_ids || (search->id_count > 0 && bsearch(&id, search->ids, search->id_count,
                                                               sizeof id, compare_ids) != NULL);
}

static bool take_message(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    (void)index;
    if (!is_meant(search, sqlite3_column_int64(row, 0)))
        return true;
    search->stories[search->count++].envelope = tracking_read_envelope(row, search->arena);
    return search->count < search->query->most;
}

static bool take_note(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    struct tracking_event *event = add_event(search, search->count);

    (void)index;
    if (event == NULL)
        return false;
    search->stories[search->count++].envelope.origin = read_origin(row, 7, search->arena);
    *event = (struct tracking_event){ .kind = TRACKING_NOTED,
                                      .attempt = tracking_read_attempt(row, 0, search->arena) };
    return search->count < search->query->most;
}

static bool take_event(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    struct tracking_event *event = add_event(search, index);

    if (event == NULL)
        return false;
    *event = (struct tracking_event){ .kind = (enum tracking_kind)sqlite3_column_int(row, 0),
                                      .id = search->stories[index].envelope.id,
                                      .recipient = database_text(row, 1, search->arena),
                                      .attempt = tracking_read_attempt(row, 2, search->arena) };
    event->attempt.session = sqlite3_column_int64(row, 9);
    return true;
}

static bool take_id(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    int64_t *larger;

    (void)index;
    if (search->id_count == search->id_room) {
        search->id_room = search->id_room == 0 ? IDS_AT_FIRST : search->id_room * 2;
        larger = arena_new(search->arena, search->id_room, sizeof *larger);
        if (larger == NULL)
            return false;
        if (search->id_count > 0)
            memcpy(larger, search->ids, search->id_count * sizeof *larger);
        search->ids = larger;
    }
    search->ids[search->id_count++] = sqlite3_column_int64(row, 0);
    return true;
}

/* ---- one day -------------------------------------------------------------------------------- */

bool tracking_search_run(struct tracking_search *search, const char *sql, size_t index,
                         tracking_take *take, struct error *err)
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
        if (search->stories != NULL)
            sqlite3_bind_int64(row, 7, search->stories[index].envelope.id);
        database_bind(row, 8, query->destination);
        database_bind(row, 9, query->finding);
        while (wants_more && (code = sqlite3_step(row)) == SQLITE_ROW)
            wants_more = take(search, row, index);
    }
    (void)database_status(&search->database, code, err);
    sqlite3_finalize(row);
    return code == SQLITE_DONE || code == SQLITE_ROW;
}

/* Columns behind those of an envelope. */
static const char *wishes_of(const struct tracking_search *search)
{
    return search->has_wishes ? ", requires_tls, tls_optional" : ", 0, 0";
}

/* Only what is asked for is in the text, so that the index of it serves. */
static bool find_messages(struct tracking_search *search, struct error *err)
{
    const struct tracking_query *query = search->query;
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql,
             "SELECT " ENVELOPE_COLUMNS
             "%s FROM message WHERE received_at >= ?1 AND received_at <= ?2"
             "%s%s%s%s ORDER BY id",
             wishes_of(search), query->id != 0 ? " AND id = ?3" : "",
             query->sender.len > 0 ? " AND sender = ?4" : "",
             query->recipient.len > 0
                 ? " AND id IN (SELECT message FROM event WHERE recipient = ?5 AND kind = 0)"
                 : "",
             query->message_id.len > 0 ? " AND message_id = ?6" : "");
    return tracking_search_run(search, sql, 0, take_message, err);
}

static bool find_notes(struct tracking_search *search, struct error *err)
{
    return tracking_search_run(search,
                               "SELECT " TRACKING_ATTEMPT_COLUMNS ", " ORIGIN_COLUMNS
                               " FROM note WHERE at >= ?1 AND at <= ?2 ORDER BY number",
                               0, take_note, err);
}

static bool find_events(struct tracking_search *search, struct error *err)
{
    const char *sql = search->has_sessions
                          ? "SELECT kind, recipient, " TRACKING_ATTEMPT_COLUMNS
                            ", session FROM event WHERE message = ?7 ORDER BY number"
                          : "SELECT kind, recipient, " TRACKING_ATTEMPT_COLUMNS
                            ", 0 FROM event WHERE message = ?7 ORDER BY number";

    for (size_t i = 0; i < search->count; i++) {
        if (!tracking_search_run(search, sql, i, take_event, err))
            return false;
    }
    return true;
}

static bool find_stories(struct tracking_search *search, struct error *err)
{
    if (search->count == search->query->most)
        return true;
    if (search->query->in_the_clear)
        return tracking_search_clear(search, err);
    return search->query->notes ? find_notes(search, err) : find_messages(search, err);
}

const char *tracking_condition_of_destination(const struct tracking_query *query,
                                              bool with_sessions)
{
    if (query->destination.len == 0)
        return "";
    if (query->destination.data[0] == '.')
        return with_sessions ? " AND (substr(recipient, -length(?8)) = ?8 COLLATE NOCASE"
                               " OR substr(destination, -length(?8)) = ?8 COLLATE NOCASE)"
                             : " AND substr(recipient, -length(?8)) = ?8 COLLATE NOCASE";
    return with_sessions ? " AND (substr(recipient, -length(?8) - 1) = '@' || ?8 COLLATE NOCASE"
                           " OR destination = ?8 COLLATE NOCASE)"
                         : " AND substr(recipient, -length(?8) - 1) = '@' || ?8 COLLATE NOCASE";
}

static const char *condition_of_finding(const struct tracking_query *query, bool has_sessions)
{
    if (query->finding.len == 0)
        return "";
    return has_sessions ? " AND (event.finding = ?9 OR"
                          " instr(' ' || session.findings || ' ', ' ' || ?9 || ' ') > 0)"
                        : " AND event.finding = ?9";
}

/* The messages that an event makes one of those asked for; it may be days after their acceptance. */
static bool find_ids(struct tracking_search *search, struct error *err)
{
    bool has_sessions = search->has_sessions;
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql, "SELECT DISTINCT message FROM event%s WHERE message <> 0%s%s",
             has_sessions ? " LEFT JOIN session ON session.id = event.session" : "",
             tracking_condition_of_destination(search->query, has_sessions),
             condition_of_finding(search->query, has_sessions));
    return tracking_search_run(search, sql, 0, take_id, err);
}

/* Of the stories that have none yet. */
static bool find_envelopes(struct tracking_search *search, struct error *err);

/* ---- several days --------------------------------------------------------------------------- */

/* Days that can hold what was accepted, or happened, in the time that is asked for: a batch near midnight may
 * be in the next one's. */
static bool wants(const struct tracking_search *search, int64_t day)
{
    const struct tracking_query *query = search->query;

    return day + 1 >= tracking_day_of(query->since_s) &&
           (query->until_s <= 0 || day <= tracking_day_of(query->until_s) + 1);
}

/* The tables of a day are made by its first story, and this one last but one: until then there is none. */
static bool has_begun(struct tracking_search *search)
{
    static const char sql[] = "SELECT 1 FROM sqlite_master WHERE name = 'note'";
    sqlite3_stmt *row = NULL;
    bool is_there =
        sqlite3_prepare_v2(search->database.connection, sql, -1, &row, NULL) == SQLITE_OK;
    int code = is_there ? sqlite3_step(row) : SQLITE_ROW;

    sqlite3_finalize(row);
    return code != SQLITE_DONE; /* an error is told by the search itself */
}

static bool has_column(struct database *database, const char *table, const char *column)
{
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'",
             table, column);
    return database_number(database, sql, 0) > 0;
}

bool tracking_search_open(struct tracking_search *search, int64_t day, struct error *err)
{
    char path[TRACKING_PATH_BYTES];

    if (!tracking_day_path(search->folder, day, path, err) ||
        !database_open(&search->database, path, DATABASE_LOOK, BUSY_MS, err))
        return false;
    search->has_sessions = has_column(&search->database, "event", "session");
    search->has_wishes = has_column(&search->database, "message", "tls_optional");
    return true;
}

/* Opens that day, and has `find` look into it. */
static bool look_into(struct tracking_search *search, int64_t day,
                      bool (*find)(struct tracking_search *search, struct error *err),
                      struct error *err)
{
    bool is_found;

    if (!tracking_search_open(search, day, err))
        return false;
    is_found = !has_begun(search) || find(search, err);
    database_close(&search->database);
    return is_found;
}

/* Each day from `first` on, in the time that is asked for where `by_time`. */
static bool look_into_days(struct tracking_search *search, int64_t first, bool by_time,
                           bool (*find)(struct tracking_search *search, struct error *err),
                           struct error *err)
{
    for (size_t i = 0; i < search->day_count; i++) {
        int64_t day = search->days[i];

        if (day >= first && (!by_time || wants(search, day)) && !look_into(search, day, find, err))
            return false;
    }
    return true;
}

/* A message whose day has expired still has the story of its later days. */
static void add_story_of_id(struct tracking_search *search)
{
    if (search->query->id != 0 && search->count == 0)
        search->stories[search->count++].envelope.id = search->query->id;
}

static bool take_envelope(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    search->stories[index].envelope = tracking_read_envelope(row, search->arena);
    return false;
}

static bool find_envelopes(struct tracking_search *search, struct error *err)
{
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql, "SELECT " ENVELOPE_COLUMNS "%s FROM message WHERE id = ?7",
             wishes_of(search));
    for (size_t i = 0; i < search->count; i++) {
        if (search->stories[i].envelope.received_at_s == 0 &&
            !tracking_search_run(search, sql, i, take_envelope, err))
            return false;
    }
    return true;
}

/* What left in the clear: the day of its acceptance may be long before. */
static bool complete_departures(struct tracking_search *search, struct error *err)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < search->count; i++) {
        int64_t day = tracking_day_of(queue_id_time_s(search->stories[i].envelope.id));

        if (day < first)
            first = day;
    }
    return search->count == 0 || look_into_days(search, first - 1, false, find_envelopes, err);
}

static bool complete_messages(struct tracking_search *search, struct error *err)
{
    add_story_of_id(search);
    if (search->count == 0)
        return true;
    return look_into_days(search,
                          tracking_day_of(queue_id_time_s(search->stories[0].envelope.id)) - 1,
                          false, find_events, err);
}

static bool collect_ids(struct tracking_search *search, struct error *err)
{
    int64_t first = tracking_day_of(search->query->since_s) - 1;

    search->by_ids = !search->query->notes && !search->query->in_the_clear &&
                     (search->query->destination.len > 0 || search->query->finding.len > 0);
    if (!search->by_ids)
        return true;
    if (!look_into_days(search, first, false, find_ids, err))
        return false;
    if (search->id_count > 0)
        qsort(search->ids, search->id_count, sizeof *search->ids, compare_ids);
    return true;
}

static bool search_days(struct tracking_search *search, struct error *err)
{
    if (!tracking_days_list(search->folder, search->arena, &search->days, &search->day_count,
                            err) ||
        !collect_ids(search, err) || !look_into_days(search, INT64_MIN, true, find_stories, err))
        return false;
    if (search->query->notes)
        return true;
    return (search->query->in_the_clear ? complete_departures(search, err)
                                        : complete_messages(search, err)) &&
           tracking_search_sessions(search, err);
}

static bool matches(struct span wanted, struct span text)
{
    return wanted.len == 0 || span_equal_nocase(wanted, text);
}

/* The story of an id that nobody knows is none; nor is a departure whose message is another's. */
static bool is_wanted(const struct tracking_search *search, const struct tracking_story *story)
{
    const struct tracking_query *query = search->query;

    if (query->in_the_clear)
        return matches(query->sender, story->envelope.sender) &&
               (query->message_id.len == 0 ||
                span_equal(query->message_id, story->envelope.message_id));
    return story->event_count > 0 || story->envelope.received_at_s > 0;
}

static void drop_unwanted(struct tracking_search *search)
{
    size_t kept = 0;

    for (size_t i = 0; i < search->count; i++)
        if (is_wanted(search, &search->stories[i]))
            search->stories[kept++] = search->stories[i];
    search->count = kept;
}

bool tracking_find(const char *folder, const struct tracking_query *query, struct arena *arena,
                   struct tracking_story **stories, size_t *count, struct error *err)
{
    struct tracking_search search = { .query = query, .folder = folder, .arena = arena };

    assert(query->most > 0);
    *stories = NULL;
    *count = 0;
    search.stories = arena_new(arena, query->most, sizeof *search.stories);
    search.rooms = arena_new(arena, query->most, sizeof *search.rooms);
    if (search.stories != NULL && search.rooms != NULL && !search_days(&search, err))
        return error_wrap(err, "looking into tracking");
    if (arena->exhausted)
        return error_set(err, ERROR_MEMORY, "there are more stories than there is memory for");
    drop_unwanted(&search);
    *stories = search.stories;
    *count = search.count;
    return true;
}
