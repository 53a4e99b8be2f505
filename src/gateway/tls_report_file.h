/* gateway/tls_report_file.h - the counts of TLS reports, and what became of each report, in STATE_DIR/reports.db.
 *
 * Blocks: for a pool thread, one at a time, and for `postern report`, which looks at the file while a gateway writes it.
 * A day is a number of days since 1970 in UTC. Bounds are kept here: of a day with more than REPORTS_DOMAINS_MOST
 * domains, of a domain with more than TLS_FILE_POLICIES policies a day, and of a policy with more than TLS_FILE_FAILURES
 * different failures, the rest is counted without the particulars.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "queue/database.h"
#include "trust/tls_report.h"

enum {
    TLS_FILE_DAYS = 14,         /* how long counts are kept */
    TLS_FILE_DOMAINS = 50000,   /* of one day */
    TLS_FILE_POLICIES = 32,     /* of one domain on one day */
    TLS_FILE_FAILURES = 200,    /* of one policy */
    TLS_FILE_STRINGS = 16384,   /* octets of a policy's text, and of its hosts */
    TLS_FILE_DAY_S = 86400,     /* seconds */
    TLS_FILE_TRIES_S = 86400,   /* how long a report is tried: RFC 8460 section 5.5 */
    TLS_FILE_TOO_LATE_DAYS = 3, /* a report that was not begun by then is not sent */
    TLS_FILE_COPIES = 10,       /* addresses of one domain that get its report */
};

/* Sessions that showed the same, of one day. */
struct tls_file_count {
    struct tls_file_count *next;
    int64_t day;
    const char *domain;
    struct tls_report_policy policy;
};

/* What became of a report. */
enum tls_file_state {
    TLS_FILE_WAITING, /* for `next_at_s` */
    TLS_FILE_ENDED,   /* `said` has the end, and each copy its own */
};

/* Of one report, or of one copy of it. */
enum tls_copy_state {
    TLS_COPY_WAITING,
    TLS_COPY_IN_HAND, /* being handed over; after a crash nobody knows, and it is not sent again */
    TLS_COPY_SENT,
    TLS_COPY_FAILED,
    TLS_COPY_UNKNOWN, /* it was in hand when the gateway fell over */
    TLS_COPY_STATES,
};
const char *tls_copy_state_name(enum tls_copy_state state); /* "sent" */

struct tls_file_copy {
    const char *uri;
    enum tls_copy_state state;
    int64_t at_s;     /* of the last attempt */
    const char *said; /* of its last attempt, in words */
};

struct tls_file_entry {
    int64_t day;
    const char *domain;
    int64_t successes, failures; /* of sessions, under all policies */
    enum tls_file_state state;
    int64_t next_at_s;
    int64_t until_s; /* the last attempt; 0: none was made */
    int64_t attempts;
    const char *said; /* "" */
    struct tls_file_copy *copies;
    size_t copy_count;
};

/* Opens to read and write; a file that is damaged is put aside and begun anew, *was_put_aside. With NULL for that, as where
 * a gateway may have it open, it is a failure. */
MUST_CHECK bool tls_file_open(struct database *database, const char *state_dir, bool *was_put_aside,
                              struct error *err);

/* Opens to read what a gateway writes; ERROR_USAGE: there is no file yet. */
MUST_CHECK bool tls_file_look(struct database *database, const char *state_dir, struct error *err);

/* All of them or none. A domain that is new on a day gets its report planned for a random time of the day after.
 * *left_out: sessions of domains beyond the bound. */
MUST_CHECK bool tls_file_add(struct database *database, const struct tls_file_count *counts,
                             int64_t *left_out, struct error *err);

/* Drops what is older than TLS_FILE_DAYS. */
MUST_CHECK bool tls_file_expire(struct database *database, int64_t today, struct error *err);

/* Reports, by day and domain; day -1 and domain NULL: any. At most `most`. Texts are the arena's. */
MUST_CHECK bool tls_file_list(struct database *database, int64_t day, const char *domain,
                              size_t most, struct arena *arena, struct tls_file_entry **entries,
                              size_t *count, struct error *err);

/* The policies of one report, with `id` and the range; who reports is left to the caller. Without sessions there are no
 * policies. */
MUST_CHECK bool tls_file_load(struct database *database, int64_t day, const char *domain,
                              struct arena *arena, struct tls_report *report, struct error *err);

/* The name of this very gateway in its reports, which stays: letters and digits. */
MUST_CHECK bool tls_file_instance(struct database *database, struct arena *arena,
                                  const char **instance, struct error *err);

/* ---- sending ---- */

/* Reports of days that are over and whose time has come, the longest due first; at most `most`, without copies. */
MUST_CHECK bool tls_file_due(struct database *database, int64_t now_s, size_t most,
                             struct arena *arena, struct tls_file_entry **entries, size_t *count,
                             struct error *err);

/* Takes those copies in hand that are to be handed over now: `uris` are what the domain asks for. The others of the
 * report are told with them; one that was in hand already, and is of an attempt that was never settled, is unknown from
 * now on. First and last attempt are noted. */
MUST_CHECK bool tls_file_take(struct database *database, struct tls_file_entry *entry,
                              const char *const *uris, size_t uri_count, int64_t now_s,
                              struct arena *arena, struct error *err);

/* What became of the copies; then waits for `next_at_s` where one is to be tried again, else it has ended. */
MUST_CHECK bool tls_file_settle(struct database *database, const struct tls_file_entry *entry,
                                struct error *err);

/* A report that waits is due at once. *found: how many there were. */
MUST_CHECK bool tls_file_hurry(struct database *database, int64_t day, const char *domain,
                               int64_t now_s, int64_t *found, struct error *err);

/* When to try again after so many attempts: doubling, from 10 minutes to 4 hours. */
int64_t tls_file_pause_s(int64_t attempts);
