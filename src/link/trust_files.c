#include "link/trust_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "base/text.h"

enum { FILE_BYTES_MOST = 16 << 20, ONE_CERTIFICATE_ARENA = 1 << 20, CHUNK = 16 * 1024 };

static bool read_all(FILE *file, const char *path, struct buffer *content, struct error *err)
{
    char chunk[CHUNK];
    size_t got;

    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (!buffer_append(content, (struct span){ chunk, got }))
            return error_set(err, ERROR_FORMAT, "%s: larger than %d MiB", path,
                             FILE_BYTES_MOST >> 20);
    if (ferror(file) != 0)
        return error_set(err, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    return true;
}

bool trust_files_read(const char *path, struct buffer *content, struct error *err)
{
    bool is_ours = strcmp(path, "-") != 0, is_read;
    FILE *file = is_ours ? fopen(path, "rb") : stdin;

    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    is_read = read_all(file, path, content, err);
    if (is_ours)
        fclose(file);
    return is_read;
}

/* Index of `text` in the span, or its length. */
static size_t find_text(struct span span, const char *text)
{
    const char *found = span.len == 0 ? NULL : memmem(span.data, span.len, text, strlen(text));

    return found == NULL ? span.len : (size_t)(found - span.data);
}

bool trust_files_next(struct span *pem, const char *label, struct arena *arena, struct span *der,
                      struct error *err)
{
    char begin[64], end[64];
    struct span body;

    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    snprintf(end, sizeof end, "-----END %s-----", label);
    *der = (struct span){ NULL, 0 };
    span_take_front(pem, find_text(*pem, begin));
    if (pem->len == 0)
        return true;
    span_take_front(pem, strlen(begin));
    body = span_part(*pem, 0, find_text(*pem, end));
    if (body.len == pem->len || find_text(body, "-----BEGIN ") < body.len) {
        span_take_front(pem, find_text(body, "-----BEGIN ")); /* the next one may be sound */
        return error_set(err, ERROR_FORMAT, "its \"%s\" line is missing", end);
    }
    span_take_front(pem, body.len + strlen(end));
    if (!text_from_base64(arena, body, der) || der->len == 0)
        return error_set(err, arena->exhausted ? ERROR_MEMORY : ERROR_FORMAT,
                         arena->exhausted ? "no memory for it" : "what it holds is not base64");
    return true;
}

/* One DER certificate begins with SEQUENCE and a long length. */
static bool looks_like_der(struct span content)
{
    return content.len > 4 && (unsigned char)content.data[0] == 0x30 &&
           ((unsigned char)content.data[1] & 0x80) != 0;
}

bool trust_files_certificates(const char *path, struct arena *arena, struct span *der, size_t most,
                              size_t *count, struct error *err)
{
    AUTO(buffer_clear) struct buffer content;
    struct span rest;

    buffer_init(&content, FILE_BYTES_MOST);
    *count = 0;
    if (!trust_files_read(path, &content, err))
        return false;
    rest = buffer_span(&content);
    if (looks_like_der(rest)) {
        der[(*count)++] = arena_copy_bytes(arena, rest);
        return !arena->exhausted || error_set(err, ERROR_MEMORY, "%s: no memory for it", path);
    }
    for (;;) {
        struct span next;

        if (!trust_files_next(&rest, "CERTIFICATE", arena, &next, err))
            return error_wrap(err, "%s: certificate %zu", path, *count + 1);
        if (next.len == 0)
            break;
        if (*count == most)
            return error_set(err, ERROR_FORMAT, "%s: more than %zu certificates", path, most);
        der[(*count)++] = next;
    }
    return *count > 0 || error_set(err, ERROR_FORMAT, "%s: there is no certificate in it", path);
}

/* The next certificate of a PEM text; *is_end where there is none left. One at a time, so that a
 * large store needs little memory beside the anchors. */
static bool add_next(struct span *rest, struct anchors *anchors, bool *is_end, struct error *err)
{
    AUTO(arena_clear) struct arena arena;
    struct span der;

    arena_init(&arena, ONE_CERTIFICATE_ARENA);
    *is_end = false;
    if (!trust_files_next(rest, "CERTIFICATE", &arena, &der, err))
        return false;
    *is_end = der.len == 0;
    return *is_end || anchors_add(anchors, der, err);
}

static bool add_pem(const char *path, struct span rest, struct anchors *anchors, size_t *count,
                    struct error *err)
{
    bool is_sound = true, is_end = false;

    for (size_t number = 1; !is_end; number++) {
        struct error problem;

        if (add_next(&rest, anchors, &is_end, &problem))
            *count += !is_end;
        else if (is_sound) {
            is_sound = false;
            error_set(err, problem.kind, "%s: certificate %zu: %s", path, number, problem.text);
        }
    }
    return is_sound;
}

static bool add_file(const char *path, struct anchors *anchors, size_t *count, struct error *err)
{
    AUTO(buffer_clear) struct buffer content;

    buffer_init(&content, FILE_BYTES_MOST);
    if (!trust_files_read(path, &content, err))
        return false;
    if (!looks_like_der(buffer_span(&content)))
        return add_pem(path, buffer_span(&content), anchors, count, err);
    if (!anchors_add(anchors, buffer_span(&content), err))
        return error_wrap(err, "%s", path);
    ++*count;
    return true;
}

/* Files in which there is no certificate are passed over; the first that is damaged is told. */
static bool add_directory(const char *path, DIR *directory, struct anchors *anchors, size_t *count,
                          struct error *err)
{
    bool is_sound = true;

    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char name[PATH_MAX];
        struct stat facts;
        struct error problem;

        if (entry->d_name[0] == '.' ||
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= (int)sizeof name ||
            stat(name, &facts) != 0 || !S_ISREG(facts.st_mode))
            continue;
        if (!add_file(name, anchors, count, &problem) && is_sound) {
            is_sound = false;
            error_set(err, problem.kind, "%s", problem.text);
        }
    }
    return is_sound;
}

bool trust_files_add(const char *path, struct anchors *anchors, struct error *err)
{
    DIR *directory = folder_open(AT_FDCWD, path);
    size_t count = 0;
    bool is_sound;

    if (directory == NULL) {
        is_sound = add_file(path, anchors, &count, err);
    } else {
        is_sound = add_directory(path, directory, anchors, &count, err);
        closedir(directory);
    }
    if (is_sound && count == 0)
        return error_set(err, ERROR_FORMAT, "%s: there is no certificate in it", path);
    return is_sound;
}
