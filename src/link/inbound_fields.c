/* link/inbound_fields.c - the fields of an inbound observation as data. */
#include "link/observation_fields.h"

#include "base/compiler.h"
#include "link/inbound_observation.h"

static const char *ending_word(unsigned value)
{
    return ending_name((enum ending)value);
}

static const struct words endings = { ENDING_COUNT, ending_word, NULL };

static const char *const client_certificate_list[] = {
    [TLS_CLIENT_CERTIFICATE_NONE] = "none",
    [TLS_CLIENT_CERTIFICATE_REQUEST] = "request",
    [TLS_CLIENT_CERTIFICATE_REQUIRE] = "require",
};
static const struct words client_certificates = { ARRAY_SIZE(client_certificate_list), NULL,
                                                  client_certificate_list };

#define AT(type, member) .offset = offsetof(type, member)
#define RECORD(type, table)                                                                        \
    {                                                                                              \
        (table), ARRAY_SIZE(table), sizeof(type)                                                   \
    }

static const struct field self_fields[] = {
    { .name = "takes",
      .kind = FIELD_RECORD,
      AT(struct inbound_self, takes),
      .record = &offer_record },
    { .name = "client_certificate",
      .kind = FIELD_WORD,
      AT(struct inbound_self, client_certificate),
      .words = &client_certificates },
    { .name = "has_verdict", .kind = FIELD_BOOL, AT(struct inbound_self, has_verdict) },
    { .name = "verdict",
      .kind = FIELD_RECORD,
      AT(struct inbound_self, verdict),
      .record = &verdict_record },
    { .name = "certificate_file",
      .kind = FIELD_TEXT_OR_NULL,
      AT(struct inbound_self, certificate_file) },
};
static const struct record self_record = RECORD(struct inbound_self, self_fields);

#define FIELD(k, n, member)                                                                        \
    {                                                                                              \
        .name = (n), .kind = (k), AT(struct inbound_observation, member)                           \
    }
static const struct field inbound_fields[] = {
    FIELD(FIELD_TEXT, "host", host),
    FIELD(FIELD_TEXT, "address", address),
    FIELD(FIELD_U16, "port", port),
    FIELD(FIELD_TEXT, "name", name),
    FIELD(FIELD_TIME, "wall_s", wall_s),
    FIELD(FIELD_BOOL, "is_implicit_tls", is_implicit_tls),
    { .name = "ending",
      .kind = FIELD_WORD,
      AT(struct inbound_observation, ending),
      .words = &endings },
    FIELD(FIELD_TEXT_OR_NULL, "failure", failure),
    FIELD(FIELD_I64, "timeout_ms", timeout_ms),
    { .name = "injected",
      .kind = FIELD_BYTES,
      AT(struct inbound_observation, injected),
      .most = OBSERVATION_STRAY_BYTES },
    FIELD(FIELD_BOOL, "spoke_inside", spoke_inside),
    { .name = "tls",
      .kind = FIELD_RECORD,
      AT(struct inbound_observation, tls),
      .record = &tls_record },
    { .name = "self",
      .kind = FIELD_RECORD,
      AT(struct inbound_observation, self),
      .record = &self_record },
};
const struct record inbound_observation_record = RECORD(struct inbound_observation, inbound_fields);
