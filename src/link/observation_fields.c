#include "link/observation_fields.h"

#include "link/observation.h"

/* ---- words ---- */

static const char *step_word(unsigned value)
{
    return step_name((enum step)value);
}

static const char *ending_word(unsigned value)
{
    return ending_name((enum ending)value);
}

static const char *dial_word(unsigned value)
{
    return dial_name((enum dial)value);
}

static const char *level_word(unsigned value)
{
    return policy_level_name((enum policy_level)value);
}

static const char *extension_word(unsigned bit)
{
    return smtp_extension_name((enum smtp_extension)(1U << bit));
}

static const struct words steps = { STEP_COUNT, step_word, NULL };
const struct words ending_words = { ENDING_COUNT, ending_word, NULL };
static const struct words dials = { DIAL_COUNT, dial_word, NULL };
static const struct words levels = { POLICY_LEVEL_COUNT, level_word, NULL };
static const struct words extensions = { 12, extension_word, NULL };

static const char *const security_list[] = {
    [DNS_INSECURE] = "insecure",
    [DNS_SECURE] = "secure",
    [DNS_VALIDATION_FAILED] = "bogus",
    [DNS_INDETERMINATE] = "indeterminate",
};
const struct words security_words = { ARRAY_SIZE(security_list), NULL, security_list };

static const char *const policy_tlsa_list[] = {
    [POLICY_TLSA_NOT_ASKED] = "not-asked",         [POLICY_TLSA_NONE] = "none",
    [POLICY_TLSA_UNUSABLE] = "unusable",           [POLICY_TLSA_USABLE] = "usable",
    [POLICY_TLSA_LOOKUP_FAILED] = "lookup-failed",
};
const struct words policy_tlsa_words = { ARRAY_SIZE(policy_tlsa_list), NULL, policy_tlsa_list };

static const char *const tlsa_flaw_list[] = {
    [TLSA_FLAW_NONE] = "none",
    [TLSA_FLAW_DANGLING] = "dangling",
    [TLSA_FLAW_INSECURE] = "insecure",
};
static const struct words tlsa_flaws = { ARRAY_SIZE(tlsa_flaw_list), NULL, tlsa_flaw_list };

static const char *const policy_sts_list[] = {
    [POLICY_STS_UNKNOWN] = "unknown",
    [POLICY_STS_NONE] = "none",
    [POLICY_STS_TESTING] = "testing",
    [POLICY_STS_ENFORCE] = "enforce",
};
const struct words policy_sts_words = { ARRAY_SIZE(policy_sts_list), NULL, policy_sts_list };

static const char *const hello_status_list[] = {
    [HELLO_PARTIAL] = "partial", [HELLO_ANSWERED] = "answered",   [HELLO_ALERTED] = "alerted",
    [HELLO_NOT_TLS] = "not-tls", [HELLO_MALFORMED] = "malformed",
};
static const struct words hello_statuses = { ARRAY_SIZE(hello_status_list), NULL,
                                             hello_status_list };

static const char *const credentials_list[] = {
    [TLS_CREDENTIALS_FINE] = "fine",
    [TLS_CREDENTIALS_KEY_MISMATCH] = "key-mismatch",
    [TLS_CREDENTIALS_EXPIRED] = "expired",
    [TLS_CREDENTIALS_NOT_YET_VALID] = "not-yet-valid",
};
static const struct words credentials_states = { ARRAY_SIZE(credentials_list), NULL,
                                                 credentials_list };

/* By the number of the bit in enum smtp_reply_flaw. */
static const char *const reply_flaw_list[] = {
    [0] = "bare-lf",      [1] = "bare-cr",     [2] = "nul",         [3] = "control",
    [4] = "eight-bit",    [5] = "long-line",   [6] = "code-change", [7] = "no-text",
    [8] = "unknown-code", [16] = "not-a-code", [17] = "separator",  [18] = "endless-line",
    [19] = "too-large",
};
static const struct words reply_flaws = { ARRAY_SIZE(reply_flaw_list), NULL, reply_flaw_list };

/* ---- records, from the innermost out ---- */

#define REPLY(k, n, member) FIELD_OF(struct observed_reply, k, n, member)
static const struct field reply_fields[] = {
    REPLY(FIELD_BOOL, "came", came),
    REPLY(FIELD_BOOL, "is_broken", is_broken),
    BOUNDED_OF(struct observed_reply, FIELD_U16, "code", code, 0, 999),
    BITS_OF(struct observed_reply, "flaws", flaws, &reply_flaws),
    BOUNDED_OF(struct observed_reply, FIELD_BYTES, "raw", raw, 0, OBSERVATION_REPLY_BYTES),
    REPLY(FIELD_I64, "waited_ms", waited_ms),
};
static const struct record reply_record = RECORD_OF(struct observed_reply, reply_fields);

#define CAPABILITY(k, n, member) FIELD_OF(struct smtp_capabilities, k, n, member)
static const struct field capability_fields[] = {
    BITS_OF(struct smtp_capabilities, "extensions", extensions, &extensions),
    BITS_OF(struct smtp_capabilities, "on_greeting_line", on_greeting_line, &extensions),
    CAPABILITY(FIELD_U64, "size_most", size_most),
    CAPABILITY(FIELD_U32, "limit_rcpt", limit_recipients),
    CAPABILITY(FIELD_U32, "limit_mail", limit_mails),
    CAPABILITY(FIELD_U32, "limit_rcpt_domain", limit_domains),
    CAPABILITY(FIELD_U16, "masked_line", masked_line),
    CAPABILITY(FIELD_U16, "starttls_line", starttls_line),
    CAPABILITY(FIELD_BOOL, "starttls_has_parameter", starttls_has_parameter),
    CAPABILITY(FIELD_BOOL, "is_lower_case", is_lower_case),
};
static const struct record capability_record =
    RECORD_OF(struct smtp_capabilities, capability_fields);

#define ANSWER(k, n, member) FIELD_OF(struct hello_answer, k, n, member)
static const struct field answer_fields[] = {
    ANSWER(FIELD_TLS_VERSION, "record_version", record_version),
    ANSWER(FIELD_TLS_VERSION, "version", version),
    ANSWER(FIELD_U16, "cipher", cipher),
    ANSWER(FIELD_BOOL, "is_retry", is_retry),
    ANSWER(FIELD_U8, "alert_level", alert_level),
    ANSWER(FIELD_U8, "alert_description", alert_description),
};
static const struct record answer_record = RECORD_OF(struct hello_answer, answer_fields);

#define SELF(k, n, member) FIELD_OF(struct observed_self, k, n, member)
static const struct field self_fields[] = {
    SELF(FIELD_BOOL, "has_client_certificate", has_client_certificate),
    WORD_OF(struct observed_self, "client_certificate_state", client_certificate_state,
            &credentials_states),
    SELF(FIELD_TEXT_OR_NULL, "client_certificate_subject", client_certificate_subject),
    SELF(FIELD_TIME, "client_certificate_ended_s", client_certificate_ended_s),
    SELF(FIELD_TEXT_OR_NULL, "client_certificate_file", client_certificate_file),
    SELF(FIELD_SIZE, "anchor_count", anchor_count),
    SELF(FIELD_TEXT_OR_NULL, "anchor_file", anchor_file),
    SELF(FIELD_TEXT_OR_NULL, "anchor_problem", anchor_problem),
    SELF(FIELD_TIME, "newest_anchor_s", newest_anchor_s),
    SELF(FIELD_TIME, "built_at_s", built_at_s),
};
static const struct record self_record = RECORD_OF(struct observed_self, self_fields);

#define TLSA_FLAW(k, n, member) FIELD_OF(struct observed_tlsa_flaw, k, n, member)
static const struct field tlsa_flaw_fields[] = {
    WORD_OF(struct observed_tlsa_flaw, "kind", kind, &tlsa_flaws),
    TLSA_FLAW(FIELD_TEXT_OR_NULL, "name", name),
    TLSA_FLAW(FIELD_TEXT_OR_NULL, "alias", alias),
};
const struct record tlsa_flaw_record = RECORD_OF(struct observed_tlsa_flaw, tlsa_flaw_fields);

#define FIELD(k, n, member) FIELD_OF(struct observation, k, n, member)
#define WORD(n, member, w)  WORD_OF(struct observation, n, member, w)
#define INNER(n, member, r) INNER_OF(struct observation, n, member, r)
static const struct field observation_fields[] = {
    FIELD(FIELD_TEXT, "domain", domain),
    FIELD(FIELD_TEXT, "host", host),
    FIELD(FIELD_TEXT, "address", address),
    FIELD(FIELD_TEXT_OR_NULL, "own_address", own_address),
    FIELD(FIELD_U16, "port", port),
    BOUNDED_OF(struct observation, FIELD_INT, "preference", preference, -1, 65535),
    WORD("level", level, &levels),
    FIELD(FIELD_TIME, "wall_s", wall_s),
    WORD("dial", dial, &dials),
    WORD("dnssec", dnssec, &security_words),
    WORD("mx_dnssec", mx_dnssec, &security_words),
    FIELD(FIELD_BOOL, "has_lookups", has_lookups),
    FIELD(FIELD_BOOL, "is_implicit_tls", is_implicit_tls),
    FIELD(FIELD_BOOL, "requires_tls", requires_tls),

    WORD("reached", reached, &steps),
    WORD("ending", ending, &ending_words),
    BOUNDED_OF(struct observation, FIELD_INT, "error_number", error_number, 0, 1 << 16),
    FIELD(FIELD_TEXT_OR_NULL, "failure", failure),
    FIELD(FIELD_STEPS, "step_ms", step_ms),
    FIELD(FIELD_I64, "timeout_ms", timeout_ms),
    INNER("greeting", greeting, &reply_record),
    INNER("ehlo", ehlo, &reply_record),
    INNER("helo", helo, &reply_record),
    INNER("starttls", starttls, &reply_record),
    INNER("second_greeting", second_greeting, &reply_record),
    INNER("ehlo_after_tls", ehlo_after_tls, &reply_record),
    INNER("quit", quit, &reply_record),
    INNER("capabilities", capabilities, &capability_record),
    INNER("capabilities_after_tls", capabilities_after_tls, &capability_record),
    FIELD(FIELD_BOOL, "has_capabilities", has_capabilities),
    FIELD(FIELD_BOOL, "has_capabilities_after_tls", has_capabilities_after_tls),
    BOUNDED_OF(struct observation, FIELD_BYTES, "injected", injected, 0, OBSERVATION_REPLY_BYTES),
    FIELD(FIELD_BYTES, "unfinished", unfinished),
    FIELD(FIELD_BOOL, "ended_after_tls", ended_after_tls),
    FIELD(FIELD_BOOL, "close_notify_missing", close_notify_missing),

    INNER("tls", tls, &tls_record),
    FIELD(FIELD_BOOL, "has_verdict", has_verdict),
    INNER("verdict", verdict, &verdict_record),
    FIELD(FIELD_TEXT_OR_NULL, "host_reference", host_reference),
    FIELD(FIELD_BOOL, "host_named", host_named),
    FIELD(FIELD_BOOL, "domain_named", domain_named),
    FIELD(FIELD_BOOL, "fingerprint_asked", fingerprint_asked),
    FIELD(FIELD_BOOL, "fingerprint_matched", fingerprint_matched),
    FIELD(FIELD_TEXT_OR_NULL, "fingerprint_wanted", fingerprint_wanted),
    WORD("tlsa", tlsa, &policy_tlsa_words),
    FIELD(FIELD_TEXT_OR_NULL, "tlsa_base", tlsa_base),
    FIELD(FIELD_TEXT_OR_NULL, "tlsa_failure", tlsa_failure),
    INNER("tlsa_flaw", tlsa_flaw, &tlsa_flaw_record),
    LIST_OF(struct observation, FIELD_LIST, "tlsa_records", tlsa_records, tlsa_count, 256,
            &field_text),
    FIELD(FIELD_TEXT_OR_NULL, "known_key_sha256", known_key_sha256),
    FIELD(FIELD_TIME, "known_key_s", known_key_s),
    WORD("sts", sts, &policy_sts_words),
    FIELD(FIELD_BOOL, "sts_host_listed", sts_host_listed),
    FIELD(FIELD_TLS_VERSION, "minimum_version", minimum_version),

    WORD("raw_status", raw_status, &hello_statuses),
    INNER("raw_answer", raw_answer, &answer_record),
    FIELD(FIELD_BOOL, "has_raw_answer", has_raw_answer),
    INNER("self", self, &self_record),
};
const struct record observation_record = RECORD_OF(struct observation, observation_fields);
