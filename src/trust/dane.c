#include "trust/dane.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/text.h"
#include "trust/certificate_x509.h"
#include "trust/dane_x509.h"

enum { SHA256_BYTES = 32, SHA512_BYTES = 64 };

static bool take_octet(struct span *text, const char *what, uint8_t *value, struct error *err)
{
    struct span word;
    uint64_t number;

    *text = span_trim(*text);
    word = span_take_until(text, ' ');
    if (!text_to_number(span_trim(word), UINT8_MAX, &number))
        return error_set(err, ERROR_FORMAT,
                         "a TLSA record begins with usage, selector and matching type, such as "
                         "\"3 1 1\"; the %s is not a number from 0 to 255",
                         what);
    *value = (uint8_t)number;
    return true;
}

bool dane_parse(struct arena *arena, struct span text, struct dane_record *record,
                struct error *err)
{
    *record = (struct dane_record){ .usage = 0 };
    if (!take_octet(&text, "usage", &record->usage, err) ||
        !take_octet(&text, "selector", &record->selector, err) ||
        !take_octet(&text, "matching type", &record->matching, err))
        return false;
    if (!text_from_hex(arena, text, &record->data))
        return error_set(err, ERROR_FORMAT,
                         "the data of a TLSA record is an even number of hex digits");
    if (record->data.len == 0)
        return error_set(err, ERROR_FORMAT, "a TLSA record ends with its data in hex digits");
    return true;
}

bool dane_from_wire(struct span rdata, struct dane_record *record)
{
    if (rdata.len < 4) /* RFC 6698 section 2.1: three octets and some data */
        return false;
    *record = (struct dane_record){ (uint8_t)rdata.data[0], (uint8_t)rdata.data[1],
                                    (uint8_t)rdata.data[2], span_part(rdata, 3, rdata.len) };
    return true;
}

const char *dane_format(struct arena *arena, const struct dane_record *record)
{
    return arena_format(arena, "%u %u %u %s", record->usage, record->selector, record->matching,
                        text_hex(arena, record->data));
}

EVP_PKEY *dane_bare_key(const struct dane_record *record)
{
    const unsigned char *at = (const unsigned char *)record->data.data;
    EVP_PKEY *key;

    if (record->selector != DANE_SPKI || record->matching != DANE_FULL)
        return NULL;
    key = d2i_PUBKEY(NULL, &at, (long)record->data.len);
    if (key != NULL && (const char *)at != record->data.data + record->data.len) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

X509 *dane_bare_certificate(const struct dane_record *record)
{
    if (record->selector != DANE_CERTIFICATE || record->matching != DANE_FULL)
        return NULL;
    return certificate_parse(record->data);
}

static bool is_readable(const struct dane_record *record)
{
    EVP_PKEY *key = dane_bare_key(record);
    X509 *certificate = dane_bare_certificate(record);
    bool answer = key != NULL || certificate != NULL;

    EVP_PKEY_free(key);
    X509_free(certificate);
    return answer;
}

enum dane_usability dane_usability(const struct dane_record *record)
{
    if (record->usage < DANE_TA) /* RFC 7672 section 3.1.3 */
        return DANE_USAGE_UNSUITED;
    if (record->usage > DANE_EE)
        return DANE_USAGE_UNKNOWN;
    if (record->selector > DANE_SPKI)
        return DANE_SELECTOR_UNKNOWN;
    switch (record->matching) {
    case DANE_FULL: return is_readable(record) ? DANE_USABLE : DANE_DATA_UNREADABLE;
    case DANE_SHA256: return record->data.len == SHA256_BYTES ? DANE_USABLE : DANE_LENGTH_WRONG;
    case DANE_SHA512: return record->data.len == SHA512_BYTES ? DANE_USABLE : DANE_LENGTH_WRONG;
    default: return DANE_MATCHING_UNKNOWN;
    }
}

bool dane_is_outdone(const struct dane_record *records, size_t count, size_t index)
{
    const struct dane_record *record = &records[index];

    if (record->matching == DANE_FULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct dane_record *other = &records[i];

        if (other->usage == record->usage && other->selector == record->selector &&
            other->matching > record->matching && dane_usability(other) == DANE_USABLE)
            return true;
    }
    return false;
}

const char *dane_usability_text(enum dane_usability usability)
{
    static const char *const texts[] = {
        [DANE_USABLE] = "it can be used",
        [DANE_USAGE_UNSUITED] = "usages PKIX-TA(0) and PKIX-EE(1) do not count for SMTP",
        [DANE_USAGE_UNKNOWN] = "its usage is none of 0 to 3",
        [DANE_SELECTOR_UNKNOWN] = "its selector is neither 0 nor 1",
        [DANE_MATCHING_UNKNOWN] = "its matching type is none of 0, 1 and 2",
        [DANE_LENGTH_WRONG] = "its digest has not the length of its algorithm",
        [DANE_DATA_UNREADABLE] = "its data is neither a certificate nor a key",
    };

    return texts[usability];
}

/* What the selector picks, as DER in the arena; empty where the certificate is unreadable. */
static struct span select_part(X509 *x509, struct span der, uint8_t selector, unsigned char **owned)
{
    int len;

    if (selector == DANE_CERTIFICATE)
        return der;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), owned);
    return len <= 0 ? (struct span){ NULL, 0 } : (struct span){ (const char *)*owned, (size_t)len };
}

/* The data that a record of this matching type has for these bytes. */
static struct span digest_part(struct span part, uint8_t matching, unsigned char digest[64])
{
    unsigned len = 0;

    if (matching == DANE_FULL)
        return part;
    if (!EVP_Digest(part.data, part.len, digest, &len,
                    matching == DANE_SHA256 ? EVP_sha256() : EVP_sha512(), NULL))
        return (struct span){ NULL, 0 };
    return (struct span){ (const char *)digest, len };
}

bool dane_match_x509(const struct dane_record *record, X509 *x509, struct span der)
{
    unsigned char *owned = NULL, digest[SHA512_BYTES];
    struct span part, data;
    bool answer;

    if (record->selector > DANE_SPKI || record->matching > DANE_SHA512 || record->data.len == 0)
        return false;
    part = select_part(x509, der, record->selector, &owned);
    data = part.len == 0 ? part : digest_part(part, record->matching, digest);
    answer = span_equal(data, record->data);
    OPENSSL_free(owned);
    return answer;
}

bool dane_match(const struct dane_record *record, struct span certificate_der)
{
    X509 *x509 = certificate_parse(certificate_der);
    bool answer = x509 != NULL && dane_match_x509(record, x509, certificate_der);

    X509_free(x509);
    return answer;
}

const char *dane_record_for(struct arena *arena, struct span certificate_der, uint8_t usage,
                            uint8_t selector, uint8_t matching)
{
    X509 *x509 = certificate_parse(certificate_der);
    unsigned char *owned = NULL, digest[SHA512_BYTES];
    const char *text = "";

    if (x509 != NULL && selector <= DANE_SPKI && matching <= DANE_SHA512) {
        struct span part = select_part(x509, certificate_der, selector, &owned);

        text = arena_format(arena, "%u %u %u %s", usage, selector, matching,
                            text_hex(arena, digest_part(part, matching, digest)));
    }
    OPENSSL_free(owned);
    X509_free(x509);
    return text;
}
