#include "diagnose/reason.h"

#include <assert.h>
#include <string.h>

enum { CODES = 4 };

/* What each reason is found by: these codes first; else whatever is fatal, or untrusted, at these steps. */
static const struct row {
    const char *codes[CODES];
    unsigned steps; /* a set of enum step */
    enum severity least;
    const char *otherwise; /* NULL: there is nothing to tell */
} rows[] = {
    [POLICY_REASON_FINE] = { .otherwise = NULL },
    [POLICY_REASON_LEVEL_NONE] = { .otherwise = NULL },
    [POLICY_REASON_UNANSWERED] = { .steps =
                                       1U << STEP_CONNECT | 1U << STEP_GREETING | 1U << STEP_EHLO,
                                   .least = SEVERITY_FATAL },
    [POLICY_REASON_NOT_OFFERED] = { .codes = { "starttls-masked", "starttls-not-offered" },
                                    .steps = 1U << STEP_EHLO,
                                    .least = SEVERITY_FATAL,
                                    .otherwise = "starttls-not-offered" },
    [POLICY_REASON_REFUSED] = { .codes = { "starttls-refused-temporarily", "starttls-refused" },
                                .steps = 1U << STEP_STARTTLS,
                                .least = SEVERITY_FATAL,
                                .otherwise = "starttls-refused" },
    [POLICY_REASON_HANDSHAKE] = { .steps = 1U << STEP_STARTTLS | 1U << STEP_HANDSHAKE,
                                  .least = SEVERITY_FATAL,
                                  .otherwise = "handshake-alert" },
    [POLICY_REASON_AFTER_TLS] = { .steps = 1U << STEP_AFTER_TLS,
                                  .least = SEVERITY_FATAL,
                                  .otherwise = "after-tls-closed" },
    [POLICY_REASON_INJECTED] = { .codes = { "starttls-injected" },
                                 .otherwise = "starttls-injected" },
    [POLICY_REASON_CLIENT_CERTIFICATE] = { .codes = { "client-certificate-expired",
                                                      "client-certificate-unusable",
                                                      "client-certificate-rejected" },
                                           .otherwise = "client-certificate-rejected" },
    [POLICY_REASON_NOT_TRUSTED] = { .steps = 1U << STEP_CERTIFICATE,
                                    .least = SEVERITY_UNTRUSTED,
                                    .otherwise = "certificate-other" },
    [POLICY_REASON_HOST_NOT_NAMED] = { .codes = { "certificate-name-only-in-cn",
                                                  "certificate-name-mismatch" },
                                       .otherwise = "certificate-name-mismatch" },
    [POLICY_REASON_DOMAIN_NOT_NAMED] = { .codes = { "certificate-name-only-in-cn",
                                                    "certificate-name-mismatch" },
                                         .otherwise = "certificate-name-mismatch" },
    [POLICY_REASON_FINGERPRINT] = { .codes = { "fingerprint-mismatch" },
                                    .otherwise = "fingerprint-mismatch" },
    [POLICY_REASON_TLSA_MISMATCH] = { .codes = { "tlsa-mismatch" }, .otherwise = "tlsa-mismatch" },
    [POLICY_REASON_TLSA_LOOKUP] = { .codes = { "tlsa-lookup-failed" },
                                    .otherwise = "tlsa-lookup-failed" },
    [POLICY_REASON_TLSA_REQUIRED] = { .codes = { "tlsa-unusable", "tlsa-lookup-failed",
                                                 "dane-required" },
                                      .otherwise = "dane-required" },
    [POLICY_REASON_STS_HOST] = { .codes = { "sts-host-not-listed" },
                                 .otherwise = "sts-host-not-listed" },
    [POLICY_REASON_STS_UNKNOWN] = { .codes = { "level-unavailable" },
                                    .otherwise = "level-unavailable" },
    [POLICY_REASON_VERSION] = { .codes = { "version-below-minimum" },
                                .otherwise = "version-below-minimum" },
    [POLICY_REASON_REQUIRETLS] = { .codes = { "requiretls-not-offered" },
                                   .otherwise = "requiretls-not-offered" },
    [POLICY_REASON_HOST_INSECURE] = { .codes = { "requiretls-host-insecure" },
                                      .otherwise = "requiretls-host-insecure" },
};

/* A name that does not fit is another reason than a chain that is not trusted. */
static bool is_about_names(const struct finding *finding)
{
    return strcmp(finding->code, "certificate-name-mismatch") == 0 ||
           strcmp(finding->code, "certificate-name-only-in-cn") == 0;
}

/* Root causes come first in the list. */
static const struct finding *find_by_step(const struct row *row, const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        if ((row->steps & 1U << finding->step) != 0 && finding->severity >= row->least &&
            !is_about_names(finding))
            return finding;
    }
    return NULL;
}

/* Where the cause of it was found too, that is the reason: a record that an expired certificate keeps from matching. */
static const struct finding *cause_of(const struct finding *finding,
                                      const struct findings *findings)
{
    const struct finding *cause =
        finding->because_of == NULL ? NULL : findings_find(findings, finding->because_of);

    return cause != NULL && cause->severity >= SEVERITY_UNTRUSTED ? cause : finding;
}

const struct finding *reason_find(enum policy_reason reason, const struct findings *findings)
{
    const struct row *row = &rows[reason];

    assert((size_t)reason < ARRAY_SIZE(rows));
    for (size_t i = 0; i < CODES && row->codes[i] != NULL; i++) {
        const struct finding *finding = findings_find(findings, row->codes[i]);

        if (finding != NULL)
            return cause_of(finding, findings);
    }
    return find_by_step(row, findings);
}

const char *reason_code(enum policy_reason reason, const struct findings *findings)
{
    const struct finding *finding = reason_find(reason, findings);

    return finding == NULL ? rows[reason].otherwise : finding->code;
}
