#include "trust/certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/buffer.h"
#include "base/text.h"
#include "trust/certificate_x509.h"
#include "trust/names.h"

enum { NAME_TEXT_MOST = 4096, NAMES_MOST = 4096 };

static struct span string_span(const ASN1_STRING *string)
{
    return (struct span){ (const char *)ASN1_STRING_get0_data(string),
                          (size_t)ASN1_STRING_length(string) };
}

/* UTF-8, escaped; what OpenSSL cannot convert is shown byte by byte. */
static const char *value_text(struct arena *arena, const ASN1_STRING *value)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, value);
    const char *text;

    if (len < 0)
        return text_printable(arena, string_span(value), false);
    text = text_printable(arena, (struct span){ (const char *)utf8, (size_t)len }, true);
    OPENSSL_free(utf8);
    return text;
}

static const char *type_text(struct arena *arena, const ASN1_OBJECT *type)
{
    char numbers[128] = "";
    int nid = OBJ_obj2nid(type);

    if (nid != NID_undef)
        return OBJ_nid2sn(nid);
    OBJ_obj2txt(numbers, sizeof numbers, type, 1);
    return arena_copy(arena, span_of(numbers));
}

/* RFC 2253 section 2.1: last attribute first; what would end a value is escaped by a backslash. */
static bool append_value(struct buffer *text, const char *value)
{
    for (; *value != '\0'; value++) {
        bool ends_value = *value == ',' || *value == '+';

        if ((ends_value && !buffer_append_text(text, "\\")) ||
            !buffer_append(text, (struct span){ value, 1 }))
            return false;
    }
    return true;
}

const char *certificate_name_text(struct arena *arena, const X509_NAME *name)
{
    struct buffer text;
    const char *copy;
    int set = -1;

    buffer_init(&text, NAME_TEXT_MOST);
    for (int i = X509_NAME_entry_count(name) - 1; i >= 0; i--) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const char *between = set == X509_NAME_ENTRY_set(entry) ? "+" : ", ";

        set = X509_NAME_ENTRY_set(entry);
        if (!buffer_format(&text, "%s%s=", text.len == 0 ? "" : between,
                           type_text(arena, X509_NAME_ENTRY_get_object(entry))) ||
            !append_value(&text, value_text(arena, X509_NAME_ENTRY_get_data(entry))))
            break; /* a name longer than anybody reads */
    }
    copy = arena_copy(arena, buffer_span(&text));
    buffer_clear(&text);
    return copy;
}

static const char *last_value(struct arena *arena, const X509_NAME *name, int nid)
{
    int at = -1;

    for (int next = at; (next = X509_NAME_get_index_by_NID(name, nid, next)) >= 0;)
        at = next;
    return at < 0 ? "" : value_text(arena, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

int64_t certificate_time_s(const ASN1_TIME *time, int64_t unreadable)
{
    int64_t seconds;
    unsigned char tag = (unsigned char)ASN1_STRING_type(time);

    return der_time(tag, string_span(time), &seconds) ? seconds : unreadable;
}

static bool is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return true;
}

/* "*.Example.ORG." becomes "*.example.org"; what is no domain name is shown as it is. */
static const char *presented_name(struct arena *arena, struct span name)
{
    bool is_wildcard = span_starts_with(name, "*.");
    const char *form = NULL;

    if (is_ascii(name)) /* a dNSName is an IA5String: RFC 5280 section 4.2.1.6 */
        form = names_normalize(arena, is_wildcard ? span_part(name, 2, name.len) : name);
    if (form == NULL)
        return text_printable(arena, name, false);
    return is_wildcard ? arena_format(arena, "*.%s", form) : form;
}

const char *certificate_address_text(struct arena *arena, struct span octets)
{
    const unsigned char *p = (const unsigned char *)octets.data;

    if (octets.len == 4)
        return arena_format(arena, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    if (octets.len == 16)
        return arena_format(arena, "%x:%x:%x:%x:%x:%x:%x:%x", p[0] << 8 | p[1], p[2] << 8 | p[3],
                            p[4] << 8 | p[5], p[6] << 8 | p[7], p[8] << 8 | p[9],
                            p[10] << 8 | p[11], p[12] << 8 | p[13], p[14] << 8 | p[15]);
    return text_hex(arena, octets);
}

static void read_names(struct arena *arena, X509 *x509, struct certificate *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);

    if (count > NAMES_MOST)
        count = NAMES_MOST;
    certificate->names = arena_new(arena, (size_t)count + 1, sizeof *certificate->names);
    certificate->addresses = arena_new(arena, (size_t)count + 1, sizeof *certificate->addresses);
    if (certificate->names == NULL || certificate->addresses == NULL)
        count = 0;
    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            certificate->names[certificate->name_count++] =
                presented_name(arena, string_span(name->d.dNSName));
        else if (name->type == GEN_IPADD)
            certificate->addresses[certificate->address_count++] =
                certificate_address_text(arena, string_span(name->d.iPAddress));
    }
    GENERAL_NAMES_free(names);
}

static const char *curve_name(const char *group)
{
    static const struct {
        const char *openssl, *people;
    } rows[] = { { "prime256v1", "P-256" },
                 { "secp384r1", "P-384" },
                 { "secp521r1", "P-521" },
                 { "secp224r1", "P-224" },
                 { "prime192v1", "P-192" } };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].openssl, group) == 0)
            return rows[i].people;
    return group;
}

static const char *key_text(struct arena *arena, EVP_PKEY *key)
{
    char group[80] = "";
    int type = EVP_PKEY_get_base_id(key);

    if (type == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof group, NULL))
        return arena_format(arena, "ECDSA %s", curve_name(group));
    if (type == EVP_PKEY_EC)
        return arena_format(arena, "ECDSA %d bits", EVP_PKEY_get_bits(key));
    if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448)
        return type == EVP_PKEY_ED25519 ? "Ed25519" : "Ed448";
    if (type == EVP_PKEY_RSA_PSS)
        return arena_format(arena, "RSA-PSS %d", EVP_PKEY_get_bits(key));
    if (OBJ_nid2sn(type) == NULL)
        return arena_format(arena, "a key of %d bits", EVP_PKEY_get_bits(key));
    return arena_format(arena, "%s %d", type == EVP_PKEY_RSA ? "RSA" : OBJ_nid2sn(type),
                        EVP_PKEY_get_bits(key));
}

static void read_key(struct arena *arena, X509 *x509, struct certificate *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(x509);

    if (key == NULL)
        return;
    certificate->key = key_text(arena, key);
    certificate->key_bits = EVP_PKEY_get_bits(key);
    certificate->key_security_bits = EVP_PKEY_get_security_bits(key);
}

const char *certificate_signature_text(struct arena *arena, X509 *x509)
{
    int nid = X509_get_signature_nid(x509), digest = NID_undef, key = NID_undef;
    const char *scheme;

    if (!X509_get_signature_info(x509, &digest, &key, NULL, NULL) || key == NID_undef)
        return nid == NID_undef ? "an unknown algorithm" : OBJ_nid2sn(nid);
    if (digest == NID_undef)
        return key == EVP_PKEY_ED25519 ? "Ed25519" : OBJ_nid2sn(key);
    scheme = key == EVP_PKEY_RSA       ? "RSA"
             : key == EVP_PKEY_RSA_PSS ? "RSA-PSS"
             : key == EVP_PKEY_EC      ? "ECDSA"
                                       : OBJ_nid2sn(key);
    return arena_format(arena, "%s with %s", OBJ_nid2sn(digest), scheme);
}

static const char *digest_text(struct arena *arena, struct span bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!EVP_Digest(bytes.data, bytes.len, digest, &len, EVP_sha256(), NULL))
        return "";
    return text_hex(arena, (struct span){ (const char *)digest, len });
}

static const char *issuer_url(struct arena *arena, X509 *x509)
{
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(x509, NID_info_access, NULL, NULL);
    int count = access == NULL ? 0 : sk_ACCESS_DESCRIPTION_num(access);
    const char *url = "";

    for (int i = 0; i < count && *url == '\0'; i++) {
        const ACCESS_DESCRIPTION *row = sk_ACCESS_DESCRIPTION_value(access, i);

        if (OBJ_obj2nid(row->method) == NID_ad_ca_issuers && row->location->type == GEN_URI)
            url = text_printable(arena, string_span(row->location->d.uniformResourceIdentifier),
                                 false);
    }
    AUTHORITY_INFO_ACCESS_free(access);
    return url;
}

static bool has_must_staple(X509 *x509)
{
    enum { STATUS_REQUEST = 5 }; /* the TLS extension of RFC 6066 section 8 */
    TLS_FEATURE *features = X509_get_ext_d2i(x509, NID_tlsfeature, NULL, NULL);
    bool found = false;

    for (int i = 0; features != NULL && i < sk_ASN1_INTEGER_num(features); i++)
        found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
    TLS_FEATURE_free(features);
    return found;
}

static const char *serial_text(struct arena *arena, X509 *x509)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    const char *sign = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "";

    return arena_format(arena, "%s%s", sign, text_hex(arena, string_span(serial)));
}

static void read_issuer(struct arena *arena, X509 *x509, struct certificate *certificate)
{
    const X509_NAME *issuer = X509_get_issuer_name(x509);

    certificate->issuer = certificate_name_text(arena, issuer);
    certificate->issuer_common_name = last_value(arena, issuer, NID_commonName);
    if (*certificate->issuer_common_name == '\0')
        certificate->issuer_common_name = last_value(arena, issuer, NID_organizationName);
    certificate->issuer_url = issuer_url(arena, x509);
    certificate->is_self_issued = X509_NAME_cmp(issuer, X509_get_subject_name(x509)) == 0;
}

static const char *key_digest(struct arena *arena, X509 *x509)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    const char *text =
        len <= 0 ? "" : digest_text(arena, (struct span){ (const char *)der, (size_t)len });

    OPENSSL_free(der);
    return text;
}

void certificate_read_x509(struct arena *arena, X509 *x509, struct certificate *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(x509);

    certificate->is_readable = true;
    certificate->subject = certificate_name_text(arena, subject);
    certificate->common_name = last_value(arena, subject, NID_commonName);
    read_issuer(arena, x509, certificate);
    certificate->serial = serial_text(arena, x509);
    certificate->not_before_s = certificate_time_s(X509_get0_notBefore(x509), INT64_MIN);
    certificate->not_after_s = certificate_time_s(X509_get0_notAfter(x509), INT64_MAX);
    read_names(arena, x509, certificate);
    read_key(arena, x509, certificate);
    certificate->signature = certificate_signature_text(arena, x509);
    certificate->spki_sha256 = key_digest(arena, x509);
    certificate->is_ca = X509_check_ca(x509) == 1;
    certificate->must_staple = has_must_staple(x509);
}

X509 *certificate_parse(struct span der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *x509 = der.len == 0 || der.len > CERTIFICATE_BYTES_MOST
                     ? NULL
                     : d2i_X509(NULL, &at, (long)der.len);

    if (x509 != NULL && (const char *)at != der.data + der.len) {
        X509_free(x509); /* something stands behind it */
        x509 = NULL;
    }
    return x509;
}

void certificate_init(struct arena *arena, struct span der, struct certificate *certificate)
{
    *certificate = (struct certificate){
        .der = der,
        .subject = "",
        .issuer = "",
        .common_name = "",
        .issuer_common_name = "",
        .serial = "",
        .not_before_s = INT64_MIN,
        .not_after_s = INT64_MAX,
        .key = "",
        .signature = "",
        .sha256 = digest_text(arena, der),
        .spki_sha256 = "",
        .issuer_url = "",
    };
}

void certificate_read(struct arena *arena, struct span der, struct certificate *certificate)
{
    X509 *x509 = certificate_parse(der);

    certificate_init(arena, der, certificate);
    if (x509 != NULL)
        certificate_read_x509(arena, x509, certificate);
    X509_free(x509);
}
