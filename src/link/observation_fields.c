#include "link/observation_fields.h"

#include "link/observation.h"
#include "link/route.h"

/* ---- words ---- */

const char *words_find(const struct words *words, unsigned value)
{
    if (value >= words->count)
        return NULL;
    return words->word != NULL ? words->word(value) : words->list[value];
}

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

static const char *flaw_word(unsigned value)
{
    return chain_flaw_name((enum chain_flaw_kind)value);
}

static const char *extension_word(unsigned bit)
{
    return smtp_extension_name((enum smtp_extension)(1U << bit));
}

static const struct words steps = { STEP_COUNT, step_word, NULL };
static const struct words endings = { ENDING_COUNT, ending_word, NULL };
static const struct words dials = { DIAL_COUNT, dial_word, NULL };
static const struct words levels = { POLICY_LEVEL_COUNT, level_word, NULL };
static const struct words chain_flaws = { CHAIN_KIND_COUNT, flaw_word, NULL };
static const struct words extensions = { 12, extension_word, NULL };

static const char *const security_list[] = {
    [DNS_INSECURE] = "insecure",
    [DNS_SECURE] = "secure",
    [DNS_VALIDATION_FAILED] = "bogus",
    [DNS_INDETERMINATE] = "indeterminate",
};
static const struct words securities = { ARRAY_SIZE(security_list), NULL, security_list };

static const char *const policy_tlsa_list[] = {
    [POLICY_TLSA_NOT_ASKED] = "not-asked",         [POLICY_TLSA_NONE] = "none",
    [POLICY_TLSA_UNUSABLE] = "unusable",           [POLICY_TLSA_USABLE] = "usable",
    [POLICY_TLSA_LOOKUP_FAILED] = "lookup-failed",
};
static const struct words policy_tlsas = { ARRAY_SIZE(policy_tlsa_list), NULL, policy_tlsa_list };

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

static const char *const chain_tlsa_list[] = {
    [CHAIN_TLSA_NONE] = "none",
    [CHAIN_TLSA_UNUSABLE] = "unusable",
    [CHAIN_TLSA_MATCHED] = "matched",
    [CHAIN_TLSA_MISMATCH] = "mismatch",
};
static const struct words chain_tlsas = { ARRAY_SIZE(chain_tlsa_list), NULL, chain_tlsa_list };

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

static const char *const dns_type_list[] = {
    [DNS_TYPE_A] = "A",     [DNS_TYPE_CNAME] = "CNAME", [DNS_TYPE_MX] = "MX",
    [DNS_TYPE_TXT] = "TXT", [DNS_TYPE_AAAA] = "AAAA",   [DNS_TYPE_TLSA] = "TLSA",
};
static const struct words dns_types = { ARRAY_SIZE(dns_type_list), NULL, dns_type_list };

static const char *const dns_outcome_list[] = {
    [DNS_ANSWERED] = "answered", [DNS_NO_DATA] = "no-data", [DNS_NXDOMAIN] = "nxdomain",
    [DNS_SERVFAIL] = "servfail", [DNS_TIMEOUT] = "timeout", [DNS_BOGUS] = "bogus",
};
static const struct words dns_outcomes = { ARRAY_SIZE(dns_outcome_list), NULL, dns_outcome_list };

static const char *const route_outcome_list[] = {
    [ROUTE_FOUND] = "found",           [ROUTE_NULL_MX] = "null-mx", [ROUTE_NXDOMAIN] = "nxdomain",
    [ROUTE_NO_ADDRESS] = "no-address", [ROUTE_TIMEOUT] = "timeout", [ROUTE_SERVFAIL] = "servfail",
    [ROUTE_BOGUS] = "bogus",
};
static const struct words route_outcomes = { ARRAY_SIZE(route_outcome_list), NULL,
                                             route_outcome_list };

/* ---- records, from the innermost out ---- */

#define AT(type, member) .offset = offsetof(type, member)
#define RECORD(type, table)                                                                        \
    {                                                                                              \
        (table), ARRAY_SIZE(table), sizeof(type)                                                   \
    }

#define REPLY(k, n, member)                                                                        \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct observed_reply, member)                                \
    }
static const struct field reply_fields[] = {
    REPLY(FIELD_BOOL, "came", came),
    REPLY(FIELD_BOOL, "is_broken", is_broken),
    { .name = "code", .kind = FIELD_U16, AT(struct observed_reply, code), .most = 999 },
    { .name = "flaws",
      .kind = FIELD_BITS,
      AT(struct observed_reply, flaws),
      .words = &reply_flaws },
    { .name = "raw",
      .kind = FIELD_BYTES,
      AT(struct observed_reply, raw),
      .most = OBSERVATION_REPLY_BYTES },
    REPLY(FIELD_I64, "waited_ms", waited_ms),
};
static const struct record reply_record = RECORD(struct observed_reply, reply_fields);

#define CAPABILITY(k, n, member)                                                                   \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct smtp_capabilities, member)                             \
    }
static const struct field capability_fields[] = {
    { .name = "extensions",
      .kind = FIELD_BITS,
      AT(struct smtp_capabilities, extensions),
      .words = &extensions },
    { .name = "on_greeting_line",
      .kind = FIELD_BITS,
      AT(struct smtp_capabilities, on_greeting_line),
      .words = &extensions },
    CAPABILITY(FIELD_U64, "size_most", size_most),
    CAPABILITY(FIELD_U32, "limit_rcpt", limit_recipients),
    CAPABILITY(FIELD_U32, "limit_mail", limit_mails),
    CAPABILITY(FIELD_U32, "limit_rcpt_domain", limit_domains),
    CAPABILITY(FIELD_U16, "masked_line", masked_line),
    CAPABILITY(FIELD_U16, "starttls_line", starttls_line),
    CAPABILITY(FIELD_BOOL, "starttls_has_parameter", starttls_has_parameter),
    CAPABILITY(FIELD_BOOL, "is_lower_case", is_lower_case),
};
static const struct record capability_record = RECORD(struct smtp_capabilities, capability_fields);

#define ALERT(k, n, member)                                                                        \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct tls_alert, member)                                     \
    }
static const struct field alert_fields[] = {
    ALERT(FIELD_BOOL, "is_sent", is_sent),
    ALERT(FIELD_BOOL, "is_fatal", is_fatal),
    ALERT(FIELD_BOOL, "is_after_handshake", is_after_handshake),
    ALERT(FIELD_U8, "description", description),
    ALERT(FIELD_I64, "at_ms", at_ms),
};
static const struct record alert_record = RECORD(struct tls_alert, alert_fields);

static const struct field alert_item = { .kind = FIELD_RECORD, .record = &alert_record };
static const struct field bytes_item = { .kind = FIELD_BYTES };
static const struct field text_item = { .kind = FIELD_TEXT };

#define OFFER(n, member, count)                                                                    \
    {                                                                                              \
        .name = (n), .kind = FIELD_LIST, AT(struct tls_offer, member),                             \
        .count_offset = offsetof(struct tls_offer, count), .most = TLS_OFFER_MOST,                 \
        .item = &text_item                                                                         \
    }
static const struct field offer_fields[] = {
    OFFER("versions", versions, version_count),    OFFER("ciphers", ciphers, cipher_count),
    OFFER("groups", groups, group_count),          OFFER("signatures", signatures, signature_count),
    OFFER("protocols", protocols, protocol_count),
};
const struct record offer_record = RECORD(struct tls_offer, offer_fields);

#define TLS(k, n, member)                                                                          \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct tls_facts, member)                                     \
    }
static const struct field tls_fields[] = {
    TLS(FIELD_BOOL, "was_started", was_started),
    TLS(FIELD_BOOL, "was_completed", was_completed),
    TLS(FIELD_I64, "began_ms", began_ms),
    TLS(FIELD_I64, "ended_ms", ended_ms),
    TLS(FIELD_TEXT_OR_NULL, "sni", sni),
    TLS(FIELD_TLS_VERSION, "offered_minimum", offered_minimum),
    TLS(FIELD_TLS_VERSION, "offered_maximum", offered_maximum),
    TLS(FIELD_SIZE, "hello_bytes", hello_bytes),
    TLS(FIELD_BOOL, "offered_ticket", offered_ticket),
    TLS(FIELD_BOOL, "offered_session", offered_session),
    { .name = "offer", .kind = FIELD_RECORD, AT(struct tls_facts, offer), .record = &offer_record },
    { .name = "first_bytes",
      .kind = FIELD_BYTES,
      AT(struct tls_facts, first_bytes),
      .most = TLS_FIRST_BYTES },
    TLS(FIELD_BOOL, "is_not_tls", is_not_tls),
    TLS(FIELD_BOOL, "has_server_hello", has_server_hello),
    TLS(FIELD_BOOL, "has_hello_retry", has_hello_retry),
    TLS(FIELD_TLS_VERSION, "version", version),
    TLS(FIELD_TEXT_OR_NULL, "cipher", cipher),
    TLS(FIELD_TEXT_OR_NULL, "group", group),
    { .name = "group_bits", .kind = FIELD_INT, AT(struct tls_facts, group_bits), .most = 1 << 20 },
    TLS(FIELD_TEXT_OR_NULL, "signature", signature),
    TLS(FIELD_U8, "last_message_received", last_message_received),
    TLS(FIELD_U8, "last_message_sent", last_message_sent),
    { .name = "alerts",
      .kind = FIELD_ARRAY,
      AT(struct tls_facts, alerts),
      .count_offset = offsetof(struct tls_facts, alert_count),
      .most = TLS_ALERTS_MOST,
      .item = &alert_item },
    { .name = "chain",
      .kind = FIELD_ARRAY,
      AT(struct tls_facts, chain),
      .count_offset = offsetof(struct tls_facts, chain_count),
      .most = TLS_CHAIN_MOST,
      .item = &bytes_item },
    TLS(FIELD_BOOL, "chain_was_cut", chain_was_cut),
    TLS(FIELD_BYTES, "staple", staple),
    TLS(FIELD_BOOL, "client_certificate_requested", client_certificate_requested),
    TLS(FIELD_BOOL, "client_certificate_sent", client_certificate_sent),
    { .name = "authorities",
      .kind = FIELD_ARRAY,
      AT(struct tls_facts, authorities),
      .count_offset = offsetof(struct tls_facts, authority_count),
      .most = TLS_AUTHORITIES_MOST,
      .item = &text_item },
    TLS(FIELD_BOOL, "secure_renegotiation", secure_renegotiation),
    TLS(FIELD_BOOL, "sni_was_used", sni_was_used),
    TLS(FIELD_BOOL, "was_resumed", was_resumed),
    TLS(FIELD_SIZE, "tickets_received", tickets_received),
    TLS(FIELD_BOOL, "close_notify_received", close_notify_received),
    TLS(FIELD_U64, "bytes_received", bytes_received),
    TLS(FIELD_U64, "bytes_sent", bytes_sent),
    TLS(FIELD_U64, "library_code", library_code),
    TLS(FIELD_TEXT_OR_NULL, "library_reason", library_reason),
};
const struct record tls_record = RECORD(struct tls_facts, tls_fields);
_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "library_code is saved as 64 bits");

#define CERTIFICATE(k, n, member)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct certificate, member)                                   \
    }
/* `der` is that of the chain at the same index. */
static const struct field certificate_fields[] = {
    CERTIFICATE(FIELD_BOOL, "is_readable", is_readable),
    CERTIFICATE(FIELD_TEXT, "subject", subject),
    CERTIFICATE(FIELD_TEXT, "issuer", issuer),
    CERTIFICATE(FIELD_TEXT, "common_name", common_name),
    CERTIFICATE(FIELD_TEXT, "issuer_common_name", issuer_common_name),
    CERTIFICATE(FIELD_TEXT, "serial", serial),
    CERTIFICATE(FIELD_TIME, "not_before_s", not_before_s),
    CERTIFICATE(FIELD_TIME, "not_after_s", not_after_s),
    { .name = "names",
      .kind = FIELD_LIST,
      AT(struct certificate, names),
      .count_offset = offsetof(struct certificate, name_count),
      .most = 1 << 16,
      .item = &text_item },
    { .name = "addresses",
      .kind = FIELD_LIST,
      AT(struct certificate, addresses),
      .count_offset = offsetof(struct certificate, address_count),
      .most = 1 << 16,
      .item = &text_item },
    CERTIFICATE(FIELD_TEXT, "key", key),
    { .name = "key_bits", .kind = FIELD_INT, AT(struct certificate, key_bits), .most = 1 << 20 },
    { .name = "key_security_bits",
      .kind = FIELD_INT,
      AT(struct certificate, key_security_bits),
      .least = -1,
      .most = 1 << 20 },
    CERTIFICATE(FIELD_TEXT, "signature", signature),
    CERTIFICATE(FIELD_TEXT, "sha256", sha256),
    CERTIFICATE(FIELD_TEXT, "spki_sha256", spki_sha256),
    CERTIFICATE(FIELD_TEXT, "issuer_url", issuer_url),
    CERTIFICATE(FIELD_BOOL, "is_self_issued", is_self_issued),
    CERTIFICATE(FIELD_BOOL, "is_ca", is_ca),
    CERTIFICATE(FIELD_BOOL, "must_staple", must_staple),
};
static const struct record certificate_record = RECORD(struct certificate, certificate_fields);

#define FLAW(k, n, member)                                                                         \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct chain_flaw, member)                                    \
    }
static const struct field flaw_fields[] = {
    { .name = "kind", .kind = FIELD_WORD, AT(struct chain_flaw, kind), .words = &chain_flaws },
    FLAW(FIELD_BOOL, "is_fatal", is_fatal),
    { .name = "sent_index",
      .kind = FIELD_INT,
      AT(struct chain_flaw, sent_index),
      .least = -1,
      .most = CHAIN_SENT_MOST - 1 },
    FLAW(FIELD_TEXT, "subject", subject),
    FLAW(FIELD_TEXT, "detail", detail),
    FLAW(FIELD_TIME, "time_s", time_s),
};
static const struct record flaw_record = RECORD(struct chain_flaw, flaw_fields);

static const struct field certificate_item = { .kind = FIELD_RECORD,
                                               .record = &certificate_record };
static const struct field flaw_item = { .kind = FIELD_RECORD, .record = &flaw_record };

#define VERDICT(k, n, member)                                                                      \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct chain_verdict, member)                                 \
    }
static const struct field verdict_fields[] = {
    VERDICT(FIELD_BOOL, "is_trusted", is_trusted),
    VERDICT(FIELD_BOOL, "name_matched", name_matched),
    VERDICT(FIELD_TEXT_OR_NULL, "matched_name", matched_name),
    VERDICT(FIELD_BOOL, "path_needs_intermediate", path_needs_intermediate),
    VERDICT(FIELD_BOOL, "needed_other_path", needed_other_path),
    { .name = "tlsa", .kind = FIELD_WORD, AT(struct chain_verdict, tlsa), .words = &chain_tlsas },
    VERDICT(FIELD_SIZE, "tlsa_count", tlsa_count),
    VERDICT(FIELD_SIZE, "tlsa_index", tlsa_index),
    VERDICT(FIELD_TEXT, "tlsa_detail", tlsa_detail),
    { .name = "certificates",
      .kind = FIELD_LIST,
      AT(struct chain_verdict, certificates),
      .count_offset = offsetof(struct chain_verdict, certificate_count),
      .most = CHAIN_SENT_MOST,
      .item = &certificate_item },
    { .name = "path",
      .kind = FIELD_LIST,
      AT(struct chain_verdict, path),
      .count_offset = offsetof(struct chain_verdict, path_count),
      .most = 256,
      .item = &text_item },
    VERDICT(FIELD_TEXT_OR_NULL, "missing_issuer", missing_issuer),
    VERDICT(FIELD_TEXT_OR_NULL, "missing_issuer_url", missing_issuer_url),
    VERDICT(FIELD_BOOL, "missing_is_known", missing_is_known),
    { .name = "flaws",
      .kind = FIELD_ARRAY,
      AT(struct chain_verdict, flaws),
      .count_offset = offsetof(struct chain_verdict, flaw_count),
      .most = CHAIN_FLAWS_MOST,
      .item = &flaw_item },
};
const struct record verdict_record = RECORD(struct chain_verdict, verdict_fields);

#define ANSWER(k, n, member)                                                                       \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct hello_answer, member)                                  \
    }
static const struct field answer_fields[] = {
    ANSWER(FIELD_TLS_VERSION, "record_version", record_version),
    ANSWER(FIELD_TLS_VERSION, "version", version),
    ANSWER(FIELD_U16, "cipher", cipher),
    ANSWER(FIELD_BOOL, "is_retry", is_retry),
    ANSWER(FIELD_U8, "alert_level", alert_level),
    ANSWER(FIELD_U8, "alert_description", alert_description),
};
static const struct record answer_record = RECORD(struct hello_answer, answer_fields);

#define SELF(k, n, member)                                                                         \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct observed_self, member)                                 \
    }
static const struct field self_fields[] = {
    SELF(FIELD_BOOL, "has_client_certificate", has_client_certificate),
    { .name = "client_certificate_state",
      .kind = FIELD_WORD,
      AT(struct observed_self, client_certificate_state),
      .words = &credentials_states },
    SELF(FIELD_TEXT_OR_NULL, "client_certificate_subject", client_certificate_subject),
    SELF(FIELD_TIME, "client_certificate_ended_s", client_certificate_ended_s),
    SELF(FIELD_TEXT_OR_NULL, "client_certificate_file", client_certificate_file),
    SELF(FIELD_SIZE, "anchor_count", anchor_count),
    SELF(FIELD_TEXT_OR_NULL, "anchor_file", anchor_file),
    SELF(FIELD_TEXT_OR_NULL, "anchor_problem", anchor_problem),
    SELF(FIELD_TIME, "newest_anchor_s", newest_anchor_s),
    SELF(FIELD_TIME, "built_at_s", built_at_s),
};
static const struct record self_record = RECORD(struct observed_self, self_fields);

static const struct field tlsa_flaw_fields[] = {
    { .name = "kind",
      .kind = FIELD_WORD,
      AT(struct observed_tlsa_flaw, kind),
      .words = &tlsa_flaws },
    { .name = "name", .kind = FIELD_TEXT_OR_NULL, AT(struct observed_tlsa_flaw, name) },
    { .name = "alias", .kind = FIELD_TEXT_OR_NULL, AT(struct observed_tlsa_flaw, alias) },
};
static const struct record tlsa_flaw_record = RECORD(struct observed_tlsa_flaw, tlsa_flaw_fields);

#define FIELD(k, n, member)                                                                        \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct observation, member)                                   \
    }
#define WORD(n, member, w)                                                                         \
    {                                                                                              \
        .name = (n), .kind = FIELD_WORD, AT(struct observation, member), .words = (w)              \
    }
#define INNER(n, member, r)                                                                        \
    {                                                                                              \
        .name = (n), .kind = FIELD_RECORD, AT(struct observation, member), .record = (r)           \
    }
static const struct field observation_fields[] = {
    FIELD(FIELD_TEXT, "domain", domain),
    FIELD(FIELD_TEXT, "host", host),
    FIELD(FIELD_TEXT, "address", address),
    FIELD(FIELD_TEXT_OR_NULL, "own_address", own_address),
    FIELD(FIELD_U16, "port", port),
    { .name = "preference",
      .kind = FIELD_INT,
      AT(struct observation, preference),
      .least = -1,
      .most = 65535 },
    WORD("level", level, &levels),
    FIELD(FIELD_TIME, "wall_s", wall_s),
    WORD("dial", dial, &dials),
    WORD("dnssec", dnssec, &securities),
    WORD("mx_dnssec", mx_dnssec, &securities),
    FIELD(FIELD_BOOL, "has_lookups", has_lookups),
    FIELD(FIELD_BOOL, "is_implicit_tls", is_implicit_tls),
    FIELD(FIELD_BOOL, "requires_tls", requires_tls),

    WORD("reached", reached, &steps),
    WORD("ending", ending, &endings),
    { .name = "error_number",
      .kind = FIELD_INT,
      AT(struct observation, error_number),
      .most = 1 << 16 },
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
    { .name = "injected",
      .kind = FIELD_BYTES,
      AT(struct observation, injected),
      .most = OBSERVATION_REPLY_BYTES },
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
    WORD("tlsa", tlsa, &policy_tlsas),
    FIELD(FIELD_TEXT_OR_NULL, "tlsa_base", tlsa_base),
    FIELD(FIELD_TEXT_OR_NULL, "tlsa_failure", tlsa_failure),
    INNER("tlsa_flaw", tlsa_flaw, &tlsa_flaw_record),
    { .name = "tlsa_records",
      .kind = FIELD_LIST,
      AT(struct observation, tlsa_records),
      .count_offset = offsetof(struct observation, tlsa_count),
      .most = 256,
      .item = &text_item },
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
const struct record observation_record = RECORD(struct observation, observation_fields);

/* ---- the route ---- */

static const struct field address_fields[] = {
    { .name = "address", .kind = FIELD_ADDRESS, .offset = 0 },
    { .name = "port", .kind = FIELD_U16, AT(struct net_address, port) },
};
static const struct record address_record = RECORD(struct net_address, address_fields);
static const struct field address_item = { .kind = FIELD_RECORD, .record = &address_record };

#define TLSA(k, n, member)                                                                         \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct dane_record, member)                                   \
    }
static const struct field dane_fields[] = {
    TLSA(FIELD_U8, "usage", usage),
    TLSA(FIELD_U8, "selector", selector),
    TLSA(FIELD_U8, "matching", matching),
    TLSA(FIELD_BYTES, "data", data),
};
static const struct record dane_record = RECORD(struct dane_record, dane_fields);
static const struct field dane_item = { .kind = FIELD_RECORD, .record = &dane_record };

#define HOST(k, n, member)                                                                         \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct route_host, member)                                    \
    }
#define HOST_WORD(n, member, w)                                                                    \
    {                                                                                              \
        .name = (n), .kind = FIELD_WORD, AT(struct route_host, member), .words = (w)               \
    }
static const struct field host_fields[] = {
    HOST(FIELD_TEXT, "name", name),
    { .name = "preference",
      .kind = FIELD_INT,
      AT(struct route_host, preference),
      .least = -1,
      .most = 65535 },
    HOST(FIELD_BOOL, "is_alias", is_alias),
    HOST(FIELD_TEXT_OR_NULL, "canonical_name", canonical_name),
    HOST(FIELD_BOOL, "is_address", is_address),
    HOST_WORD("security", security, &securities),
    { .name = "addresses",
      .kind = FIELD_ARRAY,
      AT(struct route_host, addresses),
      .count_offset = offsetof(struct route_host, address_count),
      .most = ROUTE_ADDRESSES_MOST,
      .item = &address_item },
    HOST_WORD("outcome", outcome, &dns_outcomes),
    HOST(FIELD_TEXT_OR_NULL, "why_bogus", why_bogus),
    HOST_WORD("tlsa", tlsa, &policy_tlsas),
    HOST(FIELD_TEXT_OR_NULL, "tlsa_base", tlsa_base),
    HOST(FIELD_TEXT_OR_NULL, "tlsa_failure", tlsa_failure),
    { .name = "tlsa_flaw",
      .kind = FIELD_RECORD,
      AT(struct route_host, tlsa_flaw),
      .record = &tlsa_flaw_record },
    { .name = "tlsa_records",
      .kind = FIELD_LIST,
      AT(struct route_host, tlsa_records),
      .count_offset = offsetof(struct route_host, tlsa_count),
      .most = 256,
      .item = &dane_item },
};
static const struct record host_record = RECORD(struct route_host, host_fields);
static const struct field host_item = { .kind = FIELD_RECORD, .record = &host_record };

#define LOOKUP(k, n, member)                                                                       \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct observed_lookup, member)                               \
    }
#define LOOKUP_WORD(n, member, w)                                                                  \
    {                                                                                              \
        .name = (n), .kind = FIELD_WORD, AT(struct observed_lookup, member), .words = (w)          \
    }
static const struct field lookup_fields[] = {
    LOOKUP(FIELD_TEXT, "name", name),
    LOOKUP_WORD("type", type, &dns_types),
    LOOKUP_WORD("outcome", outcome, &dns_outcomes),
    LOOKUP_WORD("security", security, &securities),
    LOOKUP(FIELD_TEXT_OR_NULL, "canonical_name", canonical_name),
    LOOKUP(FIELD_TEXT_OR_NULL, "why_bogus", why_bogus),
    LOOKUP(FIELD_BOOL, "anchor_failed", anchor_failed),
    LOOKUP(FIELD_BOOL, "resolver_is_silent", resolver_is_silent),
    LOOKUP(FIELD_INT, "rcode", rcode),
    LOOKUP(FIELD_SIZE, "record_count", record_count),
};
const struct record lookup_record = RECORD(struct observed_lookup, lookup_fields);
static const struct field lookup_item = { .kind = FIELD_RECORD, .record = &lookup_record };

static const struct field route_fields[] = {
    { .name = "domain", .kind = FIELD_TEXT, AT(struct route, domain) },
    { .name = "canonical_domain", .kind = FIELD_TEXT_OR_NULL, AT(struct route, canonical_domain) },
    { .name = "outcome", .kind = FIELD_WORD, AT(struct route, outcome), .words = &route_outcomes },
    { .name = "mx_security",
      .kind = FIELD_WORD,
      AT(struct route, mx_security),
      .words = &securities },
    { .name = "has_mx", .kind = FIELD_BOOL, AT(struct route, has_mx) },
    { .name = "why_bogus", .kind = FIELD_TEXT_OR_NULL, AT(struct route, why_bogus) },
    { .name = "hosts",
      .kind = FIELD_LIST,
      AT(struct route, hosts),
      .count_offset = offsetof(struct route, host_count),
      .most = ROUTE_HOSTS_MOST,
      .item = &host_item },
    { .name = "has_stray_null_mx", .kind = FIELD_BOOL, AT(struct route, has_stray_null_mx) },
    { .name = "was_cut", .kind = FIELD_BOOL, AT(struct route, was_cut) },
    { .name = "lookups",
      .kind = FIELD_LIST,
      AT(struct route, lookups),
      .count_offset = offsetof(struct route, lookup_count),
      .most = ROUTE_LOOKUPS_MOST,
      .item = &lookup_item },
};
const struct record route_record = RECORD(struct route, route_fields);
