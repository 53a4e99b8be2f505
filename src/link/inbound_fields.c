/* link/inbound_fields.c - the fields of an inbound observation as data. */
#include "link/observation_fields.h"

#include "link/inbound_observation.h"

static const char *const client_certificate_list[] = {
    [TLS_CLIENT_CERTIFICATE_NONE] = "none",
    [TLS_CLIENT_CERTIFICATE_REQUEST] = "request",
    [TLS_CLIENT_CERTIFICATE_REQUIRE] = "require",
};
static const struct words client_certificates = { ARRAY_SIZE(client_certificate_list), NULL,
                                                  client_certificate_list };

static const struct field self_fields[] = {
    INNER_OF(struct inbound_self, "takes", takes, &offer_record),
    WORD_OF(struct inbound_self, "client_certificate", client_certificate, &client_certificates),
    FIELD_OF(struct inbound_self, FIELD_BOOL, "has_verdict", has_verdict),
    INNER_OF(struct inbound_self, "verdict", verdict, &verdict_record),
    FIELD_OF(struct inbound_self, FIELD_TEXT_OR_NULL, "certificate_file", certificate_file),
};
static const struct record self_record = RECORD_OF(struct inbound_self, self_fields);

#define FIELD(k, n, member) FIELD_OF(struct inbound_observation, k, n, member)
static const struct field inbound_fields[] = {
    FIELD(FIELD_TEXT, "host", host),
    FIELD(FIELD_TEXT, "address", address),
    FIELD(FIELD_U16, "port", port),
    FIELD(FIELD_TEXT, "name", name),
    FIELD(FIELD_TIME, "wall_s", wall_s),
    FIELD(FIELD_BOOL, "is_implicit_tls", is_implicit_tls),
    WORD_OF(struct inbound_observation, "ending", ending, &ending_words),
    FIELD(FIELD_TEXT_OR_NULL, "failure", failure),
    FIELD(FIELD_I64, "timeout_ms", timeout_ms),
    BOUNDED_OF(struct inbound_observation, FIELD_BYTES, "injected", injected, 0,
               OBSERVATION_STRAY_BYTES),
    FIELD(FIELD_BOOL, "spoke_inside", spoke_inside),
    INNER_OF(struct inbound_observation, "tls", tls, &tls_record),
    INNER_OF(struct inbound_observation, "self", self, &self_record),
};
const struct record inbound_observation_record =
    RECORD_OF(struct inbound_observation, inbound_fields);
