/* gateway/tls_reports.h - what sessions with servers showed, counted, and told to their domains day by day (RFC 8460).
 *
 * Every session is counted under each policy that it met (gateway/tls_report_tally.h says how), by UTC day. Counts
 * are kept in STATE_DIR/reports.db (gateway/tls_report_file.h), written on a pool thread some seconds after a session: the
 * loop never waits for a disk, and a crash forgets the last seconds. What cannot be
 * counted is told of in the log ("reports-uncounted").
 *
 * Where the settings say `send`, each domain whose `_smtp._tls` asks for it gets its report at a random time of the
 * day after: by our own queue as mail, and by HTTPS POST. What fails is tried again, for a day. A report that is handed
 * over is never handed over again, restarts or not.
 *
 * Everything here belongs to the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/profile.h"
#include "gateway/tls_report_tally.h"
#include "net/dns.h"
#include "net/loop.h"
#include "queue/store.h"

struct https;

/* Borrowed, all but `profile`, of which there is a hold. */
struct tls_reports_settings {
    struct loop *loop;
    const char *state_dir; /* copied; must exist */
    const struct clock *clock;
    struct log *log;            /* NULL: none */
    struct queue_door *door;    /* NULL: nothing is sent */
    struct dns *dns;            /* NULL: nothing is sent */
    struct https *https;        /* NULL: nothing is posted */
    void (*woken)(void *owner); /* a report is in the queue; NULL */
    void *owner;
    int64_t write_after_ms; /* 0: some seconds */
    int64_t look_ms;        /* between two looks at what is due; 0: a minute */
};

struct tls_reports;

/* Reads nothing yet: the file is opened on a pool thread. */
MUST_CHECK bool tls_reports_open(const struct tls_reports_settings *settings,
                                 struct gateway_profile *profile, struct tls_reports **reports,
                                 struct error *err);

/* From now on by this profile's `reports`. */
void tls_reports_reload(struct tls_reports *reports, struct gateway_profile *profile);

/* Cheap: nothing waits for a disk. */
void tls_reports_count(struct tls_reports *reports, const struct tls_report_session *session);

/* Writes what is not written yet and lets what is under way end; then `drained`, once, not inside this call. Nothing
 * is counted after it. */
void tls_reports_drain(struct tls_reports *reports, void (*drained)(void *owner), void *owner);

/* After `drained`, or where the loop has never run since it was opened. */
void tls_reports_close(struct tls_reports **reports);
