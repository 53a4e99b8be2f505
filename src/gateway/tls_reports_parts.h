/* gateway/tls_reports_parts.h - what the files of gateway/tls_reports share and others must not see. */
#pragma once

#include "gateway/tls_report_file.h"
#include "gateway/tls_reports.h"

enum { TLS_REPORTS_AT_ONCE = 4 };

/* Work on the file: `run` on a pool thread, one at a time and in the order asked, then `done` on the loop. Where `run`
 * failed, or could not even begin, `err` says why. */
struct tls_reports_work {
    bool (*run)(struct tls_reports_work *work, struct database *database, struct error *err);
    void (*done)(struct tls_reports_work *work);
    struct tls_reports_work *next;
    struct tls_reports *reports;
    bool is_good, was_put_aside;
    struct error err;
};

struct tls_reports_batch;
struct tls_report_sending;

struct tls_reports {
    struct tls_reports_settings settings;
    struct gateway_profile *profile;
    struct database database; /* of whichever work runs */
    struct tls_reports_work *first, **end;
    bool is_at_work, has_complained;
    struct tls_reports_batch *batch; /* what is not written yet; NULL */
    int64_t uncounted;               /* sessions, since it was told of last */
    struct tls_report_sending *sendings;
    size_t sending_count;
    int64_t expired_day;
    bool is_looking;
    struct loop_timer *write, *look, *tell;
    void (*drained)(void *owner);
    void *owner;
    bool is_drained;
};

int64_t tls_reports_now_s(const struct tls_reports *reports);

/* `done` may be called within. */
void tls_reports_ask(struct tls_reports *reports, struct tls_reports_work *work);

/* ---- gateway/tls_reports_count.c ---- */

/* Has what is counted written, and tells of what could not be counted. */
void tls_reports_write(struct tls_reports *reports);
void tls_reports_free_batch(struct tls_reports_batch **batch);

/* ---- gateway/tls_report_sending.c ---- */

/* Hands a report over, unless it is being handed over. The entry is copied. */
void tls_report_sending_start(struct tls_reports *reports, const struct tls_file_entry *entry);

/* What can be called off is; the others come to their end. */
void tls_report_sending_stop(struct tls_reports *reports);
