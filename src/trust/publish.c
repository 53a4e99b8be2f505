#include "trust/publish.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

enum {
    DIGEST_BYTES = 32,
    ID_BYTES = 8,
    TEXT_MOST = 256 * 1024,
    STRING_MOST = 255,
    ROW_MOST = 64,
    LINE_MOST = 80,
    PIECE = 72
};

/* Before the digest, so that ours are known for what they are; letters and digits alone. */
static const char id_prefix[] = "postern";

/* ---- TLSA ---- */

static struct span digest_of(struct arena *arena, struct span bytes)
{
    unsigned char digest[DIGEST_BYTES];

    if (!EVP_Digest(bytes.data, bytes.len, digest, NULL, EVP_sha256(), NULL))
        return (struct span){ NULL, 0 };
    return arena_copy_bytes(arena, (struct span){ (const char *)digest, sizeof digest });
}

struct dane_record publish_tlsa(struct arena *arena, struct span key)
{
    return (struct dane_record){
        .usage = 3, .selector = 1, .matching = 1, .data = digest_of(arena, key)
    };
}

bool publish_tlsa_is_of_key(const struct dane_record *record, struct span key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const EVP_MD *algorithm = record->matching == 1 ? EVP_sha256() : EVP_sha512();
    unsigned len = 0;

    if (record->usage != 3 || record->selector != 1 || record->matching > 2 || key.len == 0)
        return false;
    if (record->matching == 0)
        return span_equal(record->data, key);
    return EVP_Digest(key.data, key.len, digest, &len, algorithm, NULL) == 1 &&
           span_equal(record->data, (struct span){ (const char *)digest, len });
}

/* ---- MTA-STS ---- */

const char *publish_policy(struct arena *arena, const struct mta_sts_policy *policy)
{
    AUTO(buffer_clear) struct buffer text;
    bool fits;

    buffer_init(&text, TEXT_MOST);
    fits = buffer_format(&text, "version: STSv1\nmode: %s\n", mta_sts_mode_name(policy->mode));
    for (size_t i = 0; i < policy->mx_count && fits; i++)
        fits = buffer_format(&text, "mx: %s\n", policy->mx[i]);
    fits = fits && buffer_format(&text, "max_age: %lld\n", (long long)policy->max_age_s);
    return arena_copy(arena, fits ? buffer_span(&text) : (struct span){ NULL, 0 });
}

static int compare_hosts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The hosts in order; NULL: no memory. */
static const char **sort_hosts(struct arena *arena, const struct mta_sts_policy *policy)
{
    const char **hosts = arena_new(arena, policy->mx_count + 1, sizeof *hosts);

    for (size_t i = 0; hosts != NULL && i < policy->mx_count; i++)
        hosts[i] = policy->mx[i];
    if (hosts != NULL && policy->mx_count > 0)
        qsort(hosts, policy->mx_count, sizeof *hosts, compare_hosts);
    return hosts;
}

const char *publish_policy_id(struct arena *arena, const struct mta_sts_policy *policy)
{
    struct mta_sts_policy sorted = *policy;
    const char **hosts = sort_hosts(arena, policy);
    struct span digest;

    if (hosts == NULL)
        return "";
    sorted.mx = hosts;
    digest = digest_of(arena, span_of(publish_policy(arena, &sorted)));
    return arena_format(arena, "%s%s", id_prefix, text_hex(arena, span_part(digest, 0, ID_BYTES)));
}

bool publish_policy_id_is_ours(const char *id)
{
    struct span rest = span_of(id);

    if (!span_starts_with(rest, id_prefix))
        return false;
    span_take_front(&rest, strlen(id_prefix));
    for (size_t i = 0; i < rest.len; i++)
        if (strchr("0123456789abcdef", rest.data[i]) == NULL)
            return false;
    return rest.len == (size_t)2 * ID_BYTES;
}

static bool lists_all_of(const struct mta_sts_policy *a, const struct mta_sts_policy *b)
{
    for (size_t i = 0; i < b->mx_count; i++) {
        bool is_there = false;

        for (size_t j = 0; j < a->mx_count && !is_there; j++)
            is_there = strcmp(a->mx[j], b->mx[i]) == 0;
        if (!is_there)
            return false;
    }
    return true;
}

bool publish_policy_equal(const struct mta_sts_policy *a, const struct mta_sts_policy *b)
{
    if (a->mode != b->mode)
        return false;
    return a->mode == MTA_STS_MODE_NONE ||
           (a->max_age_s == b->max_age_s && lists_all_of(a, b) && lists_all_of(b, a));
}

const char *publish_sts_record(struct arena *arena, const char *id)
{
    return arena_format(arena, "v=STSv1; id=%s;", id);
}

/* ---- TLSRPT ---- */

const char *publish_mailto(struct arena *arena, const char *mailbox)
{
    AUTO(buffer_clear) struct buffer uri;
    bool fits;

    buffer_init(&uri, TEXT_MOST);
    fits = buffer_append_text(&uri, "mailto:");
    for (const char *c = mailbox; *c != '\0' && fits; c++)
        if (text_is_letter_or_digit(*c) || strchr("-._~+@", *c) != NULL)
            fits = buffer_append(&uri, (struct span){ c, 1 });
        else
            fits = buffer_format(&uri, "%%%02X", (unsigned char)*c);
    return arena_copy(arena, fits ? buffer_span(&uri) : (struct span){ NULL, 0 });
}

const char *publish_report_record(struct arena *arena, const char *const *uris, size_t count)
{
    const char *text = "v=TLSRPTv1; rua=";

    for (size_t i = 0; i < count; i++)
        text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : ",", uris[i]);
    return text;
}

/* ---- lines ---- */

const char *publish_tlsa_line(struct arena *arena, const char *name,
                              const struct dane_record *record)
{
    struct span hex = span_of(text_hex(arena, record->data));
    const char *line = arena_format(arena, "%s. %d IN TLSA %u %u %u (", name, PUBLISH_TTL_S,
                                    record->usage, record->selector, record->matching);

    while (hex.len > 0) {
        struct span row = span_take_front(&hex, ROW_MOST);

        line = arena_format(arena, "%s\n    %.*s", line, (int)row.len, row.data);
    }
    return arena_format(arena, "%s )\n", line);
}

/* Of a string in quotes: RFC 1035 section 5.1. */
static const char *quote_text(struct arena *arena, struct span text)
{
    AUTO(buffer_clear) struct buffer quoted;
    bool fits;

    buffer_init(&quoted, TEXT_MOST);
    fits = buffer_append_text(&quoted, "\"");
    for (size_t i = 0; i < text.len && fits; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\')
            fits = buffer_format(&quoted, "\\%c", c);
        else if (c < ' ' || c > '~')
            fits = buffer_format(&quoted, "\\%03u", c);
        else
            fits = buffer_append(&quoted, span_part(text, i, 1));
    }
    fits = fits && buffer_append_text(&quoted, "\"");
    return arena_copy(arena, fits ? buffer_span(&quoted) : (struct span){ NULL, 0 });
}

const char *publish_txt_line(struct arena *arena, const char *name, const char *text)
{
    struct span rest = span_of(text);
    size_t most = rest.len > STRING_MOST ? PIECE : STRING_MOST;
    const char *line = arena_format(arena, "%s. %d IN TXT", name, PUBLISH_TTL_S);

    if (strlen(line) + rest.len + strlen(" \"\"") <= LINE_MOST)
        return arena_format(arena, "%s %s\n", line, quote_text(arena, rest));
    line = arena_format(arena, "%s (", line);
    while (rest.len > 0)
        line = arena_format(arena, "%s\n    %s", line,
                            quote_text(arena, span_take_front(&rest, most)));
    return arena_format(arena, "%s )\n", line);
}
