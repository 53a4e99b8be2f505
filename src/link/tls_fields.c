/* link/tls_fields.c - the fields of what was seen of TLS as data. */
#include "link/observation_fields.h"

#include "net/tls.h"

#define ALERT(k, n, member) FIELD_OF(struct tls_alert, k, n, member)
static const struct field alert_fields[] = {
    ALERT(FIELD_BOOL, "is_sent", is_sent),
    ALERT(FIELD_BOOL, "is_fatal", is_fatal),
    ALERT(FIELD_BOOL, "is_after_handshake", is_after_handshake),
    ALERT(FIELD_U8, "description", description),
    ALERT(FIELD_I64, "at_ms", at_ms),
};
static const struct record alert_record = RECORD_OF(struct tls_alert, alert_fields);

static const struct field alert_item = { .kind = FIELD_RECORD, .record = &alert_record };

#define OFFER(n, member, count)                                                                    \
    LIST_OF(struct tls_offer, FIELD_LIST, n, member, count, TLS_OFFER_MOST, &field_text)
static const struct field offer_fields[] = {
    OFFER("versions", versions, version_count),    OFFER("ciphers", ciphers, cipher_count),
    OFFER("groups", groups, group_count),          OFFER("signatures", signatures, signature_count),
    OFFER("protocols", protocols, protocol_count),
};
const struct record offer_record = RECORD_OF(struct tls_offer, offer_fields);

#define TLS(k, n, member) FIELD_OF(struct tls_facts, k, n, member)
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
    INNER_OF(struct tls_facts, "offer", offer, &offer_record),
    BOUNDED_OF(struct tls_facts, FIELD_BYTES, "first_bytes", first_bytes, 0, TLS_FIRST_BYTES),
    TLS(FIELD_BOOL, "is_not_tls", is_not_tls),
    TLS(FIELD_BOOL, "has_server_hello", has_server_hello),
    TLS(FIELD_BOOL, "has_hello_retry", has_hello_retry),
    TLS(FIELD_TLS_VERSION, "version", version),
    TLS(FIELD_TEXT_OR_NULL, "cipher", cipher),
    TLS(FIELD_TEXT_OR_NULL, "group", group),
    BOUNDED_OF(struct tls_facts, FIELD_INT, "group_bits", group_bits, 0, 1 << 20),
    TLS(FIELD_TEXT_OR_NULL, "signature", signature),
    TLS(FIELD_U8, "last_message_received", last_message_received),
    TLS(FIELD_U8, "last_message_sent", last_message_sent),
    LIST_OF(struct tls_facts, FIELD_ARRAY, "alerts", alerts, alert_count, TLS_ALERTS_MOST,
            &alert_item),
    LIST_OF(struct tls_facts, FIELD_ARRAY, "chain", chain, chain_count, TLS_CHAIN_MOST,
            &field_bytes),
    TLS(FIELD_BOOL, "chain_was_cut", chain_was_cut),
    TLS(FIELD_BYTES, "staple", staple),
    TLS(FIELD_BOOL, "client_certificate_requested", client_certificate_requested),
    TLS(FIELD_BOOL, "client_certificate_sent", client_certificate_sent),
    LIST_OF(struct tls_facts, FIELD_ARRAY, "authorities", authorities, authority_count,
            TLS_AUTHORITIES_MOST, &field_text),
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
const struct record tls_record = RECORD_OF(struct tls_facts, tls_fields);
_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "library_code is saved as 64 bits");
