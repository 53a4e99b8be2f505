/* queue/tracking_sessions.c - the sessions that attempts went through, and what of them left in the clear. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/id.h"
#include "queue/tracking_days.h"
#include "queue/tracking_search.h"

enum { SQL_BYTES = 2048, DAYS_BYTES = 1024 * 1024 };

#define SESSION_COLUMNS                                                                            \
    "id, at, of_session, destination, relay, level, rule, tls, decision, why_clear, findings, "    \
    "would, changes, told, observation"

/* ---- sessions ------------------------------------------------------------------------------- */

/* One that is asked for, and what has it. */
struct wanted {
    int64_t id;
    struct tracking_event *event;
};

struct gathering {
    struct tracking_search *search;
    struct wanted *wanted; /* in order of ids */
    size_t count;
};

static struct queue_session *read_session(sqlite3_stmt *row, struct arena *arena)
{
    struct queue_session *session = arena_new(arena, 1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->id = sqlite3_column_int64(row, 0);
    session->at_s = sqlite3_column_int64(row, 1);
    session->of_session = sqlite3_column_int64(row, 2);
    session->destination = database_text(row, 3, arena);
    session->relay = database_text(row, 4, arena);
    session->level = database_text(row, 5, arena);
    session->rule = database_text(row, 6, arena);
    session->tls = database_text(row, 7, arena);
    session->decision = database_text(row, 8, arena);
    session->why_clear = database_text(row, 9, arena);
    session->findings = database_text(row, 10, arena);
    session->would = database_text(row, 11, arena);
    session->changes = database_text(row, 12, arena);
    session->told = database_text(row, 13, arena);
    session->observation = database_text(row, 14, arena);
    return session;
}

static int compare_wanted(const void *a, const void *b)
{
    int64_t one = ((const struct wanted *)a)->id, other = ((const struct wanted *)b)->id;

    return (one > other) - (one < other);
}

static bool gather(struct gathering *gathering)
{
    struct tracking_search *search = gathering->search;
    size_t count = 0;

    for (size_t i = 0; i < search->count; i++)
        count += search->stories[i].event_count;
    gathering->wanted = arena_new(search->arena, count + 1, sizeof *gathering->wanted);
    if (gathering->wanted == NULL)
        return false;
    for (size_t i = 0; i < search->count; i++)
        for (size_t k = 0; k < search->stories[i].event_count; k++) {
            struct tracking_event *event = &search->stories[i].events[k];

            if (event->attempt.session != 0)
                gathering->wanted[gathering->count++] =
                    (struct wanted){ event->attempt.session, event };
        }
    qsort(gathering->wanted, gathering->count, sizeof *gathering->wanted, compare_wanted);
    return true;
}

/* NULL: that day does not have it. */
static const struct queue_session *look_up(struct tracking_search *search, sqlite3_stmt *statement,
                                           int64_t id)
{
    const struct queue_session *session = NULL;

    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, id);
    if (sqlite3_step(statement) == SQLITE_ROW)
        session = read_session(statement, search->arena);
    sqlite3_reset(statement);
    return session;
}

/* It was told when it was new, and a diagnosis of it soon afterwards. */
static bool may_be_of(int64_t id, int64_t day)
{
    int64_t own_day = tracking_day_of(queue_id_time_s(id));

    return day + 1 >= own_day && day <= own_day + 1;
}

static void fill_from(struct gathering *gathering, int64_t day, sqlite3_stmt *sessions,
                      sqlite3_stmt *diagnoses)
{
    const struct queue_session *session = NULL, *diagnosis = NULL;

    for (size_t i = 0; i < gathering->count; i++) {
        struct wanted *wanted = &gathering->wanted[i];

        if (!may_be_of(wanted->id, day))
            continue;
        if (i == 0 || wanted[-1].id != wanted->id) {
            session = wanted->event->session == NULL
                          ? look_up(gathering->search, sessions, wanted->id)
                          : NULL;
            diagnosis = look_up(gathering->search, diagnoses, wanted->id);
        }
        if (session != NULL)
            wanted->event->session = session;
        if (diagnosis != NULL)
            wanted->event->diagnosis = diagnosis;
    }
}

static bool fill_of_day(struct gathering *gathering, int64_t day, struct error *err)
{
    struct tracking_search *search = gathering->search;
    sqlite3 *connection = search->database.connection;
    sqlite3_stmt *sessions = NULL, *diagnoses = NULL;
    int code = sqlite3_prepare_v2(
        connection, "SELECT " SESSION_COLUMNS " FROM session WHERE id = ?1", -1, &sessions, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(connection,
                                  "SELECT " SESSION_COLUMNS
                                  " FROM session WHERE of_session = ?1 AND of_session <> 0"
                                  " ORDER BY id DESC LIMIT 1",
                                  -1, &diagnoses, NULL);
    if (code == SQLITE_OK)
        fill_from(gathering, day, sessions, diagnoses);
    (void)database_status(&search->database, code, err);
    sqlite3_finalize(sessions);
    sqlite3_finalize(diagnoses);
    return code == SQLITE_OK;
}

static bool has_any_of(const struct gathering *gathering, int64_t day)
{
    for (size_t i = 0; i < gathering->count; i++)
        if (may_be_of(gathering->wanted[i].id, day))
            return true;
    return false;
}

static bool look_into(struct gathering *gathering, int64_t day, struct error *err)
{
    struct tracking_search *search = gathering->search;
    bool is_done;

    if (!tracking_search_open(search, day, err))
        return false;
    is_done = !search->has_sessions || fill_of_day(gathering, day, err);
    database_close(&search->database);
    return is_done;
}

bool tracking_search_sessions(struct tracking_search *search, struct error *err)
{
    struct gathering gathering = { .search = search };

    if (!gather(&gathering))
        return true; /* the arena says so */
    for (size_t i = 0; i < search->day_count; i++)
        if (has_any_of(&gathering, search->days[i]) && !look_into(&gathering, search->days[i], err))
            return false;
    return true;
}

/* The newest day that has any, as ids go with the time. */
static bool find_newest(struct tracking_search *search, int64_t *id, struct error *err)
{
    for (size_t i = search->day_count; i > 0 && *id == 0; i--) {
        if (!tracking_search_open(search, search->days[i - 1], err))
            return false;
        if (search->has_sessions)
            *id = database_number(&search->database, "SELECT coalesce(max(id), 0) FROM session", 0);
        database_close(&search->database);
    }
    return true;
}

bool tracking_newest_session(const char *folder, int64_t *id, struct error *err)
{
    struct arena arena;
    struct tracking_search search = { .folder = folder, .arena = &arena };
    bool is_found;

    *id = 0;
    arena_init(&arena, DAYS_BYTES);
    is_found = tracking_days_list(folder, &arena, &search.days, &search.day_count, err) &&
               find_newest(&search, id, err);
    arena_clear(&arena);
    return is_found || error_wrap(err, "looking into tracking");
}

/* ---- in the clear --------------------------------------------------------------------------- */

static bool take_departure(struct tracking_search *search, sqlite3_stmt *row, size_t index)
{
    struct tracking_event *event = arena_new(search->arena, 1, sizeof *event);
    struct tracking_story *story = &search->stories[search->count];

    (void)index;
    if (event == NULL)
        return false;
    *event = (struct tracking_event){ .kind = TRACKING_DONE,
                                      .id = sqlite3_column_int64(row, 0),
                                      .recipient = database_text(row, 1, search->arena),
                                      .attempt = tracking_read_attempt(row, 2, search->arena) };
    event->attempt.session = sqlite3_column_int64(row, 9);
    *story = (struct tracking_story){ .envelope.id = event->id, .events = event, .event_count = 1 };
    search->count++;
    return search->count < search->query->most;
}

/* Delivered without TLS to a server elsewhere, which has its address in brackets: no Maildir, no local socket, and no
 * LMTP, which is for our own. What its session says counts where tracking has it. */
bool tracking_search_clear(struct tracking_search *search, struct error *err)
{
    const struct tracking_query *query = search->query;
    char sql[SQL_BYTES];

    snprintf(
        sql, sizeof sql,
        "SELECT message, recipient, at, milliseconds, relay, tls, code, reply, finding, session"
        " FROM (SELECT event.*, %s"
        " WHERE kind = 1 AND tls = '' AND at >= ?1 AND at <= ?2"
        " AND (why_clear <> '' OR (why_clear IS NULL AND relay LIKE '%%[%%]:%%'"
        " AND relay NOT LIKE 'lmtp:%%' AND relay NOT LIKE 'maildir:%%'))"
        "%s%s%s%s ORDER BY at, number",
        search->has_sessions
            ? "of.destination, of.why_clear, of.findings FROM event"
              " LEFT JOIN session AS of ON of.id = event.session)"
            : "0 AS session, NULL AS destination, NULL AS why_clear, '' AS findings FROM event)",
        query->id != 0 ? " AND message = ?3" : "",
        query->recipient.len > 0 ? " AND recipient = ?5" : "",
        tracking_condition_of_destination(query, true),
        query->finding.len > 0 ? " AND (finding = ?9 OR"
                                 " instr(' ' || findings || ' ', ' ' || ?9 || ' ') > 0)"
                               : "");
    return tracking_search_run(search, sql, 0, take_departure, err);
}
