#include "queue/tracking_shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/tracking_days.h"
#include "queue/tracking_search.h"

enum { SQL_BYTES = 1024, ROWS_AT_FIRST = 256 };

/* Sessions with one destination that would have met one fate; no finding: they would have passed. */
struct row {
    struct span destination, finding;
    int64_t sessions;
};

struct counting {
    struct tracking_search search; /* first, so that a search is its counting */
    struct span level;
    struct row *rows;
    size_t count, room;
    int64_t first_s;
};

/* What stands behind "LEVEL=" in "encrypt=a verify=b". */
static struct span find_level(struct span would, struct span level)
{
    while (would.len > 0) {
        struct span word = span_take_until(&would, ' ');
        struct span name = span_take_until(&word, '=');

        if (span_equal(name, level))
            return word;
    }
    return (struct span){ NULL, 0 };
}

static struct row *add_row(struct counting *counting)
{
    struct row *larger;

    if (counting->count == counting->room) {
        counting->room = counting->room == 0 ? ROWS_AT_FIRST : counting->room * 2;
        larger = arena_new(counting->search.arena, counting->room, sizeof *larger);
        if (larger == NULL)
            return NULL;
        if (counting->count > 0)
            memcpy(larger, counting->rows, counting->count * sizeof *larger);
        counting->rows = larger;
    }
    return &counting->rows[counting->count++];
}

static bool take_row(struct tracking_search *search, sqlite3_stmt *statement, size_t index)
{
    struct counting *counting = (struct counting *)(void *)search;
    struct span would = database_borrow(statement, 1);
    int64_t first_s = sqlite3_column_int64(statement, 3);
    struct row *row;

    (void)index;
    if (span_equal(would, span_of("unknown")))
        return true;
    row = add_row(counting);
    if (row == NULL)
        return false;
    *row = (struct row){
        .destination = database_text(statement, 0, search->arena),
        .finding = arena_copy_bytes(search->arena, find_level(would, counting->level)),
        .sessions = sqlite3_column_int64(statement, 2),
    };
    if (first_s < counting->first_s)
        counting->first_s = first_s;
    return true;
}

static bool count_day(struct counting *counting, int64_t day, struct error *err)
{
    struct tracking_search *search = &counting->search;
    const struct tracking_query *query = search->query;
    const char *condition = "";
    char sql[SQL_BYTES];
    bool is_counted;

    if (!tracking_search_open(search, day, err))
        return false;
    if (query->destination.len > 0)
        condition = query->destination.data[0] == '.'
                        ? " AND substr(destination, -length(?8)) = ?8 COLLATE NOCASE"
                        : " AND destination = ?8";
    snprintf(sql, sizeof sql,
             "SELECT lower(destination), would, count(*), min(at) FROM session"
             " WHERE of_session = 0 AND at >= ?1 AND at <= ?2%s GROUP BY 1, 2",
             condition);
    is_counted = !search->has_sessions || tracking_search_run(search, sql, 0, take_row, err);
    database_close(&search->database);
    return is_counted;
}

static int compare_spans(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_destination(const void *left, const void *right)
{
    return compare_spans(((const struct row *)left)->destination,
                         ((const struct row *)right)->destination);
}

static int by_sessions(const void *left, const void *right)
{
    const struct tracking_shadow_cause *a = left, *b = right;

    if (a->sessions != b->sessions)
        return a->sessions < b->sessions ? 1 : -1;
    return compare_spans(a->finding, b->finding);
}

static int by_refused(const void *left, const void *right)
{
    const struct tracking_shadow_count *a = left, *b = right;

    if (a->refused != b->refused)
        return a->refused < b->refused ? 1 : -1;
    return compare_spans(a->destination, b->destination);
}

static void add_cause(struct tracking_shadow_count *sum, struct span finding, int64_t sessions)
{
    for (size_t i = 0; i < sum->cause_count; i++) {
        if (!span_equal(sum->causes[i].finding, finding))
            continue;
        sum->causes[i].sessions += sessions;
        return;
    }
    sum->causes[sum->cause_count++] = (struct tracking_shadow_cause){ finding, sessions };
}

/* Of those rows; there are as many causes as rows at most. */
static bool sum_up(const struct row *rows, size_t count, struct arena *arena,
                   struct tracking_shadow_count *sum)
{
    *sum = (struct tracking_shadow_count){ .causes =
                                               arena_new(arena, count + 1, sizeof *sum->causes) };
    if (sum->causes == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        sum->sessions += rows[i].sessions;
        if (rows[i].finding.len == 0)
            continue;
        sum->refused += rows[i].sessions;
        add_cause(sum, rows[i].finding, rows[i].sessions);
    }
    qsort(sum->causes, sum->cause_count, sizeof *sum->causes, by_sessions);
    return true;
}

static bool sum_up_destinations(struct counting *counting, struct tracking_shadow *shadow)
{
    struct arena *arena = counting->search.arena;
    const struct row *rows = counting->rows;

    shadow->destinations = arena_new(arena, counting->count + 1, sizeof *shadow->destinations);
    for (size_t from = 0, to; shadow->destinations != NULL && from < counting->count; from = to) {
        struct tracking_shadow_count *sum = &shadow->destinations[shadow->destination_count];

        for (to = from + 1; to < counting->count && by_destination(&rows[from], &rows[to]) == 0;)
            to++;
        if (!sum_up(&rows[from], to - from, arena, sum))
            return false;
        sum->destination = rows[from].destination;
        shadow->destination_count += sum->refused > 0;
        shadow->seen++;
    }
    if (shadow->destinations == NULL)
        return false;
    qsort(shadow->destinations, shadow->destination_count, sizeof *shadow->destinations,
          by_refused);
    return true;
}

static bool count_days(struct counting *counting, struct error *err)
{
    struct tracking_search *search = &counting->search;
    const struct tracking_query *query = search->query;

    if (!tracking_days_list(search->folder, search->arena, &search->days, &search->day_count, err))
        return false;
    for (size_t i = 0; i < search->day_count; i++)
        if (search->days[i] + 1 >= tracking_day_of(query->since_s) &&
            (query->until_s <= 0 || search->days[i] <= tracking_day_of(query->until_s) + 1) &&
            !count_day(counting, search->days[i], err))
            return false;
    return true;
}

bool tracking_shadow_find(const char *folder, const char *level, const struct tracking_query *query,
                          struct arena *arena, struct tracking_shadow *shadow, struct error *err)
{
    struct counting counting = {
        .search = { .query = query, .folder = folder, .arena = arena },
        .level = span_of(level),
        .first_s = INT64_MAX,
    };

    *shadow = (struct tracking_shadow){ .first_s = 0 };
    if (!count_days(&counting, err))
        return error_wrap(err, "looking into tracking");
    if (counting.count > 0)
        qsort(counting.rows, counting.count, sizeof *counting.rows, by_destination);
    if (arena->exhausted || !sum_up(counting.rows, counting.count, arena, &shadow->all) ||
        !sum_up_destinations(&counting, shadow))
        return error_set(err, ERROR_MEMORY, "there are more sessions than there is memory for");
    shadow->first_s = counting.count == 0 ? 0 : counting.first_s;
    return true;
}
