#include "gateway/host_look.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
    KEYWORDS_MOST = 48,
    ISSUER_PART = 200,
    KEYWORD_BYTES = 32,
    SLUGS_MOST = 4,
    KEY_DIGITS = 16,
    WORDS_ARENA = 8192
};

static const char *const names[] = {
    [HOST_ISSUER] = "the issuer is",
    [HOST_KEY] = "the key's SHA-256 is",
    [HOST_VERSION] = "the TLS version is",
    [HOST_VERDICT] = "the findings are",
};

/* ---- what a session shows ---- */

/* A whole text, or as much of it as there is room for. */
static const char *bounded_to(struct arena *arena, const char *text, size_t most)
{
    return arena_copy(arena, text_front(span_of(text), most));
}

static const char *bounded(struct arena *arena, const char *text)
{
    return bounded_to(arena, text, HOST_LOOK_TEXT);
}

/* The value of O in a name such as "CN=R11, O=Let's Encrypt, C=US"; empty where it has none. A comma
 * in a value has a backslash before it, which is left out: RFC 2253 section 2.4. */
static const char *organization_of(struct arena *arena, const char *name)
{
    const char *found = strncmp(name, "O=", 2) == 0 ? name : strstr(name, ", O=");
    char *text = arena_new(arena, strlen(name) + 1, 1);
    size_t len = 0;

    if (found == NULL || text == NULL)
        return "";
    for (found = strchr(found, '=') + 1; *found != '\0' && *found != ','; found++) {
        if (*found == '\\' && found[1] != '\0')
            found++;
        text[len++] = *found;
    }
    return text;
}

static void read_certificate(const struct observation *seen, struct arena *arena,
                             struct host_look *look)
{
    const struct certificate *leaf;
    const char *organization;

    if (!seen->has_verdict || seen->verdict.certificate_count == 0 ||
        !seen->verdict.certificates[0].is_readable)
        return;
    leaf = &seen->verdict.certificates[0];
    organization = organization_of(arena, leaf->issuer);
    if (organization[0] == '\0')
        organization = leaf->issuer;
    look->shown[HOST_ORGANIZATION] = bounded(arena, organization);
    look->shown[HOST_KEY] = bounded(arena, leaf->spki_sha256);
    if (leaf->issuer_common_name[0] == '\0' || strcmp(organization, leaf->issuer) == 0 ||
        strcmp(organization, leaf->issuer_common_name) == 0)
        look->shown[HOST_ISSUER] = look->shown[HOST_ORGANIZATION];
    else
        look->shown[HOST_ISSUER] =
            bounded(arena, arena_format(arena, "%s (%s)",
                                        bounded_to(arena, leaf->issuer_common_name, ISSUER_PART),
                                        bounded_to(arena, organization, ISSUER_PART)));
}

static int compare_words(const void *one, const void *other)
{
    return strcmp(one, other);
}

/* ehlo-keyword: RFC 5321 section 4.1.1.1. Also the "AUTH=LOGIN" of old. False: it is none. */
static bool read_keyword(struct span line, char word[KEYWORD_BYTES])
{
    size_t len = 0;

    while (len < line.len && len < KEYWORD_BYTES - 1) {
        char c = line.data[len];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            break;
        word[len++] = c;
    }
    word[len] = '\0';
    return len > 0;
}

/* NULL where EHLO was not accepted. */
static const char *keywords_of(const struct observed_reply *ehlo, struct arena *arena)
{
    char words[KEYWORDS_MOST][KEYWORD_BYTES];
    struct span rest = ehlo->raw;
    struct buffer list;
    const char *text;
    size_t count = 0;

    if (!ehlo->came || ehlo->is_broken || ehlo->code / 100 != 2)
        return NULL;
    span_take_until(&rest, '\n'); /* the greeting, never a keyword */
    while (rest.len > 0 && count < KEYWORDS_MOST) {
        struct span line = span_take_until(&rest, '\n');

        line = span_part(line, 4, line.len);
        count += read_keyword(line, words[count]);
    }
    qsort(words, count, sizeof words[0], compare_words);
    buffer_init(&list, HOST_LOOK_TEXT);
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || strcmp(words[i], words[i - 1]) != 0) &&
            !buffer_format(&list, "%s%s", list.len == 0 ? "" : " ", words[i]))
            break;
    text = arena_copy(arena, buffer_span(&list));
    buffer_clear(&list);
    return text;
}

static const char *verdict_of(const struct findings *findings, struct arena *arena)
{
    struct buffer list;
    const char *text;
    size_t told = 0;

    buffer_init(&list, HOST_LOOK_TEXT);
    for (size_t i = 0; i < findings->count && told < SLUGS_MOST; i++) {
        const struct finding *finding = &findings->items[i];

        if (finding->severity < SEVERITY_UNTRUSTED || finding->because_of != NULL)
            continue;
        if (!buffer_format(&list, "%s%s", told == 0 ? "" : ", ", finding->code))
            break;
        told++;
    }
    text = arena_copy(arena, buffer_span(&list));
    buffer_clear(&list);
    return text;
}

void host_look_read(const struct observation *seen, const struct findings *findings,
                    bool was_success, struct arena *arena, struct host_look *look)
{
    *look = (struct host_look){ { NULL } };
    read_certificate(seen, arena, look);
    if (seen->tls.was_completed)
        look->shown[HOST_VERSION] = bounded(arena, tls_version_name(seen->tls.version));
    else if (was_success)
        look->shown[HOST_VERSION] = "none";
    look->shown[HOST_KEYWORDS] = keywords_of(&seen->ehlo, arena);
    look->shown[HOST_KEYWORDS_INSIDE] = keywords_of(&seen->ehlo_after_tls, arena);
    look->shown[HOST_VERDICT] = verdict_of(findings, arena);
}

/* ---- what differs ---- */

bool host_look_differs(const struct host_look *before, const struct host_look *now,
                       enum host_aspect aspect)
{
    enum host_aspect decides = aspect == HOST_ISSUER ? HOST_ORGANIZATION : aspect;

    return aspect != HOST_ORGANIZATION && before->shown[decides] != NULL &&
           now->shown[decides] != NULL && strcmp(before->shown[decides], now->shown[decides]) != 0;
}

const char *host_look_minute(struct arena *arena, int64_t seconds)
{
    struct span text = span_of(text_time(arena, seconds)); /* "2026-11-22T02:10:00Z" */

    return arena_format(arena, "%.*s %.*s UTC", 10, text.len > 10 ? text.data : "", 5,
                        text.len > 16 ? text.data + 11 : "");
}

static bool has_word(struct span list, struct span word)
{
    while (list.len > 0)
        if (span_equal(span_take_until(&list, ' '), word))
            return true;
    return false;
}

/* Those of `list` that `other` has not, behind `what`. */
static bool tell_words(struct span list, struct span other, const char *what, struct buffer *words)
{
    bool has_any = false;

    while (list.len > 0) {
        struct span word = span_take_until(&list, ' ');

        if (has_word(other, word))
            continue;
        if (!buffer_format(words, "%s%.*s", has_any ? ", " : what, (int)word.len, word.data))
            return false;
        has_any = true;
    }
    return true;
}

static bool tell_keywords(const char *before, const char *now, const char *where,
                          struct buffer *words)
{
    return buffer_format(words, "EHLO%s", where) &&
           tell_words(span_of(before), span_of(now), " no longer offers ", words) &&
           tell_words(span_of(now), span_of(before), " now offers ", words);
}

static const char *or_none(const char *text)
{
    return text[0] == '\0' ? "none" : text;
}

/* Who compares keys with another page needs no more of them. */
static int most_of(enum host_aspect aspect)
{
    return aspect == HOST_KEY ? KEY_DIGITS : HOST_LOOK_TEXT;
}

bool host_look_tell(const struct host_look *before, const struct host_look *now,
                    enum host_aspect aspect, int64_t since_s, struct buffer *words)
{
    AUTO(arena_clear) struct arena arena;
    const char *was = before->shown[aspect], *is = now->shown[aspect];
    bool is_told;

    arena_init(&arena, WORDS_ARENA);
    if (!buffer_format(words, "since %s ", host_look_minute(&arena, since_s)))
        return false;
    if (aspect == HOST_KEYWORDS)
        is_told = tell_keywords(was, is, "", words);
    else if (aspect == HOST_KEYWORDS_INSIDE)
        is_told = tell_keywords(was, is, " inside TLS", words);
    else
        is_told = buffer_format(words, "%s %.*s; before, %.*s", names[aspect], most_of(aspect),
                                or_none(is), most_of(aspect), or_none(was));
    return is_told && buffer_append_text(words, "\n");
}
