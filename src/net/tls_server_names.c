/* net/tls_server_names.c - which of a server's certificates a client gets, by the name it asks for.
 *
 * Worked out once, when a context is made: for each name that any certificate has, the set of those
 * that are for it; equal sets share an SSL_CTX. RFC 6066 section 3, RFC 9525 section 6.3.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/tls_internal.h"
#include "net/tls_server_internal.h"

enum { NAME_MOST = 254 };

/* Of one of the certificates. */
struct claim {
    char *name; /* lower case */
    size_t place;
};

struct maker {
    const struct tls_server_settings *settings;
    struct claim *claims; /* sorted by name, then by place */
    size_t claim_count;
    struct {
        struct tls_server_set set;
        SSL_CTX *ssl; /* held by the context or a name */
    } * groups;
    size_t group_count;
};

static const struct tls_credentials *credentials_at(const struct tls_server_settings *settings,
                                                    size_t place)
{
    return place == 0 ? settings->credentials : settings->more[place - 1];
}

static void copy_lower(const char *name, size_t len, char *copy)
{
    for (size_t i = 0; i < len; i++)
        copy[i] = text_lower(name[i]);
    copy[len] = '\0';
}

static bool is_wildcard(const char *name)
{
    return name[0] == '*' && name[1] == '.';
}

/* Empty, with a NUL, or with a '*' that is no whole first label: it is for nobody. */
static bool is_usable(const char *name, size_t len)
{
    return len > 0 && len < NAME_MOST && memchr(name, '\0', len) == NULL &&
           memchr(name + 1, '*', len - 1) == NULL &&
           (name[0] != '*' || (len > 2 && name[1] == '.'));
}

static bool add_claim(struct maker *maker, const ASN1_STRING *text, size_t place)
{
    const char *name = (const char *)ASN1_STRING_get0_data(text);
    size_t len = (size_t)ASN1_STRING_length(text), count = maker->claim_count;
    struct claim *grown;
    char *copy;

    if (!is_usable(name, len))
        return true;
    grown = memory_grow(maker->claims, (count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    maker->claims = grown;
    copy = memory_new(1, len + 1);
    if (copy == NULL)
        return false;
    copy_lower(name, len, copy);
    maker->claims[maker->claim_count++] = (struct claim){ copy, place };
    return true;
}

static bool add_claims_of(struct maker *maker, size_t place)
{
    const struct tls_credentials *credentials = credentials_at(maker->settings, place);
    GENERAL_NAMES *names = X509_get_ext_d2i(credentials->leaf, NID_subject_alt_name, NULL, NULL);
    bool has_memory = true;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && has_memory; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            has_memory = add_claim(maker, name->d.dNSName, place);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return has_memory;
}

static int compare_claims(const void *left, const void *right)
{
    const struct claim *one = left, *other = right;
    int order = strcmp(one->name, other->name);

    return order != 0 ? order : (one->place > other->place) - (one->place < other->place);
}

/* The first claim of a name; claim_count: nobody has it. */
static size_t find_claim(const struct maker *maker, const char *name)
{
    size_t from = 0, to = maker->claim_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (strcmp(maker->claims[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from < maker->claim_count && strcmp(maker->claims[from].name, name) != 0)
        return maker->claim_count;
    return from;
}

static int key_kind(const struct maker *maker, size_t place)
{
    return EVP_PKEY_get_base_id(credentials_at(maker->settings, place)->key);
}

/* Unless one with such a key is there already. */
static void add_member(const struct maker *maker, struct tls_server_set *set, size_t place)
{
    size_t at = set->count;

    for (size_t i = 0; i < set->count; i++)
        if (set->members[i] == place || key_kind(maker, set->members[i]) == key_kind(maker, place))
            return;
    if (set->count == TLS_KEY_KINDS_MOST)
        return;
    set->count++;
    for (; at > 0 && set->members[at - 1] > place; at--)
        set->members[at] = set->members[at - 1];
    set->members[at] = place;
}

static void add_claimants(const struct maker *maker, struct tls_server_set *set, const char *name)
{
    for (size_t i = find_claim(maker, name);
         i < maker->claim_count && strcmp(maker->claims[i].name, name) == 0; i++)
        add_member(maker, set, maker->claims[i].place);
}

/* "*.example.org" for "mx.example.org" in `wildcard`; false: it has no such. */
static bool widen(const char *name, char wildcard[NAME_MOST + 1])
{
    const char *rest = strchr(name, '.');

    if (rest == NULL || strlen(rest) + 1 > NAME_MOST || is_wildcard(name))
        return false;
    wildcard[0] = '*';
    memcpy(wildcard + 1, rest, strlen(rest) + 1);
    return true;
}

static void add_all_for(const struct maker *maker, struct tls_server_set *set, const char *name)
{
    char wildcard[NAME_MOST + 1];

    add_claimants(maker, set, name); /* what names it comes before what would do */
    if (widen(name, wildcard))
        add_claimants(maker, set, wildcard);
}

static bool sets_equal(const struct tls_server_set *one, const struct tls_server_set *other)
{
    return one->count == other->count &&
           memcmp(one->members, other->members, one->count * sizeof one->members[0]) == 0;
}

/* Held for the caller. */
static SSL_CTX *group_of(struct tls_server_context *context, struct maker *maker,
                         const struct tls_server_set *set, struct error *err)
{
    void *grown;
    SSL_CTX *ssl;

    for (size_t i = 0; i < maker->group_count; i++)
        if (sets_equal(&maker->groups[i].set, set))
            return SSL_CTX_up_ref(maker->groups[i].ssl) == 1 ? maker->groups[i].ssl : NULL;
    grown = memory_grow(maker->groups, (maker->group_count + 1) * sizeof *maker->groups);
    if (grown == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the names of certificates");
        return NULL;
    }
    maker->groups = grown;
    ssl = tls_server_make_ssl(context, maker->settings, set, err);
    if (ssl == NULL)
        return NULL;
    maker->groups[maker->group_count].set = *set;
    maker->groups[maker->group_count++].ssl = ssl;
    return ssl;
}

/* The first certificate, and those of other keys that share a name with it. */
static bool make_default(struct tls_server_context *context, struct maker *maker, struct error *err)
{
    struct tls_server_set set = { .members = { 0 }, .count = 1 };

    for (size_t i = 0; i < maker->claim_count; i++)
        if (maker->claims[i].place == 0)
            add_all_for(maker, &set, maker->claims[i].name);
    context->ssl = group_of(context, maker, &set, err);
    return context->ssl != NULL;
}

static bool make_names(struct tls_server_context *context, struct maker *maker, struct error *err)
{
    context->names = memory_new(maker->claim_count + 1, sizeof *context->names);
    if (context->names == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the names of certificates");
    for (size_t i = 0; i < maker->claim_count; i++) {
        struct tls_server_name *made = &context->names[context->name_count];
        struct tls_server_set set = { .count = 0 };

        if (context->name_count > 0 && strcmp(made[-1].name, maker->claims[i].name) == 0)
            continue;
        add_all_for(maker, &set, maker->claims[i].name);
        made->ssl = group_of(context, maker, &set, err);
        if (made->ssl == NULL)
            return false;
        made->name = maker->claims[i].name;
        context->name_count++;
    }
    return true;
}

/* What the context has taken over is its own; both are sorted. */
static void clear_maker(const struct tls_server_context *context, struct maker *maker)
{
    size_t taken = 0;

    for (size_t i = 0; i < maker->claim_count; i++)
        if (taken < context->name_count && maker->claims[i].name == context->names[taken].name)
            taken++;
        else
            memory_free(maker->claims[i].name);
    memory_free(maker->claims);
    memory_free(maker->groups);
}

bool tls_server_names_make(struct tls_server_context *context,
                           const struct tls_server_settings *settings, struct error *err)
{
    struct maker maker = { .settings = settings };
    bool is_made = true;

    for (size_t i = 0; i <= settings->more_count && settings->more_count > 0 && is_made; i++)
        is_made = (credentials_at(settings, i) != NULL && add_claims_of(&maker, i)) ||
                  error_set(err, ERROR_MEMORY, "no memory for the names of certificates");
    if (maker.claim_count > 0)
        qsort(maker.claims, maker.claim_count, sizeof maker.claims[0], compare_claims);
    is_made = is_made && make_default(context, &maker, err) && make_names(context, &maker, err);
    clear_maker(context, &maker);
    return is_made;
}

void tls_server_names_free(struct tls_server_context *context)
{
    for (size_t i = 0; i < context->name_count; i++) {
        memory_free(context->names[i].name);
        SSL_CTX_free(context->names[i].ssl);
    }
    memory_free(context->names);
    context->names = NULL;
    context->name_count = 0;
}

static int compare_name(const void *wanted, const void *entry)
{
    const struct tls_server_name *name = entry;

    return strcmp(wanted, name->name);
}

static SSL_CTX *find_exactly(const struct tls_server_context *context, const char *name)
{
    const struct tls_server_name *found =
        bsearch(name, context->names, context->name_count, sizeof context->names[0], compare_name);

    return found == NULL ? NULL : found->ssl;
}

SSL_CTX *tls_server_names_find(const struct tls_server_context *context, const char *name)
{
    char wanted[NAME_MOST + 1], wildcard[NAME_MOST + 1];
    size_t len = strlen(name);
    SSL_CTX *found;

    if (context->name_count == 0)
        return NULL;
    if (len > 0 && name[len - 1] == '.') /* RFC 6066 section 3 has none; some send it */
        len--;
    if (len == 0 || len > NAME_MOST)
        return NULL;
    copy_lower(name, len, wanted);
    found = find_exactly(context, wanted);
    if (found == NULL && widen(wanted, wildcard))
        found = find_exactly(context, wildcard);
    return found;
}
