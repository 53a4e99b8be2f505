/* queue/tracking_search.h - what the files that look into tracking share. Internal to queue/.
 */
#pragma once

#include "queue/database.h"
#include "queue/tracking.h"

#define TRACKING_ATTEMPT_COLUMNS "at, milliseconds, relay, tls, code, reply, finding"

/* What is looked for, and what was found so far. */
struct tracking_search {
    const struct tracking_query *query;
    const char *folder;
    struct arena *arena;
    int64_t *days; /* that there is a file of, in order */
    size_t day_count;

    struct tracking_story *stories;
    size_t *rooms; /* of events, one a story */
    size_t count;

    bool by_ids; /* only these messages are meant; in order, once they all are known */
    int64_t *ids;
    size_t id_count, id_room;

    struct database database; /* of the day that is looked at */
    bool
        has_wishes; /* that day; not one that was begun before messages said what they ask of TLS */
    bool has_sessions; /* that day; not one that was begun before attempts named theirs */
};

/* Takes a row of a result; false: enough. */
typedef bool tracking_take(struct tracking_search *search, sqlite3_stmt *row, size_t index);

/* Parameters of the query by number, wherever `sql` uses them: 1 since, 2 until, 3 id, 4 sender, 5 recipient,
 * 6 message id, 8 destination, 9 finding; 7 is the id of story `index`. */
MUST_CHECK bool tracking_search_run(struct tracking_search *search, const char *sql, size_t index,
                                    tracking_take *take, struct error *err);

/* Opens that day; whoever looked into it closes `database`. */
MUST_CHECK bool tracking_search_open(struct tracking_search *search, int64_t day,
                                     struct error *err);

/* SQL, "" or beginning with AND, about the columns `recipient` and, `with_sessions`, `destination`. */
const char *tracking_condition_of_destination(const struct tracking_query *query,
                                              bool with_sessions);

struct queue_attempt tracking_read_attempt(sqlite3_stmt *row, int first, struct arena *arena);
struct queue_envelope tracking_read_envelope(sqlite3_stmt *row, struct arena *arena);

/* Puts its session, and a diagnosis of it, to each event that names one. */
MUST_CHECK bool tracking_search_sessions(struct tracking_search *search, struct error *err);

/* One story for each recipient that left in the clear, without its envelope. */
MUST_CHECK bool tracking_search_clear(struct tracking_search *search, struct error *err);
