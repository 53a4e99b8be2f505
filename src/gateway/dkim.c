#include "gateway/dkim.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "link/trust_files.h"
#include "smtp/header.h"
#include "trust/names.h"

enum {
    KEY_FILE_MOST = 64 * 1024,
    KEY_ARENA_BYTES = 4096,
    RSA_BITS_LEAST = 1024, /* RFC 8301 section 3.2 */
    SHA256_BYTES = 32,
    LINE_MOST = 76, /* octets of a folded line */
};

struct dkim_key {
    EVP_PKEY *pair;
    bool is_ed25519;
    struct arena arena; /* the two names */
    const char *domain, *selector;
};

/* ---- keys ---- */

void dkim_key_free(struct dkim_key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pair);
    arena_clear(&(*key)->arena);
    memory_free(*key);
    *key = NULL;
}

/* A program that runs unattended has nobody to ask. */
static int give_no_password(char *password, int size, int is_writing, void *owner)
{
    (void)password;
    (void)size;
    (void)is_writing;
    (void)owner;
    return -1;
}

static bool read_pair(struct span pem, struct dkim_key *key, struct error *err)
{
    BIO *bio =
        pem.len > 0 && pem.len <= KEY_FILE_MOST ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;

    if (bio == NULL)
        return error_set(err, ERROR_FORMAT, "there is no PEM private key");
    key->pair = PEM_read_bio_PrivateKey(bio, NULL, give_no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (key->pair == NULL)
        return error_set(err, ERROR_FORMAT,
                         "there is no PEM private key that can be read without a password");
    key->is_ed25519 = EVP_PKEY_get_base_id(key->pair) == EVP_PKEY_ED25519;
    if (!key->is_ed25519 && EVP_PKEY_get_base_id(key->pair) != EVP_PKEY_RSA)
        return error_set(err, ERROR_FORMAT, "DKIM takes keys of the types RSA and Ed25519 only");
    if (!key->is_ed25519 && EVP_PKEY_get_bits(key->pair) < RSA_BITS_LEAST)
        return error_set(
            err, ERROR_FORMAT,
            "an RSA key of %d bits is too short: DKIM wants 1024 at least, better 2048",
            EVP_PKEY_get_bits(key->pair));
    return true;
}

bool dkim_key_read(struct span pem, const char *domain, const char *selector, struct dkim_key **key,
                   struct error *err)
{
    AUTO(dkim_key_free) struct dkim_key *made = memory_new(1, sizeof *made);

    *key = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a DKIM key");
    arena_init(&made->arena, KEY_ARENA_BYTES);
    made->domain = names_normalize(&made->arena, span_of(domain));
    made->selector = names_normalize(&made->arena, span_of(selector));
    if (made->domain == NULL || made->domain[0] == '.' || made->domain[0] == '\0')
        return error_set(err, ERROR_FORMAT, "the DKIM domain \"%s\" is no domain name", domain);
    if (made->selector == NULL || made->selector[0] == '.' || made->selector[0] == '\0')
        return error_set(err, ERROR_FORMAT, "the DKIM selector \"%s\" is no name", selector);
    if (!read_pair(pem, made, err))
        return false;
    *key = TAKE(made);
    return true;
}

bool dkim_key_load(const char *file, const char *domain, const char *selector,
                   struct dkim_key **key, struct error *err)
{
    struct buffer pem;
    bool is_read;

    *key = NULL;
    buffer_init(&pem, KEY_FILE_MOST);
    is_read = trust_files_read(file, &pem, err) &&
              (dkim_key_read(buffer_span(&pem), domain, selector, key, err) ||
               error_wrap(err, "%s", file));
    if (pem.data != NULL)
        memory_wipe(pem.data, pem.len);
    buffer_clear(&pem);
    return is_read;
}

const char *dkim_key_name(const struct dkim_key *key, struct arena *arena)
{
    return arena_format(arena, "%s._domainkey.%s", key->selector, key->domain);
}

/* RFC 8463 section 4: the bare 32 octets; RFC 6376 section 3.6.1: a SubjectPublicKeyInfo is what verifiers take
 * for RSA, as everybody publishes it (RFC 6376 erratum 3017). */
static const char *public_key(const struct dkim_key *key, struct arena *arena)
{
    unsigned char *der = NULL, raw[SHA256_BYTES];
    size_t raw_len = sizeof raw;
    const char *text = "";
    int len;

    if (key->is_ed25519) {
        if (EVP_PKEY_get_raw_public_key(key->pair, raw, &raw_len) == 1)
            text = text_base64(arena, (struct span){ (const char *)raw, raw_len });
        return text;
    }
    len = i2d_PUBKEY(key->pair, &der);
    if (len > 0)
        text = text_base64(arena, (struct span){ (const char *)der, (size_t)len });
    OPENSSL_free(der);
    return text;
}

const char *dkim_key_record(const struct dkim_key *key, const char *service, struct arena *arena)
{
    return arena_format(arena, "v=DKIM1; k=%s;%s%s%s p=%s", key->is_ed25519 ? "ed25519" : "rsa",
                        service == NULL ? "" : " s=", service == NULL ? "" : service,
                        service == NULL ? "" : ";", public_key(key, arena));
}

/* ---- the body: RFC 6376 section 3.4.4 ---- */

/* Empty lines wait until something follows them; so do blanks for more on their line. */
struct body {
    EVP_MD_CTX *hash;
    size_t empty_lines;
    bool is_fine;
};

static void add(struct body *body, struct span bytes)
{
    if (bytes.len > 0)
        body->is_fine = body->is_fine && EVP_DigestUpdate(body->hash, bytes.data, bytes.len) == 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span take_blanks(struct span *text)
{
    size_t len = 0;

    while (len < text->len && is_blank(text->data[len]))
        len++;
    return span_take_front(text, len);
}

static struct span take_word(struct span *text)
{
    size_t len = 0;

    while (len < text->len && !is_blank(text->data[len]))
        len++;
    return span_take_front(text, len);
}

static struct span without_blanks_behind(struct span text)
{
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Without its CRLF. */
static void add_line(struct body *body, struct span line)
{
    line = without_blanks_behind(line);
    if (line.len == 0) {
        body->empty_lines++;
        return;
    }
    for (; body->empty_lines > 0; body->empty_lines--)
        add(body, span_of("\r\n"));
    while (line.len > 0) {
        if (take_blanks(&line).len > 0)
            add(body, span_of(" "));
        add(body, take_word(&line));
    }
    add(body, span_of("\r\n"));
}

static bool hash_body(struct span text, unsigned char digest[SHA256_BYTES])
{
    struct body body = { EVP_MD_CTX_new(), 0, true };

    body.is_fine = body.hash != NULL && EVP_DigestInit_ex(body.hash, EVP_sha256(), NULL) == 1;
    while (text.len > 0) {
        struct span line = span_take_line(&text);

        add_line(&body, line);
    }
    body.is_fine = body.is_fine && EVP_DigestFinal_ex(body.hash, digest, NULL) == 1;
    EVP_MD_CTX_free(body.hash);
    return body.is_fine;
}

/* ---- the header: RFC 6376 sections 3.4.2, 5.4 and 3.7 ---- */

/* What is signed where the message has it. */
static const struct {
    const char *name;
    bool is_once; /* RFC 5322 section 3.6: at most one; none can be added then */
} signed_fields[] = {
    { "From", true },
    { "Sender", true },
    { "Reply-To", true },
    { "To", true },
    { "Cc", true },
    { "Subject", true },
    { "Date", true },
    { "Message-ID", true },
    { "In-Reply-To", true },
    { "References", true },
    { "MIME-Version", true },
    { "Content-Type", true },
    { "Content-Transfer-Encoding", true },
    { "Content-Disposition", true },
    { "Content-ID", true },
    { "Content-Description", true },
    { "Auto-Submitted", true },
    { "TLS-Report-Domain", true },    /* RFC 8460 section 5.3 */
    { "TLS-Report-Submitter", true }, /* RFC 8460 section 5.3 */
    { "TLS-Required", false },
    { "Resent-Date", false },
    { "Resent-From", false },
    { "Resent-Sender", false },
    { "Resent-To", false },
    { "Resent-Cc", false },
    { "Resent-Message-ID", false },
    { "List-Id", false },
    { "List-Help", false },
    { "List-Unsubscribe", false },
    { "List-Unsubscribe-Post", false },
    { "List-Subscribe", false },
    { "List-Post", false },
    { "List-Owner", false },
    { "List-Archive", false },
};

static bool append_lower(struct buffer *out, struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = text_lower(name.data[i]);

        if (!buffer_append(out, (struct span){ &c, 1 }))
            return false;
    }
    return true;
}

/* A line end is no more than a place to fold: what stands around it is blanks. */
static struct span take_value_word(struct span *value, bool *had_blanks)
{
    size_t len = 0;

    *had_blanks = false;
    while (value->len > 0 &&
           (is_blank(value->data[0]) || value->data[0] == '\r' || value->data[0] == '\n'))
        *had_blanks |= is_blank(span_take(value));
    while (len < value->len && !is_blank(value->data[len]) && value->data[len] != '\r')
        len++;
    return span_take_front(value, len);
}

static bool append_relaxed(struct buffer *out, const struct smtp_field *field, bool is_last)
{
    struct span value = field->value;
    bool is_first = true, fits = append_lower(out, field->name) && buffer_append_text(out, ":");

    while (fits && value.len > 0) {
        bool had_blanks;
        struct span word = take_value_word(&value, &had_blanks);

        if (word.len == 0)
            break; /* only blanks were left */
        fits =
            (is_first || !had_blanks || buffer_append_text(out, " ")) && buffer_append(out, word);
        is_first = false;
    }
    return fits && (is_last || buffer_append_text(out, "\r\n"));
}

/* The n-th from the bottom: RFC 6376 section 5.4.2. */
static bool find_from_below(struct span header, const char *name, size_t n,
                            struct smtp_field *found)
{
    struct smtp_field field;
    size_t count = 0;

    for (struct span rest = header; smtp_header_next(&rest, &field);)
        count += smtp_field_is(&field, name);
    if (n >= count)
        return false;
    for (struct span rest = header; smtp_header_next(&rest, &field);)
        if (smtp_field_is(&field, name) && --count == n)
            break;
    *found = field;
    return true;
}

/* The names for h=, colons between, and the fields themselves to `out`. */
static bool gather_fields(struct span header, struct buffer *names, struct buffer *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(signed_fields); i++) {
        const char *name = signed_fields[i].name;
        struct smtp_field field;
        size_t count = 0;

        for (; find_from_below(header, name, count, &field); count++)
            if (!append_relaxed(out, &field, false))
                return false;
        if (count > 0 && signed_fields[i].is_once)
            count++;
        for (; count > 0; count--)
            if (!buffer_format(names, "%s%s", names->len == 0 ? "" : ":", name))
                return false;
    }
    return true;
}

/* ---- signing ---- */

/* One CR before each LF, one LF behind each CR. */
static bool check_line_ends(struct span message, struct error *err)
{
    size_t line = 1;

    for (size_t i = 0; i < message.len; i++) {
        bool is_cr = message.data[i] == '\r', is_lf = message.data[i] == '\n';

        if ((is_cr && (i + 1 == message.len || message.data[i + 1] != '\n')) ||
            (is_lf && (i == 0 || message.data[i - 1] != '\r')))
            return error_set(err, ERROR_FORMAT, "line %zu of the message has a %s alone, not CRLF",
                             line, is_cr ? "CR" : "LF");
        line += is_lf;
    }
    return true;
}

static bool split(struct span message, struct span *header, struct span *body, struct error *err)
{
    struct smtp_field field;
    size_t from = 0, count = 0, lines = 1;

    *header = span_part(message, 0, smtp_header_len(message));
    *body = span_part(message, header->len, SIZE_MAX);
    for (size_t i = 0; i < header->len; i++)
        lines += header->data[i] == '\n';
    if (body->len > 0 && !smtp_header_take_end(body))
        return error_set(err, ERROR_FORMAT, "line %zu of the message is no field of a header",
                         lines);
    if (header->len > DKIM_HEADER_MOST)
        return error_set(err, ERROR_FORMAT, "the header is longer than %d octets",
                         DKIM_HEADER_MOST);
    for (struct span rest = *header; smtp_header_next(&rest, &field); count++) {
        from += smtp_field_is(&field, "From");
        if (field.name.data[field.name.len] !=
            ':') /* RFC 5322 section 4.5; some verifiers do not know it */
            return error_set(err, ERROR_FORMAT, "the header has blanks before the colon of %.*s",
                             (int)field.name.len, field.name.data);
    }
    if (count > DKIM_FIELDS_MOST)
        return error_set(err, ERROR_FORMAT, "the header has more than %d fields", DKIM_FIELDS_MOST);
    return from == 1 ||
           error_set(err, ERROR_FORMAT, "the message has %zu From fields, not one", from);
}

/* Puts line ends behind separators, where the line would grow too long. */
static bool fold_names(struct buffer *out, struct span names, size_t column)
{
    while (names.len > 0) {
        struct span name = span_take_until(&names, ':');

        if (column + name.len + 1 > LINE_MOST) {
            if (!buffer_append_text(out, "\r\n "))
                return false;
            column = 1;
        }
        if (!buffer_append(out, name) || !buffer_append_text(out, names.len > 0 ? ":" : ";"))
            return false;
        column += name.len + 1;
    }
    return true;
}

static bool fold_base64(struct buffer *out, struct span text)
{
    while (text.len > 0)
        if (!buffer_append_text(out, "\r\n ") ||
            !buffer_append(out, span_take_front(&text, LINE_MOST - 1)))
            return false;
    return true;
}

static bool begin_field(const struct dkim_key *key, struct span names, struct span body_hash,
                        int64_t now_s, struct buffer *out)
{
    return buffer_format(out,
                         "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n"
                         " d=%s;\r\n s=%s; t=%lld;\r\n h=",
                         key->is_ed25519 ? "ed25519-sha256" : "rsa-sha256", key->domain,
                         key->selector, (long long)now_s) &&
           fold_names(out, names, sizeof " h=" - 1) &&
           buffer_format(out, "\r\n bh=%.*s;\r\n b=", (int)body_hash.len, body_hash.data);
}

static bool append_own(struct span field_text, struct buffer *out)
{
    struct smtp_field field;

    return smtp_header_next(&field_text, &field) && append_relaxed(out, &field, true);
}

/* RFC 8463 section 3: Ed25519 signs the hash, not the text. */
static const char *sign(const struct dkim_key *key, struct span text, struct arena *arena)
{
    unsigned char digest[SHA256_BYTES], *signature = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const unsigned char *data = key->is_ed25519 ? digest : (const unsigned char *)text.data;
    size_t len = key->is_ed25519 ? sizeof digest : text.len, size = 0;
    const char *encoded = NULL;

    if (context != NULL && EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL) == 1 &&
        EVP_DigestSignInit(context, NULL, key->is_ed25519 ? NULL : EVP_sha256(), NULL, key->pair) ==
            1 &&
        EVP_DigestSign(context, NULL, &size, data, len) == 1)
        signature = arena_new(arena, size, 1);
    if (signature != NULL && EVP_DigestSign(context, signature, &size, data, len) == 1)
        encoded = text_base64(arena, (struct span){ (const char *)signature, size });
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return encoded;
}

/* `gathered` has the message's fields; the field's own text goes behind them as it will be without b=. */
static bool make_field(const struct dkim_key *key, struct span names, struct span body_hash,
                       int64_t now_s, struct buffer *gathered, struct buffer *out,
                       struct arena *arena)
{
    const char *signature;

    if (!begin_field(key, names, body_hash, now_s, out) || !append_own(buffer_span(out), gathered))
        return false;
    signature = sign(key, buffer_span(gathered), arena);
    return signature != NULL && fold_base64(out, span_of(signature)) &&
           buffer_append_text(out, "\r\n");
}

bool dkim_sign(const struct dkim_key *key, struct span message, int64_t now_s, struct arena *arena,
               const char **header_field, struct error *err)
{
    unsigned char digest[SHA256_BYTES];
    struct buffer names, gathered, field;
    struct span header, body, hash;
    bool is_made;

    *header_field = NULL;
    if (!check_line_ends(message, err) || !split(message, &header, &body, err))
        return false;
    if (!hash_body(body, digest))
        return error_set(err, ERROR_CRYPTO, "the message's body cannot be hashed");
    hash = span_of(text_base64(arena, (struct span){ (const char *)digest, sizeof digest }));
    buffer_init(&names, DKIM_HEADER_MOST);
    buffer_init(&gathered, (size_t)4 * DKIM_HEADER_MOST);
    buffer_init(&field, (size_t)2 * DKIM_HEADER_MOST);
    is_made = gather_fields(header, &names, &gathered) &&
              make_field(key, buffer_span(&names), hash, now_s, &gathered, &field, arena);
    if (is_made)
        *header_field = arena_copy(arena, buffer_span(&field));
    buffer_clear(&names);
    buffer_clear(&gathered);
    buffer_clear(&field);
    return (is_made && !arena->exhausted) ||
           error_set(err, ERROR_CRYPTO,
                     "the message cannot be signed: no memory, or the key fails");
}
