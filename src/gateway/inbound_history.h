/* gateway/inbound_history.h - what failed when others began TLS with us, by day and client; and what they report of it.
 *
 * Kept over restarts in STATE_DIR/inbound.db, written on a pool thread: the loop never waits for a disk, and a crash
 * forgets the last seconds of what failed. A report (RFC 8460) is kept once for each organization and report-id. A
 * file that cannot be read is put aside. Log: inbound-history-unwritten, inbound-history-lost.
 *
 * Bounds: INBOUND_HISTORY_DAYS days of INBOUND_HISTORY_ROWS_MOST rows; who comes with more addresses is counted
 * without them. Reports: INBOUND_HISTORY_REPORTS_MOST, and INBOUND_HISTORY_BYTES_MOST packed; the oldest go first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "diagnose/finding.h"
#include "gateway/received_report.h"
#include "link/inbound_observation.h"
#include "net/loop.h"

enum {
    INBOUND_HISTORY_DAYS = 90,
    INBOUND_HISTORY_ROWS_MOST = 5000, /* of one day */
    INBOUND_HISTORY_REPORTS_MOST = 5000,
    INBOUND_HISTORY_BYTES_MOST = 64 * 1024 * 1024,
    INBOUND_HISTORY_WAITING_MOST =
        10000, /* failures that are not written yet; more are not counted */
};

/* ---- the gateway, which writes ---- */

/* Borrowed. */
struct inbound_history_settings {
    struct loop *loop;
    const char *state_dir; /* copied; must exist */
    const struct clock *clock;
    struct log *log;        /* NULL: none */
    int64_t write_after_ms; /* 0: some seconds */
};

struct inbound_history;

MUST_CHECK bool inbound_history_open(const struct inbound_history_settings *settings,
                                     struct inbound_history **history, struct error *err);

/* A client's TLS with us failed, of which `finding` is the cause. From any thread; never waits. */
void inbound_history_tell(struct inbound_history *history,
                          const struct inbound_observation *observation,
                          const struct finding *finding);

enum inbound_history_fate {
    INBOUND_HISTORY_KEPT,
    INBOUND_HISTORY_KNOWN,      /* a report with that id of that organization is kept already */
    INBOUND_HISTORY_UNREADABLE, /* err says what is wrong with what was sent */
    INBOUND_HISTORY_FAILED,     /* ours: err */
};

struct inbound_history_outcome {
    enum inbound_history_fate fate;
    const struct received_report *received; /* of KEPT and KNOWN */
    struct error err;
};

/* A message that should have a report, or one in another form: read and kept on a pool thread, then `taken`, not
 * inside this call, once; what it is told is borrowed. False: no memory, and it is not called. On the loop's thread. */
MUST_CHECK bool inbound_history_take(struct inbound_history *history, struct span message,
                                     void (*taken)(void *owner,
                                                   const struct inbound_history_outcome *outcome),
                                     void *owner);

/* When nobody tells anything any more: writes what is not written yet; then `drained`, once, not inside this call. */
void inbound_history_drain(struct inbound_history *history, void (*drained)(void *owner),
                           void *owner);

/* After `drained`, or where the loop has never run since it was opened. */
void inbound_history_close(struct inbound_history **history);

/* ---- who looks into the file, from any process ---- */

/* What failed for one client on one day (UTC) at one place for one cause. */
struct inbound_failure {
    int64_t day;        /* days since 1970 */
    const char *client; /* address; "": of many, who were too many for the file */
    const char *helo;   /* what it called itself the last time; "" */
    const char *host;   /* our name */
    uint16_t port;
    const char *finding; /* its code, and its words the last time */
    const char *cause;
    int64_t count, first_s, last_s;
};

struct inbound_failures {
    struct inbound_failure *items; /* in order of days */
    size_t count;
    int64_t kept_s; /* how many seconds of the time asked for the gateway ran and would have seen */
};

/* What failed on the days of that time, in the arena. A folder without the file has nothing. */
MUST_CHECK bool inbound_history_failures(const char *state_dir, int64_t since_s, int64_t until_s,
                                         struct arena *arena, struct inbound_failures *failures,
                                         struct error *err);

/* A report that is kept; `json` as it was sent, unpacked. */
struct inbound_kept_report {
    int64_t received_s;
    struct span json;
};

/* Calls `found` with each kept report that is about some of that time, the oldest first. False from it: enough. */
MUST_CHECK bool inbound_history_reports(const char *state_dir, int64_t since_s, int64_t until_s,
                                        bool (*found)(void *owner,
                                                      const struct inbound_kept_report *report),
                                        void *owner, struct error *err);

/* Keeps a report from outside of the gateway, beside it if it runs. */
MUST_CHECK bool inbound_history_keep(const char *state_dir, const struct received_report *received,
                                     int64_t now_s, bool *is_new, struct error *err);
