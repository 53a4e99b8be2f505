#include "trust/anchors.h"

#include "base/memory.h"
#include "trust/der.h"

struct anchor {
    uint64_t subject_hash;
    struct span der;  /* owned */
    X509 *parsed;     /* NULL until somebody asked for its subject */
    bool is_unusable; /* the light walk passed it, OpenSSL does not */
};

struct anchors {
    struct anchor *items;
    size_t count, size;
};

struct anchors *anchors_new(void)
{
    return memory_new(1, sizeof(struct anchors));
}

void anchors_free(struct anchors **anchors)
{
    if (*anchors == NULL)
        return;
    for (size_t i = 0; i < (*anchors)->count; i++) {
        struct anchor *item = &(*anchors)->items[i];

        X509_free(item->parsed);
        memory_free((void *)(uintptr_t)item->der.data);
    }
    memory_free((*anchors)->items);
    memory_free(*anchors);
    *anchors = NULL;
}

static bool make_room(struct anchors *anchors)
{
    size_t size = anchors->size == 0 ? 32 : anchors->size * 2;
    struct anchor *items;

    if (anchors->count < anchors->size)
        return true;
    items = memory_grow(anchors->items, size * sizeof *items);
    if (items == NULL)
        return false;
    anchors->items = items;
    anchors->size = size;
    return true;
}

bool anchors_add(struct anchors *anchors, struct span der, struct error *err)
{
    struct der_certificate parts;
    uint64_t hash;
    char *copy;

    if (!der_certificate(der, &parts))
        return error_set(err, ERROR_FORMAT, "this is not a certificate in DER");
    hash = der_name_hash(parts.subject);
    for (size_t i = 0; i < anchors->count; i++)
        if (anchors->items[i].subject_hash == hash && span_equal(anchors->items[i].der, der))
            return true;
    copy = make_room(anchors) ? memory_new(der.len, 1) : NULL;
    if (copy == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for another trusted certificate");
    memcpy(copy, der.data, der.len);
    anchors->items[anchors->count++] = (struct anchor){ hash, { copy, der.len }, NULL, false };
    return true;
}

struct anchors *anchors_copy(const struct anchors *anchors)
{
    struct anchors *copy = anchors_new();

    for (size_t i = 0; copy != NULL && anchors != NULL && i < anchors->count; i++)
        if (!anchors_add(copy, anchors->items[i].der, NULL))
            anchors_free(&copy);
    return copy;
}

size_t anchors_count(const struct anchors *anchors)
{
    return anchors->count;
}

static X509 *parse(struct anchor *item)
{
    const unsigned char *at = (const unsigned char *)item->der.data;

    if (item->parsed == NULL && !item->is_unusable) {
        item->parsed = d2i_X509(NULL, &at, (long)item->der.len);
        item->is_unusable = item->parsed == NULL;
    }
    return item->parsed;
}

void anchors_visit(struct anchors *anchors, const X509_NAME *subject,
                   bool (*visit)(X509 *certificate, void *context), void *context)
{
    const unsigned char *der = NULL;
    size_t len = 0;
    uint64_t hash;

    if (!X509_NAME_get0_der(subject, &der, &len))
        return;
    hash = der_name_hash((struct span){ (const char *)der, len });
    for (size_t i = 0; i < anchors->count; i++) {
        struct anchor *item = &anchors->items[i];

        if (item->subject_hash != hash || parse(item) == NULL ||
            X509_NAME_cmp(X509_get_subject_name(item->parsed), subject) != 0)
            continue;
        if (!visit(item->parsed, context))
            return;
    }
}

bool anchors_has_organization(const struct anchors *anchors, const X509_NAME *name)
{
    const unsigned char *der = NULL;
    struct der_certificate parts;
    struct span wanted;
    size_t len = 0;

    if (!X509_NAME_get0_der(name, &der, &len))
        return false;
    wanted = der_organization((struct span){ (const char *)der, len });
    for (size_t i = 0; wanted.len > 0 && i < anchors->count; i++)
        if (der_certificate(anchors->items[i].der, &parts) &&
            span_equal_nocase(der_organization(parts.subject), wanted))
            return true;
    return false;
}

int64_t anchors_newest_s(const struct anchors *anchors)
{
    int64_t newest = 0;

    for (size_t i = 0; i < anchors->count; i++) {
        struct der_certificate parts;
        int64_t begins;

        if (der_certificate(anchors->items[i].der, &parts) &&
            der_time(parts.not_before_tag, parts.not_before, &begins) && begins > newest)
            newest = begins;
    }
    return newest;
}
