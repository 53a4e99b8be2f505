/* trust/tls_report.h - one TLS report (RFC 8460 section 4) in memory, and its JSON both ways (pure).
 *
 * The reader believes nothing: bytes, policies, failures and texts are bounded, and what a report says of itself is
 * only what its sender says. Its texts are UTF-8 as they came: text_printable before anybody sees them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum {
    TLS_REPORT_BYTES_MOST = 2 << 20, /* of JSON that is read */
    TLS_REPORT_POLICIES_MOST = 1000, /* of one report */
    TLS_REPORT_FAILURES_MOST = 5000, /* of one policy */
    TLS_REPORT_STRINGS_MOST = 500,   /* of a policy's text, and of its hosts */
};

enum tls_report_policy_type { TLS_REPORT_TLSA, TLS_REPORT_STS, TLS_REPORT_NO_POLICY };

const char *tls_report_policy_type_name(enum tls_report_policy_type type); /* "no-policy-found" */

/* Texts are never NULL in what was read; where one is written, NULL is "". All but `result_type` may be "". */
struct tls_report_failure {
    const char *result_type; /* RFC 8460 section 4.3; a reader takes words that it does not know */
    const char *sending_mta_ip, *receiving_mx_hostname, *receiving_mx_helo, *receiving_ip;
    const char *additional_information; /* a URI */
    const char *failure_reason_code;
    int64_t failed_sessions;
};

struct tls_report_policy {
    enum tls_report_policy_type type;
    const char *const *strings; /* the TLSA records, the lines of the MTA-STS policy */
    size_t string_count;
    const char *domain; /* of TLSA: the base domain, RFC 8460 section 1.1 */
    const char *const *mx_hosts;
    size_t mx_count;
    int64_t successes, failures;
    const struct tls_report_failure *details;
    size_t detail_count;
};

struct tls_report {
    const char *organization, *contact, *id;
    int64_t start_s,
        end_s; /* seconds since 1970 of the first and of the last second that it is about */
    const struct tls_report_policy *policies;
    size_t policy_count;
};

/* On one line, without an LF. NULL: no memory, or the arena is exhausted. Octets that are no UTF-8 are escaped. */
const char *tls_report_write(const struct tls_report *report, struct arena *arena);

/* ERROR_FORMAT names the member that is wrong: "policies[2].summary is not an object". Some senders write
 * `mx-host` and `policy-string` as one text, and leave out what is empty: both are taken. */
MUST_CHECK bool tls_report_read(struct span json, struct arena *arena, struct tls_report *report,
                                struct error *err);
