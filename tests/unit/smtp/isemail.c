/* tests/unit/smtp/isemail.c - reads is_email's set and asks about each address. */
#include "isemail.h"

#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* The text between <name> and </name>, taken off *xml; NULL data where there is none. */
static struct span take_element(struct span *xml, const char *name)
{
    char opening[32], closing[32];

    snprintf(opening, sizeof opening, "<%s>", name);
    snprintf(closing, sizeof closing, "</%s>", name);
    const char *start = memmem(xml->data, xml->len, opening, strlen(opening));

    if (start == NULL)
        return (struct span){ NULL, 0 };
    start += strlen(opening);
    size_t left = xml->len - (size_t)(start - xml->data);
    const char *end = memmem(start, left, closing, strlen(closing));

    if (end == NULL)
        return (struct span){ NULL, 0 };
    *xml = (struct span){ end, left - (size_t)(end - start) };
    return (struct span){ start, (size_t)(end - start) };
}

static size_t put_utf8(char *out, unsigned long point)
{
    if (point >= 0x2400 && point <= 0x2420) /* the set writes controls as their symbols */
        point -= 0x2400;
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3f));
    out[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

/* &amp; and &#xHHHH; and symbols of controls as they stand (E2 90 xx). */
static size_t decode(char *out, struct span text)
{
    size_t len = 0;

    while (text.len > 0) {
        if (span_starts_with(text, "&#x")) {
            struct span entity = span_take_until(&text, ';');

            len += put_utf8(out + len, strtoul(entity.data + 3, NULL, 16));
        } else if (span_starts_with(text, "&amp;")) {
            span_take_front(&text, 5);
            out[len++] = '&';
        } else if (text.len >= 3 && span_starts_with(text, "\xe2\x90")) {
            struct span symbol = span_take_front(&text, 3);

            len += put_utf8(out + len, 0x2400 + ((unsigned char)symbol.data[2] & 0x3fU));
        } else {
            out[len++] = span_take(&text);
        }
    }
    return len;
}

static struct span read_corpus(char *xml, size_t size)
{
    const char *corpora = getenv("POSTERN_CORPORA");
    char path[4096];
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/isemail/isemail-tests.xml",
             corpora != NULL ? corpora : DEFAULT_CORPORA);
    file = fopen(path, "r");
    if (file == NULL)
        skip();
    len = fread(xml, 1, size, file);
    fclose(file);
    return (struct span){ xml, len };
}

/* The set grades addresses: the first three categories are mailboxes of RFC 5321, the rest are
 * not. Those with CR, LF or NUL cannot be written into a command at all. */
void isemail_check(bool (*takes)(struct span address))
{
    static char xml[128 * 1024];
    static const struct {
        const char *category;
        int at_least;
    } rows[] = { { "ISEMAIL_VALID_CATEGORY", 14 },
                 { "ISEMAIL_DNSWARN", 8 },
                 { "ISEMAIL_RFC5321", 13 } };
    int right[ARRAY_SIZE(rows)] = { 0 }, total = 0, agreed = 0;
    struct span rest = read_corpus(xml, sizeof xml);

    for (;;) {
        char address[2048];
        struct span text = take_element(&rest, "address"), category;
        bool is_mailbox = false;

        if (text.data == NULL)
            break;
        struct span decoded = { address, decode(address, text) };

        category = take_element(&rest, "category");
        if (span_find(decoded, '\r') < decoded.len || span_find(decoded, '\n') < decoded.len ||
            span_find(decoded, '\0') < decoded.len)
            continue;
        bool is_accepted = takes(decoded);

        total++;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
            if (span_equal(category, span_of(rows[i].category))) {
                is_mailbox = true;
                right[i] += is_accepted;
            }
        agreed += is_accepted == is_mailbox;
        if (is_accepted != is_mailbox)
            print_message("differs: %.*s (%.*s)\n", (int)decoded.len, decoded.data,
                          (int)category.len, category.data);
    }
    print_message("agreed on %d of %d\n", agreed, total);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_true(right[i] >= rows[i].at_least);
    assert_true(agreed >= 101);
    assert_true(total >= 133);
}
