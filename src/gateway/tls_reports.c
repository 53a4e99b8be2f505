#include "gateway/tls_reports.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "gateway/tls_reports_parts.h"
#include "net/work.h"

enum { LOOK_MS = 5000, LIST_ARENA = 1 << 20 };

int64_t tls_reports_now_s(const struct tls_reports *reports)
{
    return reports->settings.clock->wall_s(reports->settings.clock);
}

/* ---- the file ---- */

static bool open_file(struct tls_reports_work *work)
{
    struct tls_reports *reports = work->reports;

    return reports->database.connection != NULL ||
           tls_file_open(&reports->database, reports->settings.state_dir, &work->was_put_aside,
                         &work->err);
}

static void run_work(void *owner) /* on a pool thread */
{
    struct tls_reports_work *work = owner;

    work->is_good = open_file(work) && work->run(work, &work->reports->database, &work->err);
}

static void note_work(const struct tls_reports_work *work)
{
    struct tls_reports *reports = work->reports;
    struct log *log = reports->settings.log;

    if (log != NULL && work->was_put_aside)
        log_event(log, LOG_WARN, "reports-lost", "file=reports.db.damaged");
    if (log != NULL && !work->is_good && !reports->has_complained)
        log_event(log, LOG_WARN, "reports-unwritten", "reason=%s", work->err.text);
    reports->has_complained = !work->is_good;
}

/* Where a drain waits and nothing is under way, it is told. */
static void go_on(struct tls_reports *reports)
{
    if (reports->drained != NULL && !reports->is_drained && !reports->is_at_work &&
        reports->first == NULL && reports->batch == NULL && reports->sendings == NULL)
        loop_timer_start(reports->tell, 0);
}

static void work_on(struct tls_reports *reports);

static void end_work(void *owner)
{
    struct tls_reports_work *work = owner;
    struct tls_reports *reports = work->reports;

    reports->is_at_work = false;
    note_work(work);
    work->done(work); /* may free it */
    work_on(reports);
    go_on(reports);
}

static void work_on(struct tls_reports *reports)
{
    while (!reports->is_at_work && reports->first != NULL) {
        struct tls_reports_work *work = reports->first;

        reports->first = work->next;
        if (reports->first == NULL)
            reports->end = &reports->first;
        reports->is_at_work = true;
        if (work_start(reports->settings.loop, run_work, end_work, work, &work->err))
            return;
        reports->is_at_work = false;
        note_work(work);
        work->done(work);
    }
}

void tls_reports_ask(struct tls_reports *reports, struct tls_reports_work *work)
{
    work->reports = reports;
    work->next = NULL;
    work->is_good = work->was_put_aside = false;
    work->err = (struct error){ .text = "" };
    *reports->end = work;
    reports->end = &work->next;
    work_on(reports);
}

/* ---- looking for what is due ---- */

struct look {
    struct tls_reports_work work; /* first, so that work is its look */
    struct arena arena;
    int64_t now_s, expired_day;
    size_t most;
    struct tls_file_entry *entries;
    size_t count;
};

static bool run_look(struct tls_reports_work *work, struct database *database, struct error *err)
{
    struct look *look = (struct look *)work;
    int64_t today = look->now_s / TLS_FILE_DAY_S;

    if (look->expired_day != today && !tls_file_expire(database, today, err))
        return false;
    return look->most == 0 || tls_file_due(database, look->now_s, look->most, &look->arena,
                                           &look->entries, &look->count, err);
}

static void end_look(struct tls_reports_work *work)
{
    struct look *look = (struct look *)work;
    struct tls_reports *reports = work->reports;

    reports->is_looking = false;
    if (work->is_good)
        reports->expired_day = look->now_s / TLS_FILE_DAY_S;
    for (size_t i = 0; work->is_good && i < look->count; i++)
        tls_report_sending_start(reports, &look->entries[i]);
    arena_clear(&look->arena);
    memory_free(look);
}

static bool may_send(const struct tls_reports *reports)
{
    return reports->profile->reports.sends && reports->settings.door != NULL &&
           reports->settings.dns != NULL;
}

static void look_now(struct tls_reports *reports)
{
    struct look *look;
    int64_t now_s = tls_reports_now_s(reports);
    bool sends = may_send(reports) && reports->sending_count < TLS_REPORTS_AT_ONCE;

    if (reports->is_looking || (!sends && reports->expired_day == now_s / TLS_FILE_DAY_S))
        return;
    look = memory_new(1, sizeof *look);
    if (look == NULL)
        return;
    arena_init(&look->arena, LIST_ARENA);
    look->work.run = run_look;
    look->work.done = end_look;
    look->now_s = now_s;
    look->expired_day = reports->expired_day;
    look->most = sends ? TLS_REPORTS_AT_ONCE + reports->sending_count : 0;
    reports->is_looking = true;
    tls_reports_ask(reports, &look->work);
}

static void look_in_time(void *owner)
{
    struct tls_reports *reports = owner;

    if (reports->drained != NULL)
        return;
    look_now(reports);
    loop_timer_start(reports->look,
                     reports->settings.look_ms > 0 ? reports->settings.look_ms : LOOK_MS);
}

/* ---- start and end ---- */

static void write_in_time(void *owner)
{
    tls_reports_write(owner);
}

static void tell_drained(void *owner)
{
    struct tls_reports *reports = owner;

    reports->is_drained = true;
    reports->drained(reports->owner);
}

bool tls_reports_open(const struct tls_reports_settings *settings, struct gateway_profile *profile,
                      struct tls_reports **reports, struct error *err)
{
    AUTO(tls_reports_close) struct tls_reports *made = memory_new(1, sizeof *made);

    *reports = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for TLS reports");
    made->settings = *settings;
    made->end = &made->first;
    made->expired_day = -1;
    made->profile = gateway_profile_hold(profile);
    if (!loop_timer_open(settings->loop, write_in_time, made, &made->write, err) ||
        !loop_timer_open(settings->loop, look_in_time, made, &made->look, err) ||
        !loop_timer_open(settings->loop, tell_drained, made, &made->tell, err))
        return false;
    loop_timer_start(made->look, 0);
    *reports = TAKE(made);
    return true;
}

void tls_reports_reload(struct tls_reports *reports, struct gateway_profile *profile)
{
    struct gateway_profile *before = reports->profile;

    reports->profile = gateway_profile_hold(profile);
    gateway_profile_release(&before);
    if (reports->drained == NULL)
        loop_timer_start(reports->look, 0);
}

void tls_reports_drain(struct tls_reports *reports, void (*drained)(void *owner), void *owner)
{
    assert(reports->drained == NULL);
    reports->drained = drained;
    reports->owner = owner;
    loop_timer_stop(reports->look);
    loop_timer_stop(reports->write);
    tls_report_sending_stop(reports);
    tls_reports_write(reports);
    go_on(reports);
}

void tls_reports_close(struct tls_reports **reports)
{
    struct tls_reports *closing = *reports;

    *reports = NULL;
    if (closing == NULL)
        return;
    assert(!closing->is_at_work && closing->sendings == NULL);
    tls_reports_free_batch(&closing->batch);
    loop_timer_close(&closing->write);
    loop_timer_close(&closing->look);
    loop_timer_close(&closing->tell);
    database_close(&closing->database);
    gateway_profile_release(&closing->profile);
    memory_free(closing);
}
