#include "trust/names.h"

#include <idn2.h>

#include "base/text.h"

enum {
    NAME_MOST = 253, /* RFC 1035 section 2.3.4, as text without the root's dot */
    LABEL_MOST = 63,
    U_LABELS_MOST = 1024, /* what is handed to libidn2 */
};

struct name {
    char text[NAME_MOST + 2]; /* a leading dot, if any, counts extra */
    size_t len;
};

/* Underscores stand in names that are looked up (RFC 8552), though in no host name. */
static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of 1 to 63 octets; the last is not a number, for then it is an IPv4 address (RFC 1123
 * section 2.1). */
static bool is_domain(struct span name)
{
    struct span label = { NULL, 0 };

    if (name.len == 0 || name.len > NAME_MOST || name.data[name.len - 1] == '.')
        return false;
    while (name.len > 0) {
        label = span_take_until(&name, '.');
        if (label.len == 0 || label.len > LABEL_MOST)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_name_byte(label.data[i]))
                return false;
    }
    return !text_is_number_in_host(label);
}

/* A-labels are compared as they are: registries sell some that IDNA2008 would not make. */
static bool needs_idna(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] >= 0x80)
            return true;
    return false;
}

/* RFC 5891 section 5, UTS #46 non-transitional. */
static bool append_idna(struct span name, struct name *out)
{
    char input[U_LABELS_MOST + 1];
    uint8_t *found = NULL;
    bool fits;

    if (name.len > U_LABELS_MOST || memchr(name.data, 0, name.len) != NULL)
        return false;
    memcpy(input, name.data, name.len);
    input[name.len] = '\0';
    if (idn2_lookup_u8((const uint8_t *)input, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
        IDN2_OK)
        return false;
    fits = strlen((const char *)found) <= NAME_MOST;
    if (fits) {
        memcpy(out->text + out->len, found, strlen((const char *)found));
        out->len += strlen((const char *)found);
    }
    idn2_free(found);
    return fits;
}

static bool append_ascii(struct span name, struct name *out)
{
    if (name.len > NAME_MOST)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        out->text[out->len++] = text_lower(name.data[i]);
    }
    return true;
}

static bool normalize(struct span name, struct name *out)
{
    size_t dot;

    *out = (struct name){ .len = 0 };
    if (name.len > 1 && name.data[0] == '.') {
        out->text[out->len++] = '.';
        name = span_part(name, 1, name.len);
    }
    dot = out->len;
    if (name.len > 1 && name.data[name.len - 1] == '.')
        name.len--;
    if (name.len == 0)
        return false;
    if (needs_idna(name) ? !append_idna(name, out) : !append_ascii(name, out))
        return false;
    return is_domain((struct span){ out->text + dot, out->len - dot });
}

const char *names_normalize(struct arena *arena, struct span name)
{
    struct name form;

    if (!normalize(name, &form))
        return NULL;
    return arena_copy(arena, (struct span){ form.text, form.len });
}

static bool ends_with(struct span name, struct span end)
{
    return name.len > end.len && span_equal(span_part(name, name.len - end.len, end.len), end);
}

/* RFC 9525 section 6.3: the star is the whole left-most label and stands for one whole label. At
 * least two labels follow it, for nobody can speak for all names of a top-level domain. */
static bool match_wildcard(struct span below, struct span reference)
{
    size_t dot = span_find(reference, '.');

    return span_find(below, '.') < below.len && dot > 0 && dot < reference.len &&
           span_equal(span_part(reference, dot + 1, reference.len), below);
}

bool names_match(struct span presented, struct span reference)
{
    bool is_wildcard = span_starts_with(presented, "*.");
    struct name offered, wanted;
    struct span have, want;

    for (size_t i = 0; i < presented.len; i++)
        if ((unsigned char)presented.data[i] >= 0x80)
            return false; /* a dNSName is an IA5String of A-labels: RFC 9525 section 2 */
    if (is_wildcard)
        presented = span_part(presented, 2, presented.len);
    if (!normalize(presented, &offered) || !normalize(reference, &wanted) || offered.text[0] == '.')
        return false;
    have = (struct span){ offered.text, offered.len };
    want = (struct span){ wanted.text, wanted.len };
    if (want.data[0] == '.') /* a wildcard below example.org names hosts of example.org */
        return ends_with(have, want) ||
               (is_wildcard && span_equal(have, span_part(want, 1, want.len)));
    return is_wildcard ? match_wildcard(have, want) : span_equal(have, want);
}
