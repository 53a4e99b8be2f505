#include "trust/der.h"

#include <stdio.h>

#include "base/text.h"

enum { LENGTH_OCTETS_MOST = 4 };

static bool take_length(struct span *der, size_t *len)
{
    unsigned first;

    if (der->len == 0)
        return false;
    first = (unsigned char)span_take(der);
    *len = first;
    if (first < 0x80)
        return true;
    first &= 0x7f;
    if (first == 0 || first > LENGTH_OCTETS_MOST || first > der->len)
        return false;
    for (*len = 0; first > 0; first--)
        *len = *len << 8 | (unsigned char)span_take(der);
    return true;
}

bool der_take(struct span *der, unsigned char *tag, struct span *contents)
{
    struct span rest = *der, inside;
    size_t len;

    if (rest.len == 0)
        return false;
    *tag = (unsigned char)span_take(&rest);
    if ((*tag & 0x1f) == 0x1f || !take_length(&rest, &len) || len > rest.len)
        return false;
    inside = span_take_front(&rest, len);
    if (contents != NULL)
        *contents = inside;
    *der = rest;
    return true;
}

bool der_take_tag(struct span *der, unsigned char tag, struct span *contents)
{
    struct span rest = *der;
    unsigned char found;

    if (!der_take(&rest, &found, contents) || found != tag)
        return false;
    *der = rest;
    return true;
}

bool der_time(unsigned char tag, struct span contents, int64_t *seconds)
{
    size_t year_digits = tag == DER_UTC_TIME ? 2 : 4;
    char text[sizeof "2026-11-21T19:05:00Z"];
    const char *digits = contents.data, *century = "";

    if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) ||
        contents.len != year_digits + sizeof "1121190500Z" - 1)
        return false;
    if (tag == DER_UTC_TIME) /* RFC 5280 section 4.1.2.5.1: 50 to 99 are 19xx */
        century = digits[0] >= '5' ? "19" : "20";
    snprintf(text, sizeof text, "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.2s%c", century, (int)year_digits,
             digits, digits + year_digits, digits + year_digits + 2, digits + year_digits + 4,
             digits + year_digits + 6, digits + year_digits + 8, digits[year_digits + 10]);
    return digits[year_digits + 10] == 'Z' && text_to_time(span_of(text), seconds);
}

static bool take_validity(struct span validity, struct der_certificate *parts)
{
    return der_take(&validity, &parts->not_before_tag, &parts->not_before) &&
           der_take(&validity, &parts->not_after_tag, &parts->not_after) && validity.len == 0;
}

/* The whole element, with its tag and length. */
static bool take_whole(struct span *der, unsigned char tag, struct span *element)
{
    struct span start = *der;

    if (!der_take_tag(der, tag, NULL))
        return false;
    *element = span_part(start, 0, start.len - der->len);
    return true;
}

bool der_certificate(struct span der, struct der_certificate *parts)
{
    struct span certificate, body, rest, validity;
    unsigned char tag;

    if (!der_take_tag(&der, DER_SEQUENCE, &certificate) || der.len > 0 ||
        !der_take_tag(&certificate, DER_SEQUENCE, &body))
        return false;
    if (body.len > 0 && (unsigned char)body.data[0] == 0xa0 && !der_take(&body, &tag, NULL))
        return false; /* [0] version */
    return take_whole(&body, DER_INTEGER, &parts->serial) &&
           der_take_tag(&body, DER_SEQUENCE, NULL) &&
           take_whole(&body, DER_SEQUENCE, &parts->issuer) &&
           der_take_tag(&body, DER_SEQUENCE, &validity) && take_validity(validity, parts) &&
           take_whole(&body, DER_SEQUENCE, &parts->subject) &&
           der_take_tag(&body, DER_SEQUENCE, &rest) &&        /* the key */
           der_take_tag(&certificate, DER_SEQUENCE, &rest) && /* the signature algorithm */
           der_take(&certificate, &tag, &rest);
}

static uint64_t mix(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * 0x100000001b3U; /* FNV-1a */
}

static uint64_t hash_bytes(uint64_t hash, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = mix(hash, (unsigned char)bytes.data[i]);
    return hash;
}

/* Octets a character, 0 where the type is compared bit by bit. */
static size_t character_width(unsigned char tag)
{
    switch (tag) {
    case 0x0c: /* UTF8String */
    case 0x13: /* PrintableString */
    case 0x14: /* T61String */
    case 0x16: /* IA5String */
    case 0x1a: /* VisibleString */ return 1;
    case 0x1e: return 2; /* BMPString */
    case 0x1c: return 4; /* UniversalString */
    default: return 0;
    }
}

/* Only visible ASCII counts: all string types agree about it, and case and blanks do not matter
 * (RFC 5280 section 7.1). */
static uint64_t hash_text(uint64_t hash, struct span text, size_t width)
{
    while (text.len >= width) {
        struct span unit = span_take_front(&text, width);
        unsigned char c = (unsigned char)unit.data[width - 1];
        bool is_ascii = c > 0x20 && c < 0x7f;

        for (size_t i = 0; i + 1 < width; i++)
            is_ascii = is_ascii && unit.data[i] == 0;
        if (is_ascii)
            hash = mix(hash, (unsigned char)text_lower((char)c));
    }
    return hash;
}

static uint64_t hash_attribute(struct span attribute)
{
    uint64_t hash = 0xcbf29ce484222325U;
    unsigned char tag;
    struct span type, value;

    if (!der_take(&attribute, &tag, &type) || !der_take(&attribute, &tag, &value))
        return hash;
    hash = hash_bytes(hash, type);
    return character_width(tag) == 0 ? hash_bytes(mix(hash, tag), value)
                                     : hash_text(hash, value, character_width(tag));
}

uint64_t der_name_hash(struct span name)
{
    struct span names, set, attribute;
    uint64_t sum = 0; /* a sum, since the members of a SET have no order that can be relied on */

    if (!der_take_tag(&name, DER_SEQUENCE, &names))
        return 0;
    while (der_take_tag(&names, DER_SET, &set))
        while (der_take_tag(&set, DER_SEQUENCE, &attribute))
            sum += hash_attribute(attribute);
    return sum;
}

struct span der_organization(struct span name)
{
    static const char organization[] = "\x55\x04\x0a"; /* id-at-organizationName */
    struct span names, set, attribute, type, value, found = { NULL, 0 };
    unsigned char tag;

    if (!der_take_tag(&name, DER_SEQUENCE, &names))
        return found;
    while (der_take_tag(&names, DER_SET, &set))
        while (der_take_tag(&set, DER_SEQUENCE, &attribute))
            if (der_take(&attribute, &tag, &type) && der_take(&attribute, &tag, &value) &&
                span_equal(type, span_of(organization)))
                found = value;
    return found;
}
