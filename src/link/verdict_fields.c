/* link/verdict_fields.c - the fields of a verdict on a chain as data. */
#include "link/observation_fields.h"

#include "trust/chain.h"

static const char *flaw_word(unsigned value)
{
    return chain_flaw_name((enum chain_flaw_kind)value);
}

static const struct words chain_flaws = { CHAIN_KIND_COUNT, flaw_word, NULL };

static const char *const chain_tlsa_list[] = {
    [CHAIN_TLSA_NONE] = "none",
    [CHAIN_TLSA_UNUSABLE] = "unusable",
    [CHAIN_TLSA_MATCHED] = "matched",
    [CHAIN_TLSA_MISMATCH] = "mismatch",
};
static const struct words chain_tlsas = { ARRAY_SIZE(chain_tlsa_list), NULL, chain_tlsa_list };

#define CERTIFICATE(k, n, member) FIELD_OF(struct certificate, k, n, member)
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
    LIST_OF(struct certificate, FIELD_LIST, "names", names, name_count, 1 << 16, &field_text),
    LIST_OF(struct certificate, FIELD_LIST, "addresses", addresses, address_count, 1 << 16,
            &field_text),
    CERTIFICATE(FIELD_TEXT, "key", key),
    BOUNDED_OF(struct certificate, FIELD_INT, "key_bits", key_bits, 0, 1 << 20),
    BOUNDED_OF(struct certificate, FIELD_INT, "key_security_bits", key_security_bits, -1, 1 << 20),
    CERTIFICATE(FIELD_TEXT, "signature", signature),
    CERTIFICATE(FIELD_TEXT, "sha256", sha256),
    CERTIFICATE(FIELD_TEXT, "spki_sha256", spki_sha256),
    CERTIFICATE(FIELD_TEXT, "issuer_url", issuer_url),
    CERTIFICATE(FIELD_BOOL, "is_self_issued", is_self_issued),
    CERTIFICATE(FIELD_BOOL, "is_ca", is_ca),
    CERTIFICATE(FIELD_BOOL, "must_staple", must_staple),
};
static const struct record certificate_record = RECORD_OF(struct certificate, certificate_fields);

#define FLAW(k, n, member) FIELD_OF(struct chain_flaw, k, n, member)
static const struct field flaw_fields[] = {
    WORD_OF(struct chain_flaw, "kind", kind, &chain_flaws),
    FLAW(FIELD_BOOL, "is_fatal", is_fatal),
    BOUNDED_OF(struct chain_flaw, FIELD_INT, "sent_index", sent_index, -1, CHAIN_SENT_MOST - 1),
    FLAW(FIELD_TEXT, "subject", subject),
    FLAW(FIELD_TEXT, "detail", detail),
    FLAW(FIELD_TIME, "time_s", time_s),
};
static const struct record flaw_record = RECORD_OF(struct chain_flaw, flaw_fields);

static const struct field certificate_item = { .kind = FIELD_RECORD,
                                               .record = &certificate_record };
static const struct field flaw_item = { .kind = FIELD_RECORD, .record = &flaw_record };

#define VERDICT(k, n, member) FIELD_OF(struct chain_verdict, k, n, member)
static const struct field verdict_fields[] = {
    VERDICT(FIELD_BOOL, "is_trusted", is_trusted),
    VERDICT(FIELD_BOOL, "name_matched", name_matched),
    VERDICT(FIELD_TEXT_OR_NULL, "matched_name", matched_name),
    VERDICT(FIELD_BOOL, "path_needs_intermediate", path_needs_intermediate),
    VERDICT(FIELD_BOOL, "needed_other_path", needed_other_path),
    WORD_OF(struct chain_verdict, "tlsa", tlsa, &chain_tlsas),
    VERDICT(FIELD_SIZE, "tlsa_count", tlsa_count),
    VERDICT(FIELD_SIZE, "tlsa_index", tlsa_index),
    VERDICT(FIELD_TEXT, "tlsa_detail", tlsa_detail),
    LIST_OF(struct chain_verdict, FIELD_LIST, "certificates", certificates, certificate_count,
            CHAIN_SENT_MOST, &certificate_item),
    LIST_OF(struct chain_verdict, FIELD_LIST, "path", path, path_count, 256, &field_text),
    VERDICT(FIELD_TEXT_OR_NULL, "missing_issuer", missing_issuer),
    VERDICT(FIELD_TEXT_OR_NULL, "missing_issuer_url", missing_issuer_url),
    VERDICT(FIELD_BOOL, "missing_is_known", missing_is_known),
    LIST_OF(struct chain_verdict, FIELD_ARRAY, "flaws", flaws, flaw_count, CHAIN_FLAWS_MOST,
            &flaw_item),
};
const struct record verdict_record = RECORD_OF(struct chain_verdict, verdict_fields);

bool verdict_is_whole(const struct chain_verdict *verdict, struct error *err)
{
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].sent_index >= (int)verdict->certificate_count)
            return error_set(err, ERROR_FORMAT,
                             "verdict: flaws: [%zu]: sent_index: there is no such certificate", i);
    return true;
}
